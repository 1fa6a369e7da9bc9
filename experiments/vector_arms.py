"""Arms of the claims about security vectors: which vector, at which gates, which data.

The family FT(theta + alpha v) - beta v: plain fine-tuning is (0, 0), a security vector
(1, 1), negation after the fact (0, beta). Source: security-vector notes 2, theorem 1.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import Bench
from experiments.pytrees import folded, picked
from experiments.vector_lab import (
    ADAM,
    LARGE_EPS,
    SGD,
    Rows,
    VectorLab,
    keys_of,
    repeated_rows,
)
from experiments.vector_runs import (
    Fit,
    Fitted,
    Tune,
    Tuned,
    fitted_vectors,
    tuned_models,
)
from simlab.diagnosis import VectorExam
from simlab.models import Carrier, Dense, LowRank, Params, carried, random_like
from simlab.models.carriers import selected
from simlab.security_vectors import MinMin, Recipe, VectorFit
from simlab.sources import DatasetSource

MIX = ("H", "N", "B")
"""The usual fine-tuning data: as many harmful, new useful and old benign rows."""

ZERO = "zero"
"""The vector without effect."""

_KINDS = math.lcm(1, 2, 3)
"""Data of one, two or three kinds are repeated to one length: one program for all."""

_FITTING, _RANDOM, _TUNING = 1, 2, 3


@dataclass(frozen=True)
class Spec:
    """What one vector is fitted on, and how; None takes what the lab says.

    `only` are the targets of the low-rank matrices that may move, `rank` their rank.
    `simulated` are the kinds of rows on which the model of `min_min` trains, at `pace`
    times the lab's rate of SGD.
    """

    data: str = "H"
    kl: float | None = None
    norm: float | None = None
    samples: int | None = None
    only: tuple[str, ...] = ()
    rank: int | None = None
    min_min: MinMin | None = None
    simulated: tuple[str, ...] = ()
    pace: float = 1.0


@dataclass(frozen=True)
class Arm:
    """One fine-tune: vector, gates alpha and beta, data, rate over the usual."""

    vector: str = ZERO
    alpha: float = 1.0
    beta: float = 1.0
    data: tuple[str, ...] = MIX
    pace: float = 1.0


Vectors = Mapping[str, Any]
"""Vectors of one carrier by name, each with a leading axis of seeds."""


def fitted_by_name(
    lab: VectorLab,
    bench: Bench,
    fit: VectorFit,
    bases: Params,
    rows: Rows,
    specs: Mapping[str, Spec],
    name: str = "vectors",
) -> dict[str, Fitted]:
    """Every spec's fits, with a leading axis of seeds; one program for each min-min.

    Errors: ValueError where a spec asks for more samples than the lab has.
    """
    keys = keys_of(lab, _FITTING)
    count = math.lcm(*(spec.samples or lab.samples for spec in specs.values()))
    found: dict[str, Fitted] = {}
    for min_min in dict.fromkeys(spec.min_min for spec in specs.values()):
        group = {k: v for k, v in specs.items() if v.min_min == min_min}
        fits = [
            _fit(lab, fit, picked(bases, i), picked(rows, i), spec, count, keys[i])
            for i in range(lab.seeds)
            for spec in group.values()
        ]
        kind = replace(fit, min_min=min_min)
        title = name if min_min is None else f"{name}, min-min {min_min.model_steps}"
        done = fitted_vectors(lab, bench, title, kind, fits)
        found |= {
            one: picked(done, slice(j, None, len(group))) for j, one in enumerate(group)
        }
    return {one: found[one] for one in specs}


def _fit(
    lab: VectorLab,
    fit: VectorFit,
    base: Params,
    rows: Rows,
    spec: Spec,
    count: int,
    key: np.ndarray,
) -> Fit:
    samples = spec.samples or lab.samples
    if samples > lab.samples:
        raise ValueError(f"{samples} samples of a vector exceed samples={lab.samples}")
    chosen = repeated_rows(rows.fit[spec.data][:samples], count)
    vector = fit.carrier.init(fit.model, _key(key))
    if spec.only or spec.rank:
        vector = _confined(vector, spec)
    recipe = Recipe(
        DatasetSource(chosen),
        DatasetSource(rows.reference),
        np.float32(lab.kl if spec.kl is None else spec.kl),
        np.float32(lab.norm if spec.norm is None else spec.norm),
        np.float32(lab.rate_vector),
        _simulated(rows, spec),
        np.float32(lab.rate_sgd * spec.pace),
    )
    unseen = rows.held_out[spec.data if spec.data in rows.held_out else "H"]
    return Fit(recipe, jax.device_get(carried(base, vector)), unseen, key)


def _simulated(rows: Rows, spec: Spec) -> DatasetSource | None:
    """What a min-min's model trains on: rows that a vector may see, of all kinds."""
    if not spec.simulated:
        return None
    each = [rows.fit[kind] for kind in spec.simulated]
    return DatasetSource(repeated_rows(np.concatenate(each), _KINDS * len(each[0])))


def _confined(vector: Any, spec: Spec) -> Any:
    """A low-rank start whose other matrices, and directions, can never move.

    A left factor of zero gives its right factor no gradient, and a right factor of zero
    its left one none: both stay zero for ever.
    """
    names = list(vector)
    kept = selected(spec.only, names) if spec.only else names

    def one(name: str, left: jax.Array) -> jax.Array:
        rank = left.shape[-1] if spec.rank is None else spec.rank
        alive = (np.arange(left.shape[-1]) < rank) & (name in kept)
        return left * alive

    return {k: v._replace(left=one(k, v.left)) for k, v in vector.items()}


def dense(carrier: LowRank, vectors: Any) -> Any:
    """The deltas of low-rank vectors [seed], as vectors of `Dense`, on the host."""
    return jax.device_get(jax.vmap(carrier.deltas)(vectors))


def zero_of(vectors: Any) -> Any:
    """Zeros like given vectors."""
    return jax.tree.map(np.zeros_like, vectors)


def random_of(lab: VectorLab, carrier: Carrier, vectors: Any) -> Any:
    """Random vectors with the norm of given ones [seed], module by module."""

    def drawn(vector: Any, raw: jax.Array) -> Any:
        return random_like(carrier, vector, jax.random.wrap_key_data(raw))

    return jax.device_get(jax.vmap(drawn)(vectors, jnp.asarray(keys_of(lab, _RANDOM))))


def tuned_arms(
    lab: VectorLab,
    bench: Bench,
    bases: Params,
    rows: Rows,
    vectors: Vectors,
    arms: Mapping[str, Arm],
    optimizer: str,
    carrier: Carrier | None = None,
    *,
    name: str = "",
) -> Tuned:
    """Every arm of every seed: leaves [seed, arm, ...]; one program for all.

    Arms of one seed see the same data in the same order.
    """
    usual = {SGD: lab.rate_sgd, ADAM: lab.rate_adam, LARGE_EPS: lab.rate_adam}
    keys = keys_of(lab, _TUNING)

    def tune(seed: int, arm: Arm) -> Tune:
        one, base = picked(rows, seed), picked(bases, seed)
        data = np.concatenate([one.tune[kind] for kind in arm.data])
        start = carried(base, picked(vectors[arm.vector], seed), arm.alpha)
        exam = VectorExam(one.held_out, base, np.float32(arm.alpha - arm.beta))
        return Tune(
            jax.device_get(start),
            repeated_rows(data, _KINDS * lab.tune_samples),
            np.float32(usual[optimizer] * arm.pace),
            exam,
            keys[seed],
        )

    tunes = [tune(i, arm) for i in range(lab.seeds) for arm in arms.values()]
    title = name or f"fine-tuning, {optimizer}"
    done = tuned_models(lab, bench, title, optimizer, carrier or Dense(), tunes)
    return folded(done, (lab.seeds, len(arms)))


def _key(raw: np.ndarray) -> jax.Array:
    key: jax.Array = jax.random.wrap_key_data(jnp.asarray(raw))
    return key
