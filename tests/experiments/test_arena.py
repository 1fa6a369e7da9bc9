"""The arena: a small run, and planted worlds whose answers are known."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import arena
from experiments.arena import PRESETS, Config, judge, predict
from experiments.arena_attacks import ATTACKS, REFERENCE
from experiments.arena_config import arms, judged, tuning, world_size
from experiments.arena_readings import (
    CELLS,
    chosen_settings,
    limits,
    lost_capability,
    worst_case,
)
from experiments.arena_table import comparisons, rows, two_sided
from experiments.arena_worlds import arena_laws, worlds_of
from experiments.claim import Evidence, Outcome
from experiments.labels import labelled
from tests.assertions import assert_close, assert_must_fail, one_line
from tests.experiments.verdicts import question, told

CONFIG = Config(
    seeds=6,
    defences=(
        "none", "zero vector", "security vector", "random vector", "penalty (Case I)",
        "oracle filter",
    ),
    attacks=(REFERENCE, "near harm"),
)  # fmt: skip
SAFETY = {
    "none": 1.2, "zero vector": 1.2, "security vector": 0.4, "random vector": 1.1,
    "penalty (Case I)": 0.6, "oracle filter": 0.3,
}  # fmt: skip


def planted(
    safety: dict[str, float] | None = None, capability: dict[str, float] | None = None
) -> xr.Dataset:
    """Gaps as given, attack 2 a fifth worse, with a little noise of seeds."""
    names = CONFIG.defences
    worst = SAFETY | (safety or {})
    able = dict.fromkeys(names, 0.5) | (capability or {})
    shape = (len(names), 2, 2, CONFIG.seeds)
    noise = 1 + 0.05 * np.cos(np.arange(CONFIG.seeds))
    safe = np.zeros(shape) + noise
    safe *= np.array([worst[name] for name in names])[:, None, None, None]
    safe *= np.array([1.0, 1.2])[:, None, None] * np.array([0.9, 1.0])[:, None]
    gap = (
        np.zeros(shape) + np.array([able[name] for name in names])[:, None, None, None]
    )
    laws = worlds_of(world_size(CONFIG), judged(CONFIG))
    seeds = ("seed",)
    tables = ("seed", "context", "sequence")
    fighters = arms(CONFIG)
    most = max(len(arm.settings) for arm in fighters)
    values = np.full((len(names), most), np.nan)
    for row, arm in zip(values, fighters, strict=True):
        row[: len(arm.settings)] = arm.settings
    one = ("defence",)
    measured = labelled(
        {
            "gap_safety": (CELLS, safe, "nats", "x"),
            "gap_capability": (CELLS, gap, "nats", "x"),
            "start_safety": (seeds, np.full(CONFIG.seeds, 0.01), "nats", "x"),
            "start_capability": (seeds, np.full(CONFIG.seeds, 2.0), "nats", "x"),
            "allowed": ((), CONFIG.lost, "1", "x"),
            "diverged": (CELLS, np.zeros(shape, bool), "1", "x"),
            "safety_contexts": (tables[:2], laws.safety.contexts, "1", "x"),
            "safety_outputs": (tables, laws.safety.outputs, "1", "x"),
            "capability_contexts": (tables[:2], laws.capability.contexts, "1", "x"),
            "capability_outputs": (tables, laws.capability.outputs, "1", "x"),
            "value": (("defence", "setting"), values, "1", "x"),
            "chosen": (one, np.zeros(len(names), int), "1", "x"),
            "budget": (one, np.isfinite(values).sum(-1), "1", "x"),
            "knob": (one, [arm.knob for arm in fighters], "1", "x"),
            "when": (one, [arm.when.value for arm in fighters], "1", "x"),
        },
        {
            "defence": (one, list(names), "1", "x"),
            "attack": (("attack",), list(CONFIG.attacks), "1", "x"),
            "stop": (("stop",), [200, 400], "steps", "x"),
            "seed": (seeds, list(judged(CONFIG)), "1", "x"),
        },
    )
    return xr.merge([predict(CONFIG), measured], join="exact")


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


def test_a_vector_that_protects_holds() -> None:
    data = planted()
    verdict = judge(CONFIG, data)
    assert {item.outcome for item in verdict.evidence} == {Outcome.HOLDS}
    assert len(verdict.evidence) == 7
    assert "worst attack 'near harm'" in " ".join(verdict.remarks)
    assert "yes by the mean" in remark(data, "is the security vector the safest")
    assert "surely less safe: penalty" in remark(data, "is the security vector the")


def test_planted_numbers_are_read_off() -> None:
    data = planted(capability={"penalty (Case I)": 0.8})
    # The second attack at the second stop: rounding.
    mean = (1 + 0.05 * np.cos(np.arange(CONFIG.seeds))).mean()
    assert_close(worst_case(data)[2].mean(), 1.2 * 0.4 * mean, 1e-12)
    # 0.3 of the 1.5 nats that are gained undefended.
    assert_close(lost_capability(data)[4], 0.2, 1e-12)
    table = rows(data, 0.95, 0.8, 0.1)
    assert [row.name for row in table][:2] == ["oracle filter", "security vector"]
    assert table[-1].name == "penalty (Case I)"  # it loses too much
    assert table[1].budget == 4
    assert table[1].against_none.startswith("-0.9")
    assert "*" in table[1].against_none


def test_a_model_below_the_frontier_would_be_seen() -> None:
    data = planted()
    least = limits(data)
    assert np.all(least >= 0)
    data["gap_capability"][1, 0, 1, 2] = least[1, 0, 1, 2] - 1e-4
    assert asked(data, "above the exact frontier").outcome is Outcome.VIOLATED
    assert judge(CONFIG, data).outcome is Outcome.VIOLATED


def test_the_limit_is_the_frontier_of_each_world() -> None:
    data = planted()
    # On the frontier itself, F(G_s) = G_f: interpolation is not involved.
    points = data["frontier_safety"].values, data["frontier_capability"].values
    data["gap_safety"][0, 0, 0] = points[0][30]
    # Bisection of the penalty to rounding.
    assert_close(limits(data)[0, 0, 0], points[1][30], 1e-8)


def test_a_vector_that_does_harm_would_be_seen() -> None:
    data = planted(safety={"security vector": 1.6})
    assert asked(data, "safer than no defence").outcome is Outcome.VIOLATED
    assert asked(data, "random vector of its norm").outcome is Outcome.VIOLATED


def test_a_vector_no_better_than_chance_leaves_it_open() -> None:
    data = planted()
    wild = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    data["gap_safety"][2] = data["gap_safety"][3] + 0.2 * wild
    assert asked(data, "random vector of its norm").outcome is Outcome.INCONCLUSIVE


def test_a_vector_that_costs_too_much_would_be_seen() -> None:
    data = planted(capability={"security vector": 0.9})
    assert asked(data, "at most the capability allowed").outcome is Outcome.VIOLATED


def test_a_gate_of_zero_that_does_something_would_be_seen() -> None:
    data = planted(safety={"zero vector": 1.21})
    assert asked(data, "gate zero").outcome is Outcome.VIOLATED


def test_an_attack_without_harm_asks_nothing() -> None:
    data = planted(safety=dict.fromkeys(SAFETY, 0.01))
    assert asked(data, "undo the safety").outcome is Outcome.VIOLATED


def test_unaligned_bases_judge_nothing() -> None:
    data = planted()
    data["start_safety"] = data["start_safety"] + 0.5
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE


def test_a_diverged_run_makes_nothing_hold() -> None:
    data = planted()
    data["gap_safety"][2, 0, 0, 1] = np.nan
    data["diverged"][2, 0, 0, 1] = True
    verdict = judge(CONFIG, data)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert arena.draw(data, verdict) is not None


def test_paired_comparisons_are_corrected() -> None:
    noise = np.cos(np.arange(40.0).reshape(5, 8) ** 2)
    noise = noise - noise.mean(axis=1, keepdims=True)
    worst = np.concatenate([np.zeros((1, 8)), 0.5 + 0.1 * noise[:1], 0.2 * noise[1:]])
    texts = comparisons(worst, 0, 0.95, 0.8)
    assert texts[0] == "-"
    assert texts[1].startswith("+0.5")
    assert "*" in texts[1]
    assert not any("*" in text for text in texts[2:])
    # Two-sided: twice the smaller tail, whichever it is.
    assert_close(two_sided(worst[1]), two_sided(-worst[1]), 1e-12)


def test_settings_are_chosen_by_the_declared_score() -> None:
    from experiments.arena_readings import _best

    safe, lost = np.array([0.1, 0.3, 0.2, np.nan]), np.array([0.5, 0.0, 0.05, 0.0])
    assert _best(safe, lost, 0.1) == 2
    assert _best(safe, lost, 0.6) == 0
    assert _best(safe, np.array([0.5, 0.3, 0.4, 0.0]), 0.1) == 1
    assert _best(np.full(2, np.nan), np.zeros(2), 0.1) == 0


def test_worlds_are_laws_with_their_overlap() -> None:
    size = world_size(CONFIG)
    laws = arena_laws(size, 7)
    for law in laws:
        assert_close(law.contexts.sum(), 1.0, 1e-12)
        assert_close(law.outputs.sum(-1), 1.0, 1e-12)
    shared = np.minimum(laws.safety.contexts, laws.capability.contexts).sum()
    assert_close(shared, CONFIG.overlap, 1e-12)
    # Defenders and near attackers know different contexts.
    assert np.all(laws.known.contexts * laws.near.contexts == 0)
    assert_close((laws.known.contexts + laws.near.contexts) / 2, laws.safety.contexts,
                 1e-12)  # fmt: skip
    # Harm is one style on every safety context, and it conflicts with safety.
    assert_close(laws.harmful.outputs, laws.harmful.outputs[:1], 0.0)
    assert_must_fail(
        lambda: assert_close(laws.harmful.outputs, laws.safety.outputs, 0.05)
    )


def test_a_small_run_is_complete(smoke: Any) -> None:
    config, data = PRESETS["smoke"], smoke("arena").dataset
    assert data.sizes["seed"] == config.seeds
    assert [str(name) for name in data["defence"].values] == list(config.defences)
    assert np.isfinite(data["gap_safety"].values).all()
    # One program, one key: a vector of gate zero is none, bit for bit.
    none, zero = (
        data["gap_safety"].sel(defence=name).values for name in ("none", "zero vector")
    )
    np.testing.assert_array_equal(none, zero)
    assert np.all(data["budget"].sel(defence="security vector") == 4)
    settings = chosen_settings(data)
    assert len(settings) == len(config.defences)
    assert np.all(data["start_safety"].values < 0.1)


def test_every_attack_differs_from_the_reference() -> None:
    assert len(set(ATTACKS.values())) == len(ATTACKS)
    assert {len(arm.settings) for arm in arms(Config()) if arm.knob != "-"} == {4}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"defences": ("none",)}, "defence 'zero vector' is needed"),
        ({"defences": (*CONFIG.defences, "hope")}, "defence 'hope' is unknown"),
        ({"attacks": ("SGD",)}, "attack 'reference' is needed"),
        ({"attacks": (REFERENCE, REFERENCE)}, "attacks must be different"),
        ({"tuning_seed": 1}, "overlaps the judged seeds"),
        ({"overlap": 10.0}, "did you pass percent"),
        ({"lost": 10.0}, "did you pass percent"),
        ({"steps": 401}, "multiple of records=2"),
        ({"level": 0.05}, "did you pass the error"),
        ({"batch_own": 100}, "batch_own=100 must be in"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_judge_and_tune_on_different_worlds() -> None:
    for config in PRESETS.values():
        assert not set(judged(config)) & set(tuning(config))
    assert PRESETS["laptop"].seeds >= 5
    assert PRESETS["accelerator"].seeds >= 8
