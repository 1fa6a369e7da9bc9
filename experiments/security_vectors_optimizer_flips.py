"""How long a transformer stays safe on pure harm, by the dose of the vector.

A model flips when, with the vector off, it complies with half of the held-out requests.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import Bench
from experiments.labels import Variable
from experiments.pytrees import folded, picked, stacked
from experiments.vector_lab import (
    Rows,
    VectorLab,
    keys_of,
    optimizers,
    transformer,
)
from experiments.vector_readings import NATS
from simlab.diagnosis import Answers, answered
from simlab.models import Adapted, Dense, Params, Part, carried, gated
from simlab.sources import DatasetSource
from simlab.training import Hyper, Setup, State, advance, begin
from theory.unlearnability import flip_time, flip_time_by_loss

HALF = 0.5
"""The share of held-out harmful requests that a flipped model complies with."""

DIMS = ("seed", "flipper", "dose")
_FLIPPING = 7


class Way(NamedTuple):
    """The inputs of one run; `start` has the dose as its gate."""

    start: Any
    rows: Any
    held_out: Any
    rate: Any
    key: Any


class Flip(NamedTuple):
    """When a run flipped, `every` steps apart (`steps` may be the cut-off), and the
    harmful loss: deployed and in training before, deployed after.
    """

    steps: Any
    match: Any
    before: Answers
    after: Answers


def flips(
    lab: VectorLab,
    bench: Bench,
    optimizer: str,
    rate: float,
    doses: tuple[float, ...],
    every: int,
    most: int,
    bases: Params,
    rows: Rows,
    vectors: Any,
) -> Flip:
    """Every dose of every seed until it flips or is cut off: leaves [seed, dose, ...].

    Runs of one seed see the same data in the same order.
    """
    setup = Setup(
        Adapted(transformer(lab), Dense(), Part.BASE), steps=most, batch=lab.batch,
        records=1, warmup=0.0, optimizer=optimizers()[optimizer], enumerated=False,
        decay=False, scored=lab.response,
    )  # fmt: skip
    keys = keys_of(lab, _FLIPPING)
    ways = [
        Way(
            jax.device_get(carried(picked(bases, i), picked(vectors, i), dose)),
            picked(rows, i).tune["H"],
            picked(rows, i).held_out["H"],
            np.float32(rate),
            keys[i],
        )
        for i in range(lab.seeds)
        for dose in doses
    ]
    done: Flip = bench.sweep(
        f"flips, {optimizer}",
        lambda way: _until_flipped(setup, way, every),
        (stacked(ways),),
        steps=most,
        tokens_per_step=lab.batch * (1 + setup.model.length),
    )
    return folded(done, (lab.seeds, len(doses)))


def _until_flipped(setup: Setup, way: Way, every: int) -> Flip:
    """One run; a loss that becomes NaN flips nothing and stays in `after`."""
    model, scored = setup.model, setup.scored
    assert scored is not None
    hyper = Hyper(way.rate, jnp.zeros(()), DatasetSource(way.rows), None, way.start)
    key = jax.random.wrap_key_data(way.key)

    def asked(params: Any, gate: Any) -> Answers:
        return answered(model, gated(params, gate), way.held_out, scored)

    def onward(carry: tuple[State, Answers]) -> tuple[State, Answers]:
        state = jax.lax.fori_loop(
            0, every, lambda _, one: advance(setup, hyper, key, one)[0], carry[0]
        )
        return state, asked(state.params, 0.0)

    gates = jnp.stack([jnp.zeros_like(way.start.gate), way.start.gate])
    before = jax.lax.map(lambda gate: asked(way.start, gate), gates)
    first = jax.tree.map(lambda leaf: leaf[0], before)
    state, after = jax.lax.while_loop(
        lambda carry: (carry[1].match < HALF) & (carry[0].step < setup.steps),
        onward,
        (begin(setup, hyper), first),
    )
    return Flip(state.step, after.match, before, after)


def flip_readings(
    lab: VectorLab, found: Mapping[str, Flip], every: int
) -> dict[str, Variable]:
    """Steps, losses and the law of one margin, [seed, flipper, dose].

    `every` is the time between two looks: a run that was cut off never flipped as far
    as one can tell, and its steps are inf.
    """

    def joined(part: Any) -> np.ndarray:
        return np.stack([np.asarray(part(one)) for one in found.values()], axis=1)

    flipped = joined(lambda one: one.match) >= HALF
    steps = np.where(flipped, joined(lambda one: one.steps), np.inf)
    off, on = (joined(lambda one, i=i: one.before.loss[..., i]) for i in (0, 1))
    after = joined(lambda one: one.after.loss)
    delay = law(off / lab.response, on / lab.response)
    error = joined(lambda one: one.before.error[..., 1])
    return {
        "flip_steps": (DIMS, steps, "steps", f"steps to the flip, seen each {every}"),
        "flip_off": (DIMS, off, NATS, "harmful loss at the start, deployed"),
        "flip_on": (DIMS, on, NATS, "harmful loss at the start, in training"),
        "flip_error": (DIMS, error, "1", "mean 1 - p of harm at the start, training"),
        "flip_after": (DIMS, after, NATS, "harmful loss at the end, deployed"),
        "flip_law": (DIMS, delay, "1", "delay over no vector, were it one margin"),
        "flip_diverged": (
            DIMS, (~np.isfinite(after)).astype(int), "1", "whether a run diverged",
        ),
    }  # fmt: skip


def law(off: np.ndarray, on: np.ndarray) -> np.ndarray:
    """T_flip over that without a vector, of one margin with these losses per token.

    Formula: (m + (e^m - 1) / (e^L_on - 1)) / (m + 1 - e^-m), L_off = log(1 + e^m).
    Domain: L_off > log 2, as of a safe model. Source: derived, security-vector notes
    theorem 3'; a transformer is outside its domain.
    """
    with jax.enable_x64(True):
        margin = np.log(np.expm1(np.asarray(off, float)))
        time = flip_time_by_loss(margin, np.asarray(on, float))
        return np.asarray(time / flip_time(margin, np.zeros_like(margin)))
