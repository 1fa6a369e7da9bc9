"""How the optimum moves with the penalty: slopes, both ends, rates of decay."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import chi_square
from theory.laws import World
from theory.numerics import weighted_sum
from theory.tradeoff.gaps import Gaps, gaps
from theory.tradeoff.loss_constraint import (
    capability_weight,
    mixture_posterior,
    posterior_weight,
)
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Array, Nats


class Slopes(NamedTuple):
    """Derivatives by the penalty of G^_s and G_f at the optimum."""

    proxy: Nats
    capability: Nats


def slopes(world: World, penalty: Number) -> Slopes:
    """dG^_s/dpenalty <= 0 and dG_f/dpenalty >= 0 along the optimal policies.

    Formula: dG^_s = -(1/penalty) sum_x mu^_s w (1-w)^2 T, dG_f = -penalty dG^_s, with
    T = sum_y (p^_s - p_f)^2 / P*. Shapes: penalty [...] -> two of [...]. Unit: nats per
    unit of penalty. Domain: penalty > 0. Source: derived, notes (4.6).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(slopes(World(safe, safe, able), 1.0).proxy):.3f}")
    -0.500
    """
    weight = posterior_weight(world, penalty)
    other = capability_weight(world, penalty)
    best = mixture_posterior(world, penalty)
    difference = jnp.asarray(world.proxy.outputs) - world.capability.outputs
    pearson = jnp.sum(
        jnp.where(best > 0, difference**2 / jnp.where(best > 0, best, 1.0), 0.0),
        axis=-1,
    )
    moved = weighted_sum(jnp.asarray(world.proxy.contexts), weight * other**2 * pearson)
    proxy = -moved / jnp.asarray(penalty)
    return Slopes(proxy=proxy, capability=moved + jnp.zeros_like(proxy))


def at_zero_penalty(world: World) -> Gaps:
    """The three gaps in the limit of a vanishing penalty: capability rules.

    Formula: the gaps of p_f where mu_f > 0, of p^_s where only mu^_s > 0, of p_s (the
    kept policy) elsewhere. Shapes: three of [...]. Unit: nats; inf where the ruling law
    forbids what the data hold. Source: derived, notes 4, table of limits.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[1, 0.0]])), Law(one, jnp.array([[0.5, 0.5]]))
    >>> print(f"{float(at_zero_penalty(World(safe, safe, able)).proxy):.4f}")
    0.6931
    """
    only_proxy = _where_weighted(
        world.proxy.contexts, world.proxy.outputs, world.safety.outputs
    )
    return gaps(
        world,
        _where_weighted(
            world.capability.contexts, world.capability.outputs, only_proxy
        ),
    )


def at_infinite_penalty(world: World) -> Gaps:
    """The three gaps in the limit of an infinite penalty: the proxy rules.

    Formula: the gaps of p^_s where mu^_s > 0, of p_f where only mu_f > 0, of p_s (the
    kept policy) elsewhere. Shapes: three of [...]. Unit: nats; inf where the ruling law
    forbids what the data hold. Source: derived, notes 4, table of limits.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0.5, 0.5]])), Law(one, jnp.array([[1, 0.0]]))
    >>> print(f"{float(at_infinite_penalty(World(safe, safe, able)).capability):.4f}")
    0.6931
    """
    only_capability = _where_weighted(
        world.capability.contexts, world.capability.outputs, world.safety.outputs
    )
    return gaps(
        world,
        _where_weighted(world.proxy.contexts, world.proxy.outputs, only_capability),
    )


def _where_weighted(
    contexts: Float[Array, "*#batch x"], outputs: Policy, otherwise: Policy
) -> Float[jax.Array, "*batch x y"]:
    """The outputs where the context has weight, `otherwise` elsewhere."""
    return jnp.where(jnp.asarray(contexts)[..., None] > 0, outputs, otherwise)


def proxy_rate_quadratic(world: World) -> Nats:
    """The c of G^_s = c / penalty^2 + O(penalty^-3): decay without support conflict.

    Formula: c = (1/2) sum_{mu^_s > 0} (mu_f^2 / mu^_s) chi2(p_f || p^_s). Shape: [...].
    Unit: nats. Domain: inf where p_f is not absolutely continuous on a shared context;
    then `proxy_rate_linear` rules. Source: derived, notes (4.7).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0.5, 0.5]])), Law(one, jnp.array([[1, 0.0]]))
    >>> float(proxy_rate_quadratic(World(safe, safe, able)))
    0.5
    """
    return _rate_quadratic(
        world.proxy.contexts,
        world.capability.contexts,
        chi_square(world.capability.outputs, world.proxy.outputs),
    )


def capability_rate_quadratic(world: World) -> Nats:
    """The c of G_f = c penalty^2 + O(penalty^3) as the penalty vanishes: the mirror.

    Formula: c = (1/2) sum_{mu_f > 0} (mu^_s^2 / mu_f) chi2(p^_s || p_f). Shape: [...].
    Unit: nats. Domain: inf with support conflict. Source: derived, notes (4.7), mirror.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[1, 0.0]])), Law(one, jnp.array([[0.5, 0.5]]))
    >>> float(capability_rate_quadratic(World(safe, safe, able)))
    0.5
    """
    return _rate_quadratic(
        world.capability.contexts,
        world.proxy.contexts,
        chi_square(world.proxy.outputs, world.capability.outputs),
    )


def _rate_quadratic(
    keeps: Float[Array, "*batch x"],
    intrudes: Float[Array, "*batch x"],
    distance: Float[Array, "*batch x"],
) -> Nats:
    """(1/2) sum_{keeps > 0} (intrudes^2 / keeps) chi2, 0 where nothing intrudes."""
    keeps = jnp.asarray(keeps)
    share = jnp.where(keeps > 0, jnp.square(intrudes), 0.0)
    return weighted_sum(share / jnp.where(keeps > 0, keeps, 1.0), distance) / 2


def proxy_rate_linear(world: World) -> Nats:
    """The c of G^_s = c / penalty + o(1 / penalty): outputs the proxy forbids.

    Formula: c = sum_{mu^_s > 0} mu_f p_f({y: p^_s(y) = 0}). Shapes: [...]. Unit: nats.
    Domain: any world; 0 without support conflict. Source: derived, notes (4.8).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[1, 0.0]])), Law(one, jnp.array([[0.5, 0.5]]))
    >>> float(proxy_rate_linear(World(safe, safe, able)))
    0.5
    """
    forbidden = jnp.where(
        jnp.asarray(world.proxy.outputs) > 0, 0.0, world.capability.outputs
    )
    shared = jnp.where(
        jnp.asarray(world.proxy.contexts) > 0, world.capability.contexts, 0.0
    )
    return weighted_sum(shared, jnp.sum(forbidden, axis=-1))


def capability_rate_linear(world: World) -> Nats:
    """The c of G_f = c penalty + o(penalty) as the penalty vanishes: the mirror.

    Formula: c = sum_{mu_f > 0} mu^_s p^_s({y: p_f(y) = 0}). Shapes: [...]. Unit: nats.
    Domain: any world; 0 without support conflict. Source: derived, notes (4.8), mirror.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[0.5, 0.5]])), Law(one, jnp.array([[1, 0.0]]))
    >>> float(capability_rate_linear(World(safe, safe, able)))
    0.5
    """
    return proxy_rate_linear(
        World(safety=world.safety, proxy=world.capability, capability=world.proxy)
    )
