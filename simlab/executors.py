"""Three ways to carry out many runs of one task: in turn, at once, over a mesh."""

import enum
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import jax

from simlab import processes
from simlab.flops import matmul_flops
from simlab.memory import ExhaustedError, needed_bytes, out_of_memory
from simlab.placement import (
    Blocks,
    DeviceByDevice,
    OneDevice,
    OverMesh,
    Placement,
    Stacked,
    Task,
)


class Executor(enum.StrEnum):
    """How the runs of a chunk share a machine, or many.

    MAP: one after the other on every device, each device in a thread of its own; equal
    to single runs, bit for bit, on any number of devices and processes, as long as XLA
    splits long sums over as many threads (`devices.threads`). For CPUs.
    VMAP: all at once on one device; equal to rounding. For an accelerator, where one
    toy alone leaves the machine idle.
    SHARDED: all at once, dealt over a mesh of the devices of all processes; equal to
    rounding. For many accelerators.
    """

    MAP = "map"
    VMAP = "vmap"
    SHARDED = "sharded"


def default_executor() -> Executor:
    """MAP on CPUs, VMAP on one accelerator, SHARDED on several."""
    if jax.default_backend() == "cpu":
        return Executor.MAP
    return Executor.VMAP if jax.device_count() == 1 else Executor.SHARDED


def placement(
    executor: Executor, devices: tuple[jax.Device, ...] = (), data: int = 1
) -> Placement:
    """Where an executor puts runs; `devices` are this process', none: all it has.

    Errors: ValueError when `data` devices a run do not fit.
    """
    if data > 1 and executor is not Executor.SHARDED:
        raise ValueError(
            f"data={data} devices a run need the executor sharded, got {executor}"
        )
    mine = devices or tuple(jax.local_devices())
    if executor is Executor.MAP:
        return DeviceByDevice(mine)
    if executor is Executor.VMAP:
        if processes.several():
            raise ValueError("several processes need the executor map or sharded")
        return OneDevice(mine[0])
    return OverMesh(tuple(jax.devices()) if processes.several() else mine, data)


@dataclass
class Costs:
    """What programs cost."""

    compilations: int = 0
    seconds_compiling: float = 0.0
    seconds_running: float = 0.0
    matmul_flops: float = 0.0  # of the runs that were run, in all processes


@contextmanager
def counted_compilations(costs: Costs) -> Iterator[None]:
    """Adds to `costs` every program that XLA compiles meanwhile, and its seconds.

    A program found in the persistent cache counts too, with its short loading time.
    """

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == "/jax/core/compile/backend_compile_duration":
            costs.compilations += 1
            costs.seconds_compiling += duration_secs

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


class Stage:
    """A function of one run, compiled for a batch of them wherever they are placed.

    The arguments in `donated` give their memory to the results.
    """

    def __init__(
        self, function: Task, place: Placement, costs: Costs, *donated: int
    ) -> None:
        self._place, self._costs, self._flops = place, costs, 0.0
        self._function = jax.jit(place.over_runs(function), donate_argnums=donated)
        self.compiled: list[Any] = []

    def __call__(self, *arguments: Blocks, free: float = float("inf")) -> Blocks:
        """The results, ready on their devices. Errors: ExhaustedError."""
        blocks = list(zip(*arguments, strict=True))
        with ThreadPoolExecutor(len(blocks)) as threads:
            if not self.compiled:
                self._compile(threads, blocks, free)
            begin = time.monotonic()
            try:
                done = list(threads.map(_carried_out, self.compiled, blocks))
            except jax.errors.JaxRuntimeError as error:
                raise _explained(error, free) from error
            self._costs.seconds_running += time.monotonic() - begin
        self._costs.matmul_flops += self._flops
        return done

    def _compile(self, threads: ThreadPoolExecutor, blocks: Any, free: float) -> None:
        with counted_compilations(self._costs):
            try:
                compiled = list(threads.map(self._one, blocks))
            except jax.errors.JaxRuntimeError as error:
                raise _explained(error, free) from error
        if (needed := needed_bytes(compiled[0])) > free:
            raise ExhaustedError(needed, free)
        self.compiled = compiled

    def _one(self, block: tuple[Stacked, ...]) -> Any:
        with _on_mesh(self._place):
            traced = self._function.trace(*block)
            self._flops = matmul_flops(traced.jaxpr) * self._place.repeats
            return traced.lower().compile()


@contextmanager
def _on_mesh(place: Placement) -> Iterator[None]:
    """What is traced meanwhile knows the axes of the mesh."""
    with jax.set_mesh(place.mesh) if isinstance(place, OverMesh) else nullcontext():
        yield


def _carried_out(program: Task, block: tuple[Stacked, ...]) -> Stacked:
    return jax.block_until_ready(program(*block))


def _explained(error: jax.errors.JaxRuntimeError, free: float) -> Exception:
    return ExhaustedError(None, free) if out_of_memory(error) else error
