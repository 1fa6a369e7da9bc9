"""Plots that several benchmarks share; drawn from a stored report alone."""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlab.figures import MARKERS, PALETTE, canvas


def raw_points(
    axes: Axes, raw: Mapping[str, Sequence[float]], *, label: str, scale: float = 1.0
) -> Axes:
    """Every measured value of every contender, and their medians as lines."""
    for place, values in enumerate(raw.values()):
        color = PALETTE[place % len(PALETTE)]
        scaled = scale * np.asarray(values)
        across = place + np.linspace(-0.2, 0.2, len(scaled))
        marker = MARKERS[place % len(MARKERS)]
        axes.plot(across, scaled, marker, color=color, markerfacecolor="white")
        middle = float(np.median(scaled))
        axes.plot([place - 0.3, place + 0.3], [middle, middle], color=color)
        axes.annotate(
            f"{middle:.3g}", (place, middle), (0, 6), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    names = [fill(name, 13, break_long_words=False) for name in raw]
    axes.set_xticks(range(len(raw)), names)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_ylabel(label)
    axes.set_ylim(bottom=0)
    return axes


def ratios(axes: Axes, rows: Sequence[Mapping[str, Any]], *, label: str) -> Axes:
    """Measured medians with their ranges, and the targets as crosses."""
    kept = [row for row in rows if row["measured"] is not None]
    for place, row in enumerate(reversed(kept)):
        found = row["measured"]
        middle = found["median"]
        error = [[middle - found["low"]], [found["high"] - middle]]
        axes.errorbar(
            [middle], [place], xerr=error, fmt="o", color=PALETTE[0],
            markerfacecolor="white", capsize=2,
        )  # fmt: skip
        if row["target"] is not None:
            axes.plot([row["target"]], [place], "x", color=PALETTE[1])
    axes.set_yticks(range(len(kept)), [fill(row["what"], 34) for row in reversed(kept)])
    axes.tick_params(axis="y", labelsize=8)
    axes.set_ylim(-0.6, len(kept) - 0.4)
    axes.set_xlabel(label)
    return axes


def side_by_side(document: Mapping[str, Any], *, seconds: str, ratio: str) -> Figure:
    """Raw values of the contenders, and the rows of ratios with their targets."""
    figure = canvas(11, 3.8)
    left, right = figure.subplots(1, 2)
    raw_points(left, document["raw"], label=seconds)
    units = ("times", "share")
    rows = [row for row in document["rows"] if row["unit"] in units]
    ratios(right, rows, label=ratio)
    figure.suptitle(document["title"], fontsize=11)
    return figure
