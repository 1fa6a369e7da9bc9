"""Vaccine: alignment that withstands a drift of the activations."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simlab.defences.immunised import kept_rows, unit_length
from simlab.models import Adapted, Editable, Params, Part, Steering, carried
from simlab.objectives import PairLoss, sequence_losses
from simlab.sources import Tokens
from simlab.training import Batch, Hyper, Setup


@dataclass(frozen=True)
class Vaccine:
    """Alignment that withstands a drift of the activations.

    Formula: min_theta max_{||eps|| <= rho} L_a(theta; h + eps), by one step: eps = rho
    grad_h L_a / ||grad_h L_a||, all layers and rows of the batch as one vector, then
    held fixed. Source: Huang et al. 2024 (Vaccine), by security-vector notes 4; we
    shift the residual stream after every block. rho = 0 is plain alignment.
    """

    def __call__(
        self, setup: Setup, hyper: Hyper, params: Params, batch: Batch, /
    ) -> PairLoss:
        """The loss at the worst shift; the halves are that and the plain loss."""
        model, rows = setup.model, kept_rows(batch)
        assert isinstance(model, Editable)
        sites = {k: v for k, v in model.sites().items() if k.endswith(".residual")}
        scored = setup.scored

        def loss(params: Params, shifts: Any) -> Float[Array, ""]:
            losses = shifted_losses(model, params, rows, shifts, scored)
            return jnp.mean(losses)

        where = (len(rows), rows.shape[1] - 1)
        still = {name: jnp.zeros((*where, *shape)) for name, shape in sites.items()}
        plain, slope = jax.value_and_grad(loss, argnums=1)(params, still)
        drift = jax.tree.map(lambda unit: hyper.aid * unit, unit_length(slope))
        worst = loss(params, jax.lax.stop_gradient(drift))
        return PairLoss(worst, worst, plain)


def shifted_losses(
    model: Editable, params: Params, tokens: Tokens, shifts: Any, scored: int | None
) -> Float[Array, " n"]:
    """`sequence_losses` of a model whose activations are shifted, one shift a row."""
    steered = Adapted(model, Steering(tuple(range(len(shifts)))), Part.BOTH)
    return sequence_losses(steered, carried(params, shifts), tokens, scored)
