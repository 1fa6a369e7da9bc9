"""Closed-form bounds at the optimum that beat Pinsker, at the price of more symbols."""

from theory.information import (
    best_kl,
    binary_data_processing_kl,
    binary_entropy,
    jensen_shannon_least,
)
from theory.laws import World, output_conflict
from theory.numerics import clip_probability, weighted_sum
from theory.tradeoff.bounds import Interval
from theory.tradeoff.loss_constraint import (
    capability_weight,
    posterior_weight,
    total_weight,
)
from theory.tradeoff.shapes import Number
from theory.typing import Nats


def proxy_gap_data_processing(world: World, penalty: Number) -> Nats:
    """A lower bound on G^_s(P*) that sees on which outputs the sources differ.

    Formula: E_{mu^_s} kl(alpha, alpha - (1-w) tau), alpha = p^_s(S), S = {p^_s > p_f},
    kl the binary divergence; at least the Pinsker end of `proxy_gap_bounds`. Shapes:
    penalty [...] -> [...]. Unit: nats. Valid at the minimiser only. Tight for two
    outputs. Source: derived, notes 11.4 item 2.

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(proxy_gap_data_processing(World(safe, safe, able), 1.0)):.4f}")
    0.6931
    """
    weight = posterior_weight(world, penalty)
    least = binary_data_processing_kl(
        world.proxy.outputs, world.capability.outputs, weight
    )
    return weighted_sum(world.proxy.contexts, least)


def capability_gap_data_processing(world: World, penalty: Number) -> Nats:
    """A lower bound on G_f(P*) that sees on which outputs the sources differ.

    Formula: E_{mu_f} kl(alpha, alpha - w tau), alpha = p_f(S), S = {p_f > p^_s}.
    Shapes: penalty [...] -> [...]. Unit: nats. Valid at the minimiser only. Tight for
    two outputs. Source: derived, notes 11.4 item 2, mirror.

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> value = capability_gap_data_processing(World(safe, safe, able), 1.0)
    >>> print(f"{float(value):.4f}")
    0.6931
    """
    weight = capability_weight(world, penalty)
    least = binary_data_processing_kl(
        world.capability.outputs, world.proxy.outputs, weight
    )
    return weighted_sum(world.capability.contexts, least)


def proxy_gap_total_variation(world: World, penalty: Number) -> Nats:
    """The better of Pinsker and Bretagnolle-Huber below G^_s(P*).

    Formula: E_{mu^_s} max{2 t^2, -log(1 - t^2)}, t = (1-w) tau = TV(p^_s, P*). Shapes:
    penalty [...] -> [...]. Unit: nats. Valid at the minimiser only. The second wins
    only for t > 0.893. Source: derived, notes 11.4 item 4.

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(proxy_gap_total_variation(World(safe, safe, able), 1.0)):.4f}")
    0.5000
    """
    distance = capability_weight(world, penalty) * output_conflict(world)
    return weighted_sum(world.proxy.contexts, best_kl(clip_probability(distance)))


def capability_gap_total_variation(world: World, penalty: Number) -> Nats:
    """The better of Pinsker and Bretagnolle-Huber below G_f(P*).

    Formula: E_{mu_f} max{2 t^2, -log(1 - t^2)}, t = w tau = TV(p_f, P*). Shapes:
    penalty [...] -> [...]. Unit: nats. Valid at the minimiser only. Source: derived,
    notes 11.4 item 4, mirror.

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> value = capability_gap_total_variation(World(safe, safe, able), 1.0)
    >>> print(f"{float(value):.4f}")
    0.5000
    """
    distance = posterior_weight(world, penalty) * output_conflict(world)
    return weighted_sum(world.capability.contexts, best_kl(clip_probability(distance)))


def optimum_bounds(world: World, penalty: Number) -> Interval:
    """J from below and above by the conflict of outputs, context by context.

    Formula: 2 sum_x M w (1-w) tau^2 <= J <= sum_x M h(w) tau. Shapes: penalty [...] ->
    two of [...]. Unit: nats. The lower end bounds penalty G^_s(P) + G_f(P) for EVERY
    policy; the upper end is tight for likelihood ratios in {0, 1, inf}. Source:
    derived, notes (3.4).

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> lower, upper = optimum_bounds(World(safe, safe, able), 1.0)
    >>> print(f"{float(lower):.4f} {float(upper):.4f}")
    1.0000 1.3863
    """
    weight = posterior_weight(world, penalty)
    other = capability_weight(world, penalty)
    conflict = output_conflict(world)
    counts = total_weight(world, penalty)
    return Interval(
        lower=2 * weighted_sum(counts, weight * other * conflict**2),
        upper=weighted_sum(counts, binary_entropy(clip_probability(weight)) * conflict),
    )


def optimum_least(world: World, penalty: Number) -> Nats:
    """The largest lower bound on J that sees only conflict and posterior weight.

    Formula: sum_x M min{JS_w(a, b): two-point laws with TV(a, b) = tau}. Shapes:
    penalty [...] -> [...]. Unit: nats. Bounds penalty G^_s(P) + G_f(P) for EVERY
    policy. Source: derived, notes 11.4 item 3.

    >>> import jax.numpy as jnp
    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(optimum_least(World(safe, safe, able), 1.0)):.4f}")
    1.3863
    """
    weight = clip_probability(posterior_weight(world, penalty))
    conflict = clip_probability(output_conflict(world))
    least = jensen_shannon_least(conflict, weight)
    return weighted_sum(total_weight(world, penalty), least)
