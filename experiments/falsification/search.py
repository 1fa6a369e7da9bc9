"""Random search: groups of claims asked of millions of combined worlds, compiled."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from experiments.falsification.groups import LARGEST_BATCH, Group
from experiments.falsification.random_worlds import (
    Bank,
    Choice,
    bank,
    choices,
    combined,
)
from theory.ledger import Case

ROUNDS = 32  # of one call, whatever the machine: so a seed is the same search anywhere
BANK_ROWS = 2048  # rows a kind
CALLS_A_BANK = 64  # then another is drawn


class Place(NamedTuple):
    """Where a world was met: drawn again from it, never stored."""

    call: int
    round: int
    column: int


@dataclass(frozen=True)
class Worlds:
    """The worlds of one search, each known by its place."""

    seed: int
    contexts: int
    outputs: int

    def bank(self, call: int) -> Bank:
        """The bank that a call reads."""
        key = jax.random.fold_in(jax.random.key(self.seed), 2 * (call // CALLS_A_BANK))
        drawn: Bank = _drawn_bank(key, self.contexts, self.outputs)
        return drawn

    def choices(self, call: int) -> Choice:
        """What a call reads of its bank, round by round."""
        key = jax.random.fold_in(jax.random.key(self.seed), 2 * call + 1)
        drawn: Choice = _drawn_choices(key, ROUNDS)
        return drawn

    def cases(self, places: Sequence[Place], batch: int) -> Case:
        """The cases met at some places of a search in rounds of `batch`, stacked."""
        found = [self._case(place, batch) for place in places]
        stacked: Case = jax.tree.map(lambda *leaves: np.stack(leaves), *found)
        return stacked

    def _case(self, place: Place, batch: int) -> Case:
        choice = jax.tree.map(lambda leaf: leaf[place.round], self.choices(place.call))
        met = _combined(self.bank(place.call), choice, batch)
        own: Case = jax.tree.map(lambda leaf: np.asarray(leaf[place.column]), met)
        return own


class Rounds(NamedTuple):
    """What a call reports, [round, claim]: extremes, their columns, planted errors.

    `caught` counts the worlds in which the planted error was seen, `first` is the first
    of them (the batch if none).
    """

    worst: Any
    worst_at: Any
    tightest: Any
    tightest_at: Any
    caught: Any
    first: Any


@dataclass
class Tally:
    """What a search found of one claim, call after call."""

    rounds: list[Rounds] = field(default_factory=list)
    batch: int = 1
    seconds: float = 0.0
    together: int = 1  # claims that shared the seconds

    @property
    def evaluations(self) -> int:
        """Worlds that the claim was asked of."""
        return self.batch * sum(len(call.worst) for call in self.rounds)

    def extremes(self, name: str, count: int) -> list[Place]:
        """The places of the largest values, `worst` or `tightest`, one a round."""
        values = np.stack([getattr(call, name) for call in self.rounds])
        columns = np.stack([getattr(call, f"{name}_at") for call in self.rounds])
        order = np.argsort(-values, axis=None, kind="stable")[:count]
        calls, rounds = np.unravel_index(order, values.shape)
        return [
            Place(int(call), int(row), int(columns[call, row]))
            for call, row in zip(calls, rounds, strict=True)
        ]

    def largest(self, name: str) -> float:
        """The largest of all values, `worst` or `tightest`."""
        return float(max(np.max(getattr(call, name)) for call in self.rounds))

    def share_caught(self) -> float:
        """The share of worlds in which the planted error was seen."""
        return float(sum(np.sum(call.caught) for call in self.rounds)) / max(
            self.evaluations, 1
        )

    def needed(self) -> int | None:
        """Evaluations until the planted error was first seen, None if never."""
        first = np.concatenate([call.first for call in self.rounds])
        seen = np.flatnonzero(first < self.batch)
        return int(seen[0] * self.batch + first[seen[0]] + 1) if seen.size else None


@dataclass(frozen=True)
class Compiled:
    """A group's program for all devices, and the seconds it took to compile."""

    group: Group
    program: Callable[[Bank, Choice], Rounds]
    seconds: float


def compiled(group: Group, worlds: Worlds, devices: Sequence[jax.Device]) -> Compiled:
    """A group's program: the same for every device, which share the rounds."""
    begin = time.monotonic()
    sharing = max(n for n in range(1, len(devices) + 1) if ROUNDS % n == 0)
    mesh = Mesh(np.asarray(devices[:sharing]), ("round",), axis_types=(AxisType.Auto,))
    everywhere, shared = PartitionSpec(), PartitionSpec("round")
    function = jax.shard_map(
        lambda bank, choice: jax.lax.map(
            lambda one: _explored(group, bank, one), choice
        ),
        mesh=mesh,
        in_specs=(everywhere, shared),
        out_specs=shared,
        check_vma=False,
    )
    shapes = (
        _placed(jax.eval_shape(lambda: worlds.bank(0)), mesh, everywhere),
        _placed(jax.eval_shape(lambda: worlds.choices(0)), mesh, shared),
    )
    program = jax.jit(function).lower(*shapes).compile()

    def call(bank: Bank, choice: Choice) -> Rounds:
        given = (
            jax.device_put(bank, NamedSharding(mesh, everywhere)),
            jax.device_put(choice, NamedSharding(mesh, shared)),
        )
        return Rounds(*jax.device_get(program(*given)))

    return Compiled(group, call, time.monotonic() - begin)


def searched(ready: Compiled, worlds: Worlds, budget: int) -> list[Tally]:
    """The tallies of a group's claims after at least `budget` evaluations of each.

    Only the calls are timed, with the combining of the worlds; not the compilation,
    nor the drawing of banks (some milliseconds every half a million worlds).
    """
    batch = ready.group[0].batch
    tallies = [Tally(batch=batch, together=len(ready.group)) for _ in ready.group]
    for call in range(-(-budget // (batch * ROUNDS))):
        if call % CALLS_A_BANK == 0:
            held = jax.block_until_ready(worlds.bank(call))
        chosen = worlds.choices(call)
        begin = time.monotonic()
        found = ready.program(held, chosen)
        elapsed = time.monotonic() - begin
        for place, tally in enumerate(tallies):
            tally.rounds.append(Rounds(*(leaf[:, place] for leaf in found)))
            tally.seconds += elapsed
    return tallies


def _explored(group: Group, held: Bank, choice: Choice) -> Rounds:
    """One round: a batch of worlds, every claim of the group asked of each."""
    case = combined(held, choice, group[0].batch)
    return Rounds(
        *(jnp.stack(column) for column in zip(*_asked(group, case), strict=True))
    )


def _asked(group: Group, case: Case) -> Iterator[tuple[jax.Array, ...]]:
    """For every claim its extremes, their columns, and how the planted error fared."""
    for claim in group:
        (violation, tightness), wrong = claim(case)
        seen = (
            wrong[0] > claim.record.tolerance
            if wrong
            else jnp.zeros_like(violation, bool)
        )
        yield (
            jnp.max(violation),
            jnp.argmax(violation),
            jnp.max(tightness),
            jnp.argmax(tightness),
            jnp.sum(seen),
            jnp.where(jnp.any(seen), jnp.argmax(seen), claim.batch),
        )


def _placed(shapes: Any, mesh: Mesh, spec: PartitionSpec) -> Any:
    """Shapes that say where their arrays lie."""
    sharding = NamedSharding(mesh, spec)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        shapes,
    )


@partial(jax.jit, static_argnums=(1, 2))
def _drawn_bank(key: jax.Array, contexts: int, outputs: int) -> Bank:
    """A bank of the usual size."""
    return bank(key, BANK_ROWS, LARGEST_BATCH, contexts, outputs)


@partial(jax.jit, static_argnums=1)
def _drawn_choices(key: jax.Array, rounds: int) -> Choice:
    """The choices of one call."""
    return choices(key, rounds, BANK_ROWS)


@partial(jax.jit, static_argnums=2)
def _combined(held: Bank, choice: Choice, count: int) -> Case:
    """The cases of one round."""
    return combined(held, choice, count)
