"""Bases, vectors and fine-tunes of a lab, each as one sweep over seeds and arms."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from experiments.bench import Bench
from experiments.pytrees import stacked
from experiments.vector_lab import (
    VectorLab,
    base_setups,
    keys_of,
    optimizers,
    transformer,
    world,
)
from simlab.diagnosis import Answers, Diagnose, Diagnosis, VectorExam, answered
from simlab.models import Adapted, Carried, Carrier, Params, Part, total_norm
from simlab.security_vectors import (
    Recipe,
    VectorFit,
    fit_security_vector,
    vector_divergence,
)
from simlab.sources import DatasetSource, Tokens
from simlab.training import Hyper, Setup, run


class Fit(NamedTuple):
    """The inputs of one fit, with a leading axis of fits where they are many."""

    recipe: Recipe
    start: Carried
    held_out: Tokens
    key: Any


class Fitted(NamedTuple):
    """Vectors and how well they explain harm that they have not seen.

    `held_out` is the model with the vector on held-out harmful rows; `norm` that of all
    deltas; `divergence` KL(off || on) on reference rows; `loss` the training loss at
    the end.
    """

    vector: Any
    held_out: Answers
    norm: Any
    divergence: Any
    loss: Any


class Tune(NamedTuple):
    """The inputs of one fine-tune: alpha is the gate of `start`, alpha - beta that at
    which the exam deploys; with a leading axis of runs where they are many.
    """

    start: Carried
    rows: Any
    rate: Any
    exam: VectorExam
    key: Any


class Tuned(NamedTuple):
    """What was measured before the first step and at the records (axis `moment`).

    `gradient_norm` [record]: the mean norm since the record before.
    """

    diagnosis: Diagnosis
    gradient_norm: Any


def aligned_bases(lab: VectorLab, bench: Bench) -> Params:
    """Pre-trained and aligned parameters of every seed, on the host [seed]."""
    pretraining, alignment = base_setups(lab)
    made = world(lab)
    benign, harms = made.benign_names, lab.harms
    share = 0.5 / len(harms)
    known = dict.fromkeys(benign, 1 / len(benign)) | dict.fromkeys(harms, share)
    taught = dict.fromkeys(benign, 1 / len(benign)) | dict.fromkeys(
        harms, 1 / len(harms)
    )
    known_source = made.source(known)
    taught_source = made.source(taught, refusing=harms)

    def task(raw: jax.Array) -> Params:
        key_start, key_known, key_taught = jax.random.split(
            jax.random.wrap_key_data(raw), 3
        )
        start = pretraining.model.init(key_start)
        rate = jnp.asarray(lab.rate_pretrain), jnp.asarray(lab.rate_align)
        hyper = Hyper(rate[0], jnp.zeros(()), known_source, None, start)
        grown = run(pretraining, hyper, key_known).params
        hyper = Hyper(rate[1], jnp.zeros(()), taught_source, None, grown)
        return run(alignment, hyper, key_taught).params

    steps = pretraining.steps + alignment.steps
    return bench.sweep(
        "bases",
        task,
        (keys_of(lab, 0),),
        steps=steps,
        tokens_per_step=lab.batch_base * (1 + made.length),
    )


def fitted_vectors(
    lab: VectorLab, bench: Bench, name: str, fit: VectorFit, fits: Sequence[Fit]
) -> Fitted:
    """Every fit's vector, on the host, along one axis of fits."""
    whole = Adapted(fit.model, fit.carrier, Part.VECTOR)

    def task(one: Fit) -> Fitted:
        key = jax.random.wrap_key_data(one.key)
        trace = fit_security_vector(fit, one.recipe, one.start, key)
        params = trace.params
        reference = one.recipe.reference
        assert isinstance(reference, DatasetSource)
        return Fitted(
            params.vector,
            answered(whole, params, one.held_out, lab.response),
            total_norm(fit.carrier, params.vector),
            vector_divergence(whole, params, reference.rows, lab.response),
            trace.records.loss_capability[-1],
        )

    result: Fitted = bench.sweep(
        name,
        task,
        (stacked(fits),),
        steps=fit.steps,
        tokens_per_step=2 * fit.batch * (1 + fit.model.length),
        chunk=2 * lab.seeds,
    )
    return result


def tune_setup(lab: VectorLab, optimizer: str, carrier: Carrier) -> Setup:
    """Fine-tuning of all parameters of the base, the vector at its gate."""
    return Setup(
        Adapted(transformer(lab), carrier, Part.BASE),
        steps=lab.tune_steps,
        batch=lab.batch,
        records=lab.records,
        warmup=0.0,
        optimizer=optimizers()[optimizer],
        enumerated=False,
        decay=False,
        scored=lab.response,
        measure=Diagnose(lab.response, (*lab.harms, "N", "B")),
    )


def tuned_models(
    lab: VectorLab,
    bench: Bench,
    name: str,
    optimizer: str,
    carrier: Carrier,
    tunes: Sequence[Tune],
) -> Tuned:
    """Every fine-tune, on the host, along one axis of runs."""
    setup = tune_setup(lab, optimizer, carrier)
    measure = setup.measure
    assert measure is not None

    def task(one: Tune) -> Tuned:
        hyper = Hyper(
            one.rate, jnp.zeros(()), DatasetSource(one.rows), None, one.start,
            exam=one.exam,
        )  # fmt: skip
        trace = run(setup, hyper, jax.random.wrap_key_data(one.key))
        first = measure(setup.model, one.start, one.exam)
        journey = jax.tree.map(
            lambda before, later: jnp.concatenate([before[None], later]),
            first,
            trace.records.measured,
        )
        return Tuned(journey, trace.records.gradient_norm)

    result: Tuned = bench.sweep(
        name,
        task,
        (stacked(tunes),),
        steps=setup.steps,
        tokens_per_step=setup.batch * (1 + setup.model.length),
        chunk=2 * lab.seeds,
    )
    return result
