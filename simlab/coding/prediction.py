"""What drives the coder: a model's next-token law, as whole numbers, for many lanes.

Encoder and decoder must get the same numbers, bit for bit. By construction: both call
one compiled program of one shape, on the processor, for a fixed number of lanes, the
idle ones padded; it has no branch, so a lane's numbers depend on its own row alone; and
a message remembers its lane. How many messages are coded at once, and in which process,
then changes nothing. Another machine or version of XLA may round differently; a code
stream carries a hash of such numbers (`rounding`), so that it is refused there.
"""

import functools
import hashlib
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from simlab.coding.arithmetic import TOTAL_BITS, CodingError
from simlab.coding.frequencies import MOST_SYMBOLS, cumulative_frequencies
from simlab.models import Model, Params

LANES = 128
"""Messages coded in lockstep by default; on two cores fewer or more are slower."""


class Prediction(NamedTuple):
    """What a predictor says of the next token in every lane.

    `edges` are those of the coder's intervals; `log_probs` the law they stand for.
    """

    edges: Int[np.ndarray, "lanes edges"]
    log_probs: Float[np.ndarray, "lanes v"]


@runtime_checkable
class Predictor(Protocol):
    """A deterministic law of the next token, given the last few."""

    @property
    def vocabulary(self) -> int:
        """The number of symbols; token vocabulary + x is context x, never coded."""

    @property
    def contexts(self) -> int:
        """The number of contexts."""

    @property
    def lanes(self) -> int:
        """How many rows are predicted at once."""

    @property
    def window(self) -> int:
        """The tokens of a row: a context and window - 1 outputs."""

    def predict(
        self, rows: Int[np.ndarray, "lanes window"], seen: Int[np.ndarray, " lanes"]
    ) -> Prediction:
        """The law after the context and the first `seen` outputs of every row."""

    def fingerprint(self) -> bytes:
        """Eight bytes that tell the law apart from any other."""

    def rounding(self) -> bytes:
        """Four bytes that tell machines apart that compute other numbers."""


@dataclass(frozen=True, eq=False)
class ModelPredictor:
    """Any `Model` as a predictor; make it with `model_predictor`."""

    model: Model
    params: Params
    lanes: int

    @property
    def vocabulary(self) -> int:
        """The number of output tokens of the model."""
        return self.model.vocabulary

    @property
    def contexts(self) -> int:
        """The number of contexts of the model."""
        return self.model.contexts

    @property
    def window(self) -> int:
        """The length of the model; longer messages slide through it."""
        return self.model.length

    def predict(
        self, rows: Int[np.ndarray, "lanes window"], seen: Int[np.ndarray, " lanes"]
    ) -> Prediction:
        """The law after the context and the first `seen` outputs of every row.

        Errors: CodingError when the model says NaN.
        """
        with jax.enable_x64(False):
            edges, log_probs = jax.device_get(
                _predicted(self.model, self.params, rows, seen)
            )
        if not np.all(edges[:, -1] == 1 << TOTAL_BITS):
            raise CodingError("the model's probabilities are not numbers: it diverged")
        return Prediction(edges, log_probs)

    def fingerprint(self) -> bytes:
        """A hash of the model's structure and parameters, and of the lanes."""
        digest = hashlib.sha256(repr((self.model, self.lanes, TOTAL_BITS)).encode())
        for path, leaf in jax.tree_util.tree_leaves_with_path(self.params):
            digest.update(repr((jax.tree_util.keystr(path), leaf.shape)).encode())
            digest.update(np.asarray(leaf, "<f4").tobytes())
        return digest.digest()[:8]

    def rounding(self) -> bytes:
        """A hash of the frequencies in arbitrary rows, of every number of outputs."""
        count = self.lanes * self.window
        numbers = np.arange(count) * 7919 % 65521 % self.vocabulary
        rows = numbers.astype(np.int32).reshape(self.lanes, self.window)
        rows[:, 0] = self.vocabulary
        seen = np.arange(self.lanes, dtype=np.int32) % self.window
        edges = self.predict(rows, seen).edges
        return hashlib.sha256(edges.astype("<i4").tobytes()).digest()[:4]


def model_predictor(model: Model, params: Params, lanes: int = LANES) -> ModelPredictor:
    """The predictor of a model with these parameters, taken in float32.

    Errors: CodingError for a vocabulary that the coder's whole numbers cannot hold;
    ValueError for no lanes.
    """
    if not 2 <= model.vocabulary <= MOST_SYMBOLS:
        raise CodingError(
            f"vocabulary={model.vocabulary} must be in [2, {MOST_SYMBOLS}], for "
            f"frequencies that sum to 2^{TOTAL_BITS}"
        )
    if lanes < 1:
        raise ValueError(f"lanes={lanes} must be >= 1")
    processor = jax.local_devices(backend="cpu")[0]
    held = jax.tree.map(
        lambda leaf: jax.device_put(np.asarray(leaf, np.float32), processor), params
    )
    return ModelPredictor(model, held, lanes)


@functools.partial(jax.jit, static_argnums=0)
def _predicted(
    model: Model,
    params: Params,
    rows: Int[jax.Array, "lanes window"],
    seen: Int[jax.Array, " lanes"],
) -> tuple[Int[jax.Array, "lanes edges"], Float[jax.Array, "lanes v"]]:
    """Frequencies and log-probabilities of the next token: the one compiled program."""
    with jax.default_matmul_precision("highest"):
        logits = model.apply(params, rows)
    last = jnp.take_along_axis(logits, seen[:, None, None], axis=1)[:, 0]
    return cumulative_frequencies(last), jax.nn.log_softmax(last, axis=-1)
