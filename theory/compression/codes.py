"""Lengths of codewords and what they cost on average; the unit here is the bit."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from theory.information import entropy
from theory.numerics import safe_log, weighted_sum
from theory.typing import Array
from theory.units import to_bits

GALLAGER = 1 - math.log2(math.e) + math.log2(math.log2(math.e))
"""0.0861 bits: what Huffman's code wastes on many light leaves, at worst."""

Lengths = Float[Array, "*#batch leaf"] | Int[Array, "*#batch leaf"]
"""Bits of every leaf's codeword; inf where a leaf has none."""


def ideal_lengths(
    weights: Float[Array, "*batch leaf"],
) -> Float[jax.Array, "*batch leaf"]:
    """The lengths of an ideal code, that no prefix code beats on average.

    Formula: -log2 p; inf where p = 0. Shapes: [..., M]. Unit: bits. Domain: p in
    [0, 1]. Source: standard (Shannon 1948).

    >>> ideal_lengths(jnp.array([0.5, 0.25, 0.25])).tolist()
    [1.0, 2.0, 2.0]
    """
    return -to_bits(safe_log(weights))


def shannon_lengths(
    weights: Float[Array, "*batch leaf"],
) -> Float[jax.Array, "*batch leaf"]:
    """The whole lengths of Shannon's code; they always fit a prefix code.

    Formula: ceil(-log2 p) = 1 - e for p = m 2^e, 1/2 <= m < 1, so without rounding;
    inf where p = 0. Piecewise constant: no gradient passes. Shapes: [..., M]. Unit:
    bits. Domain: p in [0, 1]. Source: standard (Shannon 1948).

    >>> shannon_lengths(jnp.array([0.5, 0.3, 0.2])).tolist()
    [1.0, 2.0, 3.0]
    """
    held = jax.lax.stop_gradient(jnp.asarray(weights))
    positive = held > 0
    _, exponents = jnp.frexp(jnp.where(positive, held, 1.0))
    return jnp.where(positive, (1 - exponents).astype(held.dtype), jnp.inf)


def arithmetic_lengths(
    weights: Float[Array, "*batch leaf"],
) -> Float[jax.Array, "*batch leaf"]:
    """The bits that name any interval of size p: an arithmetic coder's.

    Formula: ceil(-log2 p) + 1 < -log2 p + 2, p the probability of the whole message;
    prefix-free. Exact arithmetic is meant: registers of finite width waste more.
    Shapes: [..., M]. Unit: bits; inf where p = 0. Source: standard (Shannon, Fano,
    Elias).

    >>> arithmetic_lengths(jnp.array([0.5, 0.3, 0.2])).tolist()
    [2.0, 3.0, 4.0]
    """
    return shannon_lengths(weights) + 1


def arithmetic_bounds(
    weights: Float[Array, "*batch leaf"],
) -> tuple[Float[jax.Array, "*batch leaf"], Float[jax.Array, "*batch leaf"]]:
    """Lower and upper bound on the length of an arithmetic code, for every message.

    Formula: -log2 q <= length <= -log2 q + 2; the lower end is that of the expectation
    over q, a single message may beat it. Shapes: [..., M] -> two of it. Unit: bits.
    Domain: q > 0, exact arithmetic. Source: standard; derived, elasticity notes 4.

    >>> [float(bound[0]) for bound in arithmetic_bounds(jnp.array([0.25]))]
    [2.0, 4.0]
    """
    ideal = ideal_lengths(weights)
    return ideal, ideal + 2


def kraft_sum(lengths: Lengths) -> Float[jax.Array, "*batch"]:
    """How full a code is: at most 1 for a prefix code, 1 for one without waste.

    Formula: sum_x 2^-length(x), a leaf without a codeword counting 0. Shapes: [..., M]
    -> [...]. Source: standard (Kraft 1949).

    >>> float(kraft_sum(jnp.array([1, 2, 2])))
    1.0
    """
    return jnp.sum(jnp.exp2(-jnp.asarray(lengths) * 1.0), axis=-1)


def expected_length(
    weights: Float[Array, "*#batch leaf"], lengths: Lengths
) -> Float[jax.Array, "*batch"]:
    """The mean number of bits a leaf; inf if a leaf that occurs has no codeword.

    Formula: sum_x p(x) length(x), leaves of weight 0 counting 0. Shapes: [..., M],
    [..., M] -> [...]. Unit: bits a block. Source: standard.

    >>> float(expected_length(jnp.array([0.5, 0.25, 0.25]), jnp.array([1, 2, 2])))
    1.5
    """
    weights = jnp.asarray(weights)
    return weighted_sum(weights, jnp.asarray(lengths).astype(weights.dtype))


def entropy_bits(weights: Float[Array, "*batch leaf"]) -> Float[jax.Array, "*batch"]:
    """The least mean number of bits a leaf that any prefix code can have.

    Formula: H = -sum_x p log2 p. Shapes: [..., M] -> [...]. Unit: bits a block. Source:
    standard (Shannon 1948).

    >>> float(entropy_bits(jnp.array([0.5, 0.25, 0.25])))
    1.5
    """
    return to_bits(entropy(weights))


def huffman_bound(weights: Float[Array, "*batch leaf"]) -> Float[jax.Array, "*batch"]:
    """Upper bound on the mean length of Huffman's code, valid for every law.

    Formula: H + min(1, p_max + 0.0861), the constant 1 - log2 e + log2 log2 e. Shapes:
    [..., M] -> [...]. Unit: bits a block. Source: standard (Gallager 1978, Shannon
    1948); derived, elasticity notes 1.4.

    >>> print(f"{float(huffman_bound(jnp.full(4, 0.25))):.4f}")
    2.3361
    """
    largest = jnp.max(jnp.asarray(weights), axis=-1)
    return entropy_bits(weights) + jnp.minimum(1.0, largest + GALLAGER)


def double_ceiling(
    weights: Float[Array, "*batch leaf"], blocks: int = 1
) -> Float[jax.Array, "*batch"]:
    """The code length that Theorem 3.4 prints; true within a factor of 2, not exactly.

    Formula: B ceil(H), B = ceil(|x| / d) blocks of a response of |x| tokens (`blocks`).
    The mean length E of Huffman's code has H <= E <= H + 1, hence |E - ceil H| <= 1 and
    E <= 2 ceil H <= 4 E where H > 0; E may lie on either side of ceil H. An entropy
    that is whole up to rounding counts as whole. Shapes: [..., M] -> [...]. Unit: bits.
    Source: Ji et al. 2025, Theorem 3.4, false as printed; derived, elasticity
    notes 1.4.

    >>> float(double_ceiling(jnp.array([0.85, 0.05, 0.05, 0.05])))
    1.0
    """
    value = entropy_bits(weights)
    rounding = 32 * float(np.finfo(value.dtype).eps)
    return blocks * jnp.ceil(value - rounding * jnp.maximum(1.0, value))


def block_count(length: int, depth: int) -> int:
    """The number of blocks of d tokens that a response of |x| tokens needs.

    Formula: ceil(|x| / d). Domain: |x| >= 0, d >= 1. Raises ValueError otherwise.
    Source: Ji et al. 2025, Theorem 3.4.

    >>> block_count(10, 4)
    3
    """
    if length < 0 or depth < 1:
        raise ValueError(f"length={length} must be >= 0 and depth={depth} >= 1")
    return -(-length // depth)
