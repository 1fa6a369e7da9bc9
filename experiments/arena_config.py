"""What the arena chooses: worlds, network, entrants, training, and the questions."""

from collections.abc import Mapping
from dataclasses import dataclass

from experiments.arena_attacks import ATTACKS, REFERENCE
from experiments.arena_worlds import WorldSize
from experiments.validation import at_least, confidence, positive, share
from simlab.defences import Arm, Lab, roster
from simlab.instructions import Instructions
from simlab.models import Transformer

ESSENTIAL = ("none", "zero vector", "security vector", "random vector")
"""The defences that the claim's statement is about; every run has them."""


@dataclass(frozen=True)
class Config:
    """Every choice of the arena; lengths in tokens, gaps in nats per sequence."""

    seeds: int = 6  # worlds, networks and data that are judged
    seed: int = 0  # the first of those seeds
    tuning_seeds: int = 2  # other worlds, on which defences are tuned
    tuning_seed: int = 1000  # the first of those
    defences: tuple[str, ...] = tuple(roster())  # by name, of simlab.defences.roster
    attacks: tuple[str, ...] = tuple(ATTACKS)  # by name, of experiments.arena_attacks
    contexts: int = 8  # the first half are safety contexts; harm is known on a quarter
    vocabulary: int = 3  # output tokens, besides three instructions
    length: int = 3  # tokens of an answer
    concentration: float = 1.0  # Dirichlet concentration of the random chains
    overlap: float = 0.2  # share of useful data that lies on safety contexts
    conflict: float = 0.5  # how far useful data depart from safety there; 1: unrelated
    width: int = 16  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    base_steps: int = 1200  # steps of pre-training, and again of alignment
    known: int = 100  # rows of each kind that a defender has
    prepare_steps: int = 400  # steps of fitting a vector or immunising a base
    steps: int = 400  # steps of a user's fine-tuning, who may also stop half-way
    batch: int = 64  # rows a step
    batch_own: int = 16  # the defender's rows a step, of a penalty
    lost: float = 0.1  # capability that may be lost, as a share of the undefended gain
    harm: float = 0.3  # least safety gap of the undefended model, in the worst case
    start: float = 0.05  # largest median safety gap of an aligned base
    level: float = 0.95  # confidence of each statistical answer
    power: float = 0.8  # of the least effect called detectable

    def __post_init__(self) -> None:
        at_least(self, {
            "seeds": 1, "seed": 0, "tuning_seeds": 1, "contexts": 4, "vocabulary": 2,
            "length": 1, "known": 1, "prepare_steps": 1, "base_steps": 1,
        })  # fmt: skip
        for name in ("concentration", "harm", "start"):
            positive(self, name, "did you pass its logarithm?")
        confidence(self, "level")
        for name in ("overlap", "conflict", "lost"):
            share(self, name)
        _named(self.defences, tuple(roster()), ESSENTIAL, "defence")
        _named(self.attacks, tuple(ATTACKS), (REFERENCE,), "attack")
        judged = range(self.seed, self.seed + self.seeds)
        if any(one in judged for one in tuning(self)):
            raise ValueError(
                f"tuning_seed={self.tuning_seed} overlaps the judged seeds: defences "
                "must be tuned on worlds that judge nothing"
            )
        laboratory(self)  # the model and the training check themselves


def _named(
    given: tuple[str, ...], known: tuple[str, ...], needed: tuple[str, ...], kind: str
) -> None:
    for name in given:
        if name not in known:
            raise ValueError(
                f"{kind} {name!r} is unknown; there are {', '.join(known)}"
            )
    lost = [name for name in needed if name not in given]
    if lost:
        raise ValueError(f"{kind} {lost[0]!r} is needed: the verdict speaks of it")
    if len(set(given)) < len(given):
        raise ValueError(f"{kind}s must be different: {', '.join(given)}")


def laboratory(config: Config) -> Lab:
    """The model that is defended and how users train it."""
    instructions = Instructions(config.vocabulary, extra=3)
    model = Transformer(
        instructions.vocabulary,
        config.contexts,
        config.length + 1,
        width=config.width,
        depth=config.depth,
        heads=config.heads,
    )
    return Lab(
        model,
        instructions,
        steps=config.steps,
        records=2,
        batch=config.batch,
        batch_own=config.batch_own,
    )


def tuning(config: Config) -> tuple[int, ...]:
    """The seeds that defences are tuned on."""
    return tuple(range(config.tuning_seed, config.tuning_seed + config.tuning_seeds))


def judged(config: Config) -> tuple[int, ...]:
    """The seeds that the verdict is about."""
    return tuple(range(config.seed, config.seed + config.seeds))


def world_size(config: Config) -> WorldSize:
    """How large the worlds are."""
    return WorldSize(
        config.contexts,
        config.vocabulary,
        config.length,
        config.concentration,
        config.overlap,
        config.conflict,
    )


def arms(config: Config) -> tuple[Arm, ...]:
    """The defences that take part."""
    all_ = roster(config.prepare_steps)
    return tuple(all_[name] for name in config.defences)


PRESETS: Mapping[str, Config] = {
    "smoke": Config(
        seeds=3, tuning_seeds=1, defences=(*ESSENTIAL, "penalty (Case I)"),
        attacks=(REFERENCE, "near harm"), depth=1, base_steps=500, steps=100,
        prepare_steps=100,
    ),
    "laptop": Config(),
    "accelerator": Config(
        seeds=16, tuning_seeds=4, contexts=16, vocabulary=4, width=32, base_steps=2400,
        steps=800, batch=128, batch_own=32,
    ),
}  # fmt: skip
