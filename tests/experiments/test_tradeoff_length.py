"""Case I against the length: exact worlds of both classes, a small run, its verdict."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from experiments import tradeoff_length
from experiments.claim import Evidence, Outcome, Verdict
from experiments.length_evidence import slope_weights, zeta
from experiments.length_prediction import (
    BIGRAM,
    TRANSFORMER,
    LengthWorlds,
    bigram_world,
    length_worlds,
)
from experiments.runner import run_claim
from experiments.tradeoff_length import PRESETS, Config, judge
from experiments.worlds import sequence_worlds
from tests.assertions import assert_below, assert_close, assert_must_fail, one_line
from tests.experiments.one_device import on_first
from tests.experiments.verdicts import question
from theory.laws import Law, World
from theory.tradeoff import (
    Source,
    bigram_gap,
    bigram_optimum,
    certified_cap,
    mixture_posterior,
    optimal_gaps,
    optimum,
    reach,
)

TINY = Config(
    lengths=(2, 6), long_from=2, penalties=(1.0,), overlaps=(1.0,), seeds=3,
    contexts=2, concentration=0.3, width=4, depth=1, heads=1, steps=40, batch=8,
    records=2,
)  # fmt: skip
PENALTIES = np.array([0.1, 1.0, 7.0])
LENGTHS = (1, 2, 5)
GAPS, LEAST, REACH = jax.jit(optimal_gaps), jax.jit(optimum), jax.jit(reach)


@pytest.fixture(scope="module")
def made() -> LengthWorlds:
    return length_worlds(
        3, contexts=4, vocabulary=2, lengths=LENGTHS, concentration=0.7,
        overlaps=(0.4, 1.0),
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("results")
    return run_claim(
        "tradeoff_length", tradeoff_length, TINY, out, quiet=True, way=on_first()
    )


def cell(world: World, length: int, overlap: int) -> World:
    at = LENGTHS.index(length), overlap
    return World(*(Law(law.contexts[at], law.outputs[at]) for law in world))


# The theory of both classes


def test_the_bigram_world_is_the_class_optimum(made: LengthWorlds, x64: None) -> None:
    world, chains = cell(made.ideal, 5, 0), made.chains
    sources = (
        Source(world.safety.contexts, chains.safety),
        Source(world.capability.contexts, chains.capability),
    )
    policy = jax.jit(bigram_optimum, static_argnums=3)(*sources, PENALTIES, 5)
    best = GAPS(cell(made.bigram, 5, 0), PENALTIES)
    # Rounding: double precision over some hundred terms.
    assert_close(best.safety, bigram_gap(sources[0], policy, 5), 1e-12)
    assert_close(best.capability, bigram_gap(sources[1], policy, 5), 1e-12)
    # Negative control: another length has another optimum.
    other = GAPS(bigram_world(world, chains, 4), PENALTIES)
    assert_must_fail(lambda: assert_close(best.safety, other.safety, 1e-3))


def test_two_tokens_forget_nothing(made: LengthWorlds, x64: None) -> None:
    for length in LENGTHS:
        ideal = LEAST(cell(made.ideal, length, 1), PENALTIES)
        held = LEAST(cell(made.bigram, length, 1), PENALTIES)
        assert_below(ideal, held, 1e-12)  # rounding: a class never beats all policies
        if length <= 2:
            assert_close(ideal, held, 1e-12)
        else:
            assert float(np.min(held - ideal)) > 0.01


@pytest.mark.parametrize("slack", [0.0, 0.003, 0.3])
def test_no_policy_within_reach_passes_the_cap(
    made: LengthWorlds, slack: float, x64: None
) -> None:
    world = cell(made.ideal, 5, 0)  # overlap 0.4: o_f = 0.4, o_s = 1
    allowed = REACH(world, PENALTIES, slack * (1 + PENALTIES))
    spent = slack * (1 + PENALTIES)
    cap_safety = certified_cap(0.4 / PENALTIES, spent / PENALTIES)
    cap_capability = certified_cap(PENALTIES, spent)
    # A theorem: rounding only.
    assert_below(allowed.proxy.upper, cap_safety, 1e-9)
    assert_below(allowed.capability.upper, cap_capability, 1e-9)


def test_the_cap_needs_its_allowance_for_zeta(x64: None) -> None:
    # Disjoint outputs attain (4.5), so a cap without the allowance must be broken.
    one, eye = np.array([1.0]), np.eye(2)
    safe, able = Law(one, eye[:1]), Law(one, eye[1:])
    upper = REACH(World(safe, safe, able), 1.0, 0.05).proxy.upper
    assert_below(upper, certified_cap(np.array(1.0), np.array(0.05)), 1e-9)
    assert_must_fail(lambda: assert_below(upper, np.log(2.0), 1e-9))


def test_without_slack_the_cap_is_the_one_of_the_notes(x64: None) -> None:
    # The grid stops 1e-6 short of s = 1, where the cap is log(1 + odds).
    assert_close(
        certified_cap(np.array([0.1, 2.0]), np.zeros(2)), np.log1p([0.1, 2]), 2e-6
    )


def test_the_transformer_is_compared_with_the_mixture(done: Any, x64: None) -> None:
    worlds = sequence_worlds(
        TINY.world_seed, contexts=2, vocabulary=2, length=6, concentration=0.3,
        distances=(0.0,), overlaps=(1.0,),
    )  # fmt: skip
    world = World(*(Law(law.contexts[0, 0], law.outputs[0, 0]) for law in worlds.world))
    policy = jax.jit(mixture_posterior)(world, 1.0)
    able = world.capability
    mu, p = np.asarray(able.contexts)[:, None], np.asarray(able.outputs)
    by_hand = np.sum(mu * p * np.log(p / np.asarray(policy)))
    stored = done.dataset.sel(model=TRANSFORMER).isel(overlap=0, penalty=0)
    # Rounding: double precision over some hundred terms.
    assert_close(stored["best_capability"].sel(length=6).values, by_hand, 1e-12)
    assert_close(stored["curve_capability"].sel(fine=6).values, by_hand, 1e-12)


def test_slope_weights_find_the_slope_of_a_line() -> None:
    lengths = np.array([1, 2, 4, 6, 10])
    weights = slope_weights(lengths, 4)
    assert_close(weights @ (3.0 + 0.25 * lengths), 0.25, 1e-12)  # rounding
    assert np.all(weights[:2] == 0)


# A small run and its verdict


def test_a_result_has_both_classes_at_every_length(done: Any) -> None:
    data = done.dataset
    assert data["model"].values.tolist() == [TRANSFORMER, BIGRAM]
    assert data["length"].values.tolist() == [2, 6]
    assert np.isfinite(data["gap_aligned"].values).all()
    for variable in data.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]
    assert (done.path / "figure.png").stat().st_size > 10_000


def test_one_alignment_serves_every_length(done: Any) -> None:
    assert set(done.manifest["sweeps"]) == {
        *(f"align {name}" for name in (TRANSFORMER, BIGRAM)),
        *(
            f"fine-tune {name}, length {length}"
            for name in (TRANSFORMER, BIGRAM)
            for length in TINY.lengths
        ),
    }
    # The aligned models' gap grows along the sequence: it is measured at each length.
    aligned = done.dataset["gap_aligned"].transpose("length", "model", "seed").values
    assert np.all(np.diff(aligned, axis=0) > 0)


def test_exact_statements_hold_for_barely_trained_models(done: Any) -> None:
    verdict = Verdict.from_json(done.manifest["verdict"])
    exact = [item for item in verdict.evidence if item.question in EXACT]
    assert [item.outcome for item in exact] == [Outcome.HOLDS] * 3
    assert np.all(zeta(done.dataset).values > -1e-12)  # rounding


EXACT = (
    "is no model below the least penalised gap of all policies?",
    "is no bigram table below the least of its class?",
    "is every gap under its cap, which has no length in it, given its own zeta?",
)


def asked(data: xr.Dataset, words: str) -> Evidence:
    """The one question of the verdict that contains the words."""
    return question(judge(TINY, data), words)


def perfect(done: Any, spread: float = 1e-4) -> xr.Dataset:
    """The stored result with every model at its class's best, seeds a little apart."""
    data: xr.Dataset = done.dataset.copy(deep=True)
    rough = 1 + spread * np.arange(TINY.seeds)
    for kind in ("safety", "capability"):
        gap = data[f"gap_{kind}"]
        exact = data[f"best_{kind}"] * xr.DataArray(rough, dims="seed")
        data[f"gap_{kind}"] = exact.broadcast_like(gap).transpose(*gap.dims).copy()
    return data


def test_models_at_their_best_satisfy_every_question(done: Any) -> None:
    verdict = judge(TINY, perfect(done))
    assert {item.question: item.outcome for item in verdict.evidence} == {
        item.question: Outcome.HOLDS for item in verdict.evidence
    }
    assert len(verdict.evidence) == 14


def test_a_model_below_the_limit_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["gap_capability"] *= 0.2
    data["gap_safety"] *= 0.2
    assert asked(data, "of all policies").outcome is Outcome.VIOLATED
    assert judge(TINY, data).outcome is Outcome.VIOLATED


def test_a_bigram_table_that_remembers_would_be_seen(done: Any) -> None:
    # Planted: the bigram tables get the gaps of the best of all policies.
    data = perfect(done)
    for kind in ("safety", "capability"):
        ideal = data[f"gap_{kind}"].sel(model=TRANSFORMER, drop=True)
        data[f"gap_{kind}"] = ideal.broadcast_like(data[f"gap_{kind}"])
    assert asked(data, "least of its class").outcome is Outcome.VIOLATED
    assert asked(data, "the bigram's slope").outcome is not Outcome.HOLDS
    assert asked(data, "grow faster").outcome is not Outcome.HOLDS
    # What is true of every policy stays true.
    assert asked(data, "of all policies").outcome is Outcome.HOLDS


def test_a_transformer_that_forgets_would_be_seen(done: Any) -> None:
    # Planted: swapped classes.
    data = perfect(done)
    for kind in ("safety", "capability"):
        gap = data[f"gap_{kind}"]
        data[f"gap_{kind}"] = gap.copy(data=gap.sel(model=[BIGRAM, TRANSFORMER]).values)
    assert asked(data, "grow faster").outcome is Outcome.VIOLATED
    assert asked(data, "least of its class").outcome is Outcome.VIOLATED


def test_a_gap_above_its_cap_would_be_seen(done: Any) -> None:
    # Planted: a safety gap that its certificate cannot pay for.
    data = perfect(done)
    data["gap_safety"] += 3.0
    data["gap_capability"] -= 3.0
    question = "is every gap under its cap"
    assert asked(data, question).outcome is Outcome.VIOLATED
    assert asked(data, "transformer's safety gap under").outcome is Outcome.VIOLATED


def test_shuffled_lengths_would_be_seen(done: Any) -> None:
    data = perfect(done)
    for kind in ("safety", "capability"):
        gap = data[f"gap_{kind}"]
        data[f"gap_{kind}"] = gap.copy(data=gap.isel(length=[1, 0]).values)
    assert asked(data, "gap grow with the length").outcome is Outcome.VIOLATED


def test_a_diverged_run_makes_nothing_hold(done: Any) -> None:
    data = perfect(done)
    data["gap_safety"][0, 0, ..., 0, :] = np.nan
    data["diverged"][0, 0] = 1
    assert judge(TINY, data).outcome is Outcome.INCONCLUSIVE
    assert tradeoff_length.draw(data, judge(TINY, data)) is not None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"lengths": (4, 2)}, r"lengths=\(4, 2\) must rise"),
        ({"lengths": (0, 4, 6)}, "must be one or more, >= 1 token"),
        ({"lengths": (2, 4)}, "must leave two or more of the lengths"),
        ({"lengths": (4, 6, 20)}, "since every sequence is enumerated"),
        ({"overlaps": (0.0, 1.0)}, "share no context trade nothing"),
        ({"penalties": (-1.0, 1.0)}, "did you pass logarithms"),
        ({"learning_rate_bigram": 0.0}, "learning_rate_bigram=0.0 must be a finite"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"heads": 3}, "heads=3 must divide width=16"),
        ({"steps": 801}, "must be a multiple of records"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_reach_lengths_at_which_the_classes_differ(tmp_path: Path) -> None:
    assert set(PRESETS) == {"smoke", "laptop", "accelerator"}
    for preset in PRESETS.values():
        assert preset.lengths[-1] >= 3 * preset.lengths[0]
        assert preset.seeds >= 3
