"""Token sequences to codes and back, many lanes in lockstep.

A stream is a list of messages that share one code: the model begins anew with each, the
coder does not, so that the two bits that end a code are paid once. A message is a row
of tokens as sources draw them: the context, `vocabulary + x`, which is given and not
coded, then any number of outputs. Beyond the predictor's window a message is predicted
from its context and its last `window - 1` outputs.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from simlab.coding.arithmetic import TOTAL_BITS, CodingError, Decoder, Encoder
from simlab.coding.prediction import Predictor

Message = Int[np.ndarray, " _"]
Stream = Sequence[Message]
Plan = tuple[Sequence[int], Sequence[int]]
"""The contexts and the lengths of the messages of a stream."""

Tick = Callable[[int], object]
"""Is told of every few symbols that were coded."""


class Code(NamedTuple):
    """All that the decoder needs, beside the predictor, to give a stream back."""

    data: bytes
    bits: int
    lane: int
    contexts: tuple[int, ...]
    lengths: tuple[int, ...]


class Encoded(NamedTuple):
    """A code, and what it should cost.

    `ideal_bits` is -log2 q, q the product of the coder's frequencies over 2^24; `loss`
    is -log p, nats, p what the model said before it was made whole numbers.
    """

    code: Code
    ideal_bits: float
    loss: float


def silent(symbols: int) -> None:
    """A tick that tells nobody."""
    del symbols


def encode(
    predictor: Predictor, streams: Sequence[Stream], tick: Tick = silent
) -> list[Encoded]:
    """The code of every stream, each within 2 bits of its `ideal_bits`.

    Stream i goes through lane i modulo the number of lanes. Errors: CodingError for
    tokens that the predictor does not know.
    """
    encoded: list[Encoded] = []
    for first in range(0, len(streams), predictor.lanes):
        batch = streams[first : first + predictor.lanes]
        encoded += _encoded(predictor, batch, tick)
    return encoded


def decode(
    predictor: Predictor, codes: Sequence[Code], tick: Tick = silent
) -> list[list[Message]]:
    """The messages of every stream, exactly as they were encoded.

    In any order and any selection of the codes. Errors: CodingError for a code that
    does not end where its messages do, or that has no lane here.
    """
    decoded: dict[int, list[Message]] = {}
    waiting = list(enumerate(codes))
    while waiting:
        batch: dict[int, int] = {}
        for index, code in waiting:
            batch.setdefault(code.lane, index)
        waiting = [(i, code) for i, code in waiting if batch[code.lane] != i]
        chosen = [codes[index] for index in batch.values()]
        results = _decoded(predictor, chosen, tick)
        decoded.update(zip(batch.values(), results, strict=True))
    return [decoded[index] for index in range(len(codes))]


class _Lanes:
    """What every lane has seen, and in which of them a message begins at which step."""

    def __init__(self, predictor: Predictor, plans: Mapping[int, Plan]):
        self.rows = np.zeros((predictor.lanes, predictor.window), np.int32)
        self.seen = np.zeros(predictor.lanes, np.int32)
        self.steps = np.zeros(predictor.lanes, np.int32)
        self._vocabulary = predictor.vocabulary
        self._begins: dict[int, list[tuple[int, int]]] = {}
        for lane, (contexts, lengths) in plans.items():
            if not 0 <= lane < predictor.lanes:
                raise CodingError(
                    f"lane {lane} of {predictor.lanes}: another predictor's code"
                )
            begin = 0
            for context, length in zip(contexts, lengths, strict=True):
                if length:
                    self._begins.setdefault(begin, []).append((lane, context))
                begin += length
            self.steps[lane] = begin

    def begin(self, step: int) -> Int[np.ndarray, " active"]:
        """Begins the messages that are due, and tells which lanes are at work."""
        for lane, context in self._begins.get(step, ()):
            self.rows[lane], self.seen[lane] = 0, 0
            self.rows[lane, 0] = self._vocabulary + context
        return np.flatnonzero(self.steps > step)

    def push(
        self, active: Int[np.ndarray, " active"], tokens: Int[np.ndarray, " active"]
    ) -> None:
        """One more output in each active lane; a full row forgets its oldest one."""
        last = self.rows.shape[1] - 1
        if last == 0:
            return
        full = active[self.seen[active] == last]
        self.rows[full, 1:-1] = self.rows[full, 2:]
        self.seen[active] = np.minimum(self.seen[active] + 1, last)
        self.rows[active, self.seen[active]] = tokens


def _encoded(
    predictor: Predictor, streams: Sequence[Stream], tick: Tick
) -> list[Encoded]:
    contexts = [[int(row[0]) - predictor.vocabulary for row in one] for one in streams]
    lengths = [[len(row) - 1 for row in one] for one in streams]
    _check(predictor, streams, contexts)
    lanes = _Lanes(predictor, dict(enumerate(zip(contexts, lengths, strict=True))))
    longest = int(np.max(lanes.steps))
    tokens = np.zeros((len(streams), longest), np.int64)
    for lane, rows in enumerate(streams):
        flat = [row[1:] for row in rows]
        tokens[lane, : lanes.steps[lane]] = np.concatenate(flat) if flat else []
    encoders = [Encoder() for _ in streams]
    ideal, loss = np.zeros(len(streams)), np.zeros(len(streams))
    for step in range(longest):
        active = lanes.begin(step)
        edges, log_probs = predictor.predict(lanes.rows, lanes.seen)
        symbols = tokens[active, step]
        low, high = edges[active, symbols], edges[active, symbols + 1]
        for lane, a, b in zip(
            active.tolist(), low.tolist(), high.tolist(), strict=True
        ):
            encoders[lane].encode(a, b)
        ideal[active] += TOTAL_BITS - np.log2(high - low)
        loss[active] -= log_probs[active, symbols]
        lanes.push(active, symbols)
        tick(len(active))
    return [
        Encoded(
            Code(*encoder.finish(), lane, tuple(contexts[lane]), tuple(lengths[lane])),
            float(ideal[lane]),
            float(loss[lane]),
        )
        for lane, encoder in enumerate(encoders)
    ]


def _decoded(
    predictor: Predictor, codes: Sequence[Code], tick: Tick
) -> list[list[Message]]:
    lanes = _Lanes(predictor, {c.lane: (c.contexts, c.lengths) for c in codes})
    decoders = {code.lane: Decoder(code.data, code.bits) for code in codes}
    longest = int(np.max(lanes.steps))
    tokens = np.zeros((predictor.lanes, longest), np.int32)
    for step in range(longest):
        active = lanes.begin(step)
        edges, _ = predictor.predict(lanes.rows, lanes.seen)
        at_work = [decoders[lane] for lane in active.tolist()]
        targets = np.array([decoder.target() for decoder in at_work])
        symbols = np.sum(edges[active, 1:] <= targets[:, None], axis=1)
        low, high = edges[active, symbols], edges[active, symbols + 1]
        for decoder, a, b in zip(at_work, low.tolist(), high.tolist(), strict=True):
            decoder.consume(a, b)
        tokens[active, step] = symbols
        lanes.push(active, symbols)
        tick(len(active))
    for decoder in decoders.values():
        decoder.finish()
    return [_rows(predictor, code, tokens[code.lane]) for code in codes]


def _rows(
    predictor: Predictor, code: Code, tokens: Int[np.ndarray, " steps"]
) -> list[Message]:
    """The outputs of a lane cut into messages, each behind its context."""
    ends = np.cumsum(code.lengths, dtype=int)
    return [
        np.concatenate([[predictor.vocabulary + context], tokens[end - length : end]])
        for context, length, end in zip(code.contexts, code.lengths, ends, strict=True)
    ]


def _check(
    predictor: Predictor, streams: Sequence[Stream], contexts: Sequence[Sequence[int]]
) -> None:
    """None; raises for a token or context that the predictor does not know."""
    for rows, places in zip(streams, contexts, strict=True):
        for row, context in zip(rows, places, strict=True):
            if not 0 <= context < predictor.contexts:
                raise CodingError(
                    f"a message begins with token {int(row[0])}, must be a context: "
                    f"{predictor.vocabulary} to "
                    f"{predictor.vocabulary + predictor.contexts - 1}"
                )
            if len(row) > 1 and not (
                np.min(row[1:]) >= 0 and np.max(row[1:]) < predictor.vocabulary
            ):
                raise CodingError(
                    f"a message has outputs outside 0 to {predictor.vocabulary - 1}"
                )
