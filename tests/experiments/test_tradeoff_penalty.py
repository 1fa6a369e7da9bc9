"""The first claim, small: found again, cut off and resumed, diverged, damaged."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import tradeoff_penalty
from experiments.bench import Bench
from experiments.case_one_evidence import zeta
from experiments.claim import Outcome, Verdict
from experiments.runner import run_claim
from experiments.tradeoff_penalty import PRESETS, Config, judge
from simlab import devices
from simlab.storage import StorageError
from simlab.sweeps import Executor
from tests.assertions import one_line

TINY = Config(
    penalties=2, proxies=(0.0, 0.5), overlaps=(0.0, 1.0), seeds=2, contexts=2,
    vocabulary=2, length=2, width=4, depth=1, heads=1, steps=40, batch=8, records=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("results")
    return run_claim("tradeoff_penalty", tradeoff_penalty, TINY, out, quiet=True)


def silent(_: str) -> None:
    pass


def test_the_same_configuration_finds_its_result(done: Any) -> None:
    said: list[str] = []
    again = run_claim(
        "tradeoff_penalty", tradeoff_penalty, TINY, done.path.parent, say=said.append
    )
    assert "found a finished result" in said[0]
    assert again.manifest == done.manifest
    xr.testing.assert_identical(again.dataset, done.dataset)


def test_a_result_says_what_made_it(done: Any) -> None:
    manifest = done.manifest
    assert manifest["config"]["seeds"] == 2
    assert manifest["machine"]["packages"]["jax"]
    assert set(manifest["sweeps"]) == {"align", "fine-tune"}
    assert manifest["sweeps"]["fine-tune"]["runs"] == 2 * 2 * 2 * 2
    assert {"commit", "changed"} == set(manifest["code"])
    for variable in done.dataset.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]
    assert (done.path / "figure.png").stat().st_size > 10_000
    assert (done.path / "figure.pdf").exists()


def test_exact_statements_hold_for_barely_trained_networks(done: Any) -> None:
    verdict = Verdict.from_json(done.manifest["verdict"])
    exact = [item for item in verdict.evidence if "frontier of" in item.question]
    identity = [item for item in verdict.evidence if "(4.3)" in item.question]
    assert [item.outcome for item in exact + identity] == [Outcome.HOLDS] * 3
    # 40 steps do not train a network, and the verdict says so.
    assert verdict.outcome is not Outcome.HOLDS


def test_a_network_below_the_frontier_would_be_seen(done: Any) -> None:
    # Negative control: hand the judge capability gaps that are too good.
    data = done.dataset.copy(deep=True)
    data["gap_capability"] *= 0.2
    verdict = judge(TINY, data)
    assert verdict.outcome is Outcome.VIOLATED
    failed = [e.question for e in verdict.evidence if e.outcome is Outcome.VIOLATED]
    assert any("frontier" in question for question in failed)
    assert any("(4.3)" in question for question in failed)


def test_swapped_roles_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["gap_capability"], data["gap_proxy"] = (
        done.dataset["gap_proxy"].copy(),
        done.dataset["gap_capability"].copy(),
    )
    assert judge(TINY, data).outcome is Outcome.VIOLATED


def test_zeta_is_never_negative(done: Any) -> None:
    assert np.all(zeta(done.dataset) > -1e-12)  # rounding


def test_a_cut_off_run_goes_on_to_the_same_bits(
    done: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut = _Interrupting(done)
    with pytest.raises(KeyboardInterrupt):
        run_claim("tradeoff_penalty", cut, TINY, tmp_path, quiet=True)
    other = rf"cores \({devices.threads()}, now 99\); go on as it was begun"
    with monkeypatch.context() as patch:
        patch.setattr(devices, "threads", lambda: 99)
        with pytest.raises(StorageError, match=other):
            run_claim("tradeoff_penalty", tradeoff_penalty, TINY, tmp_path, quiet=True)
    said: list[str] = []
    resumed = run_claim(
        "tradeoff_penalty", tradeoff_penalty, TINY, tmp_path, quiet=True,
        say=said.append,
    )  # fmt: skip
    assert "going on where a run was cut off" in said[0]
    xr.testing.assert_identical(resumed.dataset, done.dataset)
    assert resumed.manifest["sweeps"]["align"]["runs_found"] == 2


class _Interrupting:
    """The claim, stopped after its first chunks as by Ctrl-C."""

    PRESETS = PRESETS
    predict = staticmethod(tradeoff_penalty.predict)
    judge = staticmethod(tradeoff_penalty.judge)
    draw = staticmethod(tradeoff_penalty.draw)

    def __init__(self, done: Any) -> None:
        self.done = done

    def simulate(self, config: Config, bench: Bench) -> xr.Dataset:
        sweep, calls = bench.sweep, []

        def once(name: str, *arguments: Any, **named: Any) -> Any:
            if calls:
                raise KeyboardInterrupt
            calls.append(name)
            return sweep(name, *arguments, **named)

        bench.sweep = once  # type: ignore[method-assign]
        return tradeoff_penalty.simulate(config, bench)


def test_a_diverged_run_is_kept_and_nothing_holds(tmp_path: Path) -> None:
    wild = dataclasses.replace(TINY, learning_rate=1e30)
    result = run_claim("tradeoff_penalty", tradeoff_penalty, wild, tmp_path, quiet=True)
    verdict = Verdict.from_json(result.manifest["verdict"])
    assert result.manifest["diverged_runs"] > 0
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert int(result.dataset["diverged"].sum()) == result.manifest["diverged_runs"]


def test_executors_agree_to_rounding(done: Any) -> None:
    data = tradeoff_penalty.simulate(TINY, Bench(executor=Executor.VMAP))
    for name in ("gap_safety", "gap_proxy", "gap_capability"):
        # float32: 80 steps of Adam; the stated tolerance between executors
        np.testing.assert_allclose(data[name], done.dataset[name], atol=5e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"penalty_min": -2.0}, "did you pass its logarithm"),
        ({"penalty_min": 10.0, "penalty_max": 1.0}, "are they swapped"),
        ({"proxies": (0.1, 0.5)}, "must rise from 0, the exact proxy"),
        ({"overlaps": (0.0, 30.0)}, "did you pass percent"),
        ({"overlaps": (1.0, 0.0)}, "must rise"),
        ({"seeds": 0}, "seeds=0 must be >= 1"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"heads": 3}, "heads=3 must divide width=16"),
        ({"steps": 601}, "must be a multiple of records"),
        ({"learning_rate": float("nan")}, "learning_rate=nan must be a finite number"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_are_what_the_issue_of_honest_size_asks() -> None:
    laptop = PRESETS["laptop"]
    assert set(PRESETS) == {"smoke", "laptop", "accelerator"}
    assert laptop.penalties >= 8
    assert laptop.penalty_max / laptop.penalty_min >= 1e4
    assert {0.0, 0.3, 0.7, 1.0} <= set(laptop.overlaps)
    assert laptop.seeds >= 4
