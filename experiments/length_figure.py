"""The figure of `tradeoff_length`: gaps against length, per token, and residuals."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.length_evidence import penalised
from experiments.length_prediction import BIGRAM, TRANSFORMER
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

_LOOK = {TRANSFORMER: (PALETTE[0], MARKERS[0]), BIGRAM: (PALETTE[1], MARKERS[1])}


def length_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels over one sweep; bars are standard errors over seeds."""
    final = data.isel(record=-1)
    middle = int(np.argmin(np.abs(np.log(final["penalty"].values))))
    cell = final.isel(overlap=-1, penalty=middle)
    with style():
        figure = canvas(9.0, 7.4)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _against_length(left, cell, "safety", "log(1 + o_f / penalty)")
        _against_length(right, cell, "capability", "log(1 + penalty o_s)")
        _per_token(below_left, final.isel(overlap=-1))
        _residuals(below_right, final)
        figure.suptitle(
            f"Case I against the length — {verdict.outcome.value}\n"
            "lines: exact optimum of the class; markers: trained models, mean and "
            f"standard error over n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _against_length(axes: Axes, cell: xr.Dataset, kind: str, cap: str) -> None:
    for name, (color, marker) in _LOOK.items():
        one = cell.sel(model=name)
        theory_line(
            axes, cell["fine"].values * 1.0, one[f"curve_{kind}"].values, color=color
        )
        gaps = one[f"gap_{kind}"].transpose("length", "seed").values
        measured_points(
            axes,
            cell["length"].values * 1.0,
            gaps.mean(-1),
            y_error=standard_error(gaps),
            color=color,
            marker=marker,
            label=name,
        )
    axes.axhline(
        float(cell[f"cap_{kind}"]), color="0.3", lw=1, ls="--", label=f"cap {cap}"
    )
    axes.set(
        ylim=(0, None),
        xlabel="length (tokens)",
        ylabel=f"{kind} gap (nats per sequence)",
        title=f"{kind.capitalize()} gap, penalty {float(cell['penalty']):g}, "
        f"overlap {float(cell['overlap']):g}",
    )
    axes.legend()


def _per_token(axes: Axes, final: xr.Dataset) -> None:
    gaps, curves = penalised(final), penalised(final, "curve")
    for name, (color, marker) in _LOOK.items():
        for k, penalty in enumerate(final["penalty"].values):
            at = {"model": name, "penalty": penalty}
            line = curves.sel(at) / final["fine"]
            dash = DASHES[k % len(DASHES)]
            theory_line(
                axes, final["fine"].values * 1.0, line.values, color=color, dash=dash
            )
            points = (gaps.sel(at) / final["length"]).transpose("length", "seed").values
            measured_points(
                axes,
                final["length"].values * 1.0,
                points.mean(-1),
                y_error=standard_error(points),
                color=color,
                marker=marker,
            )
    for k, penalty in enumerate(final["penalty"].values):
        dash = DASHES[k % len(DASHES)]
        axes.plot([], [], color="0.3", ls=dash, label=f"penalty {penalty:g}")
    axes.set(
        ylim=(0, None),
        xlabel="length (tokens)",
        ylabel="penalised gap (nats per token)",
        title=f"Per token, overlap {float(final['overlap']):g}",
    )
    axes.legend(loc="lower left", ncols=2)


def _residuals(axes: Axes, final: xr.Dataset) -> None:
    for i, (name, (color, _)) in enumerate(_LOOK.items()):
        for k, kind in enumerate(("safety", "capability")):
            cells = final.sel(model=name)
            order = ("length", "overlap", "penalty", "seed")
            gaps = cells[f"gap_{kind}"].transpose(*order).values
            off = gaps.mean(-1) - cells[f"best_{kind}"].values
            sigmas = off / standard_error(gaps)
            place = final["length"].values + 0.16 * (2 * i + k - 1.5)
            axes.plot(
                np.repeat(place, sigmas[0].size),
                np.clip(sigmas, -30, 30).ravel(),
                MARKERS[k],
                color=color,
                alpha=0.55,
                markersize=3.5,
                label=f"{name}, {kind}",
            )
    axes.axhspan(-2, 2, color="0.85", zorder=0)
    axes.set(
        xlim=(0, float(final["length"].values[-1]) + 1),
        xlabel="length (tokens)",
        ylabel="measured minus exact (standard errors)",
        title="Residuals of every cell (band: two standard errors)",
    )
    axes.legend()
