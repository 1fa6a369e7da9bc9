"""A finite data set as a source: its rows, drawn with equal probability."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from simlab.sources.protocol import Leaf, LogProbs, Tokens


@functools.partial(
    jax.tree_util.register_dataclass, data_fields=["rows"], meta_fields=[]
)
@dataclass(frozen=True)
class DatasetSource:
    """The empirical law of `rows` [n, 1 + length], for example a model's own answers.

    The probability of a row is the share of equal rows, so it is the law of the file,
    not of what the file was drawn from.
    """

    rows: Leaf

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws rows with replacement."""
        rows: jax.Array = self.rows
        return rows[jax.random.randint(key, (count,), 0, len(rows))]

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log of the share of rows with this context."""
        return jnp.log(jnp.mean(same_context(tokens, self.rows), axis=-1))

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log of the share of equal rows among those with this context."""
        context = same_context(tokens, self.rows)
        equal = jnp.all(tokens[:, None, :] == self.rows, axis=-1)
        return jnp.log(jnp.sum(equal, axis=-1)) - jnp.log(jnp.sum(context, axis=-1))


def same_context(tokens: Tokens, rows: Leaf) -> Bool[jax.Array, "_ n"]:
    """Which of the rows [n, 1 + length] has the context of each of the tokens."""
    same: jax.Array = tokens[:, None, 0] == rows[:, 0]
    return same
