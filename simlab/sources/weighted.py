"""A finite data set whose rows count differently."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simlab.sources.dataset import same_context
from simlab.sources.protocol import Leaf, LogProbs, Tokens, bisected


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
        uniform = jax.random.uniform(key, (count,))
        return rows[bisected(jnp.cumsum(self.weights), uniform)]

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log of the weight of rows with this context, as a share of all weight."""
        share = jnp.sum(same_context(tokens, self.rows) * self.weights, axis=-1)
        return jnp.log(share) - jnp.log(jnp.sum(self.weights))

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log of the weight of equal rows among those with this context."""
        context = jnp.sum(same_context(tokens, self.rows) * self.weights, axis=-1)
        equal = jnp.all(tokens[:, None, :] == self.rows, axis=-1)
        return jnp.log(jnp.sum(equal * self.weights, axis=-1)) - jnp.log(context)
