"""What samples allow one to say: estimates, intervals, agreement, trends, error budget.

`level` is a confidence level throughout: 0.95 allows a false alarm in 20. Samples are
taken as independent and roughly normal, which means over seeds are. Nothing is decided
from fewer than two samples.
"""

import dataclasses
import enum
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, Real, Shaped
from scipy import optimize, stats

Array = jax.Array | np.ndarray
Samples = Real[Array, "..."] | Sequence[float | int]
Values = float | Float[np.ndarray, "..."]
"""One number, or one for each of several quantities measured in the same runs."""


class Estimate(NamedTuple):
    """A mean, its standard error and the number of samples; `sem` is nan for n = 1."""

    mean: Values
    sem: Values
    n: int


class Agreement(enum.StrEnum):
    """Where a quantity lies with respect to a margin declared beforehand."""

    INSIDE = "inside"
    OUTSIDE = "outside"
    UNDECIDED = "undecided"


class Significance(NamedTuple):
    """A p-value, the number of samples behind it, and whether p <= 1 - level."""

    p_value: Values
    n: int
    significant: bool | Bool[np.ndarray, "..."]


class Slope(NamedTuple):
    """A fitted slope, its confidence interval and the number of points."""

    slope: float
    low: float
    high: float
    n: int


def estimate(samples: Samples, axis: int = 0) -> Estimate:
    """Mean and standard error along an axis: sem = s / sqrt(n), s with n - 1.

    No sample is left out: a NaN makes mean and sem NaN. Equal samples have sem ~0.

    Raises:
        ValueError: no samples.

    >>> estimate([1.0, 2.0, 3.0])
    Estimate(mean=2.0, sem=0.5773502691896258, n=3)
    """
    values = np.asarray(samples, dtype=float)
    n = values.shape[axis] if values.ndim else 0
    if n == 0:
        raise ValueError("no samples: pass an array with at least one along the axis")
    mean = values.mean(axis)
    sem = values.std(axis, ddof=1) / np.sqrt(n) if n > 1 else np.full_like(mean, np.nan)
    return Estimate(_simple(mean), _simple(sem), n)


def paired(first: Samples, second: Samples, axis: int = 0) -> Estimate:
    """Estimate of the mean of first - second, sample by sample (say, seed by seed).

    Raises:
        ValueError: shapes differ, so that the samples are not pairs.

    >>> paired([3.0, 5.0], [1.0, 2.0])
    Estimate(mean=2.5, sem=0.5, n=2)
    """
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise ValueError(f"shapes {a.shape} and {b.shape} are not pairs")
    return estimate(a - b, axis)


def interval(estimate: Estimate, level: float = 0.95) -> tuple[Values, Values]:
    """Confidence interval of the mean: mean -+ t(n - 1) * sem (Student, two-sided).

    With n < 2 it is the whole line: (-inf, inf).

    >>> low, high = interval(Estimate(2.0, 0.5, 10))
    >>> round(low, 3), round(high, 3)
    (0.869, 3.131)
    """
    alpha = 1 - _proper(level)
    if estimate.n < 2:
        return estimate.mean - np.inf, estimate.mean + np.inf
    half = stats.t.isf(alpha / 2, estimate.n - 1) * np.asarray(estimate.sem)
    return _simple(estimate.mean - half), _simple(estimate.mean + half)


def equivalence(
    estimate: Estimate, lower: float | int, upper: float | int, level: float = 0.95
) -> Agreement:
    """Whether the mean lies in [lower, upper], by two one-sided tests at `level`.

    INSIDE (OUTSIDE) if the whole interval of level 1 - 2 * alpha, alpha = 1 - level,
    lies inside (outside) the margin; either is wrong with probability alpha at most.
    Otherwise, as with n < 2 or NaN, UNDECIDED. The margin is declared beforehand.

    Raises:
        ValueError: not lower < upper, not one quantity, level not in (0.5, 1).

    >>> equivalence(Estimate(0.1, 0.01, 20), -0.2, 0.2).name
    'INSIDE'
    """
    if not lower < upper:
        raise ValueError(f"margin [{lower}, {upper}] is empty; did you swap its ends?")
    if np.ndim(estimate.mean):
        raise ValueError("one quantity at a time: an array needs an error budget")
    if _proper(level) <= 0.5:
        raise ValueError(f"level={level} must be > 0.5; did you pass alpha?")
    low, high = interval(estimate, 2 * level - 1)
    if lower <= low and high <= upper:
        return Agreement.INSIDE
    outside = high < lower or low > upper
    return Agreement.OUTSIDE if outside else Agreement.UNDECIDED


def one_sided(
    estimate: Estimate, against: float | int = 0.0, level: float = 0.95
) -> Significance:
    """Evidence that the mean is > `against`: p = P(T(n - 1) >= (mean - against) / sem).

    With n < 2, p = 1. With sem = 0 any excess has p = 0, so `against` must allow for
    rounding where the samples are deterministic.

    Raises:
        ValueError: NaN among the samples, which would pass for "no evidence".

    >>> round(one_sided(Estimate(1.0, 0.5, 10)).p_value, 4)
    0.0383
    """
    alpha = 1 - _proper(level)
    excess = _known(estimate.mean) - against
    if estimate.n < 2:
        p_value = np.ones_like(excess)
    else:
        sem = _known(estimate.sem)
        safe = np.where(sem > 0, sem, 1.0)
        certain = np.where(excess > 0, 0.0, 1.0)
        by_t = stats.t.sf(excess / safe, estimate.n - 1)
        p_value = np.where(sem > 0, by_t, certain)
    below = p_value <= alpha if np.ndim(p_value) else bool(p_value <= alpha)
    return Significance(_simple(p_value), estimate.n, below)


def trend(values: Real[Array, "seeds levels"], level: float = 0.95) -> Significance:
    """Evidence that values rise along the levels, whatever the form (Page's test).

    Negate the values to test for a fall. With n < 2 seeds, p = 1.

    Raises:
        ValueError: fewer than three levels, or NaN.

    >>> trend(np.array([[1.0, 2.0, 3.0]] * 6)).significant
    True
    """
    alpha = 1 - _proper(level)
    known = _known(values)
    seeds, levels = known.shape
    if levels < 3:
        raise ValueError(f"{levels} levels; a trend needs 3, in the second axis")
    enough = seeds >= 2
    p_value = float(stats.page_trend_test(known).pvalue) if enough else 1.0
    return Significance(p_value, seeds, p_value <= alpha)


def slope(x: Samples, y: Samples, level: float = 0.95) -> Slope:
    """Least-squares slope of y on x: slope -+ t(n - 2) * its standard error.

    Pass logarithms for the order of a power law. Two points give the whole line.

    Raises:
        ValueError: fewer than two points, different lengths, one x only, or NaN.

    >>> slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0])
    Slope(slope=2.0, low=2.0, high=2.0, n=3)
    """
    alpha = 1 - _proper(level)
    a, b = _known(x), _known(y)
    if a.ndim != 1 or a.shape != b.shape or len(np.unique(a)) < 2:
        raise ValueError(f"x {a.shape} and y {b.shape}: need vectors, 2 different x")
    fit, n = stats.linregress(a, b), len(a)
    half = stats.t.isf(alpha / 2, n - 2) * fit.stderr if n > 2 else np.inf
    centre = float(fit.slope)
    return Slope(centre, float(centre - half), float(centre + half), n)


@dataclasses.dataclass(frozen=True)
class ErrorBudget:
    """The probability of one or more false alarms that a family of tests may have.

    >>> ErrorBudget(1e-6).each(10)
    1e-07
    """

    total: float = 1e-6

    def __post_init__(self) -> None:
        if not 0 < self.total < 1:
            raise ValueError(f"total={self.total} must be in (0, 1): a probability")

    def each(self, number_of_tests: int) -> float:
        """The share of each test, total / number (Bonferroni); any dependence."""
        if number_of_tests < 1:
            raise ValueError(f"number_of_tests={number_of_tests} must be >= 1")
        return self.total / number_of_tests

    def holm(self, p_values: Samples) -> Bool[np.ndarray, " tests"]:
        """Which hypotheses fall, by Holm's steps; any dependence.

        In order of p, the i-th (from 0) falls if all before did and p <= total / (m-i).

        >>> ErrorBudget(0.05).holm([0.01, 0.04, 0.03])
        array([ True, False, False])
        """
        p = _known(p_values)
        order = np.argsort(p)
        falls = np.logical_and.accumulate(
            p[order] <= self.total / np.arange(len(p), 0, -1)
        )
        rejected = np.zeros(len(p), dtype=bool)
        rejected[order] = falls
        return rejected


def holm(p_values: Samples, level: float = 0.95) -> Bool[np.ndarray, " tests"]:
    """Which hypotheses fall with at most 1 - level chance of any false one (Holm)."""
    return ErrorBudget(1 - _proper(level)).holm(p_values)


def minimum_detectable(
    standard_deviation: float | int, n: int, level: float = 0.95, power: float = 0.8
) -> float:
    """The mean that a two-sided t test of n samples finds with probability `power`.

    The d with P(|T(n - 1, d sqrt(n) / sd)| > t(n - 1)) = power, T non-central; same
    unit as the standard deviation. With n < 2 nothing is detectable: inf.

    Raises:
        ValueError: power not above 1 - level, which an effect of zero already has.

    >>> round(minimum_detectable(1.0, 34), 2)
    0.5
    """
    alpha = 1 - _proper(level)
    if not alpha < power < 1:
        raise ValueError(f"power={power} must be between {alpha:.2g} and 1")
    if n < 2:
        return float("inf")
    # |T| > t is F > t^2; the non-central chi-squared ratio has no negative tail.
    critical = stats.f.isf(alpha, 1, n - 1)

    def missing(shift: float) -> float:
        return power - float(stats.ncf.sf(critical, 1, n - 1, shift**2))

    upper = 1.0
    while missing(upper) > 0:
        upper *= 2
    shift = optimize.brentq(missing, 0.0, upper)
    return float(shift * standard_deviation / np.sqrt(n))


def _proper(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level={level} must be in (0, 1); did you pass per cent?")
    return level


def _known(values: Samples | float) -> Float[np.ndarray, "..."]:
    array = np.asarray(values, dtype=float)
    if np.isnan(array).any():
        raise ValueError("NaN among the samples: nothing can be concluded from them")
    return array


def _simple(values: Shaped[np.ndarray, "..."] | np.generic) -> Values:
    array = np.asarray(values, dtype=float)
    return array if array.ndim else float(array)
