"""Figures: theory is a line, simulation markers, and nothing global is touched."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.image import imread

from simlab.figures import canvas, measured_points, save, style, theory_line

X = np.array([1.0, 2.0, 3.0])


def test_theory_is_a_line_and_simulation_is_markers_with_bars() -> None:
    axes = canvas(3, 2).subplots()
    theory_line(axes, X, X, color="k", label="theory")
    measured_points(axes, X, X, y_error=0.1 * X, color="k", label="measured")
    line, marks = axes.get_lines()[0], axes.containers[0]
    assert line.get_linestyle() == "-"
    assert line.get_marker() in ("None", "", None)
    assert marks.lines[0].get_linestyle() == "None"
    assert marks.has_yerr
    labels = axes.get_legend_handles_labels()[1]
    assert labels == ["theory", "measured"]


def test_a_figure_is_saved_to_look_at_and_to_print(tmp_path: Path) -> None:
    with style():
        figure = canvas(4, 3)
        theory_line(figure.subplots(), X, X, color="k")
        paths = save(figure, tmp_path)
    assert [path.suffix for path in paths] == [".png", ".pdf"]
    assert imread(paths[0]).shape[:2] == (450, 600)
    assert paths[1].read_bytes().startswith(b"%PDF")


def test_the_same_figure_gives_the_same_file(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        figure = canvas(4, 3)
        theory_line(figure.subplots(), X, X, color="k")
        contents.append([path.read_bytes() for path in save(figure, tmp_path, name)])
    assert contents[0] == contents[1]


def test_the_style_ends_with_its_block() -> None:
    before = mpl.rcParams["axes.grid"]
    with style():
        assert mpl.rcParams["axes.grid"] is True
        assert mpl.rcParams["text.usetex"] is False
    assert mpl.rcParams["axes.grid"] == before
