"""Sequences drawn from an explicit table: one random number a sequence."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from simlab.sources.protocol import Leaf, LogProbs, Tokens, bisected

_Floats = jax.Array | np.ndarray


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["cumulative", "log_contexts", "log_outputs"],
    meta_fields=["vocabulary", "length"],
)
@dataclass(frozen=True)
class TabularSource:
    """The law mu(x) p(y|x) over contexts and vocabulary ** length sequences.

    Column y of a table is the sequence whose base-`vocabulary` digits are its tokens,
    most significant first. Build it with `from_table`; the fields are its cumulative
    joint law [x * y] and the logarithms of mu [x] and p [x, y].
    """

    cumulative: Leaf
    log_contexts: Leaf
    log_outputs: Leaf
    vocabulary: int
    length: int

    @classmethod
    def from_table(
        cls,
        contexts: Float[_Floats, "*batch x"],
        outputs: Float[_Floats, "*batch x y"],
        *,
        vocabulary: int,
        length: int,
    ) -> "TabularSource":
        """A source (or a batch of them) from mu [x] and p [x, y].

        Errors: ValueError when y is not vocabulary ** length.
        """
        cells = vocabulary**length
        if outputs.shape[-1] != cells:
            raise ValueError(
                f"outputs has {outputs.shape[-1]} columns, must be vocabulary ** length"
                f" = {vocabulary} ** {length} = {cells}; is the table one of tokens?"
            )
        # Host double precision: a float32 running sum of many cells would lose some.
        mu, table = np.asarray(contexts, float), np.asarray(outputs, float)
        joint = mu[..., None] * table
        cumulative = np.cumsum(joint.reshape(*joint.shape[:-2], -1), axis=-1)
        with np.errstate(divide="ignore"):
            log_contexts, log_outputs = np.log(mu), np.log(table)
        return cls(
            jnp.asarray(cumulative, jnp.float32),
            jnp.asarray(log_contexts, jnp.float32),
            jnp.asarray(log_outputs, jnp.float32),
            vocabulary,
            length,
        )

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws by the inverse of the joint cumulative sum."""
        cell = bisected(self.cumulative, jax.random.uniform(key, (count,)))
        context, code = jnp.divmod(cell, self.vocabulary**self.length)
        outputs = code[:, None] // self._powers() % self.vocabulary
        return jnp.concatenate([self.vocabulary + context[:, None], outputs], axis=1)

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log mu(context): a look-up."""
        log_contexts: jax.Array = self.log_contexts
        return log_contexts[tokens[:, 0] - self.vocabulary]

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(outputs | context): a look-up."""
        code = jnp.sum(tokens[:, 1:] * self._powers(), axis=1)
        log_outputs: jax.Array = self.log_outputs
        return log_outputs[tokens[:, 0] - self.vocabulary, code]

    def joint(self) -> Float[jax.Array, "x y"]:
        """mu(x) p(y|x), of every context and sequence."""
        joint: jax.Array = jnp.exp(self.log_contexts[:, None] + self.log_outputs)
        return joint

    def _powers(self) -> jax.Array:
        return self.vocabulary ** jnp.arange(self.length - 1, -1, -1)
