"""A worker: simlab's own sweep, let on by one chunk whenever it is asked for a block.

A sweep goes through its chunks without a pause; here it is held after each by the bar
that it reports to, so that others can be measured in between. One chunk is one block.
"""

import json
import resource
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

from experiments.benchmarks import cores
from experiments.benchmarks.serving import serve
from experiments.benchmarks.toy import Toy
from simlab import devices
from simlab.checkpoints import Checkpoints
from simlab.sweeps import Plan, SweepReport, run_task, sweep


@dataclass
class Paced:
    """A sweep of `runs` in a thread of its own, `chunk` of them in a block."""

    toy: Toy
    runs: int
    chunk: int
    keep_every: float | None = None
    _report: SweepReport = field(default_factory=SweepReport)
    _asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _done: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _thread: threading.Thread | None = None
    _error: BaseException | None = None

    def block(self) -> Mapping[str, Any]:
        """The costs of one more chunk, and the most memory held so far, bytes.

        "seconds" are all that the chunk took; of the first, which also traces and
        compiles, that is put apart as "setup".
        """
        first, begin = self._thread is None, time.perf_counter()
        if self._thread is None:
            self._thread = threading.Thread(target=self._sweep, daemon=True)
            self._thread.start()
        self._asked.release()
        self._done.acquire()
        if self._error is not None:
            raise self._error
        took = time.perf_counter() - begin
        setup = max(took - self._report.seconds_running, 0.0) if first else 0.0
        memory = peak_memory()
        return {"seconds": took - setup, "setup": setup, "memory": memory}

    def advance(self, runs: int) -> None:
        """A chunk is done: say so, and wait until the next is asked for."""
        del runs
        self._done.release()
        self._asked.acquire()

    def _sweep(self) -> None:
        self._asked.acquire()
        try:
            with TemporaryDirectory() as directory:
                every = self.keep_every
                keeper = (
                    None if every is None else Checkpoints(directory, "bench", every)
                )
                plan = Plan(
                    chunk=self.chunk, bar=self, report=self._report, keeper=keeper
                )
                sweep(run_task(self.toy.setup), self.toy.inputs(self.runs), plan)
        except BaseException as error:
            self._error = error
        self._done.release()


def peak_memory() -> int:
    """The most memory that this process held so far, bytes."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def main(document: str) -> None:
    """Serves the sweep that a JSON document describes."""
    asked = json.loads(document)
    if asked["cores"]:
        cores.keep_to(cores.usable()[: asked["cores"]])
    devices.configure(cache=asked["cache"], devices=asked["devices"])
    paced = Paced(
        Toy.read(asked["toy"]), asked["runs"], asked["chunk"], asked["keep_every"]
    )
    serve(paced.block)


if __name__ == "__main__":
    main(sys.argv[1])
