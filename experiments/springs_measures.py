"""What the springs' claim measures: joint optima and how they give way."""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree

from experiments.bench import Bench
from experiments.labels import Variable, labelled
from experiments.pytrees import stacked
from experiments.springs_worlds import (
    CELL,
    NATS,
    SETS,
    Probe,
    Pull,
    joint_laws,
    springs_of,
)
from simlab.equilibrium import Optimum, Springs, descended, followed, polish, rates
from simlab.models import Model
from simlab.responses import (
    decay_change,
    implicit_responses,
    rate_change,
    stepped_responses,
)


def measured(probe: Probe, pulls: Sequence[Pull], bench: Bench) -> xr.Dataset:
    """Every optimum, its losses, and its responses found in two ways."""
    worlds = joint_laws(probe)
    tables = []
    for pull in pulls:
        starts, near = _descended(probe, pull, worlds, bench)
        bar = bench.progress(
            f"polish {pull.name}", len(probe.seeds), 1, already=0, tokens_per_step=0
        )
        rows = []
        with bar, jax.enable_x64(True):
            for world, start, begin in zip(worlds, starts, near, strict=True):
                rows.append(_one_seed(probe, pull, world, start, begin))
                bar.advance(1)
        tables.append(stacked(rows))
    found = stacked(tables)
    variables: dict[str, Variable] = {
        name: (("model", *CELL, *dims), found[name], units, text)
        for name, (dims, units, text) in _MEANING.items()
    }
    variables["decays"] = (
        ("model",), [pull.decay * (1 if pull.grows else -1) for pull in pulls], "1",
        "decay for each unit of data; negative: decay that does not grow with them",
    )  # fmt: skip
    return labelled(variables, _coordinates(probe, pulls))


def _descended(
    probe: Probe, pull: Pull, worlds: np.ndarray, bench: Bench
) -> tuple[np.ndarray, np.ndarray]:
    """Where every network starts, and where Adam leads it, in single precision."""
    # Another precision draws other numbers: a start must not depend on the caller's.
    with jax.enable_x64(False):
        keys = jax.vmap(jax.random.key)(jnp.asarray(probe.seeds))
        params = jax.jit(jax.vmap(pull.model.init))(keys)
    widened = jax.tree_util.tree_map_with_path(
        lambda path, leaf: (
            leaf * pull.embedding if "embed" in jax.tree_util.keystr(path) else leaf
        ),
        params,
    )
    starts = np.asarray(jax.vmap(lambda each: ravel_pytree(each)[0])(widened))
    springs = [
        springs_of(probe, pull, world, start, probe.ratios[0], probe.shares[0])
        for world, start in zip(worlds, starts, strict=True)
    ]
    single: Springs = jax.tree.map(lambda *each: np.float32(np.stack(each)), *springs)
    near = bench.sweep(
        f"descend {pull.name}",
        lambda each: descended(
            pull.model,
            each.centre,
            each,
            rate=probe.learning_rate,
            steps=probe.steps,
        ),
        (single,),
        steps=probe.steps,
        tokens_per_step=pull.model.contexts * pull.model.vocabulary**probe.length,
    )
    return starts.astype(np.float64), np.asarray(near, np.float64)


def _one_seed(
    probe: Probe, pull: Pull, world: np.ndarray, start: np.ndarray, near: np.ndarray
) -> dict[str, np.ndarray]:
    """The whole grid of k and l in one world, [ratio, share, ...]; NaN where lost."""
    shape = (len(probe.ratios), len(probe.shares))
    table = {
        name: np.full((*shape, *(len(SETS) for _ in dims)), np.nan)
        for name, (dims, _, _) in _MEANING.items()
    }
    for place, values in _branch(probe, pull, world, start, near):
        for name, value in values.items():
            table[name][place] = value
    for name in ("polished", "connected"):
        table[name] = np.nan_to_num(table[name]).astype(np.int8)
    return table


def _branch(
    probe: Probe, pull: Pull, world: np.ndarray, start: np.ndarray, near: np.ndarray
) -> Iterator[tuple[tuple[int, int], dict[str, Any]]]:
    """Optimum after optimum: k rises at the first share, at each k the share does.

    Where an optimum is lost those that would be looked for from it are left out.
    """
    base: tuple[Optimum, Springs] | None = None
    for i, k in enumerate(probe.ratios):
        last = base
        for j, share in enumerate(probe.shares):
            springs = springs_of(probe, pull, world, start, k, share)
            found = _found(probe, pull.model, springs, near, last)
            values = _state(probe, pull.model, found, springs)
            if j:
                values |= _finite_step(pull.model, last, found, springs)
            yield (i, j), values
            if not values["polished"]:
                if not j:
                    return
                break
            last = (found, springs)
            base = base if j else last


def _found(
    probe: Probe,
    model: Model,
    springs: Springs,
    near: np.ndarray,
    last: tuple[Optimum, Springs] | None,
) -> Optimum:
    """The optimum of the springs, looked for from a neighbour, or from Adam's end."""
    if last is None:
        return polish(
            model, near, springs, tolerance=probe.tolerance, steps=probe.polish_steps
        )
    return followed(model, *last, springs, tolerance=probe.tolerance)


def _state(
    probe: Probe, model: Model, found: Optimum, springs: Springs
) -> dict[str, Any]:
    """What is known of one optimum."""
    polished = found.gradient_norm <= probe.tolerance and found.factor is not None
    values: dict[str, Any] = {
        "gradient_norm": found.gradient_norm,
        "curvature": found.curvature,
        "condition": found.condition,
        "steps": found.steps,
        "polished": polished,
        "connected": found.connected,
        "rate": np.asarray(rates(model, found.flat, springs.joints)),
    }
    if not polished:
        return values
    implicit = implicit_responses(model, found, springs)
    stepped = stepped_responses(
        model, found, springs, share=probe.step, tolerance=probe.tolerance
    )
    return values | {
        "implicit": implicit.rates,
        "implicit_decay": implicit.decay,
        "response": stepped.rates,
        "response_decay": stepped.decay,
    }


def _finite_step(
    model: Model, last: tuple[Optimum, Springs] | None, found: Optimum, springs: Springs
) -> dict[str, Any]:
    """What a whole step of the share changed."""
    if last is None:
        return {}
    before = last[0].flat
    return {
        "change": rate_change(model, found.flat, before, springs.joints),
        "change_decay": decay_change(springs, found.flat, before),
    }


_MEANING: dict[str, tuple[tuple[str, ...], str, str]] = {
    "gradient_norm": ((), NATS, "gradient norm of the mean loss at the optimum"),
    "curvature": ((), NATS, "least eigenvalue of the mean loss's Hessian"),
    "condition": ((), "1", "condition number of the Hessian"),
    "steps": ((), "steps", "Newton steps from the optimum before"),
    "polished": ((), "1", "1 if it is a strict minimum to the tolerance"),
    "connected": ((), "1", "1 if it lies on the branch of the one before"),
    "rate": (("set",), NATS, "expected loss"),
    "response": (("set", "moved"), NATS, "d gamma_i / d n_j, optima polished again"),
    "response_decay": (("moved",), NATS, "dR / d n_j, optima polished again"),
    "implicit": (("set", "moved"), NATS, "d gamma_i / d n_j, implicit functions"),
    "implicit_decay": (("moved",), NATS, "dR / d n_j, implicit functions"),
    "change": (("set",), NATS, "change of the loss since the share before"),
    "change_decay": ((), NATS, "change of R since the share before"),
}


def _coordinates(probe: Probe, pulls: Sequence[Pull]) -> dict[str, Variable]:
    return {
        "model": (("model",), [pull.name for pull in pulls], "1", "model and decay"),
        "seed": (("seed",), list(probe.seeds), "1", "seed of the world and network"),
        "ratio": (("ratio",), list(probe.ratios), "1", "k, size of pre-training"),
        "share": (("share",), list(probe.shares), "1", "l, size of the perturbation"),
        "set": (("set",), list(SETS), "1", "data set that is compressed"),
        "moved": (("moved",), list(SETS), "1", "data set that grows"),
    }
