"""A carrier that takes directions out of the residual stream."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float

from simlab.models.carriers import Scalar, Vector, stream_sites
from simlab.models.edits import Edits, Projector
from simlab.models.matrices import Tables
from simlab.models.protocol import Model, Params


@dataclass(frozen=True)
class Projection:
    """Removes up to `directions` directions of the stream after every selected layer.

    Formula: h <- h - gate (h Q) Q^T. Columns of Q are orthonormal, or zero where there
    are fewer directions; it starts at zero. Source: CAFT (2507.16795), by
    security-vector notes 4. Errors: ValueError for directions < 1, or a layer that the
    model lacks.
    """

    layers: tuple[int, ...] = (0,)
    directions: int = 4

    def __post_init__(self) -> None:
        if self.directions < 1:
            raise ValueError(f"directions={self.directions} must be >= 1")

    def init(self, model: Model, key: jax.Array) -> Vector:
        """Zeros."""
        return {
            name: jnp.zeros((*shape, self.directions))
            for name, shape in stream_sites(model, self.layers).items()
        }

    def edited(
        self, params: Params, vector: Vector, gate: Scalar
    ) -> tuple[Params, Edits]:
        """Streams without gate times their part along the directions."""
        weight = jnp.asarray(gate)
        projectors = {name: Projector(basis, weight) for name, basis in vector.items()}
        return params, Edits({}, {}, projectors)

    def deltas(self, vector: Vector) -> Tables:
        """The directions."""
        return dict(vector)

    def scaled(self, vector: Vector, factors: Mapping[str, Scalar]) -> Vector:
        """The directions multiplied: no longer orthonormal."""
        return {name: factors[name] * basis for name, basis in vector.items()}


def principal_directions(
    rows: Float[jax.Array, "n D"], count: int, rounds: int = 30
) -> Float[jax.Array, "D r"]:
    """The directions along which rows are longest, the longest first: orthonormal.

    The leading eigenvectors of rows^T rows by orthogonal iteration, in plain products:
    differentiable, and safe in a batch. Centre the rows for principal components.
    Source: standard. Domain: 1 <= count <= D.

    >>> rows = jnp.array([[3.0, 0.0, 0.0], [-3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    >>> jnp.abs(principal_directions(rows, 2)).round(3).T.tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    moments = rows.T @ rows
    width = moments.shape[0]
    # Cosines of no period: no eigenvector of anything is orthogonal to them by design.
    angles = jnp.arange(width)[:, None] * (1.0 + 0.7 * jnp.arange(count)) ** 0.5
    first = _orthonormal(jnp.cos(angles) + jnp.eye(width, count))
    found: jax.Array = jax.lax.fori_loop(
        0, rounds, lambda _, basis: _orthonormal(moments @ basis), first
    )
    return found


def _orthonormal(basis: jax.Array) -> jax.Array:
    """Columns made orthonormal by Gram and Schmidt, twice against rounding."""
    columns: list[jax.Array] = []
    for column in basis.T:
        for _ in range(2):
            for other in columns:
                column = column - jnp.dot(other, column) * other
        size = jnp.sqrt(jnp.sum(column**2))
        columns.append(column / jnp.maximum(size, 1e-20))
    return jnp.stack(columns, axis=1)
