"""Case II: its judge on real data, on planted errors, on damaged runs."""

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import tradeoff_ball
from experiments.bench import Bench
from experiments.case_two_local import (
    Costs,
    at_zero_gain,
    ball_costs,
    exact_local_ratio,
    measured_factors,
)
from experiments.claim import Outcome, Verdict
from experiments.tradeoff_ball import PRESETS, Config, judge, predict, simulate
from tests.assertions import one_line
from tests.experiments.one_device import first_device

SMOKE = PRESETS["smoke"]
TINY = Config(
    radii=3, penalties=3, seeds=2, contexts=2, vocabulary=2, length=2, width=4, depth=1,
    heads=1, steps=20, steps_align=40, steps_penalty=20, records=2, local=3,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(smoke: Any) -> xr.Dataset:
    found: xr.Dataset = smoke("tradeoff_ball").dataset
    return found


def violated(verdict: Verdict) -> list[str]:
    return [e.question for e in verdict.evidence if e.outcome is Outcome.VIOLATED]


def test_the_stored_data_judge_as_they_did(smoke, data):
    stored = Verdict.from_json(smoke("tradeoff_ball").manifest["verdict"])
    again = judge(SMOKE, data)
    assert [e.outcome for e in again.evidence] == [e.outcome for e in stored.evidence]


def test_a_network_below_the_frontier_would_be_seen(data):
    planted = data.copy(deep=True)
    planted["gap_capability"] *= 0.2
    assert any("frontier" in question for question in violated(judge(SMOKE, planted)))


def test_a_network_outside_its_ball_would_be_seen(data):
    planted = data.copy(deep=True)
    planted["moved"] *= 1.01
    assert any("stay in its ball" in q for q in violated(judge(SMOKE, planted)))


def test_a_safety_gap_above_the_hoeffding_bound_would_be_seen(data):
    planted = data.copy(deep=True)
    planted["gap_safety"] *= 3
    assert any("above its bound (8.3)" in q for q in violated(judge(SMOKE, planted)))


def test_constants_that_are_too_small_would_be_seen(data):
    planted = data.copy(deep=True)
    for name in ("slope_safety", "slope_capability", "bend_safety"):
        planted[name] *= 0.1
    found = violated(judge(SMOKE, planted))
    assert sum("eps" in question for question in found) == 3


def test_a_wrong_kappa_would_be_seen(data):
    # The curvature of twice as stiff a landscape, and the forms of another gradient.
    for name, factor in (("local_curvature", 2.0), ("local_inverse", 0.5)):
        planted = data.copy(deep=True)
        planted[name] *= factor
        assert any("kappa" in question for question in violated(judge(SMOKE, planted)))


def test_swapped_cases_would_be_seen(data):
    planted = data.copy(deep=True)
    final = {"record": -1}
    half = len(planted["penalty"])
    for kind in ("safety", "capability"):
        penalised = planted[f"penalty_{kind}"].values.copy()
        balls = planted[f"gap_{kind}"].isel(final).values[:half]
        planted[f"penalty_{kind}"].values[:] = balls[::-1]
        planted[f"gap_{kind}"].values[:half, :, -1] = penalised[::-1]
    assert any("pay more" in question for question in violated(judge(SMOKE, planted)))


def test_a_gradient_outside_the_fisher_matrix_leaves_kappa_open(data):
    planted = data.copy(deep=True)
    planted["local_inverse"][:] = np.inf
    verdict = judge(SMOKE, planted)
    asked = [e for e in verdict.evidence if "kappa" in e.question]
    assert [e.outcome for e in asked] == [Outcome.INCONCLUSIVE]
    assert "leaves the range" in asked[0].detail


def test_penalties_too_small_for_the_local_law_leave_kappa_open(data):
    # Theory alone says so: the exact curve is bent as much as the measured one.
    assert abs(exact_local_ratio(data) - 1) < SMOKE.margin
    bent = data.copy(deep=True)
    bent["best_capability"] *= 0.9
    asked = [e for e in judge(SMOKE, bent).evidence if "kappa" in e.question]
    assert [e.outcome for e in asked] == [Outcome.INCONCLUSIVE]
    assert "not large enough" in asked[0].detail


def test_untrained_balls_are_not_judged(data):
    planted = data.copy(deep=True)
    planted["stepped_capability"] *= 0.5
    asked = [e for e in judge(SMOKE, planted).evidence if "straight step" in e.question]
    assert [e.outcome for e in asked] == [Outcome.INCONCLUSIVE]


def test_the_measured_factor_needs_every_local_run(data):
    planted = data.copy(deep=True)
    planted["gap_safety"][0, 1] = np.nan
    factors = measured_factors(planted)
    assert math.isnan(factors[1])
    assert np.isfinite(np.delete(factors, 1)).all()


def test_zero_gain_is_reached_by_a_straight_line():
    gain = np.array([[0.1], [0.2], [0.3], [9.0]])
    costs = ball_costs_of(gain, 2.0 + 5.0 * gain)
    # rounding of a linear fit of three points
    np.testing.assert_allclose(at_zero_gain(costs, 3), [2.0], rtol=1e-12)


def ball_costs_of(gain: np.ndarray, per_square: np.ndarray) -> Any:
    return Costs(gain, per_square * gain**2)


def test_ball_costs_start_at_the_aligned_model(data):
    gain, cost = ball_costs(data)
    assert gain.shape == cost.shape == (SMOKE.radii, SMOKE.seeds)
    assert (np.diff(gain.mean(axis=1)) > 0).all()


def test_a_diverged_run_is_kept_and_nothing_holds():
    wild = dataclasses.replace(TINY, learning_rate_penalty=1e30)
    found = xr.merge(
        [predict(wild), simulate(wild, Bench(devices=first_device()))], join="exact"
    )
    verdict = judge(wild, found)
    assert found["penalty_diverged"].sum() > 0
    assert verdict.outcome is not Outcome.HOLDS
    assert tradeoff_ball.draw(found, verdict)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"radius_min": -1.0}, "radius_min=-1.0 must be a finite number > 0"),
        ({"radius_max": 1e-4}, "are they swapped"),
        ({"overlap": 0.0}, "without overlap a task costs no safety"),
        ({"overlap": 30.0}, "did you pass percent"),
        ({"local": 12}, "local=12 must be <= radii=13 and penalties=9"),
        ({"radii": 2}, "radii=2 must be >= 3"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"heads": 3}, "heads=3 must divide width=16"),
        ({"steps_align": 4001}, "must be a multiple of records"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(fields, message):
    with one_line(match=message):
        Config(**fields)


def test_presets_span_three_decades_of_radii():
    laptop = PRESETS["laptop"]
    assert laptop.radius_max / laptop.radius_min >= 1e3 * (1 - 1e-12)
    assert laptop.seeds >= 4
