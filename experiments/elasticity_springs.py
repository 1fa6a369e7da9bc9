"""The elasticity theorem in networks: the forces of all data and of decay balance.

Transformers are brought to joint optima of pre-training, alignment and perturbation
data of sizes k : 1 : l, in expectation and in double precision, and are polished by
Newton's method until rounding stops them. Then every data set grows a little, the
optima are found again, and what each loses is compared. In form B of the theorem the
pre-training data are three parts, the alignment data one of them, the perturbation
another; its other case, more of the pre-training data themselves, is there too.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import xarray as xr
from matplotlib.figure import Figure

from experiments import springs_measures, springs_worlds
from experiments.bench import Bench
from experiments.claim import Verdict, conclude
from experiments.springs_evidence import Margins, remarks, springs_evidence
from experiments.springs_figure import springs_figure
from experiments.springs_worlds import Probe, Pull
from experiments.validation import at_least, confidence, positive
from simlab.models import Bigram, Model, Tabular, Transformer


@dataclass(frozen=True)
class Config:
    """Every choice of the experiment; sizes in units of the alignment data."""

    ratios: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)  # k
    shares: tuple[float, ...] = (0.001, 0.1, 0.3)  # l, the first for the k-law
    seeds: int = 4  # worlds, and networks in them
    seed: int = 10  # the first of those seeds; none below was used to build this
    contexts: int = 3  # contexts
    vocabulary: int = 3  # output tokens
    length: int = 3  # tokens of a sequence
    concentration: float = 1.0  # Dirichlet concentration of the random chains
    width: int = 8  # width of the transformer
    depth: int = 1  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    expansion: int = 2  # hidden units of a block for each of its width
    embedding: float = 30.0  # on embeddings at the start: far from where norms bend
    decay_growing: float = 0.02  # decay for each unit of pre-training and alignment
    decay_fixed: float = 2.0  # decay that does not grow with the data; 0: no such run
    decay_control: float = 1e-9  # the tables' decay, which only makes optima unique
    steps: int = 1500  # steps of Adam before the polish
    learning_rate: float = 1e-2  # peak learning rate of Adam
    polish_steps: int = 100  # most damped Newton steps of a first polish
    tolerance: float = 1e-11  # gradient norm of a polished optimum, nats per sequence
    step: float = 3e-4  # step of the finite differences, in sqrt(n n_j)
    margin: float = 1e-4  # allowed of the largest term: rounding and remainder
    margin_ratio: float = 0.05  # of ratio/k: l/(l* - l) at the first l, l* >= 0.021
    lost_allowed: float = 0.5  # share of the optima that a model's polish may lose
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        for name in _POSITIVE:
            positive(self, name, "did you pass its logarithm?")
        at_least(self, _LEAST)
        for name in ("ratios", "shares"):
            values = getattr(self, name)
            if not values or values[0] <= 0 or sorted(set(values)) != list(values):
                raise ValueError(f"{name}={values} must rise, from above 0")
        if self.ratios[-1] < 100 * self.ratios[0]:
            raise ValueError(
                f"ratios={self.ratios} must span two decades: the theorem is about k"
            )
        if self.decay_fixed < 0:
            raise ValueError(f"decay_fixed={self.decay_fixed} must be >= 0")
        if self.shares[0] <= 4 * self.step**2 * (self.ratios[-1] + 2):
            raise ValueError(
                f"step={self.step} is so long that shares={self.shares} would step "
                "below a size of 0"
            )
        if not 0 <= self.lost_allowed < 1:
            raise ValueError(
                f"lost_allowed={self.lost_allowed} must be in [0, 1): a share; did you "
                "pass a number of optima?"
            )
        confidence(self, "level")
        pulls(self)  # the models check their own fields


_POSITIVE = (
    "concentration", "embedding", "decay_growing", "decay_control", "learning_rate",
    "tolerance", "step", "margin", "margin_ratio",
)  # fmt: skip
_LEAST = {
    "seeds": 1, "seed": 0, "contexts": 1, "vocabulary": 2, "length": 1, "width": 2,
    "depth": 1, "heads": 1, "expansion": 1, "steps": 1, "polish_steps": 1,
}  # fmt: skip


def pulls(config: Config) -> tuple[Pull, ...]:
    """The models and their decays: two tables as controls, then the transformer."""
    sizes = (config.vocabulary, config.contexts, config.length)
    network: Model = Transformer(
        *sizes,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
        expansion=config.expansion,
    )
    scale = config.embedding
    made = [
        Pull("tabular", Tabular(*sizes), config.decay_control, True, 1.0),
        Pull("bigram", Bigram(*sizes), config.decay_control, True, 1.0),
        Pull("transformer", network, config.decay_growing, True, scale),
    ]
    if config.decay_fixed > 0:
        name = "transformer, fixed decay"
        made.append(Pull(name, network, config.decay_fixed, False, scale))
    return tuple(made)


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        ratios=(3.0, 30.0, 300.0), shares=(0.001, 0.1), seeds=2, width=4,
        decay_fixed=0.0,
    ),
    "laptop": Config(),
    "accelerator": Config(
        ratios=(3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0), step=2e-4,
        shares=(0.001, 0.03, 0.1, 0.2, 0.3), seeds=16, contexts=4, width=16,
    ),
}  # fmt: skip


def probe(config: Config) -> Probe:
    """What is measured, and how finely."""
    return Probe(
        ratios=config.ratios,
        shares=config.shares,
        seeds=tuple(range(config.seed, config.seed + config.seeds)),
        contexts=config.contexts,
        vocabulary=config.vocabulary,
        length=config.length,
        concentration=config.concentration,
        steps=config.steps,
        learning_rate=config.learning_rate,
        polish_steps=config.polish_steps,
        tolerance=config.tolerance,
        step=config.step,
    )


def predict(config: Config) -> xr.Dataset:
    """The responses of the best of all models, in closed form."""
    return springs_worlds.predicted(probe(config))


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Optima of every model at all k and l, and how they give way."""
    return springs_measures.measured(probe(config), pulls(config), bench)


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Balance, reciprocity, stability, the ratio and finite steps."""
    margins = Margins(
        tolerance=config.tolerance,
        term=config.margin,
        ratio=config.margin_ratio,
        lost=config.lost_allowed,
    )
    return conclude(springs_evidence(data, margins), 0, remarks(data, config.level))


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Ratio and responses against k, with and without decay, and what is left over."""
    return springs_figure(data, verdict)
