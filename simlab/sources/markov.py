"""Sequences of any length from one Markov chain a context."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simlab.sources.protocol import Leaf, LogProbs, Tokens, inverse_cdf


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["contexts", "initial", "transition"],
    meta_fields=["length"],
)
@dataclass(frozen=True)
class MarkovSource:
    """Context x from mu, then y_1 from initial[x], y_{t+1} from transition[x, y_t].

    Shapes: contexts [x], initial [x, v], transition [x, v, v]; rows sum to 1.
    """

    contexts: Leaf
    initial: Leaf
    transition: Leaf
    length: int

    @property
    def vocabulary(self) -> int:
        """The number of output tokens."""
        return int(self.initial.shape[-1])

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws token by token: length + 1 random numbers a sequence."""
        uniform = jax.random.uniform(key, (self.length + 1, count))
        marginal = jnp.broadcast_to(
            jnp.cumsum(self.contexts), (count, self.contexts.shape[-1])
        )
        context = inverse_cdf(marginal, uniform[0])
        first = inverse_cdf(jnp.cumsum(self.initial, -1)[context], uniform[1])
        cumulative = jnp.cumsum(self.transition, -1)[context]
        rows = jnp.arange(count)

        def step(token: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
            following = inverse_cdf(cumulative[rows, token], draw)
            return following, following

        _, rest = jax.lax.scan(step, first, uniform[2:])
        head = jnp.stack([self.vocabulary + context, first])
        return jnp.concatenate([head, rest]).T

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log mu(context): a look-up."""
        return jnp.log(self.contexts[tokens[:, 0] - self.vocabulary])

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(outputs | context) = log initial + sum of log transitions."""
        context, outputs = tokens[:, 0] - self.vocabulary, tokens[:, 1:]
        start = jnp.log(self.initial[context, outputs[:, 0]])
        moves = self.transition[context[:, None], outputs[:, :-1], outputs[:, 1:]]
        return start + jnp.sum(jnp.log(moves), axis=1)
