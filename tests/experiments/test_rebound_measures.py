"""What is read off the way back: on curves whose speeds and crossings are known."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from experiments.claim import Outcome
from experiments.rebound_measures import (
    censored,
    crossing,
    exponent,
    fitted_law,
    late_speed,
    linear,
    predicted_returns,
    rank_correlation,
    slope_weights,
    speed,
    style_odds,
)
from experiments.thresholds import Ends, above, answer, below, known, with_interval
from tests.assertions import assert_below, assert_close, assert_must_fail, in_x64
from theory.compression.saturation import forward_end, inverse_end

COUNTS = np.arange(0.0, 2049.0, 32.0)
LINE = 3.0 - 0.01 * COUNTS
NUMBERS = st.floats(-5, 5, allow_subnormal=False)


def test_the_speed_of_a_line_is_its_slope() -> None:
    # Rounding of float32.
    assert_close(speed(LINE, COUNTS, 128), 0.01, 1e-6)
    assert_close(late_speed(LINE, COUNTS, 1024), 0.01, 1e-6)
    bent = np.maximum(LINE, 0.0)
    assert_close(speed(bent, COUNTS, 128), 0.01, 1e-6)
    assert_close(late_speed(bent, COUNTS, 1024), 0.0, 1e-6)


def test_a_crossing_is_read_between_two_points() -> None:
    curves = np.stack([LINE, LINE + 1, np.full_like(LINE, 2.0), LINE * np.nan])
    found = crossing(curves, COUNTS, np.array([1.0, 1.0, 1.0, 1.0]))
    assert_close(found[:2], [200.0, 300.0], 1e-3)  # rounding of float32
    assert np.isposinf(found[2])
    assert np.isnan(found[3])


def test_log_odds_are_the_difference_of_divergences() -> None:
    # Preferred style first: a model nearer to it has positive log-odds.
    assert float(style_odds(np.array([0.5, 2.0]))) == 1.5


@given(npst.arrays(float, 4, elements=NUMBERS), st.floats(-3, 3), NUMBERS)
def test_slope_weights_find_the_slope_of_a_line(
    noise: np.ndarray, slope: float, level: float
) -> None:
    knob = np.array([1.0, 2.0, 3.0, 5.0])
    weights = slope_weights(knob)
    # Rounding of float64.
    assert_close(weights @ (level + slope * knob), slope, 1e-12)
    assert_close(weights @ noise, np.polyfit(knob, noise, 1)[0], 1e-10)


def test_one_value_of_a_knob_has_no_slope() -> None:
    assert np.isnan(slope_weights(np.array([2.0]))).all()


@given(
    npst.arrays(float, 5, elements=NUMBERS),
    npst.arrays(float, 5, elements=NUMBERS),
    npst.arrays(float, 5, elements=st.floats(0, 10, allow_subnormal=False)),
    npst.arrays(bool, 5),
)
def test_the_truth_lies_between_the_ends(
    weights: np.ndarray, floor: np.ndarray, excess: np.ndarray, hidden: np.ndarray
) -> None:
    truth = floor + excess
    seen = np.where(hidden, np.inf, truth)
    ends = linear(weights, censored(seen, floor))
    assert_below(ends.low, weights @ truth, 1e-9)  # rounding of five terms
    assert_below(weights @ truth, ends.high, 1e-9)
    if not (hidden & (weights != 0)).any():
        assert_close(ends.low, ends.high, 1e-12)


def test_an_end_taken_from_the_wrong_side_misses_the_truth() -> None:
    # Negative control: a censored value taken for its floor although its weight falls.
    weights, floor, truth = np.array([-1.0, 1.0]), np.array([1.0, 1.0]), [4.0, 1.0]
    ends = linear(weights, censored(np.array([np.inf, 1.0]), floor))
    assert float(ends.low) == -np.inf
    wrong = float(weights @ floor)
    assert_must_fail(lambda: assert_below(wrong, weights @ np.array(truth)))


@given(st.floats(-1, 1, allow_subnormal=False))
def test_the_exponent_of_a_power_is_its_power(rho: float) -> None:
    knob = np.array([256.0, 1024.0, 4096.0])
    ends = exponent(knob, 7.0 * knob**rho, 1e9)
    assert_close(ends.low, rho, 1e-9)  # rounding of float64
    assert_close(ends.high, rho, 1e-9)


def test_a_return_that_was_not_seen_bounds_the_exponent_from_below() -> None:
    knob = np.array([256.0, 1024.0])
    ends = exponent(knob, np.array([512.0, np.inf]), 2048.0)
    assert_close(ends.low, 1.0, 1e-12)
    assert np.isposinf(ends.high)


def test_ranks_are_compared_row_by_row() -> None:
    rows = np.array([[1.0, 2, 3], [3, 2, 1], [1, 1, 1]])
    found = rank_correlation(np.array([256.0, 512, 1024]), rows)
    assert found[:2].tolist() == [1.0, -1.0]
    assert np.isnan(found[2])


# The rival's law, fitted to the way up


@pytest.mark.parametrize("units", [1.0, 3.0])
@in_x64
def test_the_law_is_found_again_and_predicts_the_way_back(units: float) -> None:
    kappa, start = 0.02, -1.2
    z = units * np.asarray(forward_end(start / units, kappa * COUNTS))
    law = fitted_law(COUNTS, z, 8)
    # The law is exact: rounding of the inverted exponentials.
    assert_close(law.kappa, kappa, 1e-6)
    assert law.units == units
    assert law.error < 1e-6
    ends = [-1, 20]
    back = units * np.asarray(
        inverse_end(z[ends][:, None] / units, kappa * np.linspace(0, 2048, 2049))
    )
    walked = crossing(back, np.arange(2049.0), np.full(2, start))
    # Linear interpolation over steps of one response: error below its curvature.
    assert_close(predicted_returns(law, start, COUNTS[ends]), walked, 0.05)


def test_several_log_odds_are_not_one() -> None:
    z = 3.0 * np.asarray(forward_end(-0.4, 0.02 * COUNTS), float)
    assert fitted_law(COUNTS, z, 1).error > 0.1
    assert fitted_law(COUNTS, z, 8).error < 1e-3


def test_a_way_up_that_never_rises_has_no_law() -> None:
    assert np.isnan(fitted_law(COUNTS, -COUNTS, 8).kappa)


# Questions with a threshold


ABOVE_ONE = np.array([1.2, 1.3, 1.25, 1.35])


def asked(ends: Ends, threshold: float = 1.0) -> Outcome:
    return above("is it?", ends, threshold, 0.99, "nats").outcome


def test_a_threshold_is_passed_missed_or_left_open() -> None:
    assert asked(known(ABOVE_ONE)) is Outcome.HOLDS
    assert asked(known(ABOVE_ONE), 2.0) is Outcome.VIOLATED
    assert asked(known(ABOVE_ONE), 1.27) is Outcome.INCONCLUSIVE
    assert asked(known(ABOVE_ONE * np.nan)) is Outcome.INCONCLUSIVE
    assert asked(known(ABOVE_ONE[:1])) is Outcome.INCONCLUSIVE


def test_below_is_above_turned_round() -> None:
    for threshold in (0.5, 1.27, 2.0):
        item = below("is it?", known(ABOVE_ONE), threshold, 0.99, "nats")
        assert item.outcome is asked(known(-ABOVE_ONE), -threshold)
    assert answer(item) == "reproduced"


def test_every_comparison_must_pass() -> None:
    rows = np.stack([ABOVE_ONE, ABOVE_ONE + 1, ABOVE_ONE - 1])
    assert asked(known(rows[:2])) is Outcome.HOLDS
    assert asked(known(rows)) is Outcome.VIOLATED


def test_a_censored_seed_counts_on_the_side_that_it_is_known_on() -> None:
    high = ABOVE_ONE.copy()
    high[0] = np.inf
    ends = Ends(ABOVE_ONE, high)
    assert asked(ends) is Outcome.HOLDS  # at least so much
    assert below("is it?", ends, 2.0, 0.99, "").outcome is Outcome.INCONCLUSIVE
    assert asked(ends, 2.0) is Outcome.INCONCLUSIVE
    assert "1 samples censored" in above("is it?", ends, 1.0, 0.99, "").detail


def test_an_unbounded_mean_is_told_by_its_median() -> None:
    assert with_interval(np.array([1.0, np.inf, 3.0]), 0.99).startswith("median 3")


def test_the_measures_do_not_depend_on_the_precision_of_the_caller() -> None:
    with jax.enable_x64(True):
        exact = speed(LINE, COUNTS, 128), crossing(LINE, COUNTS, np.array(1.0))
    assert_close(speed(LINE, COUNTS, 128), exact[0], 1e-6)  # rounding of float32
    assert_close(crossing(LINE, COUNTS, np.array(1.0)), exact[1], 1e-2)
