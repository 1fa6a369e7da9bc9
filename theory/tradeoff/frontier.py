"""The exact Pareto frontier of safety against capability: what no policy can beat."""

import jax
import jax.numpy as jnp

from theory.laws import Law, World, exact_proxy
from theory.tradeoff.bisection import last_below, widest_logarithm
from theory.tradeoff.dynamics import at_infinite_penalty, at_zero_penalty
from theory.tradeoff.gaps import Gaps, gap
from theory.tradeoff.loss_constraint import mixture_posterior, optimal_gaps
from theory.tradeoff.shapes import Number
from theory.typing import Nats


def frontier(world: World, gap_safety: Number) -> Nats:
    """F(g), the least capability gap of any policy whose true safety gap is at most g.

    Formula: F(g) = min{G_f(P): G_s(P) <= g} = sup_penalty [J(penalty) - penalty g], J
    for the true safety data. Convex and non-increasing; F(0) is the limit of infinite
    penalty (inf if p_s forbids what p_f does on a shared context); 0 from the limit of
    zero penalty on; inf for g < 0. Shapes: gap_safety [...] -> [...]. Unit: nats.
    Differentiable (first order) by the envelope theorem: dF/dg = -penalty. Valid for
    every policy. Source: derived, notes (6.1).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.2, .8]]))
    >>> print(f"{float(frontier(World(safe, safe, able), 0.292821097)):.4f}")
    0.2580
    """
    return frontier_proxy(exact_proxy(world), gap_safety)


def frontier_proxy(world: World, gap_proxy: Number) -> Nats:
    """F^(g), the least capability gap of any policy whose PROXY gap is at most g.

    Formula: F^(g) = sup_penalty [J(penalty) - penalty g], evaluated as G_f + penalty
    (G^_s - g) at the supporting penalty, so it never exceeds the truth by more than
    rounding. Shapes: gap_proxy [...] -> [...]. Unit: nats. Edges and derivative as in
    `frontier`. Source: derived, notes (6.1) read with D^_s for D_s.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0.5, 0.5]])), Law(one, jnp.array([[1, 0.0]]))
    >>> float(frontier_proxy(World(safe, safe, able), 1e9))
    0.0
    """
    bound = jnp.asarray(gap_proxy)
    inside = bound > 0
    counted = jnp.where(inside, bound, 1.0)
    beyond = counted >= at_zero_penalty(world).proxy
    # Beyond, the search ends at a penalty whose gradients overflow: any other will do.
    penalty = jnp.where(beyond, 1.0, supporting_penalty(world, counted))
    at = optimal_gaps(world, penalty)
    value = at.capability + penalty * (at.proxy - counted)
    value = jnp.where(beyond, 0.0, jnp.maximum(value, 0.0))
    return jnp.where(inside, value, _edge(world, bound))


def _edge(world: World, bound: jax.Array) -> Nats:
    """F^(0) where the bound is 0, inf below, with finite gradients wherever it is."""
    limit = jax.lax.stop_gradient(at_infinite_penalty(world).capability)
    finite = (bound == 0) & jnp.isfinite(limit)
    # An infinite KL, even if unused, has an infinite gradient: ask about p^_s instead.
    outputs = jnp.where(
        finite[..., None, None], world.capability.outputs, world.proxy.outputs
    )
    able = Law(world.capability.contexts, outputs)
    value = at_infinite_penalty(world._replace(capability=able)).capability
    return jnp.where(finite, value, jnp.inf)


def supporting_penalty(world: World, gap_proxy: Number) -> Nats:
    """The penalty at which the best policy has this proxy gap: minus the slope of F^.

    Formula: the solution of G^_s(P*_penalty) = g, found by bisection of log penalty,
    since G^_s is non-increasing. Shapes: gap_proxy [...] -> [...]. Domain: 0 < g < the
    limit of zero penalty; outside, the end of the searched range. No gradient passes.
    Source: derived, notes (4.6).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.2, .8]]))
    >>> print(f"{float(supporting_penalty(World(safe, safe, able), 0.292821097)):.4f}")
    1.0000
    """
    frozen = jax.lax.stop_gradient(world)
    shape = jnp.broadcast_shapes(
        jnp.shape(gap_proxy),
        jnp.shape(world.proxy.contexts)[:-1],
        jnp.shape(world.capability.contexts)[:-1],
    )
    bound = jnp.broadcast_to(jnp.asarray(gap_proxy), shape)
    dtype = jnp.result_type(world.proxy.contexts, world.proxy.outputs, bound)

    def minus_gap(log_penalty: jax.Array) -> jax.Array:
        policy = mixture_posterior(frozen, jnp.exp(log_penalty))
        return -gap(frozen.proxy, policy)

    widest = jnp.full(shape, widest_logarithm(dtype), dtype)
    _, found = last_below(minus_gap, -bound, -widest, widest)
    return jnp.exp(found)


def frontier_points(world: World, penalties: Number) -> Gaps:
    """Points (G_s, G_f) of the true frontier, one a penalty.

    Formula: the gaps of P* with exact safety data. Shapes: penalties [n], world [...]
    -> three of [n, ...]; `proxy` equals `safety` here. Unit: nats. Source: derived,
    notes 6.1.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> points = frontier_points(World(safe, safe, able), jnp.array([1.0, 3.0]))
    >>> points.capability.shape
    (2,)
    """
    grid = jnp.ravel(jnp.asarray(penalties))
    trailing = (1,) * (jnp.ndim(world.safety.contexts) - 1)
    return optimal_gaps(exact_proxy(world), grid.reshape(-1, *trailing))
