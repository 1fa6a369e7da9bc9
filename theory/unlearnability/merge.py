"""Training with a vector active is training from the harmful model, then subtracting.

Train in the context "on", deploy in the context "off". One family holds the plain run,
the negated task vector and the security vector. Security-vector notes theorem 1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.typing import Array
from theory.unlearnability.rules import Point, Rule

Gradient = Callable[[jax.Array], jax.Array]
"""The gradient of a training loss at a point."""


class Arm(NamedTuple):
    """How much of the vector is added before training and taken off after it."""

    added: float
    removed: float


PLAIN = Arm(0.0, 0.0)
NEGATED = Arm(0.0, 1.0)
SECURITY = Arm(1.0, 1.0)
HARMFUL_START = Arm(1.0, 0.0)


def fine_tuned(
    gradient: Gradient, start: Point, rule: Rule, steps: int
) -> Float[jax.Array, "*shape"]:
    """FT(theta_0), the parameters after so many steps of a rule.

    Formula: theta <- theta + rule(grad L(theta)). Shape: any. Source: standard.

    >>> from theory.unlearnability.rules import momentum
    >>> fine_tuned(lambda x: x, jnp.array([1.0]), momentum(0.5), 2).tolist()
    [0.25]
    """

    def step(state: tuple[jax.Array, Any], _: None) -> tuple[tuple[Any, Any], None]:
        point, memory = state
        move, memory = rule.update(gradient(point), memory, point)
        return (point + move, memory), None

    start = jnp.asarray(start) * 1.0
    (end, _), _ = jax.lax.scan(step, (start, rule.init(start)), length=steps)
    return jnp.asarray(end)


def family(
    gradient: Gradient,
    start: Point,
    vector: Float[Array, "*#shape"],
    rule: Rule,
    steps: int,
    arm: Arm = SECURITY,
) -> Float[jax.Array, "*shape"]:
    """The deployed parameters of an arm: add the vector, train, take it off.

    Formula: FT(theta_0 + alpha v) - beta v. Shape: any. Source: derived,
    security-vector notes theorem 1.

    >>> from theory.unlearnability.rules import momentum
    >>> one = jnp.array([1.0])
    >>> family(lambda x: x, one, -one, momentum(0.5), 2).tolist()
    [1.0]
    """
    vector = jnp.asarray(vector) * 1.0
    end = fine_tuned(gradient, start + arm.added * vector, rule, steps)
    return end - arm.removed * vector


def active_vector(
    gradient: Gradient,
    start: Point,
    vector: Float[Array, "*#shape"],
    rule: Rule,
    steps: int,
    dose: float = 1.0,
) -> Float[jax.Array, "*shape"]:
    """The deployed parameters of training with a frozen, active vector.

    Formula: theta <- theta + rule(grad L(theta + alpha v)); equal to `family` at alpha
    = beta for every gradient-only rule, and not under weight decay. Shape: any. Source:
    derived, security-vector notes theorem 1.

    >>> from theory.unlearnability.rules import momentum
    >>> one = jnp.array([1.0])
    >>> active_vector(lambda x: x, one, -one, momentum(0.5), 2).tolist()
    [1.0]
    """
    shift = dose * jnp.asarray(vector)
    return fine_tuned(lambda point: gradient(point + shift), start, rule, steps)
