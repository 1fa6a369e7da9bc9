"""Models drive the coder: whole numbers, determinism, lossless messages, lengths."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.coding import (
    OVERHEAD_BITS,
    ROUNDING_BITS,
    TOTAL_BITS,
    Code,
    CodingError,
    ModelPredictor,
    cumulative_frequencies,
    decode,
    encode,
    model_predictor,
    quantisation_bits,
)
from simlab.models import Bigram, Model, Tabular, Transformer
from simlab.objectives import sequence_losses
from tests.assertions import assert_close

TOTAL = 1 << TOTAL_BITS
EDGES = jax.jit(cumulative_frequencies)
LOSSES = jax.jit(sequence_losses, static_argnums=0)
LANES = 8
MODELS: dict[str, Model] = {
    "tabular": Tabular(vocabulary=3, contexts=2, length=3),
    "bigram": Bigram(vocabulary=3, contexts=2, length=5),
    "transformer": Transformer(3, 2, 5, width=8, depth=1, heads=2),
}
ROUNDING = 1e-5  # float32 rounding of logits and losses, bits a token


@functools.cache
def predictor(name: str, seed: int = 0) -> ModelPredictor:
    model = MODELS[name]
    start = model.init(jax.random.key(seed))
    # Trained models are further from uniform than fresh ones.
    params = jax.tree.map(lambda leaf: 30 * leaf if leaf.ndim > 2 else 2 * leaf, start)
    return model_predictor(model, params, LANES)


def drawn(seed: int, count: int, longest: int) -> list[np.ndarray]:
    """Messages of 0 to `longest` outputs, all tokens equally likely."""
    keys = jax.random.split(jax.random.key(seed), 3)
    lengths = np.asarray(jax.random.randint(keys[0], (count,), 0, longest + 1))
    contexts = np.asarray(jax.random.randint(keys[1], (count, 1), 3, 5))
    outputs = np.asarray(jax.random.randint(keys[2], (count, longest), 0, 3))
    rows = np.concatenate([contexts, outputs], axis=1)
    return [row[: 1 + length] for row, length in zip(rows, lengths, strict=True)]


def same(left: list[np.ndarray], right: list[np.ndarray]) -> bool:
    return len(left) == len(right) and all(
        np.array_equal(a, b) for a, b in zip(left, right, strict=True)
    )


def accepted(made: ModelPredictor, code: Code) -> list[np.ndarray] | None:
    """The messages, or None if the decoder refuses the code."""
    try:
        return decode(made, [code])[0]
    except CodingError as error:
        return None if "damaged" in str(error) else []


# Whole frequencies


logits = st.lists(
    st.one_of(
        st.floats(-90, 90, width=32, allow_subnormal=False), st.just(float("-inf"))
    ),
    min_size=7,
    max_size=7,
).filter(lambda row: max(row) > float("-inf"))


@given(logits)
def test_frequencies_sum_to_the_total_and_none_is_zero(row: list[float]) -> None:
    edges = np.asarray(EDGES(np.array(row, np.float32)))
    assert edges[0] == 0
    assert edges[-1] == TOTAL
    assert np.min(np.diff(edges)) >= 1


@given(logits)
def test_whole_frequencies_cost_no_more_than_promised(row: list[float]) -> None:
    exact = np.array(row, np.float32).astype(float)
    share = np.exp(exact - np.max(exact))
    share /= share.sum()
    frequencies = np.diff(np.asarray(EDGES(np.array(row, np.float32))))
    seen = share > 0
    cost = np.log2(share[seen]) - np.log2(frequencies[seen] / TOTAL)
    assert np.max(cost) <= quantisation_bits(7)


def test_the_promise_on_frequencies_is_not_idle() -> None:
    # Of many symbols the second most probable pays nearly all that is promised, and
    # more than a promise that forgot the least frequency of 1 in 2^24 would allow.
    row = np.zeros(2048, np.float32)
    row[:2] = 12.0, 11.9
    frequencies = np.diff(np.asarray(EDGES(row)))
    share = np.exp(row.astype(float) - 12)
    cost = np.log2(share / share.sum()) - np.log2(frequencies / TOTAL)
    assert 0.8 * quantisation_bits(2048) < np.max(cost) <= quantisation_bits(2048)
    assert np.max(cost) > quantisation_bits(0)


def test_a_model_that_says_nan_is_refused() -> None:
    made = predictor("bigram")
    params = jax.tree.map(lambda leaf: leaf * np.nan, made.params)
    broken = model_predictor(made.model, params, LANES)
    with pytest.raises(CodingError, match="it diverged"):
        encode(broken, [[np.array([3, 0])]])


# Messages


@pytest.mark.parametrize("name", MODELS)
def test_streams_of_messages_come_back(name: str) -> None:
    longest = 4 if name == "tabular" else 11  # beyond the window too
    streams = [drawn(seed, 5, longest) for seed in range(11)] + [[]]
    encoded = encode(predictor(name), streams)
    back = decode(predictor(name), [one.code for one in encoded])
    assert all(same(*pair) for pair in zip(streams, back, strict=True))


@pytest.mark.parametrize("name", MODELS)
def test_every_code_is_0_to_2_bits_longer_than_its_ideal(name: str) -> None:
    streams = [[row] for row in drawn(3, 60, 9)]
    for one, (row,) in zip(encode(predictor(name), streams), streams, strict=True):
        allowed = len(row) * (ROUNDING_BITS + 1e-12)
        over = one.code.bits - one.ideal_bits
        assert -allowed <= over <= OVERHEAD_BITS + allowed
        cost = one.ideal_bits - one.loss * np.log2(np.e)
        assert cost <= len(row) * (quantisation_bits(3) + ROUNDING)


@pytest.mark.parametrize("name", MODELS)
def test_the_coder_sees_the_loss_that_training_sees(name: str) -> None:
    made = predictor(name)
    full = made.model.length
    messages = np.stack([row for row in drawn(5, 300, full) if len(row) == full + 1])
    losses = LOSSES(made.model, made.params, jnp.asarray(messages))
    encoded = encode(made, [[row] for row in messages])
    # float32 rounding over some tokens
    assert_close([one.loss for one in encoded], losses, 1e-4)


def test_a_sliding_window_forgets_what_left_it() -> None:
    made = predictor("transformer")  # a window of a context and four outputs
    old, new = np.array([3, 0, 1, 2, 0, 1, 2]), np.array([3, 2, 1, 2, 0, 1, 2])
    one, other = encode(made, [[np.append(row, [1] * 40)] for row in (old, new)])
    losses = [
        encode(made, [[row]])[0].loss for row in (old, new)
    ]  # the first six outputs, which do differ
    assert one.loss - losses[0] == pytest.approx(other.loss - losses[1], abs=1e-4)
    assert abs(losses[0] - losses[1]) > 1e-2


# Determinism


def test_how_many_are_coded_at_once_changes_no_bit() -> None:
    made = predictor("transformer")
    streams = [[row] for row in drawn(7, 40, 12)]
    together = [one.code for one in encode(made, streams)]
    # In other batches the same lanes hold other neighbours, or none.
    alone = [decode(made, [code])[0] for code in together]
    assert all(same(*pair) for pair in zip(streams, alone, strict=True))
    backwards = decode(made, together[::-1])[::-1]
    assert all(same(*pair) for pair in zip(streams, backwards, strict=True))
    some = decode(made, together[5:40:7])
    assert all(same(*pair) for pair in zip(streams[5:40:7], some, strict=True))
    again = [encode(made, streams[i : i + LANES]) for i in range(0, 40, LANES)]
    assert [one.code for batch in again for one in batch] == together


def test_a_lane_does_not_see_its_neighbours() -> None:
    made = predictor("transformer")
    rows = np.zeros((LANES, made.window), np.int32)
    seen = np.full(LANES, made.window - 1, np.int32)
    rows[3] = [4, 1, 2, 0, 1]
    quiet = made.predict(rows, seen).edges[3]
    for seed in range(5):
        noise = jax.random.randint(jax.random.key(seed), rows.shape, 0, 3)
        others = np.array(noise, np.int32)
        others[3] = rows[3]
        np.testing.assert_array_equal(made.predict(others, seen).edges[3], quiet)


def test_double_precision_outside_changes_no_bit() -> None:
    made = predictor("transformer")
    streams = [[row] for row in drawn(2, 9, 6)]
    codes = [one.code for one in encode(made, streams)]
    with jax.enable_x64(True):
        fresh = model_predictor(made.model, made.params, LANES)
        assert [one.code for one in encode(fresh, streams)] == codes
        assert fresh.rounding() == made.rounding()


def test_fingerprints_tell_models_apart() -> None:
    made = predictor("transformer")
    assert made.fingerprint() == predictor("transformer").fingerprint()
    others = [
        predictor("transformer", seed=1),
        model_predictor(made.model, made.params, LANES + 1),
        model_predictor(
            made.model, jax.tree.map(lambda leaf: leaf + 1e-6, made.params), LANES
        ),
    ]
    assert len({made.fingerprint(), *(one.fingerprint() for one in others)}) == 4
    assert predictor("bigram").rounding() != made.rounding()


# What is refused


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([0, 1], "begins with token 0, must be a context: 3 to 4"),
        ([5, 1], "must be a context"),
        ([3, 3], "outputs outside 0 to 2"),
        ([3, -1], "outputs outside 0 to 2"),
    ],
)
def test_a_foreign_token_is_named(row: list[int], message: str) -> None:
    with pytest.raises(CodingError, match=message):
        encode(predictor("bigram"), [[np.array(row)]])


def test_damaged_codes_are_refused_or_another_message() -> None:
    made = predictor("bigram")
    row = drawn(1, 20, 30)[2]
    code = encode(made, [[row]])[0].code

    def flipped(bit: int) -> Code:
        data = bytearray(code.data)
        data[bit // 8] ^= 128 >> bit % 8
        return code._replace(data=bytes(data))

    outcomes = [accepted(made, flipped(bit)) for bit in range(code.bits)]
    assert same([row], accepted(made, code) or [])
    assert not any(got is not None and same([row], got) for got in outcomes)
    assert sum(got is None for got in outcomes) > 0.3 * code.bits


def test_a_lane_that_is_not_there_is_named() -> None:
    with pytest.raises(CodingError, match="lane 9 of 8"):
        decode(predictor("bigram"), [Code(b"\x40", 2, 9, (0,), (0,))])


def test_a_vocabulary_too_large_for_whole_numbers_is_refused() -> None:
    model = Bigram(vocabulary=3000, contexts=1, length=2)
    with pytest.raises(CodingError, match="vocabulary=3000 must be in"):
        model_predictor(model, {})
    with pytest.raises(ValueError, match="lanes=0 must be >= 1"):
        model_predictor(MODELS["bigram"], {}, 0)
