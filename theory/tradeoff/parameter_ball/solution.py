"""Case II solved: the most capable table of logits within a Euclidean ball.

The problem is convex, and for a given multiplier it separates over contexts: one
monotone equation for each, then one for the multiplier.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import World
from theory.numerics import safe_log
from theory.tradeoff.bisection import last_below, widest_logarithm
from theory.tradeoff.parameter_ball.logits import gradient_norm, logit_norm
from theory.tradeoff.shapes import Number
from theory.typing import Array, Nats

_HALVINGS = 14  # of a bracket no wider than a few thousand: to less than 1/4
_NEWTON = 6  # from the right of the root of a convex function: 1/4, 2e-2, ..., 1e-16

Logits = Float[Array, "*#batch x y"]
"""A table of logits, one a context and output."""


class BallSolution(NamedTuple):
    """The displacement z - z_s, [..., x, y], and the radius' multiplier nu, [...]."""

    displacement: Float[jax.Array, "..."]
    multiplier: Float[jax.Array, "..."]


def ball_optimum(
    world: World, start_logits: Logits, radius: Number
) -> Float[jax.Array, "*batch x y"]:
    """The logits of least capability gap within a Euclidean ball around the start.

    Formula: z = z_s + delta of `ball_solution`. Shapes: start [..., x, y], radius [...]
    -> [..., x, y]. Domain: finite logits, radius >= 0. No gradient passes. Source:
    derived, notes (2.4) and 8.2.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.8, 0.2]]))
    >>> logits = ball_optimum(World(law, law, law), jnp.zeros((1, 2)), 9.0)
    >>> print([f"{p:.3f}" for p in jax.nn.softmax(logits)[0].tolist()])
    ['0.800', '0.200']
    """
    found = ball_solution(world, start_logits, radius)
    return jnp.asarray(start_logits) + found.displacement


def ball_solution(world: World, start_logits: Logits, radius: Number) -> BallSolution:
    """The displacement of least capability gap within a Euclidean ball, of least norm.

    Formula: the solution of mu_f (P - p_f) + nu delta = 0 with nu >= 0 and ||delta||_2
    = min(eps, R), P = softmax(z_s + delta). It is 0 off supp mu_f and sums to 0 at
    every context; dG_f/deps = -nu eps (envelope). nu = 0 from eps = R on. Shapes: start
    [..., x, y], radius [...] -> [..., x, y], [...]. Domain: finite logits, radius >= 0.
    Multipliers from e^-568 (float32: e^-71) on are searched. No gradient passes.
    Source: derived, notes (2.4) and 8.2.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> found = ball_solution(World(law, law, law), jnp.zeros((1, 2)), 2**0.5)
    >>> print([f"{move:.3f}" for move in found.displacement[0].tolist()])
    ['1.000', '-1.000']
    """
    weights, target, start, radius = jax.lax.stop_gradient(
        _broadcast(world, start_logits, radius)
    )
    slope = gradient_norm(
        world.capability._replace(contexts=weights, outputs=target), jnp.exp(start)
    )

    def at(slack: jax.Array) -> Float[jax.Array, "*batch x y"]:
        return _displacement(weights, target, start, jnp.exp(-slack))

    widest = jnp.full_like(radius, widest_logarithm(radius.dtype))
    # nu ||delta|| = ||grad|| never exceeds its value at the start: a lower end.
    low = jnp.clip(safe_log(radius) - safe_log(slope), -widest, widest)
    low = jnp.where((radius > 0) & (slope > 0), low, -widest)
    slack, _ = last_below(lambda s: logit_norm(at(s)), radius, low, widest)
    free = logit_norm(at(widest)) <= radius
    moves = (radius > 0)[..., None, None]
    return BallSolution(
        displacement=jnp.where(moves, at(jnp.where(free, widest, slack)), 0.0),
        multiplier=jnp.where(
            free, 0.0, jnp.where(radius > 0, jnp.exp(-slack), jnp.inf)
        ),
    )


def ball_reach(world: World, start_logits: Logits) -> Nats:
    """R, the distance from the start to the nearest logits without a capability gap.

    Formula: R^2 = sum_{mu_f > 0} ||c(log p_f - z_s)||^2, c the centring that removes
    the mean over outputs. Shapes: start [..., x, y] -> [...]. Domain: finite logits;
    inf where p_f forbids an output on its own contexts. Source: derived, notes 8.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> print(f"{float(ball_reach(World(law, law, law), jnp.array([[3.0, 1.0]]))):.4f}")
    1.4142
    """
    able = world.capability
    seen = (jnp.asarray(able.contexts) > 0)[..., None]
    far = jnp.any(seen & (jnp.asarray(able.outputs) <= 0), axis=(-2, -1))
    logarithm = jnp.log(jnp.where(jnp.asarray(able.outputs) > 0, able.outputs, 1.0))
    away = jnp.where(seen, logarithm - start_logits, 0.0)
    centred = away - jnp.mean(away, axis=-1, keepdims=True)
    return jnp.where(far, jnp.inf, logit_norm(centred))


def _broadcast(
    world: World, start_logits: Logits, radius: Number
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """mu_f, p_f, the log-probabilities of the start and the radius, of one batch."""
    able, start = world.capability, jax.nn.log_softmax(jnp.asarray(start_logits))
    batch = jnp.broadcast_shapes(
        jnp.shape(able.contexts)[:-1],
        jnp.shape(able.outputs)[:-2],
        start.shape[:-2],
        jnp.shape(radius),
    )
    dtype = jnp.result_type(able.contexts, able.outputs, start)

    def spread(value: Number, *axes: int) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(value, dtype), (*batch, *axes))

    table = start.shape[-2:]
    return (
        spread(able.contexts, table[0]),
        spread(able.outputs, *table),
        spread(start, *table),
        spread(radius),
    )


def _displacement(
    weights: Float[jax.Array, "*batch x"],
    target: Float[jax.Array, "*batch x y"],
    start: Float[jax.Array, "*batch x y"],
    multiplier: Float[jax.Array, "*batch"],
) -> Float[jax.Array, "*batch x y"]:
    """The delta that minimises mu_f KL + nu ||delta||^2 / 2 at each context.

    Stationary where P - p + a delta = 0, a = nu / mu_f, that is log P + P / a =
    log P_s + p / a + c, with the c at which P sums to 1 and delta to 0.
    """
    seen = weights > 0
    stiffness = multiplier[..., None] / jnp.where(seen, weights, 1.0)
    a = jnp.where(seen, stiffness, 1.0)[..., None]
    found = _at_shift(target, start, a, _shift(target, start, a)).displacement
    return jnp.where(seen[..., None], found, 0.0)


class _Shifted(NamedTuple):
    """The delta and minus its slope in c, both [..., x, y]."""

    displacement: jax.Array
    falls: jax.Array


def _at_shift(
    target: jax.Array, start: jax.Array, a: jax.Array, shift: jax.Array
) -> _Shifted:
    """The delta of a shift c; u = P / a has u + log u = log P_s + p / a + c - log a."""
    log_part = _log_omega(start + target / a + shift - jnp.log(a))
    part = jnp.exp(log_part)
    # Two forms of one number: each keeps its digits where the other loses them.
    stiff = target / a - part
    soft = log_part + jnp.log(a) - start - shift
    return _Shifted(jnp.where(a >= 1, stiff, soft), part / (1 + part))


def _shift(
    target: Float[jax.Array, "*batch x y"],
    start: Float[jax.Array, "*batch x y"],
    a: Float[jax.Array, "*batch x 1"],
) -> Float[jax.Array, "*batch x 1"]:
    """The c at which delta sums to 0, by bisection and then by Newton.

    P >= p everywhere at c = max log(p / P_s), and P <= (1 - t) p + t P_s everywhere at
    c = log t - t / a: with t = min(a, 1) these are the ends. The sum of P = p - a delta
    is convex in c, so that Newton's steps from the right never cross the root.
    """

    def total(shift: jax.Array) -> tuple[jax.Array, ...]:
        at = _at_shift(target, start, a, shift)
        return tuple(jnp.sum(part, axis=-1, keepdims=True) for part in at)

    def halve(_: jax.Array, ends: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
        low, high = ends
        middle = (low + high) / 2
        fits = total(middle)[0] >= 0
        return jnp.where(fits, middle, low), jnp.where(fits, high, middle)

    def step(_: jax.Array, shift: jax.Array) -> jax.Array:
        value, falls = total(shift)
        return shift + value / falls

    low = jnp.log(jnp.minimum(a, 1.0)) - 1
    high = jnp.max(safe_log(target) - start, axis=-1, keepdims=True)
    _, high = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))
    shift: jax.Array = jax.lax.fori_loop(0, _NEWTON, step, high)
    return shift


def _log_omega(s: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """The log u of u + log u = s (u is Wright's omega), by Newton from the right."""
    t = jnp.where(s > 1, jnp.log(jnp.maximum(s, 1.0)), s)
    for _ in range(_NEWTON):
        u = jnp.exp(t)
        t = t - (u + t - s) / (1 + u)
    return t
