"""The figure of `rebound`: the ways back, their start, their length, and the score."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.rebound_evidence import displacement
from experiments.rebound_readings import LAWS
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)

PRINTED = {
    "Llama2-7B": (961.0, 844.0, 801.0, 729.0),
    "Gemma-2B": (923.0, 853, 709, 598),
}
PRINTED_POSITIVES = (1000.0, 2000.0, 5000.0, 10_000.0)
"""Table 3 of Ji et al. 2025: unsafe samples needed, by safe samples."""


def rebound_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels; bars are standard errors over seeds."""
    with style():
        figure = canvas(9.4, 7.8)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _ways(left, data)
        _starts(right, data)
        _returns(below_left, data)
        _scores(below_right, data)
        figure.suptitle(
            f"Rebound of aligned transformers — {verdict.outcome.value}\n"
            "lines: theory, fitted to the way up alone; markers: mean and standard "
            f"error over n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _color(index: int) -> str:
    return PALETTE[index % len(PALETTE)]


def _ways(axes: Axes, data: xr.Dataset) -> None:
    """Log-odds above base against negatives; the dots that are drawn are thinned."""
    base = data["odds_forward"].values[:, :1]
    thin = slice(None, None, max(data.sizes["backward"] // 24, 1))
    for i, count in enumerate(data["positives"].values):
        curve = (data["odds_back"].values[:, i] - base)[:, thin]
        measured_points(
            axes,
            data["backward"].values[thin],
            curve.mean(0),
            y_error=standard_error(curve, 0),
            color=_color(i),
            marker=MARKERS[i % len(MARKERS)],
            label=f"{count}",
        )
    axes.axhline(0.0, color="0.3", lw=1, ls="--", label="base")
    axes.set(
        xlabel="negatives (responses)",
        ylabel="log-odds above base (nats per response)",
        title="The way back",
    )
    axes.legend(title="positives", ncols=2)


def _starts(axes: Axes, data: xr.Dataset) -> None:
    """Initial speed against displacement: a spring is a line through the origin."""
    moved, start = displacement(data), data["speed_back"].values
    measured_points(
        axes,
        moved.mean(0),
        start.mean(0),
        x_error=standard_error(moved, 0),
        y_error=standard_error(start, 0),
        color=PALETTE[0],
        label="way back",
    )
    law = data["law_speed_back"].sel(law=LAWS[0]).values.mean(0)
    theory_line(
        axes, moved.mean(0), law, color=PALETTE[1], dash="--", label="saturation (E9)"
    )
    stiffness = float(np.median(start / moved))
    ends = np.array([0.0, float(np.max(moved.mean(0)))])
    theory_line(
        axes, ends, stiffness * ends, color=PALETTE[2], dash="-.", label="spring"
    )
    forward = float(data["speed_forward"].values.mean())
    axes.axhline(forward, color="0.3", lw=1, ls=":", label="initial speed up")
    axes.set(
        xlim=(0, None),
        ylim=(0, None),
        xlabel="log-odds gained by alignment (nats per response)",
        ylabel="initial speed back (nats a negative)",
        title="It starts the faster the further it is",
    )
    axes.legend()


def _returns(axes: Axes, data: xr.Dataset) -> None:
    """n* against n_pos, with the laws' predictions and the printed numbers."""
    positives = data["positives"].values * 1.0
    counts = np.log(data["returns"].values)
    seen = np.isfinite(counts).all(0)
    measured_points(
        axes,
        positives[seen],
        np.exp(counts[:, seen].mean(0)),
        y_error=np.exp(counts[:, seen].mean(0)) * standard_error(counts[:, seen], 0),
        color=PALETTE[0],
        label="measured",
    )
    for name, dash, color in zip(LAWS, ("--", ":"), PALETTE[1:], strict=False):
        law = np.median(data["law_returns"].sel(law=name).values, axis=0)
        theory_line(
            axes, positives, law, color=color, dash=dash, label=f"saturation, {name}"
        )
    theory_line(
        axes, positives, positives, color="0.5", dash="-", label="as many as positives"
    )
    for i, (name, printed) in enumerate(PRINTED.items()):
        axes.plot(
            PRINTED_POSITIVES, printed, MARKERS[4 + i], color="0.55", label=name,
            linestyle="-", linewidth=0.6, zorder=0,
        )  # fmt: skip
    axes.set(
        xscale="log",
        yscale="log",
        ylim=(150, 15_000),
        xlabel="positives n_pos (responses)",
        ylabel="negatives to return, n*",
        title="n* rises with n_pos; the paper's Table 3 (grey) falls",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.legend(ncols=2, loc="upper left")


def _scores(axes: Axes, data: xr.Dataset) -> None:
    """The share of preferred answers, the paper's score."""
    moments = data["moment"].values * 1.0
    for i, count in enumerate(data["positives"].values):
        share = data["share_back"].values[:, i]
        measured_points(
            axes,
            moments,
            share.mean(0),
            y_error=standard_error(share, 0),
            color=_color(i),
            marker=MARKERS[i % len(MARKERS)],
            label=f"{count}",
        )
    base = float(data["share_base"].values.mean())
    axes.axhline(base, color="0.3", lw=1, ls="--", label="base")
    axes.set(
        ylim=(-0.03, 1.03),
        xlabel="negatives (responses)",
        ylabel="share of own answers in the preferred style",
        title="The paper's score saturates",
    )
    axes.legend(title="positives", ncols=2)
