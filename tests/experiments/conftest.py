"""Every claim's smoke preset, run once for all tests that ask about it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from experiments.registry import load
from experiments.runner import run_claim
from simlab.storage import Result
from tests.experiments.one_device import on_first


@pytest.fixture(scope="session")
def smoke() -> Iterator[Callable[[str], Result]]:
    """`smoke(claim)`: its stored result."""
    done: dict[str, Result] = {}
    with TemporaryDirectory() as out:

        def run(name: str) -> Result:
            if name not in done:
                claim = load(name)
                config = claim.PRESETS["smoke"]
                done[name] = run_claim(
                    name, claim, config, Path(out), quiet=True, way=on_first()
                )
            return done[name]

        yield run
