"""The last state of every long run, so that a cut-off run goes on from there.

    DIRECTORY/<name>.p0/000000000007/   a snapshot
    DIRECTORY/<name>.p0/saving/         the next one, renamed when it is whole

A process that calls this keeps a folder of its own (p0, p1, ...) and waits for no
other one: of several processes usually the one that writes has all of the state.
"""

import hashlib
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jax

from simlab import snapshots
from simlab.interruption import SECONDS_AT_RISK, stop_requested
from simlab.storage import StorageError
from simlab.storage.files import explained, flush

_SAVING = "saving"


class Checkpoints:
    """The last state of every named long run, whole or not there at all.

    `fingerprint` says what a state belongs to (configuration, software): one of
    another fingerprint is passed over, and so is a damaged one. One is due `every` so
    many seconds.

    Raises:
        StorageError: disk full or read-only; or the state has another shape.
    """

    def __init__(
        self,
        directory: Path | str,
        fingerprint: str,
        every: float = SECONDS_AT_RISK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if every < 0:
            raise ValueError(f"every={every} must be >= 0 seconds")
        self.directory = Path(directory)
        self._fingerprint = hashlib.sha256(fingerprint.encode()).hexdigest()
        self._every, self._clock = every, clock
        self._last = clock()

    def due(self) -> bool:
        """Whether to save now: it is time, or this process was asked to stop."""
        return self._clock() - self._last >= self._every or stop_requested()

    def save(self, name: str, step: int, state: Any) -> None:
        """Keeps `state`, a pytree of arrays, and then no longer the one before it."""
        folder = self._folder(name)
        saving = folder / _SAVING
        label = self._label(name, step)
        shutil.rmtree(saving, ignore_errors=True)
        try:
            snapshots.write(saving, label, state)
            number = max(_numbers(folder), default=0) + 1
            with explained(folder):
                saving.rename(folder / f"{number:012d}")
                flush(folder)
        except StorageError:
            shutil.rmtree(saving, ignore_errors=True)
            raise
        for old in _numbers(folder):
            if old < number:
                shutil.rmtree(folder / f"{old:012d}", ignore_errors=True)
        self._last = self._clock()

    def load(self, name: str, like: Any) -> tuple[int, Any] | None:
        """Step and state of the newest intact checkpoint of a name; None without.

        The state has the structure of `like`, and its arrays are on the devices of
        those of `like`, or on the host where these are mere shapes and types.
        """
        folder = self._folder(name)
        with explained(folder):
            for number in sorted(_numbers(folder), reverse=True):
                place = folder / f"{number:012d}"
                label = snapshots.read_label(place)
                if label and label == self._label(name, label["step"]):
                    return label["step"], snapshots.read(place, like)
        return None

    def clear(self, name: str) -> None:
        """Removes what was kept of a run, when it is finished."""
        with explained(self._folder(name)):
            if self._folder(name).exists():
                shutil.rmtree(self._folder(name))

    def _folder(self, name: str) -> Path:
        # Quoted, a name is one folder whatever it holds; with the suffix it is no "..".
        return self.directory / f"{quote(name, safe=' ')}.p{jax.process_index()}"

    def _label(self, name: str, step: int) -> dict[str, Any]:
        return {"fingerprint": self._fingerprint, "name": name, "step": int(step)}


def _numbers(folder: Path) -> list[int]:
    return [
        int(place.name) for place in folder.glob("[0-9]*") if place.name.isdecimal()
    ]
