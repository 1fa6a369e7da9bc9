"""The ball measured by KL instead of by parameters: it is Case I, solved exactly.

Fine-tuning with E_rho KL(P_start || P) <= delta is Case I with the start's own outputs
as proxy data, as in generative replay.
"""

import jax
from jaxtyping import Float

from theory.laws import Law, World, broadcast_world, with_proxy
from theory.tradeoff.frontier import supporting_penalty
from theory.tradeoff.loss_constraint import mixture_posterior
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Array


def self_generated(
    world: World, policy: Policy, contexts: Float[Array, "*#batch x"]
) -> World:
    """The world whose proxy data are a policy's own outputs.

    Formula: mu^_s = rho, p^_s = P_start: G^_s(P) = E_rho KL(P_start || P), so that
    `frontier_proxy(world, delta)` is the least capability gap within the KL ball of
    radius delta. Shapes: policy [..., x, y], contexts rho [..., x]; batches broadcast.
    Source: derived, notes 8.4.

    >>> import jax.numpy as jnp
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> policy = jnp.array([[0.25, 0.75]])
    >>> world = self_generated(World(law, law, law), policy, law.contexts)
    >>> world.proxy.outputs.tolist()
    [[0.25, 0.75]]
    """
    return broadcast_world(with_proxy(world, Law(contexts, policy)))


def divergence_ball_optimum(
    world: World,
    policy: Policy,
    contexts: Float[Array, "*#batch x"],
    divergence: Number,
) -> Float[jax.Array, "*batch x y"]:
    """The most capable policy within a KL ball around the start.

    Formula: argmin G_f(P) subject to E_rho KL(P_start || P) <= delta: the mixture w
    P_start + (1 - w) p_f of (4.1), its penalty the supporting one of delta. Contexts in
    neither rho nor mu_f keep the start. Shapes: divergence [...] -> [..., x, y].
    Domain: delta >= 0 in nats; 0 keeps the start on supp rho, a large delta gives p_f
    on supp mu_f. No gradient passes through the penalty. Source: derived, notes 8.4.

    >>> import jax.numpy as jnp
    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> start, world = jnp.array([[0.25, 0.75]]), World(law, law, law)
    >>> divergence_ball_optimum(world, start, law.contexts, 10.0).tolist()
    [[0.5, 0.5]]
    """
    replayed = self_generated(world, policy, contexts)
    penalty = supporting_penalty(replayed, divergence)
    return mixture_posterior(replayed, penalty, fallback=policy)
