"""What a source is: something to draw sequences from, that knows their probability."""

from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

Tokens = Int[jax.Array, "_ width"]
"""Rows of one context token, `vocabulary + x`, and then `length` outputs."""

LogProbs = Float[jax.Array, " _"]
"""One log-probability a row, in nats per sequence."""


Leaf = Any
"""A field of a source: an array, or what JAX puts in its place while it transforms."""


@runtime_checkable
class Source(Protocol):
    """A joint law of contexts and output sequences; a pytree, so it can be traced."""

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Independent draws of (context, outputs)."""

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log mu(context)."""

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(outputs | context)."""


@runtime_checkable
class Enumerable(Source, Protocol):
    """A source small enough to list."""

    def joint(self) -> Float[jax.Array, "x y"]:
        """mu(x) p(y|x); column y holds the sequence of base-vocabulary code y."""


def inverse_cdf(
    cumulative: Float[jax.Array, "*batch k"], uniform: Float[jax.Array, "*batch"]
) -> Int[jax.Array, "*batch"]:
    """The category in which a uniform draw falls; never one of probability zero.

    Formula: min{i : u * c_k < c_i}. Domain: cumulative sums c_1 .. c_k, u in [0, 1).

    >>> int(inverse_cdf(jnp.array([0.0, 0.5, 1.0, 1.0]), jnp.array(0.7)))
    2
    """
    scaled = uniform * cumulative[..., -1]
    index = jnp.sum(scaled[..., None] >= cumulative, axis=-1)
    # In low precision u * c_k can round up to c_k: take the last category with mass.
    last = jnp.sum(cumulative < cumulative[..., -1:], axis=-1)
    return jnp.minimum(index, last)


def bisected(
    cumulative: Leaf, uniform: Float[jax.Array, " draws"]
) -> Int[jax.Array, " draws"]:
    """`inverse_cdf` of many draws from one law, by bisection; cumulative [k].

    >>> bisected(jnp.array([0.0, 0.5, 1.0, 1.0]), jnp.array([0.2, 0.7])).tolist()
    [1, 2]
    """
    index = jnp.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    # As there: a draw can round up to the total.
    last = jnp.searchsorted(cumulative, cumulative[-1], side="left")
    return jnp.minimum(index, last)
