"""Several processes and devices are one machine: its bits, or the same to rounding."""

import functools
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from experiments.benchmarks.processes import free_port
from simlab.devices import Cluster
from simlab.sweeps import Plan, run_task, sweep
from tests.assertions import one_line
from tests.simlab.sweeping_process import LOST, RUNS
from tests.simlab.toys import setup, stacked

ROOT = Path(__file__).parents[2]
SCRIPT = "tests.simlab.sweeping_process"


def together(out: Path, each: int, count: int, mode: str) -> list[tuple[int, str]]:
    """Exit codes and outputs of `count` processes with `each` devices."""
    out.mkdir(exist_ok=True)
    port = free_port()
    running = [
        subprocess.Popen(
            [sys.executable, "-m", SCRIPT, out, *map(str, numbers), mode],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for numbers in ((each, port, count, index) for index in range(count))
    ]
    told = [process.communicate(timeout=240)[0] for process in running]
    return [(p.returncode, text) for p, text in zip(running, told, strict=True)]


def results(out: Path, each: int, count: int, mode: str) -> dict[str, Any]:
    for code, text in together(out, each, count, mode):
        assert code == 0, text
    return {file.stem: [*np.load(file).values()] for file in out.glob("*.npz")}


@functools.cache
def alone(model: str) -> list[Any]:
    made = setup(model, steps=4, records=2)
    return jax.tree.leaves(sweep(run_task(made), stacked(made, RUNS), Plan(chunk=8)))


def test_processes_that_run_in_turn_get_the_bits_of_one(tmp_path: Path) -> None:
    got = results(tmp_path, 2, 4, "map")
    for a, b in zip(got["map"], alone("tabular"), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("each", "count"), [(8, 1), (1, 2), pytest.param(2, 4, marks=pytest.mark.slow)]
)
def test_runs_over_devices_and_processes_are_those_of_one_device(
    tmp_path: Path, each: int, count: int
) -> None:
    got = results(tmp_path, each, count, "sharded")
    assert got.keys() == {"sharded", "data"}
    for leaves in got.values():
        for a, b in zip(leaves, alone("transformer"), strict=True):
            # float32, 4 steps of Adam on losses of order 1, summed in another order
            np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4)


def test_a_lost_process_ends_the_others_with_a_word_and_all_chunks_kept(
    tmp_path: Path,
) -> None:
    (code, text), (killed, _) = together(tmp_path, 1, 2, "lose")
    assert killed == -signal.SIGKILL
    assert code == LOST, text
    assert "lost: process 0 of 2 lost another one; every finished chunk is kept" in text
    (code, text), (other, _) = together(tmp_path, 1, 2, "map")
    assert (code, other) == (0, 0), text
    assert "map: 8 found of 10" in text
    got = np.load(tmp_path / "map.npz").values()
    for a, b in zip(got, alone("tabular"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_processes_that_cannot_belong_together_are_refused() -> None:
    with one_line(match="process_id=2 must be in .0, processes - 1. for processes=2"):
        Cluster("localhost:1", 2, 2)
    with one_line(match="coordinator=None processes=2 process_id=None: give all three"):
        Cluster(processes=2)
    assert Cluster() == Cluster(None, None, None)
