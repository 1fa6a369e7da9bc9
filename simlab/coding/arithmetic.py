"""Integer arithmetic coding (Witten, Neal and Cleary 1987): intervals in, bits out.

A symbol is an interval [low, high) of [0, 2^24): its frequency is high - low. A message
of symbols with q = prod(frequency / 2^24) gets a self-delimiting code of

    -log2 q - n ROUNDING_BITS  <=  bits  <=  -log2 q + OVERHEAD_BITS + n ROUNDING_BITS,

n the number of symbols. The registers have 62 bits, not the usual 32: an interval of at
least 2^60 is cut into 2^24, so that a symbol loses 2^-36 at most, and the promise is
kept for messages of any length that one would code.
"""

import numpy as np

TOTAL_BITS = 24
"""All frequencies of a symbol's law sum to 2 ** TOTAL_BITS."""

OVERHEAD_BITS = 2
"""What ends a code: two bits, so that whatever follows it is not read."""

ROUNDING_BITS = 2.0**-35
"""What the registers' rounding may cost, bits per symbol: more than log2(e) 2^-36."""

_REGISTER = 62
_TOP = 2**_REGISTER - 1
_HALF, _QUARTER = 2 ** (_REGISTER - 1), 2 ** (_REGISTER - 2)


class CodingError(ValueError):
    """What is wrong with a code, and the likely cause, in one line."""


class Encoder:
    r"""Turns the intervals of a message's symbols into its code.

    >>> encoder = Encoder()
    >>> encoder.encode(0, 2**22)  # a symbol of probability 1/4
    >>> encoder.finish()
    (b'\x10', 4)
    """

    def __init__(self) -> None:
        self._low, self._high, self._pending = 0, _TOP, 0
        self._bits = bytearray()  # one bit a byte

    def encode(self, low: int, high: int) -> None:
        """Appends one symbol. Domain: 0 <= low < high <= 2^24; else CodingError."""
        if not 0 <= low < high <= 1 << TOTAL_BITS:
            raise CodingError(
                f"interval [{low}, {high}) must lie in [0, 2^{TOTAL_BITS}] and not be "
                "empty: no symbol may have frequency 0"
            )
        span = self._high - self._low + 1
        self._high = self._low + (span * high >> TOTAL_BITS) - 1
        self._low += span * low >> TOTAL_BITS
        while True:
            if self._high < _HALF:
                self._emit(0)
            elif self._low >= _HALF:
                self._emit(1)
                self._low -= _HALF
                self._high -= _HALF
            elif self._low >= _QUARTER and self._high < _HALF + _QUARTER:
                self._pending += 1  # the bit is known once the next one is
                self._low -= _QUARTER
                self._high -= _QUARTER
            else:
                return
            self._low, self._high = 2 * self._low, 2 * self._high + 1

    def finish(self) -> tuple[bytes, int]:
        """The code, padded to whole bytes, and its number of bits. Ends the message."""
        # [1/4, 1/2) or [1/2, 3/4) lies inside the interval: any continuation decodes.
        self._pending += 1
        self._emit(int(self._low >= _QUARTER))
        bits = np.frombuffer(bytes(self._bits), np.uint8)
        return np.packbits(bits).tobytes(), len(self._bits)

    def _emit(self, bit: int) -> None:
        self._bits.append(bit)
        self._bits.extend(bytes([1 - bit]) * self._pending)
        self._pending = 0


class Decoder:
    """Gives the symbols of a code back, for a reader who knows their intervals.

    >>> decoder = Decoder(bytes([16]), 4)
    >>> decoder.target() < 2**22
    True
    >>> decoder.consume(0, 2**22)
    >>> decoder.finish()
    """

    def __init__(self, data: bytes, bits: int) -> None:
        if not 0 <= bits <= 8 * len(data):
            raise CodingError(
                f"a code of {bits} bits cannot be in {len(data)} bytes: it is "
                "truncated or damaged"
            )
        self._bits = np.unpackbits(np.frombuffer(data, np.uint8), count=bits).tobytes()
        self._low, self._high, self._shifts = 0, _TOP, 0
        self._value: int = 0
        for position in range(_REGISTER):
            self._value = 2 * self._value + self._bit(position)

    def target(self) -> int:
        """The number in [0, 2^24) that the next symbol's interval holds."""
        span: int = self._high - self._low + 1
        return (((self._value - self._low + 1) << TOTAL_BITS) - 1) // span

    def consume(self, low: int, high: int) -> None:
        """Passes the symbol of this interval, which `target` has told.

        Errors: CodingError when the code ends too early.
        """
        span = self._high - self._low + 1
        self._high = self._low + (span * high >> TOTAL_BITS) - 1
        self._low += span * low >> TOTAL_BITS
        while True:
            if self._high < _HALF:
                shift = 0
            elif self._low >= _HALF:
                shift = _HALF
            elif self._low >= _QUARTER and self._high < _HALF + _QUARTER:
                shift = _QUARTER
            else:
                break
            self._low, self._high = (
                2 * (self._low - shift),
                2 * (self._high - shift) + 1,
            )
            following = self._bit(self._shifts + _REGISTER)
            self._value = 2 * (self._value - shift) + following
            self._shifts += 1
        if self._shifts + OVERHEAD_BITS > len(self._bits):
            raise CodingError(
                f"a code of {len(self._bits)} bits ends before its message does: it "
                "is truncated, damaged, or of another model"
            )

    def finish(self) -> None:
        """Checks that the code is the one of its message. Errors: CodingError."""
        needed = self._shifts + OVERHEAD_BITS
        last = _QUARTER if self._low < _QUARTER else _HALF
        if needed != len(self._bits) or self._value != last:
            raise CodingError(
                f"a code of {len(self._bits)} bits does not end as its message would "
                f"after {needed} bits: it is damaged, or of another model"
            )

    def _bit(self, position: int) -> int:
        return self._bits[position] if position < len(self._bits) else 0
