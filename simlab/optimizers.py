"""Update rules: from a gradient to a direction, by optax."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import optax


@runtime_checkable
class Optimizer(Protocol):
    """A static choice of update rule, whose learning rate arrives traced."""

    def build(self) -> optax.GradientTransformation:
        """The direction of an update, before the learning rate."""


@dataclass(frozen=True)
class Adam:
    """Adam (Kingma and Ba 2015) by optax."""

    b1: float = 0.9
    b2: float = 0.99
    eps: float = 1e-8
    decay: float = 0.0  # decoupled weight decay (AdamW, Loshchilov and Hutter 2019)

    def __post_init__(self) -> None:
        if self.decay < 0:
            raise ValueError(f"decay={self.decay} must be >= 0: a rate of shrinking")

    def build(self) -> optax.GradientTransformation:
        """Moments with bias correction, and the weights themselves if they decay."""
        moments = optax.scale_by_adam(b1=self.b1, b2=self.b2, eps=self.eps)
        if not self.decay:
            return moments
        return optax.chain(moments, optax.add_decayed_weights(self.decay))


ADAM = Adam()
"""Adam as everywhere, unless a claim says otherwise."""


@dataclass(frozen=True)
class Sgd:
    """Stochastic gradient descent, with heavy-ball momentum when it is > 0."""

    momentum: float = 0.0

    def build(self) -> optax.GradientTransformation:
        """The gradient, or its decaying sum."""
        return optax.trace(self.momentum) if self.momentum else optax.identity()


SGD = Sgd()
"""Plain descent."""


@dataclass(frozen=True)
class Normalised:
    """The gradient divided by its norm: every step has the length of the rate.

    With a ball, projected descent: unlike Adam, whose rescaled coordinates belong to
    another norm, it stops where the gradient points to the ball's center.
    """

    def build(self) -> optax.GradientTransformation:
        """The direction of steepest descent."""
        return optax.normalize_by_update_norm()
