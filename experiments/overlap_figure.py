"""The figure of overlap: penalised gap, capability gap, frontier, residuals."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.overlap_evidence import frontier_readings, penalised_gaps
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def overlap_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over the overlap, first proxy; bars are standard errors."""
    final = data.isel(record=-1)
    with style():
        figure = canvas(9.4, 7.6)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _penalised(left, final)
        _capability(right, final)
        _frontier(below_left, final)
        _residuals(below_right, final)
        figure.suptitle(
            f"Context overlap as a knob — {verdict.outcome.value}\n"
            "lines: exact; markers: trained transformers, mean and standard error over "
            f"n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _penalised(axes: Axes, final: xr.Dataset) -> None:
    penalties = final["penalty"].values
    lines = final["fine_optimum"].values[0] / (1 + penalties)
    _by_penalty(axes, final, lines, penalised_gaps(final)[0])
    axes.set(
        ylabel="J / (1 + penalty) (nats per sequence)",
        title="The least penalised gap J is concave and rises",
    )
    axes.legend(title="penalty", ncols=2)


def _capability(axes: Axes, final: xr.Dataset) -> None:
    _by_penalty(
        axes,
        final,
        final["fine_capability"].values[0],
        final["gap_capability"].values[0],
    )
    axes.set(
        ylabel="capability gap (nats per sequence)",
        title="Capability gap at fixed penalty: it may fall",
        yscale="log",
    )
    positive = final["gap_capability"].values[0].mean(-1)[1:]
    finite = positive[np.isfinite(positive)]
    if finite.size:
        axes.set_ylim(finite.min() / 2, finite.max() * 1.6)


def _by_penalty(
    axes: Axes, final: xr.Dataset, lines: np.ndarray, runs: np.ndarray
) -> None:
    """One colour a penalty: lines [fine, penalty], runs [overlap, penalty, seed]."""
    for k, penalty in enumerate(final["penalty"].values):
        color = PALETTE[k % len(PALETTE)]
        theory_line(axes, final["fine_overlap"].values, lines[:, k], color=color)
        measured_points(
            axes,
            final["overlap"].values,
            runs[:, k].mean(-1),
            y_error=standard_error(runs[:, k]),
            color=color,
            marker=MARKERS[k % len(MARKERS)],
            label=f"{penalty:.3g}",
        )
    axes.set(xlabel="context overlap", xlim=(-0.03, 1.03))


def _frontier(axes: Axes, final: xr.Dataset) -> None:
    readings = frontier_readings(final)[0]
    for k, level in enumerate(final["safety_level"].values):
        color = PALETTE[k % len(PALETTE)]
        theory_line(
            axes,
            final["fine_overlap"].values,
            final["fine_frontier"].values[0, :, k],
            color=color,
        )
        reached = np.isfinite(readings[k]).all(axis=-1)
        measured_points(
            axes,
            final["overlap"].values[reached],
            readings[k][reached].mean(-1),
            y_error=standard_error(readings[k][reached]),
            color=color,
            marker=MARKERS[k % len(MARKERS)],
            label=f"safety gap {level:g}",
        )
    axes.set(
        xlabel="context overlap",
        xlim=(-0.03, 1.03),
        ylabel="capability gap (nats per sequence)",
        title="Frontier at a fixed safety gap: proportional to overlap",
    )
    axes.legend()


def _residuals(axes: Axes, final: xr.Dataset) -> None:
    exact = final["optimum"].values / (1 + final["penalty"].values)
    cases = (
        (penalised_gaps(final), exact, "penalised gap (this is zeta: never below 0)"),
        (
            final["gap_capability"].values,
            final["best_capability"].values,
            "capability gap",
        ),
    )
    for k, (runs, truth, text) in enumerate(cases):
        sigmas = (runs.mean(-1) - truth) / standard_error(runs)
        overlap = np.broadcast_to(
            final["overlap"].values[:, None] + 0.016 * (k - 0.5), sigmas.shape
        )
        axes.plot(
            overlap.ravel(),
            np.clip(sigmas, -30, 30).ravel(),
            MARKERS[k],
            color=PALETTE[3 + k],
            alpha=0.6,
            markersize=3.5,
            label=text,
        )
    axes.axhspan(-2, 2, color="0.85", zorder=0)
    axes.set(
        xlabel="context overlap",
        ylabel="measured minus exact (standard errors)",
        title="Residuals of every cell (band: two standard errors)",
    )
    axes.legend()
