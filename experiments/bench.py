"""Where a claim runs its sweeps: devices, kept parts, progress, and the costs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax
import numpy as np

from simlab.progress import Progress, progress_bar
from simlab.storage import Parts
from simlab.sweeps import (
    Executor,
    Plan,
    SweepReport,
    default_executor,
    rounded_chunk,
    sweep,
)

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

    def finished(self) -> list[int]:
        places = range(self.first, self.first + _SHELF)
        return [i - self.first for i in self.parts.finished() if i in places]


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
    devices: tuple[jax.Device, ...] = ()

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
        first = _SHELF * (len(self.reports) - 1)
        shelf = _Shelf(self.parts, first) if self.parts else None
        runs = len(jax.tree.leaves(inputs)[0])
        devices = self.devices or tuple(jax.local_devices())
        size = rounded_chunk(chunk or min(self.chunk, runs), len(devices))
        places = shelf.finished() if shelf else []
        found = sum(max(min(size, runs - place * size), 0) for place in places)
        bar = self.progress(
            name, runs, steps, already=found, tokens_per_step=tokens_per_step
        )
        with bar:
            plan = Plan(
                self.executor, devices, size, chunk is not None, shelf, bar, report
            )
            return sweep(task, inputs, plan)

    def costs(self) -> dict[str, dict[str, Any]]:
        """What every sweep cost, for the manifest."""
        return {name: asdict(report) for name, report in self.reports.items()}
