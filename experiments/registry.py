"""The claims by name: what `simlab list` prints, known without importing JAX."""

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from experiments.claim import Claim, UsageError


@dataclass(frozen=True)
class Entry:
    """A claim's line in the list; its code is the module of the same name."""

    paper: str
    statement: str
    minutes: Mapping[str, str]  # usual minutes of each preset on two cores


CLAIMS: Mapping[str, Entry] = {
    "tradeoff_penalty": Entry(
        paper="Chen et al. 2025, Case I",
        statement=(
            "transformers fine-tuned with a penalty on proxy safety data reach, and "
            "never cross, the exact safety-capability frontier"
        ),
        minutes={"smoke": "1", "laptop": "3 to 5", "accelerator": "not measured"},
    ),
}


def entry(name: str) -> Entry:
    """The entry of a claim. Errors: UsageError naming the closest claim."""
    if name not in CLAIMS:
        near = difflib.get_close_matches(name, CLAIMS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(CLAIMS)}"
        raise UsageError(f"claim {name!r} does not exist; {hint}")
    return CLAIMS[name]


def load(name: str) -> Claim:
    """A claim's module, imported now."""
    entry(name)
    return cast(Claim, importlib.import_module(f"experiments.{name}"))
