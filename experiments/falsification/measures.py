"""What one evaluation measures: how badly a claim fails, and how tight it is."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.ledger import Case, Record, Side, Sides, violation

NON_TRIVIAL = 1e-3
"""Nats that the larger side of a bound must exceed to count as tight: 0 <= 0 is not."""

TWO_SIDED = (Side.IDENTITY, Side.SCALING)
"""Claims that two sides agree, rather than that one is the larger."""


class Measured(NamedTuple):
    """A claim asked of a batch of worlds, the worst context of each: [world].

    `violation` is that of the ledger: (left - right) / max(1, |left|, |right|), -inf
    outside the domain. `tightness` is left / right for bounds, -inf unless right >
    NON_TRIVIAL; for identities and scaling laws the error in units of the tolerance.
    """

    violation: Float[jax.Array, " world"]
    tightness: Float[jax.Array, " world"]


def measured(
    record: Record, case: Case, function: Callable[[Case], Sides] | None = None
) -> Measured:
    """How a batch of worlds treats a claim; `function` stands in for the record's own.

    Shapes: [world], [world, x], [world, x, y] -> [world].
    """
    left, right = (function or record.function)(case)
    left, right = jnp.broadcast_arrays(left, right)
    failed = violation(record, case, lambda _: Sides(left, right))
    if record.side in TWO_SIDED:
        tightness = failed / record.tolerance
    else:
        finite = jnp.isfinite(left) & jnp.isfinite(right)
        counted = (failed > -jnp.inf) & (right > NON_TRIVIAL) & finite
        ratio = left / jnp.where(counted, right, 1.0)
        tightness = jnp.where(counted, ratio, -jnp.inf)
    worlds = jnp.shape(case.penalty)
    return Measured(_worst(failed, worlds), _worst(tightness, worlds))


def measured_alone(
    record: Record, case: Case, function: Callable[[Case], Sides] | None = None
) -> Measured:
    """As `measured`, but world by world, for claims that call LAPACK.

    jaxlib (0.10, CPU) splits a batch of matrices over the threads that run the program
    and waits for them there; two such calls at once can wait for each other for ever. A
    batch of one is not split.
    """

    def alone(single: Case) -> Measured:
        found = measured(
            record, jax.tree.map(lambda leaf: leaf[None], single), function
        )
        return Measured(*(value[0] for value in found))

    return Measured(*jax.lax.map(alone, jax.tree.map(jnp.asarray, case)))


def _worst(values: jax.Array, worlds: tuple[int, ...]) -> jax.Array:
    """The largest value of every world."""
    if values.ndim == 0:  # a claim that looks at no world is the same in all of them
        return jnp.broadcast_to(values, worlds)
    return jnp.max(values.reshape(*worlds, -1), axis=-1)
