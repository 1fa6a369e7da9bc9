"""Divergences from a mixture of two laws: Jensen-Shannon and its relatives."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information.divergences import (
    Number,
    Vector,
    binary_entropy,
    hellinger_squared,
    square_over,
    total_variation,
)
from theory.numerics import divergence_terms, xlogy_ratio
from theory.typing import Nats


def column(number: Number) -> Float[jax.Array, "*batch 1"]:
    """A number, or a batch of them, as floats that broadcast along the last axis.

    Shapes: [...] -> [..., 1].

    >>> column(1).shape
    (1,)
    """
    return (jnp.asarray(number) * 1.0)[..., None]


def mixture(p: Vector, q: Vector, weight: Number) -> Float[jax.Array, "*batch k"]:
    """The law that is p with probability w and q otherwise.

    Formula: P_w = w p + (1-w) q. Shapes: p, q [..., k], weight [...] -> [..., k].
    Domain: w in [0, 1]. Source: standard.

    >>> mixture(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), 0.25).tolist()
    [0.25, 0.75]
    """
    w = column(weight)
    return w * p + (1 - w) * q


def skew_divergence(p: Vector, q: Vector, weight: Number) -> Nats:
    """The divergence of p from its mixture with q.

    Formula: KL(p || w p + (1-w) q), with p - P_w = (1-w)(p - q) used as it stands, so
    that w near 1 keeps its digits. Shapes: p, q [..., k], weight [...] -> [...].
    Unit: nats. Domain: w in [0, 1]; KL(p || q) at w = 0, finite for w > 0 unless w p
    underflows. Source: standard.

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> print(f"{float(skew_divergence(p, q, 0.5)):.6f}")
    0.693147
    """
    difference = (1 - column(weight)) * (jnp.asarray(p) - jnp.asarray(q))
    return jnp.sum(divergence_terms(p, mixture(p, q, weight), difference), axis=-1)


def jensen_shannon(p: Vector, q: Vector, weight: Number) -> Nats:
    """The weighted Jensen-Shannon divergence, always finite.

    Formula: JS_w(p, q) = w KL(p || P_w) + (1-w) KL(q || P_w), P_w = w p + (1-w) q.
    Shapes: p, q [..., k], weight [...] -> [...]. Unit: nats. Domain: w in [0, 1]; 0 at
    both ends. Gradients are finite everywhere. Source: standard.

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> print(f"{float(jensen_shannon(p, q, 0.5)):.6f} {jensen_shannon(p, q, 0.0)}")
    0.693147 0.0
    """
    w, difference = column(weight), jnp.asarray(p) - jnp.asarray(q)
    mixed = mixture(p, q, weight)
    held = mixed > 0  # an outcome outside has no weight: 0 * inf = 0
    first = divergence_terms(jnp.where(held, p, 0.0), mixed, (1 - w) * difference)
    second = divergence_terms(jnp.where(held, q, 0.0), mixed, -w * difference)
    return jnp.sum(w * first + (1 - w) * second, axis=-1)


def pearson_along(p: Vector, q: Vector, t: Number) -> Nats:
    """The squared difference of p and q relative to their mixture; no unit.

    Formula: T_t = sum_y (p - q)^2 / (t p + (1-t) q) = chi2(p || P_t) / (1-t)^2, so
    that d/dw KL(p || P_w) = -(1-w) T_w and KL(p || P_w) = int_w^1 (1-t) T_t dt; between
    4 TV^2 and TV / (t (1-t)). Shapes: p, q [..., k], t [...] -> [...]. Domain: t in
    [0, 1]; may be inf at the ends. Source: derived, notes (3.1) and (3.2).

    >>> float(pearson_along(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0]), 0.5))
    4.0
    """
    return square_over(jnp.asarray(p) - jnp.asarray(q), mixture(p, q, t))


def mixture_kl_bounds(p: Vector, q: Vector, weight: Number) -> tuple[Nats, Nats]:
    """Lower and upper bound on KL(p || w p + (1-w) q), valid for every pair.

    Formula: 2 (1-w)^2 TV^2 <= KL(p || P_w) <= TV log(1/w). Shapes: p, q [..., k],
    weight [...] -> two of [...]. Unit: nats. Domain: w in [0, 1]; the upper end is inf
    at w = 0 unless p = q. Upper end tight iff the likelihood ratio is 0, 1 or inf.
    Source: derived, notes (3.3).

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> lower, upper = mixture_kl_bounds(p, q, 0.5)
    >>> print(f"{float(lower):.6f} {float(upper):.6f}")
    0.500000 0.693147
    """
    w, distance = jnp.asarray(weight) * 1.0, total_variation(p, q)
    lower = 2 * ((1 - w) * distance) ** 2
    return lower, xlogy_ratio(distance, jnp.ones_like(w), w)


def jensen_shannon_bounds(p: Vector, q: Vector, weight: Number) -> tuple[Nats, Nats]:
    """Lower and upper bound on JS_w(p, q), valid for every pair.

    Formula: 2 w (1-w) TV^2 <= JS_w <= h(w) TV. Shapes: p, q [..., k], weight [...] ->
    two of [...]. Unit: nats. Domain: w in [0, 1]. Upper end tight iff the likelihood
    ratio is 0, 1 or inf. Source: derived, notes (3.4).

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> lower, upper = jensen_shannon_bounds(p, q, 0.5)
    >>> print(f"{float(lower):.6f} {float(upper):.6f}")
    0.500000 0.693147
    """
    w, distance = jnp.asarray(weight) * 1.0, total_variation(p, q)
    return 2 * w * (1 - w) * distance**2, binary_entropy(w) * distance


def jensen_shannon_hellinger_bounds(p: Vector, q: Vector) -> tuple[Nats, Nats]:
    """Lower and upper bound on JS_{1/2} by the Hellinger distance, for every pair.

    Formula: log 2 H^2 <= JS_{1/2}(p, q) <= H^2, H^2 = 1 - sum sqrt(p q). Shapes: p, q
    [..., k] -> two of [...]. Unit: nats. Lower end tight for disjoint laws, upper end
    as p -> q. Source: standard, notes 11.4 item 3.

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
    >>> lower, upper = jensen_shannon_hellinger_bounds(p, q)
    >>> print(f"{float(lower):.6f} {float(upper):.6f}")
    0.693147 1.000000
    """
    squared = hellinger_squared(p, q)
    return jnp.log(2.0) * squared, squared
