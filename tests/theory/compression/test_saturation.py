"""The logarithmic law: printed numbers, differential equations, order, slopes."""

import jax
import numpy as np
import pytest
from hypothesis import given
from scipy.integrate import solve_ivp

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers
from theory.compression import (
    forward_effort,
    forward_end,
    forward_speed,
    inverse_effort,
    inverse_end,
    inverse_speed,
    late_over_early,
    negatives_ceiling,
    negatives_exponent,
    negatives_needed,
    negatives_price,
)

PRINTED = {10.0: 5.58, 100.0: 8.26, 1e3: 10.62, 1e4: 12.93}  # from z_0 = -1
STARTS, EFFORTS = numbers(-6.0, 6.0), numbers(1e-3, 1e6)

needed = jax.jit(negatives_needed)
price = jax.jit(negatives_price)
ceiling = jax.jit(negatives_ceiling)
exponent = jax.jit(negatives_exponent)
forward = jax.jit(forward_end)
inverse = jax.jit(inverse_end)
slope_up = jax.jit(jax.grad(forward_effort, argnums=1))
slope_down = jax.jit(jax.grad(inverse_effort, argnums=1))
slope_needed = jax.jit(jax.grad(negatives_needed, argnums=1))


def flow(speed, start: float, effort: float) -> float:
    """The end of dz = speed(z) d effort, by an integrator that knows no formula."""
    solution = solve_ivp(
        lambda _, z: speed(z), (0, effort), [start], rtol=1e-10, atol=1e-12
    )
    return float(solution.y[0, -1])


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("positives", PRINTED)
def test_the_printed_numbers_are_reproduced(positives, x64):
    assert_close(needed(-1.0, positives), PRINTED[positives], 5.1e-3)


@pytest.mark.parametrize(("start", "effort"), [(-1.0, 10.0), (2.0, 0.5), (-3.0, 300.0)])
def test_both_ways_agree_with_an_integrator(start, effort, x64):
    # The integrator's own tolerance, summed over its steps.
    up = flow(lambda z: sigmoid(-z), start, effort)
    down = flow(lambda z: -sigmoid(z), start, effort)
    assert_close(forward(start, effort), up, 1e-7)
    assert_close(inverse(start, effort), down, 1e-7)


def test_negatives_bring_an_integrated_flow_back(x64):
    top = flow(lambda z: sigmoid(-z), -1.0, 100.0)
    back = flow(lambda z: -sigmoid(z), top, float(needed(-1.0, 100.0)))
    assert_close(back, -1.0, 1e-7)
    short = flow(lambda z: -sigmoid(z), top, 0.99 * float(needed(-1.0, 100.0)))
    assert_must_fail(lambda: assert_close(short, -1.0, 1e-3))


def test_speeds_are_the_slopes_of_the_efforts(x64):
    for z in (-4.0, 0.0, 3.0):
        up, down = slope_up(z, z), slope_down(z, z)
        assert_close_to_rounding(np.array(1 / up), forward_speed(z), 8)
        assert_close_to_rounding(np.array(-1 / down), inverse_speed(z), 8)


@given(start=STARTS, effort=EFFORTS)
@in_x64
def test_efforts_invert_ends(start, effort):
    # e^z_0 <= 400 and effort <= 1e6 are summed: roundings of the larger.
    scale = 1e-14 * (effort + 500)
    assert_close(forward_effort(start, forward(start, effort)), effort, scale)
    assert_close(inverse_effort(start, inverse(start, effort)), effort, scale)


@given(start=STARTS, other=STARTS, effort=EFFORTS)
@in_x64
def test_order_is_preserved(start, other, effort):
    low, high = sorted((start, other))
    # 1e-12: rounding of ends up to 14 at slopes up to 1.
    assert_below(forward(low, effort), forward(high, effort), 1e-12)
    assert_below(inverse(low, effort), inverse(high, effort), 1e-12)


@given(start=STARTS, effort=EFFORTS, factor=numbers(1.0, 100.0))
@in_x64
def test_more_positives_never_need_fewer_negatives(start, effort, factor):
    # 1e-10: e^-z_0 <= 400 times the rounding of z_1.
    assert_below(needed(start, effort), needed(start, factor * effort), 1e-10)
    rho = float(exponent(start, effort))
    assert 0 < rho <= 1 + 1e-6  # the difference z_1 - z_0 keeps 1e-6 at effort 1e-3


@given(start=STARTS, effort=EFFORTS)
@in_x64
def test_negatives_grow_no_faster_than_a_logarithm(start, effort):
    assert_below(needed(start, effort), ceiling(start, effort), 1e-10)


def test_a_ceiling_without_its_second_term_is_noticed(x64):
    logarithm = np.log1p(1e3 * np.exp(1.0))
    assert_must_fail(lambda: assert_below(needed(-1.0, 1e3), logarithm, 1e-10))


def test_order_is_preserved_by_any_flow_in_one_dimension_even_in_time():
    def speed(t: float, z: np.ndarray) -> np.ndarray:
        return np.sin(3 * t) * sigmoid(-z) - (1 + np.cos(t)) * sigmoid(z) * (t > 2)

    starts = np.linspace(-3, 3, 13)
    ends = solve_ivp(speed, (0, 8), starts, rtol=1e-9, atol=1e-11).y[:, -1]
    # Ends come within 1e-3 of each other: far above the integrator's tolerance.
    assert np.min(np.diff(ends)) > 1e-5


def test_the_price_is_the_slope_of_what_is_needed(x64):
    for start, effort in ((-1.0, 10.0), (2.0, 1.0), (0.0, 1e4)):
        # e^-z_0 <= 3 against a price down to 1e-4.
        slope = slope_needed(start, effort)
        assert_close_to_rounding(slope, price(start, effort), 1e4)


def test_the_exponent_is_the_slope_in_logarithms(x64):
    step = 1e-5
    low, high = (needed(-1.0, 100.0 * np.exp(sign * step)) for sign in (-1, 1))
    found = (np.log(high) - np.log(low)) / (2 * step)
    # Central differences: step^2 and eps / step.
    assert_close(exponent(-1.0, 100.0), found, 1e-8)
    assert float(exponent(-1.0, 0.0)) == 1.0


def test_far_fewer_negatives_than_positives_and_a_decline_that_slows(x64):
    ratios = [float(needed(-1.0, n)) / n for n in PRINTED]
    assert_below(ratios[1:], np.array(ratios[:-1]) / 5)
    tops = forward(-1.0, np.array(list(PRINTED)))
    early = inverse_speed(tops)
    assert_below(early[:-1], early[1:])  # more positives, faster initial decline
    assert_below(late_over_early(tops, -5.0), 0.01)  # e^-5 = .0067


def efforts_to_return(pull: np.ndarray) -> list[float]:
    """Inverse efforts to score 0 after forward efforts 3 and 30, score = theta[0].

    Two quadratic losses in two dimensions: forward to (1, 3), the second coordinate ten
    times slower; inverse to (-1, 0) with curvature `pull`.
    """
    home, away, slow = np.array([-1.0, 0.0]), np.array([1.0, 3.0]), np.array([1.0, 0.1])

    def score(_: float, point: np.ndarray) -> float:
        return float(point[0])

    score.terminal = True
    found = []
    for effort in (3.0, 30.0):
        top = away * (1 - np.exp(-slow * effort))
        back = solve_ivp(
            lambda _, point: -pull @ (point - home), (0, 20), top, events=score
        )
        found.append(float(back.t_events[0][0]))
    return found


def test_in_two_dimensions_more_positives_may_need_fewer_negatives():
    # Coupled: the slow coordinate, longer trained, speeds up the way back twofold.
    short, long = efforts_to_return(np.array([[1.0, 0.9], [0.9, 1.0]]))
    assert long < 0.6 * short
    # Negative control: uncoupled, the score is one-dimensional and the lemma holds.
    short, long = efforts_to_return(np.eye(2))
    assert long > short
