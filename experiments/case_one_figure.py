"""Case I's figure: the paper's two panels on exact curves, residuals, certificates."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.case_one_evidence import per_training_sequence, zeta
from experiments.claim import Verdict
from simlab.figures import (
    DASHES,
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def case_one_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over one sweep; bars are standard errors over seeds."""
    with style():
        figure = canvas(9.0, 7.4)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _gap_against_penalty(left, data)
        _frontiers(right, data)
        _residuals(below_left, data)
        _certificates(below_right, data)
        seeds = data.sizes["seed"]
        figure.suptitle(
            f"Case I: penalty on proxy safety data — {verdict.outcome.value}\n"
            "lines: exact optimum; markers: trained transformers, mean and standard "
            f"error over n = {seeds} seeds",
            fontsize=11,
        )
    return figure


def proxy_name(distance: float) -> str:
    """How a legend calls a proxy."""
    return "exact proxy" if distance == 0 else f"proxy at distance {distance:g}"


def _gap_against_penalty(axes: Axes, data: xr.Dataset) -> None:
    cell = data.isel(record=-1, overlap=-1)
    for i, distance in enumerate(data["proxy"].values):
        color = PALETTE[i % len(PALETTE)]
        one = cell.isel(proxy=i)
        theory_line(axes, data["fine"].values, one["curve_safety"].values, color=color)
        gaps = one["gap_safety"].values
        measured_points(
            axes,
            data["penalty"].values,
            gaps.mean(-1),
            y_error=standard_error(gaps),
            color=color,
            marker=MARKERS[i % len(MARKERS)],
            label=proxy_name(float(distance)),
        )
        if distance > 0:
            axes.axhline(float(one["floor"]), color=color, lw=0.8, ls=":")
    axes.set(
        xscale="log",
        ylim=(0, None),
        xlabel="penalty",
        ylabel="true safety gap (nats per sequence)",
        title=f"Safety gap, overlap {data['overlap'].values[-1]:g} (dots: proxy floor)",
    )
    axes.legend()


def _frontiers(axes: Axes, data: xr.Dataset) -> None:
    last = data.isel(record=-1)
    for j, overlap in enumerate(data["overlap"].values):
        for i in range(data.sizes["proxy"]):
            color, cell = PALETTE[i % len(PALETTE)], last.isel(proxy=i, overlap=j)
            theory_line(
                axes,
                cell["curve_capability"].values,
                cell["curve_safety"].values,
                color=color,
                dash=DASHES[j % len(DASHES)],
            )
            measured_points(
                axes,
                cell["gap_capability"].values.mean(-1),
                cell["gap_safety"].values.mean(-1),
                x_error=standard_error(cell["gap_capability"].values),
                y_error=standard_error(cell["gap_safety"].values),
                color=color,
                marker=MARKERS[i % len(MARKERS)],
            )
        axes.plot(
            [],
            [],
            color="0.3",
            ls=DASHES[j % len(DASHES)],
            label=f"overlap {overlap:g}",
        )
    axes.set(
        xlabel="capability gap (nats per sequence)",
        ylabel="true safety gap (nats per sequence)",
        title="Trade-off, one curve a pair of proxy and task",
        xlim=(None, None),
    )
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.legend()


def _residuals(axes: Axes, data: xr.Dataset) -> None:
    last = data.isel(record=-1)
    pairs = (("safety", "true safety gap"), ("capability", "capability gap"))
    for k, (name, text) in enumerate(pairs):
        gaps = last[f"gap_{name}"].values
        sigmas = (gaps.mean(-1) - last[f"best_{name}"].values) / standard_error(gaps)
        penalty = np.broadcast_to(
            data["penalty"].values * 1.12 ** (k - 0.5), sigmas.shape
        )
        axes.plot(
            penalty.ravel(),
            np.clip(sigmas, -30, 30).ravel(),
            MARKERS[k],
            color=PALETTE[3 + k],
            alpha=0.6,
            markersize=3.5,
            label=text,
        )
    axes.axhspan(-2, 2, color="0.85", zorder=0)
    axes.set(
        xscale="log",
        xlim=_penalty_range(data),
        xlabel="penalty",
        ylabel="measured minus exact (standard errors)",
        title="Residuals of every cell (band: two standard errors)",
    )
    axes.legend()


def _certificates(axes: Axes, data: xr.Dataset) -> None:
    certified = zeta(data)[..., -1]
    for values, text, color in (
        (certified, "zeta", PALETTE[6]),
        (per_training_sequence(certified, data), "zeta / (1 + penalty)", PALETTE[5]),
    ):
        low, middle, high = _quantiles(values)
        axes.plot(data["penalty"].values, middle, "o-", color=color, label=text)
        axes.fill_between(
            data["penalty"].values, low, high, color=color, alpha=0.15, lw=0
        )
    axes.set(
        xscale="log",
        xlim=_penalty_range(data),
        # An axis on which nothing is finite has no logarithm.
        yscale="log" if np.any(certified > 0) else "linear",
        xlabel="penalty",
        ylabel="certificate (nats per sequence)",
        title="Distance from the best policy (median, 10 to 90 %)",
    )
    axes.legend()


def _penalty_range(data: xr.Dataset) -> tuple[float, float]:
    """The axis of penalties, given also where no run is finite."""
    penalty = data["penalty"].values
    return float(penalty[0]) / 1.6, float(penalty[-1]) * 1.6


def _quantiles(values: np.ndarray) -> np.ndarray:
    """The 10, 50 and 90 % quantiles at every penalty over all runs that are finite."""
    by_penalty = np.moveaxis(values, 2, 0).reshape(values.shape[2], -1)
    rows = [row[np.isfinite(row)] for row in by_penalty]
    levels = (0.1, 0.5, 0.9)
    return np.array(
        [np.quantile(row, levels) if row.size else np.full(3, np.nan) for row in rows]
    ).T
