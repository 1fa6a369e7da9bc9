"""What a run minimises."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float

from simlab.enumeration import prefix_logits, sequence_log_table
from simlab.models import Model, Params
from simlab.sources import Enumerable, LogProbs, Tokens


class PairLoss(NamedTuple):
    """The two halves of Case I's objective and what is minimised, nats per sequence."""

    objective: Float[jax.Array, ""]
    capability: Float[jax.Array, ""]
    safety: Float[jax.Array, ""]


def sequence_losses(
    model: Model, params: Params, tokens: Tokens, scored: int | None = None
) -> LogProbs:
    """Next-token loss of every row, summed over its outputs, or the last `scored`.

    Formula: -sum_t log P(y_t | x, y_1 .. y_{t-1}). Unit: nats per sequence.
    """
    log_probs = jax.nn.log_softmax(model.apply(params, tokens[:, :-1]), axis=-1)
    chosen = jnp.take_along_axis(log_probs, tokens[:, 1:, None], axis=-1)
    first = 0 if scored is None else chosen.shape[1] - scored
    return -jnp.sum(chosen[:, first:, 0], axis=1)


def penalised_pair(
    model: Model,
    params: Params,
    capability: Tokens,
    safety: Tokens | None,
    penalty: Float[jax.Array, ""],
    scored: int | None = None,
) -> PairLoss:
    """Case I: (L_f + penalty * L_s) / (1 + penalty) on one batch of each kind.

    The division changes no minimiser; it keeps gradients of one size, so that one
    learning rate serves every penalty. Without safety data the objective is L_f. Unit:
    nats per sequence. Domain: penalty >= 0; `scored` as in `sequence_losses`.
    Source: Chen et al. 2025 (penalty form), notes (2.3).
    """
    if safety is None:
        alone = jnp.mean(sequence_losses(model, params, capability, scored))
        return PairLoss(alone, alone, jnp.zeros_like(alone))
    # One forward pass over both halves costs less than two.
    both = jnp.concatenate([capability, safety])
    losses = sequence_losses(model, params, both, scored)
    loss_capability = jnp.mean(losses[: len(capability)])
    loss_safety = jnp.mean(losses[len(capability) :])
    return _penalised(loss_capability, loss_safety, penalty)


def expected_pair(
    model: Model,
    params: Params,
    capability: Enumerable,
    safety: Enumerable | None,
    penalty: Float[jax.Array, ""],
) -> PairLoss:
    """Case I's objective in expectation over both laws: no sampling noise at all.

    Formula: L_i = -sum_x sum_y mu_i(x) p_i(y|x) log P(y|x). One forward pass over every
    prefix serves both losses. Without safety data the objective is L_f. Unit: nats per
    sequence. Domain: penalty >= 0, sources small enough to list.
    """
    log_table = sequence_log_table(prefix_logits(model, params))
    if safety is None:
        alone = -jnp.sum(capability.joint() * log_table)
        return PairLoss(alone, alone, jnp.zeros_like(alone))
    loss_capability, loss_safety = (
        -jnp.sum(source.joint() * log_table) for source in (capability, safety)
    )
    return _penalised(loss_capability, loss_safety, penalty)


def _penalised(
    capability: Float[jax.Array, ""],
    safety: Float[jax.Array, ""],
    penalty: Float[jax.Array, ""],
) -> PairLoss:
    objective = (capability + penalty * safety) / (1 + penalty)
    return PairLoss(objective, capability, safety)


class Ball(NamedTuple):
    """Case II's constraint: all parameters, taken as one vector, in the L2 norm."""

    radius: Float[jax.Array, "*runs"]


def distance(params: Params, center: Params) -> Float[jax.Array, ""]:
    """The L2 distance between two sets of parameters, over all leaves as one vector."""
    moved = optax.tree.norm(optax.tree.sub(params, center))
    return jnp.asarray(moved)


def projected(params: Params, center: Params, ball: Ball) -> Params:
    """The nearest parameters inside the ball around `center`.

    Formula: c + (theta - c) min(1, radius / ||theta - c||); parameters inside the ball
    stay as they are, bit for bit. Domain: radius > 0. Source: Chen et al. 2025
    (parameter constraint), notes (2.4); the norm is our choice.
    """
    away = distance(params, center)
    outside = away > ball.radius
    shrink = ball.radius / jnp.where(outside, away, 1.0)
    return jax.tree.map(
        lambda leaf, kept: jnp.where(outside, kept + shrink * (leaf - kept), leaf),
        params,
        center,
    )


class Anchor(NamedTuple):
    """A proximal term (weight / 2) ||theta - center||^2 beside the objective."""

    center: Params
    weight: Float[jax.Array, "*runs"]


def drawn(params: Params, anchor: Anchor, rate: Float[jax.Array, ""]) -> Params:
    """The proximal step that follows a gradient step of the same rate: never unstable.

    Formula: theta - s (theta - c), s = rate weight / (1 + rate weight), which minimises
    (1/2) ||x - theta||^2 + rate (weight / 2) ||x - c||^2 over x; as a gradient the same
    term would overshoot once rate * weight > 2. Parameters at the center stay there,
    bit for bit. Domain: weight >= 0, rate >= 0. Source: standard (proximal gradient).
    """
    pull = rate * anchor.weight
    share = pull / (1 + pull)
    return jax.tree.map(
        lambda leaf, kept: leaf - share * (leaf - kept), params, anchor.center
    )
