"""Probabilities as whole numbers, the same wherever the same program runs."""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.coding.arithmetic import TOTAL_BITS

MOST_SYMBOLS = 2 ** (TOTAL_BITS // 2 - 1)
"""More symbols would leave too little for the probabilities."""


def cumulative_frequencies(
    logits: Float[jax.Array, "*batch v"],
) -> Int[jax.Array, "*batch edges"]:
    """The edges 0 = c_0 < c_1 < ... < c_v = 2^24 of every symbol's interval.

    Formula: f_i = 1 + floor(p_i (2^24 - v)), p = softmax(logits); what is left goes to
    the most probable symbol. Hence f_i / 2^24 >= p_i (1 - v / 2^24) up to rounding: see
    `quantisation_bits`. Logits of -inf give frequency 1; a NaN gives edges that do not
    rise. Shapes: [..., v] -> [..., v + 1]. Domain: v <= MOST_SYMBOLS, float32 logits.

    >>> edges = cumulative_frequencies(jnp.array([0.0, -jnp.inf]))
    >>> edges.tolist() == [0, 2**24 - 1, 2**24]
    True
    """
    symbols = logits.shape[-1]
    total = 1 << TOTAL_BITS
    probabilities = jax.nn.softmax(logits, axis=-1)
    known = jnp.all(probabilities >= 0, axis=-1, keepdims=True)
    shares = jnp.floor(jnp.where(known, probabilities, 0.0) * (total - symbols))
    frequencies = 1 + shares.astype(jnp.int32)
    left = total - jnp.sum(frequencies, axis=-1, keepdims=True)
    best = jnp.argmax(probabilities, axis=-1, keepdims=True)
    frequencies = frequencies + jnp.where(jnp.arange(symbols) == best, left, 0)
    edges = jnp.cumsum(jnp.where(known, frequencies, 0), axis=-1)
    return jnp.concatenate([jnp.zeros_like(edges[..., :1]), edges], axis=-1)


def quantisation_bits(symbols: int) -> float:
    """The most that whole frequencies cost, bits per symbol of a message.

    Formula: -log2(1 - v / 2^24), plus what float32 rounds off: the softmax of logits
    that span 80 nats is right to 80 eps, that of sums and products to some eps.

    >>> print(f"{quantisation_bits(256):.6f}")
    0.000039
    """
    rounding = 100 * 2.0**-23
    return -math.log2(1 - symbols / 2**TOTAL_BITS) + rounding * math.log2(math.e)
