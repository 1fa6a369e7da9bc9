"""A violating world made small: fewer contexts and outputs, then round numbers.

Greedy: the first simplification after which the claim still fails is kept, and the
search begins anew. Every candidate is measured; nothing is assumed of the claim.
"""

from collections.abc import Callable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from experiments.falsification.measures import measured
from theory.laws import Law, World
from theory.ledger import Case, Record, Sides
from theory.typing import Array

DIGITS = (0, 1, 2, 3, 4, 6, 9)  # decimals tried, fewest first

Fails = Callable[[Case], bool]
"""Whether a claim fails in one world."""


def failing(record: Record, function: Callable[[Case], Sides] | None = None) -> Fails:
    """The question whether a claim, or another function in its place, fails.

    It fails if the violation exceeds the record's tolerance. A claim that cannot be
    asked in a world, such as one with too few outputs, does not fail there.
    """
    asked = jax.jit(lambda case: measured(record, case, function).violation)

    def fails(case: Case) -> bool:
        try:
            found = asked(jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], case))
        except (TypeError, ValueError, IndexError, ZeroDivisionError):
            return False
        return bool(found[0] > record.tolerance)

    return fails


def shrunk(case: Case, fails: Fails) -> Case:
    """The smallest case found in which the claim still fails.

    Errors: ValueError if it does not fail in `case` itself.
    """
    case = jax.tree.map(np.asarray, case)
    if not fails(case):
        raise ValueError("the claim does not fail here: there is nothing to shrink")
    for simpler in (_fewer, _simpler, _rounder, _fewer, _rounder):
        while (found := _first(simpler(case), fails)) is not None:
            case = found
    return case


def size(case: Case) -> tuple[int, int]:
    """The numbers of contexts and outputs of one case."""
    contexts, outputs = np.shape(case.policy)
    return contexts, outputs


def _first(candidates: Iterator[Case], fails: Fails) -> Case | None:
    """The first candidate in which the claim fails."""
    return next((case for case in candidates if fails(case)), None)


def _fewer(case: Case) -> Iterator[Case]:
    """The case without one of its contexts or one of its outputs."""
    for axis, count in enumerate(size(case)):
        for place in range(count if count > 1 else 0):
            smaller = _without(case, place, axis)
            if smaller is not None:
                yield smaller


def _without(case: Case, place: int, axis: int) -> Case | None:
    """The case conditioned on not seeing a context (axis 0) or an output (axis 1)."""

    def kept(array: Array, along: int) -> np.ndarray:
        rest = np.delete(np.asarray(array), place, axis=along)
        return np.asarray(rest / rest.sum(-1, keepdims=True))

    def law(given: Law) -> Law:
        if axis == 1:
            return Law(given.contexts, kept(given.outputs, 1))
        return Law(
            kept(given.contexts, 0), np.delete(np.asarray(given.outputs), place, 0)
        )

    with np.errstate(invalid="ignore", divide="ignore"):
        world = World(*(law(given) for given in case.world))
        policy = kept(case.policy, 1) if axis else np.delete(case.policy, place, axis=0)
    smaller = Case(world, policy, case.penalty)
    finite = all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(smaller))
    return smaller if finite else None


def _simpler(case: Case) -> Iterator[Case]:
    """The case with one table replaced by another or made uniform."""
    if float(case.penalty) != 1:
        yield case._replace(penalty=np.array(1.0))
    leaves, structure = jax.tree.flatten(case)
    for place, leaf in enumerate(leaves):
        others = [np.full_like(leaf, 1 / leaf.shape[-1]) if leaf.ndim else leaf]
        others += [other for other in leaves[:place] if other.shape == leaf.shape]
        for rank, other in enumerate(others):
            # Uniform is simplest, then a copy of an earlier table, then one's own.
            if not any(np.array_equal(leaf, before) for before in others[: rank + 1]):
                changed = [*leaves[:place], other, *leaves[place + 1 :]]
                simple: Case = jax.tree.unflatten(structure, changed)
                yield simple


def _rounder(case: Case) -> Iterator[Case]:
    """The case with fewer decimals: in all tables at once, or in one of them."""
    leaves, structure = jax.tree.flatten(case)
    most = max(_decimals(leaf) for leaf in leaves)
    for digits in DIGITS:
        if digits < most:
            everywhere = [
                _rounded(leaf, min(digits, _decimals(leaf))) for leaf in leaves
            ]
            whole: Case = jax.tree.unflatten(structure, everywhere)
            if _valid(whole):
                yield whole
    for place, leaf in enumerate(leaves):
        for digits in DIGITS:
            if digits < _decimals(leaf):
                changed = [
                    *leaves[:place],
                    _rounded(leaf, digits),
                    *leaves[place + 1 :],
                ]
                single: Case = jax.tree.unflatten(structure, changed)
                if _valid(single):
                    yield single


def _valid(case: Case) -> bool:
    """Whether rounding has left a penalty above 0 and laws that are laws."""
    return float(case.penalty) > 0 and all(
        np.min(leaf) >= 0 for leaf in jax.tree.leaves(case)
    )


def _rounded(array: np.ndarray, digits: int) -> np.ndarray:
    """Rows to some decimals that still sum to 1: the largest entry takes the rest."""
    rounded = np.round(array, digits)
    if array.ndim:
        rows = rounded.reshape(-1, array.shape[-1])
        for row in rows:
            largest = int(np.argmax(row))
            row[largest] = np.round(1 - np.delete(row, largest).sum(), digits)
    return rounded


def _decimals(array: np.ndarray) -> int:
    """The decimals that an array has, 17 if more than DIGITS allow."""
    return next(
        (digits for digits in DIGITS if np.array_equal(np.round(array, digits), array)),
        17,
    )
