"""What the claims about elasticity share: a world of styles, and lives lived in it.

Sequences are a topic, a short prompt and a response in one of several styles, each a
random Markov chain a topic. Models are pre-trained on a mixture of the styles, aligned
to one of them by plain SGD on responses, and then pushed elsewhere. Every seed has a
world, an initialisation and data of its own, so intervals over seeds cover all three.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.validation import at_least, confidence, positive
from simlab.judges import Exam, StyleExam, examination
from simlab.models import Transformer
from simlab.optimizers import Adam, Sgd
from simlab.phases import Leg, Phase, SpeedMatch
from simlab.sources import StyledSource, dirichlet_table
from simlab.training import Setup

PREFERRED, ORIGINAL = 0, 1
"""The styles of a world with two: what alignment teaches, what pre-training prefers."""


@dataclass(frozen=True)
class Life:
    """A world of styles and how models grow up in it; sizes in responses and tokens."""

    seeds: int = 5  # worlds, networks and data for each point
    seed: int = 0  # the first of those seeds
    topics: int = 8  # topics, the contexts of the model
    vocabulary: int = 16  # content tokens
    prompt: int = 3  # tokens of a prompt
    response: int = 8  # tokens of a response
    concentration: float = 0.3  # Dirichlet concentration of the rows of every chain
    smoothing: float = 0.02  # share of the uniform law in every row
    depth: int = 2  # blocks of the transformer
    heads: int = 4  # attention heads of a block
    batch_pretrain: int = 64  # sequences a step of pre-training
    rate_pretrain: float = 2e-3  # learning rate of Adam in pre-training
    batch: int = 16  # responses a step of fine-tuning
    rate: float = 0.1  # learning rate of SGD where speeds are not matched
    speed: float = 0.015  # matched speed of alignment, nats of log-odds a response
    speed_samples: int = 128  # responses over which it is matched
    prompts: int = 128  # held-out prompts of the exam
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        for name in ("concentration", "rate_pretrain", "rate", "speed"):
            positive(self, name, "did you pass its logarithm?")
        at_least(self, _LEAST)
        if not 0 < self.smoothing < 1:
            raise ValueError(
                f"smoothing={self.smoothing} must be in (0, 1): a share; every token "
                "must stay possible"
            )
        confidence(self, "level")

    @property
    def every_seed(self) -> range:
        """The seeds of all worlds."""
        return range(self.seed, self.seed + self.seeds)


_LEAST = {
    "seeds": 1, "seed": 0, "topics": 1, "vocabulary": 2, "prompt": 1, "response": 1,
    "depth": 1, "heads": 1, "batch_pretrain": 1, "batch": 1, "speed_samples": 1,
    "prompts": 1,
}  # fmt: skip


def style_world(life: Life, seed: int, mix: Sequence[float]) -> StyledSource:
    """The world of a seed: `len(mix)` styles, which pre-training mixes so.

    Rows are (1 - smoothing) Dirichlet + smoothing / vocabulary.
    """
    v, topics, styles = life.vocabulary, life.topics, len(mix)
    key_prompt, key_styles = jax.random.split(_key(life, seed, "world"))

    def rows(key: jax.Array, *shape: int) -> jax.Array:
        drawn = dirichlet_table(key, shape, v, life.concentration)
        return (1 - life.smoothing) * drawn + life.smoothing / v

    # Another precision draws other numbers: a world must not depend on the caller's.
    with jax.enable_x64(False):
        return StyledSource(
            contexts=jnp.full(topics, 1 / topics),
            initial=jnp.full((topics, v), 1 / v),
            prompts=rows(key_prompt, topics, v),
            styles=rows(key_styles, styles, topics, v),
            mix=jnp.asarray(mix, jnp.float32),
            prompt=life.prompt,
            response=life.response,
        )


def exam_of(life: Life, seed: int, world: StyledSource) -> Exam:
    """The held-out exam of a seed, in all styles of its world."""
    return examination(world, _key(life, seed, "exam"), life.prompts)


def life_key(life: Life, seed: int) -> jax.Array:
    """The key of a seed's initialisation and data."""
    return _key(life, seed, "life")


def _key(life: Life, seed: int, use: str) -> jax.Array:
    """Keys that no two uses of a seed share."""
    uses = ("world", "exam", "life")
    return jax.random.fold_in(jax.random.key(seed), uses.index(use))


def mixed(world: StyledSource, mixes: Sequence[Sequence[float]]) -> StyledSource:
    """Variants of a world on a leading axis, which mix its styles differently."""
    shares = jnp.asarray(mixes, jnp.float32)
    stacked = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (len(shares), *leaf.shape)), world
    )
    variants: StyledSource = dataclasses.replace(stacked, mix=shares)
    return variants


def transformer(life: Life, width: int) -> Transformer:
    """The model of one width."""
    return Transformer(
        vocabulary=life.vocabulary,
        contexts=life.topics,
        length=life.prompt + life.response,
        width=width,
        depth=life.depth,
        heads=life.heads,
    )


def pretraining(life: Life, width: int, volumes: Sequence[int]) -> Phase:
    """Adam on whole sequences at a constant rate, sliced at the volumes [steps].

    The rate is constant so that a smaller volume is a slice of a larger one.
    """
    every = math.gcd(*volumes)
    setup = Setup(
        transformer(life, width),
        steps=max(volumes),
        batch=life.batch_pretrain,
        records=max(volumes) // every,
        warmup=min(50 / max(volumes), 1.0),
        optimizer=Adam(),
        enumerated=False,
        decay=False,
        measure=StyleExam(),
    )
    return Phase("pre-train", setup, tuple(volumes))


def tuning(
    life: Life,
    width: int,
    name: str,
    responses: int,
    every: int,
    slices: Sequence[int] = (),
    *,
    matched: bool = False,
    inherits: bool = False,
) -> Phase:
    """Plain SGD on responses, measured `every` so many; slices count responses.

    With `matched`, a variant whose rate is NaN moves at `life.speed`.
    """
    setup = Setup(
        transformer(life, width),
        steps=responses // life.batch,
        batch=life.batch,
        records=responses // every,
        warmup=0.0,
        optimizer=Sgd(),
        enumerated=False,
        decay=False,
        scored=life.response,
        measure=StyleExam(),
    )
    match = SpeedMatch(life.speed, life.speed_samples) if matched else None
    moments = tuple(count // life.batch for count in slices)
    return Phase(name, setup, moments, match, inherits)


def toward(
    world: StyledSource, mixes: Sequence[Sequence[float]], rates: Sequence[float]
) -> Leg:
    """A leg of one variant a mixture; its gauge is the log-odds of the first style
    over the second.
    """
    gauge = np.zeros((len(mixes), len(mixes[0])), np.float32)
    gauge[:, PREFERRED], gauge[:, ORIGINAL] = -1.0, 1.0
    return Leg(mixed(world, mixes), jnp.asarray(rates, jnp.float32), jnp.asarray(gauge))


def pure(style: int, styles: int) -> tuple[float, ...]:
    """The mixture that holds one style alone.

    >>> pure(1, 3)
    (0.0, 1.0, 0.0)
    """
    return tuple(float(z == style) for z in range(styles))


def preferring(share: float) -> tuple[float, float]:
    """The mixture of two styles with this share of the preferred one.

    >>> preferring(0.25)
    (0.25, 0.75)
    """
    shares = {PREFERRED: share, ORIGINAL: 1 - share}
    return shares[0], shares[1]


def stacked_worlds(
    life: Life, mix: Sequence[float]
) -> tuple[StyledSource, Exam, jax.Array]:
    """World, exam and key of every seed, stacked on a leading axis of seeds."""
    each = []
    for seed in life.every_seed:
        world = style_world(life, seed, mix)
        each.append((world, exam_of(life, seed, world), life_key(life, seed)))
    worlds, exams, keys = zip(*each, strict=True)
    return _stack(worlds), _stack(exams), jnp.stack(keys)


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def samples_axis(responses: int, every: int) -> Float[np.ndarray, " record"]:
    """Responses seen at the start and at every record."""
    return np.arange(0, responses + 1, every, dtype=float)


def with_start(
    start: Float[np.ndarray, "*branches z"],
    records: Float[np.ndarray, "*branches record z"],
) -> Float[np.ndarray, "*branches moment z"]:
    """What was measured before the first step, and at every record."""
    return np.concatenate([np.asarray(start)[..., None, :], records], axis=-2)
