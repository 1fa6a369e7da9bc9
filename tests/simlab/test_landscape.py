"""Products, eigenvalues, quadratic forms agree with the dense matrices they avoid."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from simlab.enumeration import prefix_logits, sequence_log_table
from simlab.evaluation import exact_gap
from simlab.executors import counted_compilations
from simlab.landscape import (
    SOLVED,
    dense_inverse_quadratic,
    double,
    fisher_factor,
    fisher_operator,
    gradient,
    gradient_norm,
    hessian_vector,
    inverse_quadratic,
    landscape,
    logit_jacobian,
    prefix_laws,
    top_eigenpairs,
    top_eigenvalues,
)
from simlab.models import Model, Params
from simlab.sweeps import SweepReport
from tests.assertions import assert_must_fail
from tests.simlab.toys import MODELS, SAFETY, V, table

MU = np.asarray(SAFETY)
ROUNDING = 1e-12  # of a product, relative to its largest entry: double precision


def start(name: str) -> tuple[Model, Params]:
    with jax.enable_x64(False):
        params = MODELS[name].init(jax.random.key(3))
    # Ten times the table's initial logits, so that its law is far from uniform.
    scale = 100.0 if name == "tabular" else 1.0
    return MODELS[name], jax.tree.map(lambda leaf: scale * leaf, double(params))


def gap(model: Model, params: Params, outputs: np.ndarray) -> jax.Array:
    return exact_gap(MU, outputs, prefix_logits(model, params))


logits_of = jax.jit(prefix_logits, static_argnums=0)
jacobian_of = jax.jit(logit_jacobian, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def hessian_times(
    model: Model, params: Params, outputs: np.ndarray, vector: np.ndarray
) -> jax.Array:
    return hessian_vector(lambda p: gap(model, p, outputs), params, vector)


@partial(jax.jit, static_argnums=0)
def dense_hessian(model: Model, params: Params, outputs: np.ndarray) -> jax.Array:
    flat, restore = ravel_pytree(params)
    return jax.jacfwd(jax.grad(lambda at: gap(model, restore(at), outputs)))(flat)


def dense_fisher(model: Model, params: Params, weights: np.ndarray) -> np.ndarray:
    """J^T D J by loops over prefixes: nothing shared with the operator but the map."""
    law = np.asarray(jax.nn.softmax(logits_of(model, params), axis=-1))
    rows = np.asarray(jacobian_of(model, params)).reshape(*law.shape, -1)
    total = np.zeros((rows.shape[-1],) * 2)
    for x, node in np.ndindex(law.shape[:2]):
        p, jacobian = law[x, node], rows[x, node]
        total += (
            weights[x, node] * jacobian.T @ (np.diag(p) - np.outer(p, p)) @ jacobian
        )
    return total


def direction(size: int, seed: int = 0) -> np.ndarray:
    with jax.enable_x64(False):
        return np.asarray(jax.random.normal(jax.random.key(seed), (size,)), float)


def assert_same(left: object, right: object, tolerance: float) -> None:
    scale = np.max(np.abs(right))
    np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * scale)


def singular(rank: int = 6, size: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """A matrix of rank 6 with eigenvalues 1 .. 1e-3, and a basis of its range."""
    mixed = direction(size * rank, 5).reshape(size, rank)
    basis = np.linalg.qr(mixed)[0]
    return (basis * np.geomspace(1, 1e-3, rank)) @ basis.T, basis


@pytest.mark.parametrize("name", MODELS)
def test_a_hessian_vector_product_is_the_dense_hessian_times_it(
    name: str, x64: None
) -> None:
    model, params = start(name)
    dense = np.asarray(dense_hessian(model, params, table(1)))
    vector = direction(len(dense))
    product = hessian_times(model, params, table(1), vector)
    assert product.dtype == np.float64
    assert_same(product, dense @ vector, ROUNDING)


@pytest.mark.parametrize("name", MODELS)
def test_a_fisher_vector_product_is_the_dense_fisher_times_it(
    name: str, x64: None
) -> None:
    model, params = start(name)
    weights = np.asarray(prefix_laws(MU, table(1), V).weights)
    dense = dense_fisher(model, params, weights)
    vector = direction(len(dense))
    product = fisher_operator(model, params, weights)(vector)
    assert_same(product, dense @ vector, ROUNDING)
    factor = jax.jit(fisher_factor, static_argnums=0)(model, params, weights)
    assert_same(factor.T @ factor, dense, ROUNDING)
    # Negative control: the weights matter, and the test sees them.
    other = fisher_operator(model, params, np.ones_like(weights))(vector)
    assert_must_fail(lambda: assert_same(other, dense @ vector, 1e-2))


@pytest.mark.parametrize("name", MODELS)
def test_fisher_is_the_hessian_where_the_model_fits_the_data(
    name: str, x64: None
) -> None:
    model, params = start(name)
    fitted = np.asarray(jnp.exp(sequence_log_table(logits_of(model, params))))
    weights = np.asarray(prefix_laws(MU, fitted, V).weights)
    fisher = dense_fisher(model, params, weights)
    assert_same(dense_hessian(model, params, fitted), fisher, ROUNDING)


def test_fisher_is_not_the_hessian_of_a_network_that_fits_nothing(x64: None) -> None:
    model, params = start("transformer")
    fisher = dense_fisher(
        model, params, np.asarray(prefix_laws(MU, table(1), V).weights)
    )
    hessian = dense_hessian(model, params, table(1))
    assert_must_fail(lambda: assert_same(hessian, fisher, 0.05))


def test_the_tables_gradient_norm_is_its_formula(x64: None) -> None:
    # dL/dz(x, c) = q(x, c) (P - p).
    model, params = start("tabular")
    laws = prefix_laws(MU, table(1), V)
    policy = jax.nn.softmax(logits_of(model, params), axis=-1)
    expected = np.sqrt(np.sum((laws.weights[..., None] * (policy - laws.rows)) ** 2))
    norm = gradient_norm(lambda p: gap(model, p, table(1)), params)
    assert float(norm) == pytest.approx(float(expected), rel=1e-12)  # rounding


def test_prefix_laws_obey_the_chain_rule(x64: None) -> None:
    logits = logits_of(*start("tabular"))
    laws = prefix_laws(MU, table(1), V)
    per_token = np.log(laws.rows) - jax.nn.log_softmax(logits, axis=-1)
    total = float(np.sum(laws.weights[..., None] * laws.rows * per_token))
    # rounding
    assert float(exact_gap(MU, table(1), logits)) == pytest.approx(total, rel=1e-12)


def test_what_follows_an_impossible_prefix_is_uniform_and_weighs_nothing(
    x64: None,
) -> None:
    laws = prefix_laws(np.ones(1), np.array([[0.0, 0.0, 0.25, 0.75]]), 2)
    assert laws.weights.tolist() == [[1.0, 0.0, 1.0]]
    assert laws.rows.tolist() == [[[0.0, 1.0], [0.5, 0.5], [0.25, 0.75]]]


def test_eigenvalues_are_the_dense_ones_repeated_or_not(x64: None) -> None:
    matrix, _ = singular()
    known = np.linalg.eigvalsh(matrix)[::-1]
    found = top_eigenpairs(lambda v: matrix @ v, 15, 4, jax.random.key(0))
    np.testing.assert_allclose(found.values, known[:4], atol=1e-12)  # rounding
    np.testing.assert_allclose(
        found.vectors @ matrix, found.values[:, None] * found.vectors, atol=1e-12
    )
    twice = np.diag([3.0, 3.0, 1.0, 0.5, 0.0, 0.0])
    values = top_eigenvalues(lambda v: twice @ v, 6, 3, jax.random.key(1))
    np.testing.assert_allclose(values, [3.0, 3.0, 1.0], atol=1e-12)  # rounding


@pytest.mark.parametrize("count", [0, 6])
def test_more_eigenvalues_than_lanczos_gives_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match=r"must be in 1 .. 5"):
        top_eigenvalues(lambda v: v, 6, count, jax.random.key(0))


def test_the_inverse_form_is_the_pseudo_inverses_in_the_range(x64: None) -> None:
    matrix, basis = singular()
    g = basis @ direction(6, 1)
    solved = inverse_quadratic(lambda v: matrix @ v, g)
    expected = g @ np.linalg.pinv(matrix, rcond=1e-9) @ g
    assert solved.value == pytest.approx(expected, rel=1e-9)  # 1e-12 times condition
    assert solved.residual <= SOLVED
    assert inverse_quadratic(lambda v: matrix @ v, 0 * g).value == 0.0


def test_outside_the_range_the_inverse_form_is_infinite_and_says_why(
    x64: None,
) -> None:
    matrix, basis = singular()
    g = basis @ direction(6, 1)
    outside = direction(15, 2)
    outside -= basis @ (basis.T @ outside)
    for share in (1e-3, 1.0):
        solved = inverse_quadratic(lambda v: matrix @ v, g + share * outside)
        assert solved.value == np.inf
        assert solved.residual > SOLVED
    damped = inverse_quadratic(lambda v: matrix @ v, g + outside, damping=0.1)
    regular = np.linalg.inv(matrix + 0.1 * np.eye(15))
    expected = (g + outside) @ regular @ (g + outside)
    assert damped.value == pytest.approx(expected, rel=1e-9)  # rounding


def test_a_dense_factor_inverts_what_conjugate_gradients_cannot(x64: None) -> None:
    # Eigenvalues over fourteen decades: the shortest solution still has six digits.
    basis = np.linalg.qr(np.asarray(direction(60, 3)).reshape(15, 4))[0]
    factor = np.diag([1.0, 1e-3, 1e-5, 1e-7]) @ basis.T
    parts = np.array([1.0, 1e-3, 1e-5, 1e-7])
    solved = dense_inverse_quadratic(factor, factor.T @ parts)
    assert solved.value == pytest.approx(parts @ parts, rel=1e-6)  # rounding / 1e-7
    assert solved.residual <= SOLVED
    outside = direction(15, 2)
    outside -= basis @ (basis.T @ outside)
    assert dense_inverse_quadratic(factor, factor.T @ parts + outside).value == np.inf
    assert dense_inverse_quadratic(factor, 0 * outside).value == 0.0


def test_along_an_eigenvector_the_two_quadratic_forms_multiply_to_one(
    x64: None,
) -> None:
    matrix, basis = singular()
    # kappa = (g H g)(g H^-1 g) / |g|^4, notes (9.2): 1 exactly along an eigenvector,
    # at most Kantorovich's bound anywhere else in the range.
    along = landscape(lambda v: matrix @ v, 2.0 * basis[:, 2], jax.random.key(0))
    across = landscape(lambda v: matrix @ v, basis @ np.ones(6), jax.random.key(0))
    kappas = [
        got.curvature * got.inverse_quadratic / got.gradient_norm**4
        for got in (along, across)
    ]
    assert kappas[0] == pytest.approx(1.0, rel=1e-9)  # rounding
    assert 1.5 < kappas[1] <= (1 + 1e-3) ** 2 / 4e-3
    assert along.gradient_norm == pytest.approx(2.0, rel=1e-12)  # rounding
    assert along.top_eigenvalue == pytest.approx(1.0, rel=1e-9)  # rounding


def test_a_tables_landscape_is_that_of_its_dense_fisher(x64: None) -> None:
    model, params = start("tabular")
    weights = np.asarray(prefix_laws(MU, table(1), V).weights)
    g = np.asarray(gradient(lambda p: gap(model, p, table(2)), params))
    dense = dense_fisher(model, params, weights)
    got = landscape(fisher_operator(model, params, weights), g, jax.random.key(0))
    inverse = np.linalg.pinv(dense, rcond=1e-10)
    expected = [
        np.linalg.norm(g), g @ dense @ g, g @ inverse @ g, np.linalg.norm(dense, 2),
    ]  # fmt: skip
    np.testing.assert_allclose(got[:4], expected, rtol=1e-9)  # rounding, condition ~50
    assert got.residual <= SOLVED


def test_another_networks_fisher_compiles_nothing_new(x64: None) -> None:
    model, params = start("transformer")
    weights = np.asarray(prefix_laws(MU, table(1), V).weights)
    vector = direction(ravel_pytree(params)[0].size)
    fisher_operator(model, params, weights)(vector)
    moved = jax.tree.map(lambda leaf: 1.1 * leaf, params)
    report = SweepReport()
    with counted_compilations(report):
        fisher_operator(model, moved, weights)(vector)
    assert report.compilations == 0


def test_single_precision_is_refused() -> None:
    with pytest.raises(ValueError, match="float64 is off: wrap the call"):
        double({"a": np.ones(2)})
