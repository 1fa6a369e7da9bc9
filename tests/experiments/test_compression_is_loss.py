"""Compression is loss: a small run, its verdict, and what a broken coder would show."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments import compression_is_loss
from experiments.claim import Evidence, Outcome
from experiments.compression_evidence import (
    compression_evidence,
    in_bits,
    messages_per_stream,
    stream_losses,
)
from experiments.compression_is_loss import PRESETS, Config, judge, known_law
from experiments.compression_measure import Runs, coded_by_models
from simlab.models import Bigram
from simlab.training import Record
from tests.assertions import assert_below, assert_close, one_line

SMOKE = PRESETS["smoke"]


@pytest.fixture
def done(smoke: Any) -> Any:
    """The shared small run."""
    return smoke("compression_is_loss")


def asked(data: xr.Dataset, words: str) -> Evidence:
    """The answer to the one question that has these words."""
    evidence = compression_evidence(data, SMOKE.margin_bits, SMOKE.level)
    (item,) = [item for item in evidence if words in item.question]
    return item


def test_the_verdict_holds_and_every_question_is_answered(done: Any) -> None:
    verdict = judge(SMOKE, done.dataset)
    assert {item.question: item.outcome for item in verdict.evidence} == {
        item.question: Outcome.HOLDS for item in verdict.evidence
    }
    assert len(verdict.evidence) == 6
    assert any("Shannon" in remark for remark in verdict.remarks)


def test_the_expected_cross_entropy_is_that_of_the_enumerated_law(done: Any) -> None:
    # H + KL against the loss of every sequence, weighted by its probability.
    law = known_law(SMOKE).law
    probabilities = law.contexts[:, None] * law.outputs
    seen = probabilities > 0
    exact = -np.sum(probabilities[seen] * np.log(law.outputs[seen]))
    assert_close(done.dataset["entropy"].values, exact, 1e-9)  # rounding
    drawn = done.dataset["law_loss"].values
    # Six standard errors: one test in a billion would fail by chance.
    assert abs(drawn.mean() - exact) < 6 * drawn.std() / np.sqrt(drawn.size)
    assert_below(0.0, done.dataset["gap"].values)


def test_streams_add_up_their_messages(done: Any) -> None:
    data = done.dataset
    shared = messages_per_stream(data)
    assert shared == 8
    by_hand = data["loss"].values[..., :shared].sum(-1)
    got = stream_losses(data["loss"], data)
    assert got.dims == ("width", "seed", "record", "stream")
    assert_close(got.values[..., 0], by_hand, 1e-4)  # rounding of float32


def test_bits_are_nats_over_the_logarithm_of_two() -> None:
    assert_close(in_bits(xr.DataArray(np.log([2.0, 8.0]))).values, [1.0, 3.0], 1e-12)


def test_streams_less_probable_than_any_number_are_judged_too(done: Any) -> None:
    # 2000 nats: exp(-2000) is zero in double precision.
    data = done.dataset.copy(deep=True)
    data["loss"] += 250.0
    data["stream_bits"] += messages_per_stream(data) * 250.0 / np.log(2)
    assert asked(data, "every stream's code").outcome is Outcome.HOLDS
    data["stream_bits"] += 2.1
    assert asked(data, "every stream's code").outcome is Outcome.VIOLATED


# Negative controls: each question, asked of data in which the answer is no.


def changed(done: Any, name: str, by: float) -> xr.Dataset:
    data = done.dataset.copy(deep=True)
    data[name] += by
    return data


@pytest.mark.parametrize("by", [-1.5, 1.5])
def test_a_message_coded_too_long_or_too_short_would_be_seen(
    done: Any, by: float
) -> None:
    data = changed(done, "bits", by)
    assert asked(data, "every message's code").outcome is Outcome.VIOLATED
    assert judge(SMOKE, data).outcome is Outcome.VIOLATED


def test_a_code_of_another_model_would_be_seen(done: Any) -> None:
    # Planted: the codes of the first record stand beside the losses of the last.
    data = done.dataset.copy(deep=True)
    for name in ("bits", "stream_bits"):
        first = data[name].isel(record=0, drop=True)
        data[name] = first.broadcast_like(data[name]).transpose(*data[name].dims)
    assert asked(data, "every message's code").outcome is Outcome.VIOLATED
    assert asked(data, "every stream's code").outcome is Outcome.VIOLATED


def test_a_stream_that_pays_two_bits_a_message_would_be_seen(done: Any) -> None:
    data = changed(done, "stream_bits", 2.0 * messages_per_stream(done.dataset))
    assert asked(data, "every stream's code").outcome is Outcome.VIOLATED
    assert asked(data, "expected cross-entropy").outcome is Outcome.VIOLATED
    assert asked(data, "law's own by KL").outcome is Outcome.VIOLATED


def test_a_loss_in_nats_taken_for_bits_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["loss"] *= np.log(2)
    assert asked(data, "every message's code").outcome is Outcome.VIOLATED


def test_a_wrong_divergence_would_be_seen(done: Any) -> None:
    data = changed(done, "gap", 2.0)
    assert asked(data, "expected cross-entropy").outcome is Outcome.VIOLATED
    assert asked(data, "law's own by KL").outcome is Outcome.VIOLATED


def test_codes_below_the_entropy_would_be_seen(done: Any) -> None:
    data = changed(done, "entropy", 8.0)
    assert asked(data, "Shannon").outcome is Outcome.VIOLATED


def test_a_message_that_is_not_decoded_would_be_seen(done: Any) -> None:
    data = changed(done, "wrong", 0)
    data["wrong"][0, 0, 0] = 1
    assert asked(data, "decoded exactly").outcome is Outcome.VIOLATED


def test_a_diverged_run_makes_nothing_hold(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    for name in ("bits", "loss", "stream_bits"):
        data[name][0, 0] = np.nan
    data["gap"][0, 0] = np.nan
    data["diverged"][0, 0] = 1
    verdict = judge(SMOKE, data)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert compression_is_loss.draw(data, verdict) is not None


def test_a_model_that_diverges_codes_nothing_and_is_marked() -> None:
    known = known_law(SMOKE)
    model = Bigram(SMOKE.vocabulary, SMOKE.contexts, SMOKE.length)
    start = jax.device_get(model.init(jax.random.key(0)))
    # One seed; its only record, [seed, record, ...], is of a model that diverged.
    lost = jax.tree.map(lambda leaf: np.full((1, 1, *leaf.shape), np.nan), start)
    step, none = np.array([[20]]), np.zeros((1, 1))
    records = Record(step, none, none, none, none, none, lost)
    runs = Runs(model, jax.tree.map(lambda leaf: leaf[None], start), records)
    held_out = np.asarray(known.source.sample(jax.random.key(1), 8))[None]
    data = coded_by_models(known, runs, held_out, streams=2)
    assert data["diverged"].values.tolist() == [[0, 1]]
    assert np.isfinite(data["bits"][0, 0]).all()
    assert np.isnan(data["bits"][0, 1]).all()
    assert data["record"].values.tolist() == [0, 20]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (8, 4)}, r"widths=\(8, 4\) must be one or more, and rise"),
        ({"messages": 100}, "must be a multiple of streams=32"),
        ({"length": 9}, "since every sequence is enumerated"),
        ({"margin_bits": 0.0}, "it is in bits per message"),
        ({"learning_rate": -3.0}, "did you pass its logarithm"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"heads": 3}, "heads=3 must divide width=4"),
        ({"streams": 0}, "streams=0 must be >= 1"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_have_sizes_to_compare() -> None:
    assert set(PRESETS) == {"smoke", "laptop", "accelerator"}
    assert len(PRESETS["laptop"].widths) == 3
    assert jnp.isclose(sum(known_law(SMOKE).law.contexts), 1.0)
