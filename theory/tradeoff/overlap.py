"""How much the contexts of two data sets overlap: five functionals, 0 if disjoint."""

import jax.numpy as jnp

from theory.laws import World
from theory.tradeoff.shapes import Number, by_context
from theory.typing import Nats


def overlap_coefficient(world: World) -> Nats:
    """o, the mass of contexts that safety and capability data share.

    Formula: o = sum_x min(mu_s, mu_f) = 1 - TV(mu_s, mu_f), in [0, 1]. Shapes: [...].
    Source: standard; role: notes (6.4).

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> safe, able = Law(jnp.array([0.5, 0.5]), u), Law(jnp.array([1.0, 0.0]), u)
    >>> float(overlap_coefficient(World(safe, safe, able)))
    0.5
    """
    return jnp.sum(
        jnp.minimum(
            jnp.asarray(world.safety.contexts), jnp.asarray(world.capability.contexts)
        ),
        axis=-1,
    )


def support_overlap_capability(world: World) -> Nats:
    """o_f, the capability mass on contexts that the proxy data cover.

    Formula: o_f = mu_f(supp mu^_s), in [0, 1]. Shapes: [...]. Source: derived, notes
    (4.5).

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> safe, able = Law(jnp.array([1.0, 0.0]), u), Law(jnp.array([0.25, 0.75]), u)
    >>> float(support_overlap_capability(World(safe, safe, able)))
    0.25
    """
    covered = jnp.asarray(world.proxy.contexts) > 0
    return jnp.sum(jnp.where(covered, world.capability.contexts, 0.0), axis=-1)


def support_overlap_proxy(world: World) -> Nats:
    """o_s, the proxy mass on contexts that the capability data cover.

    Formula: o_s = mu^_s(supp mu_f), in [0, 1]. Shapes: [...]. Source: derived, notes
    (4.5).

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> safe, able = Law(jnp.array([0.25, 0.75]), u), Law(jnp.array([1.0, 0.0]), u)
    >>> float(support_overlap_proxy(World(safe, safe, able)))
    0.25
    """
    covered = jnp.asarray(world.capability.contexts) > 0
    return jnp.sum(jnp.where(covered, world.proxy.contexts, 0.0), axis=-1)


def harmonic_overlap(world: World, penalty: Number) -> Nats:
    """H, the overlap that limits every policy at one penalty.

    Formula: H = sum_x mu_s mu_f / (penalty mu_s + mu_f), half the sum of harmonic means
    at penalty 1. Shapes: penalty [...] -> [...]. Domain: penalty > 0. Source: derived,
    notes (6.3).

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> law = Law(jnp.array([0.5, 0.5]), u)
    >>> float(harmonic_overlap(World(law, law, law), 1.0))
    0.5
    """
    product = jnp.asarray(world.safety.contexts) * world.capability.contexts
    weight = by_context(penalty) * world.safety.contexts + world.capability.contexts
    return jnp.sum(product / jnp.where(weight > 0, weight, 1.0), axis=-1)


def weighted_overlap(world: World) -> Nats:
    """C_ov, the overlap weighted by how thinly the proxy covers a context.

    Formula: C_ov = sum_x mu_s mu_f / mu^_s; 0 / 0 counts 0, and inf where safety and
    capability meet on a context that the proxy misses. Shapes: [...]. Source: derived,
    notes (5.3).

    >>> from theory.laws import Law
    >>> u = jnp.full((2, 2), 0.5)
    >>> safe, able = Law(jnp.array([0.5, 0.5]), u), Law(jnp.array([0.25, 0.75]), u)
    >>> float(weighted_overlap(World(safe, safe, able)))
    1.0
    """
    product = jnp.asarray(world.safety.contexts) * world.capability.contexts
    covered = jnp.asarray(world.proxy.contexts) > 0
    ratio = product / jnp.where(covered, world.proxy.contexts, 1.0)
    missed = jnp.where(product > 0, jnp.inf, 0.0)
    return jnp.sum(jnp.where(covered, ratio, missed), axis=-1)
