"""Benchmarks: pairs give ratios, what is missing gets a plain row, tables are made."""

import json
import time
from pathlib import Path
from typing import Any

import jax
import pytest

from experiments.benchmarks import __main__ as command
from experiments.benchmarks import growth, matmul, sweep
from experiments.benchmarks.drawing import side_by_side
from experiments.benchmarks.measuring import (
    Inside,
    Measured,
    MissingError,
    Spread,
    interleaved,
    ratio,
    seconds,
)
from experiments.benchmarks.options import BENCHMARKS, Options
from experiments.benchmarks.paced import Paced
from experiments.benchmarks.reports import Report, Row, machine, ratio_row, read, write
from experiments.benchmarks.table import BEGIN, END, inserted, refresh, rendered
from experiments.benchmarks.together import Together
from experiments.benchmarks.toy import TINY, Toy
from experiments.benchmarks.workers import Worker
from simlab.flops import matmul_flops
from simlab.training import advance, begin

WORKER = "tests.experiments.counting_worker"


class Scripted:
    """A contender whose seconds are given, and who notes his turns."""

    def __init__(self, name: str, values: list[float], turns: list[str]) -> None:
        self.name, self._values, self._turns = name, iter(values), turns

    def measure(self) -> float:
        self._turns.append(self.name)
        return next(self._values)

    def __enter__(self) -> "Scripted":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def silent(line: str) -> None:
    del line


def scripted(*values: list[float], repeats: int, warm: int = 0) -> tuple[Measured, str]:
    turns: list[str] = []
    names = "ABC"[: len(values)]
    given = [Scripted(n, v, turns) for n, v in zip(names, values, strict=True)]
    found = interleaved(given, repeats, warm=warm, log=silent)
    return found, "".join(turns)


def test_contenders_take_turns_and_the_first_round_is_not_kept() -> None:
    found, turns = scripted([9.0, 1.0, 2.0], [9.0, 3.0, 4.0], repeats=2, warm=1)
    assert turns == "ABABAB"
    assert found.seconds == {"A": (1.0, 2.0), "B": (3.0, 4.0)}


def test_ratios_are_formed_within_rounds() -> None:
    # The machine was ten times slower in the second round; the ratio of medians is 1.5.
    slow, fast = (2.0, 20.0, 3.0), (1.0, 10.0, 2.0)
    assert ratio(slow, fast) == Spread(2.0, 1.5, 2.0, 3)


def test_ratios_of_unequal_numbers_of_rounds_are_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        ratio((1.0, 2.0), (1.0,))


def test_a_worker_answers_block_by_block_and_says_what_it_is() -> None:
    worker = Worker("w", WORKER, units=2.0)
    found = interleaved([worker], 2, warm=0, log=silent)
    assert found.seconds == {"w": (0.5, 1.0)}
    assert worker.facts["version"] == "7"
    assert [answer["memory"] for answer in worker.answers] == [5.0, 5.0]


def test_a_worker_of_ours_that_dies_is_an_error_and_no_row() -> None:
    with pytest.raises(RuntimeError, match="ended without an answer"):
        interleaved([Worker("w", WORKER)], 3, warm=0, log=silent)


def test_a_contender_that_needs_a_package_and_dies_loses_its_row_alone() -> None:
    dying = Worker("w", WORKER, needs="json")
    steady = Scripted("A", [1.0, 2.0, 3.0], [])
    found = interleaved([dying, steady], 3, warm=0, log=silent)
    assert found.seconds == {"A": (1.0, 2.0, 3.0)}
    assert "ended without an answer" in found.missing["w"]


@pytest.mark.parametrize(
    ("worker", "reason"),
    [
        (Worker("w", WORKER, needs="torch_of_yesterday"), "is not installed"),
        (Worker("w", WORKER, python="/no/python", needs="json"), "cannot be started"),
        (Worker("w", WORKER, ("decline",)), "no such device"),
    ],
)
def test_what_cannot_be_measured_gets_a_plain_row(worker: Worker, reason: str) -> None:
    with pytest.raises(MissingError, match=reason):
        worker.__enter__()
    found = interleaved([worker, Scripted("A", [1.0], [])], 1, warm=0, log=silent)
    row = ratio_row(found, "w", "A", "A against w", 4.0, "missed because")
    assert (row.measured, row.verdict) == (None, "not measured")
    assert reason in row.why


def test_processes_that_work_together_are_missing_together() -> None:
    lacking = Worker("w 0", WORKER, needs="torch_of_yesterday")
    found = interleaved([Together("w", [lacking])], 1, warm=0, log=silent)
    assert found.missing == {"w": "torch_of_yesterday is not installed"}


def test_processes_that_work_together_share_the_seconds_of_the_slowest() -> None:
    pair = [Scripted("A", [4.0], []), Scripted("B", [6.0], [])]
    found = interleaved([Together("AB", pair)], 1, warm=0, log=silent)
    assert found.seconds == {"AB": (3.0,)}


@pytest.mark.parametrize(
    ("median", "least", "verdict"),
    [
        (4.0, True, "**met**"),
        (3.0, True, "missed by 25 %"),
        (5.0, False, "missed by 25 %"),
    ],
)
def test_a_row_says_whether_its_target_was_met(
    median: float, least: bool, verdict: str
) -> None:
    row = Row("speed", Spread(median, median, median, 1), "times", 4.0, least)
    assert row.verdict == verdict


def test_a_met_target_needs_no_excuse() -> None:
    found, _ = scripted([8.0], [1.0], repeats=1)
    assert ratio_row(found, "A", "B", "B", 4.0, "excuse").why == ""
    assert ratio_row(found, "A", "B", "B", 9.0, "excuse").why == "excuse"


def test_set_up_counts_once_and_a_run_as_often_as_the_sweep_has_runs() -> None:
    found, _ = scripted([2.0, 3.0], repeats=2)
    whole = sweep.everything(found, {"A": 10.0})
    assert whole.seconds == {"A": (10.0 + 64 * 2.0, 10.0 + 64 * 3.0)}


def report() -> Report:
    found, _ = scripted([2.0, 4.0], [1.0, 1.0], repeats=2)
    rows = [
        ratio_row(found, "A", "B", "B over A", 4.0, "because"),
        Row("H200", None, "times", 50.0, why="no accelerator"),
    ]
    return Report("step", "A title", "How.", rows, found.seconds)


def test_a_report_becomes_a_file_a_table_and_a_plot(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    path = write(report(), machine(), False, tmp_path)
    text = refresh(tmp_path, BENCHMARKS).read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert (
        "| B over A | 3 [2, 4] times, 2 | at least 4 times | missed by 25 % | because |"
        in text
    )
    assert "| H200 |  | at least 50 times | not measured | no accelerator |" in text
    assert len(side_by_side(read(path), seconds="s", ratio="times").axes) == 2


def test_the_table_is_the_same_when_made_again(tmp_path: Path) -> None:
    path = write(report(), machine(), True, tmp_path)
    once = inserted("text\n", rendered([read(path)]))
    assert inserted(once, rendered([read(path)])) == once
    assert "Quick run" in once


def test_the_formula_of_products_is_what_a_traced_step_multiplies() -> None:
    toy = Toy(width=16, heads=2, length=8, vocabulary=5, batch=3, rows=10)
    setup, hyper = toy.setup, jax.eval_shape(lambda: toy.hyper(1e-3, 0))
    state = jax.eval_shape(lambda given: begin(setup, given), hyper)
    step = jax.make_jaxpr(lambda given, key, state: advance(setup, given, key, state))
    traced = step(hyper, jax.random.key(0), state)
    assert matmul_flops(traced) == toy.products


def test_a_sweep_is_let_on_by_one_chunk_a_block() -> None:
    toy = Toy(steps=2, rows=8, **{**TINY, "depth": 1})
    paced = Paced(toy, 4, 2)
    first, second = paced.block(), paced.block()
    assert first["seconds"] > 0
    assert first["setup"] > 0
    assert second["setup"] == 0.0
    # Compiling is set-up: two steps of the smallest toy take less than tracing them.
    assert second["seconds"] < first["setup"]


class Pending:
    """A result that is there only once somebody waits for it."""

    waits = 0

    def block_until_ready(self) -> "Pending":
        self.waits += 1
        return self


def test_seconds_include_what_jax_has_yet_to_finish() -> None:
    results = [Pending(), Pending()]
    assert seconds(lambda: {"losses": results}) > 0
    assert [result.waits for result in results] == [1, 1]


def test_seconds_of_a_block_are_shared_by_its_units() -> None:
    half = Inside("pause", lambda: time.sleep(0.02), 2.0)
    assert 0.01 <= half.measure() < 0.02 * 50  # a busy machine wakes sleepers late


def test_slopes_of_exact_power_laws_are_exact() -> None:
    row = growth.slope_row("bytes", [(x, 3.0 * x**2) for x in (1, 2, 4, 8)])
    assert row.measured is not None
    assert row.measured.median == pytest.approx(2.0)  # rounding of logarithms


def test_shares_of_a_rate_are_seconds_of_the_product_over_those_of_training() -> None:
    found = Measured({matmul.DOT: (1.0,), matmul.EACH: (2.0,)}, {})
    row = matmul.share_row(found, matmul.EACH, 0.7)
    assert row.measured == Spread(0.5, 0.5, 0.5, 1)
    assert (row.unit, row.verdict) == ("share", "missed by 29 %")


def test_unknown_benchmarks_are_told_in_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command.main(["stepp"]) == 2
    error = capsys.readouterr().err
    assert "'stepp' does not exist" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_can_be_loaded(name: str) -> None:
    module: Any = command.load(name)
    assert callable(module.measure)
    assert callable(module.draw)


def test_the_document_of_a_toy_gives_the_toy_again() -> None:
    toy = Toy(width=32, steps=7)
    assert Toy.read(json.loads(json.dumps(toy.document()))) == toy


def test_options_name_the_benchmarks_and_the_other_python() -> None:
    options = Options(("sweep",), torch_python="/elsewhere/python")
    assert options.repeats >= 1
    with pytest.raises(ValueError, match="repeats=0"):
        Options(repeats=0)
