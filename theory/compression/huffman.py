"""Huffman's code, twice: with a heap for large trees, and as a loop that jit compiles.

Both merge the two lightest groups of leaves again and again; of equally light groups
the one with the smallest leaf goes first, so that both give the same lengths. A leaf of
weight 0 gets a codeword too: drop it beforehand where it needs none.
"""

import heapq

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from theory.typing import Array


def huffman_lengths(
    weights: Float[Array, "*batch leaf"],
) -> Int[np.ndarray, "*batch leaf"]:
    """The lengths of Huffman's codewords, computed on the host.

    Formula: the two lightest groups merge, and their leaves grow by one bit, until one
    group is left: the least sum_x p(x) length(x) of all prefix codes. Shapes: [..., M],
    batch and all. Unit: bits; 0 at M = 1. Domain: weights >= 0. Cost: M log M a law.
    Source: standard (Huffman 1952); Ji et al. 2025, Definition 3.3.

    >>> huffman_lengths(np.array([0.5, 0.25, 0.125, 0.125])).tolist()
    [1, 2, 3, 3]
    """
    table = np.asarray(weights)
    rows = [_heap_lengths(row.tolist()) for row in table.reshape(-1, table.shape[-1])]
    return np.array(rows, np.int64).reshape(table.shape)


def _heap_lengths(weights: list[float]) -> list[int]:
    """The lengths of one law: a heap of (weight, smallest leaf, node), then depths."""
    count = len(weights)
    parents = [0] * (2 * count - 1)
    heap = [(weight, leaf, leaf) for leaf, weight in enumerate(weights)]
    heapq.heapify(heap)
    for node in range(count, 2 * count - 1):
        light, first, left = heapq.heappop(heap)
        heavy, second, right = heapq.heappop(heap)
        parents[left] = parents[right] = node
        heapq.heappush(heap, (light + heavy, min(first, second), node))
    depths = [0] * (2 * count - 1)
    for node in range(2 * count - 3, -1, -1):
        depths[node] = depths[parents[node]] + 1
    return depths[:count]


def huffman_lengths_small(
    weights: Float[Array, "*batch leaf"],
) -> Int[jax.Array, "*batch leaf"]:
    """The lengths of Huffman's codewords, for batches of small laws under jit.

    Formula: as `huffman_lengths`, M - 1 merges of all laws at once. Shapes: [..., M].
    Unit: bits. Domain: finite weights >= 0. Cost: M^2 a law. Piecewise constant: no
    gradient passes. Source: standard (Huffman 1952).

    >>> huffman_lengths_small(jnp.array([0.5, 0.25, 0.125, 0.125])).tolist()
    [1, 2, 3, 3]
    """
    held = jax.lax.stop_gradient(jnp.asarray(weights))
    # A group is named by its smallest leaf, whose place holds its weight.
    groups = jnp.broadcast_to(jnp.arange(held.shape[-1]), held.shape)
    start = (held, groups, jnp.zeros_like(groups))
    state, _ = jax.lax.scan(_merged, start, None, length=held.shape[-1] - 1)
    return state[2]


def _merged(
    state: tuple[jax.Array, jax.Array, jax.Array], _: None
) -> tuple[tuple[jax.Array, jax.Array, jax.Array], None]:
    """The weights of groups, every leaf's group and length, after one more merge."""
    masses, groups, lengths = state
    places = jnp.arange(masses.shape[-1])
    light = jnp.argmin(masses, axis=-1, keepdims=True)
    others = jnp.where(places == light, jnp.inf, masses)
    heavy = jnp.argmin(others, axis=-1, keepdims=True)
    kept, gone = jnp.minimum(light, heavy), jnp.maximum(light, heavy)
    both = jnp.min(masses, -1, keepdims=True) + jnp.min(others, -1, keepdims=True)
    masses = jnp.where(places == kept, both, masses)
    masses = jnp.where(places == gone, jnp.inf, masses)
    merged = (groups == kept) | (groups == gone)
    return (masses, jnp.where(merged, kept, groups), lengths + merged), None
