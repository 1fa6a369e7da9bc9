"""Runs a claim once: find or simulate, judge, store, draw."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial as partially
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from experiments.bench import Bench
from experiments.claim import Claim, Verdict
from simlab import devices, storage
from simlab.figures import save
from simlab.progress import progress_bar


def settings(config: Any) -> dict[str, Any]:
    """A configuration as the manifest and the hash see it."""
    plain: dict[str, Any] = storage.plain(asdict(config))
    return plain


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
    on: tuple[jax.Device, ...] = (),
) -> storage.Result:
    """The stored result of a claim and a configuration, simulated if it is not there.

    `on` are the devices that train; none: all local ones. On CPUs they change no bit.

    Errors: StorageError for what the disk refuses or has damaged; KeyboardInterrupt
    passes, every finished chunk being kept.
    """
    document = settings(config)
    if not fresh:
        found = storage.find(out, name, document)
        if found is not None:
            say(f"found a finished result in {found.path}; --fresh runs it again")
            return _complete(found, claim)
    partial = storage.partial_directory(out, name, document)
    begin, code = time.monotonic(), code_version()
    with storage.Parts(partial, _fingerprint(document), fresh=fresh) as parts:
        if kept := len(parts.finished()):
            say(f"going on where a run was cut off: {kept} chunks are there already")
        bar = partially(progress_bar, enabled=not quiet)
        bench = Bench(parts, bar, devices=on)
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
            "machine": devices.describe(),
            "sweeps": bench.costs(),
            "wall_seconds": round(time.monotonic() - begin, 1),
        }
        final = storage.final_directory(out, name, document)
        storage.finish(partial, final, manifest, data, replace=fresh)
    return _complete(storage.load(final), claim)


def _complete(result: storage.Result, claim: Claim) -> storage.Result:
    """Draws the figure from the file if a crash came before it."""
    if not (result.path / "figure.png").exists():
        redraw(result, claim)
    return result


def redraw(result: storage.Result, claim: Claim, into: Path | None = None) -> Path:
    """The path of the figure, drawn from the stored data alone."""
    verdict = Verdict.from_json(result.manifest["verdict"])
    return save(claim.draw(result.dataset, verdict), into or result.path)[0]


def _fingerprint(document: dict[str, Any]) -> str:
    """What parts must agree on to be joined: the configuration, software, machine."""
    machine = devices.describe()
    same = {key: machine[key] for key in ("backend", "device_kind", "packages")}
    return repr((document, same))


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
    kept = ":(top,exclude)experiments/golden"
    changed = git("status", "--porcelain", "--", *parts, kept)
    return {
        "commit": git("rev-parse", "HEAD"),
        "changed": None if changed is None else bool(changed),
    }
