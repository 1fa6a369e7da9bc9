"""Inverse alignment, resistance and rebound as numbers read from measured curves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp

from tests.assertions import assert_close, assert_must_fail, in_x64
from tests.strategies import numbers
from theory.compression.definitions import (
    inverse_alignment,
    is_elastic,
    resistance,
    return_exponent,
    samples_to_return,
    slowing,
    speed,
)

POINTS = 6
# Rounding of interpolated numbers of order 1 to 1e3.
ROUNDING = 1e-9

# Printed: KL to base < 0.01 after so many unsafe samples (notes 3.2, Table 3).
ALIGNED = np.array([1000.0, 2000.0, 5000.0, 10000.0])
BACK = {
    "Llama2-7B": np.array([961.0, 844.0, 801.0, 729.0]),
    "Gemma-2B": np.array([923.0, 853.0, 709.0, 598.0]),
}

returning = jax.jit(samples_to_return)
ways = jax.jit(inverse_alignment)
slowings = jax.jit(slowing)
exponent = jax.jit(return_exponent)
curves = hnp.arrays(np.float64, (POINTS,), elements=numbers(0.0, 1.0))
points = hnp.arrays(np.float64, (POINTS,), elements=numbers(0.1, 10.0)).map(np.cumsum)


@given(samples=points, distances=curves, tolerance=numbers(0.0, 1.0))
@in_x64
def test_the_way_back_is_read_from_the_first_point_that_is_near(
    samples, distances, tolerance
):
    near = np.flatnonzero(distances <= tolerance)
    found = float(returning(samples, distances, tolerance))
    if not len(near):
        assert found == np.inf
        return
    first = near[0]
    assert found <= samples[first] + ROUNDING
    assert found >= samples[max(first - 1, 0)] - ROUNDING
    at = np.interp(found, samples, distances)
    assert first == 0 or abs(at - tolerance) < 1e-6


def test_a_later_return_is_not_taken_for_the_first(x64):
    distances = np.array([1.0, 0.0, 1.0, 0.0])
    found = returning(np.arange(4.0), distances, 0.5)
    assert_close(found, 0.5, ROUNDING)
    assert_must_fail(lambda: assert_close(found, 2.5, ROUNDING))


def test_the_printed_shares_of_data_shrink_with_alignment(x64):
    # Notes 3.2: n* / n_safe from .961 to .073 and from .923 to .060, three decimals.
    for name, shares in (("Llama2-7B", (0.961, 0.073)), ("Gemma-2B", (0.923, 0.060))):
        found = [
            ways(np.array([0.0, back]), np.array([1.0, 0.01]), 0.01, n)
            for n, back in zip(ALIGNED, BACK[name], strict=True)
        ]
        assert_close([found[0].share, found[-1].share], shares, 5.1e-4)
        assert all(bool(way.arrived) for way in found)
        assert [bool(is_elastic(way, 0.1)) for way in found] == [False] * 3 + [True]


def test_the_printed_exponents_are_negative(x64):
    # Notes 3.2: -0.12 and -0.19 from the end points, two decimals.
    ends = [0, -1]
    assert_close(exponent(ALIGNED[ends], BACK["Llama2-7B"][ends]), -0.12, 5.1e-3)
    assert_close(exponent(ALIGNED[ends], BACK["Gemma-2B"][ends]), -0.19, 5.1e-3)
    assert all(float(exponent(ALIGNED, back)) < -0.1 for back in BACK.values())


@given(power=numbers(-2.0, 2.0), size=numbers(0.1, 10.0))
@in_x64
def test_a_power_law_has_its_exponent(power, size):
    assert_close(exponent(ALIGNED, size * ALIGNED**power), power, ROUNDING)


def test_a_model_that_never_arrives_is_not_elastic():
    way = ways(np.array([0.0, 1.0]), np.array([0.5, 0.4]), 0.1, 100.0)
    assert float(way.samples) == np.inf
    assert not bool(way.arrived)
    assert not bool(is_elastic(way, 1e9))


def test_entropy_decides_resistance_where_it_differs():
    # Raw losses say one thing, excess losses the other: the confound of notes 3.4.
    assert float(resistance(0.5, 0.6)) < 0
    assert_close(resistance(0.5, 0.6, 0.3, 0.5), 0.1, 1e-6)


def test_the_printed_losses_show_resistance_in_all_nine_cells():
    # Table 1, Alpaca rows, forward and inverse.
    forward = np.array([0.202, 0.214, 0.235, 0.196, 0.241, 0.235, 0.257, 0.323, 0.323])
    inverse = np.array([0.159, 0.195, 0.167, 0.177, 0.215, 0.184, 0.254, 0.227, 0.234])
    found = np.asarray(resistance(forward, inverse))
    assert (found > 0).all()
    assert_close(found.min(), 0.003, 1e-6)


@given(scores=curves, samples=points, shift=numbers(-3.0, 3.0))
@in_x64
def test_a_speed_is_a_least_squares_slope(scores, samples, shift):
    found = float(speeds(samples, scores))
    exact = -np.polyfit(samples[:4] - samples[0], scores[:4], 1)[0]
    assert_close(found, exact, 1e-8)
    assert_close(speeds(samples, scores + shift), found, 1e-8)


speeds = jax.jit(lambda samples, scores: speed(samples, scores, samples[0], samples[3]))


def test_a_straight_fall_does_not_slow_down_and_a_bent_one_does(x64):
    samples = np.arange(10.0)
    assert_close(slowings(samples, 5 - samples, 3.0, 6.0), 1.0, ROUNDING)
    # A saturating curve e^-x: speeds on the stretches differ by about e^-6.
    assert float(slowings(samples, np.exp(-samples), 3.0, 6.0)) < 0.02


def test_curves_come_in_batches(x64):
    scores = np.stack([4 - np.arange(4.0), 8 - 2 * np.arange(4.0)])
    assert_close(speed(np.arange(4.0), scores, 0.0, 3.0), [1.0, 2.0], ROUNDING)
    found = returning(np.arange(4.0), scores / 8, np.array([0.3, 0.5]))
    assert_close(found, [1.6, 2.0], ROUNDING)


def test_a_stretch_of_one_point_has_no_speed():
    found = speed(np.arange(3.0), jnp.arange(3.0), 0.0, 0.5)
    assert np.isnan(float(found))


@pytest.mark.parametrize("curve", [[0.0, 1.0], [0.0, 0.5]])
def test_a_model_that_is_there_needs_no_data(curve):
    assert float(returning(np.array([0.0, 10.0]), np.array(curve), 0.0)) == 0.0
