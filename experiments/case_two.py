"""Case II: transformers fine-tuned inside a ball around their aligned parameters."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from experiments.bench import Bench
from experiments.case_one import NATS, Aligned
from experiments.labels import Variable, axes_of, labelled
from experiments.loss_geometry import bend, expected_loss, geometry, slope
from experiments.pytrees import picked, repeated
from experiments.stored_laws import law_variables, stored_law
from experiments.worlds import SequenceWorlds
from simlab import landscape
from simlab.evaluation import exact_gap, prefix_logits
from simlab.models import Model, Params
from simlab.objectives import Ball, distance
from simlab.sweeps import Grid
from simlab.training import Hyper, Setup, Trace, run
from theory.laws import Law, World
from theory.tradeoff import optimal_gaps

_RUNS = ("radius", "seed")
_DENSE = 30_000_000  # entries of a Fisher factor that is worth its memory
PATH_POINTS = 17
"""Where constants are measured between the aligned and the tuned parameters."""


def predicted(
    made: SequenceWorlds, penalties: Sequence[float], local: int
) -> xr.Dataset:
    """The exact frontier, and the best policy's gaps at the penalties of Case I.

    `local`, how many of the smallest moves local laws are held to, is kept beside.
    """
    safety, able = pair(made.world)
    world = World(safety, safety, able)
    with jax.enable_x64(True):
        grid = jnp.asarray(penalties)
        fine = jnp.geomspace(grid[0] / 30, grid[-1] * 30, 193)
        best, curve = (jax.jit(optimal_gaps)(world, values) for values in (grid, fine))
    nats = {
        "best_safety": ("penalty", best.safety, "safety gap of Case I's best policy"),
        "best_capability": ("penalty", best.capability, "its capability gap"),
        "curve_safety": ("fine", curve.safety, "safety gap along the frontier"),
        "curve_capability": ("fine", curve.capability, "capability gap along it"),
    }
    kept: dict[str, Variable] = {
        name: ((dim,), values, NATS, text) for name, (dim, values, text) in nats.items()
    }
    kept["local"] = ((), local, "1", "smallest moves that local laws are held to")
    return labelled(
        kept,
        {"fine": (("fine",), fine, "1", "penalty along the curve")},
    )


def ball_runs(
    made: SequenceWorlds,
    runs: Grid,
    starts: Aligned,
    setup: Setup,
    stride: float,
    bench: Bench,
    name: str = "ball",
) -> Trace:
    """Every aligned model fine-tuned on capability data alone, inside every ball.

    The grid's axes are radius, seed. Steps are `stride` radii long at their peak: with
    `Normalised` steps every radius sees the same problem, scaled.
    """
    radii = jnp.asarray(runs.values()["radius"], jnp.float32)
    of_run = runs.positions()["seed"]
    safety, able = (made.source(law) for law in pair(made.world))
    tuning = Hyper(
        learning_rate=stride * radii,
        penalty=jnp.zeros(runs.size),
        capability=repeated(able, runs.size),
        safety=repeated(safety, runs.size),
        start=picked(starts.trace.params, of_run),
        ball=Ball(radii),
    )
    streams = jax.vmap(jax.random.fold_in)(
        starts.keys[of_run, 2], jnp.arange(runs.size)
    )
    trace: Trace = bench.sweep(
        name,
        lambda hyper, key: run(setup, hyper, key),
        (tuning, streams),
        steps=setup.steps,
        tokens_per_step=setup.model.contexts
        * setup.model.vocabulary**setup.model.length,
    )
    return trace


def pair(world: World) -> tuple[Law, Law]:
    """The safety and the capability law of the first cell of [proxy, overlap]."""
    first = picked(jax.tree.map(np.asarray, world), (0, 0))
    return first.safety, first.capability


def measured(
    made: SequenceWorlds, runs: Grid, starts: Aligned, setup: Setup, tuned: Trace
) -> xr.Dataset:
    """Exact gaps at every record, how far the runs went, and constants on their way."""
    safety, able = pair(made.world)
    shape, records = runs.shape, tuned.records
    with jax.enable_x64(True):
        logits = jnp.asarray(records.logits, jnp.float64)
        logits = logits.reshape(*shape, *logits.shape[1:])
        begun = jnp.asarray(starts.trace.records.logits[:, -1], jnp.float64)
        gaps = [exact_gap(*law, logits) for law in (safety, able)]
        aligned = [exact_gap(*law, begun) for law in (safety, able)]
    of_run = runs.positions()["seed"]
    ways = _ways(made, setup.model, picked(starts.trace.params, of_run), tuned.params)
    last = np.asarray(logits[..., -1, :, :, :])
    tokens = ("context", "prefix", "token")
    variables: dict[str, Variable] = {
        "gap_safety": ((*_RUNS, "record"), gaps[0], NATS, "safety gap in the ball"),
        "gap_capability": ((*_RUNS, "record"), gaps[1], NATS, "capability gap there"),
        "aligned_safety": (("seed",), aligned[0], NATS, "safety gap once aligned"),
        "aligned_capability": (("seed",), aligned[1], NATS, "capability gap then"),
        "logits": ((*_RUNS, *tokens), last, "1", "last logits after every prefix"),
        "start_logits": (("seed", *tokens), begun, "1", "logits of the aligned models"),
        "diverged": (
            _RUNS,
            (~np.isfinite(last).all((-3, -2, -1))).astype(np.int8),
            "1",
            "1 if the run diverged",
        ),
    }
    for name, (values, units, text) in ways.items():
        variables[name] = (_RUNS, np.asarray(values).reshape(shape), units, text)
    coordinates = axes_of(runs)
    coordinates["record"] = (("record",), records.step[0], "steps", "steps done")
    laws = law_variables("safety", safety) | law_variables("capability", able)
    return labelled(variables | laws, coordinates)


def _ways(
    made: SequenceWorlds, model: Model, starts: Params, ends: Params
) -> dict[str, tuple[Any, str, str]]:
    """Constants of (8.1), (8.2) on the segment from every start to every end."""
    safety, able = pair(made.world)

    def way(start: Params, end: Params) -> tuple[jax.Array, ...]:
        length = distance(end, start)
        along = jax.tree.map(jnp.subtract, end, start)
        way = ravel_pytree(along)[0]

        def at(share: jax.Array) -> tuple[jax.Array, ...]:
            here = jax.tree.map(lambda s, d: s + share * d, start, along)
            slopes = [
                landscape.gradient_norm(expected_loss(model, law), here)
                for law in (safety, able)
            ]
            return *slopes, way @ bend(model, here, safety, way)

        points = jnp.linspace(0.0, 1.0, PATH_POINTS)
        slope_safety, slope_able, bends = jax.lax.map(at, points)
        descent = jax.grad(expected_loss(model, able))(start)
        norm = distance(descent, jax.tree.map(jnp.zeros_like, descent))
        step = jax.tree.map(lambda s, g: s - length / norm * g, start, descent)
        stepped = exact_gap(*able, prefix_logits(model, step))
        return length, slope_safety.max(), slope_able.max(), bends.max(), stepped

    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        both = landscape.double(starts), landscape.double(ends)
        values = jax.jit(lambda pairs: jax.lax.map(lambda each: way(*each), pairs))(
            both
        )
    rate = "nats per sequence per unit of parameters"
    texts = (
        ("moved", "1", "L2 distance from the aligned parameters"),
        ("slope_safety", rate, "largest gradient norm of L_s on the way"),
        ("slope_capability", rate, "largest gradient norm of L_f on the way"),
        ("bend_safety", NATS, "largest second derivative of L_s along the way"),
        ("stepped_capability", NATS, "capability gap after one straight step"),
    )
    return {
        name: (value, units, text)
        for (name, units, text), value in zip(texts, values, strict=True)
    }


def landscapes(made: SequenceWorlds, starts: Aligned, model: Model) -> xr.Dataset:
    """What the local theory needs of every aligned model: g = grad L_f and its Fisher.

    In double precision, the Fisher matrix on the safety contexts never being formed.
    """
    safety, able = pair(made.world)
    rows = []
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        own_slope = jax.jit(slope, static_argnums=0)
        factor_of = jax.jit(landscape.fisher_factor, static_argnums=0)
        for seed in range(len(starts.keys)):
            at = geometry(model, picked(starts.trace.params, seed), safety, able)
            own = own_slope(model, at.params, safety)
            found = landscape.landscape(at.fisher, at.slope, jax.random.key(seed))
            if at.weights.size * made.vocabulary * at.slope.size <= _DENSE:
                factor = factor_of(model, at.params, at.weights)
                solved = landscape.dense_inverse_quadratic(factor, at.slope)
                found = found._replace(
                    inverse_quadratic=solved.value, residual=solved.residual
                )
            size = jnp.linalg.norm(ravel_pytree(at.params)[0])
            rows.append((*found, float(jnp.linalg.norm(own)), float(size)))
    texts = (
        ("gradient", "norm of the gradient of L_f"),
        ("curvature", "g' H g, H the Fisher matrix on safety contexts"),
        ("inverse", "g' H^+ g, by singular values or conjugate gradients"),
        ("top_eigenvalue", "largest eigenvalue of H"),
        ("residual", "relative residual of H x = g"),
        ("gradient_safety", "norm of the gradient of L_s, 0 if perfectly aligned"),
        ("size", "norm of the aligned parameters"),
    )
    columns = np.asarray(rows).T
    return labelled(
        {
            f"local_{name}": (("seed",), column, "nats and parameters", text)
            for (name, text), column in zip(texts, columns, strict=True)
        }
    )


def penalised(data: xr.Dataset) -> xr.Dataset:
    """What Case I's sweep adds, under names of its own."""
    names = {
        "gap_safety": "penalty_safety",
        "gap_capability": "penalty_capability",
        "diverged": "penalty_diverged",
    }
    cell = data[list(names)].isel(proxy=0, overlap=0, record=-1, drop=True)
    return cell.drop_vars("record", errors="ignore").rename(names)


def stored_laws(data: xr.Dataset) -> tuple[Law, Law]:
    """The safety and the capability law of a stored result."""
    return stored_law(data, "safety"), stored_law(data, "capability")
