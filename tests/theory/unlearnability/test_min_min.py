"""A vector and a simulated user that learn together: integrated, inverted, compared."""

import jax
import mpmath
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import solve_ivp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.unlearnability import (
    adaptation_gap,
    effort_needed,
    joint_margin,
    reset_margin,
    residual_loss,
)
from theory.unlearnability.flip_times import flip_time

STARTS, EFFORTS, USERS = numbers(-6.0, 6.0), numbers(0.0, 1e3), numbers(0.0, 5.0)
joint = jax.jit(joint_margin)
reset = jax.jit(reset_margin)
gap = jax.jit(adaptation_gap)
needed = jax.jit(effort_needed)
residual = jax.jit(residual_loss)


def trained(start: float, effort: float, user: float) -> tuple[float, float]:
    """The user's and the vector's gains, integrated."""

    def speed(_: float, gains: np.ndarray) -> np.ndarray:
        force = 1 / (1 + np.exp(start + gains.sum()))
        return np.array([user * force, force])

    found = solve_ivp(speed, (0, effort), np.zeros(2), rtol=1e-10, atol=1e-12)
    return float(found.y[0, -1]), float(found.y[1, -1])


@pytest.mark.parametrize("user", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("start", [-4.0, 0.0, 2.0])
def test_both_margins_are_those_of_the_flow(start, user, x64):
    by_user, by_vector = trained(start, 30.0, user)
    # The integrator's tolerance over its steps.
    assert_close(joint(start, 30.0, user), start + by_user + by_vector, 1e-7)
    assert_close(reset(start, 30.0, user), start + by_vector, 1e-7)


def test_forgetting_the_reset_is_noticed(x64):
    _, by_vector = trained(0.0, 30.0, 1.0)
    assert_must_fail(lambda: assert_close(joint(0.0, 30.0, 1.0), by_vector, 1e-2))


@given(start=STARTS, effort=EFFORTS, user=USERS)
@in_x64
def test_min_min_never_leaves_less_than_plain_training(start, effort, user):
    plain, other = reset(start, effort, 0.0), reset(start, effort, user)
    # Rounding of margins below 20.
    assert_below(other, plain, 1e-13)
    assert_below(residual(plain), residual(other), 1e-13)


def test_before_the_reset_min_min_looks_better(x64):
    # Negative control: validated at the simulated user, the order is the opposite.
    plain = reset(-2.0, 20.0, 0.0)
    seen = residual(joint(-2.0, 20.0, 1.0))
    assert_must_fail(lambda: assert_below(residual(plain), seen))


@given(start=STARTS, effort=EFFORTS, user=USERS)
@in_x64
def test_the_adaptation_gap_is_what_the_reset_costs(start, effort, user):
    before, after = (residual(m(start, effort, user)) for m in (joint, reset))
    # Rounding of a difference of losses below 10.
    assert_close(gap(start, effort, user), after - before, 1e-13)
    assert float(gap(start, effort, user)) >= 0
    assert float(gap(start, effort, 0.0)) == 0.0


@pytest.mark.parametrize("effort", [1e-3, 1.0, 1e4, 1e12])
def test_the_adaptation_gap_keeps_its_digits(effort, x64):
    start, user = -1.5, 0.25
    with mpmath.workdps(40):
        c = mpmath.mpf(1.25) * effort + start + mpmath.exp(start)
        total = mpmath.findroot(lambda u: u + mpmath.exp(u) - c, mpmath.log(1 + effort))
        own = start + (total - start) / mpmath.mpf(1.25)
        after, before = (mpmath.log1p(mpmath.exp(-u)) for u in (own, total))
        expected = after - before
        # A margin known to 1e-16 of 30, in an exponential.
        assert abs(float(gap(start, effort, user)) / float(expected) - 1) < 1e-12


@given(start=STARTS, gain=numbers(0.0, 6.0), user=numbers(0.0, 3.0))
@in_x64
def test_the_needed_effort_reaches_the_margin(start, gain, user):
    margin = start + gain
    # The root of u + e^u = c: digits of c over its slope 1 + e^u.
    assert_close(reset(start, needed(start, margin, user), user), margin, 1e-12)


def test_a_simulated_user_makes_the_price_of_a_margin_its_power(x64):
    for user in (0.5, 1.0):
        dear, cheap = (float(needed(0.0, 25.0, a)) for a in (user, 0.0))
        # log(e^(r (1 + a)) / (1 + a)) over log(e^r), up to terms of e^-r.
        expected = 25 * (1 + user) - np.log(1 + user)
        assert_close(np.log(dear), expected, 1e-8)
        assert_close(np.log(cheap), 25.0, 1e-8)


def test_an_overwhelming_user_leaves_the_vector_nothing_to_learn(x64):
    users = np.array([1e2, 1e4, 1e6])
    gained = np.asarray(reset(0.0, 10.0, users))
    # u - u_0 is below log(1 + (1 + a) effort + 1), a 1 + a'th of which is the vector's.
    assert_below(gained, np.log(2 + 10 * (1 + users)) / users)


def test_the_same_effort_defers_the_flip_less(x64):
    base, effort = 3.0, 200.0  # a safe margin of 3, a vector from 0
    plain, other = (float(reset(-base, effort, a)) + base for a in (0.0, 1.0))
    times = [float(flip_time(base, vector)) for vector in (0.0, other, plain)]
    assert times == sorted(times)
    assert times[2] > 2 * times[1]


def test_gradients_are_finite_at_no_effort_and_no_user(x64):
    for function in (joint_margin, reset_margin, adaptation_gap):
        assert_finite_gradient(function, *map(np.array, (-1.0, 0.0, 0.0)))
    assert_finite_gradient(effort_needed, *map(np.array, (1.0, 1.0, 0.0)))
