"""The basin's figure: profiles, a plane, widths against Case II, and errors."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.claim import Verdict
from experiments.safety_basin_evidence import (
    KINDS,
    ball_radii,
    bound,
    by_kind,
    order_errors,
    usual_scores,
    widths,
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

_NAMES = {
    "random": "random, layer-scaled",
    "task": "task gradient",
    "top": "top eigenvector",
}
_COLORS = dict(zip(KINDS, PALETTE, strict=False))


def basin_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over all networks; bars are standard errors over seeds."""
    with style():
        figure = canvas(9.6, 8.2)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        shown = np.flatnonzero(data["diverged"].values == 0)
        if shown.size:
            _profiles(left, data.isel(seed=shown[:1]))
            _plane(right, data.isel(seed=shown[0]))
        _widths(below_left, data)
        _errors(below_right, data)
        figure.suptitle(
            f"The safety basin against Case II's radius — {verdict.outcome.value}\n"
            "lines: theory; markers: transformers, mean and standard error over "
            f"n = {data.sizes['seed']} seeds; usual score (VISAGE) "
            f"{usual_scores(data).mean():.2f}",
            fontsize=11,
        )
    return figure


def _profiles(axes: Axes, data: xr.Dataset) -> None:
    """One network's gaps to one side, with the parabola and the bound."""
    one = data.isel(seed=0)
    _, upper = bound(data, "line")
    start = float(one["gap_aligned"])
    for i, kind in zip((0, -2, -1), KINDS, strict=True):
        x = one["offset"].values[i]
        side, color = x > 0, _COLORS[kind]
        curvature = float(one["curvature_fisher"].values[i])
        theory_line(axes, x[side], start + curvature * x[side] ** 2 / 2, color=color)
        theory_line(axes, x[side], upper[0, i][side], color=color, dash=":")
        measured_points(
            axes,
            x[side],
            one["gap_line"].values[i][side],
            color=color,
            marker=MARKERS[KINDS.index(kind)],
            label=_NAMES[kind],
        )
    axes.axhline(float(data["threshold"].values[-1]), color="0.4", lw=0.9, ls="--")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="distance from the aligned parameters",
        ylabel="true safety gap (nats per sequence)",
        title="Profiles of one network (dots: bound (8.3); dashes: edge)",
    )
    axes.set_ylim(bottom=float(data["threshold"].values[0]) / 8)
    axes.legend()


def _plane(axes: Axes, one: xr.Dataset) -> None:
    """One network's gap in a plane, with the ellipses of its Fisher matrix."""
    first, second = one["offset_plane"].values
    levels = one["threshold"].values[-3:]
    gaps = one["gap_plane"].values
    shades = axes.contourf(
        first,
        second,
        np.log10(np.maximum(gaps, 1e-9)).T,
        levels=np.linspace(-4, 1, 21),
        cmap="cividis_r",
        extend="both",
        alpha=0.85,
    )
    axes.figure.colorbar(shades, ax=axes, label="log10 of the safety gap")
    axes.contour(
        first, second, gaps.T, levels=levels, colors=PALETTE[6], linewidths=1.2
    )
    _ellipses(axes, one, levels)
    axes.legend(
        handles=[
            Line2D([], [], color=PALETTE[6], label="gap at three thresholds"),
            Line2D([], [], color="white", ls="--", label="ellipse of Fisher's matrix"),
        ],
        labelcolor="0.1",
        facecolor="0.75",
        frameon=True,
        loc="upper right",
    )
    axes.set(
        xlabel="distance along the task's gradient (downhill > 0)",
        ylabel="distance along a random direction",
        title="The plane of two directions, the same network",
        xlim=(first[0], first[-1]),
        ylim=(second[0], second[-1]),
    )
    axes.grid(visible=False)


def _ellipses(axes: Axes, one: xr.Dataset, levels: np.ndarray) -> None:
    curvature = one["curvature_fisher"].values
    mixed = float(one["curvature_mixed"])
    matrix = np.array([[curvature[-2], mixed], [mixed, curvature[0]]])
    values, vectors = np.linalg.eigh(matrix)
    if not np.all(values > 0):
        return
    angle = np.linspace(0, 2 * np.pi, 181)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    for level in levels:
        room = max(float(level - one["gap_aligned"]), 0.0)
        x, y = vectors @ (np.sqrt(2 * room / values)[:, None] * circle)
        axes.plot(x, y, color="white", ls="--", lw=1.1)


def _widths(axes: Axes, data: xr.Dataset) -> None:
    """Half widths over thresholds: measured, predicted, certified, and Case II's."""
    found, t = widths(data), data["threshold"].values
    parts = [by_kind(values) for values in (found.measured, found.fisher)]
    certified = by_kind(found.certified)
    for kind in KINDS:
        measured, predicted = (part[kind] for part in parts)
        color = _COLORS[kind]
        theory_line(axes, t, predicted.mean(0), color=color)
        theory_line(axes, t, certified[kind].mean(0), color=color, dash=":")
        measured_points(
            axes,
            t,
            measured.mean(0),
            y_error=standard_error(measured, axis=0),
            color=color,
            marker=MARKERS[KINDS.index(kind)],
            label=_NAMES[kind],
        )
    radii = ball_radii(data)
    measured_points(
        axes,
        t * 1.08,
        radii.mean(0),
        y_error=standard_error(radii, axis=0),
        color=PALETTE[3],
        marker=MARKERS[3],
        label="Case II: radius of the ball",
    )
    safe = by_kind(found.fisher)["top"].mean(0)
    axes.fill_between(t, np.zeros_like(safe), safe, color="0.9", zorder=0, lw=0)
    axes.set(
        xscale="log",
        xlim=(t[0] / 1.4, t[-1] * 1.4),
        xlabel="threshold of the safety gap (nats per sequence)",
        ylabel="half width, or radius",
        title="Widths (dots: certified; grey: safe balls, second order)",
    )
    everything = np.concatenate([safe, certified["top"].mean(0)])
    everything = everything[np.isfinite(everything)]
    # An axis on which nothing is finite has no logarithm.
    if everything.size:
        axes.set_yscale("log")
        axes.set_ylim(bottom=float(everything.min()) / 2)
    axes.legend()


def _errors(axes: Axes, data: xr.Dataset) -> None:
    """Relative errors of the quadratic half width, and the order they vanish with."""
    found, t = widths(data), data["threshold"].values
    every = order_errors(found)
    for kind, values in by_kind(np.abs(found.measured / found.taylor - 1)).items():
        measured_points(
            axes,
            t,
            values.mean(0),
            y_error=standard_error(values, axis=0),
            color=_COLORS[kind],
            marker=MARKERS[KINDS.index(kind)],
            label=_NAMES[kind],
        )
    middle = float(np.exp(np.mean(np.log(np.maximum(every, 1e-12)))))
    theory_line(
        axes,
        t,
        middle * t / np.exp(np.mean(np.log(t))),
        color=PALETTE[6],
        label="order 1",
    )
    axes.set(
        xscale="log",
        # An axis on which nothing is finite has no logarithm.
        yscale="log" if np.any(np.isfinite(every)) else "linear",
        xlim=(t[0] / 1.4, t[-1] * 1.4),
        xlabel="threshold of the safety gap (nats per sequence)",
        ylabel="relative error of the half width",
        title="Error of the quadratic theory",
    )
    axes.legend()
