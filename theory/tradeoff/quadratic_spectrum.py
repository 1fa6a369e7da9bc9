"""The quadratic model direction by direction: generalised eigenpairs of its curvatures.

A second semantics of Case I, and what no move of the model can beat.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import safe_sqrt
from theory.symmetric import apply, eigen, form, forward
from theory.tradeoff.quadratic import Quadratic, QuadraticGaps
from theory.tradeoff.shapes import Number
from theory.typing import Nats


class Spectrum(NamedTuple):
    """Generalised eigenpairs: A v_i = a_i B v_i, V' B V = I, d = V c.

    `curvatures` are a_i >= 0 in rising order, `sizes` are c_i; both [..., n].
    """

    curvatures: Float[jax.Array, "*batch n"]
    sizes: Float[jax.Array, "*batch n"]


def spectrum(model: Quadratic) -> Spectrum:
    """The curvature ratio and the displacement in every direction of its own.

    Formula: with B = L L', the eigenpairs (a, U) of L^-1 A L^-T, and c = U' L' d.
    Shapes: [..., n]. Domain: B positive definite, A semi-definite. The directions are
    held constant: differentiate `loss_move` instead. Source: derived, notes 9.2.

    >>> model = Quadratic(3 * jnp.eye(1), jnp.eye(1), jnp.array([2.0]))
    >>> print(*(f"{abs(float(part[0])):.4f}" for part in spectrum(model)))
    3.0000 2.0000
    """
    lower = jnp.linalg.cholesky(jnp.asarray(model.capability_curvature))
    half = forward(lower, model.safety_curvature)
    whole = forward(lower, jnp.swapaxes(half, -1, -2))
    values, vectors = eigen((whole + jnp.swapaxes(whole, -1, -2)) / 2)
    turned = apply(jnp.swapaxes(lower, -1, -2), model.displacement)
    return Spectrum(
        curvatures=jnp.maximum(values, 0.0),
        sizes=apply(jnp.swapaxes(vectors, -1, -2), turned),
    )


def spectral_gaps(directions: Spectrum, penalty: Number) -> QuadraticGaps:
    """Both gaps of Case I, and its gain, as sums over directions.

    Formula: G_s = (1/2) sum c^2 a/(1 + penalty a)^2, G_f = (1/2) sum c^2 penalty^2 a^2
    /(1 + penalty a)^2, gain = (1/2) sum c^2 (1 + 2 penalty a)/(1 + penalty a)^2.
    Shapes: penalty [...] -> three of [...]. Unit: nats. Domain: penalty >= 0. Source:
    derived, notes (9.1).

    >>> one = jnp.array([1.0])
    >>> [float(part) for part in spectral_gaps(Spectrum(one, one), 1.0)]
    [0.125, 0.125, 0.375]
    """
    odds = jnp.asarray(penalty)[..., None] * directions.curvatures
    kept = directions.sizes / (1 + odds)
    return QuadraticGaps(
        safety=jnp.sum(kept**2 * directions.curvatures, axis=-1) / 2,
        capability=jnp.sum((kept * odds) ** 2, axis=-1) / 2,
        gain=jnp.sum(kept**2 * (1 + 2 * odds), axis=-1) / 2,
    )


def spectral_optimum(directions: Spectrum, penalty: Number) -> Nats:
    """J, the least penalty * G_s + G_f of any move, as a sum over directions.

    Formula: J = (1/2) sum c^2 penalty a / (1 + penalty a): concave and non-decreasing,
    dJ/dpenalty = G_s. Shapes: penalty [...] -> [...]. Unit: nats. Domain: penalty >= 0.
    Source: derived, notes (9.1).

    >>> one = jnp.array([1.0])
    >>> float(spectral_optimum(Spectrum(one, one), 1.0))
    0.25
    """
    odds = jnp.asarray(penalty)[..., None] * directions.curvatures
    return jnp.sum(directions.sizes**2 * odds / (1 + odds), axis=-1) / 2


def direction_frontier(curvature: Number, size: Number, gap_safety: Number) -> Nats:
    """The least G_f at a safety gap, in a model of one direction.

    Formula: sqrt(G_s/a) + sqrt(G_f) = |c|/sqrt 2, so G_f = max(0, |c|/sqrt 2 -
    sqrt(g/a))^2. Shapes: all [...]. Unit: nats. Domain: g >= 0, a >= 0; 0 at a = 0.
    Source: derived, notes 9.2.

    >>> print(f"{float(direction_frontier(1.0, 1.0, 0.125)):.4f}")
    0.1250
    """
    curved = jnp.asarray(curvature) > 0
    share = jnp.asarray(gap_safety) / jnp.where(curved, curvature, 1.0)
    whole = jnp.abs(jnp.asarray(size)) / jnp.sqrt(2.0)
    left = jnp.maximum(whole - safe_sqrt(share), 0.0)
    return jnp.where(curved, left**2, 0.0)


def quadratic_root_limit(model: Quadratic) -> tuple[Nats, Nats]:
    """(limit, ratio): sqrt(G_s) + sqrt(ratio G_f) of ANY move is at least the limit.

    Formula: limit = sqrt((1/2) d' A d), the root of G_s(theta_f), ratio = max_i a_i;
    the triangle inequality in the norm of A. Equality in one direction, on the segment
    from theta_s to theta_f: the quadratic twin of (6.4). Shapes: two of [...]. Unit:
    root nats, and none. Source: derived.

    >>> one = jnp.eye(1)
    >>> limit, ratio = quadratic_root_limit(Quadratic(2 * one, one, jnp.array([1.0])))
    >>> print(f"{float(limit):.4f} {float(ratio):.4f}")
    1.0000 2.0000
    """
    away = jnp.asarray(model.displacement)
    square = form(model.safety_curvature, away) / 2
    return safe_sqrt(square), spectrum(model).curvatures[..., -1]
