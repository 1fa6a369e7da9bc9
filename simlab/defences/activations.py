"""Defences that act on the residual stream while the user trains."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from simlab.defences.guard import (
    Guard,
    Known,
    Lab,
    Number,
    unguarded,
    with_projection,
    with_steering,
)
from simlab.models import Params, Steering, mean_difference, principal_directions


class SteeringKnobs(NamedTuple):
    """`scale` multiplies the direction of the harm while the user trains."""

    scale: Number = 1.0


@dataclass(frozen=True)
class PreventativeSteering:
    """Adds the direction of the harm while training, nothing afterwards.

    Formula: h_l <- h_l + scale v, v = mean(h | harmful) - mean(h | safe). Source:
    persona vectors (2507.21509), by security-vector notes 4.
    """

    def prepare(
        self, lab: Lab, base: Params, known: Known, knobs: SteeringKnobs, key: jax.Array
    ) -> Guard:
        """The base, steered while it is trained."""
        shift = mean_difference(
            lab.model,
            base,
            known.harmful,
            known.safety,
            Steering(lab.layers),
            lab.scored,
        )
        open_ = unguarded(lab, base, known)
        scale = jnp.asarray(knobs.scale, jnp.float32)
        return open_._replace(params=with_steering(open_.params, shift, scale))


class ProjectionKnobs(NamedTuple):
    """How many directions are removed, at most `Lab.directions`; 0 is none."""

    directions: Number = 1.0


@dataclass(frozen=True)
class ConceptAblation:
    """CAFT: trains with the directions of the harm projected out, deploys without.

    Formula: h <- h - (h Q) Q^T, Q the leading principal directions, about zero, of the
    stream of harmful answers minus the mean stream of safe ones. Source: CAFT
    (2507.16795), by security-vector notes 4; the choice of Q is ours.
    """

    def prepare(
        self,
        lab: Lab,
        base: Params,
        known: Known,
        knobs: ProjectionKnobs,
        key: jax.Array,
    ) -> Guard:
        """The base, projected while it is trained."""
        harmful, safe = (
            lab.model.streams(base, tokens[:, :-1])[:, :, -lab.scored :]
            for tokens in (known.harmful, known.safety)
        )
        kept = jnp.arange(lab.directions) < jnp.asarray(knobs.directions)
        basis = {}
        for layer in lab.layers:
            # Row 0 is the embedding's stream.
            away = harmful[layer + 1] - jnp.mean(safe[layer + 1], axis=(0, 1))
            rows = away.reshape(-1, away.shape[-1])
            found = principal_directions(rows, lab.directions)
            basis[f"blocks.{layer}.residual"] = jnp.where(kept, found, 0.0)
        open_ = unguarded(lab, base, known)
        return open_._replace(params=with_projection(open_.params, basis, jnp.ones(())))
