"""Case I solved exactly: the policy that best trades capability for proxy safety.

The learner minimises L_f(P) + penalty * L^_s(P). Over all conditional laws the answer
is a posterior mixture of the two sources, and what any other policy loses against it is
one KL. Derived, notes (4.1)-(4.3).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import kl
from theory.laws import World
from theory.numerics import weighted_sum
from theory.tradeoff.gaps import Gaps, gap, gaps
from theory.tradeoff.shapes import Number, Policy, by_context
from theory.typing import Nats


def total_weight(world: World, penalty: Number) -> Float[jax.Array, "*batch x"]:
    """M(x), how much a context counts in the penalised loss.

    Formula: M = mu_f + penalty * mu^_s. Shapes: penalty [...] -> [..., x]. Domain:
    penalty >= 0. A context with M = 0 is not determined by the data. Source: derived,
    notes 4.

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0]]))
    >>> float(total_weight(World(law, law, law), 3.0)[0])
    4.0
    """
    return (
        jnp.asarray(world.capability.contexts)
        + by_context(penalty) * world.proxy.contexts
    )


def posterior_weight(world: World, penalty: Number) -> Float[jax.Array, "*batch x"]:
    """w(x), the posterior probability that a draw at x came from the proxy set.

    Formula: w = penalty mu^_s / (mu_f + penalty mu^_s). A ratio of non-negative numbers
    is exact to rounding and has finite gradients, so no logarithms are needed. Shapes:
    penalty [...] -> [..., x]. Domain: penalty >= 0; 0 at undetermined contexts.
    Source: derived, notes (4.1).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0]]))
    >>> float(posterior_weight(World(law, law, law), 3.0)[0])
    0.75
    """
    weight = total_weight(world, penalty)
    return by_context(penalty) * world.proxy.contexts / jnp.where(weight > 0, weight, 1)


def capability_weight(world: World, penalty: Number) -> Float[jax.Array, "*batch x"]:
    """1 - w(x), the posterior probability that a draw at x is capability data.

    Formula: 1 - w = mu_f / (mu_f + penalty mu^_s), with all its digits where w rounds
    to 1. Shapes: penalty [...] -> [..., x]. Domain: penalty >= 0; 0 at undetermined
    contexts. Source: derived, notes (4.1).

    >>> from theory.laws import Law
    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0]]))
    >>> float(capability_weight(World(law, law, law), 3.0)[0])
    0.25
    """
    weight = total_weight(world, penalty)
    return jnp.asarray(world.capability.contexts) / jnp.where(weight > 0, weight, 1)


def mixture_posterior(
    world: World, penalty: Number, fallback: Policy | None = None
) -> Float[jax.Array, "*batch x y"]:
    """P*, the minimiser of L_f + penalty * L^_s over all conditional laws.

    Formula: P* = w p^_s + (1 - w) p_f. Contexts in neither data set (M = 0) are not
    determined: they take `fallback`, by default p_s: "the aligned policy stays".
    Shapes: penalty [...] -> [..., x, y]. Domain: penalty > 0. Source: derived, notes
    (4.1).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> mixture_posterior(World(safe, safe, able), 3.0).tolist()
    [[0.75, 0.25]]
    """
    mixed = (
        posterior_weight(world, penalty)[..., None] * world.proxy.outputs
        + capability_weight(world, penalty)[..., None] * world.capability.outputs
    )
    kept = world.safety.outputs if fallback is None else fallback
    seen = total_weight(world, penalty)[..., None] > 0
    return jnp.where(seen, mixed, kept)


def optimum(world: World, penalty: Number) -> Nats:
    """J, the least value of penalty * G^_s + G_f over all policies.

    Formula: J = sum_x [penalty mu^_s KL(p^_s||P*) + mu_f KL(p_f||P*)], which is sum_x M
    JS_w(p^_s, p_f); this form keeps its digits at any penalty. Shapes: penalty [...] ->
    [...]. Unit: nats. Domain: penalty >= 0. Concave and non-decreasing in the penalty,
    J(0) = 0. Source: derived, notes (4.2).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> print(f"{float(optimum(World(safe, safe, able), 1.0)):.4f}")
    1.3863
    """
    best = mixture_posterior(world, penalty)
    kept = weighted_sum(
        by_context(penalty) * world.proxy.contexts, kl(world.proxy.outputs, best)
    )
    return kept + gap(world.capability, best)


def excess(world: World, policy: Policy, penalty: Number) -> Nats:
    """zeta(P), what a policy loses against P* in the penalised loss.

    Formula: zeta = sum_x M KL(P*(.|x) || P(.|x)) = penalty G^_s(P) + G_f(P) - J, the
    compensation identity, true for EVERY policy: zeta is optimisation plus
    approximation error. Shapes: policy [..., x, y], penalty [...] -> [...]. Unit: nats.
    Source: derived, notes (4.3).

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> policy = jnp.array([[0.75, 0.25]])
    >>> print(f"{float(excess(World(safe, safe, able), policy, 1.0)):.4f}")
    0.2877
    """
    best = mixture_posterior(world, penalty)
    return weighted_sum(total_weight(world, penalty), kl(best, policy))


def optimal_gaps(world: World, penalty: Number) -> Gaps:
    """The three gaps of P*, the best policy at one penalty.

    Formula: (2.2) at (4.1). G^_s falls and G_f rises with the penalty; the true G_s
    need not be monotone. Shapes: penalty [...] -> three of [...]. Unit: nats. At
    contexts in neither data set P* keeps p_s. Source: derived, notes 4.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.9, .1]])), Law(one, jnp.array([[.2, .8]]))
    >>> print(f"{float(optimal_gaps(World(safe, safe, able), 1.0).capability):.4f}")
    0.2580
    """
    return gaps(world, mixture_posterior(world, penalty))
