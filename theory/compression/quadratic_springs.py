"""Data sets as springs of one stiffness a response: the quadratic, Gaussian picture.

gamma_i = c_i + (1/2) |theta - m_i|^2 in a common metric W (the Fisher information of a
Gaussian mean): every set pulls its anchor m_i with stiffness n_i W. Elasticity notes
2.8.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.symmetric import apply, form
from theory.typing import Array, Nats

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Point = Float[Array, "*#batch n"]
"""Parameters theta, or a batch of them."""


class Springs(NamedTuple):
    """Anchors m_i [..., set, n], sizes n_i [..., set] and the metric W [..., n, n].

    W is symmetric and positive definite. Source: elasticity notes 2.8.
    """

    anchors: Float[Array, "*batch set n"]
    sizes: Float[Array, "*batch set"]
    metric: Float[Array, "*batch n n"]


def rest_point(springs: Springs) -> Float[jax.Array, "*batch n"]:
    """theta*, where all forces cancel.

    Formula: sum_i n_i m_i / n, whatever the metric. Shapes: -> [..., n]. Source:
    derived, elasticity notes 2.8.

    >>> anchors = jnp.array([[0.0], [1.0]])
    >>> rest_point(Springs(anchors, jnp.array([3.0, 1.0]), jnp.eye(1))).tolist()
    [0.25]
    """
    sizes = jnp.asarray(springs.sizes)
    weighted = jnp.sum(sizes[..., None] * springs.anchors, axis=-2)
    return weighted / jnp.sum(sizes, axis=-1)[..., None]


def _stretches(springs: Springs, point: Point) -> Float[jax.Array, "*batch set n"]:
    """m_i - theta."""
    return jnp.asarray(springs.anchors) - jnp.asarray(point)[..., None, :]


def deformations(springs: Springs, point: Point) -> Float[jax.Array, "*batch set"]:
    """gamma_i - c_i, how far every rate is from its least value.

    Formula: (1/2) |theta - m_i|^2_W, which is both KL(p_i || p_theta) and KL(p_theta ||
    p_i) of Gaussians with covariance W^-1. Shapes: point [..., n] -> [..., set]. Unit:
    nats. Source: derived, elasticity notes 2.8.

    >>> springs = Springs(jnp.array([[0.0], [1.0]]), jnp.ones(2), jnp.eye(1))
    >>> deformations(springs, jnp.array([1.0])).tolist()
    [0.5, 0.0]
    """
    metric = jnp.asarray(springs.metric)[..., None, :, :]
    return form(metric, _stretches(springs, point)) / 2


def spring_forces(springs: Springs, point: Point) -> Float[jax.Array, "*batch set n"]:
    """The force of every spring: Hooke's law, linear at any distance.

    Formula: f_i = -n_i grad gamma_i = n_i W (m_i - theta). Shapes: point [..., n] ->
    [..., set, n]. Unit: nats by unit of theta, times the unit of the sizes. Source:
    derived, elasticity notes 2.8.

    >>> springs = Springs(jnp.array([[0.0], [1.0]]), jnp.array([3.0, 1]), jnp.eye(1))
    >>> spring_forces(springs, jnp.array([0.25])).tolist()
    [[-0.75], [0.75]]
    """
    metric = jnp.asarray(springs.metric)[..., None, :, :]
    sizes = jnp.asarray(springs.sizes)[..., None]
    return sizes * apply(metric, _stretches(springs, point))


def spring_energy(springs: Springs, point: Point) -> Nats:
    """What the springs have stored beyond the rest point.

    Formula: sum_i n_i (gamma_i(theta) - gamma_i(theta*)) = (n/2) |theta - theta*|^2_W:
    springs at one node add their stiffness. Shapes: point [..., n] -> [...]. Unit: nats
    times the unit of the sizes. Source: derived, elasticity notes 2.8.

    >>> springs = Springs(jnp.array([[0.0], [1.0]]), jnp.array([3.0, 1]), jnp.eye(1))
    >>> float(spring_energy(springs, jnp.array([1.25])))
    2.0
    """
    total = jnp.sum(jnp.asarray(springs.sizes), axis=-1)
    return total * form(springs.metric, jnp.asarray(point) - rest_point(springs)) / 2


def spring_responses(springs: Springs) -> Float[jax.Array, "*batch set set"]:
    """K, how much more of one set lowers the rate of another at the rest point.

    Formula: K_ij = -d gamma_i/d n_j = (theta* - m_i)' W (theta* - m_j) / n: symmetric,
    positive semidefinite, K n = 0. Shapes: -> [..., set, set]. Unit: nats by unit of
    size. Source: derived, elasticity notes 2.3 and 2.8.

    >>> springs = Springs(jnp.array([[0.0], [1.0]]), jnp.ones(2), jnp.eye(1))
    >>> spring_responses(springs).tolist()
    [[0.125, -0.125], [-0.125, 0.125]]
    """
    stretches = _stretches(springs, rest_point(springs))
    pulls = apply(jnp.asarray(springs.metric)[..., None, :, :], stretches)
    total = jnp.sum(jnp.asarray(springs.sizes), axis=-1)[..., None, None]
    products = stretches[..., :, None, :] * pulls[..., None, :, :]
    return jnp.sum(products, axis=-1) / total


def series_stiffness(stiffness: Float[Array, "*batch spring"]) -> Nats:
    """The stiffness of springs in series: the published picture of two data sets.

    Formula: k_eff = 1 / sum_i 1/k_i, with F = k_i * stretch_i the same in all. Shapes:
    [..., spring] -> [...]. Domain: > 0. Source: Ji et al. 2025, Theorem 4.3; standard.

    >>> float(series_stiffness(jnp.array([3.0, 6.0])))
    2.0
    """
    return 1 / jnp.sum(1 / jnp.asarray(stiffness), axis=-1)


def line_rest(k: Number, share: Number, opposite: Number) -> Nats:
    """theta* of three springs on a line: p at 0, a at 1, t at -s.

    Formula: (1 - s l) / (k + 1 + l). Negative beyond l = 1/s: past pre-training. Shape:
    any, broadcast. Source: derived, elasticity notes 2.8.

    >>> float(line_rest(2.0, 1.0, 0.0))
    0.25
    """
    share = jnp.asarray(share) * 1.0
    return (1 - jnp.asarray(opposite) * share) / (jnp.asarray(k) + 1 + share)


def line_ratio(k: Number, share: Number, opposite: Number) -> Nats:
    """The elastic ratio d gamma_a / d gamma_p of three springs on a line, along l.

    Formula: -(1 - theta*) / theta* = -(k + l (1 + s)) / (1 - s l): -k at l = 0, of the
    other sign beyond l = 1/s. Shape: any, broadcast. No unit; inf at the flip. Source:
    derived, elasticity notes 2.8.

    >>> float(line_ratio(100.0, 0.0, 1.0))
    -100.0
    """
    share, s = jnp.asarray(share) * 1.0, jnp.asarray(opposite)
    above, below = jnp.broadcast_arrays(
        -(jnp.asarray(k) + share * (1 + s)), 1 - s * share
    )
    moves = below != 0
    return jnp.where(moves, above / jnp.where(moves, below, 1.0), jnp.inf)


def line_flip(opposite: Number) -> Nats:
    """The share l at which the model is back at pre-training, and goes past it.

    Formula: l = 1/s; inf for s <= 0, when t pulls no further than p. Shape: any.
    Source: derived, elasticity notes 2.8.

    >>> float(line_flip(4.0))
    0.25
    """
    s = jnp.asarray(opposite) * 1.0
    pulls = s > 0
    return jnp.where(pulls, 1 / jnp.where(pulls, s, 1.0), jnp.inf)
