"""Compression is loss: what a model's arithmetic code takes is its cross-entropy.

Transformers of several widths learn a known law of short sequences. At every record of
their training they drive an arithmetic coder on messages that they never see, drawn
from the same law: once with a code for each message, once with a code for a stream of
many. The cross-entropy comes from the training's own loss and, exactly, from the law
and the model's logits after every prefix; the law itself, as a model, drives the same
coder for comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.compression_evidence import compression_evidence, remarks
from experiments.compression_figure import compression_figure
from experiments.compression_measure import (
    BITS,
    NATS,
    KnownLaw,
    Runs,
    coded_by_law,
    coded_by_models,
    measured_parameters,
)
from experiments.labels import labelled
from experiments.pytrees import repeated
from experiments.stored_laws import law_variables
from experiments.validation import at_least, confidence, positive
from experiments.worlds import sequence_chains
from simlab.coding import quantisation_bits
from simlab.models import Transformer
from simlab.optimizers import Adam
from simlab.sources import MarkovSource
from simlab.sweeps import run_task
from simlab.training import Hyper, Setup
from theory.chains import Chain, sequence_law
from theory.information import entropy
from theory.laws import Law


@dataclass(frozen=True)
class Config:
    """Every choice of the experiment; code lengths in bits, losses in nats."""

    widths: tuple[int, ...] = (4, 8, 32)  # widths of the transformers, small to large
    seeds: int = 4  # networks and held-out messages of each width
    seed: int = 0  # the first of those seeds
    contexts: int = 4  # contexts, each with a law of its own
    vocabulary: int = 4  # output tokens
    length: int = 6  # output tokens of a message
    concentration: float = 0.5  # Dirichlet concentration of the random chains
    world_seed: int = 0  # which random law
    depth: int = 2  # blocks of the transformers
    heads: int = 2  # attention heads of a block
    steps: int = 600  # optimiser steps
    batch: int = 64  # sequences a step
    records: int = 6  # moments at which a model codes, beside the start
    learning_rate: float = 5e-3  # peak learning rate of Adam
    messages: int = 2048  # held-out messages of each seed
    streams: int = 32  # codes that the messages of a seed share
    margin_bits: float = 0.25  # sampling error allowed, bits per message
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        positive(self, "learning_rate", "did you pass its logarithm?")
        positive(self, "concentration", "did you pass its logarithm?")
        positive(self, "margin_bits", "it is in bits per message")
        confidence(self, "level")
        at_least(self, _LEAST)
        if sorted(set(self.widths)) != list(self.widths) or not self.widths:
            raise ValueError(f"widths={self.widths} must be one or more, and rise")
        if self.messages % self.streams:
            raise ValueError(
                f"messages={self.messages} must be a multiple of "
                f"streams={self.streams}, so that streams are equally long"
            )
        if self.vocabulary**self.length > _MOST_SEQUENCES:
            raise ValueError(
                f"vocabulary={self.vocabulary} ** length={self.length} must be <= "
                f"{_MOST_SEQUENCES}, since every sequence is enumerated"
            )
        for width in self.widths:
            setup(self, width)  # the model and the training check their own fields


_LEAST = {
    "seeds": 1, "seed": 0, "contexts": 1, "vocabulary": 2, "length": 1, "depth": 1,
    "heads": 1, "world_seed": 0, "messages": 2, "streams": 1,
}  # fmt: skip
_MOST_SEQUENCES = 20_000


def setup(config: Config, width: int) -> Setup:
    """What is compiled for the transformers of one width."""
    model = Transformer(
        config.vocabulary,
        config.contexts,
        config.length,
        width=width,
        depth=config.depth,
        heads=config.heads,
    )
    return Setup(
        model,
        steps=config.steps,
        batch=config.batch,
        records=config.records,
        optimizer=Adam(b2=0.999),
        enumerated=False,
        measure=measured_parameters,
    )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        widths=(4, 16), seeds=2, length=4, depth=1, steps=120, records=2, messages=256,
        margin_bits=0.5,
    ),
    "laptop": Config(),
    "accelerator": Config(
        widths=(8, 32, 128), seeds=16, steps=3000, batch=256, messages=4096,
        margin_bits=0.1,
    ),
}  # fmt: skip


def known_law(config: Config) -> KnownLaw:
    """The law of all data: uniform contexts, a Markov chain in each."""
    chain: Chain = sequence_chains(
        config.world_seed,
        contexts=config.contexts,
        vocabulary=config.vocabulary,
        concentration=config.concentration,
    ).safety
    contexts = np.full(config.contexts, 1 / config.contexts)
    with jax.enable_x64(True):
        law = Law(*map(np.asarray, sequence_law(contexts, chain, config.length)))
    mu, initial, transition = (
        jnp.asarray(part, jnp.float32) for part in (law.contexts, *chain)
    )
    source = MarkovSource(mu, initial, transition, config.length)
    return KnownLaw(source, law)


def predict(config: Config) -> xr.Dataset:
    """The law, and its entropy: the floor of every mean code length."""
    law = known_law(config).law
    with jax.enable_x64(True):
        floor = float(law.contexts @ np.asarray(entropy(law.outputs)))
    rounding = 2 * config.length * quantisation_bits(config.vocabulary)
    return labelled(
        {
            "entropy": ((), floor, NATS, "entropy of a message, its context known"),
            "rounding": ((), rounding, BITS, "whole frequencies and float32 losses"),
            **law_variables("data", law),
        }
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Trains every width and seed, codes at every record, decodes again."""
    made = known_law(config)
    seeds = range(config.seed, config.seed + config.seeds)
    keys = jax.vmap(lambda seed: jax.random.split(jax.random.key(seed), 3))(
        jnp.asarray(seeds)
    )
    draw_held_out = jax.jit(lambda key: made.source.sample(key, config.messages))
    held_out = np.asarray(jax.vmap(draw_held_out)(keys[:, 2]))
    by_width = []
    for width in config.widths:
        one = setup(config, width)
        hyper = Hyper(
            learning_rate=jnp.full(config.seeds, config.learning_rate),
            penalty=jnp.zeros(config.seeds),
            capability=repeated(made.source, config.seeds),
            safety=None,
            start=jax.jit(jax.vmap(one.model.init))(keys[:, 0]),
        )
        trace = bench.sweep(
            f"train width {width}",
            run_task(one),
            (hyper, keys[:, 1]),
            steps=config.steps,
            tokens_per_step=config.batch * config.length,
        )
        runs = Runs(one.model, jax.device_get(hyper.start), trace.records)
        by_width.append(coded_by_models(made, runs, held_out, config.streams))
    axis = xr.DataArray(
        list(config.widths),
        dims="width",
        name="width",
        attrs={"units": "1", "long_name": "width of the transformer"},
    )
    models = xr.concat(by_width, axis, coords="minimal", compat="override")
    by_law = coded_by_law(made, held_out, config.streams)
    seed_axis = labelled({}, {"seed": (("seed",), list(seeds), "1", "seed")})
    return xr.merge([seed_axis, models, by_law], join="exact")


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Every message, every stream, means, redundancy; from the stored data alone."""
    evidence = list(compression_evidence(data, config.margin_bits, config.level))
    return conclude(evidence, int(data["diverged"].sum()), remarks(data))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Code lengths along training, beside cross-entropies; residuals in bits."""
    return compression_figure(data, verdict)
