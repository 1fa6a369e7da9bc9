"""What is read off the curve of a model that is pushed back, and what may be censored.

Curves are log-odds of the preferred style against responses seen: numpy arrays whose
last axis is the curve's. A return that a curve does not reach is infinite, and every
statistic of it is known between two ends only.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy import stats

from experiments.lifecycle import ORIGINAL, PREFERRED
from experiments.thresholds import Ends
from theory.compression.definitions import samples_to_return
from theory.compression.definitions import speed as fall
from theory.compression.saturation import (
    forward_effort,
    forward_speed,
    negatives_needed,
)

Values = Float[np.ndarray, "..."]


class LogLaw(NamedTuple):
    """One log-odds that saturates (E9), fitted to a way up: z / units obeys it.

    `kappa` is the effort of one response; `error` is in nats of log-odds.
    """

    kappa: float
    units: float
    error: float


def style_odds(divergences: Float[np.ndarray, "... style"]) -> Values:
    """How far a model prefers the preferred style, nats per response.

    Formula: KL(p_original || q) - KL(p_preferred || q): the log-odds E log q(y_p) -
    E log q(y_o) less the entropies' constant difference, so that a mixture of styles
    that no response shares has the log-odds of its shares. Source: elasticity notes 6.
    """
    return np.asarray(divergences[..., ORIGINAL] - divergences[..., PREFERRED], float)


def speed(curve: Values, counts: Values, window: float | int) -> Values:
    """How fast a curve falls over its first `window` responses, nats a response.

    Least squares through its points there; negative where the curve rises.
    """
    return np.asarray(fall(counts, curve, 0.0, float(window)), float)


def late_speed(curve: Values, counts: Values, start: float | int) -> Values:
    """How fast a curve falls from `start` responses to its end, nats a response."""
    return np.asarray(fall(counts, curve, float(start), np.inf), float)


def crossing(curve: Values, counts: Values, level: Values) -> Values:
    """Responses until the curve first falls to `level`, linear between its points.

    Infinite where it never does, NaN where the curve is not finite.
    """
    reached = np.asarray(samples_to_return(counts, curve, level), float)
    return np.where(np.isfinite(curve).all(-1), reached, np.nan)


def slope_weights(knob: Values) -> Values:
    """The c with least-squares slope = sum_i c_i y_i over the values of a knob.

    NaN where the knob has one value only.

    >>> slope_weights(np.array([1.0, 2.0, 3.0])).tolist()
    [-0.5, 0.0, 0.5]
    """
    centred = np.asarray(knob, float) - np.mean(knob)
    total = np.sum(centred**2)
    return np.asarray(centred / total if total > 0 else np.full(len(knob), np.nan))


def censored(values: Values, floor: Values) -> Ends:
    """Values of which an infinite one is only known to be at least its floor."""
    return Ends(np.where(np.isposinf(values), floor, values), values)


def linear(weights: Values, ends: Ends) -> Ends:
    """The ends of sum_i weights_i values_i, over the last axis.

    >>> values = censored(np.array([1.0, np.inf]), np.array(3.0))
    >>> ends = linear(np.array([-1.0, 1.0]), values)
    >>> float(ends.low), float(ends.high)
    (2.0, inf)
    """
    counted = weights != 0
    weights = weights[counted]
    least, most = (end[..., counted] for end in ends)
    low = np.where(weights > 0, least, most) * weights
    high = np.where(weights > 0, most, least) * weights
    return Ends(np.asarray(low.sum(-1)), np.asarray(high.sum(-1)))


def exponent(knob: Values, counts: Values, most: float | int) -> Ends:
    """The slope of log counts in log knob, the last axis; counts are at most `most`.

    It is rho where the knob is n_pos and the counts are n*.
    """
    logs = censored(np.log(counts), np.log(np.asarray(most, float)))
    return linear(slope_weights(np.log(knob)), logs)


def rank_correlation(knob: Values, values: Values) -> Values:
    """Spearman's coefficient of every row [row, knob], to 1e-9; NaN for equal rows."""
    rows = [
        stats.spearmanr(knob, row).statistic if np.ptp(row) > 0 else np.nan
        for row in values
    ]
    return np.round(np.asarray(rows, float), 9)


def fitted_law(counts: Values, odds: Values, most_units: int) -> LogLaw:
    """The log law of one way up: `odds` [k] after `counts` [k] responses, the first 0.

    Formula: kappa n = forward_effort(z_0 / m, z_n / m), kappa being the geometric mean
    over the points, and m in [1, most_units] the one with the least spread of
    m log(effort / n), about an error of z. One unit is the law itself; several are a
    response whose tokens saturate one by one. Source: elasticity notes 2.10.
    """
    later = (counts > 0) & (odds > odds[0])
    n, z = counts[later], odds[later]
    if len(n) < 2:
        return LogLaw(np.nan, 1.0, np.nan)
    m = np.linspace(1.0, most_units, 8 * (most_units - 1) + 1)
    effort = np.asarray(forward_effort(odds[0] / m[:, None], z / m[:, None]), float)
    ratio = np.log(effort / n)
    error = m * ratio.std(axis=1)
    best = int(np.argmin(error))
    kappa = float(np.exp(ratio[best].mean()))
    return LogLaw(kappa, float(m[best]), float(error[best]))


def mixture_law(share: float, speed: float) -> tuple[LogLaw, float]:
    """The log law (E9) of a mixture that moves at a given speed, and its log-odds.

    Formula: z_0 = log(share / (1 - share)), kappa = speed / sigma(-z_0).
    """
    start = float(np.log(share) - np.log1p(-share))
    return LogLaw(speed / float(forward_speed(start)), 1.0, 0.0), start


def predicted_returns(
    law: LogLaw, start: float, positives: Shaped[np.ndarray, " k"]
) -> Values:
    """The responses that undo `positives` [k] by the law alone, from log-odds `start`.

    Formula: negatives_needed(z_0 / m, kappa n_pos) / kappa. NaN for a law of nothing.
    """
    effort = law.kappa * np.asarray(positives, float)
    return np.asarray(negatives_needed(start / law.units, effort), float) / law.kappa
