"""`simlab run --distributed`: many processes, one result; one line if one is lost."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray as xr

from experiments.benchmarks.processes import free_port
from experiments.claim import EXIT_LOST
from simlab import storage

COMMAND = [
    sys.executable, "-m", "experiments", "run", "tradeoff_penalty", "--preset", "smoke",
    "--seeds", "2", "--steps", "60", "--records", "2", "--out",
]  # fmt: skip
PROCESSES = 2


def started(out: Path) -> list[subprocess.Popen[str]]:
    where = ["--distributed", "--coordinator", f"localhost:{free_port()}"]
    where += ["--processes", str(PROCESSES), "--process-id"]
    return [
        subprocess.Popen(
            [*COMMAND, str(out), *where, str(index)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for index in range(PROCESSES)
    ]


def result(out: Path) -> storage.Result:
    return storage.load(next(out.glob("tradeoff_penalty-*")))


def chunks(out: Path) -> int:
    return len([*out.glob(".tradeoff_penalty-*.partial/parts/*.part")])


@pytest.mark.slow
def test_two_commands_make_the_result_of_one_also_after_one_was_lost(
    tmp_path: Path,
) -> None:
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    subprocess.run([*COMMAND, str(alone)], capture_output=True, check=False)
    writer, other = started(shared)
    while not chunks(shared):
        assert writer.poll() is None, writer.communicate()
        time.sleep(0.1)
    other.send_signal(signal.SIGKILL)
    assert "the runtime ended this process" in other.communicate()[1]
    told = writer.communicate(timeout=120)[1]
    assert writer.returncode == EXIT_LOST
    assert told.count("simlab: error") == 1
    assert "every finished chunk is kept: start all processes again to go on" in told
    assert "Traceback" not in told
    kept = chunks(shared)
    both = started(shared)
    said = [process.communicate(timeout=300) for process in both]
    assert both[0].returncode == both[1].returncode, said
    assert f"{kept} chunks are there already" in said[0][0]
    xr.testing.assert_identical(result(shared).dataset, result(alone).dataset)
    assert result(shared).manifest["sweeps"]["fine-tune"]["processes"] == PROCESSES


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (
            ["--coordinator", "h:1", "--processes", "2", "--process-id", "1"],
            "--process-id: add --distributed",
        ),
        (["--distributed", "--processes", "2"], "give all three"),
        (["--distributed"], "this is no TPU pod and no SLURM job"),
        (["--data-devices", "2"], "data=2 devices a run need the executor sharded"),
        (["--how", "sideways"], "sideways"),
        (["--cores", "0"], "cores=0 must be >= 1"),
    ],
)
def test_commands_that_cannot_work_get_one_line(
    words: list[str], complaint: str, tmp_path: Path
) -> None:
    command = ["run", "tradeoff_penalty", "--preset", "smoke", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *command, *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert complaint in done.stderr
    assert not [*tmp_path.glob("tradeoff*")]
