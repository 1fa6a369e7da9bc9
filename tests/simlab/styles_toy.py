"""The smallest world of styles, listed in full, and a model that is one of its styles.

Two topics, three tokens, prompts and responses of two tokens: 162 sequences.
"""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from simlab.models import Params
from simlab.sources import StyledSource, dirichlet_table

X, V, PROMPT, RESPONSE = 2, 3, 2, 2
CONTEXTS, MIX = (0.4, 0.6), (0.3, 0.7)
DRAWS = 20_000


@functools.cache
def world(mix: tuple[float, ...] = MIX, seed: int = 0) -> StyledSource:
    keys = jax.random.split(jax.random.key(seed), 3)

    def rows(key: jax.Array, *shape: int) -> jax.Array:
        return 0.9 * dirichlet_table(key, shape, V, 0.7) + 0.1 / V

    return StyledSource(
        contexts=jnp.array(CONTEXTS),
        initial=rows(keys[0], X),
        prompts=rows(keys[1], X, V),
        styles=rows(keys[2], len(mix), X, V),
        mix=jnp.array(mix),
        prompt=PROMPT,
        response=RESPONSE,
    )


def every_sequence() -> np.ndarray:
    """All rows of topic, prompt and response."""
    length = PROMPT + RESPONSE
    grid = np.indices((X, *[V] * length)).reshape(length + 1, -1).T
    return np.asarray(grid + np.array([V] + [0] * length), np.int32)


def asked_law(made: StyledSource) -> np.ndarray:
    """The probability of the topic and prompt of every sequence, by hand."""
    rows = every_sequence()
    topic = rows[:, 0] - V
    contexts, initial = np.asarray(made.contexts), np.asarray(made.initial)
    moves = np.asarray(made.prompts)[topic, rows[:, 1], rows[:, 2]]
    return np.asarray(contexts[topic] * initial[topic, rows[:, 1]] * moves, float)


def style_laws(made: StyledSource) -> np.ndarray:
    """The probability of every response given topic and prompt, [style, row]."""
    rows, styles = every_sequence(), np.asarray(made.styles, float)
    topic = rows[:, 0] - V
    chain = np.ones((len(styles), len(rows)))
    for place in range(PROMPT, PROMPT + RESPONSE):
        chain *= styles[:, topic, rows[:, place], rows[:, place + 1]]
    return chain


@dataclass(frozen=True)
class Chain:
    """A model whose parameters are the logarithm of a chain a topic, [x, v, v]."""

    vocabulary: int = V
    contexts: int = X
    length: int = PROMPT + RESPONSE

    def init(self, key: jax.Array) -> Params:
        """The uniform chain: its parameters are not random."""
        return jnp.zeros((X, V, V))

    def apply(self, params: Params, tokens: jax.Array) -> jax.Array:
        """The row of the last token, uniform after the topic."""
        topic = tokens[:, :1] - V
        last = jnp.clip(tokens, 0, V - 1)
        rows = jnp.asarray(params)[topic, last]
        return rows.at[:, 0].set(0.0)


def being(made: StyledSource, style: int) -> jax.Array:
    """The parameters of the model that answers in a style."""
    return jnp.log(made.styles[style])


def cells(tokens: jax.Array) -> np.ndarray:
    """The place of every row in `every_sequence`."""
    rows = np.asarray(tokens)
    place = rows[:, 0] - V
    for column in range(1, rows.shape[1]):
        place = place * V + rows[:, column]
    return np.asarray(place)


# Compiled once, for one number of draws.
sampled = jax.jit(lambda made, key: made.sample(key, DRAWS))
asked = jax.jit(lambda made, key: made.asked(key, DRAWS))
answered = jax.jit(lambda made, key, rows, style: made.answered(key, rows, style))
