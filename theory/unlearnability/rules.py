"""Update rules of optimisers as formulas: gradient-only ones, and weight decay."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import safe_sqrt
from theory.typing import Array
from theory.unlearnability.adaptive import FIRST, FLOOR, SECOND
from theory.unlearnability.prediction_error import Number

Point = Float[Array, "*shape"]
"""Parameters, or an update of them, as one array of any shape."""


@runtime_checkable
class Rule(Protocol):
    """An optimiser: `init(point)` -> state, `update(g, state, point)` -> step, state.

    It is gradient-only if both ignore the values of `point`. Optax's transformations
    are rules.
    """

    @property
    def init(self) -> Any:
        """The state before the first gradient."""

    @property
    def update(self) -> Any:
        """The step to add, and the next state."""


class Formula(NamedTuple):
    """A rule given by its two functions."""

    init: Any
    update: Any


def momentum(rate: Number, decay: Number = 0.0) -> Formula:
    """Gradient descent, with heavy-ball momentum if decay > 0. Gradient-only.

    Formula: m <- decay m + g, step = -eta m. Source: standard.

    >>> momentum(0.5).update(jnp.array([2.0]), jnp.zeros(1), None)[0].tolist()
    [-1.0]
    """

    def update(gradient: Point, mean: Point, point: Any) -> tuple[Any, Any]:
        del point
        mean = decay * mean + gradient
        return -rate * mean, mean

    return Formula(jnp.zeros_like, update)


def adam(
    rate: Number, floor: Number = FLOOR, first: float = FIRST, second: float = SECOND
) -> Formula:
    """Adam, step by step: the same steps as `adam_step` of the history. Gradient-only.

    Formula: step = -eta m / (sqrt(v) + eps). Source: standard (Kingma and Ba 2015).

    >>> rule = adam(0.5, floor=0.0)
    >>> step, _ = rule.update(jnp.array([1e-3]), rule.init(jnp.zeros(1)), None)
    >>> print(f"{float(step[0]):.4f}")
    -0.5000
    """

    def init(point: Point) -> tuple[jax.Array, ...]:
        return jnp.zeros(()), jnp.zeros_like(point), jnp.zeros_like(point)

    def update(
        gradient: Point, state: tuple[jax.Array, ...], point: Any
    ) -> tuple[Point, tuple[jax.Array, ...]]:
        del point
        count, mean, square = state
        count = count + 1
        mean = first * mean + (1 - first) * gradient
        square = second * square + (1 - second) * gradient**2
        spread = safe_sqrt(square / (1 - second**count)) + floor
        step = mean / (1 - first**count) / jnp.where(spread > 0, spread, 1.0)
        return -rate * step, (count, mean, square)

    return Formula(init, update)


def decayed(rule: Rule, amount: Number) -> Formula:
    """A rule that also shrinks the parameters: not gradient-only.

    Formula: step - amount theta, amount = rate times weight decay. Source: standard.

    >>> shrinking = decayed(momentum(1.0), 0.1)
    >>> step, _ = shrinking.update(jnp.zeros(1), jnp.zeros(1), jnp.array([10.0]))
    >>> step.tolist()
    [-1.0]
    """

    def update(gradient: Point, state: Any, point: Point) -> tuple[Point, Any]:
        step, state = rule.update(gradient, state, point)
        return step - amount * point, state

    return Formula(rule.init, update)
