"""Comparisons of executors: distances, answers, tolerance, what is kept and said."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments.benchmarks import regenerated
from experiments.benchmarks.regenerated import (
    BEGIN,
    TOLERANCE,
    cell,
    difference,
    distance,
    keep,
    rendered,
    within,
)
from experiments.benchmarks.reports import read
from experiments.benchmarks.table import put
from experiments.claim import (
    EXIT_INTERRUPTED,
    EXIT_PREEMPTED,
    EXIT_USAGE,
    Evidence,
    Outcome,
    conclude,
)
from simlab.interruption import Preempted
from simlab.storage import Result
from tests.experiments import tiny_claim


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have configured JAX already; a process can do so only once."""
    monkeypatch.setattr(regenerated, "configure", lambda **_: None)


def result(values: list[float], *outcomes: str, diverged: int = 0) -> Result:
    evidence = [
        Evidence(f"question {k}?", Outcome(outcome), 1.0, "nats", f"detail {k}")
        for k, outcome in enumerate(outcomes)
    ]
    verdict = conclude(evidence, diverged).to_json()
    data = xr.Dataset(
        {
            "loss": ("run", np.asarray(values)),
            "steps": ("run", np.arange(len(values))),
            "name": ("run", np.asarray(["a"] * len(values))),
        }
    )
    return Result({"verdict": verdict}, data, Path())


def row(one: Result, other: Result, executor: str = "vmap") -> dict[str, Any]:
    found = difference(one, other)
    where = {"claim": "rebound", "executor": executor, "machine": {"backend": "cpu"}}
    return {**where, **found}


def test_distances_are_on_a_variables_own_scale() -> None:
    one = xr.DataArray(np.array([1.0, -4.0, np.nan]))
    assert distance(one, one) == 0
    assert distance(one, one + 0.04) == pytest.approx(0.01)
    assert distance(one, xr.DataArray(np.array([1.0, -4.0, 0.0]))) == 1
    assert distance(one, one[:2]) == 1


def test_what_is_not_finite_must_be_the_same() -> None:
    one = xr.DataArray(np.array([1.0, np.inf, np.nan]))
    assert distance(one, one) == 0
    assert distance(one, xr.DataArray(np.array([1.5, np.inf, np.nan]))) == 0.5
    assert distance(one, xr.DataArray(np.array([1.0, -np.inf, np.nan]))) == 1
    assert distance(one, xr.DataArray(np.array([1.0, np.nan, np.nan]))) == 1


def test_equal_results_have_the_same_bits() -> None:
    found = row(result([1.0, 2.0], "holds"), result([1.0, 2.0], "holds"))
    assert found["identical"]
    assert within(found)
    assert cell(found) == "same bits"


def test_moved_numbers_with_the_same_answers_are_within_by_the_median() -> None:
    # Two variables with numbers: `loss` moved by 0.1, `steps` not at all.
    found = row(result([1.0, 2.0], "holds"), result([1.0, 1.8], "holds"))
    assert found["where"] == "loss"
    assert found["largest"] == pytest.approx(0.1)
    assert found["median"] == pytest.approx(0.05)
    assert not within(found)
    assert within({**found, "median": TOLERANCE})
    assert cell(found).startswith("**1 of 1 answers")


def test_a_changed_answer_is_never_within_the_tolerance_and_is_told() -> None:
    found = row(result([1.0], "holds", "holds"), result([1.0], "holds", "inconclusive"))
    assert not within(found)
    assert found["verdicts"] == ["holds", "inconclusive"]
    text = rendered([found])
    assert "question 1? *holds* (detail 1) became *inconclusive* (detail 1)" in text
    assert "Within the tolerance: 0 of 1 comparisons." in text


def test_a_changed_answer_is_told_where_the_data_agree() -> None:
    found = row(result([1.0], "holds"), result([1.0], "violated"))
    assert cell(found).startswith("**0 of 1 answers")


def test_a_diverged_run_adds_a_question_that_was_not_asked() -> None:
    found = row(result([1.0], "holds"), result([1.0], "holds", diverged=1))
    assert [change["answers"] for change in found["changed"]] == [
        ["not asked", "inconclusive"]
    ]
    assert found["changed"][0]["question"] == "did every run stay finite?"


def test_a_newer_comparison_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "results" / "regenerated-laptop.json"
    old = row(result([1.0], "holds"), result([1.1], "holds"))
    new = row(result([1.0], "holds"), result([1.0], "holds"))
    other = {**old, "claim": "arena"}
    keep(old, path)
    keep(other, path)
    keep({**old, "machine": {"backend": "gpu"}}, path)
    kept = keep(new, path)
    assert [each["claim"] for each in kept] == ["rebound", "rebound", "arena"]
    assert [each["identical"] for each in kept] == [True, False, False]


def test_the_table_has_every_claim_and_is_put_between_its_marks(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("before\n")
    found = row(result([1.0], "holds"), result([1.0], "holds"))
    put(readme, rendered([found]), BEGIN)
    put(readme, rendered([found]), BEGIN)
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.count(BEGIN) == 1
    assert "| `rebound` | not run | same bits | not run |" in text
    assert "| `arena` | not run | not run | not run |" in text
    assert "gpu" not in text


def test_another_backend_gets_columns_of_its_own() -> None:
    found = row(result([1.0], "holds"), result([1.0], "holds"))
    text = rendered([{**found, "machine": {"backend": "tpu"}}])
    assert "| claim | map on cpu | vmap on cpu | sharded on cpu | vmap on tpu |" in text
    assert "| `rebound` | not run | not run | not run | same bits |" in text


def test_unknown_claims_get_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert regenerated.main(["--claims", "rebond"]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert "claim 'rebond' does not exist; did you mean rebound?" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("stop", "code"),
    [(KeyboardInterrupt, EXIT_INTERRUPTED), (Preempted, EXIT_PREEMPTED)],
)
def test_a_stopped_comparison_says_how_to_go_on(
    stop: type[BaseException],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object) -> None:
        raise stop

    monkeypatch.setattr(regenerated, "compared", stopped)
    assert regenerated.main(["--claims", "rebound"]) == code
    assert capsys.readouterr().err.count("\n") == 1


def test_a_claim_is_run_by_both_ways_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regenerated, "load", lambda name: tiny_claim)
    words = ["--claims", "rebound", "--executors", "vmap", "--preset", "smoke"]
    places = ["--out", str(tmp_path), "--results", str(tmp_path / "kept")]
    assert regenerated.main([*words, *places]) == 0
    path = tmp_path / "results" / "regenerated-smoke.json"
    (found,) = read(path)["rows"]
    assert found["executor"] == "vmap"
    assert not found["changed"]
    assert (tmp_path / "kept" / "map").is_dir()
