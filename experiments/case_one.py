"""Case I in worlds of short sequences: its exact prediction and its simulation."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.bench import Bench
from experiments.labels import Variable, axes_of, labelled
from experiments.pytrees import picked, repeated
from experiments.stored_laws import law_table, law_variables, stored_law
from experiments.worlds import SequenceWorlds
from simlab.evaluation import exact_gap
from simlab.sweeps import Grid, run_task
from simlab.training import Hyper, Record, Setup, Trace, run
from theory.laws import Law, World
from theory.tradeoff import (
    optimal_gaps,
    optimum,
    proxy_floor,
    reach,
    safety_transfer,
)
from theory.typing import Array

NATS = "nats per sequence"
_CELLS = ("proxy", "overlap", "penalty")
_CURVE = ("proxy", "overlap", "fine")


def predicted(
    made: SequenceWorlds, penalties: Sequence[float], zeta_target: float
) -> xr.Dataset:
    """The gaps of the best policy, the gaps within reach of zeta, and the frontier.

    The certificate allowed at a penalty is zeta_target * (1 + penalty): zeta_target
    nats per sequence of the training mixture, whose mass is 1 + penalty.
    """
    with jax.enable_x64(True):
        world = picked(made.world, np.s_[:, :, None])
        grid = jnp.asarray(penalties)
        fine = jnp.geomspace(grid[0] / 3, grid[-1] * 3, 97)
        best, curve = (jax.jit(optimal_gaps)(world, values) for values in (grid, fine))
        allowed = jax.jit(reach)(world, grid, zeta_target * (1 + grid))
        transfer = jax.jit(safety_transfer)(world, grid, zeta_target * (1 + grid))
        nats = {
            "best_safety": (_CELLS, best.safety, "true safety gap of the best policy"),
            "best_proxy": (_CELLS, best.proxy, "proxy gap of the best policy"),
            "best_capability": (_CELLS, best.capability, "its capability gap"),
            "optimum": (_CELLS, jax.jit(optimum)(world, grid), "least penalised gap J"),
            "proxy_low": (_CELLS, allowed.proxy.lower, "least proxy gap in reach"),
            "proxy_high": (_CELLS, allowed.proxy.upper, "largest proxy gap in reach"),
            "capability_low": (_CELLS, allowed.capability.lower, "least in reach"),
            "capability_high": (_CELLS, allowed.capability.upper, "largest in reach"),
            "safety_low": (_CELLS, transfer.lower, "least true safety gap in reach"),
            "safety_high": (_CELLS, transfer.upper, "largest of them"),
            "curve_safety": (_CURVE, curve.safety, "true safety gap, best policy"),
            "curve_proxy": (_CURVE, curve.proxy, "proxy gap, best policy"),
            "curve_capability": (_CURVE, curve.capability, "capability gap"),
            "floor": (("proxy",), proxy_floor(world)[:, 0, 0], "proxy floor Delta_s"),
        }
        return labelled(
            {name: (dims, v, NATS, text) for name, (dims, v, text) in nats.items()},
            {"fine": (("fine",), fine, "1", "penalty along the curve")},
        )


class Aligned(NamedTuple):
    """Models fitted to the safety data, one a seed: their runs, and three keys each."""

    trace: Trace
    keys: jax.Array


def aligned(
    made: SequenceWorlds,
    seeds: Sequence[int],
    setup: Setup,
    learning_rate: float,
    bench: Bench,
    name: str = "align",
) -> Aligned:
    """One model a seed, fitted to the original safety data alone."""
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 3))(
        jnp.asarray(seeds)
    )
    safety = repeated(made.source(picked(made.world.safety, (0, 0))), len(seeds))
    aligning = Hyper(
        learning_rate=jnp.full(len(seeds), learning_rate),
        penalty=jnp.ones(len(seeds)),
        capability=safety,
        safety=safety,
        start=jax.jit(jax.vmap(setup.model.init))(keys[:, 0]),
    )
    inputs = (aligning, keys[:, 1])
    return Aligned(bench.sweep(name, run_task(setup), inputs, **_cost(setup)), keys)


def fine_tuned(
    made: SequenceWorlds,
    runs: Grid,
    starts: Aligned,
    setup: Setup,
    learning_rate: float,
    bench: Bench,
    name: str = "fine-tune",
) -> xr.Dataset:
    """Every aligned model fine-tuned over the grid, measured exactly.

    The grid's axes are proxy, overlap, penalty, seed. Runs of one seed share their
    aligned start and nothing else.
    """
    where, values = runs.positions(), runs.values()
    of_run = where["seed"]
    cell = (where["proxy"], where["overlap"])
    tuning = Hyper(
        learning_rate=jnp.full(runs.size, learning_rate),
        penalty=jnp.asarray(values["penalty"], jnp.float32),
        capability=picked(made.source(made.world.capability), cell),
        safety=picked(made.source(made.world.proxy), cell),
        start=picked(starts.trace.params, of_run),
    )
    streams = jax.vmap(jax.random.fold_in)(
        starts.keys[of_run, 2], jnp.arange(runs.size)
    )
    tuned = bench.sweep(
        name,
        lambda hyper, key: run(setup, hyper, key).records,
        (tuning, streams),
        **_cost(setup),
    )
    return measured(made, runs, starts.trace.records, tuned)


def simulated(
    made: SequenceWorlds, runs: Grid, setup: Setup, learning_rate: float, bench: Bench
) -> xr.Dataset:
    """Aligns one model a seed on the safety data, fine-tunes it over the grid.

    Seeds number initialisations and data streams.
    """
    starts = aligned(made, seeds_of(runs), setup, learning_rate, bench)
    return fine_tuned(made, runs, starts, setup, learning_rate, bench)


def seeds_of(runs: Grid) -> tuple[int, ...]:
    """The seeds of a grid, its last axis."""
    return tuple(int(seed) for seed in runs.axes[-1].values)


def _cost(setup: Setup) -> dict[str, int]:
    """What a sweep says of one of its runs."""
    return {
        "steps": setup.steps,
        "tokens_per_step": 2 * setup.batch * setup.model.length,
    }


def measured(
    made: SequenceWorlds, runs: Grid, aligned: Record, tuned: Record
) -> xr.Dataset:
    """Exact gaps at every record, and the last logits, from which all can be redone."""
    with jax.enable_x64(True):
        world = picked(made.world, np.s_[:, :, None, None, None])
        logits = jnp.asarray(tuned.logits, jnp.float64)
        logits = logits.reshape(*runs.shape, *logits.shape[1:])
        start = jnp.asarray(aligned.logits[:, -1], jnp.float64)
        gaps = [exact_gap(law.contexts, law.outputs, logits) for law in world]
        original = picked(made.world.safety, (0, 0))
        gap_aligned = exact_gap(original.contexts, original.outputs, start)
    names = tuple(axis.name for axis in runs.axes)
    over = (*names, "record")
    losses = tuned.loss.reshape(*runs.shape, -1)
    last = tuned.logits.reshape(logits.shape)[..., -1, :, :, :]
    diverged = ~np.isfinite(last).all((-3, -2, -1))
    tokens = (*names, "context", "prefix", "token")
    variables = {
        "gap_safety": (over, gaps[0], NATS, "true safety gap G_s"),
        "gap_proxy": (over, gaps[1], NATS, "proxy gap"),
        "gap_capability": (over, gaps[2], NATS, "capability gap G_f"),
        "gap_aligned": (("seed",), gap_aligned, NATS, "safety gap once aligned"),
        "loss": (over, losses, NATS, "training objective since the last record"),
        "logits": (tokens, last, "1", "last logits after every prefix"),
        "diverged": (names, diverged.astype(np.int8), "1", "1 if the run diverged"),
    }
    record: dict[str, Variable] = {
        "record": (("record",), tuned.step[0], "steps", "optimiser steps done")
    }
    return labelled(variables | _laws(made), axes_of(runs) | record)


def _laws(made: SequenceWorlds) -> dict[str, Variable]:
    """The laws themselves: proxies vary in their outputs, tasks in their contexts."""
    first = picked(made.world, (0, 0))
    tasks = Law(made.world.capability.contexts[0], first.capability.outputs)
    proxies = law_table(
        "proxy outputs",
        ("proxy", "context", "sequence"),
        made.world.proxy.outputs[:, 0],
    )
    return {
        **law_variables("safety", first.safety),
        "proxy_outputs": proxies,
        **law_variables("capability", tasks, along="overlap"),
    }


def stored_world(data: xr.Dataset) -> World:
    """The worlds of a stored result, batched over [proxy, overlap]; float64 arrays."""
    shape = (data.sizes["proxy"], data.sizes["overlap"])

    def law(contexts: Array, outputs: Array) -> Law:
        return Law(
            np.broadcast_to(contexts, (*shape, contexts.shape[-1])),
            np.broadcast_to(outputs, (*shape, *outputs.shape[-2:])),
        )

    safety, tasks = stored_law(data, "safety"), stored_law(data, "capability")
    return World(
        law(*safety),
        law(safety.contexts, data["proxy_outputs"].values[:, None]),
        law(*tasks),
    )
