"""`simlab falsify`: it finds what is wrong in the whole ledger, and nothing else."""

import dataclasses
import json
from pathlib import Path

import pytest

from experiments.__main__ import main
from experiments.falsification.campaign import campaign
from experiments.falsification.findings import Answer
from tests.experiments.falsified import SMALL, rare, run_test, silent
from theory.ledger import LEDGER, Side, Sides, find


def test_every_record_gets_one_line_in_the_order_of_the_ledger(findings):
    assert list(findings) == [record.name for record in LEDGER]


def test_no_claim_is_violated_and_every_one_is_asked(findings):
    true = [r.name for r in LEDGER if r.side is not Side.FALSE]
    wrong = {
        name: findings[name].answer
        for name in true
        if findings[name].answer is not Answer.NONE_FOUND
    }
    assert not wrong


def test_every_planted_error_is_caught(findings):
    # Negative control of the search, in the same worlds.
    missed = [
        record.name
        for record in LEDGER
        if record.planted and findings[record.name].caught_after is None
    ]
    assert not missed


def test_every_false_claim_is_refuted_by_the_search_and_by_its_kept_example(findings):
    false = [r.name for r in LEDGER if r.side is Side.FALSE]
    assert false
    assert {findings[name].answer for name in false} == {Answer.REFUTED}


def test_a_bound_is_found_tight_and_a_loose_one_is_not(findings):
    # Ratios seen: 1 for a bound attained at likelihood ratios in {0, 1, inf}, which
    # sparse worlds hit. Half of it must come out at half.
    record = find("proxy gap, upper")
    assert findings[record.name].tightness == pytest.approx(1, abs=1e-6)
    looser = dataclasses.replace(
        record,
        function=lambda c: Sides(record.function(c).left, 2 * record.function(c).right),
    )
    (found,), _ = campaign([looser], SMALL, silent)
    assert found.tightness == pytest.approx(0.5, abs=1e-6)


def test_the_search_is_the_same_for_a_seed_and_another_for_another(findings):
    record = find("root limit")
    again, other = (
        campaign([record], dataclasses.replace(SMALL, seed=seed), silent)[0][0]
        for seed in (0, 1)
    )
    # Fusion with other claims may round differently: 1e-12 is thousands of roundings.
    assert again.tightness == pytest.approx(findings[record.name].tightness, abs=1e-12)
    assert abs(other.tightness - again.tightness) > 1e-9


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have configured JAX already; a process can do so only once."""
    monkeypatch.setattr("simlab.devices.configure", lambda **_: None)


TINY = ["--budget", "1", "--contexts", "3", "--outputs", "4", "--steps", "0", "--quiet"]


def test_the_command_prints_a_table_and_writes_it(configured, capsys, tmp_path: Path):
    file = tmp_path / "found.json"
    assert main(["falsify", "root limit", *TINY, "--json", str(file)]) == 0
    shown = capsys.readouterr()
    assert "none found" in shown.out
    assert "no violation" in shown.out
    assert not shown.err
    written = json.loads(file.read_text())
    assert written["findings"][0]["name"] == "root limit"
    assert written["costs"]["evaluations_random"] == 16384


def test_planted_errors_are_shown_as_tests_that_fail(configured, capsys):
    assert main(["falsify", "root limit", *TINY, "--planted"]) == 0
    shown = capsys.readouterr().out
    assert "caught: 1 of 1" in shown
    source = shown[shown.index("import jax") :]
    with pytest.raises(AssertionError):
        run_test(source)


def test_a_violation_is_printed_and_changes_the_exit_code(
    configured, capsys, monkeypatch
):
    record = find("root limit")
    broken = rare(record, record.planted)
    monkeypatch.setattr("theory.ledger.find", lambda _: broken)
    assert main(["falsify", "root limit", *TINY]) == 1
    shown = capsys.readouterr().out
    assert "VIOLATED" in shown
    assert "def test_root_limit_holds_in_this_world" in shown


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("falsify", "a record of the ledger, or all"),
        ("falsify frontear", "did you mean frontier"),
        ("falsify all --budget none", "--budget"),
        ("falsify all --budget 0", "budget=0.0 must be"),
        ("falsify all --outputs 1", "outputs=1 must be >= 2"),
        ("falsify all --sedes 3", "unrecognized options: --sedes"),
    ],
)
def test_a_mistake_gets_one_line(configured, capsys, words, named):
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert named.lower() in lines[0].lower()


def test_an_interrupt_ends_the_search(configured, capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.falsification.campaign.campaign", interrupt)
    assert main(["falsify", "all"]) == 130
    assert "interrupted" in capsys.readouterr().err
