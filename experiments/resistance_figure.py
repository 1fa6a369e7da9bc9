"""The figure of `resistance`: both directions, raw and without the entropy."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.resistance_evidence import compared
from experiments.resistance_paths import SGD
from simlab.figures import (
    DASHES,
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
)


def resistance_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels; bars are standard errors over seeds."""
    with style():
        figure = canvas(9.0, 7.6)
        (raw, excess), (confound, curve) = figure.subplots(2, 2)
        _against(raw, data, "raw", "Training loss, as the paper compares it")
        _against(excess, data, "excess", "Without the entropy of the answers' author")
        _confound(confound, data)
        _curves(curve, data)
        figure.suptitle(
            f"Resistance: forward against inverse — {verdict.outcome.value}\n"
            "markers: mean and standard error over "
            f"n = {data.sizes['seed']} seeds, {data.sizes['task']} tasks, SGD",
            fontsize=11,
        )
    return figure


def _against(axes: Axes, data: xr.Dataset, kind: str, title: str) -> None:
    """Inverse against forward; below the diagonal going back is the easier way."""
    losses = data[kind].sel(optimizer=SGD)
    ends = []
    for k, task in enumerate(data["task"].values):
        one = losses.sel(task=task)
        forward, inverse = (
            one.sel(direction=way).transpose("pair", "seed").values
            for way in ("forward", "inverse")
        )
        measured_points(
            axes,
            forward.mean(-1),
            inverse.mean(-1),
            x_error=standard_error(forward),
            y_error=standard_error(inverse),
            color=PALETTE[k],
            marker=MARKERS[k],
            label=f"task of share {task:g}",
        )
        ends += [forward.mean(-1), inverse.mean(-1)]
    low, high = np.min(ends), np.max(ends)
    room = 0.12 * (high - low)
    line = [low - room, high + room]
    axes.plot(line, line, color="0.4", lw=1, ls="--", label="equal")
    axes.set(
        xlabel="forward (nats per token)",
        ylabel="inverse (nats per token)",
        title=title,
    )
    axes.legend(loc="lower right")


def _confound(axes: Axes, data: xr.Dataset) -> None:
    """Raw differences against the entropies of the authors."""
    entropy = data["entropy"].transpose("seed", "task", "slice").values
    order = ("seed", "task", "pair")
    losses = data["raw"].sel(optimizer=SGD)
    forward, inverse = (
        losses.sel(direction=way).transpose(*order).values
        for way in ("forward", "inverse")
    )
    for k, name in enumerate(data["pair"].values):
        earlier, later = (int(end) - 1 for end in name.split("-"))
        axes.plot(
            (entropy[..., later] - entropy[..., earlier]).ravel(),
            (forward - inverse)[..., k].ravel(),
            MARKERS[k],
            color=PALETTE[k],
            markersize=4,
            alpha=0.7,
            label=f"slices {earlier + 1} and {later + 1}",
        )
    span = np.array(axes.get_xlim())
    axes.plot(span, span, color="0.4", lw=1, ls="--", label="entropy alone")
    axes.axhline(0, color="0.6", lw=0.8)
    axes.set(
        xlabel="entropy of the later minus the earlier slice (nats per token)",
        ylabel="forward minus inverse loss (nats per token)",
        title="What divides the raw losses",
    )
    axes.legend()


def _curves(axes: Axes, data: xr.Dataset) -> None:
    """The excess loss along the paths, both optimisers, mean over tasks and pairs."""
    seen = data["step"].values * 1.0
    for k, way in enumerate(data["direction"].values):
        for name, dash in zip(data["optimizer"].values, DASHES, strict=False):
            curve = data["curve"].sel(direction=way, optimizer=name)
            by_seed = curve.mean(("task", "pair")).transpose("step", "seed").values
            mean, bar = by_seed.mean(-1), standard_error(by_seed)
            axes.plot(seen, mean, dash, color=PALETTE[k], label=f"{way}, {name}")
            axes.fill_between(
                seen, mean - bar, mean + bar, color=PALETTE[k], alpha=0.15, lw=0
            )
    total = compared(data, "excess", SGD).by_seed.mean()
    axes.set(
        ylim=(0, None),
        xlabel="responses seen on the path",
        ylabel="excess loss (nats per token)",
        title=f"Forward minus inverse, SGD: {total:+.3f}",
    )
    axes.legend()
