"""One of several processes that sweep the toys together; process 0 writes what it got.

    python -m tests.simlab.sweeping_process OUT DEVICES PORT PROCESSES ID MODE

OUT is a directory and DEVICES how many this process has. MODE "map" runs in turn and
keeps chunks in OUT, "lose" does so and kills the last process after its first chunk,
"sharded" runs at once, and with two devices a run.
"""

import os
import signal
import sys
from pathlib import Path

import jax
import numpy as np

from simlab import devices, processes
from simlab.lost import ProcessLostError
from simlab.storage import Parts
from simlab.sweeps import Executor, Plan, run_task, sweep
from tests.simlab.toys import setup, stacked

RUNS = 10
LOST = 7


class _Bar:
    """Progress that kills its process after the first chunk."""

    def advance(self, runs: int) -> None:
        del runs
        os.kill(os.getpid(), signal.SIGKILL)


def plans(out: Path, mode: str, last: bool) -> dict[str, Plan]:
    if mode == "sharded":
        return {
            "sharded": Plan(Executor.SHARDED, chunk=8),
            "data": Plan(Executor.SHARDED, chunk=8, data=2),
        }
    parts = Parts(out / "parts", "same") if processes.is_writer() else None
    bar = _Bar() if mode == "lose" and last else None
    return {"map": Plan(chunk=8, parts=parts, bar=bar)}


def main(out: Path, mode: str, last: bool) -> None:
    made = setup("transformer" if mode == "sharded" else "tabular", steps=4, records=2)
    for name, plan in plans(out, mode, last).items():
        got = sweep(run_task(made), stacked(made, RUNS), plan)
        if processes.is_writer():
            np.savez(out / f"{name}.npz", *jax.tree.leaves(got))
            found = plan.report.runs_found
            print(f"{name}: {found} found of {plan.report.runs}", flush=True)


if __name__ == "__main__":
    place, (each, port, count, index) = Path(sys.argv[1]), map(int, sys.argv[2:6])
    devices.configure(devices=each)
    if count > 1:
        cluster = devices.Cluster(f"localhost:{port}", count, index)
        devices.join(cluster, patience=60)
    try:
        main(place, sys.argv[6], index == count - 1)
    except ProcessLostError as error:
        print(f"lost: {error}", flush=True)
        os._exit(LOST)
