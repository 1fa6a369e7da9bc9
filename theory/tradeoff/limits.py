"""Closed-form limits that no policy can beat, in the true safety data."""

import jax.numpy as jnp

from theory.laws import World, exact_proxy, output_conflict_true
from theory.numerics import weighted_sum
from theory.tradeoff.loss_constraint import optimum
from theory.tradeoff.overlap import overlap_coefficient
from theory.tradeoff.shapes import Number, by_context
from theory.typing import Nats


def exact_limit(world: World, penalty: Number) -> Nats:
    """J_true, the exact limit of penalty * G_s + G_f over all policies.

    Formula: penalty G_s(P) + G_f(P) >= J(penalty), attained by P* with exact safety
    data. Shapes: penalty [...] -> [...]. Unit: nats. Valid for every policy. Source:
    derived, notes (6.3), left.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(exact_limit(World(safe, safe, able), 1.0)):.4f}")
    1.3863
    """
    return optimum(exact_proxy(world), penalty)


def scalarised_limit(world: World, penalty: Number) -> Nats:
    """A closed-form limit of penalty * G_s + G_f: harmonic overlap times conflict^2.

    Formula: penalty G_s(P) + G_f(P) >= 2 penalty sum_x [mu_s mu_f / (penalty mu_s +
    mu_f)] tau^2, tau = TV(p_s, p_f). Shapes: penalty [...] -> [...]. Unit: nats. Valid
    for every policy; tight as tau -> 0 for balanced likelihood ratios. Source: derived,
    notes (6.3).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(scalarised_limit(World(safe, safe, able), 1.0))
    1.0
    """
    safe = jnp.asarray(world.safety.contexts)
    able = jnp.asarray(world.capability.contexts)
    weight = by_context(penalty) * safe + able
    shared = safe * able / jnp.where(weight > 0, weight, 1.0)
    conflict = output_conflict_true(world) ** 2
    return 2 * jnp.asarray(penalty) * weighted_sum(shared, conflict)


def harmonic_limit(world: World) -> Nats:
    """A closed-form limit of G_s + G_f: harmonic mean of the contexts.

    Formula: G_s(P) + G_f(P) >= sum_x HM(mu_s, mu_f) tau^2, HM(a, b) = 2ab / (a + b).
    Shape: [...]. Unit: nats. Valid for every policy. Source: derived, notes (6.3) at
    penalty 1.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(harmonic_limit(World(safe, safe, able)))
    1.0
    """
    return scalarised_limit(world, 1.0)


def minimum_limit(world: World) -> Nats:
    """A closed-form limit of G_s + G_f: shared contexts times conflict^2.

    Formula: G_s(P) + G_f(P) >= sum_x min(mu_s, mu_f) tau^2. Shape: [...]. Unit: nats.
    Valid for every policy. Source: derived, notes (6.3) at penalty 1.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> float(minimum_limit(World(safe, safe, able)))
    1.0
    """
    shared = jnp.minimum(
        jnp.asarray(world.safety.contexts), jnp.asarray(world.capability.contexts)
    )
    return weighted_sum(shared, output_conflict_true(world) ** 2)


def root_limit(world: World) -> Nats:
    """A closed-form limit of sqrt(G_s) + sqrt(G_f): overlap times conflict.

    Formula: sqrt(G_s(P)) + sqrt(G_f(P)) >= sqrt(2) (sum_x nu tau) / sqrt(o), nu =
    min(mu_s, mu_f), o = sum_x nu; 0 for disjoint contexts. Shape: [...]. Unit: square
    root of nats. Valid for every policy. Source: derived, notes (6.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(root_limit(World(safe, safe, able))):.4f}")
    1.4142
    """
    shared = jnp.minimum(
        jnp.asarray(world.safety.contexts), jnp.asarray(world.capability.contexts)
    )
    overlap = overlap_coefficient(world)
    root = jnp.sqrt(jnp.where(overlap > 0, overlap, 1.0))
    clash = weighted_sum(shared, output_conflict_true(world))
    return jnp.sqrt(2.0) * clash / root


def root_frontier(world: World, gap_safety: Number) -> Nats:
    """The square-root limit read as a curve: least G_f at a given G_s.

    Formula: G_f >= max(0, r - sqrt(g))^2 with r of `root_limit`. Shapes: gap_safety
    [...] -> [...]. Unit: nats. Domain: g >= 0. Valid for every policy with G_s <= g;
    lies under the exact frontier. Source: derived, notes (6.4).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(root_frontier(World(safe, safe, able), 0.5)):.4f}")
    0.5000
    """
    given = jnp.asarray(gap_safety)
    root = jnp.where(given > 0, jnp.sqrt(jnp.where(given > 0, given, 1.0)), 0.0)
    return jnp.maximum(root_limit(world) - root, 0.0) ** 2
