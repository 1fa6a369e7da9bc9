"""The same claims by each executor: how far numbers move, and whether verdicts do.

    python -m experiments.benchmarks.regenerated [--preset smoke] [--claims NAME ...]

Runs in turn (map) are the reference: they have the bits of single runs. Runs at once
differ from them by float32 rounding, which training amplifies. With the preset laptop
the committed golden results are the reference, and map is compared with them as well.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from experiments.arguments import Preset, parsed
from experiments.benchmarks.measuring import tell
from experiments.registry import CLAIMS, load
from simlab import storage
from simlab.devices import configure, describe
from simlab.executors import Executor

GOLDEN = Path(__file__).parents[1] / "golden"


@dataclass(frozen=True)
class Options:
    """Runs claims by every executor and compares."""

    claims: tuple[str, ...] = tuple(CLAIMS)  # which
    preset: Preset = "smoke"  # laptop: against the committed golden results
    out: Path = Path(__file__).parent  # gets results/regenerated.json


def main() -> int:
    """Writes one row a claim and executor."""
    options: Options = parsed(Options, sys.argv[1:])
    configure()
    rows = [row for name in options.claims for row in compared(name, options.preset)]
    path = options.out / "results" / "regenerated.json"
    document = {"preset": options.preset, "machine": describe(), "rows": rows}
    storage.write_json_atomic(path, document)
    tell(f"{path}: {len(rows)} comparisons")
    return 0


def compared(name: str, preset: Preset) -> list[dict[str, Any]]:
    """How each executor's result differs from the reference."""
    golden = preset == "laptop"
    known = storage.load(GOLDEN / name) if golden else once(name, preset, Executor.MAP)
    others = list(Executor) if golden else [Executor.VMAP, Executor.SHARDED]
    rows = []
    for executor in others:
        row = {"claim": name, "executor": executor.value}
        row |= difference(known, once(name, preset, executor))
        tell(str(row))
        rows.append(row)
    return rows


def once(name: str, preset: Preset, executor: Executor) -> storage.Result:
    """A claim's result by one executor."""
    from experiments.runner import Way, run_claim

    claim = load(name)
    with tempfile.TemporaryDirectory() as place:
        return run_claim(
            name, claim, claim.PRESETS[preset], Path(place),
            quiet=True, say=tell, way=Way(executor=executor),
        )  # fmt: skip


def difference(known: storage.Result, other: storage.Result) -> dict[str, Any]:
    """Verdicts, and the distance of every variable on its own scale.

    distance = max |a - b| / max |a| over what is finite in both; a variable whose
    finite places differ counts 1. The median and the largest over variables are told.
    """
    moved = {
        str(name): distance(known.dataset[name], other.dataset[name])
        for name in known.dataset.data_vars
        if known.dataset[name].dtype.kind in "fiu"
    }
    worst = max(moved, key=lambda name: moved[name])
    outcomes = [
        [item["outcome"] for item in result.manifest["verdict"]["evidence"]]
        for result in (known, other)
    ]
    answers = list(zip(*outcomes, strict=True))
    return {
        "identical": max(moved.values()) == 0,
        "median": float(np.median(list(moved.values()))),
        "largest": moved[worst],
        "where": worst,
        "verdicts": [r.manifest["verdict"]["outcome"] for r in (known, other)],
        "questions": len(answers),
        "answers_changed": sum(a != b for a, b in answers),
    }


def distance(one: xr.DataArray, other: xr.DataArray) -> float:
    """Max |a - b| / max |a|; 1 where other places are finite, or the shape differs."""
    a, b = np.asarray(one.values, float), np.asarray(other.values, float)
    if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return 1.0
    finite = np.isfinite(a)
    if not finite.any() or np.array_equal(a[finite], b[finite]):
        return 0.0
    return float(np.max(np.abs(a - b)[finite]) / max(np.max(np.abs(a[finite])), 1e-30))


if __name__ == "__main__":
    sys.exit(main())
