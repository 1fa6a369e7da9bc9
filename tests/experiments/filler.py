"""Runs the tiny claim where the disk is full or read-only: one JSON a process.

`python -m tests.experiments.filler limits|full|frozen SCRATCH DISK`: files may not
grow beyond so many bytes; or DISK, a small file system of its own, has ever more space
left; or it cannot be written at all.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from experiments import __main__ as command
from simlab import storage
from simlab.metrics import FILE
from tests.experiments import tiny_claim, tiny_runs
from tests.experiments.killer import killed_at, stage

PAGE = 4096


def commanded(
    out: Path, log: Path, before: Callable[[], object] = dict, every: float = 0.0
) -> list[Any]:
    """The exit code of `simlab run`, and what it said on standard error."""

    def run(words: Any) -> int:
        tiny_runs.run(out, every)
        return 0

    def action() -> None:
        before()
        with mock.patch.dict(command.COMMANDS, run=run):
            code = command.main(["run"])
        sys.stderr.flush()
        os._exit(code)

    code = tiny_runs.outcome(tiny_runs.forked(action, log))
    return [code, log.read_text().splitlines()]


def attempt(
    scratch: Path,
    out: Path,
    hinder: Callable[[], object],
    free: Callable[[], object],
    every: float = 0.0,
) -> dict[str, Any]:
    """What a hindered run said and reached, and the one that went on without."""
    first = commanded(out, scratch / "log", hinder, every)
    reached = stage(out)
    free()
    again = commanded(out, scratch / "log")
    final = tiny_runs.places(out)[1]
    bits = tiny_claim.bits(storage.load(final)) if final.exists() else ""
    drawn = (final / "figure.png").exists() and (final / "figure.pdf").exists()
    shutil.rmtree(out)
    return {
        "first": first, "stage": reached, "again": again, "bits": bits, "drawn": drawn,
    }  # fmt: skip


def limits(scratch: Path, disk: Path) -> list[dict[str, Any]]:
    """Files may not grow beyond so many bytes; then metrics alone cannot be written."""
    del disk
    out = scratch / "out"

    def limited(size: int) -> Callable[[], object]:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))

    # A part, or the space for a checkpoint; the log of the test itself is shorter.
    sizes = 5_000, 20_000
    found = [attempt(scratch, out, limited(size), dict) for size in sizes]
    taken = tiny_runs.places(out)[0] / FILE
    return [*found, attempt(scratch, out, lambda: taken.mkdir(parents=True), dict)]


def full(scratch: Path, disk: Path) -> list[dict[str, Any]]:
    """Ever more space is left, a few pages at a time, until it is enough."""
    ballast, found = disk / "ballast", []

    def fill(pages: int) -> None:
        space = os.statvfs(disk)
        size = space.f_bavail * space.f_frsize - pages * PAGE
        ballast.write_bytes(bytes(max(size, 0)))

    # Checkpoints ask for more space than they need; parts are met where there are none.
    for every, pages in {
        0.0: (0, 1, 9, 24, 29, 40),
        1e9: (2, 4, 6, 10, 14, 18, 22, 26, 30, 34, 38, 42),
    }.items():
        for left in pages:
            fill(left)
            found.append(attempt(scratch, disk / "out", dict, ballast.unlink, every))
    # Parts make room for the figure when they go; so it is asked for alone.
    commanded(disk / "out", scratch / "log")
    for drawing in disk.rglob("figure.*"):
        drawing.unlink()
    fill(1)
    found.append(attempt(scratch, disk / "out", dict, ballast.unlink))
    return found


def frozen(scratch: Path, disk: Path) -> list[dict[str, Any]]:
    """The file system is read-only, before a run and in its midst."""
    found = []

    def remount(how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    for steps in (0, 120):
        out = disk / "out"
        if steps:
            killed_at(steps, out)
        out.mkdir(exist_ok=True)
        remount("ro")
        found.append(attempt(scratch, out, dict, lambda: remount("rw")))
    return found


if __name__ == "__main__":
    way, scratch, disk = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    tiny_runs.prepare(scratch)
    whole = attempt(scratch, scratch / "whole", dict, dict)
    ways = {"limits": limits, "full": full, "frozen": frozen}
    print(json.dumps({"whole": whole, "hindered": ways[way](scratch, disk)}))
