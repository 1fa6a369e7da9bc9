"""Adam breaks the argument: its steps forget how small the gradients are.

One coordinate, gradients g_1..g_t: step = eta m / (sqrt(v) + eps), m and v their
bias-corrected moving averages of g and g^2. Security-vector notes theorem 4.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import safe_sqrt
from theory.typing import Array
from theory.unlearnability.drift import drift_ceiling
from theory.unlearnability.prediction_error import Number, Result

FIRST, SECOND, FLOOR = 0.9, 0.999, 1e-8
"""Adam's usual decays beta_1, beta_2 and its eps."""

History = Float[Array, "*#batch step"]
"""The gradients of one coordinate, oldest first."""


def moving_average(values: History, decay: float) -> Result:
    """The bias-corrected moving average after the last value: a convex combination.

    Formula: sum_s (1 - beta) beta^(t-s) x_s / (1 - beta^t). Shapes: [..., step] ->
    [...]. Domain: 0 <= beta < 1. Source: standard (Kingma and Ba 2015).

    >>> print(f"{float(moving_average(jnp.array([0.0, 1.0]), 0.5)):.4f}")
    0.6667
    """
    values = jnp.asarray(values) * 1.0
    ages = jnp.arange(values.shape[-1])[::-1]
    weights = (jnp.asarray(decay) * 1.0) ** ages
    return jnp.sum(weights * values, axis=-1) / jnp.sum(weights)


def adam_step(
    gradients: History,
    rate: Number = 1.0,
    floor: Number = FLOOR,
    first: float = FIRST,
    second: float = SECOND,
) -> Result:
    """Adam's step after the last of the gradients; 0 if all of them were 0.

    Formula: eta m / (sqrt(v) + eps). Shapes: [..., step] -> [...]. At eps = 0 it does
    not change when all gradients are multiplied by one positive number. Source:
    standard (Kingma and Ba 2015); derived, security-vector notes theorem 4.

    >>> steps = adam_step(jnp.array([[1e-9], [1.0]]), floor=0.0)
    >>> [round(float(step), 6) for step in steps]
    [1.0, 1.0]
    """
    gradients = jnp.asarray(gradients) * 1.0
    mean = moving_average(gradients, first)
    # The squares of tiny gradients would vanish: they are taken of a rescaled history.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(gradients), axis=-1))
    size = jnp.where(size > 0, size, 1.0)
    square = moving_average((gradients / size[..., None]) ** 2, second)
    spread = size * safe_sqrt(square) + jnp.asarray(floor)
    moving = spread > 0
    return jnp.asarray(rate) * mean / jnp.where(moving, spread, 1.0)


def adam_ceiling(first: Number = FIRST, second: Number = SECOND) -> Result:
    """C, the longest step of Adam in units of its rate, whatever the gradients.

    Formula: C = (1 - b1) / sqrt((1 - b2)(1 - b1^2 / b2)), 7.27 by default. Shape: any,
    broadcast. Domain: b1^2 < b2 < 1. Source: derived, security-vector notes theorem 4.

    >>> print(f"{float(adam_ceiling()):.2f}")
    7.27
    """
    first, second = jnp.asarray(first) * 1.0, jnp.asarray(second) * 1.0
    return (1 - first) / jnp.sqrt((1 - second) * (1 - first**2 / second))


def adam_ceiling_at(
    step: Number, first: Number = FIRST, second: Number = SECOND
) -> Result:
    """The longest t-th step of Adam in units of its rate: attained, 1 at t = 1.

    Formula: C sqrt((1 - r^t)(1 - b2^t)) / (1 - b1^t), r = b1^2 / b2, met by g_s ~ (b1 /
    b2)^(t-s). Never above C: sqrt(r^t b2^t) = b1^t is at most the mean of r^t and b2^t.
    Shape: any, broadcast. Domain: t >= 1, 0 < b1^2 < b2 < 1. Source: derived, sharpens
    security-vector notes theorem 4.

    >>> print(f"{float(adam_ceiling_at(1)):.4f} {float(adam_ceiling_at(1000)):.2f}")
    1.0000 5.78
    """
    first, second = jnp.asarray(first) * 1.0, jnp.asarray(second) * 1.0
    ratio = first**2 / second
    logs = (jnp.log(base) * jnp.asarray(step) for base in (ratio, second, first))
    kept, squared, mean = (-jnp.expm1(log) for log in logs)
    return adam_ceiling(first, second) * jnp.sqrt(kept * squared) / mean


def adam_small_step_ceiling(rate: Number, floor: Number, greatest: Number) -> Result:
    """The longest step of Adam when all gradients so far are small.

    Formula: |Delta| <= (eta / eps) max_s |g_s|, for coordinates and for vectors. Shape:
    any, broadcast. Domain: eps > 0. Source: derived, security-vector notes theorem 4.

    >>> print(f"{float(adam_small_step_ceiling(1e-3, 1e-8, 1e-10)):.0e}")
    1e-05
    """
    return jnp.asarray(rate) / jnp.asarray(floor) * jnp.asarray(greatest) * 1.0


def adam_drift_ceiling(
    rate: Number, floor: Number, apart: Number, error_most: Number, steps: Number
) -> Result:
    """The longest path of T steps of Adam: theorem 3 at the rate eta / eps.

    Formula: -(1/D) log(1 - (eta/eps) D^2 T e), e the LARGEST error at the start over
    the batches used (a step mixes past gradients, so a sum would not do); inf unless D
    e << eps. Shape: any, broadcast. Domain: eps > 0. Source: derived, security-vector
    notes theorem 4.

    >>> print(f"{float(adam_drift_ceiling(1e-3, 1e-3, 1.0, 1e-4, 100)):.5f}")
    0.01005
    """
    total = jnp.asarray(steps) * jnp.asarray(error_most)
    return drift_ceiling(jnp.asarray(rate) / jnp.asarray(floor), apart, total)


def adam_harm_beside(rate: Number, harm: Number, benign: Number) -> Result:
    """The longest harmful part of Adam's step when useful data is in the batches.

    Formula: eta |m_h| / sqrt(v) <= eta h / (b - h), h the largest harmful gradient so
    far and b = sqrt(v) of the benign ones alone (Minkowski: sqrt(v) >= b - h); inf for
    b <= h. Suppression is proportional again. Shape: any, broadcast. Source: derived,
    security-vector notes theorem 4.

    >>> print(f"{float(adam_harm_beside(1.0, 1e-3, 1.0)):.6f}")
    0.001001
    """
    harm, benign = jnp.asarray(harm) * 1.0, jnp.asarray(benign) * 1.0
    drowned = benign > harm
    margin = jnp.where(drowned, benign - harm, 1.0)
    return jnp.where(drowned, jnp.asarray(rate) * harm / margin, jnp.inf)
