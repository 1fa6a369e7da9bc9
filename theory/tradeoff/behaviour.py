"""From nats to behaviour: how likely an event is under a policy with a small gap."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.information import best_tv
from theory.laws import World
from theory.tradeoff.loss_constraint import mixture_posterior
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Array, Nats


def event_probability(
    policy: Policy, event: Bool[Array, "*#batch #x y"]
) -> Float[jax.Array, "*batch x"]:
    """P(A|x), the probability that a policy's output lies in an event.

    Formula: sum_{y in A} P(y|x). Shapes: policy and event [..., x, y] -> [..., x].
    Source: standard.

    >>> unsafe = jnp.array([[True, False]])
    >>> event_probability(jnp.array([[0.25, 0.75]]), unsafe).tolist()
    [0.25]
    """
    return jnp.sum(jnp.where(event, policy, 0.0), axis=-1)


def optimal_event_probability(
    world: World, penalty: Number, event: Bool[Array, "*#batch #x y"]
) -> Float[jax.Array, "*batch x"]:
    """P*(A|x), the probability of an event under the optimal policy.

    Formula: P*(A|x) = w p^_s(A|x) + (1 - w) p_f(A|x). Shapes: penalty [...], event
    [..., x, y] -> [..., x]. Source: derived, notes 9.5.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.eye(2)[:1]), Law(one, jnp.eye(2)[1:])
    >>> unsafe = jnp.array([[False, True]])
    >>> optimal_event_probability(World(safe, safe, able), 3.0, unsafe).tolist()
    [0.25]
    """
    return event_probability(mixture_posterior(world, penalty), event)


def deviation_bound(gap_safety: Number) -> Nats:
    """How far the probability of any event can be from that of safe data, on average.

    Formula: E_{mu_s} |P(A|x) - p_s(A|x)| <= min{sqrt(G_s / 2), sqrt(1 - exp(-G_s))}.
    Both ends are concave in the gap, so Jensen carries them from contexts to the mean.
    Shape: [...]. Unit: probability. Domain: G_s >= 0 in nats. Valid for every policy
    and event. Source: derived, notes 9.5.

    >>> float(deviation_bound(0.0))
    0.0
    """
    return best_tv(jnp.asarray(gap_safety))
