"""The contenders that sweep the reference toy, as workers."""

import json
import sys
from collections.abc import Sequence

from experiments.benchmarks.cores import PINS, usable
from experiments.benchmarks.together import Together
from experiments.benchmarks.toy import RATES, Toy
from experiments.benchmarks.workers import Worker

COLD = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
"""Programs are compiled, not found: what was compiled before must not help."""


def simlab_sweep(
    name: str,
    toy: Toy,
    runs: int,
    chunk: int,
    *,
    units: float | None = None,
    cores: int | None = None,
    devices: int | None = None,
    cache: bool = True,
    keep_every: float | None = None,
) -> Worker:
    """Our own sweep, `chunk` of its runs in a block.

    On so many `cores` of the machine as so many host `devices`; None: all, one each. A
    unit of work is one run, or what makes a block `units`. With `keep_every` the state
    is kept in a checkpoint after so many seconds, at the next record.
    """
    asked = {
        "toy": toy.document(),
        "runs": runs,
        "chunk": chunk,
        "cores": cores,
        "devices": devices,
        "cache": cache,
        "keep_every": keep_every,
    }
    return Worker(
        name,
        "experiments.benchmarks.paced",
        (json.dumps(asked),),
        units=units or chunk,
        environment={} if cache else COLD,
    )


def rejitted_sweep(name: str, toy: Toy) -> Worker:
    """JAX compiled anew for every run, its steps called from Python."""
    document = json.dumps(toy.document())
    module = "experiments.benchmarks.rejitted"
    return Worker(name, module, (document,), environment=COLD)


def torch_sweep(
    name: str,
    toy: Toy,
    way: str,
    python: str = sys.executable,
    cores: Sequence[int] | None = None,
) -> Worker:
    """The same model in PyTorch, one run a block; `way` is eager or compile.

    On all cores, or on some of them by their numbers.
    """
    asked = {"toy": toy.document(), "rates": RATES, "cores": cores}
    module = "experiments.benchmarks.torch_runs"
    return Worker(name, module, (json.dumps(asked), way), python=python, needs="torch")


def torch_each(name: str, toy: Toy, way: str, python: str) -> Together:
    """PyTorch in a process on every core, a run of its own each."""
    return Together(
        name,
        [torch_sweep(f"{name} {core}", toy, way, python, [core]) for core in usable()]
        if PINS
        else [torch_sweep(name, toy, way, python)],
    )
