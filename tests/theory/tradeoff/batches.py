"""Big batches of random cases of one shape: four kinds, thousands of worlds each."""

import jax
import jax.numpy as jnp

from theory.laws import Law, World
from theory.ledger import Case
from theory.tradeoff import mixture_posterior

WORLDS, CONTEXTS, OUTPUTS = 3000, 3, 4
# Spread of the logits: ratios of probabilities up to about e^6, e^12, e^25, e^80.
KINDS = {"dense": 1.0, "sparse": 2.0, "heavy_tailed": 4.0, "near_degenerate": 12.0}


def cases(kind: str, seed: int, count: int = WORLDS) -> Case:
    """Random worlds, policies near and far from the best one, penalties e^-4 to e^4.

    Sparse ones lose each context and output with probability 1/3.
    """
    keys = iter(jax.random.split(jax.random.key(seed), 12))

    def rows(*shape: int) -> jax.Array:
        logits = KINDS[kind] * jax.random.normal(next(keys), (count, *shape))
        if kind == "sparse":
            likeliest = logits == logits.max(-1, keepdims=True)
            kept = jax.random.bernoulli(next(keys), 2 / 3, logits.shape) | likeliest
            logits = jnp.where(kept, logits, -jnp.inf)
        return jax.nn.softmax(logits, axis=-1)

    if kind == "sparse":  # twice the keys: one for the numbers, one for the zeros
        keys = iter(jax.random.split(jax.random.key(seed), 24))
    laws = (Law(rows(CONTEXTS), rows(CONTEXTS, OUTPUTS)) for _ in range(3))
    world = World(*laws)
    penalty = jnp.exp(jax.random.uniform(next(keys), (count,), minval=-4, maxval=4))
    foreign = rows(CONTEXTS, OUTPUTS)
    share = jax.random.uniform(next(keys), (count, 1, 1)) ** 4
    best = mixture_posterior(world, penalty)
    return Case(world, (1 - share) * best + share * foreign, penalty)
