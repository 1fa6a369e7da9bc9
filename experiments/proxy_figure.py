"""The figure of the proxy: floor, price, the crossing with Case II, residuals."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.crossing_evidence import crossings, local_crossings
from experiments.proxy_crossing import CLASSES
from experiments.proxy_evidence import paid_prices
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def proxy_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels along the proxy's distance; bars are standard errors over seeds."""
    final = data.isel(record=-1)
    with style():
        figure = canvas(9.8, 7.8)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _floor(left, final)
        _prices(right, final)
        _crossings(below_left, final)
        _residuals(below_right, final)
        figure.suptitle(
            f"A bad proxy: floor, price, and Case II — {verdict.outcome.value}\n"
            "lines: exact; markers: trained models, mean and standard error over "
            f"n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _floor(axes: Axes, final: xr.Dataset) -> None:
    """The true safety gap against the distance, one curve a penalty, overlap 1."""
    cell = final.isel(overlap=-1)
    chosen = sorted({0, final.sizes["penalty"] // 2, final.sizes["penalty"] - 1})
    for color, marker, k in zip(PALETTE, MARKERS, chosen, strict=False):
        one = cell.isel(penalty=k)
        distance = final["proxy"].values
        theory_line(
            axes, final["distance"].values, one["fine_safety"].values, color=color
        )
        measured_points(
            axes,
            distance,
            one["gap_safety"].values.mean(-1),
            y_error=standard_error(one["gap_safety"].values),
            color=color,
            marker=marker,
            label=f"penalty {float(one['penalty']):.3g}",
        )
    axes.plot(
        final["proxy"].values,
        final["floor"].values,
        "k+",
        ms=9,
        label="floor Delta_s",
    )
    axes.set(
        xlabel="proxy distance",
        ylabel="true safety gap (nats per sequence)",
        title="The floor that no penalty removes",
        ylim=(0, None),
    )
    axes.legend()


def _prices(axes: Axes, final: xr.Dataset) -> None:
    """The price per training sequence against the penalty, one curve a distance."""
    cell, mass = final.isel(overlap=-1), 1 + final["penalty"].values
    paid = paid_prices(final)[:, -1] / mass[:, None]
    for i, distance in enumerate(final["proxy"].values):
        color = PALETTE[i % len(PALETTE)]
        fine = final["fine"].values
        exact = cell["curve_price"].values[i] / (1 + fine)
        theory_line(axes, fine, exact, color=color)
        measured_points(
            axes,
            final["penalty"].values,
            paid[i].mean(-1),
            y_error=standard_error(paid[i]),
            color=color,
            # Where colours begin again, markers do not.
            marker=MARKERS[(i + i // len(PALETTE)) % len(MARKERS)],
            label=f"{distance:g}",
        )
    axes.set(
        xscale="log",
        xlabel="penalty",
        ylabel="price / (1 + penalty) (nats per sequence)",
        title="Price of the proxy (5.4)",
        ylim=(0, None),
    )
    axes.legend(title="distance", ncols=2)


def _crossings(axes: Axes, final: xr.Dataset) -> None:
    """Case I's cost at fixed gains along the distance, Case II's, where they meet.

    Log axis of costs; a level is Case II's cost with tables, dashed; of transformers,
    dotted.
    """
    found = {name: crossings(final, name) for name in CLASSES}
    for k, gain in enumerate(final["gain"].values):
        color = PALETTE[k % len(PALETTE)]
        theory_line(
            axes,
            final["distance"].values,
            final["cost_case_one"].values[k],
            color=color,
            label=f"gain {gain:g}",
        )
        axes.axhline(float(final["cost_case_two"][k]), color=color, ls="--", lw=0.9)
        axes.axhline(found["transformer"].two[k].mean(), color=color, ls=":", lw=1.2)
        for name, marker in zip(CLASSES, MARKERS, strict=False):
            costs = found[name].one[k]
            measured_points(
                axes,
                final["proxy"].values,
                costs.mean(-1),
                y_error=standard_error(costs),
                color=color,
                marker=marker,
            )
            met, level = found[name].met[k], found[name].two[k]
            if np.isfinite(met).all():
                axes.plot(met.mean(), level.mean(), "*", color=color, ms=11, zorder=4)
    for marker, text in zip(
        ("o", "s", "*"), ("Case I, tables", "Case I, transformers", "crossing"),
        strict=True,
    ):  # fmt: skip
        axes.plot([], [], marker, color="0.3", mfc="white", ls="none", label=text)
    axes.plot([], [], "--", color="0.3", label="Case II, tables (exact)")
    axes.plot([], [], ":", color="0.3", label="Case II, transformers")
    axes.set(
        yscale="log",
        xlabel="proxy distance",
        ylabel="true safety gap at fixed gain",
        title="Beyond the crossing Case II is safer",
    )
    axes.legend(fontsize=7, ncols=2)


def _residuals(axes: Axes, final: xr.Dataset) -> None:
    """Measured over predicted crossings, seed by seed."""
    predicted = {
        "table": np.broadcast_to(
            final["crossing_exact"].values[:, None],
            (final.sizes["gain"], final.sizes["seed"]),
        ),
        "transformer": local_crossings(final),
    }
    gains = final["gain"].values
    for k, name in enumerate(CLASSES):
        ratio = crossings(final, name).met / predicted[name]
        color = PALETTE[3 + k]
        axes.plot(
            np.repeat(gains + 0.012 * (k - 0.5), ratio.shape[1]),
            ratio.ravel(),
            ".",
            color=color,
            alpha=0.4,
        )
        measured_points(
            axes,
            gains + 0.012 * (k - 0.5),
            ratio.mean(-1),
            y_error=standard_error(ratio),
            color=color,
            marker=MARKERS[k],
            label=("tables, exact theory", "transformers, local theory")[k],
        )
    axes.axhline(1.0, color="0.4", lw=1)
    axes.set(
        xlabel="capability gain (share of the aligned model's gap)",
        ylabel="measured / predicted crossing distance",
        title="Where they cross, against the prediction",
        xlim=(0, 1),
        yscale="log",
    )
    ticks = (0.5, 1, 2, 4, 8)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)
    axes.legend()
