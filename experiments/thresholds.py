"""Is a quantity above or below a number declared beforehand? With censored samples.

A censored sample is known between two ends only. An answer must hold wherever in
between the truth lies.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from experiments.claim import Evidence, Outcome
from experiments.evidence import reproduction, undecided
from simlab.statistics import estimate, holm, interval, one_sided

Samples = Float[np.ndarray, "*comparison seed"]


class Ends(NamedTuple):
    """The least and the greatest value that a quantity may have in every seed."""

    low: Samples
    high: Samples


def known(samples: Samples) -> Ends:
    """A quantity that is not censored."""
    return Ends(samples, samples)


def negated(ends: Ends) -> Ends:
    """The ends of minus a quantity."""
    return Ends(-ends.high, -ends.low)


def above(
    question: str, ends: Ends, threshold: float, level: float, units: str
) -> Evidence:
    """Is the mean over seeds above `threshold`, in every comparison?

    Student's t, one-sided, at confidence `level`; every comparison must pass, an
    intersection-union test that needs no correction. A mean significantly below the
    threshold, Holm-corrected, violates. The slack is that of the worst comparison.
    """
    return _asked(question, ends, threshold, level, units, 1)


def below(
    question: str, ends: Ends, threshold: float, level: float, units: str
) -> Evidence:
    """Is the mean over seeds below `threshold`, in every comparison? See `above`."""
    return _asked(question, negated(ends), -threshold, level, units, -1)


def _asked(
    question: str, ends: Ends, threshold: float, level: float, units: str, sign: int
) -> Evidence:
    low, high = (np.atleast_2d(end) for end in ends)
    if np.isnan(low).any() or np.isnan(high).any():
        return undecided(question, units, "a seed could not be measured")
    up = np.array([_p_value(row - threshold) for row in low])
    down = np.array([_p_value(threshold - row) for row in high])
    if np.any(holm(down, level)):
        outcome = Outcome.VIOLATED
    else:
        outcome = Outcome.HOLDS if np.all(up <= 1 - level) else Outcome.INCONCLUSIVE
    means = low.mean(axis=1)
    worst = int(np.argmin(means))
    open_ends = int(np.sum(low != high))
    censored = f"; {open_ends} samples censored" if open_ends else ""
    worst_of = f"worst of {len(low)}: " if len(low) > 1 else ""
    shown = low[worst] if sign > 0 else -low[worst]
    return Evidence(
        question,
        outcome,
        float(means[worst] - threshold),
        units,
        f"{worst_of}mean {with_interval(shown, level)} over {low.shape[1]} seeds, "
        f"threshold {sign * threshold:g}{censored}",
    )


def _p_value(excess: Float[np.ndarray, " seed"]) -> float:
    """Of the hypothesis that the mean excess is not positive; 1 if it is unbounded."""
    if not np.isfinite(excess).all():
        return 1.0
    return float(one_sided(estimate(excess)).p_value)


def with_interval(samples: Float[np.ndarray, " seed"], level: float) -> str:
    """The mean and its confidence interval, as text.

    >>> with_interval(np.array([1.0, 2.0, 3.0]), 0.95)
    '2 [-0.484, 4.48]'
    """
    if not np.isfinite(samples).all():
        finite = samples[np.isfinite(samples)]
        middle = f"median {np.median(samples):.3g}, " if len(samples) else ""
        return f"{middle}{len(finite)} of {len(samples)} seeds finite"
    low, high = interval(estimate(samples), level)
    return f"{samples.mean():.3g} [{low:.3g}, {high:.3g}]"


def answer(yes: Evidence) -> str:
    """An evidence's outcome as the answer to whether a published effect appears.

    >>> answer(Evidence("is it so?", Outcome.VIOLATED, -1.0, "nats", ""))
    'not reproduced'
    """
    return reproduction(yes.outcome)
