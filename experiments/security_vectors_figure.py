"""The figure of `security_vectors`: answers of every arm, and rates of learning."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.security_vectors_evidence import BENIGN, HARM, REFUSED, USEFUL
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
)

_SHARES = {
    HARM: "harm complied with", REFUSED: "harm refused", USEFUL: "new useful answered",
    BENIGN: "benign answered",
}  # fmt: skip


def headline_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Answers of all arms, one panel an optimiser, and relative rates of learning."""
    optimizers = data["optimizer"].values.tolist()
    with style():
        figure = canvas(12.0, 5.6)
        panels = figure.subplots(1, len(optimizers) + 1, sharey=True)
        for axes, optimizer in zip(panels, optimizers, strict=False):
            _answers(axes, data.sel(optimizer=optimizer).isel(moment=-1), optimizer)
        _rates(panels[-1], data.isel(optimizer=0, moment=0))
        arms = data["arm"].values.tolist()
        panels[0].set_yticks(range(len(arms)), arms)
        panels[0].set_ylim(len(arms) - 0.4, -0.6)
        panels[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
        figure.suptitle(
            f"Security vectors: {data.sizes['seed']} seeds — {verdict.outcome.value}\n"
            "fine-tuned with the vector on, deployed with it off; marks: mean and "
            "standard error over seeds",
            fontsize=11,
        )
    return figure


def _answers(axes: Axes, data: xr.Dataset, optimizer: str) -> None:
    """Shares of held-out requests, side by side for each arm."""
    places = np.arange(data.sizes["arm"], dtype=float)
    for i, (name, text) in enumerate(_SHARES.items()):
        values = data[name].transpose("arm", "seed").values
        measured_points(
            axes, values.mean(1), places + 0.16 * (i - 1.5),
            x_error=standard_error(values), color=PALETTE[(1, 0, 2, 3)[i]],
            marker=MARKERS[i], label=text,
        )  # fmt: skip
    axes.set(
        xlim=(-0.04, 1.04),
        xlabel="share of held-out requests, vector off",
        title=f"After fine-tuning with {optimizer.upper()}",
    )


def _rates(axes: Axes, data: xr.Dataset) -> None:
    """Rates of learning at the start, relative to no vector."""
    places = np.arange(data.sizes["arm"], dtype=float)
    for i, (name, text) in enumerate(
        (("kappa_H", "harm, κ_H"), ("kappa_N", "new useful, κ_N"))
    ):
        values = np.abs(data[name].transpose("arm", "seed").values)
        middle = np.exp(np.log(values).mean(1))
        spread = standard_error(np.log(values)) * middle
        measured_points(
            axes, middle, places + 0.2 * (i - 0.5), x_error=spread,
            color=PALETTE[(1, 2)[i]], marker=MARKERS[(0, 2)[i]], label=text,
        )  # fmt: skip
    axes.axvline(1.0, color="0.4", lw=1, ls="--")
    axes.set(
        xscale="log",
        xlabel="|relative rate of learning| at the start",
        title="Forces on the deployed model",
    )
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
