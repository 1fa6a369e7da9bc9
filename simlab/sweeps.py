"""Many runs from one compilation, in chunks that a cut-off sweep need not repeat."""

import enum
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, PartitionSpec

from simlab.training import Hyper, Setup, Trace, run

Stacked = Any
"""A pytree whose leaves have a leading axis of runs."""

Task = Callable[..., Any]
"""One run: from its inputs to a pytree of results."""


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


class Executor(enum.Enum):
    """How the runs of a chunk share a machine.

    MAP: one after the other on every device; equal to single runs, bit for bit, on any
    number of devices.
    VMAP: all at once on every device; equal to rounding (about 1e-6), made for
    accelerators, where one toy alone leaves the machine idle.
    """

    MAP = "map"
    VMAP = "vmap"


def default_executor() -> Executor:
    """MAP on CPUs, VMAP on accelerators."""
    return Executor.MAP if jax.default_backend() == "cpu" else Executor.VMAP


def mapped(task: Task) -> Task:
    """`task` over a leading axis of runs, one run after the other, on one device."""
    return lambda *inputs: jax.lax.map(lambda each: task(*each), inputs)


def vmapped(task: Task, devices: Sequence[jax.Device]) -> Task:
    """`task` over a leading axis of runs, all at once, dealt to the devices in blocks.

    The number of runs must be a multiple of the number of devices.
    """
    mesh = Mesh(np.asarray(devices), ("run",), axis_types=(AxisType.Auto,))
    by_run = PartitionSpec("run")
    # Runs are independent: there is nothing to reduce over the mesh. With check_vma the
    # gradients of parameters that start as constants would be summed over it.
    return jax.shard_map(
        jax.vmap(task), mesh=mesh, in_specs=by_run, out_specs=by_run, check_vma=False
    )


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
class SweepReport:
    """What a sweep cost."""

    runs: int = 0
    runs_found: int = 0
    compilations: int = 0
    seconds_compiling: float = 0.0
    seconds_running: float = 0.0
    devices: int = 1
    executor: str = ""
    chunk: int = 0

    def describe(self, plan: "Plan", runs: int, devices: int, chunk: int) -> None:
        """Notes how a sweep of `runs` is dealt out."""
        self.runs += runs
        self.devices, self.chunk = devices, chunk
        self.executor = plan.executor.value


@dataclass(frozen=True)
class Plan:
    """How a sweep is carried out; none of it changes a result under MAP."""

    executor: Executor = Executor.MAP
    devices: tuple[jax.Device, ...] = ()
    chunk: int = 16
    padded: bool = False  # fill a chunk of fewer runs too: one program for all sweeps
    parts: PartStore | None = None
    bar: Bar | None = None
    report: SweepReport = field(default_factory=SweepReport)

    def __post_init__(self) -> None:
        if self.chunk < 1:
            raise ValueError(f"chunk={self.chunk} must be >= 1 run")


@contextmanager
def counted_compilations(report: SweepReport) -> Iterator[None]:
    """Adds to `report` every program that XLA compiles meanwhile, and its seconds.

    A program found in the persistent cache counts too, with its short loading time.
    """

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            report.compilations += 1
            report.seconds_compiling += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def sweep(task: Task, inputs: tuple[Stacked, ...], plan: Plan) -> Any:
    """`task(*one run's inputs)` of every run, stacked on a leading axis, on the host.

    Chunks all have one shape (the last is padded by repeating its last run), so the
    whole sweep compiles once (MAP: once for each device, at the same time); a chunk
    that `plan.parts` holds is not run again.
    """
    devices = plan.devices or tuple(jax.local_devices())
    runs = len(jax.tree.leaves(inputs)[0])
    most = plan.chunk if plan.padded else min(plan.chunk, runs)
    chunk = rounded_chunk(most, len(devices))
    plan.report.describe(plan, runs, len(devices), chunk)
    program = _Program(task, plan.executor, devices, plan.report)
    pieces = []
    for index, first in enumerate(range(0, runs, chunk)):
        real = min(chunk, runs - first)
        found = plan.parts.read(index) if plan.parts else None
        if found is None:
            take = np.minimum(np.arange(first, first + chunk), runs - 1)
            batch = jax.tree.map(lambda leaf, take=take: leaf[take], inputs)
            found = _named(program(*batch), real)
            if plan.parts:
                plan.parts.write(index, found)
            if plan.bar:
                plan.bar.advance(real)
        else:
            plan.report.runs_found += real
        pieces.append(found)
    shapes = jax.eval_shape(task, *jax.tree.map(lambda leaf: leaf[0], inputs))
    return _restored(pieces, shapes)


def run_task(setup: Setup) -> Callable[[Hyper, jax.Array], Trace]:
    """`run` with its static half filled in: the usual task of a sweep."""
    return lambda hyper, key: run(setup, hyper, key)


def rounded_chunk(runs: int, devices: int) -> int:
    """The least multiple of `devices` that holds `runs`.

    >>> rounded_chunk(5, 2)
    6
    """
    return -(-runs // devices) * devices


class _Program:
    """A chunk's program, compiled on its first call, its costs added to a report.

    MAP compiles the same single-device program for every device and runs each in its
    own thread: one program partitioned over devices would round differently from a
    single run, and differently on a machine with another number of cores.
    """

    def __init__(
        self,
        task: Task,
        executor: Executor,
        devices: Sequence[jax.Device],
        report: SweepReport,
    ) -> None:
        self._report = report
        if executor is Executor.MAP:
            self._function, self._devices = jax.jit(mapped(task)), tuple(devices)
        else:
            self._function, self._devices = jax.jit(vmapped(task, devices)), (None,)
        self._compiled: list[Task] = []

    def __call__(self, *inputs: Stacked) -> Stacked:
        blocks = [
            jax.device_put(block, device)
            for block, device in zip(
                _dealt(inputs, len(self._devices)), self._devices, strict=True
            )
        ]
        with ThreadPoolExecutor(len(blocks)) as threads:
            if not self._compiled:
                with counted_compilations(self._report):
                    self._compiled = list(threads.map(self._compile, blocks))
            begin = time.monotonic()
            done = list(threads.map(_carried_out, self._compiled, blocks))
            self._report.seconds_running += time.monotonic() - begin
        return jax.tree.map(lambda *parts: np.concatenate(parts), *done)

    def _compile(self, block: tuple[Stacked, ...]) -> Task:
        compiled: Task = self._function.lower(*block).compile()
        return compiled


def _carried_out(program: Task, block: tuple[Stacked, ...]) -> Stacked:
    return jax.device_get(program(*block))


def _dealt(inputs: tuple[Stacked, ...], blocks: int) -> list[tuple[Stacked, ...]]:
    """The leading axis of every leaf cut into equal blocks."""
    size = len(jax.tree.leaves(inputs)[0]) // blocks
    return [
        jax.tree.map(lambda leaf, k=k: leaf[k * size : (k + 1) * size], inputs)
        for k in range(blocks)
    ]


def _named(tree: Any, runs: int) -> dict[str, np.ndarray]:
    """The first `runs` entries of a pytree's leaves, by their path."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)[:runs]
        for path, leaf in leaves
    }


def _restored(pieces: list[dict[str, np.ndarray]], shapes: Any) -> Any:
    """The pytree again, its pieces joined along the axis of runs."""
    paths, structure = jax.tree_util.tree_flatten_with_path(shapes)
    names = [jax.tree_util.keystr(p, simple=True, separator="/") for p, _ in paths]
    leaves = [np.concatenate([piece[name] for piece in pieces]) for name in names]
    return jax.tree_util.tree_unflatten(structure, leaves)
