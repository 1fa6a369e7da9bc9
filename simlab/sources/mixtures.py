"""A source that first tosses a coin for which of two sources speaks."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simlab.sources.protocol import Leaf, LogProbs, Tokens


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["first", "second", "share"],
    meta_fields=[],
)
@dataclass(frozen=True)
class MixtureSource:
    """D = share * D_first + (1 - share) * D_second over (context, outputs).

    `first` and `second` are sources of one vocabulary and length; share is in (0, 1).
    """

    first: Leaf
    second: Leaf
    share: Leaf

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws from both, of which one is kept for each row."""
        key_coin, key_first, key_second = jax.random.split(key, 3)
        return jnp.where(
            jax.random.uniform(key_coin, (count, 1)) < self.share,
            self.first.sample(key_first, count),
            self.second.sample(key_second, count),
        )

    def log_context(self, tokens: Tokens) -> LogProbs:
        """log(share mu_first + (1 - share) mu_second)."""
        return jnp.logaddexp(*self._log_contexts(tokens))

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(outputs | context), by the posterior of the source in that context."""
        log_first, log_second = self._log_contexts(tokens)
        joint = jnp.logaddexp(
            log_first + self.first.log_prob(tokens),
            log_second + self.second.log_prob(tokens),
        )
        return joint - jnp.logaddexp(log_first, log_second)

    def _log_contexts(self, tokens: Tokens) -> tuple[LogProbs, LogProbs]:
        return (
            jnp.log(self.share) + self.first.log_context(tokens),
            jnp.log1p(-self.share) + self.second.log_context(tokens),
        )
