"""Claims about more overlap of contexts, all else equal."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from theory.laws import Law, World, overlapping_world
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.frontier import frontier
from theory.tradeoff.loss_constraint import optimal_gaps, optimum
from theory.tradeoff.overlap import overlap_coefficient
from theory.typing import Array, Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _overlapping(case: Case, closer: bool) -> World:
    """The family of notes 6.4: safety on every other context."""
    world = case.world
    inside = jnp.arange(jnp.shape(world.safety.contexts)[-1]) % 2 == 0
    safe = _restricted(world.safety.contexts, inside)
    outside = _restricted(world.capability.contexts, ~inside)
    overlap = overlap_coefficient(world)
    share = (1 + overlap) / 2 if closer else overlap
    return overlapping_world(
        Law(safe, world.safety.outputs), outside, world.capability.outputs, share
    )


def _restricted(contexts: Array, kept: jax.Array) -> jax.Array:
    """The law of contexts given that they are kept; 0 where none is."""
    mass = jnp.where(kept, contexts, 0.0)
    total = jnp.sum(mass, axis=-1, keepdims=True)
    return mass / jnp.where(total > 0, total, 1.0)


def _splits(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether both halves of the contexts have weight."""
    world = _overlapping(case, closer=False)
    return jnp.sum(world.safety.contexts, axis=-1) > 0.5


def _optimum_overlapping(case: Case, closer: bool) -> Nats:
    """J in the family of notes 6.4."""
    return optimum(_overlapping(case, closer), case.penalty)


def _frontier_overlapping(case: Case, closer: bool) -> Nats:
    """F in the family of notes 6.4, at the safety gap that the penalty gives."""
    given = optimal_gaps(_overlapping(case, closer=False), case.penalty).safety
    return frontier(_overlapping(case, closer), given)


RECORDS = (
    Record(
        name="optimum rises with overlap",
        statement="J at overlap o <= J at overlap (1 + o) / 2",
        assumptions="mu_f = o mu_s + (1 - o) mu_outside, disjoint from mu_s",
        source="derived, notes 6.4",
        side=Side.LOWER,
        function=lambda c: Sides(
            _optimum_overlapping(c, closer=False), _optimum_overlapping(c, closer=True)
        ),
        domain=_splits,
        evidence=_WORLDS,
        tight_when="equal outputs on the overlap: both 0; or o = 1",
        tight_case=None,
        vacuous_when="never",
        planted=lambda c: Sides(
            _optimum_overlapping(c, closer=True), _optimum_overlapping(c, closer=False)
        ),
    ),
    Record(
        name="frontier rises with overlap",
        statement="F(g) at overlap o <= F(g) at overlap (1 + o) / 2",
        assumptions="mu_f = o mu_s + (1 - o) mu_outside, disjoint from mu_s",
        source="derived, notes 6.4",
        side=Side.LOWER,
        function=lambda c: Sides(
            _frontier_overlapping(c, closer=False),
            _frontier_overlapping(c, closer=True),
        ),
        domain=_splits,
        evidence=_WORLDS,
        tight_when="equal outputs on the overlap: both 0; or o = 1",
        tight_case=None,
        vacuous_when="never",
        planted=lambda c: Sides(
            _frontier_overlapping(c, closer=True),
            _frontier_overlapping(c, closer=False),
        ),
    ),
)
"""Section 6.4 of the notes."""
