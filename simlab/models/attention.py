"""Rotary positions and causal attention, in the precision of what they are given.

Shape suffixes: B batch, L position (M the attended one), H head, K width of a head.
"""

import math

import jax
import jax.numpy as jnp


def rotated(x_BLHK: jax.Array) -> jax.Array:
    """Rotary positions: pair (i, i + K/2) at position l turns by l * 10000^(-2i/K)."""
    length, half = x_BLHK.shape[1], x_BLHK.shape[3] // 2
    rate = 10_000.0 ** (-jnp.arange(half) / half)
    angle = (jnp.arange(length)[:, None] * rate)[:, None, :]
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    first, second = x_BLHK[..., :half], x_BLHK[..., half:]
    turned = first * cos - second * sin, first * sin + second * cos
    return jnp.concatenate(turned, axis=-1).astype(x_BLHK.dtype)


def causal_attention(
    q_BLHK: jax.Array, k_BLHK: jax.Array, v_BLHK: jax.Array
) -> jax.Array:
    """Causal softmax attention in the precision of its inputs.

    The softmax is taken in float32 at the least, in float64 for float64;
    `jax.nn.dot_product_attention` takes it in float32 whatever they are.
    """
    wide = jnp.promote_types(q_BLHK.dtype, jnp.float32)
    scores_BHLL = jnp.einsum(
        "BLHK,BMHK->BHLM", q_BLHK, k_BLHK, preferred_element_type=wide
    )
    scores_BHLL = scores_BHLL / math.sqrt(q_BLHK.shape[-1])
    past_LL = jnp.tril(jnp.ones(scores_BHLL.shape[-2:], bool))
    weights_BHLL = jax.nn.softmax(jnp.where(past_LL, scores_BHLL, -jnp.inf), axis=-1)
    weights_BHLL = weights_BHLL.astype(v_BLHK.dtype)
    return jnp.einsum("BHLM,BMHK->BLHK", weights_BHLL, v_BLHK)
