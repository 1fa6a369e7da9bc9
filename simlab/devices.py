"""The machine: the one place, beside the tests, that sets JAX's global options."""

import importlib.metadata
import os
import platform
from pathlib import Path

import jax

PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy", "xarray")


def configure(*, cache: bool = True, cores: int | None = None) -> None:
    """Prepares JAX for a whole process; call it before anything computes.

    Every usable core becomes a host device of its own, so that runs share a CPU;
    float32 products are computed in full, also where the hardware would round them;
    compiled programs are kept in the user's cache directory unless `cache` is False.
    """
    jax.config.update("jax_num_cpu_devices", cores or usable_cores())
    jax.config.update("jax_default_matmul_precision", "highest")
    if cache and not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        directory = cache_directory()
        jax.config.update("jax_compilation_cache_dir", str(directory))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)


def usable_cores() -> int:
    """The number of processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
        "system": platform.system(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "matmul_precision": jax.config.values["jax_default_matmul_precision"],
    }
