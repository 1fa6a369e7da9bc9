"""Nats and bits, tokens and sequences: the only log(2) for units in the project."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from theory.typing import Array, Nats, Scalar

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Lengths = Number | Int[Array, "*#batch"]
"""Numbers of tokens, a sequence each, that broadcast against the values."""


def to_bits(nats: Scalar) -> Nats:
    """The same information in bits.

    Formula: nats / log 2. Shape: any. Source: standard.

    >>> print(f"{float(to_bits(1.0)):.6f}")
    1.442695
    """
    return jnp.asarray(nats) / jnp.log(2.0)


def to_nats(bits: Scalar) -> Nats:
    """The same information in nats.

    Formula: bits * log 2. Shape: any. Source: standard.

    >>> print(f"{float(to_nats(1.0)):.6f}")
    0.693147
    """
    return jnp.asarray(bits) * jnp.log(2.0)


def per_token(value: Number, length: Lengths) -> Float[jax.Array, "*batch"]:
    """A quantity per sequence as a quantity per token.

    Formula: value / length. Shape: any, broadcast. Domain: length >= 1. Source:
    standard.

    >>> float(per_token(6.0, 3))
    2.0
    """
    return jnp.asarray(value) / jnp.asarray(length)


def per_sequence(value: Number, length: Lengths) -> Float[jax.Array, "*batch"]:
    """A quantity per token as a quantity per sequence.

    Formula: value * length. Shape: any, broadcast. Domain: length >= 1. Source:
    standard.

    >>> float(per_sequence(2.0, 3))
    6.0
    """
    return jnp.asarray(value) * jnp.asarray(length) * 1.0
