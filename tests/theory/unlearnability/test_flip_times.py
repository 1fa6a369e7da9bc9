"""Theorem 3': closed-form flip times, to forty digits and by actual steps."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import solve_ivp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.unlearnability import (
    flip_steps,
    flip_time,
    flip_time_by_loss,
    flip_time_classes,
    loss_on,
    margin_at,
    margin_at_classes,
)

MARGINS, SHIFTS = numbers(0.01, 10.0), numbers(0.0, 15.0)
PAIRS = [(m, s) for m in (1.0, 3.0, 8.0) for s in (0.0, 2.0, 5.0, 20.0)]

time_of, margin = jax.jit(flip_time), jax.jit(margin_at)
time_of_classes, margin_of_classes = (
    jax.jit(flip_time_classes),
    jax.jit(margin_at_classes),
)


def exact_time(m: float, s: float) -> mpmath.mpf:
    """The time by its other form, from the residual loss, in mpmath."""
    m, s = mpmath.mpf(m), mpmath.mpf(s)
    left = mpmath.log1p(mpmath.exp(m - s))
    return m + mpmath.expm1(m) / mpmath.expm1(left)


@pytest.mark.parametrize(("m", "s"), PAIRS)
def test_both_forms_agree_to_forty_digits_and_the_code_to_rounding(m, s, x64):
    with mpmath.workdps(40):
        first = m + mpmath.exp(s) * (1 - mpmath.exp(-m))
        assert abs(first / exact_time(m, s) - 1) < mpmath.mpf(10) ** -28
    # e^s is known to s roundings, e^(m - s) the same.
    assert_close_to_rounding(time_of(m, s), float(first), 64)
    assert_close_to_rounding(flip_time_by_loss(m, loss_on(m, s)), float(first), 64)


@pytest.mark.parametrize(("m", "s"), PAIRS)
def test_the_trajectory_solves_its_equation_to_25_digits(m, s, x64):
    time = 0.7 * float(time_of(m, s))
    with mpmath.workdps(40):
        start = mpmath.mpf(s) - m
        c = time + start + mpmath.exp(start)
        w = mpmath.lambertw(mpmath.exp(c)).real
        u = c - w
        rest = u + mpmath.exp(u) - c
        assert abs(rest) < mpmath.mpf(10) ** -25 * max(1, abs(c))
    assert_close(margin(time, m, s), float(u - s), 1e-13)  # u <= 20, a few roundings


@pytest.mark.parametrize("classes", [2, 3, 10, 50])
def test_symmetric_classes_flip_when_the_formula_says(classes, x64):
    # An integrator that knows no formula; all V logits are trained.
    m, s = 3.0, 2.0

    def speed(_, logits):
        shifted = logits + s * (np.arange(classes) == 0)
        p = np.exp(shifted - shifted.max())
        return (np.arange(classes) == 0) - p / p.sum()

    start = np.zeros(classes)
    start[0] = -m
    time = float(time_of_classes(m, s, classes))
    end = solve_ivp(speed, (0, time), start, rtol=1e-11, atol=1e-12).y[:, -1]
    # The integrator's tolerance, summed over its steps.
    assert_close(end[0], end[1], 1e-8)
    assert_close(margin_of_classes(time, m, s, classes), 0.0, 1e-12)
    half = solve_ivp(speed, (0, time / 2), start, rtol=1e-11, atol=1e-12).y[:, -1]
    assert_close(margin_of_classes(time / 2, m, s, classes), half[0] - half[1], 1e-8)


def test_a_scalar_margin_is_not_two_classes(x64):
    # Negative control: with two logits both move, and the time is half.
    assert_must_fail(lambda: assert_close(time_of_classes(3, 2, 2), time_of(3, 2), 1.0))
    assert_close_to_rounding(2 * time_of_classes(3, 2, 2), time_of(3, 2), 8)


@jax.jit
def steps_to_flip(m, s, rate):
    """How many steps of gradient descent bring the margin to 0."""

    def go(state):
        w, count = state
        return w + rate * jax.nn.sigmoid(-(w + s)), count + 1

    return jax.lax.while_loop(lambda state: state[0] < 0, go, (-m, 0))[1]


@pytest.mark.parametrize(("s", "printed"), [(0.0, 3950), (3.0, 22085), (6.0, 386342)])
def test_descent_takes_the_printed_number_of_steps_between_both_bounds(s, printed, x64):
    count = int(steps_to_flip(3.0, s, 1e-3))
    assert abs(count - printed) <= 1
    low, high = flip_steps(3.0, s, 1e-3)
    assert float(low) <= count <= float(high)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5])
def test_large_steps_stay_between_both_bounds(rate, x64):
    for m, s in [(1.0, 0.0), (3.0, 2.0), (8.0, 5.0)]:
        count = int(steps_to_flip(m, s, rate))
        low, high = flip_steps(m, s, rate)
        assert float(low) <= count <= float(high)
    # Negative control: time / rate itself is above what large steps take.
    assert int(steps_to_flip(8.0, 5.0, 0.5)) < float(time_of(8.0, 5.0)) / 0.5


@given(m=MARGINS, s=SHIFTS, share=numbers(0.0, 1.0))
@in_x64
def test_the_margin_rises_from_its_start_to_zero(m, s, share):
    time = float(time_of(m, s))
    # Roundings of u <= 15.
    assert_close(margin(0.0, m, s), -m, 1e-13)
    assert_close(margin(time, m, s), 0.0, 1e-13)
    assert_below(margin(share * time, m, s), 0.0, 1e-13)
    assert_below(-m, margin(share * time, m, s), 1e-13)


@given(m=MARGINS, s=SHIFTS, more=numbers(0.01, 3.0))
@in_x64
def test_more_shift_delays_the_flip_even_while_the_loss_is_large(m, s, more):
    # Sufficient, not necessary: the residual loss may be far above 1 throughout.
    delayed, first = float(time_of(m, s + more)) - m, float(time_of(m, s)) - m
    assert_close(delayed / first, np.exp(more), 1e-10 * np.exp(more))


def test_gradients_are_finite_at_the_ends(x64):
    zero, one = np.array(0.0), np.array(1.0)
    assert_finite_gradient(jax.jit(flip_time), zero, one)
    assert_finite_gradient(jax.jit(flip_time_classes), zero, one, np.array(2.0))
    assert_finite_gradient(jax.jit(margin_at), zero, zero, zero)
    assert float(flip_time_by_loss(1.0, 0.0)) == np.inf
    assert_finite_gradient(
        jax.jit(lambda m: flip_time_by_loss(m, jnp.array(1.0))), zero
    )
