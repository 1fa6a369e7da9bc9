"""Attackers: what poisoned data a user brings, and how they train on it."""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from simlab.optimizers import ADAM, Optimizer
from simlab.sources import Tokens


@dataclass(frozen=True)
class Attack:
    """Useful data with a share of harm in it, and a way of training on them.

    `near`: the harm lies where the defender knows of none (near the known harm, out of
    its distribution). The user may stop at any record of the training, so the number of
    steps is no field. Errors: ValueError for a share outside [0, 1], or no samples.
    """

    name: str
    optimizer: Optimizer = ADAM
    rate: float = 3e-3
    share: float = 0.5  # of the rows that are harmful
    samples: int = 1000  # rows in all
    near: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError(f"share={self.share} must be in [0, 1]; not in per cent")
        if self.samples < 1:
            raise ValueError(f"samples={self.samples} must be >= 1")
        if not self.rate > 0:
            raise ValueError(f"rate={self.rate} must be > 0: a learning rate")


class Poisoned(NamedTuple):
    """Rows of one shape for every attack, their weights, and which are harmful."""

    rows: Tokens
    weights: Float[Array, " n"]
    harmful: Bool[Array, " n"]


def poisoned(
    useful: Tokens,
    harmful: Tokens,
    share: Float[Array, ""] | float,
    samples: Array | int,
) -> Poisoned:
    """`samples` rows, the first round(share * samples) of them harmful.

    Both pools [n, width] hold the most rows that any attack has; rows beyond `samples`
    weigh 0. Larger data sets contain smaller ones. Traced in share and samples.

    >>> pool = jnp.zeros((4, 3), int)
    >>> made = poisoned(pool, pool + 1, 0.5, 2)
    >>> made.rows[:, 0].tolist(), made.weights.tolist()
    ([1, 0, 0, 0], [1.0, 1.0, 0.0, 0.0])
    """
    index = jnp.arange(len(useful))
    bad = index < jnp.round(jnp.asarray(share) * jnp.asarray(samples))
    used = index < jnp.asarray(samples)
    rows = jnp.where(bad[:, None], harmful, useful)
    return Poisoned(rows, jnp.where(used, 1.0, 0.0), bad & used)
