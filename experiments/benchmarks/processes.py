"""A contender: the whole command `simlab run`, by one process a core."""

import json
import math
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.arguments import RunOptions
from experiments.benchmarks.cores import PINS
from experiments.benchmarks.measuring import MissingError
from experiments.benchmarks.workers import ROOT
from experiments.claim import EXIT_USAGE
from simlab.devices import usable_cores

CLAIM = ("tradeoff_penalty", "--preset", "smoke", "--seeds", "4", "--penalties", "2")
PART = ("--proxies", "0", "0.2", "--overlaps", "0", "1", "--steps")
"""32 runs in two chunks, after 4 that align."""


@dataclass
class Processes:
    """One claim's command in `count` processes that share its runs, a core each.

    `walls` are the seconds of the whole commands, block after block.
    """

    name: str
    count: int
    quick: bool = False
    walls: list[float] = field(default_factory=list)

    def measure(self) -> float:
        """Seconds in which process 0 trained, as the manifest says.

        Starting, compiling, gathering, judging, drawing are in `walls` alone.
        """
        with TemporaryDirectory() as out:
            begin = time.perf_counter()
            running = [
                subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL)
                for words in self._commands(out, free_port())
            ]
            codes = [process.wait() for process in running]
            self.walls.append(time.perf_counter() - begin)
            if EXIT_USAGE in codes or min(codes) < 0:
                raise RuntimeError(f"{self.name}: exit codes {codes} of {CLAIM[0]}")
            manifest = next(Path(out).glob("*/manifest.json")).read_text("utf-8")
            sweeps = json.loads(manifest)["sweeps"].values()
            return math.fsum(float(each["seconds_running"]) for each in sweeps)

    def __enter__(self) -> "Processes":
        if usable_cores() < self.count or not PINS:
            raise MissingError(
                "needs two cores, and a system that pins processes to them"
            )
        if "distributed" not in {each.name for each in fields(RunOptions)}:
            raise MissingError("this version's `simlab run` has no --distributed")
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def _commands(self, out: str, port: int) -> list[list[str]]:
        """The words of every process."""
        steps = "8" if self.quick else "400"
        claim = [*CLAIM, *PART, steps, "--fresh", "--quiet"]
        pinned = [sys.executable, "-m", "experiments.benchmarks.pinned"]
        together = ["--distributed", "--coordinator", f"localhost:{port}"]
        together += ["--processes", str(self.count)]
        return [
            [
                *pinned, str(k), "run", *claim, "--out", out,
                *([*together, "--process-id", str(k)] if self.count > 1 else []),
            ]
            for k in range(self.count)
        ]  # fmt: skip


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as door:
        door.bind(("localhost", 0))
        return int(door.getsockname()[1])
