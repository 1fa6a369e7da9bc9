"""What the codes say: every message, every stream, their means, their redundancy."""

from collections.abc import Iterator

import jax
import numpy as np
import xarray as xr

from experiments.claim import Evidence
from experiments.evidence import all_inside, never_below, outcome_of, undecided
from simlab.coding import OVERHEAD_BITS
from simlab.statistics import Agreement, equivalence, estimate
from theory.compression import arithmetic_bounds
from theory.units import to_bits

_CELL = ("width", "record")


def in_bits(nats: xr.DataArray) -> xr.DataArray:
    """The same losses in bits, double precision."""
    with jax.enable_x64(True):
        return nats.copy(data=np.asarray(to_bits(nats.values.astype(float))))


def messages_per_stream(data: xr.Dataset) -> int:
    """How many messages share a code."""
    return int(data.sizes["message"] // data.sizes["stream"])


def stream_losses(loss: xr.DataArray, data: xr.Dataset) -> xr.DataArray:
    """Losses of messages summed over each stream: [..., stream]."""
    values = loss.transpose(..., "message").values
    shape = (*values.shape[:-1], data.sizes["stream"], messages_per_stream(data))
    dims = tuple(dim for dim in loss.dims if dim != "message")
    summed = values.reshape(shape).sum(-1)
    return xr.DataArray(
        summed, dims=(*dims, "stream"), coords=loss.isel(message=0).coords
    )


def compression_evidence(
    data: xr.Dataset, margin: float, level: float
) -> Iterator[Evidence]:
    """Every question asked of the codes, in the order of the verdict table."""
    of_stream = stream_losses(data["loss"], data)
    shared = messages_per_stream(data)
    # Whole frequencies cost a token this much at most; the roundings of the training's
    # own loss, in float32 and by another program than the coder's, are no larger.
    allowed = float(data["rounding"])
    yield _within_two_bits("message", data["bits"], data["loss"], allowed)
    yield _within_two_bits("stream", data["stream_bits"], of_stream, shared * allowed)
    yield _decoded(data)
    overhead = OVERHEAD_BITS / shared
    mean = data["stream_bits"] / shared
    expected = in_bits(data["entropy"] + data["gap"])
    yield _agreement(
        "is the mean code length the expected cross-entropy H + KL?",
        mean - expected, -margin, overhead + margin, level,
    )  # fmt: skip
    yield _agreement(
        "is the code longer than the law's own by KL?",
        mean - data["law_stream_bits"] / shared - in_bits(data["gap"]),
        -overhead - margin, overhead + margin, level,
    )  # fmt: skip
    yield _agreement(
        "is no mean code length below the entropy of the law (Shannon)?",
        mean - in_bits(data["entropy"]), -margin, np.inf, level,
    )  # fmt: skip


def _within_two_bits(
    what: str, bits: xr.DataArray, loss: xr.DataArray, allowed: float
) -> Evidence:
    """Exact, for every single code: -log2 q <= bits <= -log2 q + 2.

    Beyond -log2 q the bounds are those of a message of probability one; the
    probability of a long stream would be below what numbers can hold.
    """
    least, most = (float(end[0]) for end in arithmetic_bounds(np.ones(1)))
    excess = (bits - in_bits(loss)).values
    room = np.minimum(excess - least, most - excess)
    question = f"is every {what}'s code 0 to 2 bits longer than its cross-entropy?"
    return never_below(question, room, np.zeros_like(room), allowed, "bits")


def _decoded(data: xr.Dataset) -> Evidence:
    wrong = int(data["wrong"].sum())
    count = data["wrong"].size * data.sizes["message"]
    return Evidence(
        "was every message decoded exactly as it was?",
        outcome_of(wrong == 0),
        0.5 - wrong,
        "messages",
        f"{wrong} of {count} differ",
    )


def _agreement(
    question: str, samples: xr.DataArray, low: float, high: float, level: float
) -> Evidence:
    """Does the interval of every cell's mean lie inside [low, high] bits per message?

    A cell is a width and a record; its samples are the streams of all seeds, which are
    independent. All cells must pass, which needs no correction for their number.
    """
    order = samples.transpose(*_CELL, "seed", "stream")
    cells = order.values.reshape(-1, order[0, 0].size)
    if not np.isfinite(cells).all():
        return undecided(question, "bits per message", "a model diverged")
    means = [estimate(cell) for cell in cells]
    answers = [equivalence(mean, low, high, level) for mean in means]
    centres = np.array([mean.mean for mean in means])
    room = np.minimum(centres - low, high - centres)
    return Evidence(
        question,
        all_inside(answers),
        float(np.min(room)),
        "bits per message",
        f"{answers.count(Agreement.INSIDE)} of {len(cells)} cells inside "
        f"[{low:.3f}, {high:.3f}]; means {np.min(centres):.3f} to "
        f"{np.max(centres):.3f}, {cells.shape[1]} streams each",
    )


def remarks(data: xr.Dataset) -> Iterator[str]:
    """What the codes show beside the claim."""
    shared = messages_per_stream(data)
    lengths = (data["stream_bits"] / shared).mean(("seed", "stream"))
    floor = float(in_bits(data["entropy"]))
    words = ", ".join(
        f"width {int(width)}: {float(one[0]):.3f} to {float(one[-1]):.3f}"
        for width, one in zip(data["width"].values, lengths.values, strict=True)
    )
    yield (
        f"bits per message, from the first to the last record: {words}; entropy of the "
        f"law {floor:.3f}"
    )
    alone = float((data["bits"] - in_bits(data["loss"])).mean())
    whole = float(data["whole_bits"].max())
    yield (
        f"a code of its own costs a message {alone:.2f} bits on average, a place in a "
        f"stream of {shared} {OVERHEAD_BITS / shared:.3f} at most; whole frequencies "
        f"cost a message {whole:.1e} bits at most"
    )
    last = lengths.isel(record=-1).values
    order = "shorter" if np.all(np.diff(last) < 0) else "not always shorter"
    yield f"at the last record the code of a wider model is {order}"
    yield (
        "paper (Ji et al. 2025, preliminaries, after Shannon and Deletang et al.): the "
        "code length of an arithmetic coder is the model's loss; derived: it exceeds "
        "that of the law's own code by KL(p || q)"
    )
