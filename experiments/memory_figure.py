"""The figure of `elasticity_memory`: ways back, their costs, plateaus, residuals."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.memory_lives import DOMINANT, MODES, RARE, UNSEEN
from experiments.memory_measures import (
    coefficients,
    dearer,
    half_places,
    places,
    samples_until,
    saturated_places,
    saturated_unit_costs,
    stretch_costs,
    unit_costs,
)
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def memory_figure(data: xr.Dataset, window: int, verdict: Verdict) -> Figure:
    """Six panels: the swapped lives above, the tracked lives below."""
    with style():
        figure = canvas(13.5, 8.0)
        above, below = figure.subplots(2, 3)
        _swapped_ways(above[0], data)
        _costs(above[1], data)
        _ratios(above[2], data)
        _tracked_ways(below[0], data, window)
        laws = _mechanisms(data, window)
        _places(below[1], data, window, laws)
        _residuals(below[2], data, window, laws)
        figure.suptitle(
            f"Memory of pre-training against saturation — {verdict.outcome.value}\n"
            "lines: saturation (notes 2.10) or a pure mechanism; markers: mean and "
            f"standard error over n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _swapped_ways(axes: Axes, data: xr.Dataset) -> None:
    """The ways back to each mode, both orders of the swap averaged."""
    samples = data["moment"].values * 1.0
    for i, mode in enumerate(MODES):
        ways = data["swapped"].sel(mode=mode).mean("swap")
        values = ways.transpose("moment", "seed").values
        shown = slice(None, None, max(len(samples) // 24, 1))
        measured_points(
            axes,
            samples[shown],
            values.mean(-1)[shown],
            y_error=standard_error(values)[shown],
            color=PALETTE[i],
            marker=MARKERS[i],
            label=mode,
        )
        axes.plot(samples, values.mean(-1), color=PALETTE[i], lw=0.8, alpha=0.6)
    axes.axhline(0, color="0.3", lw=0.9, ls="--")
    axes.set(
        xlabel="responses of the way back",
        ylabel="log-odds of the preferred style (nats)",
        title="Swapped lives: pushed back to a mode",
    )
    axes.legend(title="the mode in pre-training was")


def _costs(axes: Axes, data: xr.Dataset) -> None:
    """The cost of a nat against the starting log-odds, every way a marker."""
    starts = data["swapped"].isel(moment=0).transpose("mode", "swap", "seed").values
    costs = unit_costs(data).swapaxes(0, 1)
    for i, mode in enumerate(MODES):
        axes.plot(
            starts[i].ravel(),
            costs[i].ravel(),
            MARKERS[i],
            color=PALETTE[i],
            markerfacecolor="white",
            label=mode,
        )
    for i, mode in enumerate(MODES):
        _saturated_costs(axes, data, starts[i], costs[i], PALETTE[i], mode)
    axes.set(
        ylim=(0, None),
        xlabel="log-odds where the way begins (nats)",
        ylabel="responses a nat until neutral",
        title="Costs, every seed and order (lines: saturation)",
    )
    axes.legend()


def _saturated_costs(
    axes: Axes,
    data: xr.Dataset,
    starts: np.ndarray,
    costs: np.ndarray,
    color: str,
    mode: str,
) -> None:
    """Saturation's curve through one mode's geometric mean."""
    known = np.isfinite(costs) & (costs > 0)
    if not known.any():
        return
    grid, law = data["start"].values, data["saturated_cost"].values
    at = np.interp(starts[known], grid, np.log(law))
    level = np.exp(np.mean(np.log(costs[known]) - at))
    near = (grid >= starts[known].min() - 0.5) & (grid <= starts[known].max() + 0.5)
    theory_line(axes, grid[near], level * law[near], color=color)


def _tracked_ways(axes: Axes, data: xr.Dataset, window: int) -> None:
    """The mean way back of every share, and where it has slowed to half."""
    samples = data["moment"].values * 1.0
    for i, share in enumerate(data["share"].values):
        values = data["tracked"].sel(share=share).transpose("moment", "seed").values
        color = PALETTE[i % len(PALETTE)]
        mean = values.mean(-1)
        axes.plot(samples, mean, color=color, label=f"{share:g}")
        place = half_places(samples, mean[None], window)[0]
        if np.isfinite(place):
            when = samples_until(samples, mean, place)
            axes.plot(when, place, MARKERS[i % len(MARKERS)], color=color, ms=7)
    axes.axhline(0, color="0.3", lw=0.9, ls="--")
    axes.set(
        xlabel="responses of the way back",
        ylabel="log-odds of the preferred style (nats)",
        title="Tracked lives, means (marker: half the first speed)",
    )
    axes.legend(title="share in pre-training", ncols=2)


def _ratios(axes: Axes, data: xr.Dataset) -> None:
    """How much dearer one mode is than another, every seed and their mean."""
    costs, law = unit_costs(data), saturated_unit_costs(data)
    last = stretch_costs(data, float(data["stretch"]))
    pairs = {
        "rare /\ndominant": (costs, law, RARE, DOMINANT),
        "the same,\nlast nats": (last, np.ones_like(last), RARE, DOMINANT),
        "never seen /\ndominant": (costs, law, UNSEEN, DOMINANT),
        "rare /\nnever seen": (costs, law, RARE, UNSEEN),
    }
    for i, (measured, rival, mode, than) in enumerate(pairs.values()):
        each, says = dearer(measured, mode, than), dearer(rival, mode, than).mean()
        each = each[np.isfinite(each)]
        axes.plot(np.full(len(each), i - 0.15), each, "_", color="0.55", ms=9)
        at, end = np.array([i + 0.1]), np.array([i - 0.3, i + 0.3])
        theory_line(
            axes, end, np.full(2, float(says)), color=PALETTE[1],
            label="" if i else "saturation alone", dash="--",
        )  # fmt: skip
        if not each.size:
            continue
        measured_points(
            axes,
            at,
            each.mean(keepdims=True),
            y_error=standard_error(each)[None],
            color=PALETTE[0],
            label="" if i else "transformers",
        )
    axes.plot([], [], "_", color="0.55", ms=9, label="each seed")
    axes.set_xticks(range(len(pairs)), list(pairs))
    axes.margins(y=0.15)
    axes.set(ylabel="log ratio of costs", title="How much dearer, over the swap")
    axes.legend(loc="upper right")


def _mechanisms(data: xr.Dataset, window: int) -> Mapping[str, np.ndarray]:
    """The mean place at every share by each mechanism, and by the fitted one."""
    base = data["base_tracked"].transpose("share", "seed").values.astype(float)
    place = places(data, window)
    slope = float(np.mean(coefficients(base, place)))
    off, level = base.mean(-1) - base.mean(), float(place.mean())
    return {
        "saturation alone": saturated_places(data, window).mean(-1),
        "elasticity alone, through the mean": level + off,
        f"fitted, coefficient {slope:.2f}": level + slope * off,
    }


_LOOK = ((PALETTE[1], "--"), (PALETTE[2], ":"), (PALETTE[0], "-"))
"""Color and dash of the mechanisms."""


def _places(
    axes: Axes, data: xr.Dataset, window: int, laws: Mapping[str, np.ndarray]
) -> None:
    """Where ways slow against the base they came from, with the pure mechanisms."""
    base = data["base_tracked"].transpose("share", "seed").values.astype(float)
    place = places(data, window)
    for (name, law), (color, dash) in zip(laws.items(), _LOOK, strict=True):
        theory_line(axes, base.mean(-1), law, color=color, dash=dash, label=name)
    measured_points(
        axes,
        base.mean(-1),
        place.mean(-1),
        x_error=standard_error(base),
        y_error=standard_error(place),
        color=PALETTE[0],
        label="transformers",
    )
    axes.set(
        xlabel="log-odds of the base (nats)",
        ylabel="log-odds at half the first speed (nats)",
        title="Tracked lives: where the way back slows",
    )
    axes.legend()


def _residuals(
    axes: Axes, data: xr.Dataset, window: int, laws: Mapping[str, np.ndarray]
) -> None:
    """Measured minus each mechanism's place, in standard errors over seeds."""
    base = data["base_tracked"].transpose("share", "seed").values.astype(float)
    place = places(data, window)
    for i, (law, (color, _)) in enumerate(zip(laws.values(), _LOOK, strict=True)):
        sigmas = (place.mean(-1) - law) / standard_error(place)
        axes.plot(
            base.mean(-1), np.clip(sigmas, -30, 30), MARKERS[i + 1], color=color,
            label=list(laws)[i],
        )  # fmt: skip
    axes.axhspan(-2, 2, color="0.85", zorder=0)
    axes.set(
        xlabel="log-odds of the base (nats)",
        ylabel="measured minus law (standard errors)",
        title="Residuals, cut at 30 (band: two standard errors)",
    )
    axes.legend()
