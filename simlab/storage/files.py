"""Files written whole or not at all, strict JSON, and errors of one line."""

import contextlib
import dataclasses
import enum
import errno
import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

_FULL = "the disk is full; free some space and run again, finished parts are kept"
_REASONS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "the file system is read-only; choose another output directory",
    errno.EACCES: "no permission; choose another output directory",
}


class StorageError(ValueError):
    """What is wrong with a file or directory, and the likely mistake, in one line."""


def plain(value: Any) -> Any:
    """The value as strict JSON can hold it.

    Dataclasses and NamedTuples become objects, tuples and arrays lists, -0.0 becomes
    0.0; the floats JSON lacks become "NaN", "Infinity", "-Infinity", as `float` reads.
    Raises StorageError for anything else, and for a key that is not text.

    >>> plain({"rate": np.float32(0.5), "limit": math.inf, "shape": (2, 3)})
    {'rate': 0.5, 'limit': 'Infinity', 'shape': [2, 3]}
    """
    if isinstance(value, enum.Enum | os.PathLike):
        return plain(value.value if isinstance(value, enum.Enum) else str(value))
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value) + 0.0
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(float(value))]
    if value is None or isinstance(value, bool | int | str):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif isinstance(value, tuple) and hasattr(value, "_asdict"):
        value = value._asdict()
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "__array__") and np.asarray(value).dtype.kind in "biufU":
        return plain(np.asarray(value).tolist())
    raise StorageError(
        f"a {type(value).__name__} does not fit in JSON: give numbers, "
        "text, lists, or objects whose keys are text"
    )


def write_bytes_atomic(path: Path | str, content: bytes) -> None:
    """Write so that a reader, or a crash, finds the old content or all of the new."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with explained(path), contextlib.ExitStack() as stack:
        path.parent.mkdir(parents=True, exist_ok=True)
        stack.callback(temporary.unlink, missing_ok=True)
        temporary.write_bytes(content)
        flush(temporary)
        os.replace(temporary, path)
        flush(path.parent)


def write_text_atomic(path: Path | str, text: str) -> None:
    """Write a text atomically, in UTF-8."""
    write_bytes_atomic(path, text.encode())


def write_json_atomic(path: Path | str, value: Any) -> None:
    """Write strict JSON, as `plain` encodes it, atomically."""
    text = json.dumps(plain(value), indent=2, allow_nan=False)
    write_text_atomic(path, text + "\n")


def flush(path: Path) -> None:
    """Ask for a file or a directory to reach the disk before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot do this for a directory.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP) or path.is_file():
            raise
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the operating system's errors into one line about a path."""
    try:
        yield
    except OSError as error:
        reason = _REASONS.get(error.errno or 0) or error.strerror or str(error)
        raise StorageError(f"{path}: {' '.join(reason.split())}") from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Keep other processes out of a directory by a lock on a file beside it."""
    path = directory.with_name(directory.name + ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        while True:
            file = stack.enter_context(open(path, "wb"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                busy = f"{directory}: in use by another run; wait for it or stop it"
                raise StorageError(busy) from error
            # The one who had the lock may have deleted this very file meanwhile.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    break
        stack.callback(path.unlink, missing_ok=True)
        yield
