"""Several processes as one: who writes, and how all of them learn the same.

The engine is JAX's own runtime (`jax.distributed`, collectives over all devices). Every
process runs the same program; what differs is which runs it trains, and that only
process 0 writes.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from simlab.lost import ProcessLostError

WRITER = 0
"""The process that reads and writes results."""


def several() -> bool:
    """Whether this run has more than one process."""
    return int(jax.process_count()) > 1


def is_writer() -> bool:
    """Whether this process reads and writes results: one of all, or the only one."""
    return jax.process_index() == WRITER


def gathered(leaves: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Every process' arrays joined along their leading axis, in the processes' order.

    All processes pass arrays of the same shapes and types, and all get the same bits:
    what travels is bytes. Errors: ProcessLostError.
    """
    if not several():
        return list(leaves)
    sent = [np.ascontiguousarray(leaf) for leaf in leaves]
    rows = _all_rows(np.frombuffer(b"".join(leaf.tobytes() for leaf in sent), np.uint8))
    joined, first = [], 0
    for leaf in sent:
        cut = np.ascontiguousarray(rows[:, first : first + leaf.nbytes])
        shape = (len(rows) * leaf.shape[0], *leaf.shape[1:])
        joined.append(cut.view(leaf.dtype).reshape(shape))
        first += leaf.nbytes
    return joined


def told(arrays: dict[str, np.ndarray] | None) -> dict[str, np.ndarray] | None:
    """The named arrays of process 0, in every process. Errors: ProcessLostError."""
    if not several():
        return arrays
    body = b"" if arrays is None else _packed(arrays)
    lengths = gathered([np.asarray([len(body)], np.int64)])[0]
    if not (length := int(lengths[WRITER])):
        return None
    padded = np.zeros(length, np.uint8)
    if is_writer():
        padded[:] = np.frombuffer(body, np.uint8)
    return _unpacked(_all_rows(padded)[WRITER].tobytes())


def told_number(value: float) -> float:
    """The number of process 0, in every process. Errors: ProcessLostError."""
    answer = told({"value": np.asarray([value], np.float64)})
    return value if answer is None else float(answer["value"][0])


def least(value: float) -> float:
    """The smallest of the processes' numbers. Errors: ProcessLostError."""
    return float(np.min(gathered([np.asarray([value], np.float64)])[0]))


def whole(array: jax.Array) -> np.ndarray:
    """A distributed array on the host of every process. Errors: ProcessLostError."""
    if not several():
        return np.asarray(array)
    with _lost_if_broken():
        return np.asarray(multihost_utils.process_allgather(array, tiled=True))


def _all_rows(row: np.ndarray) -> np.ndarray:
    with _lost_if_broken():
        rows = np.asarray(multihost_utils.process_allgather(row))
    return rows.reshape(jax.process_count(), -1)


@contextmanager
def _lost_if_broken() -> Iterator[None]:
    """Of these two kinds are the errors of a collective whose partner is gone."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        raise ProcessLostError(
            f"process {jax.process_index()} of {jax.process_count()} lost another one; "
            "every finished chunk is kept: start all processes again to go on"
        ) from error


def _packed(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    named: dict[str, Any] = {f"_{name}": array for name, array in arrays.items()}
    np.savez(buffer, **named)
    return buffer.getvalue()


def _unpacked(body: bytes) -> dict[str, np.ndarray]:
    with np.load(io.BytesIO(body), allow_pickle=False) as file:
        return {name[1:]: file[name] for name in file.files}
