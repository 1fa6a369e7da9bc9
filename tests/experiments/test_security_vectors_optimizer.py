"""Security vectors by optimiser: planted tables, drifts and flips, and a small run."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import security_vectors_optimizer as claim
from experiments.claim import Evidence, Outcome
from experiments.labels import labelled
from experiments.security_vectors_optimizer import (
    PRESETS,
    Config,
    arms,
    judge,
    own_axes,
    predict,
    table,
)
from experiments.security_vectors_optimizer_flips import law
from experiments.security_vectors_optimizer_table import limits, steps_to_flip
from experiments.vector_lab import ADAM, LARGE_EPS, SGD
from experiments.vector_readings import axes
from tests.assertions import assert_close, one_line
from tests.experiments.verdicts import question, told

CONFIG = Config()
OPTIMIZERS = (SGD, ADAM, LARGE_EPS)
RATIOS = {SGD: 0.1, ADAM: 0.6, LARGE_EPS: 0.3}
"""Planted drift with the vector over that without."""


def planted() -> xr.Dataset:
    """What a run would store if everything were as the theorems say."""
    config, n = CONFIG, len(CONFIG.paces)
    cells = (config.seeds, len(OPTIMIZERS), 2 * n)
    rough = 1 + 0.02 * np.arange(config.seeds)[:, None, None, None]
    ratio = np.array([[1.0] * n + [RATIOS[name]] * n for name in OPTIMIZERS])
    moments = np.linspace(0, 1, config.records + 1)
    drift = rough * ratio[..., None] * np.tile(config.paces, 2)[:, None] * moments
    rates = config.rate_sgd * np.tile(config.paces, 2)[:, None]
    # Norms of gradients whose steps add up to 1.1 times the drift.
    gradient = 1.1 * np.diff(drift, axis=-1) / rates * config.records
    share = np.linspace(1.0, 0.8, n)  # refusals fall with the learning rate
    refused = np.zeros((*cells, config.records + 1))
    refused[:, :, n:] = (share * (1 - 0.01 * np.arange(config.seeds)[:, None]))[
        :, None, :, None
    ]
    dims = ("seed", "optimizer", "arm", "moment")
    whole = {
        "drift": drift,
        "match_H": np.broadcast_to(1 - share.min() + 0 * refused, refused.shape),
        "match_H_refused": refused,
        "loss_H": 40 - drift,
        "cosine_H": np.full_like(drift, 0.05),
        "suppression_H": np.full_like(drift, 0.1),
        "kappa_H": np.full_like(drift, 0.005),
    }
    variables: dict[str, Any] = {
        name: (dims, values, "1", name) for name, values in whole.items()
    }
    record = (*dims[:3], "record")
    variables["gradient"] = record, gradient / config.tune_steps, "1", "norms"
    variables["diverged"] = dims[:3], np.zeros(cells, int), "1", "diverged"
    coordinates = axes(config, OPTIMIZERS, list(arms(config)))
    coordinates |= own_axes(config, [SGD, ADAM])
    measured = labelled(variables | _planted_flips() | _planted_table(), coordinates)
    return xr.merge([predict(config), measured], join="exact")


def _planted_table() -> dict[str, Any]:
    found = limits(table(CONFIG))
    adam = np.array([3318, 4636, 5212, 5256, 5259.0])
    large = np.array([3321, 4653, 5492, 11731, 157_733.0])
    steps = np.stack([np.floor(found.most[0]), adam, large])
    return {"table_steps": (("optimizer", "shift"), steps, "steps", "steps")}


def _planted_flips() -> dict[str, Any]:
    dims, shape = ("seed", "flipper", "dose"), (CONFIG.seeds, 2, len(CONFIG.doses))
    rough = 1 + 0.05 * np.arange(CONFIG.seeds)[:, None, None]
    steps = np.broadcast_to(rough * [100, 120, 150, 300, 900, np.inf], shape)
    rest = {
        name: (dims, np.full(shape, value), "1", name)
        for name, value in (("flip_law", 1.5), ("flip_error", 0.9))
    }
    return {
        "flip_steps": (dims, steps, "steps", "steps"),
        "flip_diverged": (dims, np.zeros(shape, int), "1", "diverged"),
        **rest,
    }


def asked(data: xr.Dataset, words: str, config: Config = CONFIG) -> Evidence:
    return question(judge(config, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


def test_what_the_theorems_say_holds() -> None:
    data = planted()
    verdict = judge(CONFIG, data)
    assert {item.question: item.outcome for item in verdict.evidence} == {
        item.question: Outcome.HOLDS for item in verdict.evidence
    }
    assert len(verdict.evidence) == 10
    assert "refusals fall: reproduced" in remark(data, "erosion with Adam's")
    assert "0.5: none seen" in remark(data, f"steps to flip by dose, {SGD}")
    assert claim.draw(data, verdict) is not None


def test_a_table_that_flips_too_soon_or_too_late_would_be_seen() -> None:
    for scale, words in ((0.5, "before theorems"), (2.0, "as soon as")):
        data = planted()
        data["table_steps"] = data["table_steps"].copy()
        data["table_steps"].loc[{"optimizer": SGD}] *= scale
        assert asked(data, words).outcome is Outcome.VIOLATED


def test_a_run_of_sgd_that_never_flips_is_not_overlooked() -> None:
    data = planted()
    data["table_steps"] = data["table_steps"].copy()
    data["table_steps"].loc[{"optimizer": SGD, "shift": 12.0}] = np.inf
    assert asked(data, "as soon as").outcome is Outcome.VIOLATED


def test_an_adam_that_notices_the_residual_would_be_seen() -> None:
    data = planted()
    swapped = data["table_steps"].values[[0, 2, 1]]
    data["table_steps"] = data["table_steps"].copy(data=swapped)
    assert asked(data, "however small").outcome is Outcome.VIOLATED
    assert asked(data, "last longer").outcome is Outcome.VIOLATED


def test_drifts_of_swapped_optimisers_would_be_seen() -> None:
    data = planted()
    for name in ("drift", "gradient"):
        data[name] = data[name].copy(data=data[name].values[:, ::-1])
    data["drift"] = data["drift"].copy(data=data["drift"].values[:, [0, 2, 1]])
    assert asked(data, "take most of SGD's").outcome is not Outcome.HOLDS
    assert asked(data, "leave Adam's").outcome is Outcome.VIOLATED
    assert asked(data, "hold Adam's drift back").outcome is Outcome.VIOLATED


def test_a_drift_longer_than_its_steps_would_be_seen() -> None:
    data = planted()
    data["gradient"] = 0.5 * data["gradient"]
    assert asked(data, "summed length").outcome is Outcome.VIOLATED


def test_flips_that_no_dose_delays_would_be_seen() -> None:
    data = planted()
    steps = data["flip_steps"].values
    data["flip_steps"] = data["flip_steps"].copy(data=steps[:, :, ::-1])
    data["flip_steps"] = data["flip_steps"].where(
        np.isfinite(data["flip_steps"]), 2000.0
    )
    assert asked(data, "longer, the larger").outcome is Outcome.VIOLATED
    assert asked(data, "much longer").outcome is Outcome.VIOLATED


def test_an_undefended_model_that_never_flips_decides_nothing() -> None:
    data = planted()
    data["flip_steps"] = data["flip_steps"] * np.inf
    assert asked(data, "much longer").outcome is Outcome.INCONCLUSIVE
    assert claim.draw(data, judge(CONFIG, data)) is not None


def test_a_diverged_run_makes_nothing_hold() -> None:
    data = planted()
    data["drift"] = data["drift"].copy()
    data["drift"].loc[{"arm": "none x10", "optimizer": SGD, "seed": 0}] = np.nan
    data["diverged"].loc[{"arm": "none x10", "optimizer": SGD, "seed": 0}] = 1
    assert asked(data, "take most of SGD's").outcome is Outcome.INCONCLUSIVE
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE


def test_erosion_that_does_not_appear_is_called_so() -> None:
    data = planted()
    refused = data["match_H_refused"].values
    data["match_H_refused"] = data["match_H_refused"].copy(data=refused[:, :, ::-1])
    assert "refusals fall: " in remark(data, "erosion with Adam's")
    assert "refusals fall: reproduced" not in remark(data, "erosion with Adam's")


@pytest.mark.parametrize("classes", [2, 10])
def test_the_trained_table_flips_when_the_law_of_its_classes_says(classes: int) -> None:
    config = dataclasses.replace(CONFIG, table_classes=classes, table_steps=20_000)
    found = limits(table(config))
    steps = steps_to_flip(table(config), SGD, found.rate[0])
    assert np.all((found.least[0] <= steps) & (steps <= found.most[0]))
    # A wrong constant: without the factor of the classes the law must fail.
    other = limits(table(dataclasses.replace(config, table_classes=5)))
    wrong = (other.least[0] <= steps) & (steps <= other.most[0])
    assert not np.any(wrong[found.rate[0] == other.rate[0]])


def test_the_law_of_one_margin_is_one_without_a_vector() -> None:
    off = np.array([1.0, 5.0, 10.0])
    assert_close(law(off, off), np.ones(3), 1e-12)  # rounding of float64
    assert np.all(law(off, off - 0.5) > 1)


def test_a_small_run_keeps_every_curve(smoke: Any) -> None:
    config, data = PRESETS["smoke"], smoke("security_vectors_optimizer").dataset
    assert data.sizes["seed"] == config.seeds
    assert np.isfinite(data["drift"].values).all()
    assert_close(data["drift"].isel(moment=0).values, 0.0, 0.0)
    # Without a vector training is deployment.
    np.testing.assert_array_equal(
        data["flip_on"].sel(dose=0.0).values, data["flip_off"].sel(dose=0.0).values
    )
    # Every optimiser starts from the same models.
    start = data["loss_H"].isel(moment=0)
    assert_close(start.values, start.isel(optimizer=[0]).values, 0.0)
    finite = np.isfinite(data["flip_steps"].values)
    assert np.all(data["flip_steps"].values[finite] % config.flip_every == 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"paces": (1.0, 3.0)}, "paces=.* must be 3 or more that rise"),
        ({"paces": (0.0, 1.0, 3.0)}, "factors on a rate"),
        ({"stable": 0.5}, "leaves none of paces"),
        ({"doses": (0.1, 0.2, 0.3)}, "must begin with 0"),
        ({"forgotten": 0.9}, "forgotten=0.9 must be > 1"),
        ({"records": 1}, "records=1 must be >= 2"),
        ({"flip_most": 2410, "flip_every": 100}, "multiple of flip_every=100"),
        ({"table_rate": -5.0}, "did you pass its logarithm"),
        ({"table_classes": 1}, "table_classes=1 must be >= 2"),
        ({"table_most": 1000}, "table_most=1000 must exceed table_steps"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_reach_far() -> None:
    laptop = PRESETS["laptop"]
    assert laptop.seeds >= 5
    assert laptop.paces[-1] >= 10 * laptop.paces[0]
    assert PRESETS["accelerator"].seeds >= 8
