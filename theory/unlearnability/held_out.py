"""From held-out errors to unseen data: why a hundred samples can serve for a thousand.

Prediction errors lie in [0, 1], so Hoeffding's inequality applies. The bounds hold with
a probability, not in expectation: the drift ceiling is convex in the sum of errors.
"""

import jax.numpy as jnp

from theory.numerics import safe_sqrt
from theory.unlearnability.drift import drift_ceiling
from theory.unlearnability.prediction_error import Number, Result


def hoeffding_width(count: Number, failure: Number) -> Result:
    """How far a mean of `count` numbers in [0, 1] may lie below its expectation.

    Formula: sqrt(log(1/delta) / (2 n)), exceeded with probability <= delta. Shape: any,
    broadcast. Domain: n > 0, 0 < delta <= 1. Source: standard (Hoeffding 1963).

    >>> print(f"{float(hoeffding_width(100, 0.05)):.4f}")
    0.1224
    """
    return safe_sqrt(-jnp.log(jnp.asarray(failure) * 1.0) / (2 * jnp.asarray(count)))


def error_mean_ceiling(mean_seen: Number, count: Number, failure: Number) -> Result:
    """The largest expected error that `count` fresh validation samples leave likely.

    Formula: E e <= e_seen + sqrt(log(1/delta) / (2 n)), at most 1, with probability
    >= 1 - delta. Shape: any, broadcast. Domain: the samples did not train the vector.
    Source: derived, security-vector notes theorem 3.

    >>> print(f"{float(error_mean_ceiling(0.01, 100, 0.05)):.4f}")
    0.1324
    """
    width = hoeffding_width(count, failure)
    return jnp.minimum(1.0, jnp.asarray(mean_seen) + width)


def error_sum_ceiling(expected: Number, steps: Number, failure: Number) -> Result:
    """The largest sum of errors over T independent fresh training samples.

    Formula: S_T <= T E e + sqrt(T log(1/delta) / 2), at most T, with probability >= 1 -
    delta. Shape: any, broadcast. Domain: one pass, no sample used twice. Source:
    derived, security-vector notes theorem 3.

    >>> print(f"{float(error_sum_ceiling(0.01, 1000, 0.05)):.2f}")
    48.70
    """
    steps = jnp.asarray(steps) * 1.0
    total = steps * (jnp.asarray(expected) + hoeffding_width(steps, failure))
    return jnp.minimum(steps, total)


def unseen_drift_ceiling(
    rate: Number,
    apart: Number,
    mean_seen: Number,
    count: Number,
    steps: Number,
    failure: Number,
) -> Result:
    """The longest path over unseen harmful samples, known before any of them is seen.

    Formula: the drift ceiling at S = T (e_seen + width(n)) + T width(T), with
    probability >= 1 - 2 delta. Shape: any, broadcast. Domain: validation and training
    samples independent, of one law. Source: derived, security-vector notes theorem 3.

    >>> print(f"{float(unseen_drift_ceiling(1e-3, 1.0, 0.01, 100, 1000, 0.05)):.4f}")
    0.1876
    """
    expected = error_mean_ceiling(mean_seen, count, failure)
    return drift_ceiling(rate, apart, error_sum_ceiling(expected, steps, failure))
