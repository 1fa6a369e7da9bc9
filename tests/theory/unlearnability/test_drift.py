"""Theorem 3: drift, deactivated loss, certificates, and samples never seen."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from scipy.stats import binom

from tests.assertions import (
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
    descent_drift_by_fall,
    descent_drift_ceiling,
    drift_ceiling,
    drift_ceiling_saturating,
    error_mean_ceiling,
    error_sum_ceiling,
    hoeffding_width,
    loss_change_ceiling,
    loss_change_ceiling_smooth,
    resistance_certificate,
    resistance_certificate_descent,
    resistance_certificate_saturating,
    unseen_drift_ceiling,
)

RATES, APARTS, ERRORS = numbers(1e-4, 1.0), numbers(0.1, 4.0), numbers(1e-9, 1.0)

simple, saturating = jax.jit(drift_ceiling), jax.jit(drift_ceiling_saturating)
certificate = jax.jit(resistance_certificate)
certificate_saturating = jax.jit(resistance_certificate_saturating)
certificate_descent = jax.jit(resistance_certificate_descent)

# A softmax-linear model as in the notes: 6 outputs, 5 unit features, D = sqrt(2).
OUTPUTS, FEATURES, SAMPLES, STEPS = 6, 5, 40, 2000
APART = np.sqrt(2.0)


def model() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit features, targets, and the logits that the vector adds for the targets."""
    grid = np.sin(np.arange(SAMPLES * FEATURES) ** 1.3).reshape(SAMPLES, FEATURES)
    features = grid / np.linalg.norm(grid, axis=-1, keepdims=True)
    targets = (np.arange(SAMPLES) * 7) % OUTPUTS
    vector = 14 * np.eye(OUTPUTS)[targets] * (1 + grid[:, :1] / 4)
    return features, targets, vector


@jax.jit
def path(rate):
    """(lengths, sums of errors at the start, losses off) at every single-sample step.

    Deactivated, an aligned base disfavours the targets by 9.
    """
    features, targets, vector = (jnp.asarray(part) for part in model())
    right = jax.nn.one_hot(targets, OUTPUTS)

    def wrong(weights, offsets):
        logits = features @ weights.T + offsets
        return -jnp.expm1(jnp.sum(right * jax.nn.log_softmax(logits), -1))

    start = wrong(jnp.zeros((OUTPUTS, FEATURES)), vector)

    def loss(weights, sample):
        logits = weights @ features[sample] + vector[sample]
        return -jax.nn.log_softmax(logits)[targets[sample]]

    def off(weights):
        logits = features @ weights.T - 9 * right
        return -jnp.mean(jnp.sum(right * jax.nn.log_softmax(logits), -1))

    def step(state, count):
        weights, way, used = state
        sample = (count * 17) % SAMPLES
        move = -rate * jax.grad(loss)(weights, sample)
        state = weights + move, way + jnp.linalg.norm(move), used + start[sample]
        return state, (state[1], state[2], off(state[0]))

    zero = jnp.zeros((OUTPUTS, FEATURES))
    _, found = jax.lax.scan(step, (zero, 0.0, 0.0), jnp.arange(STEPS))
    return (*found, off(zero))


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_the_path_stays_below_the_bound_at_every_step(rate, x64):
    lengths, used, losses, loss_start = path(rate)
    ceilings = simple(rate, APART, used)
    assert_below(lengths, ceilings, relative=1e-12)
    assert np.isfinite(ceilings).all()  # the comparison is not with infinity
    # In the notes the bound is within 3 to 12 % of the path; declared here: a half.
    assert_below(ceilings[-1], 1.5 * lengths[-1])
    # Deactivated, the same features separate outputs as much: D_off = sqrt(2).
    change = np.abs(np.asarray(losses) - loss_start)
    assert_below(change, loss_change_ceiling(APART, ceilings), 1e-12)
    # Negative control: a bound by 70 % of the separation is crossed.
    assert_must_fail(
        lambda: assert_below(lengths, simple(rate, 0.7 * APART, used), relative=1e-12)
    )


@jax.jit
def descent(rate):
    """(lengths, mean losses before each step) of full-batch descent, small vector."""
    features, targets, vector = (jnp.asarray(part) for part in model())
    right = jax.nn.one_hot(targets, OUTPUTS)

    def loss(weights):
        logits = features @ weights.T + vector / 3
        return -jnp.mean(jnp.sum(right * jax.nn.log_softmax(logits), -1))

    def step(state, _):
        weights, way = state
        value, slope = jax.value_and_grad(loss)(weights)
        return (weights - rate * slope, way + rate * jnp.linalg.norm(slope)), (
            way,
            value,
        )

    zero = jnp.zeros((OUTPUTS, FEATURES))
    return jax.lax.scan(step, (zero, 0.0), length=400)[1]


def test_descent_stays_below_both_its_bounds_and_the_saturating_one(x64):
    rate = 1.0  # the smoothness is at most |h|^2 / 2
    lengths, losses = descent(rate)
    efforts = rate * np.arange(400)
    assert_below(lengths, descent_drift_ceiling(efforts, APART, losses[0]), 1e-12)
    # The fall of the loss is a difference: its root is known to 1e-8.
    assert_below(lengths, descent_drift_by_fall(efforts, losses[0] - losses), 1e-6)
    error = -np.expm1(-float(losses[0]))  # Jensen: above the mean error
    assert_below(lengths, saturating(efforts, APART, error), 1e-12)
    assert_must_fail(
        lambda: assert_below(lengths, saturating(efforts / 30, APART, error), 1e-12)
    )


@given(rate=RATES, apart=APARTS, error=ERRORS, steps=numbers(1.0, 1e4))
@in_x64
def test_the_saturating_bound_is_the_sharper_and_always_finite(
    rate, apart, error, steps
):
    found = float(saturating(rate * steps, apart, error))
    # 1e-9: the simple bound loses digits where its logarithm nears infinity.
    assert_below(found, simple(rate, apart, steps * error), relative=1e-9)
    assert_below(found, rate * steps * apart, relative=1e-12)
    assert found > 0


@pytest.mark.parametrize("error", [1e-280, 1e-20, 1e-3, 0.5, 1 - 1e-9, 1.0])
@pytest.mark.parametrize("effort", [1e-20, 1e-6, 1.0, 1e8])
def test_the_saturating_bound_keeps_its_digits(error, effort, x64):
    found = float(saturating(effort, 1.0, error))
    with mpmath.workdps(400):
        e, u = mpmath.mpf(error), mpmath.mpf(found)
        excess = e * u - (1 - e) * mpmath.expm1(-u) - e * mpmath.mpf(effort)
        slope = e + (1 - e) * mpmath.exp(-u)
        off = float(abs(excess / slope / u))
    assert off < 1e-13  # the distance to the root, relative: a few roundings


@given(rate=RATES, apart=APARTS, error=ERRORS, fall=numbers(1e-3, 20.0))
@in_x64
def test_certificates_invert_the_bounds_and_are_ordered(rate, apart, error, fall):
    parts = rate, apart, 2.0, error, fall
    low, high = certificate(*parts), certificate_saturating(*parts)
    loss = -np.log1p(-min(error, 1 - 1e-9))
    highest = certificate_descent(rate, apart, 2.0, loss, fall)
    assert_below(low, high, relative=1e-12)
    assert_below(high, highest, relative=1e-8)  # the loss was cut at e = 1 - 1e-9
    # Where exp(-u) is below rounding the inverse forgets u: u <= 20 here, 1e-16 e^20.
    drift = fall / 2
    if apart * drift < 15:
        assert_close(simple(rate, apart, low * error), drift, 1e-8 * (1 + drift))
    assert_close(saturating(rate * high, apart, error), drift, 1e-6 * (1 + drift))


def test_the_certificate_is_inverse_to_the_residual_error(x64):
    found = certificate(0.1, APART, 1.0, np.array([1e-3, 1e-6]), 3.0)
    assert_close_to_rounding(np.asarray(found[1] / found[0]), 1e3, 16)
    assert float(certificate(0.1, APART, 1.0, 0.0, 3.0)) == np.inf
    assert float(certificate(0.1, APART, 1.0, 0.5, -1.0)) == 0.0


def test_the_smooth_form_is_exact_for_a_quadratic(x64):
    assert_close(loss_change_ceiling_smooth(3.0, 2.0, 0.5), 3 * 0.5 + 0.25, 1e-15)


def test_no_bound_divides_by_zero(x64):
    assert float(drift_ceiling(1.0, 0.0, 3.0)) == 0.0
    assert float(drift_ceiling(1.0, 1.0, 1.0)) == np.inf
    assert float(drift_ceiling_saturating(3.0, 2.0, 0.0)) == 0.0
    zero, one = np.array(0.0), np.array(1.0)
    assert_finite_gradient(jax.jit(drift_ceiling), one, zero, one)
    assert_finite_gradient(jax.jit(drift_ceiling), one, one, one)
    assert_finite_gradient(jax.jit(drift_ceiling_saturating), one, zero, zero)
    assert_finite_gradient(jax.jit(drift_ceiling_saturating), one, one, one)
    assert_finite_gradient(jax.jit(descent_drift_by_fall), one, zero)
    assert_finite_gradient(jax.jit(resistance_certificate), one, one, one, zero, one)


@given(apart=APARTS, error=numbers(1e-3, 0.9), effort=numbers(0.1, 10.0))
@in_x64
def test_the_slope_of_the_saturating_bound_is_that_of_its_equation(
    apart, error, effort
):
    step = 1e-5
    slope = slope_saturating(effort, apart, error)
    sides = [saturating(effort + sign * step, apart, error) for sign in (-1, 1)]
    # Central differences: rounding / step and step^2 D^5.
    assert_close(slope, (sides[1] - sides[0]) / (2 * step), 1e-6)


slope_saturating = jax.jit(jax.grad(drift_ceiling_saturating))


def misses(count: int, chance: float, failure: float, width_scale: float = 1) -> float:
    """P(E e > mean of errors + width), the errors Bernoulli: exact."""
    width = width_scale * float(hoeffding_width(count, failure))
    edge = np.ceil(count * (chance - width) - 1e-9) - 1
    return float(binom.cdf(edge, count, chance))


@pytest.mark.parametrize("count", [5, 50, 500])
@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5])
def test_held_out_bounds_fail_no_more_often_than_they_say(count, chance, x64):
    for failure in (0.5, 0.1, 1e-3):
        assert_below(misses(count, chance, failure), failure)
        # The same tail upwards: 1 - P(sum <= T E e + T width).
        width = count * float(hoeffding_width(count, failure))
        above = binom.sf(np.floor(count * chance + width + 1e-9), count, chance)
        assert_below(above, failure)


def test_half_the_width_fails_too_often(x64):
    assert_must_fail(lambda: assert_below(misses(500, 0.5, 0.1, 0.4), 0.1))


def test_unseen_drift_composes_both_widths_and_is_not_an_expectation(x64):
    parts = 1e-3, APART, 0.01, 400, 200, 0.05
    mean = error_mean_ceiling(0.01, 400, 0.05)
    total = error_sum_ceiling(mean, 200, 0.05)
    assert_close_to_rounding(
        unseen_drift_ceiling(*parts), drift_ceiling(1e-3, APART, total), 8
    )
    # Convex in the sum: the bound at the mean of two sums is below the mean bound.
    sums = np.array([50.0, 450.0])
    bounds = drift_ceiling(1e-3, APART, sums)
    assert_below(drift_ceiling(1e-3, APART, sums.mean()), np.mean(bounds) - 1e-3)


def test_means_and_sums_never_exceed_what_is_possible(x64):
    assert float(error_mean_ceiling(0.9, 3, 0.01)) == 1.0
    assert float(error_sum_ceiling(0.9, 3, 0.01)) == 3.0


def test_compilation_changes_nothing(x64):
    assert_jit_changes_nothing(drift_ceiling_saturating, 2.0, 1.5, 0.1, multiple=64)
