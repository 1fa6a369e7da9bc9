"""Springs: a small run, and planted faults that every question must notice."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments.claim import Evidence, Outcome
from experiments.elasticity_springs import (
    PRESETS,
    Config,
    draw,
    judge,
    predict,
    probe,
    pulls,
)
from experiments.springs_evidence import balance, exponents, ratio_share, sizes
from experiments.springs_worlds import SETS, joint_laws
from tests.assertions import assert_below, assert_close, one_line
from tests.experiments.verdicts import question, told

PRETRAINING, ALIGNMENT, PERTURBATION = SETS
CONFIG = PRESETS["smoke"]
NETWORK = {"model": "transformer"}


@pytest.fixture(scope="module")
def done(smoke: Any) -> xr.Dataset:
    data = smoke("elasticity_springs").dataset
    assert isinstance(data, xr.Dataset)
    return data.load()


def changed(data: xr.Dataset, name: str, values: Any) -> xr.Dataset:
    """The same data but for one variable, scaled or replaced."""
    old = data[name].transpose(*data[name].dims)
    new = xr.ones_like(old) * values
    return data.assign({name: new.transpose(*old.dims)})


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


def test_a_small_run_polishes_every_optimum(done: xr.Dataset) -> None:
    assert int(done["polished"].sum()) == done["polished"].size
    assert_below(done["gradient_norm"].values, CONFIG.tolerance)
    assert np.all(done["curvature"].values > 0)
    found = judge(CONFIG, done)
    assert {item.outcome for item in found.evidence} == {Outcome.HOLDS}
    assert len(found.evidence) == 3 + 9


def test_forces_balance_to_the_remainder_of_the_differences(done: xr.Dataset) -> None:
    assert_below(abs(balance(done)).values, CONFIG.margin)
    # Without decay the network is off by far more than the margin.
    unbalanced = abs(balance(done.sel(NETWORK), counted=False))
    assert np.all(unbalanced.values > 100 * CONFIG.margin)


def test_losses_of_the_table_are_the_least(done: xr.Dataset) -> None:
    totals = (sizes(done) * done["rate"]).sum("set")
    least = totals.sel(model="tabular")
    # Decay of 1e-9 for each unit of data, at logits of some units.
    assert float((totals - least).min()) > -1e-4


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("response_decay", 0.0, "do the forces balance"),
        ("response", 1.01, "implicit function theorem"),
        ("response", -1.0, "never hurt"),
        ("change", -1.0, "whole step of the perturbation free"),
        ("change_decay", 100.0, "cost no more"),
        ("response_decay", 0.0, "decay counted?"),
        ("response", 1.01, "closed form"),
    ],
)
def test_a_wrong_number_would_be_seen(
    done: xr.Dataset, name: str, factor: float, words: str
) -> None:
    assert asked(done, words).outcome is Outcome.HOLDS
    wrong = changed(done, name, factor * done[name])
    assert asked(wrong, words).outcome is Outcome.VIOLATED


def test_a_wrong_k_would_be_seen(done: xr.Dataset) -> None:
    wrong = done.assign_coords(ratio=1.1 * done["ratio"])
    for words in ("do the forces balance", "in the tables", "decay counted?"):
        assert asked(wrong, words).outcome is Outcome.VIOLATED


def test_a_response_that_is_not_returned_would_be_seen(done: xr.Dataset) -> None:
    response = done["response"].copy(deep=True)
    response.loc[{"set": ALIGNMENT, "moved": PERTURBATION}] *= 1.01
    wrong = done.assign(response=response)
    assert asked(wrong, "reciprocity").outcome is Outcome.VIOLATED


def test_a_model_that_lost_its_optima_makes_nothing_hold(done: xr.Dataset) -> None:
    lost = done.copy(deep=True)
    for name in ("polished", "connected"):
        lost[name].loc[NETWORK] = 0
    for name in ("response", "response_decay", "change", "change_decay"):
        lost[name].loc[NETWORK] = np.nan
    verdict = judge(CONFIG, lost)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert asked(lost, "transformer: are").outcome is Outcome.INCONCLUSIVE
    assert asked(lost, "do the forces balance").outcome is Outcome.HOLDS
    assert "inconclusive" in remark(lost, "paper, transformer")
    assert draw(lost, verdict) is not None


def test_a_step_to_another_branch_is_no_step(done: xr.Dataset) -> None:
    jumped = changed(done, "change", -1.0 * done["change"])
    jumped["connected"][:] = 0
    found = asked(jumped, "whole step of the perturbation free")
    assert found.outcome is Outcome.INCONCLUSIVE


def test_the_ratio_is_k_and_its_correction(done: xr.Dataset) -> None:
    found = ratio_share(done, True).sel(model="tabular")
    share, critical = done["share"], done["critical_share"]
    exact = critical / (critical - share)
    # Decay of 1e-9 and the remainder of both differences, as for every term.
    error = (found / exact - 1).transpose("seed", "ratio", "share")
    assert_close(error.values, 0.0, CONFIG.margin)


def test_the_paper_is_answered_without_decay(done: xr.Dataset) -> None:
    # A planted ratio of rates of exactly -k, then one that stays the same for all k.
    for power, answer in ((-2.0, ": reproduced"), (-1.0, ": not reproduced")):
        planted = done.copy(deep=True)
        k, rough = done["ratio"], 1 + 0.01 * done["seed"]
        for name, size in ((ALIGNMENT, k**-1.0 * rough), (PRETRAINING, -(k**power))):
            place = {"model": "transformer", "set": name, "moved": PERTURBATION}
            planted["response"].loc[place] = (
                (size * xr.ones_like(done["share"] * done["seed"] * 1.0))
                .transpose("seed", "ratio", "share")
                .values
            )
        text = remark(planted, "paper, transformer")
        assert answer in text
        assert "signs of form B in 6 of 6 optima" in text


def test_exponents_are_read_off_and_need_three_points(done: xr.Dataset) -> None:
    powers = done["ratio"] ** -1.5 * (1 + done["seed"])
    assert_close(exponents(done, powers), -1.5, 1e-12)  # rounding of logarithms
    assert np.isnan(exponents(done, powers.where(done["ratio"] > 3))).all()


def test_pre_training_is_the_mean_of_three_parts_form_b() -> None:
    config = Config(seeds=2)
    laws = joint_laws(probe(config))
    assert_close(laws.sum(axis=(-1, -2)), 1.0, 1e-12)
    third = 3 * laws[:, 0] - laws[:, 1] - laws[:, 2]
    assert np.all(third > 0)
    # A part that is itself a law: the perturbation is no other than one of three.
    assert_close(third.sum(axis=(-1, -2)), 1.0, 1e-12)


def test_the_prediction_balances_without_decay() -> None:
    data = predict(CONFIG)
    data = data.assign_coords(
        ratio=list(CONFIG.ratios), share=list(CONFIG.shares), set=list(SETS)
    )
    terms = sizes(data) * data["tabular"]
    # Sums of 81 terms in double precision.
    assert_below(abs(terms.sum("set")).values, 1e-12)
    assert np.all(data["critical_share"].values > 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratios": (3.0, 30.0)}, "must span two decades"),
        ({"ratios": (30.0, 3.0, 3000.0)}, "must rise, from above 0"),
        ({"shares": (0.0, 0.1)}, "must rise, from above 0"),
        ({"decay_fixed": -1.0}, "decay_fixed=-1.0 must be >= 0"),
        ({"step": 0.1}, "would step below a size of 0"),
        ({"lost_allowed": 3.0}, "did you pass a number of optima"),
        ({"margin": -4.0}, "did you pass its logarithm"),
        ({"width": 5}, "heads=2 must divide width=5"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_span_two_decades_with_controls_beside_the_network() -> None:
    controls = ["tabular", "bigram"]
    assert [pull.name for pull in pulls(CONFIG)] == [*controls, "transformer"]
    assert pulls(PRESETS["laptop"])[-1].name == "transformer, fixed decay"
    assert PRESETS["laptop"].seeds >= 4
    assert PRESETS["accelerator"].ratios[-1] >= 1000 * PRESETS["accelerator"].ratios[0]
