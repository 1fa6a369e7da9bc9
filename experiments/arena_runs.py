"""The arena's runs: guards are prepared, then users train them, many to a program.

Chunks are full, of however few runs: tuning and fighting are then of one shape, and the
second finds the first's program in the compilation cache, which saves more than the
padding costs.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.arena_worlds import Begun
from experiments.bench import Bench
from experiments.pytrees import picked, stacked
from simlab.attacks import Attack, poisoned
from simlab.defences import Arm, Defence, Guard, Known, Lab, Regime, User
from simlab.models import Params
from simlab.optimizers import Optimizer


class Entrant(NamedTuple):
    """A defence at one of its settings, in the world of a seed (by its place)."""

    arm: Arm
    setting: float
    seed: int


class Bout(NamedTuple):
    """An entrant (by its place) against an attack (by its place)."""

    entrant: int
    attack: int


def prepared(
    lab: Lab,
    entrants: Sequence[Entrant],
    begun: Begun,
    keys: jax.Array,
    bench: Bench,
    stage: str,
) -> Guard:
    """The guards of all entrants, stacked in their order.

    One sweep a defence. Arms of one defence and seed share their key, so that controls
    differ from what they control in nothing else.
    """
    places: dict[Defence, list[int]] = {}
    for place, entrant in enumerate(entrants):
        places.setdefault(entrant.arm.defence, []).append(place)
    guards, order = [], []
    for number, (defence, own) in enumerate(places.items()):
        mine = [entrants[place] for place in own]
        knobs = stacked([_numbers(one.arm.knobs(one.setting)) for one in mine])
        seed = np.array([one.seed for one in mine])
        inputs = (picked(begun.base, seed), picked(begun.known, seed), knobs)
        guard = bench.sweep(
            f"{stage} {number}: {mine[0].arm.name}",
            _preparation(lab, defence),
            (*inputs, jax.vmap(jax.random.fold_in, (0, None))(keys[seed], 1)),
            steps=getattr(defence, "steps", 1),
            tokens_per_step=getattr(defence, "batch", 1) * lab.model.length,
            chunk=bench.chunk,
        )
        guards.append(guard)
        order.extend(own)
    back = np.argsort(order)
    whole: Guard = jax.tree.map(lambda *ls: np.concatenate(ls)[back], *guards)
    return whole


def _preparation(lab: Lab, defence: Defence) -> Any:
    def task(base: Params, known: Known, knobs: Any, key: jax.Array) -> Guard:
        return defence.prepare(lab, base, known, knobs, key)

    return task


def _numbers(knobs: Any) -> Any:
    return jax.tree.map(np.float32, knobs)


def fought(
    lab: Lab,
    bouts: Sequence[Bout],
    entrants: Sequence[Entrant],
    guards: Guard,
    attacks: Sequence[Attack],
    begun: Begun,
    keys: jax.Array,
    bench: Bench,
    stage: str,
) -> np.ndarray:
    """Logits of every bout's deployed model: [bout, stop, x, node, v].

    One sweep for each regime and optimiser. All entrants of a seed meet an attack with
    the same key and data.
    """
    places: dict[tuple[Regime, Optimizer], list[int]] = {}
    for place, bout in enumerate(bouts):
        regime = entrants[bout.entrant].arm.regime
        kind = (regime, attacks[bout.attack].optimizer)
        places.setdefault(kind, []).append(place)
    found, order = [], []
    for number, ((regime, optimizer), own) in enumerate(places.items()):
        mine = [bouts[place] for place in own]
        seed = np.array([entrants[bout.entrant].seed for bout in mine])
        attack = np.array([bout.attack for bout in mine])
        streams = jax.vmap(lambda key, i: jax.random.fold_in(key, 2 + i))(
            keys[seed], jnp.asarray(attack)
        )
        inputs = (
            picked(guards, np.array([bout.entrant for bout in mine])),
            picked((begun.useful, begun.harmful, begun.near), seed),
            picked(_traced(attacks), attack),
            streams,
        )
        logits = bench.sweep(
            f"{stage} {number}: {type(regime).__name__}",
            _training(lab, regime, optimizer),
            inputs,
            steps=lab.steps,
            tokens_per_step=(lab.batch + lab.batch_own) * lab.model.length,
            chunk=bench.chunk,
        )
        found.append(logits)
        order.extend(own)
    whole: np.ndarray = np.concatenate(found)[np.argsort(order)]
    return whole


class _Numbers(NamedTuple):
    """What is traced of an attack."""

    rate: Any
    share: Any
    samples: Any
    near: Any


def _traced(attacks: Sequence[Attack]) -> _Numbers:
    """One row an attack."""
    return _Numbers(
        rate=np.array([one.rate for one in attacks], np.float32),
        share=np.array([one.share for one in attacks], np.float32),
        samples=np.array([one.samples for one in attacks], np.int32),
        near=np.array([one.near for one in attacks]),
    )


def _training(lab: Lab, regime: Regime, optimizer: Optimizer) -> Any:
    def task(guard: Guard, pools: Any, attack: _Numbers, key: jax.Array) -> jax.Array:
        useful, harmful, near = pools
        bad = jnp.where(attack.near, near, harmful)
        data = poisoned(useful, bad, attack.share, attack.samples)
        user = User(*data, rate=attack.rate)
        return regime.train(lab, optimizer, guard, user, key)

    return task
