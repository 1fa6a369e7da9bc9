"""A finite data set whose rows count differently."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simlab.sources.protocol import Leaf, LogProbs, Tokens


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["rows", "weights"], meta_fields=[]
)
@dataclass(frozen=True)
class WeightedRows:
    """The law that draws row i of `rows` [n, 1 + length] in proportion to `weights`.

    Weights [n] are >= 0, one of them > 0; a row of weight 0 is never drawn, so data
    sets of several sizes share a shape.
    """

    rows: Leaf
    weights: Leaf

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws rows with replacement."""
        rows: jax.Array = self.rows
        cumulative = jnp.cumsum(self.weights)
        scaled = jax.random.uniform(key, (count,)) * cumulative[-1]
        drawn = jnp.searchsorted(cumulative, scaled, side="right")
        # A draw can round up to the total: the last row that has weight.
        last = jnp.searchsorted(cumulative, cumulative[-1], side="left")
        return rows[jnp.minimum(drawn, last)]

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log of the weight of rows with this context, as a share of all weight."""
        share = jnp.sum(self._same_context(tokens) * self.weights, axis=-1)
        return jnp.log(share) - jnp.log(jnp.sum(self.weights))

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log of the weight of equal rows among those with this context."""
        context = jnp.sum(self._same_context(tokens) * self.weights, axis=-1)
        equal = jnp.all(tokens[:, None, :] == self.rows, axis=-1)
        return jnp.log(jnp.sum(equal * self.weights, axis=-1)) - jnp.log(context)

    def _same_context(self, tokens: Tokens) -> jax.Array:
        same: jax.Array = tokens[:, None, 0] == self.rows[:, 0]
        return same
