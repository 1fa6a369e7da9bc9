"""Entropies and distances of probability vectors on the last axis."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import divergence_terms, safe_sqrt, xlogy_ratio
from theory.typing import Array, Nats, Simplex

Vector = Float[Array, "*#batch k"]
"""A probability vector on the last axis; batches broadcast against each other."""

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts against the batch of the vectors."""


def entropy(p: Simplex) -> Nats:
    """The Shannon entropy of p.

    Formula: H(p) = -sum_y p log p. Shapes: [..., k] -> [...]. Unit: nats. Domain: p on
    the simplex, zeros allowed. Source: standard.

    >>> print(f"{float(entropy(jnp.array([0.5, 0.5, 0.0]))):.6f}")
    0.693147
    """
    p = jnp.asarray(p)
    return jnp.sum(xlogy_ratio(p, jnp.ones_like(p), p), axis=-1)


def cross_entropy(p: Vector, q: Vector) -> Nats:
    """The expected code length of p under q; inf where q forbids what p holds.

    Formula: -sum_y p log q = H(p) + KL(p || q). Shapes: [..., k] -> [...]. Unit: nats.
    Domain: p, q on the simplex. For a gap use `kl`, not a difference of these.
    Source: standard.

    >>> p, q = jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])
    >>> print(f"{float(cross_entropy(p, q)):.6f}")
    0.693147
    """
    q = jnp.asarray(q)
    return jnp.sum(xlogy_ratio(p, jnp.ones_like(q), q), axis=-1)


def kl(p: Vector, q: Vector) -> Nats:
    """The Kullback-Leibler divergence of p from q; inf unless p << q.

    Formula: KL(p || q) = sum_y p log(p/q) = sum_y [p log(p/q) - p + q]. The second
    form is summed: each term is >= 0, and tiny divergences keep their digits. Shapes:
    [..., k] -> [...]. Unit: nats. Domain: p, q on the simplex; gradients are those of
    the second form, equal to the first's along the simplex. Source: standard.

    >>> p, q = jnp.array([0.5, 0.5, 0.0]), jnp.array([0.25, 0.75, 0.0])
    >>> print(f"{float(kl(p, q)):.6f} {float(kl(q, jnp.array([1.0, 0.0, 0.0])))}")
    0.143841 inf
    """
    return jnp.sum(divergence_terms(p, q, jnp.asarray(p) - jnp.asarray(q)), axis=-1)


def total_variation(p: Vector, q: Vector) -> Nats:
    """The total variation distance of p and q, in [0, 1]; no unit.

    Formula: TV(p, q) = (1/2) sum_y |p - q| = max_A p(A) - q(A). Shapes: [..., k] ->
    [...]. Domain: p, q on the simplex. Gradient 0 where p = q. Source: standard.

    >>> float(total_variation(jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])))
    0.5
    """
    return jnp.sum(jnp.abs(jnp.asarray(p) - jnp.asarray(q)), axis=-1) / 2


def hellinger_squared(p: Vector, q: Vector) -> Nats:
    """The squared Hellinger distance of p and q, in [0, 1]; no unit.

    Formula: H^2(p, q) = 1 - sum_y sqrt(p q) = (1/2) sum_y (sqrt p - sqrt q)^2, summed
    as (p - q)^2 / (sqrt p + sqrt q)^2 so that small distances keep their digits.
    Shapes: [..., k] -> [...]. Domain: p, q on the simplex. Source: standard.

    >>> float(hellinger_squared(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])))
    1.0
    """
    roots = safe_sqrt(p) + safe_sqrt(q)
    held = roots > 0
    difference = jnp.where(held, jnp.asarray(p) - jnp.asarray(q), 0.0)
    return jnp.sum((difference / jnp.where(held, roots, 1.0)) ** 2, axis=-1) / 2


def chi_square(p: Vector, q: Vector) -> Nats:
    """Pearson's chi-square divergence of p from q; inf unless p << q; no unit.

    Formula: chi2(p || q) = sum_y (p - q)^2 / q. Shapes: [..., k] -> [...]. Domain: p,
    q on the simplex. Source: standard.

    >>> float(chi_square(jnp.array([1.0, 0.0]), jnp.array([0.5, 0.5])))
    1.0
    """
    return square_over(jnp.asarray(p) - jnp.asarray(q), q)


def square_over(difference: Vector, below: Vector) -> Nats:
    """sum_y d^2 / b with 0/0 = 0 and d/0 = inf; what chi-squares are made of.

    Formula: sum_y d (d / b). Shapes: [..., k] -> [...]. Domain: b >= 0. Source:
    standard.

    >>> float(square_over(jnp.array([1.0, 0.0]), jnp.array([4.0, 0.0])))
    0.25
    """
    difference, below = jnp.broadcast_arrays(difference, below)
    held = below > 0
    inside = jnp.where(held, difference, 0.0)
    ratio = inside * (inside / jnp.where(held, below, 1.0))
    return jnp.sum(jnp.where(~held & (difference != 0), jnp.inf, ratio), axis=-1)


def binary_entropy(w: Number) -> Nats:
    """The entropy of a coin that falls heads with probability w.

    Formula: h(w) = -w log w - (1-w) log(1-w). Shape: any. Unit: nats. Domain: w in
    [0, 1]; values just outside by rounding count as the nearest end. Gradient 0 at
    the ends, where the true one is infinite. Source: standard.

    >>> print(f"{float(binary_entropy(0.5)):.6f} {float(binary_entropy(0.0))}")
    0.693147 0.0
    """
    w = jnp.asarray(w) * 1.0
    inside = (w > 0) & (w < 1)
    w = jnp.where(inside, w, 0.5)
    return jnp.where(inside, -w * jnp.log(w) - (1 - w) * jnp.log1p(-w), 0.0)


def binary_kl(a: Number, b: Number) -> Nats:
    """The divergence of a coin a from a coin b; inf where b is sure and a is not.

    Formula: kl(a, b) = a log(a/b) + (1-a) log((1-a)/(1-b)). Shape: any, broadcast.
    Unit: nats. Domain: a, b in [0, 1]. Source: standard.

    >>> print(f"{float(binary_kl(0.5, 0.25)):.6f} {float(binary_kl(0.5, 1.0))}")
    0.143841 inf
    """
    a, b = jnp.asarray(a) * 1.0, jnp.asarray(b) * 1.0
    return two_point_kl(a, b, a - b)


def two_point_kl(a: Number, b: Number, difference: Number) -> Nats:
    """kl(a, b) from a, b and an a - b that may be known better than by subtraction.

    Formula: as `binary_kl`. Shape: any, broadcast. Unit: nats. Source: standard.

    >>> a = jnp.array(0.5)
    >>> print(f"{float(two_point_kl(a, a, jnp.array(1e-5))):.2e}")
    2.00e-10
    """
    a, b, d = jnp.asarray(a), jnp.asarray(b), jnp.asarray(difference)
    heads: jax.Array = divergence_terms(a, b, d)
    return heads + divergence_terms(1 - a, 1 - b, -d)
