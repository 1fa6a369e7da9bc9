"""Claims that are compiled together, so that what they share is computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from experiments.falsification.measures import Measured, measured, measured_alone
from theory.laws import Law, World
from theory.ledger import Case, Record, Side, Sides

CLOSED_TOGETHER = 24  # closed forms a program: half a minute to compile, no more
LOOPED_TOGETHER = 4  # claims with loops, which share less
LARGEST_BATCH = 512  # worlds a round: their tables stay in a core's cache
LOOPED_BATCH = 64  # of claims with loops, which are asked of fewer worlds
LAPACK_BATCH = 16  # of claims that go world by world
ROUND_BYTES = 64e6  # what the intermediate arrays of a round may take, roughly
_LOOPS = {"scan", "while"}
_LAPACK = {"cholesky", "triangular_solve", "lu", "eig", "eigh", "svd", "geqrf", "schur"}


@dataclass(frozen=True)
class Traced:
    """A claim and its planted error as programs for rounds of `batch` worlds.

    `loops` says that the programs iterate, `lapack` that they go world by world.
    """

    record: Record
    batch: int
    loops: bool
    lapack: bool
    claim: core.ClosedJaxpr
    planted: core.ClosedJaxpr | None

    def __call__(self, case: Case) -> tuple[list[jax.Array], list[jax.Array]]:
        """[violation, tightness] of the claim, then of its planted error if any."""
        leaves = jax.tree.leaves(case)
        own = core.jaxpr_as_fun(self.claim)(*leaves)
        wrong = core.jaxpr_as_fun(self.planted)(*leaves) if self.planted else []
        return own, wrong


Group = tuple[Traced, ...]
"""Claims of one program: equal batches, all with loops or all without."""


def case_shape(worlds: int, contexts: int, outputs: int) -> Case:
    """The shapes and dtypes of a batch of cases, without any numbers."""
    dtype = jnp.asarray(0.0).dtype

    def shaped(*shape: int) -> Any:
        return jax.ShapeDtypeStruct((worlds, *shape), dtype)

    law = Law(shaped(contexts), shaped(contexts, outputs))
    return Case(World(law, law, law), shaped(contexts, outputs), shaped())


def traced(
    record: Record,
    contexts: int,
    outputs: int,
    batch: int = LARGEST_BATCH,
    *,
    control: bool = True,
) -> Traced:
    """A claim ready to be compiled, in a batch that its largest array allows.

    Its planted error comes along as a negative control unless `control` is False.
    """
    shape = case_shape(batch, contexts, outputs)
    claim = _program(record, None, shape, measured)
    used = primitives(claim.jaxpr)
    loops, lapack = bool(used & _LOOPS), bool(used & _LAPACK)
    allowed = ROUND_BYTES / (16 * 8 * largest_array(claim.jaxpr) / batch)
    most = LAPACK_BATCH if lapack else LOOPED_BATCH if loops else batch
    fitting = min(2 ** int(np.log2(max(allowed, 1))), most)
    if fitting < batch:
        return traced(record, contexts, outputs, fitting, control=control)
    measure = measured_alone if lapack else measured
    if lapack:
        claim = _program(record, None, shape, measure)
    wrong = record.planted if control else None
    planted = _program(record, wrong, shape, measure) if wrong else None
    return Traced(record, batch, loops or lapack, lapack, claim, planted)


def grouped(claims: Sequence[Traced]) -> list[Group]:
    """Neighbours in the ledger that are alike, in groups of bounded size."""
    groups: list[list[Traced]] = []
    for claim in claims:
        most = LOOPED_TOGETHER if claim.loops else CLOSED_TOGETHER
        alike = [
            group
            for group in groups[-2:]
            if _kind(group[0]) == _kind(claim) and len(group) < most
        ]
        if alike:
            alike[-1].append(claim)
        else:
            groups.append([claim])
    return [tuple(group) for group in groups]


def _kind(claim: Traced) -> tuple[bool, bool, bool, int]:
    """What the claims of one program must have in common: they get equal budgets."""
    false = claim.record.side is Side.FALSE
    return false, claim.loops, claim.lapack, claim.batch


def primitives(program: core.Jaxpr) -> set[str]:
    """The names of all operations of a program."""
    own = {equation.primitive.name for equation in program.eqns}
    return own.union(*(primitives(inner) for inner in core.subjaxprs(program)))


def largest_array(program: core.Jaxpr) -> int:
    """The number of elements of the largest array that a program computes."""
    own = [
        int(np.prod(variable.aval.shape))
        for equation in program.eqns
        for variable in equation.outvars
        if hasattr(variable.aval, "shape")
    ]
    inner = [largest_array(part) for part in core.subjaxprs(program)]
    return max([1, *own, *inner])


def _program(
    record: Record,
    function: Callable[[Case], Sides] | None,
    shape: Case,
    measure: Callable[..., Measured],
) -> core.ClosedJaxpr:
    """What one function's measures are, as a program of flat arguments."""
    return jax.make_jaxpr(lambda case: tuple(measure(record, case, function)))(shape)
