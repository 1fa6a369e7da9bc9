"""Models along their training, and the law itself, drive the coder on the same data."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from experiments.pytrees import picked
from simlab.coding import Encoded, ModelPredictor, decode, encode, model_predictor
from simlab.enumeration import prefix_logits
from simlab.evaluation import exact_gap
from simlab.models import Bigram, Model, Params
from simlab.objectives import sequence_losses
from simlab.sources import MarkovSource
from simlab.training import Record
from theory.laws import Law
from theory.units import to_bits

NATS = "nats per message"
BITS = "bits per message"
BITS_PER_STREAM = "bits per stream"
_RUN = ("seed", "record")
_LANES = 32


@dataclass(frozen=True)
class KnownLaw:
    """The law of the data, to be sampled and, in double precision, to be listed."""

    source: MarkovSource
    law: Law


class Runs(NamedTuple):
    """The models of one width: their start and records, one a seed."""

    model: Model
    start: Params
    records: Record


class Coded(NamedTuple):
    """One model's codes of one seed's messages.

    Shapes: [message], but `stream_bits` [stream]; `whole_bits` is the most that whole
    frequencies cost a message, `wrong` counts messages that did not come back from the
    streams' codes as they were.
    """

    bits: np.ndarray
    loss: np.ndarray
    stream_bits: np.ndarray
    whole_bits: float
    wrong: int


def measured_parameters(model: Model, params: Params, exam: Any) -> Params:
    """What a record keeps: the parameters, which drive the coder later."""
    del model, exam
    return params


def coded(predictor: ModelPredictor, messages: np.ndarray, streams: int) -> Coded:
    """The codes of the messages, each alone and in streams, decoded again.

    `loss` is the training's own: one pass over whole messages, by another program than
    the coder's.
    """
    alone = encode(predictor, [[row] for row in messages])
    joint = encode(predictor, [list(rows) for rows in np.split(messages, streams)])
    back = decode(predictor, [one.code for one in joint])
    same = [
        np.array_equal(row, again)
        for row, again in zip(
            messages, (row for stream in back for row in stream), strict=True
        )
    ]
    loss = _losses(predictor.model, predictor.params, jnp.asarray(messages))
    return Coded(
        np.array([one.code.bits for one in alone], np.float32),
        np.asarray(loss),
        np.array([one.code.bits for one in joint], np.float32),
        float(np.max(_whole_bits(alone))),
        len(same) - sum(same),
    )


def _whole_bits(encoded: Sequence[Encoded]) -> np.ndarray:
    """What whole frequencies cost every message, double precision."""
    with jax.enable_x64(True):
        model_bits = np.asarray(to_bits(np.array([one.loss for one in encoded])))
    ideal = np.array([one.ideal_bits for one in encoded])
    return np.asarray(ideal - model_bits)


_losses = jax.jit(sequence_losses, static_argnums=0)
_logits = jax.jit(prefix_logits, static_argnums=0)


def coded_by_models(
    known: KnownLaw, runs: Runs, held_out: np.ndarray, streams: int
) -> xr.Dataset:
    """Codes, losses and exact gaps of every seed's model, at its start and records."""
    found: list[list[Coded]] = []
    gaps, finite = [], []
    for seed, messages in enumerate(held_out):
        stages = [picked(runs.start, seed)]
        moments = runs.records.step.shape[1]
        stages += [picked(runs.records.measured, (seed, k)) for k in range(moments)]
        logits = [np.asarray(_logits(runs.model, stage), float) for stage in stages]
        finite.append([bool(np.isfinite(each).all()) for each in logits])
        gaps.append(_gaps(known.law, logits))
        found.append(
            [
                coded(model_predictor(runs.model, stage, _LANES), messages, streams)
                if whole
                else _nothing(len(messages), streams)
                for stage, whole in zip(stages, finite[-1], strict=True)
            ]
        )
    steps = np.concatenate([[0], runs.records.step[0]])
    variables = _variables(found) | {
        "gap": (_RUN, gaps, NATS, "exact excess loss of the model, KL(p || q)"),
        "diverged": (_RUN, 1 - np.array(finite, np.int8), "1", "1 if diverged"),
    }
    record = {"record": (("record",), steps, "steps", "optimiser steps done")}
    return labelled(variables, record)


def coded_by_law(known: KnownLaw, held_out: np.ndarray, streams: int) -> xr.Dataset:
    """The codes that the law itself gives, as the table of its own chains."""
    source = known.source
    model = Bigram(source.vocabulary, len(known.law.contexts), source.length)
    chains = {"first": jnp.log(source.initial), "rows": jnp.log(source.transition)}
    predictor = model_predictor(model, chains, _LANES)
    found = [coded(predictor, messages, streams) for messages in held_out]
    return labelled(
        {
            "law_loss": (
                ("seed", "message"), np.stack([one.loss for one in found]), NATS,
                "minus log-probability of a message under the law",
            ),
            "law_stream_bits": (
                ("seed", "stream"), np.stack([one.stream_bits for one in found]),
                BITS_PER_STREAM, "code length of a stream, the law as the model",
            ),
        }
    )  # fmt: skip


def _gaps(law: Law, logits: Sequence[np.ndarray]) -> np.ndarray:
    """KL(law || model) of every stage, by enumeration, in double precision."""
    with jax.enable_x64(True):
        return np.asarray(exact_gap(law.contexts, law.outputs, np.stack(logits)))


def _nothing(messages: int, streams: int) -> Coded:
    """What a diverged model codes."""
    missing = np.full(messages, np.nan, np.float32)
    return Coded(missing, missing, missing[:streams], np.nan, 0)


def _variables(found: Sequence[Sequence[Coded]]) -> dict[str, Variable]:
    """Everything measured, [seed, record, ...]."""

    def stack(name: str) -> np.ndarray:
        return np.array([[getattr(one, name) for one in row] for row in found])

    each = (*_RUN, "message")
    return {
        "bits": (each, stack("bits"), BITS, "length of a message's own code"),
        "whole_bits": (
            _RUN, stack("whole_bits"), BITS, "the most that whole frequencies cost",
        ),
        "loss": (each, stack("loss"), NATS, "cross-entropy of a message"),
        "stream_bits": (
            (*_RUN, "stream"), stack("stream_bits"), BITS_PER_STREAM,
            "code length of a stream of messages",
        ),
        "wrong": (_RUN, stack("wrong"), "1", "messages not decoded as they were"),
    }  # fmt: skip
