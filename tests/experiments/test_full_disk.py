"""A disk that refuses: one clear line, nothing lost, and the same command goes on."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MOUNT = 'mount -t tmpfs -o size=600k none "$0" && exec "$@"'


def report(way: str, scratch: Path, before: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `filler` found."""
    disk = scratch / "disk"
    disk.mkdir()
    words = [
        *(*before, *(("sh", "-c", MOUNT, str(disk)) if before else ())),
        *(sys.executable, "-m", "tests.experiments.filler"),
        *(way, str(scratch), str(disk)),
    ]
    done = subprocess.run(
        words,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def own_disk() -> tuple[str, ...]:
    """A command in front of another one that lets it mount a small file system."""
    before = ("unshare", "--map-root-user", "--mount")
    try_it = [*before, "mount", "-t", "tmpfs", "none", "/mnt"]
    if (
        not shutil.which("unshare")
        or subprocess.run(try_it, capture_output=True, check=False).returncode
    ):
        pytest.skip("no file system can be mounted here")
    return before


def well(found: dict[str, Any]) -> None:
    """A hindered run ends with one clear line, and the next one as if it had not."""
    whole = found["whole"]
    assert whole["first"] == [0, []]
    for each in found["hindered"]:
        code, lines = each["first"]
        if code:
            errors = [line for line in lines if line.startswith("simlab: error: ")]
            assert code == 2, each
            assert len(errors) == 1, each
            # Beside the error there may be the line on metrics, once.
            assert len(lines) <= 2, each
        assert all(line.startswith("simlab: ") for line in lines), each
        assert each["again"] == [0, []], each
        assert each["bits"] == whole["bits"]
        assert each["drawn"]


def test_files_that_may_not_grow_end_a_run_with_one_line(tmp_path: Path) -> None:
    found = report("limits", tmp_path)
    well(found)
    *limited, without_metrics = (each["first"] for each in found["hindered"])
    assert len(limited) == 2
    for code, lines in limited:
        assert code == 2
        assert "too large" in lines[-1]
    code, (line,) = without_metrics
    assert code == 0
    assert "metrics.jsonl" in line
    assert "the run goes on" in line


@pytest.mark.slow
def test_a_read_only_disk_ends_a_run_with_one_line(tmp_path: Path) -> None:
    found = report("frozen", tmp_path, own_disk())
    well(found)
    for each in found["hindered"]:
        assert "read-only" in each["first"][1][-1]


@pytest.mark.slow
def test_a_disk_full_at_any_stage_ends_a_run_with_one_line(tmp_path: Path) -> None:
    found = report("full", tmp_path, own_disk())
    well(found)
    ends = [each["first"] for each in found["hindered"]]
    lines = [said[-1] for code, said in ends if code]
    assert all("the disk is full" in line for line in lines)
    assert 0 in [code for code, _ in ends], "at last there is enough space"
    for stage in ("fingerprint", ".part", "checkpoints", "trace.nc", "figure"):
        assert any(stage in line for line in lines), (stage, lines)
