"""One style and a few strokes for all figures: theory is a line, simulation markers."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simlab.statistics import estimate
from simlab.storage import write_bytes_atomic

# Okabe and Ito's palette, readable with every common colour vision.
PALETTE = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: Any = ("-", "--", "-.", ":", (0, (1, 3)), (0, (5, 1)))
_STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 150,
    "text.usetex": False,
}

_Values = Float[np.ndarray, " n"]


@contextmanager
def style() -> Iterator[None]:
    """The project's look, for what is drawn meanwhile."""
    with mpl.rc_context(_STYLE):
        yield


def canvas(width: float | int, height: float | int) -> Figure:
    """An empty figure (inches) that no global state knows of."""
    return Figure(figsize=(width, height), layout="constrained")


def theory_line(
    axes: Axes, x: _Values, y: _Values, *, color: str, label: str = "", dash: Any = "-"
) -> Axes:
    """What theory says: a line."""
    axes.plot(x, y, color=color, linestyle=dash, label=label or "_", zorder=1)
    return axes


def measured_points(
    axes: Axes,
    x: _Values,
    y: _Values,
    *,
    color: str,
    marker: str = "o",
    label: str = "",
    x_error: _Values | None = None,
    y_error: _Values | None = None,
) -> Axes:
    """What the simulation gave: markers, with bars of one standard error over seeds."""
    axes.errorbar(
        x,
        y,
        xerr=x_error,
        yerr=y_error,
        fmt=marker,
        color=color,
        label=label or "_",
        markerfacecolor="white",
        markeredgewidth=1.1,
        elinewidth=0.9,
        capsize=1.5,
        linestyle="none",
        zorder=2,
    )
    return axes


def standard_error(values: Float[np.ndarray, "..."], axis: int = -1) -> np.ndarray:
    """The bars of measured points: standard errors over an axis, the last: seeds.

    NaN for a single seed.

    >>> standard_error(np.array([[1.0, 2.0, 3.0]])).round(3)
    array([0.577])
    """
    return np.asarray(estimate(values, axis).sem)


def save(figure: Figure, directory: Path, name: str = "figure") -> Sequence[Path]:
    """Writes a PNG to look at and a PDF for papers; returns their paths."""
    paths = [directory / f"{name}.png", directory / f"{name}.pdf"]
    for leftover in directory.glob(f".{name}.*.tmp"):  # of a drawing that was killed
        leftover.unlink(missing_ok=True)
    # The PNG last: where it is there, the figure is complete.
    for path in paths[::-1]:
        content = io.BytesIO()
        # Without dates the same data give the same file.
        undated = {"CreationDate": None} if path.suffix == ".pdf" else None
        figure.savefig(content, format=path.suffix[1:], metadata=undated)
        write_bytes_atomic(path, content.getvalue())
    return paths
