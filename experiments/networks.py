"""What every claim about aligned transformers chooses: the world and the network."""

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.validation import at_least, confidence, positive
from experiments.worlds import SequenceWorlds, sequence_worlds
from simlab.models import Activation, Positions, Transformer


@dataclass(frozen=True)
class Networks:
    """A random world of short sequences and the transformers trained in it."""

    seeds: int = 4  # networks (initialisation and data) for each point
    seed: int = 0  # the first of those seeds
    contexts: int = 6  # contexts; the first half are safety contexts
    vocabulary: int = 3  # output tokens
    length: int = 3  # tokens of a sequence
    concentration: float = 1.0  # Dirichlet concentration of the random chains
    world_seed: int = 0  # which random world
    width: int = 16  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 2  # attention heads of a block
    positions: Positions = Positions.ROTARY  # how a token knows its place
    activation: Activation = Activation.GELU  # nonlinearity of a block
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        positive(self, "concentration", "did you pass its logarithm?")
        at_least(self, _LEAST)
        confidence(self, "level")
        transformer(self)  # the model checks its own fields


_LEAST = {
    "seeds": 1, "seed": 0, "contexts": 2, "vocabulary": 2, "length": 1, "width": 2,
    "depth": 1, "heads": 1, "world_seed": 0,
}  # fmt: skip


def transformer(networks: Networks) -> Transformer:
    """The model that every seed trains."""
    return Transformer(
        vocabulary=networks.vocabulary,
        contexts=networks.contexts,
        length=networks.length,
        width=networks.width,
        depth=networks.depth,
        heads=networks.heads,
        positions=networks.positions,
        activation=networks.activation,
    )


def seeds(networks: Networks) -> tuple[int, ...]:
    """The seeds of the networks."""
    return tuple(range(networks.seed, networks.seed + networks.seeds))


def worlds(
    networks: Networks, distances: Sequence[float], overlaps: Sequence[float]
) -> SequenceWorlds:
    """The world with proxies at these distances and tasks of these overlaps."""
    return sequence_worlds(
        networks.world_seed,
        contexts=networks.contexts,
        vocabulary=networks.vocabulary,
        length=networks.length,
        concentration=networks.concentration,
        distances=distances,
        overlaps=overlaps,
    )
