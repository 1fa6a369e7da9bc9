"""Big batches of random cases of one shape: four kinds, thousands of worlds each."""

import jax

from experiments.falsification import random_worlds
from experiments.falsification.random_worlds import KINDS
from theory.ledger import Case

WORLDS, CONTEXTS, OUTPUTS = 3000, 3, 4

__all__ = ["CONTEXTS", "KINDS", "OUTPUTS", "WORLDS", "cases"]


def cases(kind: str, seed: int, count: int = WORLDS) -> Case:
    """The cases that `simlab falsify` draws, small enough to ask every test of them."""
    key = jax.random.key(seed)
    return random_worlds.cases(kind, key, count, CONTEXTS, OUTPUTS)
