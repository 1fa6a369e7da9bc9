"""The figure of `compression_is_loss`: lengths along training, residuals in bits."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.claim import Verdict
from experiments.compression_evidence import in_bits, messages_per_stream
from simlab.coding import OVERHEAD_BITS
from simlab.figures import (
    MARKERS,
    PALETTE,
    canvas,
    measured_points,
    standard_error,
    style,
    theory_line,
)


def compression_figure(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Four panels; bars are standard errors over seeds, or streams of all seeds."""
    shared = messages_per_stream(data)
    mean = data["stream_bits"] / shared
    with style():
        figure = canvas(9.0, 7.4)
        (left, right), (below_left, below_right) = figure.subplots(2, 2)
        _lengths(left, data, mean)
        _alone(right, data)
        _redundancy(below_left, data, mean)
        _residuals(below_right, data, mean)
        figure.suptitle(
            f"Compression is loss — {verdict.outcome.value}\n"
            "lines: exact cross-entropy; markers: arithmetic codes of held-out "
            f"messages, n = {data.sizes['seed']} seeds",
            fontsize=11,
        )
    return figure


def _looks(data: xr.Dataset) -> list[tuple[int, str, str]]:
    widths = [int(width) for width in data["width"].values]
    return [
        (width, PALETTE[k % len(PALETTE)], MARKERS[k % len(MARKERS)])
        for k, width in enumerate(widths)
    ]


def _lengths(axes: Axes, data: xr.Dataset, mean: xr.DataArray) -> None:
    steps = data["record"].values * 1.0
    expected = in_bits(data["entropy"] + data["gap"]).mean("seed")
    for width, color, marker in _looks(data):
        line = expected.sel(width=width).values
        theory_line(axes, steps, line, color=color)
        by_seed = mean.sel(width=width).mean("stream").transpose("record", "seed")
        measured_points(
            axes,
            steps,
            by_seed.values.mean(-1),
            y_error=standard_error(by_seed.values),
            color=color,
            marker=marker,
            label=f"width {width}",
        )
    floor = float(in_bits(data["entropy"]))
    axes.axhline(floor, color="0.3", lw=1, ls="--", label="entropy of the law")
    axes.set(
        xlabel="optimiser steps",
        ylabel="bits per message",
        title="Mean code length in streams",
    )
    axes.legend()


def _alone(axes: Axes, data: xr.Dataset) -> None:
    """Every message's own code: least, mean and largest excess over its loss."""
    over = data["bits"] - in_bits(data["loss"])
    steps = data["record"].values * 1.0
    gap = float(steps[-1]) / (6 * len(steps))
    for k, (width, color, marker) in enumerate(_looks(data)):
        one = over.sel(width=width).transpose("record", ...).values
        flat = one.reshape(len(steps), -1)
        middle, place = flat.mean(-1), steps + gap * (k - 1)
        ends = np.stack([middle - flat.min(-1), flat.max(-1) - middle])
        axes.errorbar(
            place, middle, yerr=ends, fmt=marker, color=color, capsize=2,
            markerfacecolor="white", label=f"width {width}",
        )  # fmt: skip
    axes.axhspan(0, OVERHEAD_BITS, color="0.9", zorder=0)
    axes.set(
        xlabel="optimiser steps",
        ylim=(-0.15, OVERHEAD_BITS + 0.5),  # the legend above the bars
        ylabel="code length minus cross-entropy (bits)",
        title="Single messages: least, mean, largest",
    )
    axes.legend(loc="upper center", ncols=len(data["width"]))


def _redundancy(axes: Axes, data: xr.Dataset, mean: xr.DataArray) -> None:
    """Measured against the law's own code, beside the exact divergence."""
    own = data["law_stream_bits"] / messages_per_stream(data)
    extra, gap = mean - own, in_bits(data["gap"])
    for width, color, marker in _looks(data):
        at = extra.sel(width=width).transpose("seed", "record", "stream").values
        measured_points(
            axes,
            gap.sel(width=width).transpose("seed", "record").values.ravel(),
            at.mean(-1).ravel(),
            y_error=standard_error(at).ravel(),
            color=color,
            marker=marker,
            label=f"width {width}",
        )
    ends = np.array([0.0, float(gap.max())])
    theory_line(axes, ends, ends, color="0.3", label="redundancy = KL")
    axes.set(
        xlabel="exact KL(p || q) (bits per message)",
        ylabel="code length minus the law's own (bits)",
        title="Redundancy, every seed and record",
    )
    axes.legend()


def _residuals(axes: Axes, data: xr.Dataset, mean: xr.DataArray) -> None:
    off = mean - in_bits(data["entropy"] + data["gap"])
    steps = data["record"].values * 1.0
    gap = float(steps[-1]) / (6 * len(steps))
    for k, (width, color, marker) in enumerate(_looks(data)):
        one = off.sel(width=width).transpose("record", "seed", "stream").values
        flat = one.reshape(len(steps), -1)
        measured_points(
            axes,
            steps + gap * (k - 1),
            flat.mean(-1),
            y_error=standard_error(flat),
            color=color,
            marker=marker,
            label=f"width {width}",
        )
    most = OVERHEAD_BITS / messages_per_stream(data)
    axes.axhspan(0, most, color="0.85", zorder=0)
    axes.set(
        xlabel="optimiser steps",
        ylabel="excess over H + KL (bits per message)",
        title=f"Residuals of the means (band: 0 to {most:.3f} bits)",
    )
    axes.legend()
