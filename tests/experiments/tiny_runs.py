"""Runs of the tiny claim in forked processes, each started in a millisecond.

Everything is imported before the first fork, and no JAX backend or thread is started
in the parent: every child starts its own.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import jax
import matplotlib as mpl
import orbax.checkpoint  # noqa: F401  # lest every child imports it
import xarray as xr

from experiments import runner
from experiments.claim import Outcome, Verdict
from simlab import devices, storage
from simlab.figures import save
from tests.experiments import tiny_claim

CLAIM = tiny_claim
CONFIG = tiny_claim.Config()


def prepare(scratch: Path) -> None:
    """Does once what every child would have to do."""
    mpl.use("Agg")
    jax.config.update("jax_compilation_cache_dir", str(scratch / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    labels = {"units": "1", "long_name": "one"}
    data = xr.Dataset({"loss": (("run", "record"), [[1.0, 2.0]], labels)})
    save(CLAIM.draw(data, Verdict(Outcome.HOLDS, ())), scratch)
    data.to_netcdf(engine="h5netcdf")
    # These take longer than the rest, and write no file.
    devices.matmul_rate = lambda: 1.0
    runner.code_version = lambda: {"commit": None, "changed": None}


def run(out: Path, checkpoint_every: float = 0.0) -> storage.Result:
    """The tiny claim, unless told otherwise with a checkpoint after every stretch."""
    return runner.run_claim(
        CLAIM.NAME,
        CLAIM,
        CONFIG,
        out,
        quiet=True,
        say=lambda line: None,
        way=runner.Way(checkpoint_every=checkpoint_every),
    )


def places(out: Path) -> tuple[Path, Path]:
    """Where a run is unfinished, and where it is finished."""
    where = out, CLAIM.NAME, storage.plain(vars(CONFIG))
    return storage.partial_directory(*where), storage.final_directory(*where)


def forked(action: Callable[[], object], log: Path) -> int:
    """The process id of a child that does `action` and exits with 0, or 1 on errors."""
    threads = Path("/proc/self/task")
    if threads.exists() and len(list(threads.iterdir())) > 1:
        raise RuntimeError("a process with threads must not be forked")
    child = os.fork()
    if child:
        return child
    code = 1
    with contextlib.suppress(BaseException), log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
    os._exit(code)


def outcome(child: int) -> int:
    """The exit code of a child; of a killed one, minus its signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    """As the machine loses power, for this process."""
    os.kill(os.getpid(), signal.SIGKILL)
