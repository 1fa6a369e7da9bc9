"""A run killed outright at any moment goes on to the same bits; one preempted says so.

Not every run here is a real claim: one that takes a second is killed a hundred times.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

from simlab import storage

ROOT = Path(__file__).parents[2]
COMMAND = [
    sys.executable, "-m", "experiments", "run", "tradeoff_penalty", "--preset", "smoke",
    "--seeds", "2", "--steps", "60", "--records", "2", "--quiet", "--out",
]  # fmt: skip


def killed(scratch: Path, **kills: int) -> dict[str, Any]:
    """What so many kills of every way struck and left; the ways side by side."""
    processes = {}
    for way, count in kills.items():
        (scratch / way).mkdir()
        words = ["-m", "tests.experiments.killer", way, str(scratch / way), str(count)]
        processes[way] = subprocess.Popen(
            [sys.executable, *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A library's threads would not survive the fork.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
    reports = {}
    for way, process in processes.items():
        said, complaint = process.communicate(timeout=600)
        assert process.returncode == 0, complaint
        reports[way] = json.loads(said)
        print(way, reports[way])
    return reports


def test_a_run_killed_anywhere_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    reports = killed(tmp_path, moments=5, steps=7, careless=1)
    # The control: the same kills do catch a writer that takes no care.
    assert reports.pop("careless")["faults"]
    assert [report["faults"] for report in reports.values()] == [[], []]


@pytest.mark.slow
def test_a_hundred_kills_lose_nothing_at_any_stage(tmp_path: Path) -> None:
    reports = killed(tmp_path, moments=45, steps=56)
    assert [report["faults"] for report in reports.values()] == [[], []]
    assert sum(report["kills"] for report in reports.values()) >= 100
    struck = [set(report["struck"]) for report in reports.values()]
    assert {"sweep", "part", "checkpoint", "result", "figure"} <= set.union(*struck)


PREEMPTED = """
import sys
from pathlib import Path
from unittest import mock
from experiments import __main__ as command
from tests.experiments import tiny_claim, tiny_runs
tiny_runs.prepare(Path(sys.argv[1]))
walk = tiny_claim.Walk.advance
def slow(self, state, key):
    import jax, time
    jax.debug.callback(lambda: time.sleep(0.2))
    return walk(self, state, key)
tiny_claim.Walk.advance = slow
run = lambda words: tiny_runs.run(Path(sys.argv[1]) / "out") and 0
with mock.patch.dict(command.COMMANDS, run=run):
    sys.exit(command.main(["run"]))
"""


def told(directory: Path) -> list[dict[str, Any]]:
    lines = (directory / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def preemptible(scratch: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", PREEMPTED, str(scratch)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    events = scratch / "out"
    while process.poll() is None and '"stretch"' not in "".join(
        file.read_text() for file in events.glob(".*.partial/metrics.jsonl")
    ):
        time.sleep(0.02)
    return process


def test_a_preempted_run_keeps_its_state_and_says_so_in_one_line(
    tmp_path: Path,
) -> None:
    process = preemptible(tmp_path)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert said.split("\n") == [
        "",
        "simlab: preempted; every finished chunk is kept: "
        "give the same command again to go on",
        "",
    ]
    (partial,) = (tmp_path / "out").glob(".*.partial")
    assert list(partial.glob("parts/checkpoints/*/*/seal.json"))
    events = told(partial)
    assert (events[-1]["event"], events[-1]["reason"]) == ("stopped", "Preempted")
    again = preemptible(tmp_path)
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    (final,) = (tmp_path / "out").glob("tiny-*")
    events = told(final)
    last = max(k for k, event in enumerate(events) if event["event"] == "begin")
    assert events[-1]["event"] == "end"
    stretches = [event for event in events[last:] if event["event"] == "stretch"]
    assert stretches[0]["stretch"] > 1, "it went on from its checkpoint"


def test_a_second_request_stops_at_once(tmp_path: Path) -> None:
    process = preemptible(tmp_path)
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
        time.sleep(0.05)
    _, said = process.communicate(timeout=60)
    # A shell sees 143 either way: the first request may have ended the run already.
    assert process.returncode in (143, -signal.SIGTERM), said


def finished(out: Path) -> storage.Result:
    done = subprocess.run([*COMMAND, str(out)], capture_output=True, check=False)
    assert done.returncode in (0, 1, 3), done.stderr
    return storage.load(next(out.glob("tradeoff_penalty-*")))


@pytest.mark.slow
def test_a_killed_command_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole")
    begin = time.monotonic()
    finished(tmp_path / "timed")
    duration = time.monotonic() - begin
    cut, kills = tmp_path / "cut", 6
    for kill in range(kills):
        process = subprocess.Popen([*COMMAND, str(cut)], stderr=subprocess.DEVNULL)
        # Spread over the whole run; a kill after its end finds nothing to kill.
        time.sleep(duration * (kill + 1) / (kills + 1))
        process.kill()
        process.wait()
    xr.testing.assert_identical(finished(cut).dataset, whole.dataset)
