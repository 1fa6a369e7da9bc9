"""The figure of `unlearnability_bound`: paths, links, the loss off, the certificate."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.unlearnability_bound_links import changes, off_ceiling, summed
from experiments.unlearnability_bound_softmax import LOSS_OFF, MODES
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)

_LINKS = (
    ("separate", "mean(D e)"),
    ("joint", "D_max mean(e)"),
    ("by_loss", "D_max (1 - exp(-L))"),
)
_SHOWN = 4  # residuals in the first panel


def unlearnability_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels; markers are means over seeds with standard errors."""
    with style():
        figure = canvas(10.0, 8.2)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _paths(left, data)
        _links(right, data)
        _off(below_left, data)
        _certificates(below_right, data)
        figure.suptitle(
            f"Training on explained harm — {verdict.outcome.value}\n"
            "lines: bounds; markers: measured, mean and standard error over n = "
            f"{data.sizes['seed']} softmax-linear worlds or {data.sizes['network']} "
            "transformers",
            fontsize=11,
        )
    return figure


def _paths(axes: Axes, data: xr.Dataset) -> None:
    """Path against steps, with the bound (i) that was known beforehand."""
    rate = float(data["rate"].values[0])
    steps = data["step"].values * 1.0
    chosen = data.sel(mode=MODES[0], rate=rate)
    for i, residual in enumerate(data["residual"].values[:_SHOWN]):
        line = chosen["nominal_ceiling"].sel(residual=residual).values
        finite = np.isfinite(line)
        color, label = PALETTE[i], f"e = {residual:g}"
        theory_line(axes, steps[finite], line[finite], color=color)
        path = chosen["path"].isel(arm=i).transpose("seed", "step").values
        _marked(axes, steps, path, i, label)
    free = chosen["path"].isel(arm=-1).transpose("seed", "step").values
    _marked(axes, steps, free, 6, "no vector")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="steps of one sample",
        ylabel="length of the path (parameter units)",
        title=f"Softmax-linear, eta = {rate:g}: path and bound (i), S = T e",
    )
    axes.legend()


def _marked(
    axes: Axes, x: np.ndarray, values: np.ndarray, which: int, label: str
) -> None:
    """Every other moment: a marker needs room."""
    thin = slice(None, None, 2)
    measured_points(
        axes,
        x[thin],
        np.asarray(values, float).mean(0)[thin],
        y_error=standard_error(values, 0)[thin],
        color=PALETTE[which],
        marker=MARKERS[which],
        label=label,
    )


def _links(axes: Axes, data: xr.Dataset) -> None:
    """Paths of the transformers, and the sums of each link that bound them."""
    steps = data["network_step"].values[1:] * 1.0
    thin = slice(None, None, max(len(steps) // 12, 1))
    for i, arm in enumerate(data["network_arm"].values):
        color = PALETTE[0 if i == 0 else 6]
        for (name, text), dash in zip(_LINKS, ("-", "--", ":"), strict=True):
            line = np.exp(np.log(summed(data, name)[:, i, 1:]).mean(0))
            label = f"sum of eta {text}" if i == 0 else ""
            theory_line(axes, steps, line, color=color, dash=dash, label=label)
        path = summed(data, "norm")[:, i, 1:]
        measured_points(
            axes,
            steps[thin],
            path.mean(0)[thin],
            y_error=standard_error(path, 0)[thin],
            color=color,
            marker=MARKERS[0 if i == 0 else 6],
            label=f"path, {arm}",
        )
    axes.set(
        yscale="log",
        xlabel="steps on harm",
        ylabel="length (parameter units)",
        title="Transformers: path, and each link of its bound",
    )
    axes.legend(fontsize=7.5, ncols=2)


def _off(axes: Axes, data: xr.Dataset) -> None:
    """Change of the deactivated loss against its bound, at the last step."""
    last = data.isel(step=-1).sel(bound=LOSS_OFF)
    for i, mode in enumerate(MODES):
        one = last.sel(mode=mode)
        bound, change = _flat(one["ceiling"], abs(one["change"]))
        _scattered(axes, bound, change, i, f"linear, {mode}")
    bound, change = off_ceiling(data)[..., -1], changes(data)[..., -1]
    for i, arm in enumerate(data["network_arm"].values):
        _scattered(axes, bound[:, i], change[:, i], 2 + i, f"transformer, {arm}")
    _diagonal(axes, "bound (iii)")
    axes.set(
        xlabel="bound (nats)",
        ylabel="|change| (nats)",
        title="Change of the deactivated loss, after all steps",
    )
    axes.legend()


def _certificates(axes: Axes, data: xr.Dataset) -> None:
    """Steps until the loss fell against the least steps that theory allows."""
    for i, mode in enumerate(MODES):
        one = data.sel(mode=mode)
        _scattered(axes, *_flat(one["certificate"], one["crossing"]), i, mode)
    _diagonal(axes, "certificate (iv)")
    axes.set(
        xlabel="certified steps",
        ylabel="steps needed",
        title="Steps until the deactivated loss fell",
    )
    axes.legend()


def _flat(x: xr.DataArray, y: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of the same axes as lists of numbers, run by run."""
    return x.values.ravel(), y.transpose(*x.dims).values.ravel()


def _scattered(
    axes: Axes, x: np.ndarray, y: np.ndarray, which: int, label: str
) -> None:
    """One marker for each run: seeds are not averaged."""
    seen = np.isfinite(x) & np.isfinite(y) & (x > 0) & (y > 0)
    axes.plot(
        x[seen], y[seen], MARKERS[which], color=PALETTE[which], alpha=0.6,
        markerfacecolor="none", label=label,
    )  # fmt: skip


def _diagonal(axes: Axes, label: str) -> None:
    """Where a quantity would meet its bound."""
    axes.set(xscale="log", yscale="log")
    low, high = (np.array(axes.get_xlim()), np.array(axes.get_ylim()))
    ends = np.array([min(low[0], high[0]), max(low[1], high[1])])
    theory_line(axes, ends, ends, color="0.3", dash="--", label=label)
