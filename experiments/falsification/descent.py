"""Descent on the slack: from the worst worlds met, downhill through JAX.

A case is moved by the logits of its laws and policy and by the logarithm of its
penalty. Outcomes without probability stay without; logits and penalty are projected
into a box. A step that leaves the domain, or makes a bound trivial, is taken back.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from experiments.falsification.measures import Measured, measured, measured_alone
from theory.laws import Law, World
from theory.ledger import Case, Record, Sides
from theory.typing import Array

LOGITS = 15.0  # logits lie in [-15, 15]: ratios of probabilities up to e^30
LOG_PENALTY = 6.0  # penalties lie in [e^-6, e^6]
FIRST_STEP, LAST_STEP = 0.3, 0.003  # lengths of the first and the last step
_FORGET, _FORGET_SQUARES = 0.9, 0.99


@dataclass(frozen=True)
class Descended:
    """Where the descents ended: the best of every start, and the cases there."""

    worst: Float[np.ndarray, " start"]
    worst_cases: Case
    tightest: Float[np.ndarray, " start"]
    tightest_cases: Case
    evaluations: int
    seconds: float
    seconds_compiling: float


Points = Float[jax.Array, "start number"]
"""Cases as numbers that may move freely in a box: logits, then the log penalty."""


class _Walk(NamedTuple):
    """Where every descent is, with Adam's averages, and the best it has met."""

    point: Points
    good: Points
    mean: Points
    square: Points
    shrink: Float[jax.Array, " start"]
    worst: Float[jax.Array, " start"]
    worst_at: Points
    tightest: Float[jax.Array, " start"]
    tightest_at: Points


def descended(
    record: Record,
    starts: Case,
    for_tightness: Bool[np.ndarray, " start"],
    steps: int,
    function: Callable[[Case], Sides] | None = None,
    *,
    lapack: bool = False,
) -> Descended:
    """The worst and the tightest cases met from each start.

    Half of the starts may walk up the violation, the others the tightness, as
    `for_tightness` says. Claims that call LAPACK must say so: they go world by world. A
    claim that cannot be differentiated raises what JAX does.
    """
    begin = time.monotonic()
    outputs = np.shape(starts.policy)[-1]

    def walked(points: Points, supports: jax.Array, sought: jax.Array) -> _Walk:
        def value(point: Points) -> tuple[jax.Array, Measured]:
            case = decoded(point, supports, outputs)
            found = (measured_alone if lapack else measured)(record, case, function)
            return jnp.where(sought, found.tightness, found.violation), found

        return _walked(value, points, steps)

    given = (*encoded(starts), np.asarray(for_tightness))
    program = jax.jit(walked).lower(*given).compile()
    compiled = time.monotonic()
    end = jax.device_get(program(*given))
    return Descended(
        worst=np.asarray(end.worst),
        worst_cases=decoded(end.worst_at, given[1], outputs),
        tightest=np.asarray(end.tightest),
        tightest_cases=decoded(end.tightest_at, given[1], outputs),
        evaluations=len(for_tightness) * steps,
        seconds=time.monotonic() - compiled,
        seconds_compiling=compiled - begin,
    )


def encoded(cases: Case) -> tuple[np.ndarray, np.ndarray]:
    """Cases as points, and which of their outcomes have probability.

    Formula: log p + a constant of the row, such that all logits lie in the box; smaller
    probabilities are raised into it. `decoded` is the way back.
    """
    laws = (cases.world.safety, cases.world.proxy, cases.world.capability)
    tables = (*(law.contexts for law in laws), *(law.outputs for law in laws))
    points, supports = [], []
    for rows in map(np.asarray, (*tables, cases.policy)):
        logs = np.log(np.maximum(rows, np.finfo(rows.dtype).tiny))
        logits = np.maximum(logs - logs.max(-1, keepdims=True) + LOGITS, -LOGITS)
        points.append(logits.reshape(len(rows), -1))
        supports.append(rows.reshape(len(rows), -1) > 0)
    penalty = np.clip(np.log(cases.penalty), -LOG_PENALTY, LOG_PENALTY)[:, None]
    return (
        np.concatenate([*points, penalty], axis=1),
        np.concatenate([*supports, np.ones_like(penalty, bool)], axis=1),
    )


def decoded(
    points: Points, supports: Bool[Array, "start number"], outputs: int
) -> Case:
    """The cases of points and supports, whose laws have so many outputs."""
    starts, numbers = points.shape
    contexts = (numbers - 1) // (3 + 4 * outputs)
    logits = jnp.where(supports, points, -jnp.inf)[:, :-1]
    mu, tables = jnp.split(logits, [3 * contexts], axis=1)
    mu = jax.nn.softmax(mu.reshape(starts, 3, contexts), axis=-1)
    tables = tables.reshape(starts, 4, contexts, outputs)
    tables = jax.nn.softmax(tables, axis=-1)
    laws = (Law(mu[:, role], tables[:, role]) for role in range(3))
    return Case(World(*laws), tables[:, 3], jnp.exp(points[:, -1]))


def _walked(
    value: Callable[[Points], tuple[jax.Array, Measured]], points: Points, steps: int
) -> _Walk:
    """The end of `steps` projected steps uphill from every point, all in one scan."""

    def total(point: Points) -> tuple[jax.Array, tuple[jax.Array, Measured]]:
        height, found = value(point)
        # A sum over starts, because its gradient is every start's own.
        fine = jnp.isfinite(height)
        return jnp.sum(jnp.where(fine, height, 0.0)), (fine, found)

    def step(walk: _Walk, time: jax.Array) -> tuple[_Walk, None]:
        slope, (fine, found) = jax.grad(total, has_aux=True)(walk.point)
        length = FIRST_STEP * (LAST_STEP / FIRST_STEP) ** (time / steps)
        return _moved(_noted(walk, found), fine, slope, length), None

    zeros, ones = jnp.zeros_like(points), jnp.ones_like(points[:, 0])
    none = jnp.full_like(ones, -jnp.inf)
    start = _Walk(points, points, zeros, zeros, ones, none, points, none, points)
    end, _ = jax.lax.scan(step, start, jnp.arange(steps))
    return end


def _noted(walk: _Walk, found: Measured) -> _Walk:
    """The walk that remembers the worst and the tightest case met."""
    worse = found.violation > walk.worst
    tighter = found.tightness > walk.tightest
    return walk._replace(
        worst=jnp.where(worse, found.violation, walk.worst),
        worst_at=jnp.where(worse[:, None], walk.point, walk.worst_at),
        tightest=jnp.where(tighter, found.tightness, walk.tightest),
        tightest_at=jnp.where(tighter[:, None], walk.point, walk.tightest_at),
    )


def _moved(walk: _Walk, fine: jax.Array, slope: Points, length: jax.Array) -> _Walk:
    """One projected step of Adam; from bad ground back to good, with half the step."""
    slope = jnp.where(jnp.isfinite(slope), slope, 0.0)
    good = jnp.where(fine[:, None], walk.point, walk.good)
    mean = _FORGET * walk.mean + (1 - _FORGET) * slope
    square = _FORGET_SQUARES * walk.square + (1 - _FORGET_SQUARES) * slope**2
    mean, square = (jnp.where(fine[:, None], new, 0.0) for new in (mean, square))
    shrink = jnp.where(fine, walk.shrink, walk.shrink / 2)
    step = (length * shrink)[:, None] * mean / (jnp.sqrt(square) + 1e-30)
    edge = jnp.full(slope.shape[1], LOGITS).at[-1].set(LOG_PENALTY)
    point = jnp.clip(good + step, -edge, edge)
    return walk._replace(
        point=point, good=good, mean=mean, square=square, shrink=shrink
    )
