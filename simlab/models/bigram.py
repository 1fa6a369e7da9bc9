"""A table of next tokens: the class that cannot remember its source."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models.protocol import Params


@dataclass(frozen=True)
class Bigram:
    """One row of logits a context and previous token: realises every Markov chain.

    Parameters: {"first": [contexts, vocabulary], "rows": [contexts, vocabulary (from),
    vocabulary (to)]}. The first output is told by the context alone, a later one by the
    context and the output just before it, at whatever position.

    >>> Bigram(vocabulary=2, contexts=3, length=5).init(jax.random.key(0))["rows"].shape
    (3, 2, 2)
    """

    vocabulary: int
    contexts: int
    length: int

    def init(self, key: jax.Array) -> Params:
        """Near-uniform logits, standard deviation 0.01."""
        key_first, key_rows = jax.random.split(key)
        shape = (self.contexts, self.vocabulary)
        return {
            "first": 0.01 * jax.random.normal(key_first, shape),
            "rows": 0.01 * jax.random.normal(key_rows, (*shape, self.vocabulary)),
        }

    def apply(
        self, params: Params, tokens: Int[jax.Array, "batch length"]
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """The row of logits of every context and previous output: two look-ups."""
        context = tokens[:, :1] - self.vocabulary
        first = params["first"][context]
        later = params["rows"][context, tokens[:, 1:]]
        return jnp.concatenate([first, later], axis=1)
