"""RepNoise: harmful answers whose activations are noise."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simlab.defences.immunised import kept_rows
from simlab.models import Params, Transformer
from simlab.objectives import PairLoss, sequence_losses
from simlab.training import Batch, Hyper, Setup


@dataclass(frozen=True)
class RepNoise:
    """Makes the activations of harmful answers noise, and their loss high.

    Formula: L_a + strength [noise MMD^2(h, N(0, I)) - ascent log L_h], h the streams at
    the scored positions after every block, MMD with a Gaussian kernel of width
    sqrt(dimension). Source: Rosati et al. 2024 (RepNoise), by security-vector notes 4:
    one noise weight and one ascent weight; theirs are 1e-3 and 1 of a layer-wise loss,
    ours act on the last layer's loss. A strength of 0 is plain alignment.
    """

    noise: float = 1.0
    ascent: float = 0.1

    def __call__(
        self, setup: Setup, hyper: Hyper, params: Params, batch: Batch, /
    ) -> PairLoss:
        """The objective; its halves are the harmful loss and the aligned one."""
        model, scored, rows = setup.model, setup.scored, batch.capability
        assert isinstance(model, Transformer)
        harm = jnp.mean(sequence_losses(model, params, rows, scored))
        aligned = jnp.mean(sequence_losses(model, params, kept_rows(batch), scored))
        streams = model.streams(params, rows[:, :-1])[1:]
        first = 0 if scored is None else streams.shape[2] - scored
        points = streams[:, :, first:].reshape(len(streams), -1, streams.shape[-1])
        drawn = jax.random.normal(batch.key, points.shape)
        apart = jnp.mean(jax.vmap(squared_discrepancy)(points, drawn))
        lost = self.noise * apart - self.ascent * jnp.log(harm)
        return PairLoss(aligned + hyper.aid * lost, harm, aligned)


def squared_discrepancy(
    left: Float[Array, "n D"], right: Float[Array, "m D"]
) -> Float[Array, ""]:
    """MMD^2 of two samples with the kernel exp(-||a - b||^2 / (2 D)).

    Formula: mean k(a, a') + mean k(b, b') - 2 mean k(a, b), pairs of equal points
    included (biased, never negative). Source: standard (Gretton et al. 2012).
    """

    def kernel(a: Array, b: Array) -> Array:
        squares = jnp.sum(a**2, -1)[:, None] + jnp.sum(b**2, -1) - 2 * a @ b.T
        return jnp.mean(jnp.exp(-jnp.maximum(squares, 0.0) / (2 * a.shape[-1])))

    return kernel(left, left) + kernel(right, right) - 2 * kernel(left, right)
