"""Many runs from one compilation, in chunks that a cut-off sweep need not repeat."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from simlab import processes
from simlab.executors import Costs, Executor, Stage, default_executor, placement
from simlab.memory import ExhaustedError, free_bytes
from simlab.placement import Placement, Stacked, Task, is_key
from simlab.stretches import Keeper, Loop, Stretched, Watch, host_tree
from simlab.training import Setup, Training

__all__ = ["Axis", "Bar", "Executor", "Grid", "PartStore", "Plan", "SweepReport"]
__all__ += ["default_executor", "rounded_chunk", "run_task", "sweep"]


@dataclass(frozen=True)
class Axis:
    """One knob of a grid: its name, values, unit and meaning."""

    name: str
    values: tuple[float | int | str, ...]
    units: str
    long_name: str

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"axis {self.name} has no values; a grid needs one")


@dataclass(frozen=True)
class Grid:
    """The product of its axes, the last one varying fastest."""

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Values an axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of runs."""
        return math.prod(self.shape)

    def positions(self) -> dict[str, np.ndarray]:
        """For each axis the index of its value in run 0, 1, ...

        >>> grid = Grid((Axis("a", (1.0, 2.0), "1", "a"), Axis("b", (5.0,), "1", "b")))
        >>> grid.positions()["a"].tolist()
        [0, 1]
        """
        indices = np.unravel_index(np.arange(self.size), self.shape)
        return {axis.name: i for axis, i in zip(self.axes, indices, strict=True)}

    def values(self) -> dict[str, np.ndarray]:
        """For each axis its value in run 0, 1, ..."""
        where = self.positions()
        return {
            axis.name: np.asarray(axis.values)[where[axis.name]] for axis in self.axes
        }


@runtime_checkable
class PartStore(Protocol):
    """Where finished chunks are kept, so that a cut-off sweep can go on."""

    def read(self, index: int) -> dict[str, np.ndarray] | None:
        """The arrays of chunk `index`, or None when it is not there intact."""

    def write(self, index: int, arrays: dict[str, np.ndarray]) -> object:
        """Keeps the arrays of chunk `index`."""


@runtime_checkable
class Bar(Protocol):
    """Where progress is shown."""

    def advance(self, runs: int) -> object:
        """So many more runs were run; those found on disk do not count."""


@dataclass
class SweepReport(Costs):
    """What a sweep cost."""

    runs: int = 0
    runs_found: int = 0
    devices: int = 1
    processes: int = 1
    executor: str = ""
    chunk: int = 0
    batch: int = 0  # runs at once: a chunk, or less where memory is short

    def describe(self, plan: "Plan", place: Placement, runs: int, chunk: int) -> None:
        """Notes how a sweep of `runs` is dealt out."""
        self.runs += runs
        self.executor, self.chunk, self.batch = plan.executor.value, chunk, chunk
        self.processes = jax.process_count()
        self.devices = place.units if plan.executor is not Executor.VMAP else 1


@dataclass(frozen=True)
class Plan:
    """How a sweep is carried out; none of it changes a result under MAP.

    `devices` are those of this process, none: all it has; `data` of them share each
    run under SHARDED. A chunk is what `parts` keep; `keeper` keeps the state of one
    in flight. `free` tells the bytes that a batch may use on a device.
    """

    executor: Executor = Executor.MAP
    devices: tuple[jax.Device, ...] = ()
    chunk: int = 16
    padded: bool = False  # fill a chunk of fewer runs too: one program for all sweeps
    parts: PartStore | None = None
    bar: Bar | None = None
    report: SweepReport = field(default_factory=SweepReport)
    name: str = "sweep"  # under which states in flight are kept
    keeper: Keeper | None = None
    watch: Watch = field(default_factory=Watch)
    data: int = 1
    free: Callable[[jax.Device], float] = free_bytes

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk={self.chunk} must be >= 1 run")

    @property
    def place(self) -> Placement:
        """Where the runs are put."""
        return placement(self.executor, self.devices, self.data)

    def chunk_of(self, runs: int) -> int:
        """The runs of a chunk in a sweep of so many, dealt evenly.

        >>> one = tuple(jax.local_devices()[:1])
        >>> Plan(devices=one).chunk_of(3), Plan(devices=one, padded=True).chunk_of(3)
        (3, 16)
        """
        most = self.chunk if self.padded else min(self.chunk, runs)
        return rounded_chunk(most, self.place.units)


def sweep(task: Task, inputs: tuple[Stacked, ...], plan: Plan) -> Any:
    """`task(*one run's inputs)` of every run, stacked on a leading axis, on the host.

    Chunks all have one shape (the last is padded by repeating its last run), so the
    whole sweep compiles once (MAP: once for each device, at the same time); a chunk
    that `plan.parts` holds is not run again. Several processes are given the same
    inputs, share the runs, and all get the whole. Errors: ValueError for a plan that
    does not fit the machine; ProcessLostError.
    """
    place, inputs = plan.place, jax.tree.map(_on_host, inputs)
    runs = len(jax.tree.leaves(inputs)[0])
    chunk = plan.chunk_of(runs)
    plan.report.describe(plan, place, runs, chunk)
    program = _Program(task, place, plan, chunk)
    pieces = []
    for first in range(0, runs, chunk):
        last = min(first + chunk, runs)
        found = program.found(first, last)
        if found is None:
            found = _named(program(_rows(inputs, np.arange(first, last)), first))
            program.keep(found, first, last)
            plan.watch.stopped()
        else:
            plan.report.runs_found += last - first
        pieces.append(found)
    shapes = jax.eval_shape(lambda *each: task(*_rows(each, 0)), *inputs)
    return _restored(pieces, shapes)


def run_task(setup: Setup) -> Training:
    """`run` with its static half filled in: the usual task of a sweep."""
    return Training(setup)


def rounded_chunk(runs: int, units: int) -> int:
    """The least multiple of `units` that holds `runs`.

    >>> rounded_chunk(5, 2)
    6
    """
    return -(-runs // units) * units


SPAN = "span of runs"
"""Beside the arrays of a part: its first run, its last one plus 1, the runs at once."""


class _Program:
    """A task for chunks of runs, from host to host, with the store of its chunks.

    A batch that would not fit into a device's memory is halved until it does.
    """

    def __init__(self, task: Task, place: Placement, plan: Plan, chunk: int) -> None:
        self._task, self._place, self._plan, self._chunk = task, place, plan, chunk
        self._device = (plan.devices or tuple(jax.local_devices()))[0]
        self._loop: Loop | None = None
        self._build(chunk)

    def __call__(self, inputs: tuple[Stacked, ...], first: int) -> Stacked:
        """The results of a chunk's runs; its first run names what is kept of it."""
        runs = len(jax.tree.leaves(inputs)[0])
        while (pieces := self._tried(inputs, first, runs)) is None:
            pass
        return jax.tree.map(lambda *each: np.concatenate(each)[:runs], *pieces)

    def found(self, first: int, last: int) -> dict[str, np.ndarray] | None:
        """A chunk that was finished before, in every process; None if it was not."""
        parts, arrays = self._plan.parts, None
        if parts is not None and processes.is_writer():
            arrays = parts.read(first // self._chunk)
            if arrays is not None and [*arrays.get(SPAN, ())[:2]] != [first, last]:
                arrays = None  # kept by a machine that cut chunks otherwise
        arrays = processes.told(arrays)
        if arrays is not None and (batch := int(arrays[SPAN][2])) < self._batch:
            self._build(batch)  # what is left is run as the rest was: to the same bits
        return arrays

    def keep(self, arrays: dict[str, np.ndarray], first: int, last: int) -> None:
        """Writes a finished chunk down."""
        arrays[SPAN] = np.asarray([first, last, self._batch])
        plan = self._plan
        if plan.parts is not None and processes.is_writer():
            plan.parts.write(first // self._chunk, arrays)
        if plan.keeper is not None and processes.is_writer():
            for start in range(first, last, self._batch):
                plan.keeper.clear(f"{plan.name}-{start}")
        if plan.bar is not None:
            plan.bar.advance(last - first)

    def _build(self, batch: int) -> None:
        plan, self._batch = self._plan, batch
        plan.report.batch = batch
        self._free = self._free_bytes()  # asked when it matters: before compiling
        task: Any = self._task
        if plan.keeper is not None and isinstance(task, Stretched):
            self._loop = Loop(task, self._place, plan.report, plan.keeper, plan.watch)
        else:
            self._stage = Stage(self._task, self._place, plan.report)

    def _tried(
        self, inputs: tuple[Stacked, ...], first: int, runs: int
    ) -> list[Stacked] | None:
        """The results batch by batch; None, and smaller batches, if memory is short."""
        try:
            return [
                self._batch_of(inputs, start, f"{self._plan.name}-{first + start}")
                for start in range(0, runs, self._batch)
            ]
        except ExhaustedError as full:
            self._halve(full)
            return None

    def _batch_of(self, inputs: tuple[Stacked, ...], start: int, name: str) -> Stacked:
        runs = len(jax.tree.leaves(inputs)[0])
        take = np.minimum(np.arange(start, start + self._batch), runs - 1)
        batch = _rows(inputs, take)
        if self._loop is not None:
            return self._loop(batch, self._free, name)
        blocks = [self._place.put(each) for each in batch]
        return host_tree(self._place, self._stage(*blocks, free=self._free))

    def _free_bytes(self) -> float:
        """Under MAP runs take turns: less at once would need no less memory."""
        if self._plan.executor is Executor.MAP:
            return float("inf")
        return processes.least(self._plan.free(self._device))

    def _halve(self, full: ExhaustedError) -> None:
        units = self._place.units
        if self._batch <= units or self._plan.executor is Executor.MAP:
            raise MemoryError(
                f"{self._plan.name}: a single run a device {full}; take a smaller "
                "batch, width or length"
            ) from full
        half = rounded_chunk(self._batch // 2, units)
        line = f"{self._plan.name}: {self._batch} runs at once {full}; now {half}"
        self._plan.watch.say(line)
        self._build(half)


def _on_host(leaf: Any) -> Any:
    """An array where taking runs from it compiles nothing; typed keys have no other."""
    return leaf if is_key(leaf) else np.asarray(leaf)


@jax.jit
def _taken(leaf: jax.Array, take: jax.Array) -> jax.Array:
    return leaf[take]


def _rows(tree: Stacked, take: Any) -> Stacked:
    return jax.tree.map(
        lambda leaf: _taken(leaf, take) if is_key(leaf) else leaf[take], tree
    )


def _named(tree: Any) -> dict[str, np.ndarray]:
    """A pytree's leaves by their path."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def _restored(pieces: list[dict[str, np.ndarray]], shapes: Any) -> Any:
    """The pytree again, its pieces joined along the axis of runs."""
    paths, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in paths]
    leaves = [np.concatenate([piece[name] for piece in pieces]) for name in names]
    return jax.tree_util.tree_unflatten(structure, leaves)
