"""Bytes to a code stream and back; whatever is wrong with a stream gets one line.

    SLAC, version      5 bytes
    model              8 bytes, the predictor's fingerprint
    rounding           4 bytes, of the machine that wrote it
    content            8 bytes, a checksum of what was coded
    sizes              content, segments, and the bits of every segment's code (LEB128)
    codes              one a segment, each padded to whole bytes
    checksum           8 bytes, of all before

The content is cut into segments of nearly one size that are coded in lockstep: more
segments are faster, and each costs a cold start and about three bytes.
"""

import hashlib
import itertools
from typing import NamedTuple

import numpy as np

from simlab.coding.arithmetic import CodingError
from simlab.coding.messages import Code, Tick, decode, encode, silent
from simlab.coding.prediction import Predictor

MAGIC = b"SLAC"
VERSION = 1
LEAST_SEGMENT = 1024
"""Bytes: a shorter content is cut into fewer segments than there are lanes."""

_HEADER = 25
_SEAL = 8


class Compressed(NamedTuple):
    """A code stream and what its parts cost.

    `code_bits` is the length of all codes, `ideal_bits` -log2 q, `loss` -log p in nats
    (see `Encoded`); what else the stream has is headers, lengths and padding.
    """

    stream: bytes
    code_bits: int
    ideal_bits: float
    loss: float
    segments: int


def compress(predictor: Predictor, content: bytes, tick: Tick = silent) -> Compressed:
    """The code stream of some bytes. Errors: CodingError unless the model's
    tokens are bytes.
    """
    _check_bytes(predictor)
    data = np.frombuffer(content, np.uint8).astype(np.int32)
    sizes = _sizes(len(content), predictor.lanes)
    pieces = np.split(data, np.cumsum(sizes)[:-1]) if sizes else []
    begin = np.array([predictor.vocabulary], np.int32)
    streams = [[np.concatenate([begin, piece])] for piece in pieces]
    encoded = encode(predictor, streams, tick)
    head = [MAGIC, bytes([VERSION]), predictor.fingerprint(), predictor.rounding()]
    head += [_checksum(content), _number(len(content)), _number(len(sizes))]
    head += [_number(one.code.bits) for one in encoded]
    body = b"".join(head) + b"".join(one.code.data for one in encoded)
    return Compressed(
        body + _checksum(body),
        sum(one.code.bits for one in encoded),
        sum(one.ideal_bits for one in encoded),
        sum(one.loss for one in encoded),
        len(sizes),
    )


def decompress(predictor: Predictor, stream: bytes, tick: Tick = silent) -> bytes:
    """The content of a code stream, exactly.

    Errors: CodingError, in one line, for a stream that is none, is truncated or
    damaged, was made with another model, or on a machine that rounds differently.
    """
    _check_bytes(predictor)
    size, bits, codes = _opened(stream)
    _check_maker(predictor, stream)
    sizes = _sizes(size, predictor.lanes)
    if len(sizes) != len(bits):
        raise CodingError("the code stream has another number of segments: damaged")
    listed = [
        Code(code, count, lane, (0,), (length,))
        for lane, (code, count, length) in enumerate(
            zip(codes, bits, sizes, strict=True)
        )
    ]
    parts = decode(predictor, listed, tick)
    content = b"".join(row[1:].astype(np.uint8).tobytes() for (row,) in parts)
    if _checksum(content) != stream[17:_HEADER]:
        raise CodingError(
            "the decoded content does not fit its checksum, although code stream and "
            "model are intact: this machine computes other numbers than the one that "
            "compressed it"
        )
    return content


def content_size(stream: bytes) -> int:
    """The bytes of the content. Errors: CodingError for a stream that is not whole."""
    return _opened(stream)[0]


def _sizes(size: int, lanes: int) -> list[int]:
    """The lengths of the segments of a content of this size."""
    count = min(lanes, -(-size // LEAST_SEGMENT))
    return [(size + count - 1 - i) // count for i in range(count)]


def _opened(stream: bytes) -> tuple[int, list[int], list[bytes]]:
    """The size of the content, and of every segment the bits and the code."""
    if stream[: len(MAGIC)] != MAGIC:
        raise CodingError(
            "this is no code stream of simlab: its first bytes are others"
        )
    if len(stream) <= _HEADER + _SEAL:
        raise CodingError(f"the code stream is truncated: only {len(stream)} bytes")
    body = stream[:-_SEAL]
    intact = _checksum(body) == stream[-_SEAL:]
    if intact and stream[4] != VERSION:
        raise CodingError(
            f"the code stream has version {stream[4]}, this program reads {VERSION}"
        )
    try:
        size, at = _read(body, _HEADER)
        segments, at = _read(body, at)
        bits: list[int] = []
        while len(bits) < segments:
            count, at = _read(body, at)
            bits.append(count)
    except IndexError:
        raise CodingError("the code stream is truncated within its header") from None
    ends = list(itertools.accumulate((-(-count // 8) for count in bits), initial=at))
    whole = ends[-1] + _SEAL
    if not intact:
        short = f": {len(stream)} of {whole} bytes" if whole > len(stream) else ""
        raise CodingError(f"the code stream is truncated or damaged{short}")
    return size, bits, [body[a:b] for a, b in itertools.pairwise(ends)]


def _check_bytes(predictor: Predictor) -> None:
    if predictor.vocabulary != 256:
        raise CodingError(
            f"a model of {predictor.vocabulary} tokens cannot code bytes: it needs 256"
        )


def _check_maker(predictor: Predictor, stream: bytes) -> None:
    """None; raises if another model or another arithmetic made the stream."""
    if stream[5:13] != predictor.fingerprint():
        raise CodingError(
            f"the code stream was made with another model ({stream[5:13].hex()}, this "
            f"one is {predictor.fingerprint().hex()}): give the one it came with"
        )
    if stream[13:17] != predictor.rounding():
        raise CodingError(
            "the code stream was made by a machine or software version that rounds "
            "differently: decompress it where it was compressed"
        )


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()[:_SEAL]


def _number(value: int) -> bytes:
    """A whole number in base 128, least digit first; the last digit is below 128."""
    digits = bytearray()
    while value >= 128:
        digits.append(value % 128 + 128)
        value //= 128
    return bytes([*digits, value])


def _read(body: bytes, at: int) -> tuple[int, int]:
    """A number of `_number` and where it ends. Errors: IndexError at the end."""
    value, shift = 0, 0
    while True:
        digit = body[at]
        at, value, shift = at + 1, value + (digit % 128 << shift), shift + 7
        if digit < 128:
            return value, at
