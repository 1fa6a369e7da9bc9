"""Where the runs of a batch are put: device by device, on one, or over a mesh."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from simlab import processes

Stacked = Any
"""A pytree whose leaves have a leading axis of runs."""

Task = Callable[..., Any]
"""One run: from its inputs to a pytree of results."""

Blocks = list[Any]
"""What lies on devices: a pytree for each block of runs that one program serves."""


@runtime_checkable
class Placement(Protocol):
    """How a batch of runs is put on devices, and one run's function applied to it."""

    @property
    def units(self) -> int:
        """The number of runs in a batch is a multiple of this."""

    @property
    def repeats(self) -> int:
        """How many programs like that of one block work at once, everywhere."""

    def over_runs(self, task: Task) -> Task:
        """The task over a leading axis of runs."""

    def put(self, inputs: Stacked) -> Blocks:
        """This process' runs on its devices."""

    def collected(self, blocks: Blocks) -> list[np.ndarray]:
        """All leaves of all runs of all processes, on the host."""


class DeviceByDevice:
    """One after the other on every device of every process, a program for each device.

    One program partitioned over devices would round differently from a single run.
    """

    def __init__(self, devices: Sequence[jax.Device]) -> None:
        self._devices = tuple(devices)
        self.units = self.repeats = len(devices) * jax.process_count()

    def over_runs(self, task: Task) -> Task:
        """A loop over runs."""
        return lambda *inputs: jax.lax.map(lambda each: task(*each), inputs)

    def put(self, inputs: Stacked) -> Blocks:
        """Equal blocks; the processes take theirs in order."""
        size = len(jax.tree.leaves(inputs)[0]) // self.units
        start = jax.process_index() * len(self._devices)
        return [
            jax.device_put(_rows(inputs, k * size, (k + 1) * size), device)
            for k, device in enumerate(self._devices, start)
        ]

    def collected(self, blocks: Blocks) -> list[np.ndarray]:
        """The blocks joined, then the processes."""
        leaves = [jax.tree.leaves(jax.device_get(block)) for block in blocks]
        joined = [np.concatenate(parts) for parts in zip(*leaves, strict=True)]
        return processes.gathered(joined)


class OneDevice:
    """All at once on one device."""

    units = repeats = 1

    def __init__(self, device: jax.Device) -> None:
        self._device = device

    def over_runs(self, task: Task) -> Task:
        """The task with a batch axis."""
        return jax.vmap(task)

    def put(self, inputs: Stacked) -> Blocks:
        """One block."""
        return [jax.device_put(inputs, self._device)]

    def collected(self, blocks: Blocks) -> list[np.ndarray]:
        """The block."""
        return [np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(blocks[0]))]


class OverMesh:
    """All at once, dealt over the axis `run` of a mesh of devices of all processes.

    With `data` > 1 so many devices share each run, over whose axis `data` its batches
    are dealt by the compiler; see `simlab.training`.
    """

    repeats = 1

    def __init__(self, devices: Sequence[jax.Device], data: int = 1) -> None:
        if len(devices) % data:
            raise ValueError(
                f"data={data} devices a run must divide the {len(devices)} devices"
            )
        grid = np.asarray(devices).reshape(-1, data)
        self.mesh = Mesh(grid, ("run", "data"), axis_types=(AxisType.Auto,) * 2)
        self.units = len(grid)

    def over_runs(self, task: Task) -> Task:
        """The task with a batch axis, on each part of the mesh for itself."""
        by_run = PartitionSpec("run")
        # Runs are independent: nothing is reduced over `run`. With check_vma the
        # gradients of parameters that start as constants would be summed over it.
        return jax.shard_map(
            jax.vmap(task),
            mesh=self.mesh,
            in_specs=by_run,
            out_specs=by_run,
            axis_names={"run"},
            check_vma=False,
        )

    def put(self, inputs: Stacked) -> Blocks:
        """One block over all devices; every process has the same values at hand."""
        sharding = NamedSharding(self.mesh, PartitionSpec("run"))
        return [jax.tree.map(lambda leaf: _over(leaf, sharding), inputs)]

    def collected(self, blocks: Blocks) -> list[np.ndarray]:
        """The rows in the mesh's order."""
        return [processes.whole(leaf) for leaf in jax.tree.leaves(blocks[0])]


def is_key(leaf: Any) -> bool:
    """Whether a leaf holds typed random keys, of which NumPy has no array."""
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _over(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array on a mesh that may span processes; typed keys travel as their data."""
    if is_key(leaf):
        data = _over(jax.random.key_data(leaf), sharding)
        keys: jax.Array = jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        return keys
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


def _rows(tree: Stacked, first: int, last: int) -> Stacked:
    return jax.tree.map(lambda leaf: leaf[first:last], tree)
