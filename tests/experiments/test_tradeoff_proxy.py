"""The proxy claim: ideal networks pass, planted errors fail, the crossing is exact."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.case_one_config import worlds
from experiments.claim import Outcome, Verdict
from experiments.crossing_evidence import crossings, local_crossings
from experiments.labels import labelled
from experiments.proxy_crossing import CLASSES, cost_case_one, prefix_world
from experiments.proxy_evidence import paid_prices
from experiments.tradeoff_proxy import PRESETS, Config, judge, knobs, predict
from tests.assertions import assert_close, one_line
from tests.experiments.ideal import answer, ideal_sweep, outcomes
from theory.tradeoff import gaps
from theory.tradeoff.parameter_ball import curvature, gradient_norm, logit_gradient

CONFIG = dataclasses.replace(PRESETS["smoke"], seeds=5)


@pytest.fixture(scope="module")
def ideal():
    """The exact solutions of both cases, tables standing for transformers too."""
    predicted = predict(CONFIG)
    swept = ideal_sweep(CONFIG, noise=0.01)
    return xr.merge([predicted, swept, _balls(predicted)], join="exact")


def _balls(predicted):
    """Case II and the aligned models as theory has them, the same for every seed."""
    seeds = CONFIG.seeds
    with jax.enable_x64(True):
        world = prefix_world(
            jax.tree.map(lambda leaf: leaf[0, 0], worlds(CONFIG).world),
            CONFIG.vocabulary,
        )
        aligned = world.safety.outputs
        able = gaps(world, aligned).capability
        slope = logit_gradient(world.capability, aligned)
        norm = gradient_norm(world.capability, aligned)
        bend = curvature(world.safety, aligned, slope)
    able, norm, bend = (float(value) for value in (able, norm, bend))
    log_radius = np.asarray(knobs(CONFIG).radii)
    cells = ("proxy", "penalty", "seed")

    def repeated(values, leading=()):
        return np.broadcast_to(
            np.asarray(values)[..., None], (*leading, *np.shape(values), seeds)
        )

    best = {
        name: repeated(predicted[f"best_{name}"].values[:, -1])
        for name in ("capability", "safety")
    }
    ball = {
        name: repeated(predicted[f"ball_best_{name}"].values, (2,))
        for name in ("capability", "safety")
    }
    of_ball, of_start = ("model", "radius", "seed"), ("model", "seed")
    # Tables stand for transformers: both classes have the radii of tables.
    variables = {
        "table_capability": (cells, best["capability"], "nats", "exact"),
        "table_safety": (cells, best["safety"], "nats", "exact"),
        "ball_capability": (of_ball, ball["capability"], "nats", "exact"),
        "ball_safety": (of_ball, ball["safety"], "nats", "exact"),
        "ball_radius": (("model", "radius"), log_radius[[0, 0]], "1", "radius"),
        "start_capability": (of_start, np.full((2, seeds), able), "nats", "exact"),
        "start_safety": (of_start, np.zeros((2, seeds)), "nats", "exact"),
        "local_gradient": (("seed",), np.full(seeds, norm), "1", "exact"),
        "local_curvature": (("seed",), np.full(seeds, bend), "1", "exact"),
    }
    models = {"model": (("model",), list(CLASSES), "1", "class of models")}
    return labelled(variables, models)


def test_ideal_networks_hold_everything(ideal):
    verdict = judge(CONFIG, ideal)
    assert verdict.outcome is Outcome.HOLDS, outcomes(verdict)


def test_local_theory_errs_more_the_larger_the_gain(ideal):
    # Tables have an exact crossing to compare the local one with, at every gain.
    final = ideal.isel(record=-1)
    ratio = local_crossings(final)[:, 0] / final["crossing_exact"].values
    assert abs(ratio[0] - 1) < abs(ratio[1] - 1)
    assert abs(ratio[0] - 1) < CONFIG.local_margin


def test_swapped_distances_would_be_seen(ideal):
    swapped = ideal.copy(deep=True)
    for name in ("gap_safety", "table_safety"):
        swapped[name] = (ideal[name].dims, ideal[name].values[::-1])
    verdict = judge(CONFIG, swapped)
    assert answer(verdict, "largest penalty rise with distance") == "violated"
    assert answer(verdict, "the floor Delta_s") == "violated"
    assert answer(verdict, "is the price paid the exact one") == "violated"
    assert answer(verdict, "is Case I safer at the same gain (table)") == "violated"


def test_a_safety_gap_that_is_too_good_would_be_seen(ideal):
    good = ideal.copy(deep=True)
    good["gap_safety"] = ideal["gap_safety"] * 0.5
    verdict = judge(CONFIG, good)
    assert answer(verdict, "is no price negative") == "violated"
    assert answer(verdict, "what its own zeta allows") == "violated"


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_ball_that_costs_another_price_would_be_seen(ideal, factor):
    # The distance goes like the root of the cost: 30 to 40 % off, against margins of
    # 10 and 25 %.
    wrong = ideal.copy(deep=True)
    wrong["ball_safety"] = ideal["ball_safety"] * factor
    verdict = judge(CONFIG, wrong)
    assert answer(verdict, "where the exact theory says") == "violated"
    assert answer(verdict, "agree with the exact Case II") == "violated"
    assert answer(verdict, "where the local theory says") == "violated"


def test_a_crossing_that_no_seed_has_is_inconclusive(ideal):
    never = ideal.copy(deep=True)
    never["ball_safety"] = ideal["ball_safety"] * 0 + 50.0
    verdict = judge(CONFIG, never)
    assert answer(verdict, "where the exact theory says") == "inconclusive"
    assert answer(verdict, "is Case II safer at the same gain (table)") == "violated"


def test_prices_of_ideal_networks_are_theirs_plus_little(ideal):
    paid = paid_prices(ideal)[..., 0]
    exact = ideal["price"].values[..., None]
    assert np.all(paid > -1e-9)  # rounding
    mass = 1 + ideal["penalty"].values[:, None]
    assert np.max(np.abs(paid - exact) / mass) < 0.01  # noise of 0.01 in the logits


def test_prefixes_have_the_gaps_of_whole_sequences(x64):
    world = jax.tree.map(lambda leaf: leaf[1, 0], worlds(CONFIG).world)
    cut = prefix_world(world, CONFIG.vocabulary)
    whole = gaps(world, world.capability.outputs)
    parts = gaps(cut, cut.capability.outputs)
    assert_close(parts.safety, whole.safety, 1e-12)  # chain rule, rounding
    assert_close(parts.proxy, whole.proxy, 1e-12)
    assert_close(jnp.sum(cut.safety.contexts), CONFIG.length, 1e-12)


def test_case_one_costs_what_its_strongest_allowed_penalty_leaves():
    log_penalty = np.array([0.0, 1.0, 2.0])
    able, safe = np.array([0.0, 1.0, 2.0]), np.array([4.0, 2.0, 0.0])
    assert_close(cost_case_one(log_penalty, able, safe, 1.5), 1.0, 1e-14)
    assert_close(cost_case_one(log_penalty, able, safe, 9.0), 0.0, 1e-14)
    assert np.isnan(cost_case_one(log_penalty, able, safe, -1.0))


def test_smoke_crosses_where_the_exact_theory_says(smoke):
    result = smoke("tradeoff_proxy")
    verdict = Verdict.from_json(result.manifest["verdict"])
    # Tables have no sampling noise: what is exact about them holds with any seeds.
    assert answer(verdict, "where the exact theory says") == "holds"
    assert answer(verdict, "agree with the exact Case II") == "holds"
    assert answer(verdict, "is no price negative") == "holds"
    assert answer(verdict, "what its own zeta allows") == "holds"
    final = result.dataset.isel(record=-1)
    for name in CLASSES:
        assert np.isfinite(crossings(final, name).met).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gains": (0.0, 0.5)}, "must lie between 0 and 1"),
        ({"gains": (0.5, 25.0)}, "did you pass percent"),
        ({"gains": (0.5, 0.25)}, "must rise"),
        ({"proxies": (0.0, 1.0)}, "must be 3 or more distances"),
        ({"overlaps": (0.0, 0.5)}, "must end at 1"),
        ({"radius_min": 2.0}, "are they swapped"),
        ({"margin": -1.0}, "margin=-1.0 must be a finite number > 0"),
        ({"radii": 2}, "radii=2 must be >= 3"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(fields, message):
    with one_line(match=message):
        Config(**fields)
