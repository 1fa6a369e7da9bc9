"""A claim that takes a moment and writes all that claims write: for kills and disks.

Its first sweep is carried out in stretches, so that checkpoints lie between them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Evidence, Outcome, Verdict, conclude
from simlab.figures import canvas
from simlab.storage import Result

NAME = "tiny"
CHUNK = 2
STRETCHES = 3
WIDTH = 1_000


@dataclass(frozen=True)
class Config:
    """How much of it there is."""

    walks: int = 6  # in stretches, a chunk of runs after the other
    draws: int = 8  # at once, a chunk of runs after the other


PRESETS: Mapping[str, Any] = {"smoke": Config(), "laptop": Config()}


class State(NamedTuple):
    """A walker: what the next stretch needs."""

    step: jax.Array
    place: jax.Array


class Record(NamedTuple):
    """What is kept of a stretch."""

    loss: jax.Array


class Walk:
    """A noisy descent to zero: a wrong step, state or key changes every later bit."""

    stretches = STRETCHES

    def __call__(self, key: jax.Array) -> Any:
        """All of it at once."""
        state, losses = self.begin(key), []
        for _ in range(STRETCHES):
            state, record = self.advance(state, key)
            losses.append(record)
        records = jax.tree.map(lambda *each: jnp.stack(each), *losses)
        return {"place": state.place, "records": records}

    def begin(self, key: jax.Array) -> State:
        """A place of its own for every key."""
        return State(jnp.int32(0), jax.random.normal(key, (WIDTH,), jnp.float32))

    def advance(self, state: State, key: jax.Array) -> tuple[State, Record]:
        """A step towards zero and a random one."""
        noise = jax.random.normal(jax.random.fold_in(key, state.step), (WIDTH,))
        place = 0.9 * state.place + 0.1 * noise
        return State(state.step + 1, place), Record(jnp.mean(place**2))

    def end(self, state: State, records: Record) -> Any:
        """As `__call__` gives it."""
        return {"place": state.place, "records": records}


def predict(config: Config) -> xr.Dataset:
    """The variance of uniform numbers."""
    labels = {"units": "1", "long_name": "variance of uniform numbers"}
    return xr.Dataset({"predicted": ((), 1 / 12, labels)})


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Where the walkers are, and uniform numbers."""
    sizes: dict[str, int] = {"steps": 1, "tokens_per_step": 1, "chunk": CHUNK}
    walkers = jax.random.split(jax.random.key(1), config.walks)
    walked = bench.sweep("walk", Walk(), (walkers,), **sizes)
    keys = jax.random.split(jax.random.key(2), config.draws)

    def task(key: jax.Array) -> jax.Array:
        return jax.random.uniform(key, (WIDTH,), jnp.float32)

    drawn = bench.sweep("draw", task, (keys,), **sizes)
    labels = {"units": "1", "long_name": "what was measured"}
    return xr.Dataset(
        {
            "loss": (("run", "record"), np.asarray(walked["records"].loss), labels),
            "place": (("run", "value"), np.asarray(walked["place"]), labels),
            "drawn": (("sample", "value"), np.asarray(drawn), labels),
        }
    )


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Whether the variance is what it should be, to an eighth."""
    off = abs(float(data["drawn"].var()) - float(data["predicted"]))
    outcome = Outcome.HOLDS if off < 0.01 else Outcome.VIOLATED
    return conclude([Evidence("is it?", outcome, 0.01 - off, "1", "")], diverged=0)


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """The losses."""
    figure = canvas(2.0, 1.5)
    figure.add_subplot().plot(data["loss"].values.T)
    return figure


def bits(result: Result) -> str:
    """What must be the same whenever and however often a run was cut off."""
    return str(result.manifest["trace_sha256"])
