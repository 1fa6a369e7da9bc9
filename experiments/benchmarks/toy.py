"""The reference toy: what every benchmark of training trains, and its sizes."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp

from experiments.validation import at_least
from simlab.models import Transformer
from simlab.sources import DatasetSource
from simlab.training import Hyper, Setup

RATES = tuple(10 ** (-4 + k / 4) for k in range(8))
"""Learning rates of the sweep: four a decade from 1e-4."""

TINY: Any = {"width": 16, "heads": 2, "length": 4, "vocabulary": 4, "batch": 4}
"""Sizes of a quick run, which shows that a benchmark works."""


@dataclass(frozen=True)
class Toy:
    """The sizes of a decoder transformer and of its training, float32, Adam."""

    width: int = 64
    depth: int = 2
    heads: int = 4
    length: int = 32  # tokens that the model reads, and predicts, of a sequence
    vocabulary: int = 64  # output tokens
    contexts: int = 1  # context tokens, one before every sequence
    batch: int = 64  # sequences a step
    steps: int = 300  # of one run
    records: int = 1  # moments of a run at which its losses are kept
    enumerated: bool = False  # record the logits after every prefix
    rows: int = 4096  # sequences of the data set that batches are drawn from

    def __post_init__(self) -> None:
        at_least(self, {field.name: 1 for field in fields(self) if field.type is int})

    def document(self) -> dict[str, Any]:
        """The sizes as JSON."""
        return asdict(self)

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Toy":
        """The toy of a document."""
        return cls(**document)

    @property
    def setup(self) -> Setup:
        """What is compiled."""
        model = Transformer(
            vocabulary=self.vocabulary,
            contexts=self.contexts,
            length=self.length,
            width=self.width,
            depth=self.depth,
            heads=self.heads,
        )
        return Setup(
            model,
            steps=self.steps,
            batch=self.batch,
            records=self.records,
            enumerated=self.enumerated,
        )

    @property
    def tokens(self) -> int:
        """Tokens predicted in one step."""
        return self.batch * self.length

    @property
    def products(self) -> float:
        """Floating-point operations of one step in matrix products alone."""
        return products(self.setup)

    def data(self) -> DatasetSource:
        """Sequences of a context and random tokens: the same speed as any others."""
        keys = jax.random.split(jax.random.key(0))
        contexts = jax.random.randint(keys[0], (self.rows, 1), 0, self.contexts)
        outputs = (self.rows, self.length)
        tokens = jax.random.randint(keys[1], outputs, 0, self.vocabulary)
        return DatasetSource(jnp.hstack([self.vocabulary + contexts, tokens]))

    def hyper(self, rate: float, seed: int) -> Hyper:
        """One run: a learning rate, and the seed of its initialisation."""
        start = self.setup.model.init(jax.random.key(seed))
        return Hyper(jnp.float32(rate), jnp.float32(0.0), self.data(), None, start)

    def inputs(self, runs: int) -> tuple[Hyper, jax.Array]:
        """Inputs of a sweep, stacked: all learning rates of seed 0, then of seed 1."""
        seeds = math.ceil(runs / len(RATES))
        pairs = [(rate, seed) for seed in range(seeds) for rate in RATES][:runs]
        rates, numbers = zip(*pairs, strict=True)
        keys = jax.vmap(jax.random.key)(jnp.asarray(numbers))
        starts = jax.jit(jax.vmap(self.setup.model.init))(keys)
        data = self.data()
        rows = jnp.broadcast_to(data.rows, (runs, *data.rows.shape))
        stacked = Hyper(
            jnp.asarray(rates, jnp.float32),
            jnp.zeros(runs),
            DatasetSource(rows),
            None,
            starts,
        )
        return stacked, keys


def products(setup: Setup) -> float:
    """Floating-point operations of one step of a transformer, matrix products alone.

    6 n a token for the n weights of matrices (forward 2 n, backward 4 n; the embedding
    is a look-up), and 12 depth length width for the scores and mixtures of attention,
    the masked half of which is computed as well. What rematerialisation computes again
    counts as time, not as work.
    """
    model: Any = setup.model
    matrices = model.depth * 12 * model.width**2 + model.width * model.vocabulary
    attention = 12 * model.depth * model.length * model.width
    return float(setup.batch * model.length * (6 * matrices + attention))
