"""Bytes to code streams and back, and what is said of a stream that is not right."""

import dataclasses
import functools
import hashlib

import jax
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simlab.coding import (
    OVERHEAD_BITS,
    CodingError,
    ModelPredictor,
    compress,
    content_size,
    decompress,
    model_predictor,
    pack_model,
    quantisation_bits,
    unpack_model,
)
from simlab.models import Activation, Bigram, Positions, Tabular, Transformer

MODEL = Transformer(256, 1, 4, width=4, depth=1, heads=1)


@functools.cache
def predictor(seed: int = 0) -> ModelPredictor:
    return model_predictor(MODEL, MODEL.init(jax.random.key(seed)), lanes=32)


def text(size: int) -> bytes:
    """Bytes of very different probabilities."""
    numbers = np.asarray(jax.random.geometric(jax.random.key(1), 0.05, (size,)))
    return (numbers % 256).astype(np.uint8).tobytes()


@functools.cache
def made() -> bytes:
    return compress(predictor(), text(2500)).stream


@given(st.binary(max_size=24))
@example(b"")
@example(bytes(range(0, 256, 5)))
def test_any_bytes_come_back(content: bytes) -> None:
    done = compress(predictor(), content)
    assert decompress(predictor(), done.stream) == content
    assert content_size(done.stream) == len(content)


def test_tens_of_kilobytes_come_back_at_the_promised_length() -> None:
    content = text(20_480)
    done = compress(predictor(), content)
    assert decompress(predictor(), done.stream) == content
    assert done.segments == 20
    over = done.code_bits - done.ideal_bits
    # The registers' rounding is below 1e-6 bits for so many bytes.
    assert -1e-6 <= over <= OVERHEAD_BITS * done.segments + 1e-6
    whole = done.ideal_bits - done.loss * np.log2(np.e)
    assert abs(whole) <= len(content) * quantisation_bits(256)
    # 33 bytes of header and seal, sizes, and the bits and padding of every segment.
    assert 8 * len(done.stream) - done.code_bits <= 8 * (33 + 5 + 20 * 4)


@pytest.mark.slow
def test_a_megabyte_comes_back() -> None:
    content = text(2**20)
    wide = model_predictor(MODEL, MODEL.init(jax.random.key(0)))
    assert decompress(wide, compress(wide, content).stream) == content


@pytest.mark.parametrize("size", [1, 1024, 1025])
def test_segments_hold_everything_once(size: int) -> None:
    content = text(size)
    done = compress(predictor(), content)
    assert done.segments == -(-size // 1024)
    assert decompress(predictor(), done.stream) == content


def refusal(stream: bytes, by: ModelPredictor | None = None) -> str:
    """The one line with which a stream is refused."""
    with pytest.raises(CodingError) as caught:
        decompress(by or predictor(), stream)
    line = str(caught.value)
    assert "\n" not in line
    return line


def test_a_flipped_bit_anywhere_is_noticed() -> None:
    stream = made()
    places = {*range(60), *range(60, len(stream), 97), *range(len(stream) - 9, 0, -999)}
    for place in places:
        flipped = bytearray(stream)
        flipped[place] ^= 1 << place % 8
        line = refusal(bytes(flipped))
        assert "damaged" in line or "truncated" in line or "no code stream" in line


def test_a_truncated_stream_is_noticed_and_measured() -> None:
    stream = made()
    assert "is no code stream" in refusal(stream[:3])
    for size in (4, 33, 35, 40, 100, len(stream) // 2, len(stream) - 1):
        assert "truncated" in refusal(stream[:size])
    half = len(stream) // 2
    assert f"{half} of {len(stream)} bytes" in refusal(stream[:half])
    assert "damaged" in refusal(stream + b"\x00")


def test_another_model_is_named() -> None:
    line = refusal(made(), predictor(seed=1))
    assert "another model" in line
    assert predictor(seed=1).fingerprint().hex() in line


def test_something_else_is_no_code_stream() -> None:
    assert "no code stream" in refusal(b"")
    assert "no code stream" in refusal(b"PK\x03\x04" + bytes(100))


def resealed(stream: bytes, place: int, value: bytes) -> bytes:
    """The stream with other bytes at a place, its last checksum made to fit."""
    body = stream[:place] + value + stream[place + len(value) : -8]
    return body + hashlib.sha256(body).digest()[:8]


def test_a_later_version_is_named() -> None:
    assert "has version 2, this program reads 1" in refusal(resealed(made(), 4, b"\2"))


def test_a_machine_that_rounds_differently_is_told() -> None:
    other = resealed(made(), 13, b"\0\0\0\0")
    assert "rounds differently" in refusal(other)


def test_content_that_decodes_to_something_else_is_told() -> None:
    other = resealed(made(), 17, bytes(8))
    assert "does not fit its checksum" in refusal(other)


def test_a_forged_segment_is_told() -> None:
    # Inside a code, with every checksum of the stream made to fit.
    assert refusal(resealed(made(), 900, b"\xff\xff"))


def test_a_model_of_other_tokens_cannot_code_bytes() -> None:
    model = Bigram(vocabulary=3, contexts=1, length=2)
    small = model_predictor(model, model.init(jax.random.key(0)))
    with pytest.raises(CodingError, match="a model of 3 tokens cannot code bytes"):
        compress(small, b"abc")


# The model file


@pytest.mark.parametrize(
    "model",
    [
        Bigram(3, 2, 4),
        Tabular(3, 2, 2),
        Transformer(3, 1, 4, 8, 2, 2, 3, Positions.LEARNED, Activation.SWIGLU),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_packed_model_is_the_same_model(
    model: Bigram | Tabular | Transformer,
) -> None:
    params = model.init(jax.random.key(0))
    packed = pack_model(model, params)
    again, restored = unpack_model(packed)
    assert again == model
    assert jax.tree.structure(restored) == jax.tree.structure(params)
    for left, right in zip(
        jax.tree.leaves(params), jax.tree.leaves(restored), strict=True
    ):
        np.testing.assert_array_equal(left, right)
    one, other = (model_predictor(model, each, 2) for each in (params, restored))
    assert one.fingerprint() == other.fingerprint()


def test_a_damaged_model_file_is_refused() -> None:
    packed = pack_model(MODEL, MODEL.init(jax.random.key(0)))
    for place in range(0, len(packed), 701):
        flipped = bytearray(packed)
        flipped[place] ^= 4
        with pytest.raises(CodingError, match=r"damaged|no model file"):
            unpack_model(bytes(flipped))
    with pytest.raises(CodingError, match="truncated or damaged"):
        unpack_model(packed[:-1])
    with pytest.raises(CodingError, match="no model file"):
        unpack_model(b"")


@dataclasses.dataclass(frozen=True)
class Foreign(Bigram):
    """A model that nobody could restore."""


def test_only_models_of_this_project_are_kept() -> None:
    with pytest.raises(CodingError, match="a Foreign cannot be kept"):
        pack_model(Foreign(3, 2, 4), {})
