"""What a trained model has learned: exactly by enumeration, or with standard errors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from simlab.models import Model, Params
from simlab.objectives import sequence_losses
from simlab.sources import Source

_Floats = jax.Array | np.ndarray


def prefix_tokens(model: Model) -> Int[jax.Array, "rows length"]:
    """Every input a model can meet: each context with each length - 1 outputs.

    Shape: [contexts * vocabulary ** (length - 1), length], contexts slowest.
    """
    codes = model.vocabulary ** (model.length - 1)
    powers = model.vocabulary ** np.arange(model.length - 2, -1, -1)
    outputs = np.arange(codes)[:, None] // powers % model.vocabulary
    context = model.vocabulary + np.repeat(np.arange(model.contexts), codes)
    return jnp.asarray(
        np.concatenate([context[:, None], np.tile(outputs, (model.contexts, 1))], 1),
        jnp.int32,
    )


def prefix_logits(model: Model, params: Params) -> Float[jax.Array, "x node v"]:
    """The model's next-token logits after every prefix of every context.

    Nodes: prefixes by length, then by their base-`vocabulary` code; there are
    1 + v + ... + v ** (length - 1) of them. Exact because the model is causal: a
    prefix's logits do not depend on what follows it.
    """
    contexts, vocabulary, length = model.contexts, model.vocabulary, model.length
    logits = model.apply(params, prefix_tokens(model))
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


def exact_gap(
    contexts: Float[_Floats, "*#batch x"],
    outputs: Float[_Floats, "*#batch x y"],
    logits: Float[_Floats, "*#batch x node v"],
) -> Float[jax.Array, "*batch"]:
    """The excess loss of a model on the law mu(x) p(y|x): a KL, hence exact near zero.

    Formula: sum_x mu(x) sum_y p(y|x) (log p(y|x) - log P(y|x)); nats per sequence.
    A context of weight zero counts zero.
    """
    return jnp.sum(contexts * divergences(outputs, logits), axis=-1)


def divergences(
    outputs: Float[_Floats, "*#batch x y"], logits: Float[_Floats, "*#batch x node v"]
) -> Float[jax.Array, "*batch x"]:
    """KL(p(.|x) || P(.|x)) of every context, nats per sequence."""
    table = jnp.asarray(outputs)
    seen = table > 0
    log_ratio = jnp.log(jnp.where(seen, table, 1.0)) - sequence_log_table(logits)
    return jnp.sum(jnp.where(seen, table * log_ratio, 0.0), axis=-1)


def certificate(
    gap_capability: Float[_Floats, "*#batch"],
    gap_proxy: Float[_Floats, "*#batch"],
    penalty: Float[_Floats, "*#batch"],
    optimum: Float[_Floats, "*#batch"],
) -> Float[jax.Array, "*batch"]:
    """Zeta = penalty * G^_s + G_f - J: how far a model is from the best policy of all.

    `optimum` is J(penalty), which the caller knows from the laws. Nats per sequence,
    weighted as the objective is. Source: derived, notes (4.3).
    """
    return jnp.asarray(penalty * gap_proxy + gap_capability - optimum)


class Estimated(NamedTuple):
    """A Monte-Carlo mean, its standard error and the number of samples."""

    mean: Float[jax.Array, ""]
    sem: Float[jax.Array, ""]
    n: int


def estimated_gap(
    model: Model, params: Params, source: Source, key: jax.Array, samples: int
) -> Estimated:
    """The same gap where sequences are too many to enumerate: samples of a log-ratio.

    Formula: mean over (x, y) ~ source of log p(y|x) - log P(y|x); unbiased, nats per
    sequence. Errors: ValueError for fewer than two samples.
    """
    if samples < 2:
        raise ValueError(f"samples={samples} must be >= 2 to have a standard error")
    tokens = source.sample(key, samples)
    ratio = source.log_prob(tokens) + sequence_losses(model, params, tokens)
    sem = jnp.std(ratio, ddof=1) / jnp.sqrt(samples)
    return Estimated(jnp.mean(ratio), sem, samples)
