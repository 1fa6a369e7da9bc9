"""Theorem 2: the error rules the gradient and the curvature, to the last digit."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.unlearnability import (
    answer_loss,
    batch_bounds,
    curvature_ceiling,
    error_after,
    error_after_log_odds,
    error_from_loss,
    error_probability,
    gradient_ceiling,
    gradient_ceiling_spectral,
    logit_curvature,
    loss_from_error,
    loss_gradient,
    residual,
    residual_norm_ceiling,
    residual_norm_floor,
    separation,
    stiffness_ceiling,
    wrong_law,
    wrong_log_odds,
)

SAMPLES, OUTPUTS, PARAMETERS = 3, 5, 4
LOGITS = hnp.arrays(np.float64, (SAMPLES, OUTPUTS), elements=numbers(-20.0, 20.0))
JACOBIANS = hnp.arrays(
    np.float64, (SAMPLES, OUTPUTS, PARAMETERS), elements=numbers(-3.0, 3.0)
)
TARGETS = hnp.arrays(np.int64, (SAMPLES,), elements=st.integers(0, OUTPUTS - 1))

error, loss, law = map(jax.jit, (error_probability, answer_loss, wrong_law))
left_over, log_odds = jax.jit(residual), jax.jit(wrong_log_odds)
gradient, apart, chain = map(jax.jit, (loss_gradient, separation, batch_bounds))
bent = jax.jit(logit_curvature)


def usual_loss(point, logits, jacobian, target):
    """The cross-entropy of linear logits as everyone writes it."""
    return -jax.nn.log_softmax(logits + jacobian @ point)[target]


usual_gradient = jax.jit(jax.vmap(jax.grad(usual_loss), (None, 0, 0, 0)))
usual_hessian = jax.jit(jax.vmap(jax.hessian(usual_loss), (None, 0, 0, 0)))
usual_error = jax.jit(jax.vmap(lambda *a: -jnp.expm1(-usual_loss(*a)), (None, 0, 0, 0)))


@pytest.mark.parametrize("margin", [1.0, 30.0, 300.0])
def test_every_digit_of_a_small_error_is_kept(margin, x64):
    logits, target = np.array([margin, 0.0, -1.0]), np.array(0)
    with mpmath.workdps(200):
        wrong = 1 + mpmath.exp(-1)
        chance = wrong / (wrong + mpmath.exp(margin))
        exact = float(chance), float(-mpmath.log1p(-chance))
    # A few roundings, amplified by the logarithm's size |a| <= 300.
    assert_close_to_rounding(error(logits, target), exact[0], 600)
    assert_close_to_rounding(loss(logits, target), exact[1], 600)
    assert_close_to_rounding(-left_over(logits, target)[0], exact[0], 600)


def test_the_naive_error_loses_its_digits(x64):
    # Negative control: 1 - p_y at e = 1e-12 is off by 1e-4 of itself.
    logits, target = np.array([27.631, 0.0]), np.array(0)
    naive = 1 - jax.nn.softmax(logits)[0]
    assert_must_fail(
        lambda: assert_close_to_rounding(naive, error(logits, target), 600)
    )


@given(logits=LOGITS, targets=TARGETS)
@in_x64
def test_the_residual_is_the_gradient_in_the_logits(logits, targets):
    usual = jax.nn.softmax(logits) - np.eye(OUTPUTS)[targets]
    # The usual form is known to the rounding of 1.
    assert_close(left_over(logits, targets), usual, 1e-14)
    wrong = np.asarray(law(logits, targets))
    assert_close(wrong.sum(-1), np.ones(SAMPLES), 1e-14)
    assert (wrong[np.arange(SAMPLES), targets] == 0).all()


@given(logits=LOGITS, targets=TARGETS)
@in_x64
def test_the_size_of_the_residual_is_two_errors_and_its_length_between(logits, targets):
    rest, chance = np.asarray(left_over(logits, targets)), error(logits, targets)
    # Sums of five terms of relative rounding.
    assert_close_to_rounding(np.abs(rest).sum(-1), 2 * np.asarray(chance), 16)
    size = np.linalg.norm(rest, axis=-1)
    assert_below(residual_norm_floor(chance, OUTPUTS), size, relative=1e-14)
    assert_below(size, residual_norm_ceiling(chance), relative=1e-14)
    assert_below(chance, np.minimum(1.0, loss(logits, targets)), relative=1e-14)


def test_both_ends_of_the_length_are_met(x64):
    even, single = np.array([3.0, 0.0, 0.0]), np.array([3.0, 0.0, -800.0])
    for logits, end in (
        (even, lambda chance: residual_norm_floor(chance, 3)),
        (single, residual_norm_ceiling),
    ):
        size = np.linalg.norm(left_over(logits, np.array(0)))
        assert_close_to_rounding(size, end(error(logits, np.array(0))), 16)


@given(logits=LOGITS, jacobians=JACOBIANS, targets=TARGETS)
@in_x64
def test_the_gradient_is_the_error_times_that_of_the_log_odds(
    logits, jacobians, targets
):
    found = gradient(logits, jacobians, targets)
    usual = usual_gradient(np.zeros(PARAMETERS), logits, jacobians, targets)
    # The usual form is known to the rounding of |J| <= 15.
    assert_close(found, usual, 1e-12)
    size = np.linalg.norm(found, axis=-1)
    chance, distance = error(logits, targets), apart(jacobians, targets)
    spectral = np.linalg.norm(np.asarray(jacobians), 2, axis=(-2, -1))
    assert_below(size, gradient_ceiling(chance, distance), relative=1e-13)
    assert_below(size, gradient_ceiling_spectral(chance, spectral), relative=1e-13)
    assert_below(distance, np.sqrt(2) * spectral, relative=1e-13)


@given(logits=LOGITS, jacobians=JACOBIANS, targets=TARGETS)
@in_x64
def test_the_chain_of_a_batch_rises(logits, jacobians, targets):
    found = chain(logits, jacobians, targets)
    usual = usual_gradient(np.zeros(PARAMETERS), logits, jacobians, targets)
    assert_close(found.norm, np.linalg.norm(np.mean(usual, axis=0)), 1e-12)
    for low, high in itertools.pairwise(found):
        assert_below(low, high, relative=1e-13)


@given(logits=LOGITS, targets=TARGETS)
@in_x64
def test_the_curvature_in_the_logits_is_at_most_two_errors(logits, targets):
    chance = jax.nn.softmax(logits)
    hessian = np.asarray(
        chance[..., None] * np.eye(OUTPUTS) - chance[..., None] * chance[..., None, :]
    )
    top = np.linalg.eigvalsh(hessian)[..., -1]
    ceiling = curvature_ceiling(error(logits, targets))
    assert_below(top, ceiling, 1e-14)  # formed from p: the rounding of 1
    direction = np.linspace(-1, 2, OUTPUTS)
    along = np.einsum("...ij,i,j", hessian, direction, direction)
    rows = np.broadcast_to(direction, logits.shape)
    assert_close(bent(logits, rows, targets), along, 1e-13)


def test_two_outputs_meet_the_curvature_ceiling(x64):
    u = np.array([1.0, -1.0]) / np.sqrt(2)
    for margin in (0.0, 30.0):
        logits = np.array([margin, 0.0])
        ceiling = curvature_ceiling(error(logits, np.array(0)))
        # At margin 30 they differ by e / 2 of themselves, 5e-14.
        assert_close_to_rounding(bent(logits, u, np.array(0)), ceiling, 600)
    twice = np.array([0.0, 0.0]), u, np.array(0)
    assert_must_fail(lambda: assert_below(bent(*twice), 0.9 * curvature_ceiling(0.5)))


@given(logits=LOGITS, jacobians=JACOBIANS, targets=TARGETS)
@in_x64
def test_the_hessian_in_the_parameters_is_at_most_e_d_squared(
    logits, jacobians, targets
):
    hessian = usual_hessian(np.zeros(PARAMETERS), logits, jacobians, targets)
    top = np.linalg.eigvalsh(np.asarray(hessian))[..., -1]
    ceiling = stiffness_ceiling(error(logits, targets), apart(jacobians, targets))
    assert_below(top, ceiling, 1e-12)  # |J|^2 <= 180 times the rounding of p


def test_curved_logits_bend_the_loss_by_two_errors_more(x64):
    # z = (0, a x^2 / 2) at x = 0, target 0: the gradient vanishes, the Hessian is e a.
    def curved(x):
        return -jax.nn.log_softmax(jnp.stack([0.0 * x, 3 * x**2 / 2]))[0]

    found = jax.jit(jax.hessian(curved))(0.0)
    assert_close(found, 0.5 * 3, 1e-12)
    assert_below(found, stiffness_ceiling(0.5, 0.0, 3.0))


@given(logits=LOGITS, jacobians=JACOBIANS, targets=TARGETS, move=numbers(-1.0, 1.0))
@in_x64
def test_the_error_grows_no_faster_than_its_shelf_life(
    logits, jacobians, targets, move
):
    point = move * np.array([1.0, -0.5, 0.25, 0.1])
    after = usual_error(point, logits, jacobians, targets)
    chance, distance = error(logits, targets), apart(jacobians, targets)
    sharp = error_after_log_odds(chance, distance, np.linalg.norm(point))
    # The usual error is known to the rounding of 1.
    assert_below(after, sharp, 1e-13)
    loose = error_after(chance, distance, np.linalg.norm(point))
    assert_below(sharp, loose, relative=1e-12)


def test_a_shelf_life_at_half_the_separation_is_noticed(x64):
    logits, jacobian, target = np.array([5.0, 0.0]), np.eye(2), np.array(0)
    after = error(logits + np.array([-1.0, 1.0]), target)
    chance, distance = error(logits, target), apart(jacobian, target)
    length = np.sqrt(2)
    assert_close_to_rounding(error_after_log_odds(chance, distance, length), after, 64)
    assert_must_fail(
        lambda: assert_below(after, error_after(chance, distance / 2, length))
    )


@given(value=numbers(1e-12, 30.0))
@in_x64
def test_losses_and_errors_invert_each_other(value):
    # At loss 30 the error is 1 - 1e-13: it keeps three digits of the loss.
    assert_close(loss_from_error(error_from_loss(value)), value, 1e-3 * value)
    small = min(value, 1.0)
    # XLA's log1p and expm1 are off by some ten roundings each.
    assert_close_to_rounding(loss_from_error(error_from_loss(small)), small, 128)


def test_certain_rows_are_safe_in_values_and_gradients(x64):
    sure, target = np.array([[900.0, 0.0], [0.0, 900.0], [0.0, -np.inf]]), np.zeros(3)
    targets = target.astype(int)
    assert_close(error(sure, targets), np.array([0.0, 1.0, 0.0]), 0.0)
    assert float(log_odds(sure, targets)[2]) == -np.inf
    for function in (error, loss):
        assert_finite_gradient(lambda z, f=function: f(z, targets), sure)
    assert_finite_gradient(jax.jit(error_from_loss), np.array(0.0))
    assert_finite_gradient(jax.jit(loss_from_error), np.array([0.0, 1.0]))
    assert_finite_gradient(lambda j: apart(j, np.array(0)), np.zeros((2, 3)))
    assert_finite_gradient(
        jax.jit(error_after_log_odds), np.array(0.0), np.array(2.0), np.array(400.0)
    )


def test_batches_and_compilation_change_nothing(x64):
    logits = np.linspace(-4, 4, 6 * OUTPUTS).reshape(2, 3, OUTPUTS) ** 2
    targets = np.arange(6).reshape(2, 3) % OUTPUTS
    assert_batching_changes_nothing(error_probability, logits, targets)
    assert_jit_changes_nothing(answer_loss, logits, targets)


def test_single_precision_keeps_its_own_digits():
    logits = np.array([40.0, 0.0], np.float32)
    found = error(logits, np.array(0))
    assert found.dtype == jnp.float32
    # eps 1.2e-7 times the logit 40.
    assert_close_to_rounding(found, np.float32(4.248354e-18), 64)
