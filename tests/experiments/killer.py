"""Kills runs of the tiny claim outright and says what was left: one JSON a process.

`python -m tests.experiments.killer moments|steps|careless SCRATCH KILLS`: kills spread
over the time of a run, or over its steps on the disk; or of a writer without care.
"""

import json
import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from simlab import storage
from simlab.metrics import FILE
from tests.experiments import tiny_claim, tiny_runs

_TOUCHING = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate"}


def spread(turn: int) -> float:
    """Numbers in [0, 1) that lie evenly, however many there are."""
    return (0.618034 * turn) % 1


def on_step(out: Path, act: Callable[[int, str], None]) -> None:
    """Calls `act` with number and path of every step of this process in `out`."""
    steps = 0

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal steps
        if event in _TOUCHING and str(arguments[0]).startswith(str(out)):
            steps += 1
            act(steps, str(arguments[0]))

    sys.addaudithook(hook)


def killed_after(seconds: float, out: Path) -> bool:
    """A run that is killed so long after it began; False if it had ended before."""
    reads, writes = os.pipe()

    def action() -> None:
        os.write(writes, b"!")
        tiny_runs.run(out)

    child = tiny_runs.forked(action, out.parent / "log")
    os.close(writes)  # so that the read ends if the child does
    os.read(reads, 1)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    os.close(reads)
    return tiny_runs.outcome(child) == -signal.SIGKILL


def killed_at(step: int, out: Path) -> bool:
    """A run that is killed before a step on the disk; False if it took fewer."""

    def action() -> None:
        on_step(out, lambda number, _: tiny_runs.die() if number == step else None)
        tiny_runs.run(out)

    child = tiny_runs.forked(action, out.parent / "log")
    return tiny_runs.outcome(child) == -signal.SIGKILL


def killed_careless(step: int, out: Path) -> bool:
    """As `killed_at`, of a run that writes its result in place, piece by piece."""
    final = tiny_runs.places(out)[1]

    def finish(partial: Path, final: Path, manifest: Any, data: Any, **_: Any) -> Path:
        final.mkdir()
        content = bytes(data.to_netcdf(engine="h5netcdf"))
        for piece in range(4):
            with (final / storage.TRACE).open("ab") as file:
                file.write(content[piece * len(content) // 4 :][: len(content) // 4])
        (final / storage.MANIFEST).write_text(json.dumps(storage.plain(manifest)))
        return final

    def action() -> None:
        storage.finish = finish
        on_step(final, lambda number, _: tiny_runs.die() if number == step else None)
        tiny_runs.run(out)

    child = tiny_runs.forked(action, out.parent / "log")
    return tiny_runs.outcome(child) == -signal.SIGKILL


def stage(out: Path) -> str:
    """What a kill struck, by what it left."""
    partial, final = tiny_runs.places(out)
    if final.exists():
        return "done" if (final / "figure.png").exists() else "figure"
    left = {str(path.relative_to(partial)) for path in partial.rglob("*")}
    if any(name.startswith((".trace", "trace", ".manifest")) for name in left):
        return "result"
    if any("/saving" in name for name in left):
        return "checkpoint"
    if any(name.endswith(".tmp") for name in left):
        return "part"
    return "sweep" if left else "before"


def kept(out: Path) -> tuple[int, dict[str, int]]:
    """Chunks that are finished, and the last step that is kept of those in flight."""
    parts = tiny_runs.places(out)[0] / "parts"
    steps: dict[str, int] = {}
    for seal in sorted(parts.glob("checkpoints/*/[0-9]*/seal.json")):
        label = json.loads(seal.read_text())["label"]
        steps[label["name"]] = label["step"]
    return len(list(parts.glob("*.part"))), steps


def faults(out: Path, before: tuple[int, dict[str, int]], bits: str) -> list[str]:
    """What is wrong with the result of a run that was killed and went on."""
    partial, final = tiny_runs.places(out)
    result = storage.load(final)
    lines = (final / FILE).read_text().splitlines()
    events = [json.loads(line) for line in lines]
    begun = [k for k, event in enumerate(events) if event["event"] == "begin"][-1]
    first: dict[str, int] = {}
    for event in events[begun:]:
        if event["event"] == "stretch":
            first.setdefault(event["name"], event["stretch"])
    chunks, steps = before
    found = sum(sweep["runs_found"] for sweep in result.manifest["sweeps"].values())
    wrong = {
        "other bits": tiny_claim.bits(result) != bits,
        "lost chunks": partial.exists() or (found != chunks * tiny_claim.CHUNK),
        "lost checkpoint": any(first.get(n, s + 1) != s + 1 for n, s in steps.items()),
        "no figure": not (final / "figure.png")
        .read_bytes()
        .endswith(b"IEND\xaeB`\x82"),
        "no PDF": not (final / "figure.pdf").read_bytes().rstrip().endswith(b"%%EOF"),
        "leftovers": any(
            path.name.endswith((".tmp", ".old")) for path in out.rglob("*")
        ),
    }
    return [name for name, is_so in wrong.items() if is_so]


def gone_on(out: Path, bits: str) -> list[str]:
    """Faults after a run that was killed is started again."""
    was_final, before = tiny_runs.places(out)[1].exists(), kept(out)
    child = tiny_runs.forked(lambda: tiny_runs.run(out), out.parent / "log")
    if tiny_runs.outcome(child):
        return [(out.parent / "log").read_text().splitlines()[-1]]
    wrong = faults(out, before, bits)
    # A finished result was found, not run: it says nothing of what was there before.
    return [name for name in wrong if not (was_final and name.startswith("lost"))]


def kind(path: str) -> str:
    """What a step on the disk is for."""
    kinds = {"/checkpoints": "checkpoint", "figure": "figure", ".json": "result"}
    kinds |= {"trace": "result", "metrics": "metrics", "/parts": "part"}
    return next((kinds[word] for word in kinds if word in path), "directory")


def uncut(scratch: Path) -> tuple[float, dict[str, list[int]], str]:
    """Seconds, steps on the disk by kind, and bits of a run that nothing cuts off."""
    for turn in range(2):  # the first fills the compilation cache
        out = scratch / f"uncut{turn}"

        def action(out: Path = out, counted: Path = scratch / "steps") -> None:
            with counted.open("w") as file:
                on_step(out, lambda k, path: print(k, kind(path), file=file))
                tiny_runs.run(out)

        begin = time.monotonic()
        if tiny_runs.outcome(tiny_runs.forked(action, scratch / "log")):
            raise RuntimeError((scratch / "log").read_text())
        seconds = time.monotonic() - begin
    steps: dict[str, list[int]] = {}
    for line in (scratch / "steps").read_text().splitlines():
        number, what = line.split()
        steps.setdefault(what, []).append(int(number))
    return seconds, steps, tiny_claim.bits(storage.load(tiny_runs.places(out)[1]))


def main(way: str, scratch: Path, kills: int) -> dict[str, Any]:
    """What `kills` kills of one way struck, and the faults that they left."""
    tiny_runs.prepare(scratch)
    seconds, steps, bits = uncut(scratch)

    def at_step(turn: int, out: Path) -> bool:
        numbers = list(steps.values())[turn % len(steps)]  # each kind in its turn
        return killed_at(numbers[int(spread(turn) * len(numbers))], out)

    ways: dict[str, Callable[[int, Path], bool]] = {
        "moments": lambda turn, out: killed_after(spread(turn) * seconds, out),
        "steps": at_step,
        "careless": lambda turn, out: killed_careless(3 + turn % 4, out),
    }
    struck: Counter[str] = Counter()
    wrong, turn = [], 0
    while struck.total() < kills:
        out = scratch / "out" / "here"
        out.parent.mkdir()
        # Every fifth time the run that goes on is killed as well.
        for _ in range(2 if turn % 5 == 4 else 1):
            if ways[way](turn, out):
                struck[stage(out)] += 1
            turn += 1
        wrong.append(gone_on(out, bits))
        shutil.rmtree(out.parent)
    faulty = [found for found in wrong if found]
    return {"kills": struck.total(), "struck": struck, "faults": faulty}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
