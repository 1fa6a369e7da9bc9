"""Where a claim runs its sweeps: devices, kept parts, progress, and the costs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import numpy as np
from simlab.progress import Progress

from simlab.storage import Parts
from simlab.sweeps import Executor, Plan, SweepReport, default_executor, sweep

_SHELF = 100_000


@dataclass
class _Shelf:
    """One sweep's numbered places in the parts of a result."""

    parts: Parts
    first: int

    def read(self, index: int) -> dict[str, np.ndarray] | None:
        return self.parts.read(self.first + index)

    def write(self, index: int, arrays: Mapping[str, np.ndarray]) -> None:
        self.parts.write(self.first + index, arrays)


@dataclass
class _Bar:
    """Progress in runs of differing lengths."""

    progress: Progress
    weight: int

    def advance(self, runs: int) -> None:
        self.progress.advance(runs=runs)


@dataclass
class Bench:
    """Runs sweeps one after the other, each resumable, each reported."""

    parts: Parts | None
    progress: Callable[..., Any]
    chunk: int = 16
    executor: Executor = field(default_factory=default_executor)
    reports: dict[str, SweepReport] = field(default_factory=dict)

    def sweep(
        self, name: str, task: Callable[..., Any], inputs: Any, steps: int
    ) -> Any:
        """`task` over the leading axis of `inputs`; `steps` are those of one run."""
        report = self.reports.setdefault(name, SweepReport())
        runs = len(jax.tree.leaves(inputs)[0])
        shelf = (
            _Shelf(self.parts, _SHELF * (len(self.reports) - 1)) if self.parts else None
        )
        with self.progress(name, runs=runs, steps_per_run=steps) as bar:
            plan = Plan(
                executor=self.executor,
                chunk=self.chunk,
                parts=shelf,
                bar=bar,
                report=report,
            )
            return sweep(task, inputs, plan)

    def costs(self) -> dict[str, dict[str, Any]]:
        """What every sweep cost, for the manifest."""
        return {name: asdict(report) for name, report in self.reports.items()}
