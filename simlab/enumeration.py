"""Every prefix of a small world, and what a model says after each: no sampling."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from simlab.models import Model, Params, exact

_Floats = jax.Array | np.ndarray


def prefix_tokens(model: Model) -> Int[jax.Array, "rows length"]:
    """Every input a model can meet: each context with each length - 1 outputs.

    Shape: [contexts * vocabulary ** (length - 1), length], contexts slowest.
    """
    return prefix_rows(model.contexts, model.vocabulary, model.length)


def prefix_rows(
    contexts: int, vocabulary: int, length: int
) -> Int[jax.Array, "rows length"]:
    """Every prefix of a world's sequences, as `prefix_tokens` lists those of a model.

    >>> prefix_rows(contexts=1, vocabulary=2, length=2).tolist()
    [[2, 0], [2, 1]]
    """
    codes = vocabulary ** (length - 1)
    powers = vocabulary ** np.arange(length - 2, -1, -1)
    outputs = np.arange(codes)[:, None] // powers % vocabulary
    context = vocabulary + np.repeat(np.arange(contexts), codes)
    return jnp.asarray(
        np.concatenate([context[:, None], np.tile(outputs, (contexts, 1))], 1),
        jnp.int32,
    )


def prefix_logits(model: Model, params: Params) -> Float[jax.Array, "x node v"]:
    """The model's next-token logits after every prefix of every context.

    Nodes: prefixes by length, then by their base-`vocabulary` code; there are
    1 + v + ... + v ** (length - 1) of them. Exact because the model is causal: a
    prefix's logits do not depend on what follows it, and computed in full precision
    whatever the model is trained in.
    """
    with jax.default_matmul_precision("highest"):
        logits = exact(model).apply(params, prefix_tokens(model))
    return by_prefix(logits, model.contexts)


def by_prefix(
    logits: Float[jax.Array, "rows length v"], contexts: int
) -> Float[jax.Array, "x node v"]:
    """Logits at every place of `prefix_rows`, once a prefix, by its node."""
    length, vocabulary = logits.shape[1:]
    by_depth = [
        logits[:: vocabulary ** (length - 1 - depth), depth].reshape(
            contexts, vocabulary**depth, vocabulary
        )
        for depth in range(length)
    ]
    return jnp.concatenate(by_depth, axis=1)


def split_nodes(values: Float[_Floats, "*batch node v"]) -> list[jax.Array]:
    """The node axis cut by prefix length: [..., v ** depth, v] for depth 0, 1, ..."""
    vocabulary, first = values.shape[-1], 0
    parts: list[jax.Array] = []
    while first < values.shape[-2]:
        width = vocabulary ** len(parts)
        parts.append(jnp.asarray(values[..., first : first + width, :]))
        first += width
    return parts


@jax.jit
def sequence_log_table(
    logits: Float[_Floats, "*batch node v"],
) -> Float[jax.Array, "*batch y"]:
    """Log P(y|x) of every whole sequence from the logits after every prefix.

    Formula: sum_t log softmax(logits(x, y_1 .. y_{t-1}))[y_t]; nats per sequence.
    Shapes: [..., node, v] -> [..., v ** length].
    """
    batch, vocabulary = logits.shape[:-2], logits.shape[-1]
    total = jnp.zeros((*batch, 1), jnp.asarray(logits).dtype)
    for depth, layer in enumerate(split_nodes(logits)):
        grown = total[..., None] + jax.nn.log_softmax(layer, axis=-1)
        total = grown.reshape(*batch, vocabulary ** (depth + 1))
    return total
