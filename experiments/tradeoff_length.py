"""Case I against the length: only a model that forgets its source pays every token.

Transformers and bigram tables are aligned on the longest safety sequences and then
fine-tuned, at each length anew, on capability data plus `penalty` times the same safety
data. Every gap is exact, by enumeration; training samples its batches, as in practice,
so that its cost does not grow with vocabulary ** length. What sampling leaves is in the
certificate zeta, and so in every margin.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from experiments import case_one, length_prediction
from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.length_evidence import length_evidence, remarks
from experiments.length_figure import length_figure
from experiments.length_prediction import BIGRAM, CLASSES, length_worlds
from experiments.validation import at_least, confidence, positive, shares
from experiments.worlds import SequenceWorlds, sequence_worlds
from simlab.models import Bigram, Model, Transformer
from simlab.optimizers import Adam
from simlab.sweeps import Axis, Grid
from simlab.training import Setup


@dataclass(frozen=True)
class Config:
    """Every choice of the experiment; lengths in tokens, gaps in nats per sequence."""

    lengths: tuple[int, ...] = (1, 2, 4, 6, 8, 10)  # tokens of a sequence
    long_from: int = 4  # slopes are taken over the lengths from this one on
    penalties: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0)  # weights of the safety data
    overlaps: tuple[float, ...] = (0.5, 1.0)  # capability mass on safety contexts
    seeds: int = 4  # networks (initialisation and data) for each point
    seed: int = 0  # the first of those seeds
    contexts: int = 4  # contexts; the first half are safety contexts
    vocabulary: int = 2  # output tokens
    concentration: float = 1.0  # Dirichlet concentration of the random chains
    world_seed: int = 0  # which random world
    width: int = 16  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    steps: int = 800  # optimiser steps of alignment, and again of fine-tuning
    batch: int = 96  # sequences of each data set a step
    records: int = 4  # moments at which a run is measured
    learning_rate: float = 6e-3  # peak learning rate of Adam, transformers
    learning_rate_bigram: float = 3e-2  # peak learning rate of Adam, bigram tables
    zeta_target: float = 0.02  # certificate allowed, nats per sequence of training data
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        for name in ("learning_rate", "learning_rate_bigram", "concentration"):
            positive(self, name, "did you pass its logarithm?")
        positive(self, "zeta_target", "it is in nats per sequence")
        at_least(self, _LEAST)
        shares(self, "overlaps")
        if min(self.overlaps) == 0:
            raise ValueError(
                f"overlaps={self.overlaps} must be > 0: data that share no context "
                "trade nothing, at any length"
            )
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(
                f"penalties={self.penalties} must be > 0; did you pass logarithms?"
            )
        for name in ("lengths", "penalties", "overlaps"):
            values = getattr(self, name)
            if sorted(set(values)) != list(values):
                raise ValueError(f"{name}={values} must rise")
        self._check_lengths()
        confidence(self, "level")
        setups(self)  # the models and the training check their own fields

    def _check_lengths(self) -> None:
        if not self.lengths or self.lengths[0] < 1:
            raise ValueError(f"lengths={self.lengths} must be one or more, >= 1 token")
        if sum(length >= self.long_from for length in self.lengths) < 2:
            raise ValueError(
                f"long_from={self.long_from} must leave two or more of the lengths "
                f"{self.lengths}, for a slope"
            )
        if self.vocabulary ** self.lengths[-1] > _MOST_SEQUENCES:
            raise ValueError(
                f"vocabulary={self.vocabulary} ** length={self.lengths[-1]} must be <= "
                f"{_MOST_SEQUENCES}, since every sequence is enumerated"
            )


_LEAST = {
    "seeds": 1, "seed": 0, "contexts": 2, "vocabulary": 2, "long_from": 2, "width": 2,
    "depth": 1, "heads": 1, "world_seed": 0,
}  # fmt: skip
_MOST_SEQUENCES = 10_000


def model(config: Config, of_class: str, length: int) -> Model:
    """The model of a class for sequences of one length; no parameter depends on it."""
    sizes = (config.vocabulary, config.contexts, length)
    if of_class == BIGRAM:
        return Bigram(*sizes)
    return Transformer(
        *sizes,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
    )


def setups(config: Config) -> dict[tuple[str, int], Setup]:
    """What alignment and fine-tuning compile, for every class and length."""
    return {
        (of_class, length): Setup(
            model(config, of_class, length),
            steps=config.steps,
            batch=config.batch,
            records=config.records,
            optimizer=Adam(b2=0.999),
        )
        for of_class in CLASSES
        for length in config.lengths
    }


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        lengths=(2, 4, 6), penalties=(0.3, 1.0), overlaps=(1.0,), depth=1, steps=400,
    ),
    "laptop": Config(),
    "accelerator": Config(
        lengths=(1, 2, 4, 6, 8, 10, 12), penalties=(0.1, 0.3, 1.0, 3.0, 10.0),
        overlaps=(0.2, 0.5, 1.0), seeds=16, width=64, steps=3200, batch=512,
    ),
}  # fmt: skip


def grid(config: Config) -> Grid:
    """The runs of one class and length; the seed varies fastest."""
    seeds = range(config.seed, config.seed + config.seeds)
    return Grid(
        (
            Axis("proxy", (0.0,), "1", "distance of the proxy safety data"),
            Axis("overlap", config.overlaps, "1", "context overlap"),
            Axis("penalty", config.penalties, "1", "penalty on safety data"),
            Axis("seed", tuple(seeds), "1", "seed of initialisation and data"),
        )
    )


def predict(config: Config) -> xr.Dataset:
    """For each class the exact gaps of its best policy, caps and rates."""
    fine = length_worlds(
        config.world_seed,
        contexts=config.contexts,
        vocabulary=config.vocabulary,
        lengths=range(1, config.lengths[-1] + 1),
        concentration=config.concentration,
        overlaps=config.overlaps,
    )
    return length_prediction.predicted(
        fine, config.lengths, config.penalties, config.zeta_target
    )


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Align each class at the longest length, fine-tune at each; measure exactly."""
    worlds = {length: _worlds(config, length) for length in config.lengths}
    by_class = [
        _joined(
            _fine_tuned(config, of_class, worlds, bench),
            ("length", list(config.lengths), "tokens", "length of a sequence"),
        )
        for of_class in CLASSES
    ]
    return _joined(by_class, ("model", list(CLASSES), "1", "class of the model"))


def _fine_tuned(
    config: Config, of_class: str, worlds: dict[int, SequenceWorlds], bench: Bench
) -> list[xr.Dataset]:
    """The gaps of one class at every length."""
    compiled, runs = setups(config), grid(config)
    rate = config.learning_rate_bigram if of_class == BIGRAM else config.learning_rate
    longest = config.lengths[-1]
    starts = case_one.aligned(
        worlds[longest],
        case_one.seeds_of(runs),
        compiled[of_class, longest],
        rate,
        bench,
        f"align {of_class}",
    )
    kept = ["gap_safety", "gap_capability", "gap_aligned", "loss", "diverged"]
    return [
        case_one.fine_tuned(
            worlds[length],
            runs,
            _shortened(starts, config.vocabulary, length),
            compiled[of_class, length],
            rate,
            bench,
            f"fine-tune {of_class}, length {length}",
        )[kept].isel(proxy=0, drop=True)
        for length in config.lengths
    ]


def _worlds(config: Config, length: int) -> SequenceWorlds:
    """The worlds that are sampled at one length."""
    return sequence_worlds(
        config.world_seed,
        contexts=config.contexts,
        vocabulary=config.vocabulary,
        length=length,
        concentration=config.concentration,
        distances=(0.0,),
        overlaps=config.overlaps,
    )


def _shortened(
    starts: case_one.Aligned, vocabulary: int, length: int
) -> case_one.Aligned:
    """The same models, their recorded logits cut to the prefixes of a shorter length.

    Prefixes are listed by length and a shorter sequence is the beginning of a longer
    one, so the first nodes are what the models say of it.
    """
    nodes = sum(vocabulary**depth for depth in range(length))
    records = starts.trace.records
    cut = records._replace(logits=records.logits[..., :nodes, :])
    return starts._replace(trace=starts.trace._replace(records=cut))


def _joined(
    pieces: Sequence[xr.Dataset], axis: tuple[str, Sequence[Any], str, str]
) -> xr.Dataset:
    """Datasets of one shape along a new axis: its name, values, units and meaning."""
    name, values, units, text = axis
    labels = {"units": units, "long_name": text}
    along = xr.DataArray(list(values), dims=name, name=name, attrs=labels)
    return xr.concat(
        pieces, along, data_vars="all", coords="minimal", compat="override",
        join="exact",
    )  # fmt: skip


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Limits, class optimum, caps, agreement and slopes, from the stored data."""
    evidence = length_evidence(data, config.zeta_target, config.long_from, config.level)
    return conclude(
        evidence, int(data["diverged"].sum()), remarks(data, config.long_from)
    )


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Gaps against length per sequence and per token, with residuals."""
    return length_figure(data, verdict)
