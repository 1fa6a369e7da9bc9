"""Pre-train, align for some positives, and push back: what two claims measure.

A model is pre-trained on a mixture of styles, aligned to the preferred one, and from
several moments of its alignment fine-tuned on the other style alone, at the learning
rate that aligned it. All widths, volumes and paces are lives of the same worlds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.bench import Bench
from experiments.labels import Variable
from experiments.lifecycle import (
    ORIGINAL,
    PREFERRED,
    Life,
    preferring,
    pretraining,
    pure,
    stacked_worlds,
    toward,
    tuning,
)
from experiments.validation import at_least
from simlab.judges import (
    Exam,
    divergence_between,
    generated,
    preferred_share,
)
from simlab.models import Model, Params
from simlab.phases import Phase, Stage, live
from simlab.sources import StyledSource

MATCHED, FIXED = "matched", "fixed"
"""How the learning rate of alignment is chosen: by its speed, or the same for all."""


@dataclass(frozen=True)
class Reversal(Life):
    """A life that ends with a push back; sizes in responses."""

    share: float = 0.3  # share of the preferred style in pre-training
    positives: tuple[int, ...] = (512, 2048)  # lengths of the alignment
    negatives: int = 2048  # responses of the way back
    every: int = 32  # responses between two measurements
    rate: float = 0.0125  # learning rate of SGD where speeds are not matched
    window: int = 128  # responses over which an initial speed is taken
    late_from: int = 1024  # responses of the way back after which it is late

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.share < 1:
            raise ValueError(
                f"share={self.share} must be in (0, 1): pre-training knows both styles"
            )
        at_least(self, {"negatives": 1, "every": 1, "window": 1})
        if self.every % self.batch:
            raise ValueError(
                f"every={self.every} must be a multiple of batch={self.batch}: models "
                "are measured between steps"
            )
        self._check_lengths()

    def _check_lengths(self) -> None:
        if not self.positives or min(self.positives) < 1:
            raise ValueError(f"positives={self.positives} must be one or more, >= 1")
        if sorted(set(self.positives)) != list(self.positives):
            raise ValueError(f"positives={self.positives} must rise")
        for length in (*self.positives, self.negatives):
            if length % self.every:
                raise ValueError(
                    f"every={self.every} must divide {length} responses, where a phase "
                    "ends; did you count steps?"
                )
        if not 2 * self.every <= self.window <= min(*self.positives, self.negatives):
            raise ValueError(
                f"window={self.window} must hold two measurements, every "
                f"{self.every} responses, and fit into every phase"
            )
        if not self.window <= self.late_from <= self.negatives - self.window:
            raise ValueError(
                f"late_from={self.late_from} must leave a window of {self.window} of "
                f"the {self.negatives} responses on either side"
            )


def lengths(config: Reversal) -> Variable:
    """The axis of the alignments' lengths."""
    text = "length of the alignment"
    return ("positives",), np.asarray(config.positives), "responses", text


def phases(
    config: Reversal,
    width: int,
    volumes: Sequence[int],
    moments: Sequence[int] = (),
) -> tuple[Phase, Phase, Phase]:
    """Pre-training, alignment and the way back, the latter sliced at `moments`."""
    longest = config.positives[-1]
    return (
        pretraining(config, width, volumes),
        tuning(
            config, width, "align", longest, config.every, config.positives,
            matched=True,
        ),
        tuning(
            config, width, "invert", config.negatives, config.every, moments,
            inherits=True,
        ),
    )  # fmt: skip


def lived(
    config: Reversal,
    life: tuple[Phase, Phase, Phase],
    paces: Sequence[str],
    world: StyledSource,
    exam: Exam,
    key: jax.Array,
) -> tuple[Stage, ...]:
    """One seed's life: stages over [1, volume, pace, positives, 1] in this order."""
    key_start, key_data = jax.random.split(key)
    rates = [float("nan") if pace == MATCHED else config.rate for pace in paces]
    preferred, original = pure(PREFERRED, 2), pure(ORIGINAL, 2)
    legs = (
        toward(world, [preferring(config.share)], [config.rate_pretrain]),
        toward(world, [preferred] * len(paces), rates),
        toward(world, [original], [float("nan")]),
    )
    start = life[0].setup.model.init(key_start)
    return live(life, legs, start, exam, key_data)


def curves(stages: Sequence[Stage]) -> dict[str, jax.Array]:
    """What is stored of a life: divergences of the styles along its phases.

    Shapes: align [volume, pace, moment, style], invert [volume, pace, positives,
    moment, style]; rate, speed, matched [volume, pace].
    """
    _, align, invert = (_journey(stage) for stage in stages)
    return {
        "align": align[0],
        "invert": invert[0, ..., 0, :, :],
        "rate": stages[1].rate[0],
        "speed": stages[1].speed[0],
        "matched": stages[1].matched[0],
    }


def _journey(stage: Stage) -> Float[jax.Array, "*branches moment z"]:
    """What was measured before the first step and at every record."""
    return jnp.concatenate([stage.start[..., None, :], stage.records.measured], axis=-2)


def answers(
    model: Model,
    world: StyledSource,
    exam: Exam,
    key: jax.Array,
    base: Params,
    params: Params,
) -> tuple[Float[jax.Array, ""], Float[jax.Array, ""]]:
    """The share of a model's own answers in the preferred style, and KL(q || base).

    The divergence is in nats per response, over the model's own answers.
    """
    asked = exam.tokens[0, :, : -world.response]
    said = generated(model, params, key, asked, world.response)
    drift = divergence_between(model, params, base, said, world.response)
    return preferred_share(world, said, PREFERRED, ORIGINAL), jnp.mean(drift)


def swept(
    config: Reversal,
    bench: Bench,
    name: str,
    life: Sequence[Phase],
    task: Any,
    branches: int,
) -> Any:
    """`task` of every seed; `branches` models are aligned in each."""
    before, align, invert = (phase.setup for phase in life)
    ways = branches * len(config.positives)
    rows = (
        before.steps * before.batch
        + branches * align.steps * align.batch
        + ways * invert.steps * invert.batch
    )
    return bench.sweep(
        name,
        task,
        stacked_worlds(config, preferring(config.share)),
        steps=rows // before.batch,
        tokens_per_step=before.batch * (1 + before.model.length),
    )
