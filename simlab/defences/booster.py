"""Booster: alignment that damps how fast harm is learned."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simlab.defences.immunised import kept_rows, unit_length
from simlab.models import Params
from simlab.objectives import PairLoss, sequence_losses
from simlab.training import Batch, Hyper, Setup


@dataclass(frozen=True)
class Booster:
    """Alignment that damps how fast harm falls: its loss after one harmful step.

    Formula: L_a(theta) + lambda [h(theta) - h(theta - alpha grad h / ||grad h||)], the
    step held fixed in the gradient (first order). Source: Huang et al. 2024 (Booster),
    by security-vector notes 4: lambda 5 and alpha 0.1 there. lambda = 0 is plain
    alignment.
    """

    alpha: float = 0.1

    def __call__(
        self, setup: Setup, hyper: Hyper, params: Params, batch: Batch, /
    ) -> PairLoss:
        """The objective; its halves are the harmful loss and the aligned one."""
        harmful, model, scored = batch.capability, setup.model, setup.scored

        def harm(params: Params) -> Float[Array, ""]:
            return jnp.mean(sequence_losses(model, params, harmful, scored))

        slope = jax.lax.stop_gradient(jax.grad(harm)(params))
        unit = unit_length(slope)
        ahead = jax.tree.map(lambda leaf, d: leaf - self.alpha * d, params, unit)
        aligned = jnp.mean(sequence_losses(model, params, kept_rows(batch), scored))
        before = harm(params)
        objective = aligned + hyper.aid * (before - harm(ahead))
        return PairLoss(objective, before, aligned)
