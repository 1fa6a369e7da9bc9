"""Laws and worlds: the mathematical objects every formula speaks of."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import total_variation
from theory.typing import Array, Contexts, Table

Number = float | int | Float[Array, "*#batch"]
"""A number a world, or a batch of them that broadcasts against the batch of worlds."""


class Law(NamedTuple):
    """A joint law of contexts and outputs, D(x, y) = mu(x) p(y|x).

    `contexts` is mu, shape [..., x]; `outputs` is p, shape [..., x, y]. Rows of
    `outputs` sum to 1 even where mu is 0. A sequence law is a Law whose outputs
    enumerate vocabulary ** length sequences, the first token being the most
    significant digit.
    """

    contexts: Contexts
    outputs: Table


class World(NamedTuple):
    """Original safety data D_s, proxy safety data D^_s and capability data D_f.

    All three share the context axis x and the output axis y. Source: notes 2.
    """

    safety: Law
    proxy: Law
    capability: Law


def joint(law: Law) -> Float[jax.Array, "*batch x y"]:
    """The probabilities of every pair of context and output.

    Formula: D(x, y) = mu(x) p(y|x). Shapes: [..., x], [..., x, y] -> [..., x, y].
    Source: notes 2.

    >>> joint(Law(jnp.array([0.5, 0.5]), jnp.array([[1, 0.0], [0.5, 0.5]]))).tolist()
    [[0.5, 0.0], [0.25, 0.25]]
    """
    return jnp.asarray(law.contexts)[..., None] * law.outputs


def law_from_logits(
    context_logits: Float[Array, "*batch x"], output_logits: Float[Array, "*batch x y"]
) -> Law:
    """The law whose contexts and outputs are softmaxes of the given logits.

    Formula: mu = softmax(a), p(.|x) = softmax(b(x)). Shapes: [..., x], [..., x, y].
    Domain: finite logits, or -inf for a zero (never a whole row). Source: standard.

    >>> law_from_logits(jnp.zeros(2), jnp.zeros((2, 4))).outputs[0].tolist()
    [0.25, 0.25, 0.25, 0.25]
    """
    return Law(
        jax.nn.softmax(jnp.asarray(context_logits), axis=-1),
        jax.nn.softmax(jnp.asarray(output_logits), axis=-1),
    )


def random_world(
    context_logits: Float[Array, "*batch 3 x"],
    output_logits: Float[Array, "*batch 3 x y"],
) -> World:
    """The world whose safety, proxy and capability laws have the given logits.

    Formula: softmax of each; axis -2 (contexts) or -3 (outputs) lists safety, proxy,
    capability. Shapes: [..., 3, x], [..., 3, x, y] -> laws of [..., x], [..., x, y].
    The caller draws the logits, usually normal noise times a scale: theory holds no
    key. Source: standard.

    >>> world = random_world(jnp.zeros((3, 2)), jnp.zeros((3, 2, 4)))
    >>> world.proxy.contexts.tolist()
    [0.5, 0.5]
    """
    law = law_from_logits(context_logits, output_logits)
    safety, proxy, capability = (
        Law(law.contexts[..., i, :], law.outputs[..., i, :, :]) for i in range(3)
    )
    return World(safety, proxy, capability)


def overlapping_world(
    safety: Law,
    outside: Float[Array, "*#batch x"],
    capability_outputs: Float[Array, "*#batch x y"],
    overlap: Number,
) -> World:
    """A world whose capability contexts are safety contexts with probability o.

    Formula: mu_f = o mu_s + (1-o) mu_outside, and D^_s = D_s. If `outside` is disjoint
    from mu_s, then o = sum_x min(mu_s, mu_f), the overlap coefficient. Shapes: laws of
    [..., x], [..., x, y]; overlap [...], its batch broadcast to every law. Domain: o
    in [0, 1]. Source: notes 6.4.

    >>> half, outside = jnp.full((2, 2), 0.5), jnp.array([0.0, 1.0])
    >>> safety = Law(jnp.array([1.0, 0.0]), half)
    >>> world = overlapping_world(safety, outside, half, 0.25)
    >>> world.capability.contexts.tolist()
    [0.25, 0.75]
    """
    share = (jnp.asarray(overlap) * 1.0)[..., None]
    contexts = share * safety.contexts + (1 - share) * outside
    return broadcast_world(World(safety, safety, Law(contexts, capability_outputs)))


def disjoint_world(safety: Law, outside: Contexts, capability_outputs: Table) -> World:
    """A world without context overlap: safety and capability need not trade at all.

    Formula: mu_f = mu_outside, D^_s = D_s. Shapes: [..., x], [..., x, y]. Domain:
    `outside` disjoint from mu_s (the caller's promise). Source: notes 2 and 6.2.

    >>> safety = Law(jnp.array([1.0, 0.0]), jnp.full((2, 2), 0.5))
    >>> world = disjoint_world(safety, jnp.array([0.0, 1.0]), jnp.full((2, 2), 0.5))
    >>> world.capability.contexts.tolist()
    [0.0, 1.0]
    """
    return overlapping_world(safety, outside, capability_outputs, 0.0)


def broadcast_world(world: World) -> World:
    """The same world with one batch shape for all its arrays, so that vmap takes it.

    Shapes: batches that broadcast -> [batch, x], [batch, x, y] throughout. Source:
    standard.

    >>> one = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> two = Law(jnp.ones((2, 1)), jnp.array([[0.5, 0.5]]))
    >>> broadcast_world(World(one, one, two)).safety.outputs.shape
    (2, 1, 2)
    """
    batch = jnp.broadcast_shapes(
        *(law.contexts.shape[:-1] for law in world),
        *(law.outputs.shape[:-2] for law in world),
    )
    safety, proxy, capability = (
        Law(
            jnp.broadcast_to(law.contexts, (*batch, *law.contexts.shape[-1:])),
            jnp.broadcast_to(law.outputs, (*batch, *law.outputs.shape[-2:])),
        )
        for law in world
    )
    return World(safety, proxy, capability)


def with_proxy(world: World, proxy: Law) -> World:
    """The same world with another proxy.

    Formula: D^_s := the given law. Source: notes 2.

    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> other = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> with_proxy(World(law, law, law), other).proxy is other
    True
    """
    return world._replace(proxy=proxy)


def exact_proxy(world: World) -> World:
    """The same world with the safety data as their own proxy.

    Formula: D^_s := D_s, the reading of notes 6. Source: notes 6.

    >>> law = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> other = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> exact_proxy(World(law, other, law)).proxy is law
    True
    """
    return with_proxy(world, world.safety)


def blended_proxy(
    world: World, teacher: Float[Array, "*#batch x y"], distance: Number
) -> World:
    """The same world with a proxy answered in part by a foreign teacher.

    Formula: mu^_s = mu_s, p^_s = (1-d) p_s + d teacher: a small d is a near proxy, a
    large d a far one. Shapes: teacher [..., x, y], distance [...], its batch broadcast
    to every law. Domain: d in [0, 1]. Source: notes 12 (near and far proxies at equal
    contexts).

    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> world = blended_proxy(World(law, law, law), jnp.array([[0.0, 1.0]]), 0.25)
    >>> world.proxy.outputs.tolist()
    [[0.75, 0.25]]
    """
    share = (jnp.asarray(distance) * 1.0)[..., None, None]
    outputs = (1 - share) * world.safety.outputs + share * teacher
    return broadcast_world(with_proxy(world, Law(world.safety.contexts, outputs)))


def output_conflict(world: World) -> Float[jax.Array, "*batch x"]:
    """How far the proxy's and the task's outputs differ at each context.

    Formula: tau(x) = TV(p^_s(.|x), p_f(.|x)). Shapes: -> [..., x]. Range: [0, 1].
    Source: notes 2.

    >>> safe = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> able = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> output_conflict(World(safe, safe, able)).tolist()
    [0.5]
    """
    return total_variation(world.proxy.outputs, world.capability.outputs)


def output_conflict_true(world: World) -> Float[jax.Array, "*batch x"]:
    """How far the safety data's and the task's outputs differ at each context.

    Formula: tau(x) = TV(p_s(.|x), p_f(.|x)), the conflict of notes 6. Shapes: ->
    [..., x]. Range: [0, 1]. Source: notes 6.

    >>> safe = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> able = Law(jnp.array([1.0]), jnp.array([[0.5, 0.5]]))
    >>> output_conflict_true(World(safe, able, able)).tolist()
    [0.5]
    """
    return total_variation(world.safety.outputs, world.capability.outputs)
