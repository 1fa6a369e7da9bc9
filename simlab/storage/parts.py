"""The numbered pieces of an unfinished result, kept so that a cut-off run resumes."""

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from simlab.storage.files import StorageError, explained, locked, write_bytes_atomic

LONGEST = 60
"""Characters of a difference that is told in full, not by its name alone."""


class Parts:
    """The numbered pieces of an unfinished result, kept for a run that is cut off.

    `fingerprint` says what makes the parts (configuration, software): parts of another
    fingerprint are refused, or with `fresh=True` deleted (`cleared` counts them). Of a
    fingerprint that is a JSON object the refusal names what differs. A part that fails
    its checksum is listed in `damaged` and reads as absent. While this is open no other
    process can open the directory.

    Raises:
        StorageError: directory in use, other fingerprint, disk full or read-only.
    """

    def __init__(
        self, directory: Path | str, fingerprint: str, *, fresh: bool = False
    ) -> None:
        self.directory = Path(directory)
        self.damaged: list[int] = []
        self.folder = self.directory / "parts"
        self._fingerprint = fingerprint.encode()
        with contextlib.ExitStack() as stack, explained(self.folder):
            stack.enter_context(locked(self.directory))
            old = self._indices()
            self.cleared = len(old) if fresh else 0
            mark = self.folder / "fingerprint"
            was = mark.read_bytes() if mark.is_file() else None
            same = was == self._fingerprint
            if old and not same and not fresh:
                other = _differences(was or b"", self._fingerprint)
                raise StorageError(
                    f"{self.directory}: holds {len(old)} parts that differ in {other}; "
                    "go on as it was begun, or start again with --fresh (in Python: "
                    "fresh=True)"
                )
            if not same or fresh:
                shutil.rmtree(self.folder, ignore_errors=True)
                write_bytes_atomic(mark, self._fingerprint)
            for leftover in self.directory.rglob(".*.tmp"):
                leftover.unlink()
            self._stack = stack.pop_all()

    def write(self, index: int, arrays: Mapping[str, Any]) -> None:
        """Keep the arrays of a part (what np.asarray takes), whole or not at all."""
        if index < 0:
            raise StorageError(f"part {index}: parts are numbered from 0")
        values = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in values.items():
            if array.dtype.kind not in "biufcUS":
                raise StorageError(f"part {index}: {name} has dtype {array.dtype}")
        payload = io.BytesIO()
        payload.write(json.dumps(list(values)).encode() + b"\n")
        np.savez(payload, *values.values())
        body = payload.getvalue()
        write_bytes_atomic(self._file(index), self._seal(index, body) + body)
        self.damaged = [other for other in self.damaged if other != index]

    def read(self, index: int) -> dict[str, Shaped[np.ndarray, "..."]] | None:
        """The arrays of a part, or None if it is absent or damaged."""
        body = self._body(index)
        if body is None:
            return None
        names, _, archive = body.partition(b"\n")
        with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
            return {n: arrays[f"arr_{i}"] for i, n in enumerate(json.loads(names))}

    def finished(self) -> list[int]:
        """The indices of the undamaged parts, in order."""
        return [index for index in self._indices() if self._body(index) is not None]

    def close(self) -> None:
        """Let other processes open the directory."""
        self._stack.close()

    def __enter__(self) -> "Parts":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _file(self, index: int) -> Path:
        return self.folder / f"{index:06d}.part"

    def _indices(self) -> list[int]:
        stems = [file.stem for file in self.folder.glob("*.part")]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def _seal(self, index: int, body: bytes) -> bytes:
        return hashlib.sha256(self._fingerprint + b"\n%d\n" % index + body).digest()

    def _body(self, index: int) -> bytes | None:
        with explained(self._file(index)):
            if not self._file(index).exists():
                return None
            content = self._file(index).read_bytes()
        if content[:32] == self._seal(index, content[32:]):
            return content[32:]
        self.damaged = sorted({*self.damaged, index})
        return None


def _differences(was: bytes, now: bytes) -> str:
    """What differs between two fingerprints, in words.

    >>> _differences(b'{"cores": 2, "how": "map"}', b'{"cores": 4, "how": "map"}')
    'cores (2, now 4)'
    >>> _differences(b'{"configuration": "%s"}' % (b"long" * 20), b"{}")
    'configuration'
    >>> _differences(b"one", b"other")
    'configuration or code version'
    """
    try:
        old, new = json.loads(was), json.loads(now)
        names = sorted(key for key in old | new if old.get(key) != new.get(key))
    except (ValueError, AttributeError, TypeError):  # no JSON, or no objects
        return "configuration or code version"
    told = [f"{name} ({old.get(name)}, now {new.get(name)})" for name in names]
    return " and ".join(
        words if len(words) < LONGEST else name
        for name, words in zip(names, told, strict=True)
    )
