"""Contenders in a process of their own: other packages, other flags, other threads.

A worker computes only while it is asked for a block, so that contenders in several
processes can be measured in turn.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.benchmarks.measuring import MissingError

ROOT = Path(__file__).parents[2]


def has_package(python: str, name: str) -> bool:
    """Whether that Python finds a package; MissingError if it does not start."""
    asked = f"import importlib.util as u, sys; sys.exit(u.find_spec({name!r}) is None)"
    try:
        return subprocess.run([python, "-c", asked]).returncode == 0
    except OSError as error:
        raise MissingError(f"{python} cannot be started: {error.strerror}") from error


@dataclass
class Worker:
    """The module `module` run by `python`; it answers by `serving.serve`.

    `units` of work in a block; `environment` is added to this process's own; `needs` is
    a package without which it is missing. `facts` is what the worker said of itself
    when it was ready, `answers` what it said of blocks.
    """

    name: str
    module: str
    arguments: Sequence[str] = ()
    units: float = 1.0
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""
    facts: dict[str, Any] = field(default_factory=dict, init=False)
    answers: list[dict[str, Any]] = field(default_factory=list, init=False)
    _process: "subprocess.Popen[str] | None" = field(default=None, init=False)

    def measure(self) -> float:
        """Seconds of one unit, from one more block."""
        if self._process is None or self._process.stdin is None:
            raise ValueError(f"worker {self.name} is not running: use it in a `with`")
        self._process.stdin.write("measure\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.answers.append(answer)
        return float(answer["seconds"]) / self.units

    def __enter__(self) -> "Worker":
        if self.needs and not has_package(self.python, self.needs):
            raise MissingError(f"{self.needs} is not installed")
        known = os.environ.get("PYTHONPATH")
        path = os.pathsep.join([str(ROOT), *([known] if known else [])])
        self._process = subprocess.Popen(
            [self.python, "-m", self.module, *self.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, **self.environment},
        )
        self.facts = self._answer()
        if reason := self.facts.get("missing"):
            self._close()
            raise MissingError(reason)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._close()
            lost = f"{self.module} ended without an answer, see its errors"
            # What is ours must work; what a user may lack gets a plain row.
            raise MissingError(lost) if self.needs else RuntimeError(lost)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
