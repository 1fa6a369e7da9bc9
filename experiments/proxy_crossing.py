"""Where Case II beats Case I because the proxy is bad: prediction and simulation.

At a fixed capability gain, Case I's true safety gap rises with the proxy's distance;
Case II (a ball around the aligned parameters) needs no proxy. They cross at a distance
that the exact solutions of both cases predict for tables of logits, and that the Fisher
matrix of the aligned network predicts, to leading order, for a transformer.
"""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments import case_two
from experiments.bench import Bench
from experiments.case_one import NATS, Aligned, aligned, fine_tuned, seeds_of
from experiments.labels import Variable, labelled
from experiments.loss_geometry import geometry
from experiments.pytrees import picked
from experiments.trends import crossing, read_at
from experiments.worlds import SequenceWorlds
from simlab.evaluation import exact_gap
from simlab.landscape import prefix_laws
from simlab.models import Tabular
from simlab.optimizers import Adam, Normalised
from simlab.sweeps import Axis, Grid
from simlab.training import Setup
from theory.laws import Law, World
from theory.tradeoff import gap, optimal_gaps
from theory.tradeoff.parameter_ball import ball_optimum

CLASSES = ("table", "transformer")


class Knobs(NamedTuple):
    """What the crossing chooses beyond the sweep over proxies."""

    gains: tuple[float, ...]
    radii: np.ndarray  # [class, radius]
    steps_table: int
    rate_table: float
    steps_ball: int
    stride: float


def cost_case_one(
    log_penalty: np.ndarray, capability: np.ndarray, safety: np.ndarray, target: float
) -> float:
    """The true safety gap at the largest penalty whose capability gap meets the target.

    Curves over the penalty, interpolated; NaN if even the smallest one misses it.
    """
    if capability[-1] <= target:
        return float(safety[-1])
    return read_at(log_penalty, safety, crossing(log_penalty, capability, target))


def cost_case_two(
    log_radius: np.ndarray, capability: np.ndarray, safety: np.ndarray, target: float
) -> float:
    """The safety gap at the radius whose capability gap meets the target."""
    return read_at(log_radius, safety, crossing(log_radius, capability, target))


@functools.partial(jax.jit, static_argnums=1)
def prefix_world(world: World, vocabulary: int) -> World:
    """A world of single tokens whose contexts are a world's prefixes, [x * node].

    Its weights mu(x) p(c|x) add up to the length; its gaps are the sequence gaps (chain
    rule), so that one row of logits a prefix is one row of logits a context.
    """

    def cut(law: Law) -> Law:
        weights, rows = prefix_laws(*law, vocabulary)
        return Law(
            weights.reshape(*weights.shape[:-2], -1),
            rows.reshape(*rows.shape[:-3], -1, vocabulary),
        )

    return World(*(cut(law) for law in world))


def predicted(
    fine: SequenceWorlds, distances: np.ndarray, penalties: np.ndarray, knobs: Knobs
) -> xr.Dataset:
    """Case I's exact cost along the distance, Case II's for tables, where they cross.

    `fine` has the worlds of the distances at overlap 1; the penalties are a fine grid
    between the ends of the sweep's.
    """
    with jax.enable_x64(True):
        world = picked(jax.tree.map(jnp.asarray, fine.world), np.s_[:, 0])
        best = jax.jit(optimal_gaps)(
            picked(world, np.s_[:, None]), jnp.asarray(penalties)
        )
        first = prefix_world(picked(world, 0), fine.vocabulary)
        whole = float(gap(first.capability, first.safety.outputs))
        radii = np.geomspace(knobs.radii[0, 0], knobs.radii[0, -1], 97)
        exact, at_runs = (
            np.asarray(_ball(first, jnp.asarray(grid)))
            for grid in (radii, knobs.radii[0])
        )
    targets = (1 - np.asarray(knobs.gains)) * whole
    case_one = np.array(
        [
            [
                cost_case_one(np.log(penalties), able, safe, target)
                for able, safe in zip(
                    np.asarray(best.capability), np.asarray(best.safety), strict=True
                )
            ]
            for target in targets
        ]
    )
    case_two_cost = np.array(
        [cost_case_two(np.log(radii), exact[0], exact[1], target) for target in targets]
    )
    met = [
        crossing(distances, costs, cost)
        for costs, cost in zip(case_one, case_two_cost, strict=True)
    ]
    variables: dict[str, Variable] = {
        "target": (("gain",), targets, NATS, "capability gap to be met"),
        "cost_case_one": (("gain", "distance"), case_one, NATS, "Case I, exact"),
        "cost_case_two": (("gain",), case_two_cost, NATS, "Case II, tables, exact"),
        "crossing_exact": (("gain",), met, "1", "predicted crossing, tables"),
        "ball_best_capability": (("radius",), at_runs[0], NATS, "exact, tables"),
        "ball_best_safety": (("radius",), at_runs[1], NATS, "exact, tables"),
    }
    return labelled(
        variables,
        {
            "gain": (("gain",), knobs.gains, "1", "share of the capability gap gained"),
            "distance": (("distance",), distances, "1", "proxy distance along a line"),
            "radius": (("radius",), np.arange(knobs.radii.shape[1]), "1", "its place"),
        },
    )


@jax.jit
def _ball(first: World, radii: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Capability and safety gap of the best tables in balls around log p_s."""
    start = jnp.log(first.safety.outputs)
    policy = jax.nn.softmax(ball_optimum(first, start, radii), axis=-1)
    return gap(first.capability, policy), gap(first.safety, policy)


def simulated(
    made: SequenceWorlds,
    runs: Grid,
    starts: Aligned,
    setup: Setup,
    knobs: Knobs,
    bench: Bench,
) -> xr.Dataset:
    """Case I with tables, and Case II with tables and the sweep's transformers.

    `made` and `runs` have overlap 1 alone. Losses are expectations over the laws: the
    crossing is about what can be reached, and a ball's optimum is no place for noise.
    """
    table = replace(
        setup,
        model=Tabular(setup.model.vocabulary, setup.model.contexts, setup.model.length),
        optimizer=Adam(b2=0.999),
        steps=knobs.steps_table,
        expected=True,
    )
    rate, seeds = knobs.rate_table, seeds_of(runs)
    tables = aligned(made, seeds, table, rate, bench, "align table")
    tuned = fine_tuned(made, runs, tables, table, rate, bench, "fine-tune table")
    last = tuned.isel(record=-1, overlap=0)
    cells = ("proxy", "penalty", "seed")
    balls = [
        _balls(made, seeds, models, chosen, radii, knobs, bench, name)
        for name, models, chosen, radii in zip(
            CLASSES, (tables, starts), (table, setup), knobs.radii, strict=True
        )
    ]
    capability, safety, able_start, safe_start = (
        np.stack(values) for values in zip(*balls, strict=True)
    )
    of_ball = ("model", "radius", "seed")
    of_start = ("model", "seed")
    variables: dict[str, Variable] = {
        "table_capability": (cells, last["gap_capability"].values, NATS, "Case I"),
        "table_safety": (cells, last["gap_safety"].values, NATS, "Case I, tables"),
        "ball_capability": (of_ball, capability, NATS, "capability gap in the ball"),
        "ball_safety": (of_ball, safety, NATS, "true safety gap in the ball"),
        "ball_radius": (("model", "radius"), knobs.radii, "1", "L2 norm of parameters"),
        "start_capability": (of_start, able_start, NATS, "capability gap once aligned"),
        "start_safety": (of_start, safe_start, NATS, "safety gap once aligned"),
    }
    slopes = np.array([_local(made, starts, setup, i) for i in range(len(seeds))])
    variables["local_gradient"] = (("seed",), slopes[:, 0], "1", "norm of grad L_f")
    variables["local_curvature"] = (
        ("seed",), slopes[:, 1], "1", "g' H g, H the Fisher matrix on safety contexts",
    )  # fmt: skip
    return labelled(
        variables, {"model": (("model",), list(CLASSES), "1", "class of models")}
    )


def _balls(
    made: SequenceWorlds,
    seeds: Sequence[int],
    starts: Aligned,
    setup: Setup,
    radii: np.ndarray,
    knobs: Knobs,
    bench: Bench,
    name: str,
) -> tuple[np.ndarray, ...]:
    """Capability and safety gaps [radius, seed] in balls, and at their centers."""
    runs = Grid(
        (
            Axis("radius", tuple(radii.tolist()), "1", "radius of the ball"),
            Axis("seed", tuple(seeds), "1", "seed of the aligned model"),
        )
    )
    projected = replace(
        setup, optimizer=Normalised(), steps=knobs.steps_ball, expected=True
    )
    tuned = case_two.ball_runs(
        made, runs, starts, projected, knobs.stride, bench, f"ball {name}"
    )
    safety, able = case_two.pair(made.world)
    with jax.enable_x64(True):
        logits = jnp.asarray(tuned.records.logits[:, -1], jnp.float64)
        begun = jnp.asarray(starts.trace.records.logits[:, -1], jnp.float64)
        final = [
            np.asarray(exact_gap(*law, logits)).reshape(runs.shape)
            for law in (able, safety)
        ]
        at_start = [np.asarray(exact_gap(*law, begun)) for law in (able, safety)]
    return (*final, *at_start)


def _local(
    made: SequenceWorlds, starts: Aligned, setup: Setup, seed: int
) -> tuple[float, float]:
    """||g|| and g' H g of one aligned model, in double precision."""
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        params = picked(starts.trace.params, seed)
        at = geometry(setup.model, params, *case_two.pair(made.world))
        bent = at.slope @ at.fisher(at.slope)
        return float(jnp.linalg.norm(at.slope)), float(bent)
