"""What a trained model has learned: exactly by enumeration, or with standard errors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from simlab.enumeration import (
    prefix_logits,
    prefix_tokens,
    sequence_log_table,
    split_nodes,
)
from simlab.models import Model, Params
from simlab.objectives import sequence_losses
from simlab.sources import Source

_Floats = jax.Array | np.ndarray


@jax.jit
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


__all__ = [
    "Estimated",
    "certificate",
    "divergences",
    "estimated_gap",
    "exact_gap",
    "prefix_logits",
    "prefix_tokens",
    "sequence_log_table",
    "split_nodes",
]
