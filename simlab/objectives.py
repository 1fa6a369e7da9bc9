"""What a run minimises."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from simlab.models import Model, Params
from simlab.sources import LogProbs, Tokens


class PairLoss(NamedTuple):
    """The two halves of Case I's objective and what is minimised, nats per sequence."""

    objective: Float[jax.Array, ""]
    capability: Float[jax.Array, ""]
    safety: Float[jax.Array, ""]


def sequence_losses(model: Model, params: Params, tokens: Tokens) -> LogProbs:
    """Next-token loss of every row, summed over its outputs.

    Formula: -sum_t log P(y_t | x, y_1 .. y_{t-1}). Unit: nats per sequence.
    """
    log_probs = jax.nn.log_softmax(model.apply(params, tokens[:, :-1]), axis=-1)
    chosen = jnp.take_along_axis(log_probs, tokens[:, 1:, None], axis=-1)
    return -jnp.sum(chosen[..., 0], axis=1)


def penalised_pair(
    model: Model,
    params: Params,
    capability: Tokens,
    safety: Tokens,
    penalty: Float[jax.Array, ""],
) -> PairLoss:
    """Case I: (L_f + penalty * L_s) / (1 + penalty) on one batch of each kind.

    The division changes no minimiser; it keeps gradients of one size, so that one
    learning rate serves every penalty. Unit: nats per sequence. Domain: penalty >= 0.
    Source: Chen et al. 2025 (penalty form), notes (2.3).
    """
    # One forward pass over both halves costs less than two.
    losses = sequence_losses(model, params, jnp.concatenate([capability, safety]))
    loss_capability = jnp.mean(losses[: len(capability)])
    loss_safety = jnp.mean(losses[len(capability) :])
    objective = (loss_capability + penalty * loss_safety) / (1 + penalty)
    return PairLoss(objective, loss_capability, loss_safety)
