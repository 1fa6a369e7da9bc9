"""Case I for any class of models: what two comparators say about a suboptimal learner.

A learner is zeta-suboptimal if L_f + penalty * L^_s is within zeta of its infimum over
the class. Comparing it with theta^_s, the best for the proxy, and with theta_f, the
best for the task, bounds its gaps without any convexity.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import World
from theory.tradeoff.dynamics import at_infinite_penalty, at_zero_penalty
from theory.tradeoff.gaps import gap
from theory.tradeoff.loss_constraint import excess
from theory.tradeoff.proxy import log_ratio_span, proxy_distance
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Array, Nats


class Comparators(NamedTuple):
    """What the comparators lose: G_f of the safe one, G^_s of the able one, in nats."""

    safe_capability: Nats
    able_proxy: Nats


class Comparison(NamedTuple):
    """Four upper bounds: on G^_s and on G_f, by the safe and by the able comparator."""

    proxy_safe: Nats
    proxy_able: Nats
    capability_safe: Nats
    capability_able: Nats


def stitched_comparators(world: World) -> Comparators:
    """What the best comparators lose if the class can treat each context on its own.

    Formula: the safe one is p^_s on supp mu^_s and p_f elsewhere, G_f = sum_{mu^_s > 0}
    mu_f KL(p_f || p^_s); the able one is p_f on supp mu_f and p^_s elsewhere, G^_s =
    sum_{mu_f > 0} mu^_s KL(p^_s || p_f). Both 0 for disjoint contexts. Shapes: two of
    [...]. Unit: nats. Source: derived, notes 7.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0.5, 0.5]])), Law(one, jnp.array([[1, 0.0]]))
    >>> found = stitched_comparators(World(safe, safe, able))
    >>> print(f"{float(found.safe_capability):.4f} {float(found.able_proxy)}")
    0.6931 inf
    """
    return Comparators(
        safe_capability=at_infinite_penalty(world).capability,
        able_proxy=at_zero_penalty(world).proxy,
    )


def comparator_bounds(
    comparators: Comparators, gap_capability: Number, zeta: Number, penalty: Number
) -> Comparison:
    """Upper bounds on both gaps of a zeta-suboptimal learner of any class.

    Formula: G^_s <= (G_f(theta^_s) - G_f + zeta) / penalty and <= G^_s(theta_f) + zeta
    / penalty; G_f <= G_f(theta^_s) + zeta and <= penalty G^_s(theta_f) + zeta. Shapes:
    all [...] -> four of [...]. Unit: nats. `gap_capability` is the learner's own G_f,
    0 if unknown. Gaps are to the infima of the class. Domain: penalty > 0, zeta >= 0;
    inf where a comparator or zeta is. Source: derived, notes (7.1).

    >>> found = comparator_bounds(Comparators(jnp.array(2.0), jnp.array(3.0)), 1, 1, 2)
    >>> [float(bound) for bound in found]
    [1.0, 3.5, 3.0, 7.0]
    """
    safe, able = (jnp.asarray(value) for value in comparators)
    zeta, penalty = jnp.asarray(zeta), jnp.asarray(penalty)
    unknown = jnp.isinf(safe + zeta)
    # inf - inf: the bound says nothing where the learner forbids capability data.
    spent = jnp.where(unknown, 0.0, gap_capability)
    return Comparison(
        proxy_safe=(safe - spent + zeta) / penalty,
        proxy_able=able + zeta / penalty,
        capability_safe=safe + zeta,
        capability_able=penalty * able + zeta,
    )


def world_comparison(world: World, policy: Policy, penalty: Number) -> Comparison:
    """The four comparator bounds of any policy of a world, stitched comparators.

    Formula: (7.1) with zeta = sum_x M KL(P* || P), the certificate of the policy.
    Shapes: policy [..., x, y], penalty [...] -> four of [...]. Unit: nats. Valid for
    every policy. Source: derived, notes (7.1).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(world_comparison(World(law, law, law), law.outputs, 1.0).proxy_safe)
    0.0
    """
    return comparator_bounds(
        stitched_comparators(world),
        gap(world.capability, policy),
        excess(world, policy, penalty),
        penalty,
    )


def safety_gap_transferred(
    safe_capability: Number,
    zeta: Number,
    penalty: Number,
    span: Number,
    distance: Number,
) -> Nats:
    """An upper bound on the TRUE safety gap of a zeta-suboptimal learner.

    Formula: G_s <= (G_f(theta^_s) + zeta) / penalty + span(r) TV(D_s, D^_s), where r is
    the log-ratio of the best safe model of the class and the learner. Shape: [...].
    Unit: nats. Any class of models. Domain: penalty > 0; an exact proxy (distance 0)
    costs nothing even if the span is infinite. Source: derived, notes (7.2).

    >>> float(safety_gap_transferred(1.0, 1.0, 4.0, 3.0, 0.5))
    2.0
    """
    distance = jnp.asarray(distance)
    cost = distance * jnp.where(distance > 0, span, 0.0)
    return (jnp.asarray(safe_capability) + zeta) / jnp.asarray(penalty) + cost


def world_safety_gap(world: World, policy: Policy, penalty: Number) -> Nats:
    """The bound on the true safety gap of any policy of a world, stitched comparator.

    Formula: (7.2) with the measured zeta, span and TV. Shapes: policy [..., x, y],
    penalty [...] -> [...]. Unit: nats. Valid for every policy; inf where p_f holds what
    p^_s forbids on a shared context. Source: derived, notes (7.2).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> float(world_safety_gap(World(law, law, law), law.outputs, 1.0))
    0.0
    """
    return safety_gap_transferred(
        stitched_comparators(world).safe_capability,
        excess(world, policy, penalty),
        penalty,
        log_ratio_span(world, policy),
        proxy_distance(world),
    )


def monotone_slack(
    zeta_1: Number, zeta_2: Number, penalty_1: Number, penalty_2: Number
) -> Nats:
    """By how much the proxy loss may rise from a penalty to a larger one.

    Formula: L^_s(theta_2) <= L^_s(theta_1) + (zeta_1 + zeta_2) / (penalty_2 -
    penalty_1), zeta_i the suboptimality of theta_i at penalty_i. Shape: [...]. Unit:
    nats. Any class of models, by exchange of the two. Domain: penalty_1 < penalty_2.
    Equality iff each is optimal at the other's penalty. Source: derived, notes 7.

    >>> float(monotone_slack(0.25, 0.75, 1.0, 3.0))
    0.5
    """
    distance = jnp.asarray(penalty_2) - jnp.asarray(penalty_1)
    return (jnp.asarray(zeta_1) + jnp.asarray(zeta_2)) / distance


def monotone_slack_capability(
    zeta_1: Number, zeta_2: Number, penalty_1: Number, penalty_2: Number
) -> Nats:
    """By how much the capability loss may fall from a penalty to a larger one.

    Formula: L_f(theta_1) <= L_f(theta_2) + (penalty_2 zeta_1 + penalty_1 zeta_2) /
    (penalty_2 - penalty_1). Shape: [...]. Unit: nats. Any class of models. Domain:
    penalty_1 < penalty_2. Equality iff each is optimal at the other's penalty. Source:
    derived, as notes 7.

    >>> float(monotone_slack_capability(0.25, 0.75, 1.0, 3.0))
    0.75
    """
    low, high = jnp.asarray(penalty_1), jnp.asarray(penalty_2)
    return (high * jnp.asarray(zeta_1) + low * jnp.asarray(zeta_2)) / (high - low)


def represented_overlap(
    world: World, representation: Float[Array, "*#batch x z"]
) -> Nats:
    """The overlap of contexts that a model sees behind its representation.

    Formula: 1 - TV(phi#mu_s, phi#mu_f) = sum_z min((mu_s phi)(z), (mu_f phi)(z)), never
    below the overlap coefficient: limited capacity only increases it. Shapes:
    representation [..., x, z], rows on the simplex (one-hot if deterministic) -> [...].
    Range: [0, 1]. Source: derived, notes 7.

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> safe, able = Law(jnp.array([1.0, 0.0]), u), Law(jnp.array([0.0, 1.0]), u)
    >>> float(represented_overlap(World(safe, safe, able), jnp.ones((2, 1))))
    1.0
    """
    seen_safety, seen_capability = (
        jnp.sum(jnp.asarray(law.contexts)[..., None] * representation, axis=-2)
        for law in (world.safety, world.capability)
    )
    return jnp.sum(jnp.minimum(seen_safety, seen_capability), axis=-1)
