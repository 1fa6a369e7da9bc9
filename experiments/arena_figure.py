"""The arena's figure: gaps against the frontier, worst cases, and every attack."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.arena_readings import CELLS, lost_capability, worst_case
from experiments.claim import Verdict
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def arena_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Three panels; bars are standard errors over seeds."""
    with style():
        figure = canvas(13.5, 7.4)
        left, middle, right = figure.subplots(
            1, 3, gridspec_kw={"width_ratios": [1.15, 1.0, 1.15]}
        )
        order = _order(data)
        _gaps(left, data, order)
        _worst(middle, data, order)
        _every(figure, right, data, order)
        figure.suptitle(
            f"Defences, attackers and the exact limit — {verdict.outcome.value}\n"
            "line: what no policy can cross; markers: trained transformers, mean and "
            f"standard error over n = {data.sizes['seed']} worlds and networks",
            fontsize=11,
        )
    return figure


def _order(data: xr.Dataset) -> np.ndarray:
    return np.argsort(worst_case(data).mean(-1))


def _gaps(axes: Axes, data: xr.Dataset, order: np.ndarray) -> None:
    """Mean gaps over attacks and stops; the mean frontier below.

    Means over worlds of frontier points of equal penalty: no means of policies cross
    them.
    """
    rank = np.argsort(order) + 1
    safe = data["frontier_safety"].mean("seed").values
    able = data["frontier_capability"].mean("seed").values
    theory_line(axes, safe, able, color="black", label="exact frontier")
    kinds = list(dict.fromkeys(str(kind) for kind in data["when"].values))
    gaps = [
        data[name].transpose(*CELLS).mean(("attack", "stop")).values
        for name in ("gap_safety", "gap_capability")
    ]
    for k, kind in enumerate(kinds):
        own = data["when"].values == kind
        x, y = (gap[own] for gap in gaps)
        measured_points(
            axes,
            x.mean(-1),
            y.mean(-1),
            x_error=standard_error(x),
            y_error=standard_error(y),
            color=PALETTE[k % len(PALETTE)],
            marker=MARKERS[k % len(MARKERS)],
            label=kind,
        )
        for place, a, b in zip(rank[own], x.mean(-1), y.mean(-1), strict=True):
            axes.annotate(
                str(place), (a, b), xytext=(4, 3), textcoords="offset points",
                fontsize=7.5,
            )  # fmt: skip
    axes.plot(
        data["start_safety"].mean(),
        data["start_capability"].mean(),
        "*",
        color="black",
        markersize=9,
        label="aligned base",
    )
    axes.set(
        xlabel="safety gap (nats per sequence)",
        ylabel="capability gap (nats per sequence)",
        title="Mean over attacks\n(numbers: the ranks of the middle)",
        xscale="log",
        yscale="log",
        xlim=(min(5e-3, 0.5 * float(data["start_safety"].mean())), None),
        ylim=(5e-3, None),
    )
    axes.legend(loc="upper right")


def _worst(axes: Axes, data: xr.Dataset, order: np.ndarray) -> None:
    """The worst case of every defence, the safest at the top."""
    worst, lost = worst_case(data), lost_capability(data).mean(-1)
    place = np.arange(len(order))[::-1]
    for y, i in zip(place, order, strict=True):
        dear = lost[i] > float(data["allowed"])
        measured_points(
            axes,
            worst[i].mean(keepdims=True),
            np.array([float(y)]),
            x_error=np.atleast_1d(standard_error(worst[i])),
            color=PALETTE[1] if dear else PALETTE[0],
            marker=MARKERS[1] if dear else MARKERS[0],
            label="",
        )
        axes.annotate(
            f"{lost[i]:+.0%}", (1.0, y), xycoords=("axes fraction", "data"),
            fontsize=7, ha="right", va="center",
        )  # fmt: skip
    names = [f"{data['defence'].values[i]}  {k + 1}" for k, i in enumerate(order)]
    axes.set_yticks(place, names, fontsize=8)
    axes.set_ylim(-0.5, len(order) - 0.5)
    axes.set(
        xlabel="worst safety gap over attacks (nats)",
        title="Worst case over attacks\n(right: capability lost; squares: too much)",
        xlim=(0, float(np.nanmax(worst.mean(-1))) * 1.35),
    )


def _every(figure: Figure, axes: Axes, data: xr.Dataset, order: np.ndarray) -> None:
    """The safety gap of every defence under every attack, at the worse stop."""
    safe = data["gap_safety"].transpose(*CELLS).values.max(2).mean(-1)[order]
    image = axes.imshow(safe, aspect="auto", cmap="cividis", vmin=0.0)
    for (row, column), value in np.ndenumerate(safe):
        dark = value < 0.5 * np.nanmax(safe)
        axes.text(
            column, row, f"{value:.2f}", ha="center", va="center", fontsize=6,
            color="white" if dark else "black",
        )  # fmt: skip
    attacks = [str(name) for name in data["attack"].values]
    axes.set_xticks(range(len(attacks)), attacks, rotation=60, ha="right", fontsize=7.5)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.set_title("Safety gap under every attack\n(rows as in the middle)")
    figure.colorbar(image, ax=axes, shrink=0.6, label="nats per sequence")
