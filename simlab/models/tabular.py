"""A softmax of one free logit a prefix and output: the class that can be anything."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models.protocol import Params


@dataclass(frozen=True)
class Tabular:
    """One row of logits a prefix: realises every conditional law of positive entries.

    Parameters: {"logits": [contexts, nodes, vocabulary]}, where the nodes of a context
    are its prefixes, shorter ones first: nodes = 1 + vocabulary + ... +
    vocabulary ** (length - 1).

    >>> Tabular(vocabulary=2, contexts=3, length=2).nodes
    3
    """

    vocabulary: int
    contexts: int
    length: int

    @property
    def nodes(self) -> int:
        """The number of prefixes of one context."""
        return sum(self.vocabulary**depth for depth in range(self.length))

    def init(self, key: jax.Array) -> Params:
        """Near-uniform logits, standard deviation 0.01."""
        shape = (self.contexts, self.nodes, self.vocabulary)
        return {"logits": 0.01 * jax.random.normal(key, shape)}

    def apply(
        self, params: Params, tokens: Int[jax.Array, "batch length"]
    ) -> Float[jax.Array, "batch length vocabulary"]:
        """The row of logits of every prefix: a look-up."""
        context = tokens[:, 0] - self.vocabulary
        first_node, code = 0, jnp.zeros_like(context)
        rows = []
        for depth in range(tokens.shape[1]):
            if depth:
                first_node += self.vocabulary ** (depth - 1)
                code = code * self.vocabulary + tokens[:, depth]
            rows.append(params["logits"][context, first_node + code])
        return jnp.stack(rows, axis=1)
