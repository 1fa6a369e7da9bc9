"""Runs a claim once: find or simulate, judge, store, draw."""

import json
import math
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial as partially
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from experiments.bench import Bench
from experiments.claim import Claim, Verdict
from simlab import devices, processes, storage
from simlab.checkpoints import Checkpoints
from simlab.executors import Executor, default_executor
from simlab.figures import save
from simlab.interruption import (
    SECONDS_AT_RISK,
    check,
    request_stop,
    stop_requested,
    stoppable,
)
from simlab.metrics import FILE as METRICS
from simlab.metrics import Metrics
from simlab.progress import progress_bar
from simlab.stretches import Watch


def settings(config: Any) -> dict[str, Any]:
    """A configuration as the manifest and the hash see it."""
    plain: dict[str, Any] = storage.plain(asdict(config))
    return plain


@dataclass(frozen=True)
class Way:
    """How a claim is run; under MAP none of it changes a bit.

    `on` are the devices that train; none: all of this process. `executor` None: what
    the machine is made for; `data` devices share a run under SHARDED. A chunk in flight
    is kept every `checkpoint_every` seconds.
    """

    on: tuple[jax.Device, ...] = ()
    executor: Executor | None = None
    data: int = 1
    checkpoint_every: float = SECONDS_AT_RISK


def run_claim(
    name: str,
    claim: Claim,
    config: Any,
    out: Path,
    *,
    fresh: bool = False,
    quiet: bool = False,
    command: str = "",
    say: Callable[[str], None] = print,
    way: Way = Way(),
) -> storage.Result:
    """The stored result of a claim and a configuration, simulated if it is not there.

    Errors: StorageError for what the disk refuses or has damaged; KeyboardInterrupt
    passes, and Preempted after a SIGTERM, every finished chunk being kept.
    """
    document = settings(config)
    found = None if fresh else storage.find(out, name, document)
    if processes.told_number(float(found is not None)) and found is not None:
        say(f"found a finished result in {found.path}; --fresh runs it again")
        return _complete(found, claim)
    executor = way.executor or default_executor()
    partial = storage.partial_directory(out, name, document)
    begin, code = time.monotonic(), code_version()
    same = _fingerprint(document, executor)
    with (
        storage.Parts(partial, same, fresh=fresh) as parts,
        Metrics(partial / METRICS) as metrics,
        stoppable(),
    ):
        hashed = storage.config_hash(name, document)
        metrics.write("begin", claim=name, config_hash=hashed, pid=os.getpid())
        if kept := len(parts.finished()):
            say(f"going on where a run was cut off: {kept} chunks are there already")
        bench = Bench(
            parts,
            partially(progress_bar, enabled=not quiet),
            executor=executor,
            devices=way.on,
            data=way.data,
            keeper=Checkpoints(
                parts.folder / "checkpoints", same, way.checkpoint_every
            ),
            watch=Watch(say, metrics.write, agreed_check),
        )
        measured = claim.simulate(config, bench)
        data = xr.merge([claim.predict(config), measured], join="exact")
        verdict = claim.judge(config, data)
        manifest = {
            "claim": name,
            "config": document,
            "verdict": verdict.to_json(),
            "diverged_runs": int(data["diverged"].sum()) if "diverged" in data else 0,
            "command": command,
            "code": code,
            "machine": devices.describe() | {"matmul_rate": devices.matmul_rate()},
            "sweeps": bench.costs(devices.matmul_rate() * jax.process_count()),
            "wall_seconds": round(time.monotonic() - begin, 1),
        }
        final = storage.final_directory(out, name, document)
        storage.finish(partial, final, manifest, data, replace=fresh)
        metrics.write("end", verdict=verdict.outcome)
    return _complete(storage.load(final), claim)


def help_claim(name: str, claim: Claim, config: Any, out: Path, way: Way) -> None:
    """What every process but the writer does: its share of the runs, and no file.

    Errors: ProcessLostError; Preempted once any of the processes is to stop.
    """
    if processes.told_number(0.0):
        return  # there is a finished result
    executor, document = way.executor or default_executor(), settings(config)
    place = storage.partial_directory(out, name, document) / "checkpoints"
    with stoppable():
        claim.simulate(
            config,
            Bench(
                executor=executor,
                devices=way.on,
                data=way.data,
                keeper=Checkpoints(place, "", math.inf),  # due when it is asked to stop
                watch=Watch(stopped=agreed_check),
            ),
        )


def agreed_check() -> None:
    """A safe point of all processes: Preempted if any of them was asked to stop."""
    if -processes.least(-float(stop_requested())):
        request_stop()
    check()


def _complete(result: storage.Result, claim: Claim) -> storage.Result:
    """Draws the figure from the file if a crash came before it."""
    if not (result.path / "figure.png").exists():
        redraw(result, claim)
    return result


def redraw(result: storage.Result, claim: Claim, into: Path | None = None) -> Path:
    """The path of the figure, drawn from the stored data alone."""
    verdict = Verdict.from_json(result.manifest["verdict"])
    return save(claim.draw(result.dataset, verdict), into or result.path)[0]


def _fingerprint(document: dict[str, Any], executor: Executor) -> str:
    """What parts must agree on to be joined: configuration, software, machine, way."""
    machine = devices.describe()
    same = {key: machine[key] for key in ("backend", "device_kind", "packages")}
    if executor is Executor.MAP and machine["backend"] == "cpu":
        same["cores"] = machine["threads"]  # which decide its bits
    return json.dumps({"configuration": document, "how": executor.value, **same})


def code_version(here: Path = Path(__file__).parent) -> dict[str, Any]:
    """The git commit of the code and whether it was changed since; None outside git.

    `here` is any folder of the repository. Kept results are no code.
    """

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(here), *words],
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    # Paths count from the top of the repository, wherever git is asked.
    parts = [f":(top){name}" for name in ("simlab", "theory", "experiments")]
    results = ("experiments/golden", "experiments/benchmarks/results")
    kept = [f":(top,exclude){folder}" for folder in results]
    changed = git("status", "--porcelain", "--", *parts, *kept)
    return {
        "commit": git("rev-parse", "HEAD"),
        "changed": None if changed is None else bool(changed),
    }
