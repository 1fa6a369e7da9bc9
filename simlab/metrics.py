"""What a run reports of itself, one line of strict JSON an event.

    {"event": "begin", "time": ..., "claim": ..., "config_hash": ..., "pid": ...}
    {"event": "sweep", "name", "runs", "already", "steps_per_run", "tokens_per_step"}
    {"event": "chunk", "name", "runs", "seconds", "steps_per_second",
     "tokens_per_second", "diverged", "loss"}
    {"event": "stretch", "name", "stretch", "stretches", "seconds", "diverged", "loss"}
    {"event": "checkpoint", "name", "step"}
    {"event": "end", "verdict"} or {"event": "stopped", "reason"}

Times are seconds since 1970 (UTC); the runs of a chunk are those that are new; a
stretch is called after its sweep and the first run of its batch.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simlab.storage import StorageError, plain
from simlab.storage.files import explained

FILE = "metrics.jsonl"
_SECONDS_BETWEEN_FLUSHES = 1.0


def _complain(line: str) -> None:
    print(f"simlab: {line}", file=sys.stderr, flush=True)


class Metrics:
    """A stream of events that survives kills: whole lines, each written at once.

    A line that a kill tore is cut off when the file is opened again. A disk that
    refuses a line does not end the run: `complain` is told so once, and a later line
    is tried again. Leaving it as a context manager by an exception writes "stopped".
    """

    def __init__(
        self,
        path: Path,
        complain: Callable[[str], object] = _complain,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._complain: Callable[[str], object] | None = complain
        self._clock = clock
        self._flushed = clock()
        self._file: int | None = None
        try:
            with explained(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._file = os.open(path, flags, 0o666)
                _cut_torn_line(self._file)
        except StorageError as error:
            self._failed(error)

    def write(self, event: str, **fields: Any) -> None:
        """Appends one event. Errors: StorageError for what JSON cannot hold."""
        if self._file is None:
            return
        now = self._clock()
        told = plain({"event": event, "time": now, **fields})
        line = json.dumps(told, allow_nan=False) + "\n"
        try:
            with explained(self.path):
                _append(self._file, line.encode())
                if now - self._flushed >= _SECONDS_BETWEEN_FLUSHES:
                    self._flushed = now
                    os.fsync(self._file)
        except StorageError as error:
            self._failed(error)

    def close(self) -> None:
        """Flushes and closes the file."""
        if self._file is None:
            return
        try:
            with explained(self.path):
                os.fsync(self._file)
        except StorageError as error:
            self._failed(error)
        os.close(self._file)
        self._file = None

    def __enter__(self) -> "Metrics":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        if kind is not None:
            reason = " ".join(str(error).split())
            self.write("stopped", reason=reason or kind.__name__)
        self.close()

    def _failed(self, error: StorageError) -> None:
        if self._complain is not None:
            self._complain(f"{error}; the run goes on, but simlab watch may miss it")
            self._complain = None


def _append(file: int, line: bytes) -> None:
    """All of a line, or none of it: a full disk may take half of one."""
    end = os.fstat(file).st_size
    try:
        written = os.write(file, line)
        if written < len(line):  # the next write says why
            os.write(file, line[written:])
    except OSError:
        with contextlib.suppress(OSError):  # what went wrong first matters
            os.ftruncate(file, end)
        raise


def _cut_torn_line(file: int) -> None:
    """Cuts off what follows the last end of a line."""
    end = os.fstat(file).st_size
    while end:
        begin = max(end - 4096, 0)
        place = os.pread(file, end - begin, begin).rfind(b"\n")
        if place >= 0:
            end = begin + place + 1
            break
        end = begin
    if end != os.fstat(file).st_size:
        os.ftruncate(file, end)
