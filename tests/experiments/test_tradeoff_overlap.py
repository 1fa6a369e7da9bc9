"""The overlap claim: ideal networks pass, planted errors fail, bad fields are named."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from experiments.claim import Outcome, Verdict
from experiments.overlap_evidence import (
    frontier_readings,
    penalised_gaps,
    second_differences,
)
from experiments.tradeoff_overlap import PRESETS, Config, judge, predict
from experiments.trends import crossing, read_at, trending
from tests.assertions import assert_close, one_line
from tests.experiments.ideal import answer, ideal_sweep, outcomes

CONFIG = dataclasses.replace(
    PRESETS["smoke"], penalties=4, overlaps=(0.0, 0.25, 0.5, 0.75, 1.0), seeds=5
)


@pytest.fixture(scope="module")
def ideal():
    return xr.merge([predict(CONFIG), ideal_sweep(CONFIG)], join="exact")


def test_ideal_networks_hold_everything(ideal):
    verdict = judge(CONFIG, ideal)
    assert verdict.outcome is Outcome.HOLDS, outcomes(verdict)
    assert "falls" in " ".join(verdict.remarks)


def test_reversed_overlaps_would_be_seen(ideal):
    # Negative control: what was measured at overlap o is said to come from 1 - o.
    swapped = ideal.copy(deep=True)
    for name in ("gap_safety", "gap_proxy", "gap_capability"):
        swapped[name] = (ideal[name].dims, ideal[name].values[:, ::-1])
    verdict = judge(CONFIG, swapped)
    assert verdict.outcome is Outcome.VIOLATED
    assert answer(verdict, "J rise with overlap") == "violated"
    assert answer(verdict, "vanish without overlap") == "violated"
    assert answer(verdict, "in the predicted direction") == "violated"


def test_an_overlap_that_changes_nothing_is_no_support(ideal):
    flat = ideal.copy(deep=True)
    for name in ("gap_safety", "gap_proxy", "gap_capability"):
        middle = np.repeat(ideal[name].values[:, 2:3], 5, axis=1)
        flat[name] = (ideal[name].dims, middle)
    assert answer(judge(CONFIG, flat), "J rise with overlap") == "inconclusive"


def test_a_frontier_ten_percent_off_would_be_seen(ideal):
    # The margin is (1 + penalty) zeta_target; a tenth of the largest gaps exceeds it.
    off = ideal.copy(deep=True)
    off["gap_capability"] = ideal["gap_capability"] * 1.25
    assert answer(judge(CONFIG, off), "F_o = o F_1") == "violated"


def test_the_frontier_is_proportional_to_overlap_and_j_is_not(ideal):
    overlap, at_one = ideal["overlap"].values, ideal["level_frontier"].values[:, -1:]
    frontier = ideal["level_frontier"].values
    assert_close(frontier, overlap[:, None] * at_one, 1e-9)  # bisected penalties
    least = ideal["optimum"].values
    assert np.max(np.abs(least - overlap[:, None] * least[:, -1:])) > 0.01


def test_concavity_is_strict_and_a_convex_curve_would_be_seen(ideal):
    overlap = ideal["overlap"].values
    assert np.all(second_differences(overlap, ideal["optimum"].values) < 0)
    assert np.all(second_differences(overlap, overlap[None, :, None] ** 2) > 0)


def test_readings_are_the_frontier_where_the_sweep_reaches_it(ideal):
    final = ideal.isel(record=-1)
    readings = frontier_readings(final)
    truth = np.moveaxis(final["level_frontier"].values, 1, 2)[..., None]
    inside = np.isfinite(readings)
    assert inside[:, :, 1:].all()
    # zeta of the noise (its square times the length) and a spline over half-decades
    off = np.abs(readings - truth)[inside]
    assert off.max() < 0.03, off.max()


def test_smoke_respects_what_no_network_can_break(smoke):
    result = smoke("tradeoff_overlap")
    verdict = Verdict.from_json(result.manifest["verdict"])
    assert answer(verdict, "of the true safety data") == "holds"
    assert answer(verdict, "(4.3)") == "holds"
    assert answer(verdict, "concave") == "holds"
    final = result.dataset.isel(record=-1)
    excess = (
        penalised_gaps(final)
        - (final["optimum"].values / (1 + final["penalty"].values))[..., None]
    )
    assert np.all(excess > -1e-9)  # rounding


def test_crossings_of_straight_lines_are_exact():
    x = np.array([0.0, 1.0, 3.0])
    assert_close(crossing(x, 2 * x, 3.0), 1.5, 1e-14)
    assert_close(read_at(x, 1 - x, 2.0), -1.0, 1e-14)
    assert np.isnan(crossing(x, 2 * x, 7.0))
    assert np.isnan(read_at(x, x, 3.5))
    assert np.isnan(crossing(x, np.array([0.0, np.nan, 1.0]), 0.5))


def test_a_trend_needs_three_values_and_no_missing_run():
    rows = np.zeros((1, 2, 5))
    assert trending("?", rows, 0.99, "nats").outcome is Outcome.INCONCLUSIVE
    rows = np.full((1, 4, 5), np.nan)
    assert trending("?", rows, 0.99, "nats").outcome is Outcome.INCONCLUSIVE


def test_one_falling_row_among_rising_ones_violates():
    up = np.broadcast_to(np.arange(4.0)[:, None], (4, 6))
    assert trending("?", np.stack([up, up]), 0.99, "1").outcome is Outcome.HOLDS
    assert trending("?", np.stack([up, -up]), 0.99, "1").outcome is Outcome.VIOLATED


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"safety_levels": (0.0, 0.1)}, "must be one or more gaps > 0"),
        ({"safety_levels": ()}, "must be one or more gaps > 0"),
        ({"overlaps": (0.0, 1.0)}, "must be 3 or more"),
        ({"resolution": -0.1}, "resolution=-0.1 must be a finite number > 0"),
        ({"overlaps": (0.0, 0.5, 30.0)}, "did you pass percent"),
        ({"penalty_min": -2.0}, "did you pass its logarithm"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(fields, message):
    with one_line(match=message):
        Config(**fields)


def test_the_laptop_preset_is_a_knob():
    laptop = PRESETS["laptop"]
    assert len(laptop.overlaps) >= 9
    assert laptop.seeds >= 4
    assert laptop.penalty_min < max(laptop.overlaps)  # a penalty below the overlap
