"""Tasks in stretches: a loop on the host over one compiled program, state kept between.

For runs that outlast the patience of a machine: after any stretch the state can be
written down, and a later process goes on from there to the same bits.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from simlab import processes
from simlab.executors import Costs, Stage
from simlab.placement import Blocks, Placement, Stacked


@runtime_checkable
class Stretched(Protocol):
    """A task that can be carried out in stretches."""

    @property
    def stretches(self) -> int:
        """How many there are."""

    def begin(self, *inputs: Any) -> Any:
        """One run's state before the first stretch."""

    def advance(self, state: Any, *inputs: Any) -> tuple[Any, Any]:
        """One run's state after a stretch, and the record of it."""

    def end(self, state: Any, records: Any) -> Any:
        """The result of all runs, from their states and records [run, stretch, ...]."""


@runtime_checkable
class Keeper(Protocol):
    """Where the state of a batch in flight is kept."""

    def due(self) -> bool:
        """Whether it is time to keep it."""

    def load(self, name: str, like: Any) -> tuple[int, Any] | None:
        """The last state kept under a name and its stretch, or None."""

    def save(self, name: str, step: int, state: Any) -> None:
        """Keeps a pytree of host arrays."""

    def clear(self, name: str) -> None:
        """Forgets what is kept under a name."""


@dataclass(frozen=True)
class Watch:
    """What a long computation tells while it runs, and asks."""

    say: Callable[[str], None] = lambda line: None  # one line for the log
    hear: Callable[..., None] = lambda event, **fields: None  # an event for the stream
    stopped: Callable[[], None] = lambda: None  # raises if the run is to stop now


class Loop:
    """A stretched task over a batch of runs, resumed from what `keeper` has of it."""

    def __init__(
        self,
        task: Stretched,
        place: Placement,
        costs: Costs,
        keeper: Keeper,
        watch: Watch,
    ) -> None:
        self._task, self._place, self._keeper = task, place, keeper
        self._watch = watch
        self._shapes: tuple[Any, Any] | None = None
        self._begin = Stage(task.begin, place, costs)
        self._advance = Stage(task.advance, place, costs, 0)

    def __call__(self, inputs: tuple[Stacked, ...], free: float, name: str) -> Stacked:
        """The result of every run, on the host. Errors: ExhaustedError."""
        blocks = [self._place.put(each) for each in inputs]
        states = self._begin(*blocks, free=free)
        done, states, records = self._resumed(name, inputs, states)
        while done < self._task.stretches:
            begin = time.monotonic()
            out = self._advance(states, *blocks, free=free)
            states = [each[0] for each in out]
            new = host_tree(self._place, [each[1] for each in out])
            jax.tree.map(_set(done), records, new)
            done += 1
            self._tell(name, done, new, time.monotonic() - begin)
            if done < self._task.stretches:
                self._keep(name, done, states, records)
                self._watch.stopped()
        return self._task.end(host_tree(self._place, states), records)

    def _resumed(
        self, name: str, inputs: tuple[Stacked, ...], states: Blocks
    ) -> tuple[int, Blocks, Stacked]:
        """Stretches done, states on the devices, records with room for all of them."""
        if self._shapes is None:  # all batches have the same
            task = self._task
            state = jax.eval_shape(jax.vmap(task.begin), *inputs)
            out = jax.eval_shape(jax.vmap(task.advance), state, *inputs)
            self._shapes = state, out[1]
        state, record = self._shapes
        total = self._task.stretches
        room = jax.tree.map(
            lambda leaf: np.zeros((leaf.shape[0], total, *leaf.shape[1:]), leaf.dtype),
            record,
        )
        like, mine = (state, room), processes.is_writer()
        found = self._keeper.load(name, like) if mine else None
        done, (state, room) = _shared(found, like)
        return (done, self._place.put(state), room) if done else (0, states, room)

    def _keep(self, name: str, done: int, states: Blocks, records: Stacked) -> None:
        if -processes.least(-float(self._keeper.due())):  # any process' word counts
            kept = host_tree(self._place, states), records
            if processes.is_writer():
                self._keeper.save(name, done, kept)
                self._watch.hear("checkpoint", name=name, step=done)

    def _tell(self, name: str, done: int, record: Any, seconds: float) -> None:
        loss = getattr(record, "loss", None)
        told = {} if loss is None else _told_loss(loss)
        self._watch.hear(
            "stretch", name=name, stretch=done, stretches=self._task.stretches,
            seconds=seconds, **told,
        )  # fmt: skip


def host_tree(place: Placement, blocks: Blocks) -> Stacked:
    """The results of all runs of all processes, as a pytree of host arrays."""
    return jax.tree.unflatten(jax.tree.structure(blocks[0]), place.collected(blocks))


def _set(place: int) -> Callable[[np.ndarray, np.ndarray], None]:
    def put(room: np.ndarray, leaf: np.ndarray) -> None:
        room[:, place] = leaf

    return put


def _shared(found: tuple[int, Any] | None, like: Any) -> tuple[int, Any]:
    """What process 0 found, in every process; 0 stretches if it found nothing."""
    leaves, structure = jax.tree.flatten(like if found is None else found[1])
    if not processes.several():
        return (0, like) if found is None else found
    done = int(processes.told_number(0 if found is None else found[0]))
    if not done:
        return 0, like
    mine = processes.is_writer()
    sent = {str(k): np.asarray(leaf) if mine else leaf for k, leaf in enumerate(leaves)}
    got = processes.told(sent if mine else None)
    if got is None:
        return 0, like
    return done, jax.tree.unflatten(structure, [got[place] for place in sent])


def _told_loss(loss: np.ndarray) -> dict[str, float | int]:
    """The mean loss of the runs that are finite, and how many are not."""
    finite = np.isfinite(loss)
    mean = float(np.mean(loss[finite])) if finite.any() else float("nan")
    return {"loss": mean, "diverged": int(np.sum(~finite))}
