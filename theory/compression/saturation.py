"""The rival of elasticity: inverse alignment is logarithmic without any memory.

One log-odds z, cross-entropy, gradient flow. Efforts are kappa * eta * n: rate times
step times samples, no unit. Elasticity notes 2.10.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.lambert import log_omega
from theory.typing import Array

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Result = Float[jax.Array, "*batch"]
"""A number for every start and effort."""


def forward_speed(log_odds: Number) -> Result:
    """How fast training on safe answers alone raises the log-odds, by unit of effort.

    Formula: sigma(-z) = 1 / (1 + e^z). Shape: any. Source: derived, elasticity notes
    2.10.

    >>> float(forward_speed(0.0))
    0.5
    """
    return jax.nn.sigmoid(-jnp.asarray(log_odds) * 1.0)


def inverse_speed(log_odds: Number) -> Result:
    """How fast training on unsafe answers alone lowers the log-odds; at most 1.

    Formula: sigma(z). Shape: any. Source: derived, elasticity notes 2.10.

    >>> float(inverse_speed(0.0))
    0.5
    """
    return jax.nn.sigmoid(jnp.asarray(log_odds) * 1.0)


def forward_effort(start: Number, end: Number) -> Result:
    """The effort that brings log-odds from start up to end by safe answers.

    Formula: (z_1 - z_0) + e^z_1 - e^z_0. Shape: any, broadcast. Domain: end >= start
    (negative otherwise). Source: derived, elasticity notes 2.10.

    >>> float(forward_effort(0.0, 0.0))
    0.0
    """
    start, end = jnp.asarray(start) * 1.0, jnp.asarray(end) * 1.0
    return (end - start) + jnp.exp(start) * jnp.expm1(end - start)


def inverse_effort(start: Number, end: Number) -> Result:
    """The effort that brings log-odds from start down to end by unsafe answers.

    Formula: (z_1 - z_0) + e^-z_0 - e^-z_1 from z_1 = start to z_0 = end. Shape: any,
    broadcast. Domain: end <= start. Source: derived, elasticity notes 2.10.

    >>> print(f"{float(inverse_effort(2.0, 0.0)):.4f}")
    2.8647
    """
    return forward_effort(-jnp.asarray(start), -jnp.asarray(end))


def forward_end(start: Number, effort: Number) -> Result:
    """z_1, the log-odds after an effort on safe answers.

    Formula: z_1 = log W(e^(T + z_0 + e^z_0)), the root of `forward_effort` = T; about
    log T. Shape: any, broadcast. Domain: effort >= 0, e^start finite. Source: derived,
    elasticity notes 2.10.

    >>> print(f"{float(forward_end(-1.0, 10.0)):.4f}")
    1.9975
    """
    start = jnp.asarray(start) * 1.0
    return log_omega(jnp.asarray(effort) + start + jnp.exp(start))


def inverse_end(start: Number, effort: Number) -> Result:
    """The log-odds after an effort on unsafe answers.

    Formula: -`forward_end`(-start, effort). Shape: any, broadcast. Domain: effort >= 0.
    Source: derived, elasticity notes 2.10.

    >>> print(f"{float(inverse_end(1.0, 10.0)):.4f}")
    -1.9975
    """
    return -forward_end(-jnp.asarray(start), effort)


def negatives_needed(start: Number, positives: Number) -> Result:
    """The effort on unsafe answers that undoes an effort on safe ones.

    Formula: (z_1 - z_0) + e^-z_0 - e^-z_1 with z_1 = `forward_end`(z_0, positives).
    About log(positives): far fewer negatives than positives. Shape: any, broadcast.
    Domain: positives >= 0. Source: derived, elasticity notes 2.10.

    >>> print(f"{float(negatives_needed(-1.0, 1000.0)):.2f}")
    10.62
    """
    return inverse_effort(forward_end(start, positives), start)


def negatives_ceiling(start: Number, positives: Number) -> Result:
    """What `negatives_needed` never exceeds: the logarithmic law as a bound.

    Formula: log(1 + x) + e^-z_0 x / (1 + x), x = T e^-z_0, because e^z_1 <= T + e^z_0.
    Tight as T -> inf; 1 + e^-z_0 times too large as T -> 0. Shape: any, broadcast.
    Domain: positives >= 0. Source: derived.

    >>> print(f"{float(negatives_ceiling(-1.0, 1000.0)):.2f}")
    10.63
    """
    inverse = jnp.exp(-jnp.asarray(start) * 1.0)
    x = jnp.asarray(positives) * inverse
    return jnp.log1p(x) + inverse * x / (1 + x)


def negatives_price(start: Number, positives: Number) -> Result:
    """How many more negatives one more positive asks for: always more, never fewer.

    Formula: d negatives / d positives = e^-z_1 > 0, the no-crossing lemma for one
    log-odds. Shape: any, broadcast. Domain: positives >= 0. Source: derived.

    >>> print(f"{float(negatives_price(0.0, 0.0)):.1f}")
    1.0
    """
    return jnp.exp(-forward_end(start, positives))


def negatives_exponent(start: Number, positives: Number) -> Result:
    """Rho = d log negatives / d log positives, in (0, 1]; published fits are negative.

    Formula: rho = positives e^-z_1 / negatives; 1 at positives = 0, falls to 0 as 1 /
    log(positives); at most 1 because the price falls. Shape: any, broadcast. Domain:
    positives >= 0. Source: derived; compare Ji et al. 2025, Table 3.

    >>> float(negatives_exponent(0.0, 0.0))
    1.0
    """
    positives = jnp.asarray(positives) * 1.0
    needed = negatives_needed(start, positives)
    regular = (positives > 0) & (needed > 0)
    ratio = jnp.where(regular, positives, 1.0) / jnp.where(regular, needed, 1.0)
    return jnp.where(regular, ratio * negatives_price(start, positives), 1.0)


def late_over_early(early: Number, late: Number) -> Result:
    """How much slower the inverse way is at a late log-odds than at an early one.

    Formula: sigma(z_late) / sigma(z_early), about e^z_late once z_late << 0: "the
    decline slows" without any memory. Shape: any, broadcast. Source: derived,
    elasticity notes 2.10.

    >>> print(f"{float(late_over_early(5.0, -5.0)):.4f}")
    0.0067
    """
    return inverse_speed(late) / inverse_speed(early)
