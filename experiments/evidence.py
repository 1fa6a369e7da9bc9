"""Questions that several claims ask of their data, each answered by an Evidence."""

import math
from collections.abc import Sequence

import numpy as np

from experiments.claim import Evidence, Outcome
from simlab.statistics import Agreement, equivalence, estimate, holm, one_sided

OUTCOMES = {
    Agreement.INSIDE: Outcome.HOLDS,
    Agreement.OUTSIDE: Outcome.VIOLATED,
    Agreement.UNDECIDED: Outcome.INCONCLUSIVE,
}
"""What agreement within a declared margin says of a claim."""


def all_inside(answers: Sequence[Agreement]) -> Outcome:
    """Do all agree? One outside violates, one undecided leaves it open.

    >>> all_inside([Agreement.INSIDE, Agreement.UNDECIDED]).value
    'inconclusive'
    """
    for answer in (Agreement.OUTSIDE, Agreement.UNDECIDED):
        if answer in answers:
            return OUTCOMES[answer]
    return Outcome.HOLDS


def reproduction(outcome: Outcome) -> str:
    """An outcome as the answer to whether a published effect appears.

    >>> reproduction(Outcome.VIOLATED)
    'not reproduced'
    """
    return {
        Outcome.HOLDS: "reproduced",
        Outcome.VIOLATED: "not reproduced",
        Outcome.INCONCLUSIVE: "inconclusive",
    }[outcome]


def outcome_of(passed: bool) -> Outcome:
    """HOLDS or VIOLATED."""
    return Outcome.HOLDS if passed else Outcome.VIOLATED


def undecided(question: str, units: str, detail: str) -> Evidence:
    """What is said when the data cannot answer."""
    return Evidence(question, Outcome.INCONCLUSIVE, math.nan, units, detail)


def never_below(
    question: str, values: np.ndarray, limits: np.ndarray, tolerance: float, units: str
) -> Evidence:
    """Is every finite value at or above its limit? Exact: only rounding is allowed."""
    slacks = (values - limits)[np.isfinite(values)]
    if slacks.size == 0:
        return undecided(question, units, "no finite run")
    worst = float(slacks.min())
    return Evidence(
        question,
        outcome_of(worst >= -tolerance),
        worst + tolerance,
        units,
        f"{slacks.size} points, the least {worst:.2e} above the limit "
        f"(rounding allowed: {tolerance:.0e})",
    )


def equal_to_rounding(
    question: str, left: np.ndarray, right: np.ndarray, tolerance: float, units: str
) -> Evidence:
    """Does an identity hold for every finite run?"""
    error = np.abs(left - right)[np.isfinite(left)]
    if error.size == 0:
        return undecided(question, units, "no finite run")
    worst = float(error.max())
    return Evidence(
        question,
        outcome_of(worst <= tolerance),
        tolerance - worst,
        units,
        f"{error.size} models, largest difference {worst:.1e} "
        f"(allowed: {tolerance:.0e})",
    )


def below_target(
    question: str, values: np.ndarray, target: float, units: str
) -> Evidence:
    """Are the runs trained well enough to judge by? If not, inconclusive."""
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return undecided(question, units, "no finite run")
    median = float(np.median(finite))
    return Evidence(
        question,
        Outcome.HOLDS if median < target else Outcome.INCONCLUSIVE,
        target - median,
        units,
        f"median {median:.4f} (target: < {target}), largest {finite.max():.3f}",
    )


def inside_margins(
    question: str,
    samples: np.ndarray,
    lower: np.ndarray,
    upper: np.ndarray,
    level: float,
    units: str,
) -> Evidence:
    """Does the interval of every cell's mean lie wholly inside its declared margin?

    Shapes: samples [..., seed], margins [...]. All cells must pass, an
    intersection-union test, which needs no correction for their number. Cells wholly
    outside violate; cells across a margin are undecided. Samples are gaps: they cannot
    be negative, so a lower margin of 0 is no margin.
    """
    cells = samples.reshape(-1, samples.shape[-1])
    lower = np.where(lower > 0, lower, -np.inf)
    ends = [np.broadcast_to(end, samples.shape[:-1]).ravel() for end in (lower, upper)]
    answers = [
        equivalence(estimate(cell), low, high, level)
        for cell, low, high in zip(cells, *ends, strict=True)
    ]
    counts = {answer: answers.count(answer) for answer in Agreement}
    means = cells.mean(axis=-1)
    room = np.minimum(means - ends[0], ends[1] - means)
    width = float(np.median(ends[1] - np.maximum(ends[0], 0.0)))
    return Evidence(
        question,
        all_inside(answers),
        float(np.min(room)),
        units,
        f"{counts[Agreement.INSIDE]} of {len(cells)} cells inside, "
        f"{counts[Agreement.UNDECIDED]} undecided, {counts[Agreement.OUTSIDE]} "
        f"outside; median margin width {width:.3f}, {samples.shape[-1]} seeds",
    )


def rises(question: str, differences: np.ndarray, level: float, units: str) -> Evidence:
    """Is every mean difference positive? Paired over seeds, Holm-corrected.

    Shape: differences [comparison, seed]. Not significant at confidence `level` is
    inconclusive; a mean significantly below zero violates.
    """
    if not np.isfinite(differences).all():
        return undecided(question, units, "a run of a compared pair diverged")
    up, down = (
        np.array([one_sided(estimate(sign * row)).p_value for row in differences])
        for sign in (1, -1)
    )
    if np.any(holm(down, level)):
        outcome = Outcome.VIOLATED
    else:
        outcome = Outcome.HOLDS if np.all(holm(up, level)) else Outcome.INCONCLUSIVE
    least = float(np.min(differences.mean(axis=1)))
    return Evidence(
        question,
        outcome,
        least,
        units,
        f"{len(differences)} comparisons over {differences.shape[1]} seeds, smallest "
        f"mean difference {least:.3f}, largest p {up.max():.1e}",
    )
