"""Small symmetric matrices in batches: solved and diagonalised without LAPACK's LU, QR.

Several batched `jnp.linalg.solve` or `eigh` in one program wait for each other for ever
on a machine of few cores (jaxlib 0.10, CPU): each splits its batch over the threads
that run the others. Jacobi's rotations are plain JAX; Cholesky factors are LAPACK's too
and were seen to wait only when several such programs run at once, one on each device.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.typing import Array

_SWEEPS = 10  # quadratic convergence: 6 do for 3 x 3, 8 for 50 x 50

Matrix = Float[Array, "*#batch n n"]
"""A symmetric matrix, or a batch of them."""

Vector = Float[Array, "*#batch n"]
"""A vector for every matrix."""


def apply(
    matrix: Float[Array, "*#batch m n"], vector: Vector
) -> Float[jax.Array, "*batch m"]:
    """The product of a matrix and a vector, for every pair of the batch.

    Formula: M v, as a sum in full precision. Shapes: [..., m, n], [..., n] -> [..., m].
    The matrix may be any. Source: standard.

    >>> apply(2 * jnp.eye(2), jnp.array([1.0, 3.0])).tolist()
    [2.0, 6.0]
    """
    return jnp.sum(jnp.asarray(matrix) * jnp.asarray(vector)[..., None, :], axis=-1)


def form(matrix: Matrix, vector: Vector) -> Float[jax.Array, "*batch"]:
    """The quadratic form of a matrix.

    Formula: v' M v. Shapes: [..., n, n], [..., n] -> [...]. Source: standard.

    >>> float(form(2 * jnp.eye(2), jnp.array([1.0, 3.0])))
    20.0
    """
    return jnp.sum(jnp.asarray(vector) * apply(matrix, vector), axis=-1)


def solve(matrix: Matrix, vector: Vector) -> Float[jax.Array, "*batch n"]:
    """The x with M x = v.

    Formula: M = L L', L y = v, L' x = y. Shapes: [..., n, n], [..., n] -> [..., n].
    Domain: M positive definite; NaN otherwise. Source: standard.

    >>> solve(4 * jnp.eye(2), jnp.array([1.0, 2.0])).tolist()
    [0.25, 0.5]
    """
    lower = jnp.linalg.cholesky(jnp.asarray(matrix))
    column = jnp.asarray(vector)[..., None]
    return backward(lower, forward(lower, column))[..., 0]


def forward(
    lower: Float[Array, "*#batch n n"], right: Float[Array, "*#batch n k"]
) -> Float[jax.Array, "*batch n k"]:
    """The X with L X = R, L lower triangular.

    Shapes: [..., n, n], [..., n, k] -> [..., n, k]. Source: standard.

    >>> forward(2 * jnp.eye(1), jnp.array([[3.0]])).tolist()
    [[1.5]]
    """
    return jax.lax.linalg.triangular_solve(
        *_matched(lower, right), left_side=True, lower=True
    )


def backward(
    lower: Float[Array, "*#batch n n"], right: Float[Array, "*#batch n k"]
) -> Float[jax.Array, "*batch n k"]:
    """The X with L' X = R, L lower triangular.

    Shapes: [..., n, n], [..., n, k] -> [..., n, k]. Source: standard.

    >>> backward(2 * jnp.eye(1), jnp.array([[3.0]])).tolist()
    [[1.5]]
    """
    return jax.lax.linalg.triangular_solve(
        *_matched(lower, right), left_side=True, lower=True, transpose_a=True
    )


def _matched(lower: Array, right: Array) -> tuple[jax.Array, jax.Array]:
    """Both with the same batch and dtype, as the primitive wants them."""
    batch = jnp.broadcast_shapes(jnp.shape(lower)[:-2], jnp.shape(right)[:-2])
    dtype = jnp.result_type(lower, right)
    return tuple(  # type: ignore[return-value]  # two arrays in, two arrays out
        jnp.broadcast_to(jnp.asarray(part, dtype), (*batch, *jnp.shape(part)[-2:]))
        for part in (lower, right)
    )


def eigen(
    matrix: Matrix,
) -> tuple[Float[jax.Array, "*batch n"], Float[jax.Array, "*batch n n"]]:
    """Eigenvalues in rising order, and the eigenvectors as columns.

    Formula: M = V diag(a) V', by cyclic Jacobi rotations, ten sweeps; by LAPACK for a
    single matrix. No gradient passes. Shapes: [..., n, n] -> [..., n], [..., n, n].
    Domain: symmetric; in a batch n up to about 100. Source: standard (Golub and Van
    Loan 8.5).

    >>> values, _ = eigen(jnp.array([[[2.0, 1.0], [1.0, 2.0]]]))
    >>> print(" ".join(f"{float(value):.4f}" for value in values[0]))
    1.0000 3.0000
    """
    held = jax.lax.stop_gradient(jnp.asarray(matrix))
    if held.ndim == 2:
        values, vectors = jnp.linalg.eigh(held)
        return values, vectors
    size = held.shape[-1]
    identity = jnp.broadcast_to(jnp.eye(size, dtype=held.dtype), held.shape)
    pairs = np.stack(np.triu_indices(size, 1), axis=-1).reshape(-1, 2)
    state = (held, identity)
    if len(pairs):
        cycle = np.tile(pairs, (_SWEEPS, 1))
        state, _ = jax.lax.scan(_rotate, state, jnp.asarray(cycle))
    turned, vectors = state
    values = jnp.diagonal(turned, axis1=-2, axis2=-1)
    order = jnp.argsort(values, axis=-1)
    return (
        jnp.take_along_axis(values, order, axis=-1),
        jnp.take_along_axis(vectors, order[..., None, :], axis=-1),
    )


def _rotate(
    state: tuple[jax.Array, jax.Array], pair: jax.Array
) -> tuple[tuple[jax.Array, jax.Array], None]:
    """One rotation J that makes entry (p, q) of J' M J vanish, and V J."""
    matrix, vectors = state
    p, q = pair[0], pair[1]
    off = matrix[..., p, q]
    counted = off != 0
    half = (matrix[..., q, q] - matrix[..., p, p]) / 2
    slope = half / jnp.where(counted, off, 1.0)
    sign = jnp.where(slope < 0, -1.0, 1.0)
    tangent = jnp.where(counted, sign / (jnp.abs(slope) + jnp.hypot(slope, 1.0)), 0.0)
    cosine = 1 / jnp.hypot(tangent, 1.0)
    sine = tangent * cosine
    c, s = cosine[..., None], sine[..., None]

    def columns(table: jax.Array) -> jax.Array:
        first, second = table[..., p], table[..., q]
        table = table.at[..., p].set(c * first - s * second)
        return table.at[..., q].set(s * first + c * second)

    half_turned = jnp.swapaxes(columns(matrix), -1, -2)
    return (columns(half_turned), columns(vectors)), None
