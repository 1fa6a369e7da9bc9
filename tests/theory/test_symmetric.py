"""Symmetric matrices: plain JAX against numpy's LAPACK, and where both are hard."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import (
    assert_below,
    assert_close,
    assert_finite_gradient,
    assert_must_fail,
)
from theory.symmetric import apply, backward, eigen, form, forward, solve

diagonalise, solved = jax.jit(eigen), jax.jit(solve)


def matrices(seed: int, size: int, spread: float = 1.0, count: int = 50) -> np.ndarray:
    """Symmetric matrices whose entries span e^spread."""
    with jax.enable_x64(True):
        drawn, scale = jax.random.normal(jax.random.key(seed), (2, count, size, size))
        table = np.asarray(drawn * jnp.exp(spread * scale))
    return (table + np.swapaxes(table, -1, -2)) / 2


@pytest.mark.parametrize(("size", "spread"), [(1, 1.0), (3, 1.0), (3, 8.0), (12, 2.0)])
def test_rotations_find_lapacks_eigenvalues(size, spread, x64):
    tables = matrices(size, size, spread)
    values, vectors = diagonalise(tables)
    largest = np.abs(tables).max((-2, -1))[:, None]
    # Rounding of n^2 entries, relative to the largest.
    assert_close(values / largest, np.linalg.eigvalsh(tables) / largest, 1e-13)
    rebuilt = np.einsum("bij,bj,bkj->bik", vectors, values, vectors)
    assert_close(rebuilt / largest[..., None], tables / largest[..., None], 1e-13)
    identity = np.einsum("bji,bjk->bik", vectors, vectors)
    assert_close(identity, np.broadcast_to(np.eye(size), identity.shape), 1e-13)


def test_too_few_rotations_would_be_seen(x64):
    from theory.symmetric import _rotate

    tables = jnp.asarray(matrices(3, 3))
    once, _ = jax.jit(_rotate)(
        (tables, jnp.broadcast_to(jnp.eye(3), tables.shape)), jnp.array([0, 1])
    )
    rough = jnp.sort(jnp.diagonal(once[0], axis1=-2, axis2=-1), axis=-1)
    assert_must_fail(lambda: assert_close(rough, np.linalg.eigvalsh(tables), 1e-6))


def test_equal_and_absent_eigenvalues_are_found(x64):
    ones = np.ones((1, 3, 3))
    assert_close(diagonalise(ones)[0], [[0.0, 0.0, 3.0]], 1e-15)
    assert_close(diagonalise(np.eye(3)[None])[0], np.ones((1, 3)), 0.0)
    assert_close(diagonalise(np.zeros((1, 3, 3)))[0], np.zeros((1, 3)), 0.0)


def test_a_single_matrix_and_a_batch_of_one_agree(x64):
    table = matrices(7, 4)[0]
    assert_close(eigen(table)[0], eigen(table[None])[0][0], 1e-14)  # rounding


def test_no_gradient_passes_through_the_eigenpairs(x64):
    gradient = jax.grad(lambda m: jnp.sum(eigen(m)[0]))(jnp.eye(3)[None])
    assert_close(gradient, np.zeros((1, 3, 3)), 0.0)


def test_solutions_solve(x64):
    tables = matrices(2, 4)
    positive = tables @ np.swapaxes(tables, -1, -2) + np.eye(4)
    vector = np.arange(4.0)
    found = solved(positive, vector)  # the vector broadcasts over the batch
    assert found.shape == (50, 4)
    # Condition up to about 1e4, times rounding.
    assert_close(apply(positive, found), np.broadcast_to(vector, (50, 4)), 1e-11)
    assert_close(form(positive, found), found @ vector, 1e-10)


def test_triangular_solutions_solve(x64):
    lower = np.tril(np.arange(1.0, 10.0).reshape(3, 3))
    right = np.arange(6.0).reshape(3, 2)
    assert_close(lower @ forward(lower, right), right, 1e-14)
    assert_close(lower.T @ backward(lower, right), right, 1e-14)


def test_an_indefinite_matrix_gives_nan_rather_than_a_wrong_answer(x64):
    assert np.isnan(solve(np.diag([1.0, -1.0]), np.ones(2))).all()


def test_solutions_have_the_gradient_of_the_inverse(x64):
    table, vector = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.0])
    by_matrix, by_vector = assert_finite_gradient(
        lambda m, v: jnp.sum(v * solved(m, v)), table, vector
    )
    found = np.linalg.solve(table, vector)
    assert_close(by_vector, 2 * found, 1e-14)
    assert_close(by_matrix, -np.outer(found, found), 1e-14)


def test_many_batches_in_one_program_do_not_wait_for_each_other(x64):
    # LAPACK's batched LU and QR do, on two cores: see the module's docstring.
    tables = matrices(5, 3, count=6000)

    @jax.jit
    def several(table):
        return sum(
            jnp.sum(solve(shifted, jnp.ones(3))) + jnp.sum(eigen(shifted)[0])
            for shifted in (
                table @ jnp.swapaxes(table, -1, -2) + k * jnp.eye(3)
                for k in range(1, 5)
            )
        )

    assert_below(0.0, jnp.abs(several(tables)))
