"""Trends over a knob, and where a measured curve reaches a level."""

import numpy as np
from scipy.interpolate import PchipInterpolator

from experiments.claim import Evidence, Outcome
from experiments.evidence import undecided
from simlab.statistics import holm, trend


def trending(question: str, values: np.ndarray, level: float, units: str) -> Evidence:
    """Does every row of values rise along its knob? Page's test, Holm-corrected.

    Shape: values [row, knob, seed], seeds being independent. Not significant at
    confidence `level` is inconclusive; a significant fall violates. The slack is the
    smallest mean rise from the first to the last value of the knob.
    """
    if values.size == 0 or values.shape[1] < 3:
        return undecided(question, units, f"shape {values.shape}: a trend needs 3")
    if not np.isfinite(values).all():
        return undecided(question, units, "a run of a compared row diverged")
    up, down = (
        np.array([trend(sign * row.T).p_value for row in values]) for sign in (1, -1)
    )
    if np.any(holm(down, level)):
        outcome = Outcome.VIOLATED
    else:
        outcome = Outcome.HOLDS if np.all(holm(up, level)) else Outcome.INCONCLUSIVE
    least = float(np.min((values[:, -1] - values[:, 0]).mean(axis=-1)))
    rows, knobs, seeds = values.shape
    return Evidence(
        question,
        outcome,
        least,
        units,
        f"Page's trend test of {rows} rows over {knobs} values and {seeds} seeds: "
        f"largest p {up.max():.1e}; smallest mean rise {least:.3f}",
    )


def crossing(x: np.ndarray, y: np.ndarray, level: float) -> float:
    """The first x at which the curve through (x, y) passes `level`, NaN if none does.

    The curve is the monotone cubic of Fritsch and Carlson: between two points it never
    leaves their range. x must rise.

    >>> crossing(np.array([0.0, 1.0, 2.0]), np.array([4.0, 2.0, 0.0]), 1.0)
    1.5
    """
    if not np.isfinite(y).all():
        return float("nan")
    roots = PchipInterpolator(x, y).solve(level, extrapolate=False)
    roots = roots[np.isfinite(roots)]  # where the curve lies on the level, it says NaN
    return float(roots.min()) if roots.size else float("nan")


def read_at(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """The same curve's value at one x; NaN outside or where a point is missing.

    >>> read_at(np.array([0.0, 1.0, 2.0]), np.array([4.0, 2.0, 0.0]), 1.5)
    1.0
    """
    if not (np.isfinite(y).all() and np.isfinite(at)):
        return float("nan")
    return float(PchipInterpolator(x, y, extrapolate=False)(at))
