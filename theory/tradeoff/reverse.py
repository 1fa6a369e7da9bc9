"""The mode-seeking twin: penalties on KL(P || data) instead of KL(data || P).

Reverse divergences are those of preference optimisation. Their best policy is the
geometric mixture of the sources, as the posterior mixture is for likelihood training.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import kl
from theory.laws import World
from theory.numerics import safe_log, weighted_sum
from theory.tradeoff.loss_constraint import (
    capability_weight,
    posterior_weight,
    total_weight,
)
from theory.tradeoff.shapes import Number, Policy, by_context
from theory.typing import Nats


def _log_geometric(world: World, penalty: Number) -> Float[jax.Array, "*batch x y"]:
    """The logarithm of p^_s^w p_f^(1-w), 0^0 = 1 for a source without weight."""
    parts = (
        _powered(share, jnp.asarray(outputs))
        for share, outputs in (
            (posterior_weight(world, penalty)[..., None], world.proxy.outputs),
            (capability_weight(world, penalty)[..., None], world.capability.outputs),
        )
    )
    return sum(parts, jnp.zeros(()))


def _powered(
    share: Float[jax.Array, "*#shape"], outputs: Float[jax.Array, "*#shape"]
) -> Float[jax.Array, "*shape"]:
    """W log p, 0 without weight, -inf without probability; no gradient meets an inf."""
    held = outputs > 0
    value = share * jnp.log(jnp.where(held, outputs, 1.0))
    return jnp.where(held | (share <= 0), value, -jnp.inf)


def geometric_mixture(world: World, penalty: Number) -> Float[jax.Array, "*batch x y"]:
    """The minimiser of the reverse penalised objective over all policies.

    Formula: P(y|x) = p^_s^w p_f^(1-w) / Z, w the posterior weight of (4.1). Where the
    supports are disjoint (Z = 0) every policy costs inf and p^_s is returned. Shapes:
    penalty [...] -> [..., x, y]. Source: derived, notes 11.4 item 8.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> policy = geometric_mixture(World(safe, safe, able), 1.0)
    >>> print(f"{float(policy[0, 0]):.4f}")
    0.5000
    """
    logarithm = _log_geometric(world, penalty)
    possible = jnp.max(logarithm, axis=-1, keepdims=True) > -jnp.inf
    mixed = jax.nn.softmax(jnp.where(possible, logarithm, 0.0), axis=-1)
    return jnp.where(possible, mixed, world.proxy.outputs)


def reverse_objective(world: World, policy: Policy, penalty: Number) -> Nats:
    """The reverse penalised objective of any policy.

    Formula: sum_x [penalty mu^_s KL(P || p^_s) + mu_f KL(P || p_f)]. Shapes: policy
    [..., x, y], penalty [...] -> [...]. Unit: nats; inf where the policy does what a
    source forbids. Source: derived, notes 11.4 item 8.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe = Law(one, jnp.array([[0.5, 0.5]]))
    >>> float(reverse_objective(World(safe, safe, safe), safe.outputs, 1.0))
    0.0
    """
    held = jnp.asarray(policy)
    return weighted_sum(
        by_context(penalty) * world.proxy.contexts,
        kl(held, world.proxy.outputs),
    ) + weighted_sum(world.capability.contexts, kl(held, world.capability.outputs))


def reverse_optimum(world: World, penalty: Number) -> Nats:
    """The least value of the reverse penalised objective.

    Formula: sum_x M (-log sum_y p^_s^w p_f^(1-w)), a Chernoff divergence at each
    context; inf for disjoint outputs on a shared context. Shapes: penalty [...] ->
    [...]. Unit: nats. Valid for every policy. Source: derived, notes 11.4 item 8.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.1, .9]]))
    >>> print(f"{float(reverse_optimum(World(safe, safe, able), 1.0)):.4f}")
    1.0217
    """
    coefficient = jnp.sum(jnp.exp(_log_geometric(world, penalty)), axis=-1)
    return weighted_sum(total_weight(world, penalty), -safe_log(coefficient))


def reverse_excess(world: World, policy: Policy, penalty: Number) -> Nats:
    """What a policy loses against the geometric mixture in the reverse objective.

    Formula: sum_x M KL(P || P_geometric) = objective - optimum, for every policy.
    Shapes: policy [..., x, y], penalty [...] -> [...]. Unit: nats. Domain: sources that
    share outputs on shared contexts. Source: derived, notes 11.4 item 8.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe = Law(one, jnp.array([[0.5, 0.5]]))
    >>> float(reverse_excess(World(safe, safe, safe), safe.outputs, 1.0))
    0.0
    """
    best = geometric_mixture(world, penalty)
    return weighted_sum(total_weight(world, penalty), kl(jnp.asarray(policy), best))
