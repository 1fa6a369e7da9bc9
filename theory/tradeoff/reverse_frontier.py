"""The exact frontier of mode-seeking objectives: what no policy can beat in KL(P || .).

The twin of `frontier`, with the geometric mixture for the posterior mixture. A policy
with finite gaps stays on outputs that both sources allow, which costs c_s and c_f
whatever the penalty: those two are set apart, and the rest has no support conflict.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from theory.information import kl
from theory.laws import Law, World
from theory.numerics import safe_log, weighted_sum
from theory.tradeoff.bisection import last_below, widest_logarithm
from theory.tradeoff.dynamics import Slopes
from theory.tradeoff.gaps import Gaps
from theory.tradeoff.loss_constraint import capability_weight, posterior_weight
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Nats

_ROUNDINGS = 64  # of max(1, c_s), by which a gap may miss c_s and still count


class SharedSupport(NamedTuple):
    """A world whose sources allow the same outputs at shared contexts, and the toll.

    `proxy` and `capability` are c_s and c_f, what any policy pays to stay there.
    """

    world: World
    proxy: Nats
    capability: Nats


def reverse_gaps(world: World, policy: Policy) -> Gaps:
    """The three reverse gaps of any policy.

    Formula: R_i(P) = sum_x mu_i KL(P || p_i). Shapes: policy [..., x, y] -> three of
    [...]. Unit: nats; inf where the policy does what the source forbids. Source:
    derived, notes 11.4 item 8.

    >>> one = jnp.array([1.0])
    >>> safe = Law(one, jnp.array([[0.5, 0.5]]))
    >>> float(reverse_gaps(World(safe, safe, safe), safe.outputs).proxy)
    0.0
    """
    held = jnp.asarray(policy)
    return Gaps(*(weighted_sum(law.contexts, kl(held, law.outputs)) for law in world))


def shared_support(world: World) -> SharedSupport:
    """The world restricted to what both sources allow, and what that alone costs.

    Formula: at contexts with mu^_s, mu_f > 0 both laws are conditioned on S = {y: p^_s
    p_f > 0}; c_s = -sum mu^_s log p^_s(S), c_f likewise. Then R(P) = c + R'(P) for all
    P on S, R' in the restricted world; inf if S is empty. Shapes: two of [...]. Unit:
    nats. Source: derived, notes 11.4 item 8.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.5, .5]])), Law(one, jnp.array([[0., 1]]))
    >>> print(f"{float(shared_support(World(safe, safe, able)).proxy):.4f}")
    0.6931
    """
    first, second = (
        jnp.broadcast_arrays(*pair)
        for pair in zip(world.proxy, world.capability, strict=True)
    )
    both = (first[0] > 0) & (first[1] > 0)
    allowed = (second[0] > 0) & (second[1] > 0)
    laws, tolls = [], []
    for law in (world.proxy, world.capability):
        outputs, toll = _conditioned(law, both, allowed)
        laws.append(Law(law.contexts, outputs))
        tolls.append(toll)
    # Without a shared output any equal laws will do: the toll is infinite.
    empty = both & ~jnp.any(allowed, axis=-1)
    able = jnp.where(empty[..., None], laws[0].outputs, laws[1].outputs)
    restricted = World(world.safety, laws[0], Law(laws[1].contexts, able))
    return SharedSupport(restricted, tolls[0], tolls[1])


def _conditioned(
    law: Law, both: Bool[jax.Array, "*batch x"], allowed: Bool[jax.Array, "*batch x y"]
) -> tuple[Float[jax.Array, "*batch x y"], Nats]:
    """The outputs conditioned on the allowed ones at shared contexts, and the toll."""
    outputs = jnp.asarray(law.outputs)
    changed = both & jnp.any((outputs > 0) & ~allowed, axis=-1)
    kept = jnp.where(allowed, outputs, 0.0)
    mass = jnp.sum(kept, axis=-1)
    possible = changed & (mass > 0)
    safe = jnp.where(possible, mass, 1.0)
    conditioned = jnp.where(possible[..., None], kept / safe[..., None], outputs)
    toll = jnp.where(changed & ~possible, jnp.inf, -safe_log(safe))
    return conditioned, weighted_sum(law.contexts, toll)


def reverse_at_zero_penalty(world: World) -> Gaps:
    """The three reverse gaps in the limit of a vanishing penalty.

    Formula: the gaps of p_f conditioned on the outputs of p^_s where both have data, of
    whichever source has data elsewhere, of p_s where neither has. R_f is c_f, not 0: a
    proxy that forbids an output forbids it at any penalty. Shapes: three of [...].
    Unit: nats; R^_s and R_f inf if nothing is shared. Source: derived.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0., 1]])), Law(one, jnp.array([[.5, .5]]))
    >>> print(f"{float(reverse_at_zero_penalty(World(safe, safe, able)).proxy):.4f}")
    0.0000
    """
    return _ruled(shared_support(world), by_proxy=False)


def reverse_at_infinite_penalty(world: World) -> Gaps:
    """The three reverse gaps in the limit of an infinite penalty.

    Formula: the gaps of p^_s conditioned on the outputs of p_f where both have data, of
    whichever source has data elsewhere, of p_s where neither has. R^_s is c_s, the
    least that any policy with a finite R_f attains. Shapes: three of [...]. Unit: nats;
    R^_s and R_f inf if nothing is shared. Source: derived.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.5, .5]])), Law(one, jnp.array([[0., 1]]))
    >>> world = World(safe, safe, able)
    >>> print(f"{float(reverse_at_infinite_penalty(world).proxy):.4f}")
    0.6931
    """
    return _ruled(shared_support(world), by_proxy=True)


def optimal_reverse_gaps(world: World, penalty: Number) -> Gaps:
    """The three reverse gaps of the geometric mixture, the best policy at a penalty.

    Formula: R_i at P = p^_s^w p_f^(1-w)/Z. R^_s falls and R_f rises with the penalty.
    Shapes: penalty [...] -> three of [...]. Unit: nats. Domain: penalty > 0. Source:
    derived, notes 11.4 item 8.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> found = optimal_reverse_gaps(World(safe, safe, able), 1.0)
    >>> print(f"{float(found.capability):.4f}")
    0.5108
    """
    shared = shared_support(world)
    policy = _geometric(shared.world, penalty)
    return _with_toll(shared, reverse_gaps(shared.world, policy))


def _geometric(world: World, penalty: Number) -> Float[jax.Array, "*batch x y"]:
    """The geometric mixture of sources of one support, with gradients at its zeros."""
    weights = posterior_weight(world, penalty), capability_weight(world, penalty)
    laws = world.proxy, world.capability
    logs, allowed = jnp.zeros(()), jnp.array(True)
    for weight, law in zip(weights, laws, strict=True):
        share, outputs = weight[..., None], jnp.asarray(law.outputs)
        logs = logs + share * safe_log(jnp.where(outputs > 0, outputs, 1.0))
        allowed = allowed & ((outputs > 0) | (share == 0))
    return jax.nn.softmax(jnp.where(allowed, logs, -jnp.inf), axis=-1)


def _with_toll(shared: SharedSupport, found: Gaps) -> Gaps:
    """The gaps of the given world from those of the restricted one."""
    return Gaps(
        safety=found.safety,
        proxy=found.proxy + shared.proxy,
        capability=found.capability + shared.capability,
    )


def _ruled(shared: SharedSupport, by_proxy: bool) -> Gaps:
    """The gaps, toll included, where the proxy's or the task's law rules."""
    safe, proxy, able = shared.world
    ruler, other = (proxy, able) if by_proxy else (able, proxy)
    policy = jnp.asarray(safe.outputs)
    for law in (other, ruler):
        held = jnp.asarray(law.contexts)[..., None] > 0
        policy = jnp.where(held, law.outputs, policy)
    return _with_toll(shared, reverse_gaps(shared.world, policy))


def reverse_slopes(world: World, penalty: Number) -> Slopes:
    """dR^_s/dpenalty <= 0 and dR_f/dpenalty >= 0 along the geometric mixtures.

    Formula: dR^_s = -(1/penalty) sum_x mu^_s w (1-w)^2 Var_P[log p^_s/p_f], dR_f =
    -penalty dR^_s: (4.6) with a variance for the Pearson term. Shapes: penalty [...] ->
    two of [...]. Unit: nats per unit of penalty. Domain: penalty > 0. Source: derived.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> print(f"{float(reverse_slopes(World(safe, safe, able), 1.0).proxy):.4f}")
    -0.6035
    """
    shared = shared_support(world).world
    best = _geometric(shared, penalty)
    weight, other = posterior_weight(world, penalty), capability_weight(world, penalty)
    first, second = jnp.broadcast_arrays(
        shared.proxy.outputs, shared.capability.outputs
    )
    held = (first > 0) & (second > 0)
    ratio = safe_log(jnp.where(held, first, 1.0)) - safe_log(
        jnp.where(held, second, 1.0)
    )
    centred = ratio - jnp.sum(best * ratio, axis=-1, keepdims=True)
    variance = jnp.sum(jnp.where(held, best, 0.0) * centred**2, axis=-1)
    moved = weighted_sum(world.proxy.contexts, weight * other**2 * variance)
    proxy = -moved / jnp.asarray(penalty)
    return Slopes(proxy=proxy, capability=moved + jnp.zeros_like(proxy))


def reverse_supporting_penalty(world: World, gap_proxy: Number) -> Nats:
    """The penalty at which the best policy has this reverse proxy gap.

    Formula: the solution of R^_s(P_penalty) = g, by bisection of log penalty; minus the
    slope of the reverse frontier. Shapes: gap_proxy [...] -> [...]. Domain: between the
    two end points; outside, an end of the searched range. No gradient passes. Source:
    derived.

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> world = World(safe, safe, able)
    >>> print(f"{float(reverse_supporting_penalty(world, 0.5108256238)):.4f}")
    1.0000
    """
    shared = jax.lax.stop_gradient(shared_support(world))
    bound = jnp.asarray(gap_proxy) - shared.proxy
    dtype = jnp.result_type(world.proxy.contexts, world.proxy.outputs, bound)

    def minus_gap(log_penalty: jax.Array) -> jax.Array:
        return -optimal_reverse_gaps(shared.world, jnp.exp(log_penalty)).proxy

    widest = jnp.full(bound.shape, widest_logarithm(dtype), dtype)
    _, found = last_below(minus_gap, -bound, -widest, widest)
    return jnp.exp(found)


def reverse_frontier(world: World, gap_proxy: Number) -> Nats:
    """The least reverse capability gap of any policy whose R^_s is at most g.

    Formula: F(g) = min{R_f(P): R^_s(P) <= g} = sup_penalty [J_rev(penalty) - penalty
    g]. Convex and non-increasing; inf below c_s (rounding aside), c_f from the limit of
    zero penalty on, 0 at g = inf. Shapes: gap_proxy [...] -> [...]. Unit: nats.
    Differentiable (first order): dF/dg = -penalty. Valid for every policy. Source:
    derived, notes 11.4 item 8 with (6.1).

    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> print(f"{float(reverse_frontier(World(safe, safe, able), 0.5108256238)):.4f}")
    0.5108
    """
    shared, bound = shared_support(world), jnp.asarray(gap_proxy) * 1.0
    eps = float(np.finfo(bound.dtype).eps)
    possible = jnp.isfinite(shared.proxy) & jnp.isfinite(bound)
    toll = jnp.where(possible, shared.proxy, 0.0)
    left = jnp.where(possible, bound, 1.0) - toll
    nothing = jnp.zeros_like(toll)
    free = SharedSupport(shared.world, nothing, nothing)
    start, end = _ruled(free, by_proxy=False), _ruled(free, by_proxy=True)
    inside = possible & (left > 0) & (left < start.proxy)
    counted = jnp.where(inside, left, 1.0)
    penalty = reverse_supporting_penalty(shared.world, counted)
    penalty = jnp.where(inside, penalty, 1.0)
    at = optimal_reverse_gaps(shared.world, penalty)
    # At a budget of the order of rounding the penalty is beyond all measure, and so is
    # the rounding of its product; no budget costs more than the infinite penalty.
    value = at.capability + penalty * (at.proxy - counted)
    value = jnp.clip(value, 0.0, end.capability)
    value = jnp.where(inside, value, jnp.where(left > 0, 0.0, end.capability))
    slack = jnp.where(toll > 0, _ROUNDINGS * eps * jnp.maximum(toll, 1.0), 0.0)
    reached = possible & (left >= -slack)
    value = jnp.where(reached, shared.capability + value, jnp.inf)
    return jnp.where(bound == jnp.inf, 0.0, value)
