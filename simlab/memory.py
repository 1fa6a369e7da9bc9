"""How much memory a compiled program needs, and how much a device has left."""

from pathlib import Path
from typing import Any

import jax

SPARED = 0.9
"""The share of the free memory that a program may plan to use."""

_MEMORY = Path("/proc/meminfo")


class ExhaustedError(MemoryError):
    """A program needs more memory than there is."""

    def __init__(self, needed: float | None, free: float) -> None:
        known = "more" if needed is None else f"{needed / 2**20:,.0f} MiB"
        super().__init__(f"needs {known}, {free / 2**20:,.0f} MiB are free")


def needed_bytes(compiled: Any) -> float:
    """Bytes that a compiled program holds at once on each device; 0 if unknown.

    Its arguments, results and temporaries, those that share memory counted once.
    """
    stats = compiled.memory_analysis()
    if stats is None:  # not every backend tells
        return 0.0
    return float(
        stats.argument_size_in_bytes
        + stats.output_size_in_bytes
        + stats.temp_size_in_bytes
        - stats.alias_size_in_bytes
    )


def free_bytes(device: jax.Device) -> float:
    """Bytes that a new program may use on a device; infinite if unknown.

    Host devices share the machine's free memory equally.
    """
    if (stats := device.memory_stats()) and (limit := stats.get("bytes_limit")):
        return SPARED * float(limit - stats.get("bytes_in_use", 0))
    if device.platform != "cpu" or not _MEMORY.exists():
        return float("inf")
    lines = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
    free = 1024.0 * float(lines["MemAvailable"].split()[0])
    return SPARED * free / jax.local_device_count()


def out_of_memory(error: jax.errors.JaxRuntimeError) -> bool:
    """Whether a device refused memory."""
    return "RESOURCE_EXHAUSTED" in str(error)
