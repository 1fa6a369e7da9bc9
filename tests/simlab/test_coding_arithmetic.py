"""The arithmetic coder alone: every message comes back, at the promised length."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab.coding import (
    OVERHEAD_BITS,
    ROUNDING_BITS,
    TOTAL_BITS,
    CodingError,
    Decoder,
    Encoder,
)

TOTAL = 1 << TOTAL_BITS
Table = list[int]


def edges_of(weights: list[int]) -> Table:
    """Interval edges whose widths are about proportional to the weights, all >= 1."""
    shares = [1 + w * (TOTAL - len(weights)) // sum(weights) for w in weights]
    shares[shares.index(max(shares))] += TOTAL - sum(shares)
    return [0, *itertools.accumulate(shares)]


def coded(edges: Table, message: list[int]) -> tuple[bytes, int]:
    encoder = Encoder()
    for symbol in message:
        encoder.encode(edges[symbol], edges[symbol + 1])
    return encoder.finish()


def decoded(edges: Table, code: tuple[bytes, int], length: int) -> list[int]:
    decoder, message = Decoder(*code), []
    for _ in range(length):
        target = decoder.target()
        symbol = sum(edge <= target for edge in edges[1:])
        decoder.consume(edges[symbol], edges[symbol + 1])
        message.append(symbol)
    decoder.finish()
    return message


def accepted(edges: Table, code: tuple[bytes, int], length: int) -> list[int] | None:
    """The message, or None if the decoder refuses the code."""
    try:
        return decoded(edges, code, length)
    except CodingError:
        return None


def ideal(edges: Table, message: list[int]) -> float:
    return sum(TOTAL_BITS - math.log2(edges[s + 1] - edges[s]) for s in message)


# Weights of 0 give the least frequency, 1 in 2^24.
weights = st.lists(
    st.one_of(st.just(0), st.integers(1, 10), st.integers(1, 10**9)),
    min_size=2,
    max_size=9,
).filter(any)
laws = weights.map(edges_of)


@st.composite
def messages(draw: st.DrawFn) -> tuple[Table, list[int]]:
    edges = draw(laws)
    symbols = st.integers(0, len(edges) - 2)
    return edges, draw(st.lists(symbols, max_size=60))


@given(messages())
def test_every_message_comes_back(given_message: tuple[Table, list[int]]) -> None:
    edges, message = given_message
    assert decoded(edges, coded(edges, message), len(message)) == message


@given(messages())
def test_a_code_is_0_to_2_bits_longer_than_ideal(
    given_message: tuple[Table, list[int]],
) -> None:
    edges, message = given_message
    _, bits = coded(edges, message)
    # The registers' rounding, and that of this sum of logarithms.
    allowed = len(message) * (ROUNDING_BITS + 1e-12)
    assert -allowed <= bits - ideal(edges, message) <= OVERHEAD_BITS + allowed


def test_one_bit_would_be_too_strict_a_promise() -> None:
    # Negative control of the test above: some codes need nearly both bits.
    edges = edges_of([5, 2, 1])
    over = [
        coded(edges, list(message))[1] - ideal(edges, list(message))
        for message in itertools.product(range(3), repeat=5)
    ]
    assert max(over) > 1.5
    assert min(over) < 0.5


def test_the_promise_holds_for_thousands_of_the_rarest_symbols() -> None:
    # 32-bit registers would lose up to 1/64 of the interval at each of these.
    edges = [0, TOTAL // 3, TOTAL // 3 + 1, TOTAL]
    message = [1] * 1500
    code = coded(edges, message)
    assert 0 <= code[1] - TOTAL_BITS * 1500 <= OVERHEAD_BITS + 1e-3
    assert decoded(edges, code, 1500) == message


def test_symbols_around_the_middle_keep_bits_waiting() -> None:
    # The interval closes in on 1/2 from both sides: no bit is known for long.
    edges = [0, TOTAL // 2 - 1, TOTAL // 2 + 1, TOTAL]
    for message in ([1] * 300, [1] * 300 + [0], [1] * 300 + [2]):
        assert decoded(edges, coded(edges, message), len(message)) == message


@given(laws.filter(lambda edges: len(edges) <= 4))
def test_codes_of_equally_long_messages_are_prefix_free(edges: Table) -> None:
    codes = [
        coded(edges, list(message))
        for message in itertools.product(range(len(edges) - 1), repeat=3)
    ]
    texts = sorted(
        "".join(map(str, np.unpackbits(np.frombuffer(data, np.uint8), count=bits)))
        for data, bits in codes
    )
    assert not any(b.startswith(a) for a, b in itertools.pairwise(texts))
    assert sum(Fraction(1, 2 ** len(text)) for text in texts) <= 1


@given(messages(), st.binary(max_size=9))
def test_whatever_follows_a_code_is_not_read(
    given_message: tuple[Table, list[int]], following: bytes
) -> None:
    edges, message = given_message
    data, bits = coded(edges, message)
    kept = np.unpackbits(np.frombuffer(data, np.uint8), count=bits)
    more = np.unpackbits(np.frombuffer(following, np.uint8))
    longer = np.packbits(np.concatenate([kept, more])).tobytes()
    decoder = Decoder(longer, bits + len(more))
    for symbol in message:
        target = decoder.target()
        assert edges[symbol] <= target < edges[symbol + 1]
        decoder.consume(edges[symbol], edges[symbol + 1])


@given(messages().filter(lambda pair: len(pair[1]) > 3))
def test_a_code_that_is_cut_never_passes(
    given_message: tuple[Table, list[int]],
) -> None:
    edges, message = given_message
    data, bits = coded(edges, message)
    for kept in {0, bits // 2, bits - 1}:
        # Another message may have a code this long, the same one never has.
        assert accepted(edges, (data, kept), len(message)) != message


def test_another_law_gives_another_message() -> None:
    message = [0, 1, 2, 2, 1, 0, 0, 0] * 4
    code = coded(edges_of([5, 2, 1]), message)

    assert accepted(edges_of([5, 2, 1]), code, len(message)) == message
    assert accepted(edges_of([5, 1, 2]), code, len(message)) != message


@pytest.mark.parametrize(
    "interval", [(0, 0), (5, 4), (-1, 3), (0, TOTAL + 1), (TOTAL, TOTAL)]
)
def test_an_empty_or_foreign_interval_is_refused(interval: tuple[int, int]) -> None:
    with pytest.raises(CodingError, match="no symbol may have frequency 0"):
        Encoder().encode(*interval)


def test_a_code_longer_than_its_bytes_is_refused() -> None:
    with pytest.raises(CodingError, match="truncated or damaged"):
        Decoder(b"\x00", 9)
