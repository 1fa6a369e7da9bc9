"""Every choice of the claim `unlearnability_bound`."""

import math
from dataclasses import dataclass

from experiments.validation import at_least, confidence, increasing, positive
from experiments.vector_lab import VectorLab

APART = math.sqrt(2.0)
"""D of every softmax-linear world: features have length 1."""


@dataclass(frozen=True)
class Config:
    """Softmax-linear worlds first, then transformers; errors are probabilities."""

    seeds: int = 8  # softmax-linear worlds, each with its order of samples
    seed: int = 10  # the first, of transformers too; none below was used to build this
    outputs: int = 6  # answers: a refusal, and one harmful for each feature
    samples: int = 300  # harmful samples of a world, drawn over and over
    fitted: int = 100  # other samples that the vector is fitted on
    noise: float = 0.1  # standard deviation of the features about their class
    loss_off: float = 12.7  # loss on harm of the refusing base, nats
    residuals: tuple[float, ...] = (3e-7, 3e-6, 3e-5, 0.0125, 0.05, 0.2)  # errors left
    rates: tuple[float, ...] = (0.1, 1.0)  # learning rates
    steps: int = 20_000  # steps of single samples, and of full batches
    moments: int = 40  # steps whose curves are kept, log-spaced; all are judged
    falls: tuple[float, ...] = (0.25, 1.0, 4.0)  # falls of the deactivated loss, nats
    held_out: int = 100  # samples that a vector is validated on
    failure: float = 0.05  # delta, chance that either Hoeffding bound may fail
    repetitions: int = 400  # worlds in which held-out bounds are put to the test
    steps_fresh: int = 1000  # fresh training samples of each, one step each
    rate_fresh: float = 1e-3  # learning rate of those steps
    residuals_fresh: tuple[float, ...] = (1e-6, 0.05)  # errors left to them
    network_seeds: int = 5  # transformers
    digits: int = 16  # content tokens of the transformers' world
    response: int = 4  # tokens of an answer
    tune_samples: int = 1000  # harmful rows that are trained on, none in the vector's
    width: int = 24  # width: every row of a Jacobian is as long as all parameters
    depth: int = 2  # blocks
    pretrain_steps: int = 2000  # steps of pre-training
    align_steps: int = 600  # steps of alignment
    vector_steps: int = 400  # steps of fitting the vector
    network_steps: int = 80  # steps on harm, each of them bounded
    network_batch: int = 16  # harmful rows of a step
    watched: int = 4  # held-out harmful rows whose deactivated loss is followed
    rate_network: float = 0.0025  # learning rate for nats per answer; 0.025 is unstable
    loose: float = 1.25  # most that bound/path of (i) may be while it has much room
    room: float = 0.1  # "much room": eta D^2 T e at most so
    rounding: float = 1e-11  # of paths and losses in double precision
    rounding_network: float = 1e-3  # of a gradient in single precision, its share
    level: float = 0.99  # confidence of each statistical answer

    def __post_init__(self) -> None:
        for name in ("noise", "loss_off", "rate_fresh", "rate_network", "rounding",
                     "rounding_network"):  # fmt: skip
            positive(self, name, "did you pass its logarithm?")
        at_least(self, _LEAST)
        for name in ("residuals", "residuals_fresh", "rates", "falls"):
            _rising(self, name)
        if max(*self.residuals, *self.residuals_fresh) >= 0.5:
            raise ValueError(
                f"residuals={self.residuals} and residuals_fresh="
                f"{self.residuals_fresh} must be < 0.5: errors; did you pass percent?"
            )
        if self.rates[-1] > 2:
            raise ValueError(
                f"rates={self.rates} must be <= 2 = 1/smoothness, or full batches need "
                "not descend"
            )
        increasing(self, "moments", "steps")
        if not 0 < self.failure < 0.5:
            raise ValueError(f"failure={self.failure} must be in (0, 0.5): a chance")
        if self.loose <= 1:
            raise ValueError(f"loose={self.loose} must be > 1: a ratio of lengths")
        if not 0 < self.room < 1:
            raise ValueError(f"room={self.room} must be in (0, 1), where (i) is finite")
        confidence(self, "level")
        laboratory(self)  # it checks its own fields


_LEAST = {
    "seeds": 1, "seed": 0, "outputs": 3, "samples": 2, "fitted": 1, "steps": 2,
    "moments": 2, "held_out": 1, "repetitions": 1, "steps_fresh": 1, "network_seeds": 1,
    "network_steps": 1, "network_batch": 1, "watched": 1, "width": 2,
}  # fmt: skip


def laboratory(config: Config) -> VectorLab:
    """The laboratory that raises the transformers and fits their vectors."""
    return VectorLab(
        seeds=config.network_seeds,
        seed=config.seed,
        digits=config.digits,
        width=config.width,
        depth=config.depth,
        pretrain_steps=config.pretrain_steps,
        align_steps=config.align_steps,
        vector_steps=config.vector_steps,
        response=config.response,
        tune_samples=config.tune_samples,
    )


def _rising(config: Config, name: str) -> None:
    """Raises ValueError unless the field rises, from above 0."""
    values = getattr(config, name)
    if not values or values[0] <= 0 or sorted(set(values)) != list(values):
        raise ValueError(f"{name}={values} must rise, from above 0")
