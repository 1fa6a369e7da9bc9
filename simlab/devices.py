"""The machine: the one place, beside the tests, that sets JAX's global options."""

import functools
import importlib.metadata
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "xarray")


THREADS = "NPROC"
"""The variable from which XLA's CPU client takes how many threads it may use."""


def configure(
    *, cache: bool = True, cores: int | None = None, devices: int | None = None
) -> None:
    """Prepares JAX for a whole process; call it before anything computes.

    Every core becomes a host device of its own, so that runs share a CPU; float32
    products are computed in full, also where the hardware would round them; compiled
    programs of every size are kept in the user's cache directory unless `cache` is
    False. `cores` are those XLA works as if it had, whatever the process may use (None:
    that many): it splits sums over them, so that they decide the last bits of a result
    on a CPU. `devices` are the host devices where they shall be other than the cores.
    Errors: ValueError where a number is not positive.
    """
    for name, value in {"cores": cores, "devices": devices}.items():
        if value is not None and value < 1:
            raise ValueError(f"{name}={value} must be >= 1")
    if cores:
        os.environ[THREADS] = str(cores)
    jax.config.update("jax_num_cpu_devices", devices or cores or usable_cores())
    jax.config.update("jax_default_matmul_precision", "highest")
    if cache and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        directory = cache_directory()
        jax.config.update("jax_compilation_cache_dir", str(directory))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@dataclass(frozen=True)
class Cluster:
    """Which processes belong together: all of it is known on a TPU pod or to SLURM.

    Elsewhere `coordinator` is HOST:PORT of process 0, and processes count from 0.
    """

    coordinator: str | None = None
    processes: int | None = None
    process_id: int | None = None

    def __post_init__(self) -> None:
        given = [self.coordinator, self.processes, self.process_id]
        if None in given and any(value is not None for value in given):
            raise ValueError(
                f"coordinator={self.coordinator} processes={self.processes} "
                f"process_id={self.process_id}: give all three, or none where a TPU "
                "pod or SLURM knows them"
            )
        if not 0 <= (self.process_id or 0) < (self.processes or 1):
            raise ValueError(
                f"process_id={self.process_id} must be in [0, processes - 1] for "
                f"processes={self.processes}: processes count from 0"
            )


def join(cluster: Cluster, patience: int = 60) -> None:
    """Makes this process one of several; call it before anything computes.

    A process that says nothing for `patience` seconds is taken for lost, and ends the
    others. Errors: ValueError where nothing tells which processes belong together.
    """
    try:
        jax.distributed.initialize(
            cluster.coordinator,
            cluster.processes,
            cluster.process_id,
            heartbeat_timeout_seconds=patience,
        )
    except ValueError as error:
        raise ValueError(
            "this is no TPU pod and no SLURM job, so processes cannot find each other: "
            "give --coordinator HOST:PORT, --processes and --process-id"
        ) from error


@functools.cache
def matmul_rate(width: int = 1024, seconds: float = 0.2) -> float:
    """Measured floating-point operations per second of float32 matrix products.

    Of all devices of this process at once, each with products of [width, width] in
    full precision for at least so many seconds: the best of what is repeated.
    """
    square = np.ones((width, width), np.float32) / width
    placed = [jax.device_put(square, device) for device in jax.local_devices()]
    product = jax.jit(lambda x: jnp.dot(x, x, precision="highest"))
    with ThreadPoolExecutor(len(placed)) as threads:

        def once() -> float:
            begin = time.perf_counter()
            list(threads.map(lambda x: product(x).block_until_ready(), placed))
            return time.perf_counter() - begin

        once()
        times = [once()]
        while sum(times) < seconds:
            times.append(once())
    return 2.0 * width**3 * len(placed) / min(times)


def usable_cores() -> int:
    """The number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads() -> int:
    """Over how many threads XLA splits work on this CPU: those asked for, or the cores.

    It never takes fewer than there are host devices.
    """
    asked = os.environ.get(THREADS, "")
    wanted = int(asked) if asked.isdecimal() and int(asked) else usable_cores()
    return max(wanted, len(jax.local_devices(backend="cpu")))


def cache_directory() -> Path:
    """Where compiled programs are kept between processes."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "simlab" / "xla"


def describe() -> dict[str, object]:
    """What a result's reader must know of the machine and the software."""
    devices = jax.local_devices()
    return {
        "backend": jax.default_backend(),
        "device_kind": devices[0].device_kind,
        "device_count": len(devices),
        "processors": usable_cores(),
        "threads": threads(),
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "matmul_precision": jax.config.values["jax_default_matmul_precision"],
    }
