"""The Kantorovich factor: its range, singular curvatures, and the truth behind it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.theory.tradeoff.quadratics import SIZE, models, random_models
from tests.worlds import WORLDS, random_rows
from theory.laws import exact_proxy
from theory.tradeoff import (
    Forms,
    ball_cost,
    ball_move,
    capability_gradient,
    forms_of_matrix,
    forms_of_rows,
    forms_of_softmax,
    kantorovich_ceiling,
    kantorovich_factor,
    loss_cost,
    loss_move,
    proxy_rate_quadratic,
    quadratic_gaps,
    safety_cost,
    softmax_fisher,
    spectral_gaps,
    spectrum,
    tabular_forms,
)
from theory.tradeoff.bisection import last_below

forms_of, gaps_of = jax.jit(forms_of_matrix), jax.jit(quadratic_gaps)
in_ball, penalised_move = jax.jit(ball_move), jax.jit(loss_move)
of_rows, of_softmax = jax.jit(forms_of_rows), jax.jit(forms_of_softmax)
DIAGONAL = np.diag([1.0, 4.0])


def kappa(gradient: object, curvature: np.ndarray) -> float:
    return float(kantorovich_factor(forms_of(np.array(gradient), curvature)))


@given(model=models())
@in_x64
def test_case_two_never_pays_less_and_never_more_than_the_ceiling(model):
    forms = forms_of(model.displacement, model.capability_curvature)
    assume(forms.norm_squared > 1e-12)
    values = np.linalg.eigvalsh(model.capability_curvature)
    found, most = kantorovich_factor(forms), kantorovich_ceiling(values[-1], values[0])
    # Rounding times the condition, up to 1e3.
    assert_below(1.0, found, 1e-11)
    assert_below(found, most, 1e-11, relative=1e-11)


@given(gradient=hnp.arrays(np.float64, (SIZE,), elements=st.sampled_from([-2.0, 1.0])))
@in_x64
def test_isotropic_curvature_makes_both_cases_equal(gradient):
    forms = forms_of(gradient, 0.3 * np.eye(SIZE))
    assert_close(kantorovich_factor(forms), 1.0, 1e-14)
    assert_close(ball_cost(forms), loss_cost(forms), 1e-14)


def test_an_eigenvector_is_free_of_the_factor_and_a_mixture_attains_the_ceiling(x64):
    assert_close(kappa([0.0, 3.0], DIAGONAL), 1.0, 1e-15)
    assert_close(kappa([1.0, 1.0], DIAGONAL), kantorovich_ceiling(4.0, 1.0), 1e-15)
    assert float(kantorovich_ceiling(4.0, 1.0)) == 1.5625
    assert float(kantorovich_ceiling(4.0, 0.0)) == np.inf


def test_the_factor_is_the_ratio_of_the_costs_and_has_no_scale(x64):
    model = random_models(30)
    forms = forms_of(model.displacement, model.safety_curvature)
    ratio = ball_cost(forms) / loss_cost(forms)
    assert_close(ratio, kantorovich_factor(forms), 1e-11)
    scaled = forms_of(1e-3 * model.displacement, 1e5 * model.safety_curvature)
    assert_close(kantorovich_factor(scaled), kantorovich_factor(forms), 1e-10)


def test_a_swapped_power_would_be_seen(x64):
    # Negative control: without the fourth power the number depends on the scale.
    forms = forms_of_matrix(np.array([1.0, 2.0]), DIAGONAL)
    wrong = forms.curvature * forms.inverse / forms.norm_squared
    assert_must_fail(lambda: assert_close(wrong, kantorovich_factor(forms), 1e-3))


# Singular curvatures


def test_a_gradient_that_leaves_the_range_is_free_in_case_one(x64):
    flat = np.diag([1.0, 0.0])
    assert kappa([1.0, 1e-3], flat) == np.inf
    forms = forms_of_matrix(np.array([1.0, 1e-3]), flat)
    assert float(loss_cost(forms)) == 0.0
    assert float(ball_cost(forms)) > 0.0


def test_a_gradient_within_the_range_has_the_pseudo_inverse(x64):
    flat = np.diag([1.0, 4.0, 0.0])
    assert_close(kappa([1.0, 1.0, 0.0], flat), 1.5625, 1e-14)
    # Rounding of the range is not a component outside: the root of the precision.
    assert_close(kappa([1.0, 1.0, 1e-12], flat), 1.5625, 1e-8)
    assert float(kappa([1.0, 1.0, 1e-6], flat)) == np.inf
    tolerant = forms_of_matrix(np.array([1.0, 1.0, 1e-6]), flat, tolerance=1e-5)
    assert_close(kantorovich_factor(tolerant), 1.5625, 1e-8)


def test_no_gradient_and_no_curvature_are_conventions(x64):
    still, level = (
        Forms(*map(jnp.array, numbers))
        for numbers in ((0.0, 0.0, 0.0), (1.0, 0.0, jnp.inf))
    )
    assert float(kantorovich_factor(still)) == float(kantorovich_factor(level)) == 1.0
    assert float(loss_cost(still)) == float(ball_cost(still)) == np.inf
    assert float(loss_cost(level)) == float(ball_cost(level)) == 0.0
    for forms in (still, level):
        assert_finite_gradient(lambda *parts: kantorovich_factor(Forms(*parts)), *forms)


def test_the_inverse_form_has_the_gradient_of_the_inverse(x64):
    curvature, gradient = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.0])
    by_gradient, by_curvature = assert_finite_gradient(
        lambda g, h: forms_of_matrix(g, h).inverse, gradient, curvature
    )
    found = np.linalg.solve(curvature, gradient)
    assert_close(by_gradient, 2 * found, 1e-14)
    assert_close(by_curvature, -np.outer(found, found), 1e-14)


# Jacobians


def jacobian(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """J, a singular D of softmax blocks, and a residual within its range."""
    with jax.enable_x64(True):
        table = np.asarray(jax.random.normal(jax.random.key(rows), (rows, columns)))
        outputs = random_rows(31, rows // 3, 3)
        blocks = np.asarray(softmax_fisher(random_rows(32, rows // 3), outputs))
    fisher = np.zeros((rows, rows))
    for i, block in enumerate(blocks):
        fisher[3 * i : 3 * i + 3, 3 * i : 3 * i + 3] = block
    residual = (random_rows(33, rows // 3, 3) - outputs).ravel()
    return table, fisher, residual


def test_rows_give_the_forms_of_the_dense_curvature(x64):
    table, fisher, residual = jacobian(6, 20)
    dense = forms_of(table.T @ residual, table.T @ fisher @ table)
    for one, other in zip(of_rows(table, fisher, residual), dense, strict=True):
        assert_close(one / other, 1.0, 1e-9)  # rounding times the condition, 1e5


def test_without_full_row_rank_the_rows_give_an_upper_bound(x64):
    table, fisher, residual = jacobian(6, 3)
    dense = forms_of(table.T @ residual, table.T @ fisher @ table)
    found = of_rows(table, fisher, residual)
    assert_close(found.curvature, dense.curvature, 1e-13)
    assert_below(1.05 * dense.inverse, found.inverse)


def test_a_residual_outside_the_range_makes_the_factor_infinite(x64):
    table, fisher, residual = jacobian(6, 20)
    moved = residual + np.array([0.1, 0, 0, 0, 0, 0])  # its first row sums to 0.1
    assert float(kantorovich_factor(of_rows(table, fisher, moved))) == np.inf


def test_softmax_rows_need_no_matrix(x64):
    table, fisher, residual = jacobian(6, 20)
    outputs, contexts = random_rows(31, 2, 3), random_rows(32, 2)
    shift = (table @ (table.T @ residual)).reshape(2, 3)
    found = of_softmax(shift, contexts, outputs, residual.reshape(2, 3))
    for one, other in zip(found, of_rows(table, fisher, residual), strict=True):
        assert_close(one / other, 1.0, 1e-11)  # rounding times the condition of D


# Worlds in tabular logits


@pytest.mark.parametrize("name", ["golden_a", "many_contexts"])
def test_tabular_forms_are_those_of_the_dense_fisher(name, x64):
    world = WORLDS[name]()
    found = tabular_forms(world)
    blocks = softmax_fisher(world.safety.contexts, world.safety.outputs)
    step = world.safety.outputs - world.capability.outputs
    gradient = world.capability.contexts[:, None] * step
    dense = forms_of(gradient, blocks)
    assert_close(found.norm_squared, dense.norm_squared.sum(), 1e-14)
    assert_close(found.curvature, dense.curvature.sum(), 1e-14)
    assert_close(found.inverse / dense.inverse.sum(), 1.0, 1e-9)  # condition of D
    assert_close(
        found.inverse / 2 / proxy_rate_quadratic(exact_proxy(world)), 1.0, 1e-13
    )


def test_support_conflict_makes_the_tabular_factor_infinite(x64):
    assert (
        float(kantorovich_factor(tabular_forms(WORLDS["support_conflict"]()))) == np.inf
    )
    identical = tabular_forms(WORLDS["identical"]())
    assert float(kantorovich_factor(identical)) == 1.0


@given(world=strategies.worlds())
@in_x64
def test_tabular_case_two_never_pays_less(world):
    # Rounding: sums of positive terms only.
    assert_below(1.0, jax.jit(kantorovich_factor)(tabular_forms(world)), 1e-12)


# The truth behind it


def ratio_at_equal_gain(radii: np.ndarray) -> tuple[np.ndarray, Forms]:
    """G_s of Case II over G_s of Case I at the same gain, for 20 models."""
    model = random_models(34, count=20)
    gradient = capability_gradient(model)
    forms = forms_of(gradient, model.safety_curvature)
    steepest = np.linalg.eigvalsh(model.capability_curvature)[:, -1]
    scale = np.linalg.norm(gradient, axis=-1) / steepest
    ball = gaps_of(model, in_ball(model, radii[:, None] * scale))
    directions = jax.jit(spectrum)(model)

    def gain(minus_log_penalty):
        return spectral_gaps(directions, jnp.exp(-minus_log_penalty)).gain

    wide = jnp.full(ball.gain.shape, 60.0)
    found, _ = jax.jit(partial(last_below, gain))(ball.gain, -wide, wide)
    case_one = spectral_gaps(directions, jnp.exp(-found))
    return np.asarray(ball.safety / case_one.safety), forms


def test_small_balls_pay_the_factor_with_an_error_of_first_order(x64):
    ratio, forms = ratio_at_equal_gain(np.geomspace(1e-2, 1e-6, 5))
    error = np.abs(ratio / np.asarray(kantorovich_factor(forms)) - 1)
    # First order: the terms of second order weigh most at the largest radius, so the
    # slope is read where they are below a percent, and the fall over all four decades.
    assert_close(np.log10(error[2:-1] / error[3:]), np.ones((2, 20)), 0.1)
    assert_below(3.5, np.log10(error[0] / error[-1]))


def test_another_factor_leaves_an_error_that_does_not_vanish(x64):
    ratio, forms = ratio_at_equal_gain(np.array([1e-5]))
    wrong = 1.01 * np.asarray(kantorovich_factor(forms))
    assert_must_fail(lambda: assert_below(np.abs(ratio / wrong - 1), 1e-3))


def test_predicted_frontiers_are_those_of_small_moves(x64):
    model = random_models(35)
    forms = forms_of(capability_gradient(model), model.safety_curvature)
    near = gaps_of(model, in_ball(model, 1e-6))
    far = gaps_of(model, penalised_move(model, 1e8))
    # First order in 1e-6 / |d|, at most 1e-3 here, and in 1e-8 times 1e5.
    assert_close(near.safety / safety_cost(near.gain, ball_cost(forms)), 1.0, 3e-3)
    assert_close(far.safety / safety_cost(far.gain, loss_cost(forms)), 1.0, 1e-4)
