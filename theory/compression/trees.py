"""Token trees: the laws of binary responses, pruned to their top layers.

A node is a string of bits read so far; it has an end-of-response leaf and two children.
Pruned to d layers, the nodes of layer d absorb all that would follow, and M = 2^d - 1
leaves hold the whole law. Leaves stand layer by layer: node j of layer l (its bits as a
binary number, the first bit the most significant) is leaf 2^(l-1) - 1 + j, so that the
children of i are 2 i + 1 and 2 i + 2.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from theory.typing import Array

Number = float | Float[Array, ""]
"""One number for every node."""


def leaf_count(depth: int) -> int:
    """The number of leaves of a tree of so many layers.

    Formula: M = 2^d - 1. Domain: d >= 1. Raises ValueError otherwise. Source: derived,
    elasticity notes 1.2.

    >>> leaf_count(3)
    7
    """
    if depth < 1:
        raise ValueError(f"depth={depth} must be >= 1 layer")
    return (1 << depth) - 1


def tree_depth(leaves: int) -> int:
    """The number of layers of a tree of so many leaves.

    Formula: d = log2(M + 1). Raises ValueError unless M = 2^d - 1 for a d >= 1. Source:
    derived, elasticity notes 1.2.

    >>> tree_depth(7)
    3
    """
    depth = leaves.bit_length()
    if leaves < 1 or leaf_count(depth) != leaves:
        raise ValueError(
            f"leaves={leaves} must be 2**depth - 1; is the last axis the leaves?"
        )
    return depth


def leaf_bits(depth: int) -> Int[jax.Array, " leaf"]:
    """The bits that are read before every leaf.

    Formula: l - 1 at the leaves of layer l, the absorbing layer d included. Shape: ->
    [2^d - 1]. Source: derived, elasticity notes 1.2.

    >>> leaf_bits(3).tolist()
    [0, 1, 1, 2, 2, 2, 2]
    """
    leaf_count(depth)
    return jnp.asarray(np.repeat(np.arange(depth), 2 ** np.arange(depth)))


def leaf_tokens(depth: int) -> Int[jax.Array, " leaf"]:
    """The tokens that every leaf consumes, its end-of-response included.

    Formula: l at the leaves of layer l < d (l - 1 bits and the end), d - 1 at layer d,
    which absorbs before the end is known: never more than the d that the paper divides
    by. Shape: -> [2^d - 1]. Source: derived, elasticity notes 1.2.

    >>> leaf_tokens(3).tolist()
    [1, 2, 2, 2, 2, 2, 2]
    """
    return jnp.minimum(leaf_bits(depth) + 1, depth - 1)


def automaton_leaves(
    start: Float[Array, "*#batch state"],
    moves: Float[Array, "*#batch state 2 state"],
    hazard: Number | Float[Array, "*#batch #state"],
    depth: int,
) -> Float[jax.Array, "*batch leaf"]:
    """The leaf weights of a probabilistic automaton that writes bits until it ends.

    Formula: w_1 = start; leaf = sum_s w(s) h(s); child b of a node: w_b(s') = sum_s
    w(s) (1 - h(s)) moves(s, b, s'); layer d absorbs, leaf = sum_s w(s). Shapes: ->
    [..., 2^d - 1]. Domain: `start` a law of states, `moves` a law of (bit, next state)
    in every state, h in [0, 1], one number or one a state. Cost: M s^2. Raises
    ValueError at depth < 1. Source: derived, elasticity notes 4.

    >>> one = jnp.ones(1)
    >>> automaton_leaves(one, jnp.array([[[0.25], [0.75]]]), 0.5, 2).tolist()
    [0.5, 0.125, 0.375]
    """
    leaf_count(depth)
    start, moves = jnp.asarray(start), jnp.asarray(moves)
    ends = jnp.asarray(hazard) * 1.0
    states = start.shape[-1]
    batch = jnp.broadcast_shapes(start.shape[:-1], moves.shape[:-3], ends.shape[:-1])
    ends = jnp.broadcast_to(ends, (*batch, states))[..., None, :]
    steps = jnp.broadcast_to(moves, (*batch, states, 2, states))
    steps = steps.reshape(*batch, states, 2 * states)
    table = jnp.broadcast_to(start, (*batch, states))[..., None, :]
    layers = []
    for _ in range(depth - 1):
        layers.append(jnp.sum(table * ends, axis=-1))
        longer = jnp.matmul(table * (1 - ends), steps, precision="highest")
        table = longer.reshape(*batch, -1, states)
    return jnp.concatenate([*layers, jnp.sum(table, axis=-1)], axis=-1)


def markov_automaton(
    ones: Float[Array, "*batch context"],
) -> Float[jax.Array, "*batch context 2 context"]:
    """The moves of a Markov source whose next bit depends on the last m bits.

    Formula: moves(c, b, c') = p(b|c) [c' = (2 c + b) mod 2^m], p(1|c) = ones(c). A
    context is a binary number, its last bit the most recent. Summed over bits it is the
    transition of contexts, whose `theory.chains.stationary` law starts a stationary
    source. Shapes: [..., 2^m] -> [..., 2^m, 2, 2^m]. Domain: m >= 0. Raises ValueError
    if the axis is no power of two. Source: derived, elasticity notes 4.

    >>> markov_automaton(jnp.array([0.25, 0.5]))[0].tolist()
    [[0.75, 0.0], [0.0, 0.25]]
    """
    ones = jnp.asarray(ones)
    contexts = ones.shape[-1]
    if contexts.bit_count() != 1:
        raise ValueError(
            f"contexts={contexts} must be 2**order; is the last axis p(1|context)?"
        )
    following = (2 * np.arange(contexts)[:, None] + np.arange(2)) % contexts
    arrivals = jnp.asarray(np.eye(contexts)[following], ones.dtype)
    return jnp.stack([1 - ones, ones], axis=-1)[..., None] * arrivals


def markov_leaves(
    start: Float[Array, "*#batch context"],
    ones: Float[Array, "*#batch context"],
    hazard: Number | Float[Array, "*#batch #context"],
    depth: int,
) -> Float[jax.Array, "*batch leaf"]:
    """The leaf weights of an order-m binary Markov source with a hazard of ending.

    Formula: `automaton_leaves` of `markov_automaton`; `start` is the law of the m bits
    before the first, ones(c) = p(1|c), hazard = P(end|c). Shapes: [..., 2^m] -> [...,
    2^d - 1]. Domain: probabilities; m = 0 is a coin. Source: derived, elasticity
    notes 4.

    >>> markov_leaves(jnp.ones(1), jnp.array([0.75]), 0.5, 2).tolist()
    [0.5, 0.125, 0.375]
    """
    return automaton_leaves(start, markov_automaton(ones), hazard, depth)


def explicit_leaves(
    ones: Float[Array, "*#batch inner"], ending: Float[Array, "*#batch inner"]
) -> Float[jax.Array, "*batch leaf"]:
    """The leaf weights of a tree whose every inner node has its own law.

    Formula: leaf = w e; children = w (1 - e) (1 - b) and w (1 - e) b, with e the
    probability of ending and b that of a 1; layer d absorbs. Shapes: [..., 2^(d-1) - 1]
    -> [..., 2^d - 1]. Domain: e, b in [0, 1]. Raises ValueError if there is no such d.
    Source: Ji et al. 2025, Definition 3.1; derived, elasticity notes 1.2.

    >>> explicit_leaves(jnp.array([0.75]), jnp.array([0.5])).tolist()
    [0.5, 0.125, 0.375]
    """
    ones, ending = jnp.broadcast_arrays(ones, ending)
    inner = ones.shape[-1]
    depth = tree_depth(2 * inner + 1)
    weights = jnp.ones((*ones.shape[:-1], 1), ones.dtype)
    layers = []
    for layer in range(depth - 1):
        here = slice(2**layer - 1, 2 ** (layer + 1) - 1)
        b, e = ones[..., here], ending[..., here]
        layers.append(weights * e)
        children = (weights * (1 - e))[..., None] * jnp.stack([1 - b, b], axis=-1)
        weights = children.reshape(*children.shape[:-2], -1)
    return jnp.concatenate([*layers, weights], axis=-1)


def pruned(leaves: Float[Array, "*batch leaf"]) -> Float[jax.Array, "*batch pruned"]:
    """The leaf weights after the last layer is cut off.

    Formula: leaf j of layer d - 1 absorbs leaves 2 j and 2 j + 1 of layer d. Shapes:
    [..., 2^d - 1] -> [..., 2^(d-1) - 1]. Domain: d >= 2. Raises ValueError otherwise.
    Source: derived, elasticity notes 1.2.

    >>> pruned(jnp.array([0.5, 0.125, 0.375])).tolist()
    [1.0]
    """
    leaves = jnp.asarray(leaves)
    depth = tree_depth(leaves.shape[-1])
    if depth < 2:
        raise ValueError("a tree of one layer has nothing to prune")
    kept = leaf_count(depth - 1)
    above, last = jnp.split(leaves[..., :kept], [kept // 2], axis=-1)
    below = leaves[..., kept:].reshape(*leaves.shape[:-1], -1, 2)
    return jnp.concatenate([above, last + jnp.sum(below, axis=-1)], axis=-1)


def pushforward(
    leaves: Float[Array, "*batch leaf"], depth: int
) -> Float[jax.Array, "*batch pruned"]:
    """The leaf weights of the same law in a tree of fewer layers: subtrees are summed.

    Formula: `pruned` again and again: the marginal of the first `depth` layers. Shapes:
    [..., 2^D - 1] -> [..., 2^d - 1]. Domain: 1 <= d <= D. Raises ValueError otherwise.
    Source: derived, elasticity notes 2.7 and 4.

    >>> pushforward(jnp.full(7, 1 / 7), 1).shape
    (1,)
    """
    leaves = jnp.asarray(leaves)
    deepest = tree_depth(leaves.shape[-1])
    if not 1 <= depth <= deepest:
        raise ValueError(f"depth={depth} must be in [1, {deepest}], the tree's layers")
    for _ in range(deepest - depth):
        leaves = pruned(leaves)
    return leaves


def node_weights(
    leaves: Float[Array, "*batch leaf"],
) -> Float[jax.Array, "*batch leaf"]:
    """The weight of every node: the probability that a response passes through it.

    Formula: an inner node weighs its end leaf and its two children; a node of layer d
    is its leaf. Shapes: [..., 2^d - 1], both in the order of the leaves. Source: Ji et
    al. 2025, Definition 3.1.

    >>> node_weights(jnp.array([0.5, 0.125, 0.375])).tolist()
    [1.0, 0.125, 0.375]
    """
    leaves = jnp.asarray(leaves)
    layers = []
    for depth in range(tree_depth(leaves.shape[-1]), 0, -1):
        layers.append(leaves[..., 2 ** (depth - 1) - 1 :])
        leaves = pruned(leaves) if depth > 1 else leaves
    return jnp.concatenate(layers[::-1], axis=-1)


def conditionals(
    leaves: Float[Array, "*batch leaf"],
) -> tuple[Float[jax.Array, "*batch inner"], Float[jax.Array, "*batch inner"]]:
    """The law at every inner node, from the leaf weights: (ones, ending).

    Formula: ending = leaf / node, ones = child 1 / (child 0 + child 1); 1/2 where that
    is 0/0. The inverse of `explicit_leaves`. Shapes: [..., 2^d - 1] -> two of [...,
    2^(d-1) - 1]. Source: derived, elasticity notes 1.2.

    >>> [float(part[0]) for part in conditionals(jnp.array([0.5, 0.125, 0.375]))]
    [0.75, 0.5]
    """
    leaves, nodes = jnp.asarray(leaves), node_weights(leaves)
    inner = leaves.shape[-1] // 2
    children = nodes[..., 1:].reshape(*nodes.shape[:-1], inner, 2)
    ones = _share(children[..., 1], jnp.sum(children, axis=-1))
    return ones, _share(leaves[..., :inner], nodes[..., :inner])


def binarised(
    masses: tuple[Float[Array, "*#batch _"], ...], vocabulary: int
) -> Float[jax.Array, "*batch leaf"]:
    """The token tree of responses over a vocabulary of 2^b tokens, written in bits.

    `masses[t]` [..., V^t] holds the probabilities of the responses of t tokens, the
    first token the most significant digit; all of them sum to 1. Formula: they are the
    leaves of layer b t + 1, and no response ends inside a token. Shapes: -> [...,
    2^(b T + 1) - 1], T the longest. Domain: V = 2^b >= 2. Raises ValueError for another
    V or another number of sequences. Source: derived, elasticity notes 1.2.

    >>> binarised((jnp.array([0.5]), jnp.array([0.0, 0.125, 0.25, 0.125])), 4).tolist()
    [0.5, 0.0, 0.0, 0.0, 0.125, 0.25, 0.125]
    """
    if vocabulary < 2 or vocabulary.bit_count() != 1:
        raise ValueError(f"vocabulary={vocabulary} must be 2**bits >= 2")
    counts = [jnp.shape(mass)[-1] for mass in masses]
    if counts != [vocabulary**length for length in range(len(masses))]:
        raise ValueError(f"masses[t] must have {vocabulary}**t entries, not {counts}")
    batch = jnp.broadcast_shapes(*(jnp.shape(mass)[:-1] for mass in masses))
    layers: list[jax.Array] = []
    for mass in masses:
        held = jnp.broadcast_to(jnp.asarray(mass), (*batch, jnp.shape(mass)[-1]))
        empty = held.shape[-1] - 1 - sum(layer.shape[-1] for layer in layers)
        layers += [jnp.zeros((*batch, empty), held.dtype), held]
    return jnp.concatenate(layers, axis=-1)


def _share(part: jax.Array, whole: jax.Array) -> jax.Array:
    """Part / whole, 1/2 where the whole is 0."""
    held = whole > 0
    return jnp.where(held, part / jnp.where(held, whole, 1.0), 0.5)
