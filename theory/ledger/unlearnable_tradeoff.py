"""Claims that link an active vector to the ball of parameters: the split move."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.laws import Law, World
from theory.ledger.displacement import positive, share, start
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.parameter_ball import (
    curvature_cap,
    gap_change,
    gap_smooth,
    logit_gradient,
    logit_norm,
)
from theory.typing import Nats
from theory.unlearnability.tradeoff_link import capability_ceiling, damage_ceiling

_WORLDS = "Hypothesis and 16,384 random worlds, float64, every run of the tests"
_ANY = "tabular logits, any start, any two moves"

Logits = Float[jax.Array, "*batch x y"]
"""A move of tabular logits."""


def _move(case: Case, law: Law, factor: Nats) -> Logits:
    """The part of the way from the start to a law, without what softmax does not see.

    Floors under both ends keep it finite.
    """
    way = jnp.log(positive(law.outputs)) - start(case)
    way = way - jnp.mean(way, axis=-1, keepdims=True)
    return factor[..., None, None] * way


def _moves(case: Case, harmful: float = 0.5) -> tuple[Logits, Logits]:
    """Delta_h towards the proxy data, Delta_b, longer, towards the capability data."""
    part = share(case)
    harm = _move(case, case.world.proxy, harmful * part)
    return harm, _move(case, case.world.capability, part)


def _gradient(case: Case, law: Law) -> Logits:
    """The gradient of the law's loss at the start."""
    return logit_gradient(law, jax.nn.softmax(start(case), axis=-1))


def _inner(first: Logits, second: Logits) -> Nats:
    """The inner product of two moves."""
    return jnp.sum(first * second, axis=(-2, -1))


def _change(case: Case, law: Law, moves: tuple[Logits, Logits]) -> Nats:
    """By how much both moves together raise the law's loss."""
    before = start(case)
    after = before + moves[0] + moves[1]
    return gap_change(law.contexts, law.outputs, before, after)


def _damage_bound(case: Case, moves: tuple[Logits, Logits], factor: float) -> Nats:
    """The bound of the damage, the overlap and the bending times a factor."""
    law, (harm, benign) = case.world.proxy, moves
    gradient = _gradient(case, law)
    slope, reach = logit_norm(gradient), logit_norm(benign)
    size = slope * reach
    counted = size > 0
    cosine = jnp.abs(_inner(gradient, benign)) / jnp.where(counted, size, 1.0)
    return damage_ceiling(
        slope,
        factor * curvature_cap(law),
        logit_norm(harm),
        reach,
        factor * jnp.where(counted, cosine, 0.0),
        logit_norm(harm + benign),
    )


def _damage(case: Case, harmful: float, factor: float = 1.0) -> Sides:
    """F(theta_0) - F(theta_T) and its bound."""
    moves = _moves(case, harmful)
    lost = -_change(case, case.world.proxy, moves)
    return Sides(lost, _damage_bound(case, moves, factor))


def _capability(case: Case, factor: float = 1.0) -> Sides:
    """B(theta_T) - B(theta_0) and its bound, Delta_h counted by a factor."""
    moves = harm, benign = _moves(case)
    law = case.world.capability
    gradient = _gradient(case, law)
    bound = capability_ceiling(
        _inner(gradient, benign),
        factor * logit_norm(gradient),
        curvature_cap(law),
        logit_norm(harm),
        logit_norm(harm + benign),
    )
    return Sides(_change(case, law, moves), bound)


def _ball(case: Case, radius: Callable[[Nats, Nats], Nats]) -> Sides:
    """The bound of the split move, and that of a ball which holds both parts."""
    moves, law = _moves(case), case.world.proxy
    both = radius(logit_norm(moves[0]), logit_norm(moves[1]))
    slope = logit_norm(_gradient(case, law))
    ball = gap_smooth(0.0, slope, curvature_cap(law), both)
    return Sides(_damage_bound(case, moves, 1.0), ball)


def _case(harm: list[float], able: list[float], penalty: float) -> Case:
    """One context, an even start."""
    one, even = np.array([1.0]), np.array([[0.5, 0.5]])
    laws = (Law(one, outputs) for outputs in (even, np.array([harm]), np.array([able])))
    return Case(World(*laws), even, np.array(penalty))


RECORDS = (
    Record(
        name="split move, damage",
        statement="F(theta_0) - F(theta_T) <= |g_F| (|Delta_h| + |cos(g_F, Delta_b)| "
        "|Delta_b|) + beta |Delta|^2 / 2",
        assumptions=f"{_ANY}; beta-smooth losses",
        source="derived, security-vector notes theorem 6",
        side=Side.UPPER,
        function=lambda c: _damage(c, 0.5),
        evidence=_WORLDS,
        tight_when="both moves short and straight down g_F",
        tight_case=lambda: _case([0.0, 1.0], [0.1, 0.9], 1e4),
        tight_within=2e-3,
        vacuous_when="long moves: the square outgrows F(theta_0)",
        planted=lambda c: _damage(c, 0.5, 0.0),
    ),
    Record(
        name="split move, perfect vector",
        statement="F(theta_0) - F(theta_T) <= |g_F| |cos(g_F, Delta_b)| |Delta_b| + "
        "beta |Delta_b|^2 / 2 where Delta_h = 0: the overlap term remains",
        assumptions=f"{_ANY}; beta-smooth losses",
        source="derived, security-vector notes theorem 6",
        side=Side.UPPER,
        function=lambda c: _damage(c, 0.0),
        evidence=_WORLDS,
        tight_when="a short benign move straight down g_F",
        tight_case=lambda: _case([0.0, 1.0], [0.1, 0.9], 1e4),
        tight_within=2e-3,
        vacuous_when="long moves: the square outgrows F(theta_0)",
        planted=lambda c: _damage(c, 0.0, 0.0),
    ),
    Record(
        name="split move, capability",
        statement="B(theta_T) - B(theta_0) <= <g_B, Delta_b> + |g_B| |Delta_h| + beta "
        "|Delta|^2 / 2",
        assumptions=f"{_ANY}; beta-smooth losses",
        source="derived, security-vector notes theorem 6",
        side=Side.UPPER,
        function=_capability,
        evidence=_WORLDS,
        tight_when="short moves, Delta_h straight up g_B",
        tight_case=lambda: _case([0.0, 1.0], [0.9, 0.1], 1e4),
        tight_within=2e-3,
        vacuous_when="|Delta_h| beyond |Delta_b|: no gain is guaranteed",
        planted=lambda c: _capability(c, -1.0),
    ),
    Record(
        name="split move, inside the ball",
        statement="the bound of the split move <= |g_F| eps + beta eps^2 / 2, eps = "
        "|Delta_h| + |Delta_b|",
        assumptions=_ANY,
        source="derived, security-vector notes theorem 6 and notes (8.1)",
        side=Side.UPPER,
        function=lambda c: _ball(c, lambda harm, benign: harm + benign),
        evidence=_WORLDS,
        tight_when="both moves along g_F",
        tight_case=lambda: _case([0.0, 1.0], [0.1, 0.9], 1.0),
        tight_within=1e-9,
        vacuous_when="never; loose where benign moves do not overlap with harm",
        planted=lambda c: _ball(c, lambda harm, benign: jnp.maximum(harm, benign) / 2),
    ),
)
"""Theorem 6 of the security-vector notes."""
