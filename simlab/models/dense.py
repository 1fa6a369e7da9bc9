"""A delta of every matrix, of any rank: what weight-additive carriers come down to."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from simlab.models.carriers import PROJECTIONS, Scalar, Vector, selected
from simlab.models.edits import NO_EDITS, Edits
from simlab.models.matrices import Tables, added, matrices
from simlab.models.protocol import Model, Params


@dataclass(frozen=True)
class Dense:
    """Adds one whole matrix to every selected matrix: a task vector.

    `LowRank.deltas` of any rank and place are a vector of this carrier, so one compiled
    run serves them all. Starts at zero. Errors: ValueError for a target that selects
    nothing.
    """

    targets: tuple[str, ...] = PROJECTIONS

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Zeros."""
        shapes = matrices(jax.eval_shape(model.init, key))
        return {n: jnp.zeros(shapes[n]) for n in selected(self.targets, list(shapes))}

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """W + gate * delta; activations untouched."""
        return added(params, {k: gate * delta for k, delta in vector.items()}), NO_EDITS

    def deltas(self, vector: Vector) -> Tables:
        """The matrices."""
        return dict(vector)

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The matrices multiplied."""
        return {name: factors[name] * one for name, one in vector.items()}
