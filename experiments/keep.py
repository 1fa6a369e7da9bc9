"""Keeps a `laptop` result as a golden one: `python -m experiments.keep CLAIM`."""

import shutil
import sys
from pathlib import Path

from experiments.registry import load
from experiments.runner import settings
from simlab import storage

GOLDEN = Path(__file__).parent / "golden"
FILES = (storage.MANIFEST, storage.TRACE, "figure.png")


def keep(name: str, out: Path = Path("results")) -> Path:
    """The golden directory of a claim, made of its `laptop` result in `out`.

    Errors: StorageError if there is no such result, or it is damaged.
    """
    document = settings(load(name).PRESETS["laptop"])
    found = storage.find(out, name, document)
    if found is None:
        raise storage.StorageError(
            f"{out} has no result of {name} with the laptop preset; run it first"
        )
    kept = GOLDEN / name
    kept.mkdir(parents=True, exist_ok=True)
    for file in FILES:
        shutil.copyfile(found.path / file, kept / file)
    return storage.load(kept).path


if __name__ == "__main__":
    for claim in sys.argv[1:]:
        print(keep(claim))
