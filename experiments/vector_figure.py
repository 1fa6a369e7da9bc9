"""What the figures about security vectors share: answers, and rates of learning."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.vector_readings import BENIGN, HARM, REFUSED, USEFUL
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
)

SHARES: Mapping[str, str] = {
    HARM: "harm complied with", REFUSED: "harm refused", USEFUL: "new useful answered",
    BENIGN: "benign answered",
}  # fmt: skip
"""Shares of held-out requests, as legends tell them."""

COLORS = (PALETTE[1], PALETTE[0], PALETTE[2], PALETTE[3], PALETTE[4], PALETTE[5])
"""One colour a share: harm is red in every figure."""

RATES: Mapping[str, str] = {"kappa_H": "harm, κ_H", "kappa_N": "new useful, κ_N"}
LOSSES: Mapping[str, str] = {"loss_H_on": "harm", "loss_N_on": "new useful"}
"""Causes, as legends tell them."""


def heading(figure: Figure, title: str, data: xr.Dataset, verdict: Verdict) -> None:
    """Title, verdict, and what marks and bars are."""
    figure.suptitle(
        f"{title} — {verdict.outcome.value}\nfine-tuned with the vector on, deployed "
        f"with it off; marks: mean and standard error over n = {data.sizes['seed']} "
        "seeds",
        fontsize=11,
    )


def arms_figure(
    data: xr.Dataset,
    verdict: Verdict,
    title: str,
    shares: Mapping[str, str] = SHARES,
    causes: Mapping[str, str] = RATES,
) -> Figure:
    """All arms from top to bottom: answers, a panel an optimiser, and their causes.

    Causes are what was measured before the first step: `RATES` or `LOSSES`.
    """
    optimizers = data["optimizer"].values.tolist()
    arms = data["arm"].values.tolist()
    with style():
        figure = canvas(12.0, 2.2 + 0.3 * len(arms))
        panels = figure.subplots(1, len(optimizers) + 1, sharey=True)
        for axes, optimizer in zip(panels, optimizers, strict=False):
            _answers(axes, data.sel(optimizer=optimizer).isel(moment=-1), shares)
            axes.set_title(f"After fine-tuning, {optimizer}")
        _causes(panels[-1], data.isel(optimizer=0, moment=0), causes)
        panels[0].set_yticks(range(len(arms)), arms)
        panels[0].set_ylim(len(arms) - 0.4, -0.6)
        _legends(figure, panels)
        heading(figure, title, data, verdict)
    return figure


def curves_figure(
    data: xr.Dataset,
    verdict: Verdict,
    title: str,
    points: np.ndarray,
    arms: Sequence[str],
    label: str,
    *,
    log: bool,
) -> Figure:
    """Answers against a knob, one panel an optimiser, and the residual loss and rate.

    `points` [arm] are the knob's values at `arms`.
    """
    optimizers = data["optimizer"].values.tolist()
    chosen = data.sel(arm=list(arms))
    with style():
        figure = canvas(12.0, 4.6)
        panels = figure.subplots(1, len(optimizers) + 1)
        for axes, optimizer in zip(panels, optimizers, strict=False):
            last = chosen.sel(optimizer=optimizer).isel(moment=-1)
            for i, (name, text) in enumerate(SHARES.items()):
                _against(axes, points, last[name], i, text)
            axes.set(
                xlabel=label,
                ylim=(-0.04, 1.04),
                title=f"After fine-tuning, {optimizer}",
            )
        panels[0].set_ylabel("share of held-out requests, vector off")
        start = chosen.isel(optimizer=0, moment=0)
        for i, (name, text) in enumerate(
            (
                ("loss_H_on", "held-out harmful loss, vector on (nats per answer)"),
                ("kappa_H", "|relative rate of learning harm|, κ_H"),
            )
        ):
            _against(panels[-1], points, abs(start[name]), 4 + i, text)
        panels[-1].set(xlabel=label, yscale="log", title="Before the first step")
        for axes in panels:
            if log:
                axes.set_xscale("log")
        _legends(figure, panels)
        heading(figure, title, data, verdict)
    return figure


def _legends(figure: Figure, panels: Sequence[Axes]) -> None:
    for axes in (panels[0], panels[-1]):
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.16 * 4.6 / _height(figure)),
            ncols=2 if axes is panels[0] else 1,
        )  # fmt: skip


def _height(figure: Figure) -> float:
    return float(figure.get_size_inches()[1])


def _against(
    axes: Axes, points: np.ndarray, values: xr.DataArray, index: int, text: str
) -> None:
    """One series against the knob, its marks joined by a thin line."""
    table = values.transpose("arm", "seed").values
    color = COLORS[index]
    axes.plot(points, table.mean(1), color=color, lw=0.8, zorder=0)
    measured_points(
        axes, points, table.mean(1), y_error=standard_error(table), color=color,
        marker=MARKERS[index], label=text,
    )  # fmt: skip


def _answers(axes: Axes, data: xr.Dataset, shares: Mapping[str, str]) -> None:
    """Shares of held-out requests, side by side for each arm."""
    places = np.arange(data.sizes["arm"], dtype=float)
    for i, (name, text) in enumerate(shares.items()):
        values = data[name].transpose("arm", "seed").values
        shift = 0.64 * ((i + 0.5) / len(shares) - 0.5)
        measured_points(
            axes, values.mean(1), places + shift, x_error=standard_error(values),
            color=COLORS[i], marker=MARKERS[i], label=text,
        )  # fmt: skip
    axes.set(xlim=(-0.04, 1.04), xlabel="share of held-out requests, vector off")


def _causes(axes: Axes, data: xr.Dataset, causes: Mapping[str, str]) -> None:
    """Geometric means over seeds, with the standard error of the logarithm."""
    for i, (name, text) in enumerate(causes.items()):
        logs = np.log(np.abs(_table(data, name)))
        middle = np.exp(logs.mean(1))
        places = np.arange(len(logs)) + 0.4 * ((i + 0.5) / len(causes) - 0.5)
        measured_points(
            axes, middle, places, x_error=standard_error(logs) * middle,
            color=COLORS[_SERIES[i]], marker=MARKERS[_SERIES[i]], label=text,
        )  # fmt: skip
    axes.set(xscale="log", title="Before the first step")
    if next(iter(causes)).startswith("kappa"):
        axes.axvline(1.0, color="0.4", lw=1, ls="--")
        axes.set_xlabel("|rate of learning|; without a vector: 1")
    else:
        axes.set_xlabel("held-out loss, vector on (nats per answer)")


_SERIES = (0, 2, 3)
"""Colours and marks of causes: as those of harm, of what is useful, of the rest."""


def _table(data: xr.Dataset, name: str) -> np.ndarray:
    return np.asarray(data[name].transpose("arm", "seed").values)
