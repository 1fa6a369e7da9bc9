"""What a claim of the theory consists of: its formula, its limits and its evidence."""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.laws import World
from theory.tradeoff.shapes import Number, Policy


class Side(enum.Enum):
    """What kind of statement a record makes."""

    IDENTITY = "identity"
    UPPER = "upper bound"
    LOWER = "lower bound"
    SCALING = "scaling law"
    FALSE = "false"


class Status(enum.Enum):
    """How a statement is known."""

    PROVED = "proved"
    CERTIFIED = "certified numerically"
    TESTED = "tested"
    FALSE = "false outside its assumptions"


class Case(NamedTuple):
    """One instance, or a batch of instances, to ask a claim about."""

    world: World
    policy: Policy
    penalty: Number


class Sides(NamedTuple):
    """The two sides of a claim, [...] or [..., x]: left == right, or left <= right."""

    left: Float[jax.Array, "..."]
    right: Float[jax.Array, "..."]


def everywhere(case: Case) -> Bool[jax.Array, ""]:
    """True: the domain of a claim that holds for every world, policy and penalty > 0.

    >>> from theory.ledger.cases import disjoint
    >>> bool(everywhere(disjoint(1.0)))
    True
    """
    del case
    return jnp.array(True)


@dataclass(frozen=True)
class Record:
    """One claim. Every property test, figure legend and search for violations reads it.

    `function` gives both sides of the claim, `planted` those of a wrong version
    (another constant, swapped roles) that every test must catch. `domain` says where
    the claim applies. `tolerance` is relative to max(1, |left|, |right|), in double
    precision: rounding, or the declared margin of a scaling law. At `tight_case` the
    two sides agree within the relative `tight_within`.
    """

    name: str
    statement: str
    assumptions: str
    source: str
    side: Side
    function: Callable[[Case], Sides]
    evidence: str
    domain: Callable[[Case], Bool[jax.Array, "..."]] = everywhere
    status: Status = Status.PROVED
    tolerance: float = 1e-9
    tight_when: str = ""
    tight_case: Callable[[], Case] | None = None
    tight_within: float = 0.0
    vacuous_when: str = ""
    planted: Callable[[Case], Sides] | None = None
    counter_example: Callable[[], Case] | None = None

    def __post_init__(self) -> None:
        if (self.side is Side.FALSE) != (self.status is Status.FALSE):
            raise ValueError(
                f"{self.name}: side and status must both be FALSE or neither"
            )
        if self.side is Side.FALSE and self.counter_example is None:
            raise ValueError(f"{self.name}: a false claim needs its counter_example")
        if self.side is not Side.FALSE and self.planted is None:
            raise ValueError(f"{self.name}: a true claim needs a planted wrong version")
        if self.side in (Side.UPPER, Side.LOWER) and not self.vacuous_when:
            raise ValueError(f"{self.name}: say when the bound is vacuous")


def violation(
    record: Record, case: Case, function: Callable[[Case], Sides] | None = None
) -> Float[jax.Array, "..."]:
    """By how much a claim fails, relative to its size: it fails above its tolerance.

    Formula: (left - right) / max(1, |left|, |right|), its absolute value for identities
    and scaling laws; -inf outside the domain; inf where a side is NaN or an identity
    has one infinite side. `function` stands in for the record's own (the planted one).
    Shape: that of the sides.

    >>> from theory.ledger import LEDGER
    >>> from theory.ledger.cases import disjoint
    >>> bool(violation(LEDGER[0], disjoint(1.0)).max() <= LEDGER[0].tolerance)
    True
    """
    left, right = (function or record.function)(case)
    left, right = jnp.broadcast_arrays(left, right)
    same = left == right
    finite = jnp.isfinite(left) & jnp.isfinite(right)
    low, high = jnp.where(finite, left, 0.0), jnp.where(finite, right, 0.0)
    scale = jnp.maximum(1.0, jnp.maximum(jnp.abs(low), jnp.abs(high)))
    amount = (low - high) / scale
    beyond = jnp.where(left < right, -jnp.inf, jnp.inf)
    if record.side in (Side.IDENTITY, Side.SCALING):
        amount, beyond = jnp.abs(amount), jnp.full_like(beyond, jnp.inf)
    failed = jnp.where(same, 0.0, jnp.where(finite, amount, beyond))
    return jnp.where(record.domain(case), failed, -jnp.inf)


def looseness(record: Record, case: Case) -> Float[jax.Array, "..."]:
    """How far apart the two sides are, relative to the right one.

    Formula: |right - left| / |right|, 0 where both are 0. Shape: that of the sides.

    >>> from theory.ledger import find
    >>> tight = find("proxy gap, upper")
    >>> bool(looseness(tight, tight.tight_case()) <= tight.tight_within)
    True
    """
    left, right = record.function(case)
    size = jnp.abs(right)
    return jnp.where(
        left == right, 0.0, jnp.abs(right - left) / jnp.where(size > 0, size, 1.0)
    )
