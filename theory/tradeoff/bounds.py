"""Closed-form bounds on the two gaps of the optimal policy, valid at the minimiser.

Output conflict tau(x) = TV(p^_s, p_f), context overlap and the penalty enter each in
its own place: tau scales, the shared mass of contexts counts, the penalty divides.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import World, output_conflict
from theory.numerics import weighted_sum
from theory.tradeoff.loss_constraint import capability_weight, posterior_weight
from theory.tradeoff.overlap import support_overlap_capability, support_overlap_proxy
from theory.tradeoff.shapes import Number, by_context
from theory.typing import Array, Nats


class Interval(NamedTuple):
    """A quantity lies between these two."""

    lower: Nats
    upper: Nats


def proxy_gap_bounds(world: World, penalty: Number) -> Interval:
    """G^_s(P*) from below and above by the conflict of outputs, context by context.

    Formula: 2 E_{mu^_s}[(1-w)^2 tau^2] <= G^_s(P*) <= E_{mu^_s}[tau log(1 + mu_f /
    (penalty mu^_s))]. Shapes: penalty [...] -> two of [...]. Unit: nats. Valid at the
    minimiser only. Upper end tight for likelihood ratios in {0, 1, inf}. Source:
    derived, notes (4.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> lower, upper = proxy_gap_bounds(World(safe, safe, able), 1.0)
    >>> print(f"{float(lower):.4f} {float(upper):.4f}")
    0.5000 0.6931
    """
    conflict = output_conflict(world)
    other_weight = capability_weight(world, penalty)
    return Interval(
        lower=2 * weighted_sum(world.proxy.contexts, (other_weight * conflict) ** 2),
        upper=_logarithmic(
            world.proxy.contexts,
            world.capability.contexts / by_context(penalty),
            conflict,
        ),
    )


def capability_gap_bounds(world: World, penalty: Number) -> Interval:
    """G_f(P*) from below and above by the conflict of outputs, context by context.

    Formula: 2 E_{mu_f}[w^2 tau^2] <= G_f(P*) <= E_{mu_f}[tau log(1 + penalty mu^_s /
    mu_f)]. Shapes: penalty [...] -> two of [...]. Unit: nats. Valid at the minimiser
    only. Source: derived, notes (4.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> lower, upper = capability_gap_bounds(World(safe, safe, able), 1.0)
    >>> print(f"{float(lower):.4f} {float(upper):.4f}")
    0.5000 0.6931
    """
    conflict = output_conflict(world)
    weight = posterior_weight(world, penalty)
    return Interval(
        lower=2 * weighted_sum(world.capability.contexts, (weight * conflict) ** 2),
        upper=_logarithmic(
            world.capability.contexts,
            world.proxy.contexts * by_context(penalty),
            conflict,
        ),
    )


def _logarithmic(
    keeps: Float[Array, "*#batch x"],
    intrudes: Float[Array, "*#batch x"],
    conflict: Float[Array, "*#batch x"],
) -> Nats:
    """E_keeps[tau log(1 + intrudes / keeps)], 0 where nothing is kept."""
    keeps = jnp.asarray(keeps)
    odds = intrudes / jnp.where(keeps > 0, keeps, 1.0)
    return weighted_sum(keeps, conflict * jnp.log1p(jnp.where(keeps > 0, odds, 0.0)))


def proxy_gap_linear(world: World, penalty: Number) -> Nats:
    """An upper bound on G^_s(P*) that falls as 1 / penalty.

    Formula: (1/penalty) sum_{mu^_s > 0} mu_f tau. Shapes: penalty [...] -> [...]. Unit:
    nats. Valid at the minimiser only; vacuous for penalty << 1. Source: derived, notes
    (4.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(proxy_gap_linear(World(safe, safe, able), 4.0))
    0.25
    """
    shared = jnp.where(
        jnp.asarray(world.proxy.contexts) > 0, world.capability.contexts, 0.0
    )
    return weighted_sum(shared, output_conflict(world)) / jnp.asarray(penalty)


def capability_gap_linear(world: World, penalty: Number) -> Nats:
    """An upper bound on G_f(P*) that grows with the penalty.

    Formula: penalty sum_{mu_f > 0} mu^_s tau. Shapes: penalty [...] -> [...]. Unit:
    nats. Valid at the minimiser only; vacuous for penalty >> 1. Source: derived, notes
    (4.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(capability_gap_linear(World(safe, safe, able), 0.25))
    0.25
    """
    shared = jnp.where(
        jnp.asarray(world.capability.contexts) > 0, world.proxy.contexts, 0.0
    )
    return weighted_sum(shared, output_conflict(world)) * jnp.asarray(penalty)


def proxy_gap_coarse(world: World, penalty: Number) -> Nats:
    """An upper bound on G^_s(P*) from the overlap of contexts alone.

    Formula: log(1 + o_f / penalty), o_f = mu_f(supp mu^_s). Shapes: penalty [...] ->
    [...]. Unit: nats, per sequence whatever its length. Valid at the minimiser only.
    Source: derived, notes (4.5).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(proxy_gap_coarse(World(safe, safe, able), 1.0)):.4f}")
    0.6931
    """
    return jnp.log1p(support_overlap_capability(world) / jnp.asarray(penalty))


def capability_gap_coarse(world: World, penalty: Number) -> Nats:
    """An upper bound on G_f(P*) from the overlap of contexts alone.

    Formula: log(1 + penalty o_s), o_s = mu^_s(supp mu_f). Shapes: penalty [...] ->
    [...]. Unit: nats, per sequence whatever its length. Valid at the minimiser only.
    Source: derived, notes (4.5).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(capability_gap_coarse(World(safe, safe, able), 1.0)):.4f}")
    0.6931
    """
    return jnp.log1p(support_overlap_proxy(world) * jnp.asarray(penalty))
