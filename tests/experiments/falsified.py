"""Searches, cases, records and pasted tests that tests of `simlab falsify` share."""

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np

from experiments.falsification import random_worlds
from experiments.falsification.campaign import campaign
from experiments.falsification.findings import Finding
from experiments.falsification.measures import Measured, measured
from experiments.falsification.options import FalsifyOptions
from tests.experiments.one_device import first_device
from theory.ledger import LEDGER, Case, Record, Sides

# Small worlds, one call of every program: 512 to 16,384 worlds a claim.
SMALL = FalsifyOptions("all", budget=1, contexts=3, outputs=4, steps=0)


def silent(line: str) -> None:
    del line


def small_search() -> dict[str, Finding]:
    """What one small search through the whole ledger finds of every claim."""
    # On one device: dealing a program out to two takes a tenth of its compiling.
    found, _ = campaign(LEDGER, SMALL, silent, first_device())
    return {finding.name: finding for finding in found}


# Drawn and measured by compiled programs: op by op, each op compiles by itself.
@functools.partial(jax.jit, static_argnums=(0, 2))
def drawn(kind: str, seed: int, count: int = 32) -> Case:
    return random_worlds.cases(kind, jax.random.key(seed), count, 3, 4)


def asked(record: Record, cases: Case) -> Measured:
    return jax.jit(functools.partial(measured, record))(cases)


def part(cases: Case, count: int) -> Case:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], cases)


def one(cases: Case, place: int = 0) -> Case:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[place], cases)


def rare(record: Record, wrong: Callable[[Case], Sides]) -> Record:
    return dataclasses.replace(record, function=wrong)


def run_test(source: str) -> None:
    defined: dict[str, Callable[[], None]] = {}
    exec(source, defined)
    (test,) = (value for name, value in defined.items() if name.startswith("test_"))
    test()
