"""Where a claim runs its sweeps: devices, kept parts, progress, and the costs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import jax
import numpy as np

from simlab.executors import Executor, default_executor, placement
from simlab.progress import Progress, Tally, ToldProgress, progress_bar
from simlab.storage import Parts
from simlab.stretches import Keeper, Watch
from simlab.sweeps import Plan, SweepReport, sweep

_SHELF = 100_000
AT_ONCE = 256
"""Runs a device at once on accelerators, or as many as fit its memory."""


@dataclass
class _Shelf:
    """One sweep's numbered places in the parts of a result."""

    parts: Parts
    first: int
    findings: dict[str, Any] = field(default_factory=dict)

    def read(self, index: int) -> dict[str, np.ndarray] | None:
        return self.parts.read(self.first + index)

    def write(self, index: int, arrays: Mapping[str, np.ndarray]) -> None:
        self.parts.write(self.first + index, arrays)
        self.findings = _findings(arrays)

    def finished(self) -> list[int]:
        places = range(self.first, self.first + _SHELF)
        return [i - self.first for i in self.parts.finished() if i in places]


def _findings(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The mean last loss of a chunk's finite runs, and how many are not finite."""
    losses = [array for name, array in arrays.items() if name.split("/")[-1] == "loss"]
    if not losses:
        return {}
    last = np.stack([loss.reshape(len(loss), -1)[:, -1] for loss in losses])
    finite = np.isfinite(last).all(0)
    mean = float(np.mean(last[:, finite])) if finite.any() else None
    return {"diverged": int(np.sum(~finite)), "loss": mean}


def silent(*arguments: Any, **named: Any) -> Progress:
    """Progress that is shown nowhere."""
    return progress_bar(*arguments, **named, enabled=False)


@dataclass
class Bench:
    """Runs sweeps one after the other, each resumable, each reported.

    `progress(title, runs, steps_per_run, already=, tokens_per_step=)` gives a bar.
    Runs are dealt to `devices`; none: all local ones.
    """

    parts: Parts | None = None
    progress: Callable[..., Progress] = silent
    chunk: int = 16
    executor: Executor = field(default_factory=default_executor)
    reports: dict[str, SweepReport] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    devices: tuple[jax.Device, ...] = ()
    data: int = 1
    keeper: Keeper | None = None
    watch: Watch = field(default_factory=Watch)

    def sweep(
        self,
        name: str,
        task: Callable[..., Any],
        inputs: Any,
        *,
        steps: int,
        tokens_per_step: int,
        chunk: int | None = None,
    ) -> Any:
        """`task` over the leading axis of `inputs`; `steps` are those of one run.

        `chunk` runs at a time instead of the bench's: sweeps of one task and one chunk
        are one program, however many runs they have.
        """
        report = self.reports.setdefault(name, SweepReport())
        self.sizes[name] = steps, tokens_per_step
        first = _SHELF * (len(self.reports) - 1)
        shelf = _Shelf(self.parts, first) if self.parts else None
        runs = len(jax.tree.leaves(inputs)[0])
        plan = Plan(
            self.executor,
            self.devices,
            chunk or self._most(),
            chunk is not None,
            shelf,
            report=report,
            name=name,
            keeper=self.keeper,
            watch=self.watch,
            data=self.data,
        )
        size, places = plan.chunk_of(runs), shelf.finished() if shelf else []
        found = sum(max(min(size, runs - place * size), 0) for place in places)
        shown = self.progress(
            name, runs, steps, already=found, tokens_per_step=tokens_per_step
        )
        tally = Tally(name, runs, found, 0, steps, tokens_per_step)
        findings = (lambda: shelf.findings) if shelf else dict
        with ToldProgress(shown, tally, self.watch.hear, findings) as bar:
            return sweep(task, inputs, replace(plan, bar=bar))

    def _most(self) -> int:
        """The runs of a chunk where there are enough."""
        if self.executor is Executor.MAP:
            return self.chunk
        place = placement(self.executor, self.devices, self.data)
        return AT_ONCE * place.units

    def costs(self, matmul_rate: float = math.nan) -> dict[str, dict[str, Any]]:
        """What every sweep cost, for the manifest; rates are those of fresh runs.

        `matmul_rate`: the floating-point operations per second that all processes
        reach together in products, of which a sweep's own are given as a fraction.
        """
        return {
            name: asdict(report) | self._rates(name, report, matmul_rate)
            for name, report in self.reports.items()
        }

    def _rates(
        self, name: str, report: SweepReport, matmul_rate: float
    ) -> dict[str, float | None]:
        if not report.seconds_running:
            return {}
        steps, tokens = self.sizes[name]
        rate = (report.runs - report.runs_found) * steps / report.seconds_running
        reached = report.matmul_flops / report.seconds_running
        return {
            "steps_per_second": rate,
            "tokens_per_second": rate * tokens,
            "matmul_fraction": reached / matmul_rate,
        }
