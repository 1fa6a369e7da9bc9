"""The quadratic model of both cases: two losses, two curvatures, one displacement.

L_s = (1/2) m' A m and L_f = (1/2) (m - d)' B (m - d) for a move m away from the aligned
parameters theta_s, with d = theta_f - theta_s. It is exact for quadratic losses and the
local picture of any others. Case I is a linear solve, Case II one multiplier.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.laws import Law, World
from theory.numerics import safe_sqrt
from theory.symmetric import Matrix, apply, eigen, form, solve
from theory.tradeoff.bisection import last_below
from theory.tradeoff.shapes import Number
from theory.typing import Array, Nats

Move = Float[Array, "*#batch n"]
"""A move away from theta_s, or a batch that broadcasts against the models."""


class Quadratic(NamedTuple):
    """Two quadratic losses: A [..., n, n], B [..., n, n] and d [..., n].

    `safety_curvature` A is positive semi-definite, `capability_curvature` B positive
    definite, both symmetric; `displacement` d = theta_f - theta_s leads from the safest
    parameters to the most capable ones. Source: derived, notes 9.2.
    """

    safety_curvature: Float[Array, "*batch n n"]
    capability_curvature: Float[Array, "*batch n n"]
    displacement: Float[Array, "*batch n"]


class QuadraticGaps(NamedTuple):
    """Both gaps of a move and what it gained: G_f(theta_s) - G_f, with its digits."""

    safety: Nats
    capability: Nats
    gain: Nats


def _dot(left: jax.Array, right: jax.Array) -> jax.Array:
    """The sum of products on the last axis."""
    return jnp.sum(left * right, axis=-1)


def quadratic_gaps(model: Quadratic, move: Move) -> QuadraticGaps:
    """Both gaps of ANY move, and its gain in capability.

    Formula: G_s = (1/2) m' A m, G_f = (1/2) (m - d)' B (m - d), gain = m' B d - (1/2)
    m' B m. Shapes: move [..., n] -> three of [...]. Unit: nats. Source: derived, notes
    9.2.

    >>> model = Quadratic(jnp.eye(1), 2 * jnp.eye(1), jnp.array([1.0]))
    >>> [float(part) for part in quadratic_gaps(model, jnp.array([0.5]))]
    [0.125, 0.25, 0.75]
    """
    move, away = jnp.asarray(move), jnp.asarray(model.displacement)
    pull = apply(model.capability_curvature, away - move / 2)
    short = move - away
    return QuadraticGaps(
        safety=form(model.safety_curvature, move) / 2,
        capability=form(model.capability_curvature, short) / 2,
        gain=_dot(move, pull),
    )


def capability_gradient(model: Quadratic) -> Float[jax.Array, "*batch n"]:
    """The gradient g of L_f at theta_s.

    Formula: g = -B d. Shapes: [..., n]. Unit: nats per unit of the parameters. Source:
    derived, notes 9.3.

    >>> model = Quadratic(jnp.eye(1), 2 * jnp.eye(1), jnp.array([1.0]))
    >>> capability_gradient(model).tolist()
    [-2.0]
    """
    return -apply(model.capability_curvature, model.displacement)


def loss_move(model: Quadratic, penalty: Number) -> Float[jax.Array, "*batch n"]:
    """Case I: the move that minimises L_f + penalty * L_s, with exact safety data.

    Formula: theta_penalty - theta_s = (B + penalty A)^-1 B d. Shapes: penalty [...] ->
    [..., n]. Domain: penalty >= 0, B positive definite, A semi-definite. Source:
    derived, notes (9.1).

    >>> model = Quadratic(jnp.eye(1), jnp.eye(1), jnp.array([1.0]))
    >>> print(f"{float(loss_move(model, 3.0)[0]):.4f}")
    0.2500
    """
    nowhere = jnp.zeros_like(jnp.asarray(model.displacement))
    return proxy_move(model, penalty, model.safety_curvature, nowhere)


def proxy_move(
    model: Quadratic, penalty: Number, proxy_curvature: Matrix, proxy_displacement: Move
) -> Float[jax.Array, "*batch n"]:
    """Case I with a proxy of curvature A^ whose best parameters lie m^ away.

    Formula: theta_penalty - theta_s = (B + penalty A^)^-1 (B d + penalty A^ m^), m^ =
    theta^_s - theta_s. Tends to m^, not to 0, as the penalty grows, if A^ is positive
    definite. Shapes: penalty [...], A^ [..., n, n], m^ [..., n] -> [..., n]. Domain:
    penalty >= 0, A^ semi-definite. Source: derived, notes 9.2.

    >>> one = jnp.eye(1)
    >>> model = Quadratic(one, one, jnp.array([1.0]))
    >>> print(f"{float(proxy_move(model, 1.0, one, jnp.array([0.5]))[0]):.4f}")
    0.7500
    """
    weighted = jnp.asarray(penalty)[..., None, None] * proxy_curvature
    target = apply(model.capability_curvature, model.displacement)
    target = target + apply(weighted, proxy_displacement)
    return solve(jnp.asarray(model.capability_curvature) + weighted, target)


def quadratic_floor(model: Quadratic, proxy_displacement: Move) -> Nats:
    """The TRUE safety gap that a displaced proxy leaves at infinite penalty.

    Formula: (1/2) m^' A m^, the quadratic image of Delta_s. Shapes: [..., n] -> [...].
    Unit: nats. Domain: a positive definite proxy curvature. Source: derived, notes 9.2.

    >>> model = Quadratic(jnp.eye(1), jnp.eye(1), jnp.array([1.0]))
    >>> float(quadratic_floor(model, jnp.array([2.0])))
    2.0
    """
    return quadratic_gaps(model, proxy_displacement).safety


def quadratic_optimum(model: Quadratic, penalty: Number) -> Nats:
    """J, the least penalty * G_s + G_f of any move: nothing is below, ball or not.

    Formula: J = (penalty/2) d' A (B + penalty A)^-1 B d. Shapes: penalty [...] ->
    [...]. Unit: nats. Domain: penalty >= 0. Source: derived, notes (9.1).

    >>> model = Quadratic(jnp.eye(1), jnp.eye(1), jnp.array([1.0]))
    >>> print(f"{float(quadratic_optimum(model, 3.0)):.4f}")
    0.3750
    """
    slope = apply(model.safety_curvature, loss_move(model, penalty))
    return jnp.asarray(penalty) * _dot(jnp.asarray(model.displacement), slope) / 2


def quadratic_excess(model: Quadratic, move: Move, penalty: Number) -> Nats:
    """What ANY move loses against Case I's in the penalised loss.

    Formula: (1/2) (m - m*)' (B + penalty A) (m - m*) = penalty G_s + G_f - J >= 0: the
    compensation identity (4.3) of quadratic losses. Shapes: move [..., n], penalty
    [...] -> [...]. Unit: nats. Source: derived, notes 9.1 and (9.1).

    >>> model = Quadratic(jnp.eye(1), jnp.eye(1), jnp.array([1.0]))
    >>> print(f"{float(quadratic_excess(model, jnp.array([0.0]), 1.0)):.4f}")
    0.2500
    """
    weighted = jnp.asarray(penalty)[..., None, None] * model.safety_curvature
    off = jnp.asarray(move) - loss_move(model, penalty)
    return form(jnp.asarray(model.capability_curvature) + weighted, off) / 2


def ball_multiplier(model: Quadratic, radius: Number) -> Nats:
    """The multiplier nu of Case II's ball: 0 once theta_f lies inside.

    Formula: nu >= 0 with ||(B + nu I)^-1 B d|| = min(radius, R), R = ||d||. It lies in
    (R - radius)/radius times [b_min, b_max], the eigenvalues of B, which is halved down
    to rounding; one Newton step carries the derivative. inf at radius 0, or below R
    times the root of the smallest number. Shapes: radius [...] -> [...]. Unit: that of
    B. Source: derived, notes 9.2.

    >>> model = Quadratic(jnp.eye(1), 2 * jnp.eye(1), jnp.array([1.0]))
    >>> print(f"{float(ball_multiplier(model, 0.5)):.4f}")
    2.0000
    """
    radius = jnp.asarray(radius)
    distance = safe_sqrt(jnp.sum(jnp.square(model.displacement), axis=-1))
    least = float(np.sqrt(np.finfo(distance.dtype).tiny))  # squares must not vanish
    inside = (radius > least * distance) & (radius < distance)
    reach = jnp.where(inside, radius, 1.0)
    found = _bracketed(model, inside, reach)
    curvature = jnp.asarray(model.capability_curvature)
    system = curvature + _diagonal(found, curvature)
    unit = solve(system, apply(curvature, model.displacement)) / reach[..., None]
    square = jnp.where(inside, _dot(unit, unit), 1.0)
    slope = -_dot(unit, solve(system, unit)) / square
    slope = jax.lax.stop_gradient(jnp.where(inside, slope, -1.0))
    # d log||m|| / dnu is the slope: a step of Newton on log ||m|| = log radius.
    polished = jnp.maximum(found - jnp.log(square) / 2 / slope, 0.0)
    outside = jnp.where((radius > 0) & (radius >= distance), 0.0, jnp.inf)
    return jnp.where(inside, polished, outside)


def _diagonal(number: jax.Array, like: jax.Array) -> jax.Array:
    """The number times the identity, of the shape of a matrix."""
    return number[..., None, None] * jnp.eye(like.shape[-1], dtype=like.dtype)


def _bracketed(model: Quadratic, inside: jax.Array, reach: jax.Array) -> jax.Array:
    """The multiplier by halving, without a derivative; 0 outside the domain."""
    values, vectors = eigen(model.capability_curvature)
    away = jax.lax.stop_gradient(jnp.asarray(model.displacement))
    parts = apply(jnp.swapaxes(vectors, -1, -2), away)
    distance = jnp.sqrt(jnp.sum(parts**2, axis=-1))
    odds = jnp.where(inside, distance / reach - 1, 0.0)

    def minus_norm(scale: jax.Array) -> jax.Array:
        shrunk = values / (values + (scale * odds)[..., None])
        return -jnp.sqrt(jnp.sum((shrunk * parts) ** 2, axis=-1))

    low = jnp.broadcast_to(values[..., 0], odds.shape)
    high = jnp.broadcast_to(values[..., -1], odds.shape)
    limit = jnp.where(inside, -reach, 0.0)
    _, found = last_below(minus_norm, limit, low, high)
    return jax.lax.stop_gradient(found * odds)


def ball_move(model: Quadratic, radius: Number) -> Float[jax.Array, "*batch n"]:
    """Case II: the move that minimises L_f within a ball around theta_s.

    Formula: (B + nu I)^-1 B d, of length min(radius, R). G_f never rises with the
    radius; G_s may FALL (notes 11.2). Shapes: radius [...] -> [..., n]. Domain: radius
    >= 0, B positive definite. Source: derived, notes 9.2.

    >>> model = Quadratic(jnp.eye(2), jnp.eye(2), jnp.array([3.0, 4.0]))
    >>> print(" ".join(f"{float(part):.2f}" for part in ball_move(model, 1.0)))
    0.60 0.80
    """
    nu = ball_multiplier(model, radius)
    moves = jnp.isfinite(nu)
    curvature = jnp.asarray(model.capability_curvature)
    system = curvature + _diagonal(jnp.where(moves, nu, 1.0), curvature)
    move = solve(system, apply(curvature, model.displacement))
    return jnp.where(moves[..., None], move, 0.0)


def local_quadratic(world: World, ridge: float = 0.05) -> Quadratic:
    """A quadratic model of a world: one vector of log-odds added at every context.

    Formula: A = ridge I + sum_x mu_s (diag p_s - p_s p_s'), B likewise with D_f, both
    without the last output, whose log-odds are 0; d = log-odds of (1 - ridge) E p_f +
    ridge/y minus those of p_s. Shapes: laws of y outputs -> n = y - 1. Domain: y >= 2,
    0 < ridge < 1 (which bounds the condition of both curvatures by 1 + 1/(2 ridge)).
    Source: derived, notes 9.2; a model, not a limit of the world.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.5, .5]])), Law(one, jnp.array([[.2, .8]]))
    >>> print(f"{float(local_quadratic(World(safe, safe, able)).displacement[0]):.4f}")
    -1.2950
    """
    return Quadratic(
        _curvature(world.safety, ridge),
        _curvature(world.capability, ridge),
        mean_log_odds(world.capability, ridge) - mean_log_odds(world.safety, ridge),
    )


def _curvature(law: Law, ridge: float) -> Float[jax.Array, "*batch n n"]:
    """The Fisher matrix of shared log-odds, and the ridge."""
    outputs = jnp.asarray(law.outputs)[..., :-1]
    weights = jnp.asarray(law.contexts)[..., None, None]
    mean = jnp.sum(weights[..., 0] * outputs, axis=-2)
    square = weights * outputs[..., :, None] * outputs[..., None, :]
    identity = jnp.eye(outputs.shape[-1], dtype=outputs.dtype)
    return (mean + ridge)[..., None] * identity - jnp.sum(square, axis=-3)


def mean_log_odds(law: Law, ridge: float = 0.05) -> Float[jax.Array, "*batch n"]:
    """The log-odds of a law's mean outputs against the last, kept finite by a ridge.

    Formula: log q_i - log q_y, q = (1 - ridge) sum_x mu p + ridge/y. Shapes: laws of y
    outputs -> [..., y - 1]. Unit: nats. Domain: 0 < ridge < 1. Source: derived.

    >>> mean_log_odds(Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))).tolist()
    [0.0]
    """
    outputs = jnp.asarray(law.outputs)
    mean = jnp.sum(jnp.asarray(law.contexts)[..., None] * outputs, axis=-2)
    logs = jnp.log((1 - ridge) * mean + ridge / outputs.shape[-1])
    return logs[..., :-1] - logs[..., -1:]
