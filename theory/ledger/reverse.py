"""Claims about the frontier of mode-seeking objectives, the twin of the forward one."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.laws import World
from theory.ledger.cases import balanced, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.reverse import geometric_mixture, reverse_optimum
from theory.tradeoff.reverse_frontier import (
    optimal_reverse_gaps,
    reverse_frontier,
    reverse_gaps,
    reverse_slopes,
)
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _allowed(case: Case) -> Float[jax.Array, "*batch x y"]:
    """The policy moved onto the outputs that the geometric mixture allows."""
    best = geometric_mixture(case.world, case.penalty)
    moved = jnp.where(best > 0, case.policy, 0.0) + 1e-3 * best
    return moved / jnp.sum(moved, axis=-1, keepdims=True)


def _shares(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether some policy has finite reverse gaps."""
    return jnp.isfinite(reverse_optimum(case.world, case.penalty))


def _optimum(case: Case, factor: float = 1.0) -> Nats:
    """J_rev at a multiple of the case's penalty."""
    return reverse_optimum(case.world, factor * jnp.asarray(case.penalty))


def _proxy(case: Case, factor: float = 1.0) -> Nats:
    """R^_s of the geometric mixture at a multiple of the case's penalty."""
    return optimal_reverse_gaps(case.world, factor * jnp.asarray(case.penalty)).proxy


def _capability(case: Case, factor: float = 1.0) -> Nats:
    """R_f of the geometric mixture at a multiple of the case's penalty."""
    penalty = factor * jnp.asarray(case.penalty)
    return optimal_reverse_gaps(case.world, penalty).capability


def _penalised(case: Case) -> Nats:
    """Penalty * R^_s + R_f of the geometric mixture."""
    return jnp.asarray(case.penalty) * _proxy(case) + _capability(case)


def _by_log_penalty(case: Case, function: Callable[[Case], Nats]) -> Nats:
    """The derivative by log penalty, by automatic differentiation."""
    given = jnp.asarray(case.penalty) * 1.0

    def at(shift: jax.Array) -> Nats:
        return function(case._replace(penalty=given * jnp.exp(shift)))

    zero = jnp.zeros_like(given)
    slope: jax.Array = jax.jvp(at, (zero,), (jnp.ones_like(given),))[1]
    return slope


def _below(case: Case, factor: float = 1.0) -> Sides:
    """F at a multiple of R^_s(P) against R_f(P), P allowed by both sources."""
    found = reverse_gaps(case.world, _allowed(case))
    return Sides(reverse_frontier(case.world, factor * found.proxy), found.capability)


def _attained(case: Case, factor: float = 1.0) -> Sides:
    """F at a multiple of R^_s against R_f, of the geometric mixture."""
    best = optimal_reverse_gaps(case.world, case.penalty)
    return Sides(reverse_frontier(case.world, factor * best.proxy), best.capability)


def _slope(case: Case, factor: float = 1.0) -> Nats:
    """The slope of R^_s by log penalty, in closed form."""
    penalty = factor * jnp.asarray(case.penalty)
    return penalty * reverse_slopes(case.world, penalty).proxy


def _swapped(case: Case) -> Case:
    """Proxy and capability exchanged, the penalty turned over."""
    world = case.world
    swapped = World(world.safety, world.capability, world.proxy)
    return case._replace(world=swapped, penalty=1 / jnp.asarray(case.penalty))


RECORDS = (
    Record(
        name="reverse frontier",
        statement="F_rev(R^_s(P)) <= R_f(P)",
        assumptions="any world, any policy with finite reverse gaps",
        source="derived, notes 11.4 item 8 with (6.1)",
        side=Side.LOWER,
        function=_below,
        domain=_shares,
        evidence=_WORLDS,
        tight_when="P the geometric mixture",
        tight_case=lambda: balanced(0.5),
        tight_within=1e-9,
        vacuous_when="R^_s(P) beyond the limit of zero penalty: c_f",
        planted=lambda c: _below(c, 0.25),
    ),
    Record(
        name="reverse frontier, attained",
        statement="F_rev(R^_s) = R_f of the geometric mixture",
        assumptions="any world, at the minimiser, penalty > 0",
        source="derived, notes 11.4 item 8 with (6.1)",
        side=Side.IDENTITY,
        function=_attained,
        domain=_shares,
        evidence=_WORLDS,
        planted=lambda c: _attained(c, 1.1),
    ),
    Record(
        name="reverse optimum, split",
        statement="J_rev = penalty R^_s + R_f of the geometric mixture",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.4 item 8",
        side=Side.IDENTITY,
        function=lambda c: Sides(_optimum(c), _penalised(c)),
        domain=_shares,
        evidence=_WORLDS,
        planted=lambda c: Sides(_optimum(c), _proxy(c) + _capability(c)),
    ),
    Record(
        name="reverse envelope",
        statement="dJ_rev/dpenalty = R^_s",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.4 item 8 with (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _by_log_penalty(c, _penalised), jnp.asarray(c.penalty) * _proxy(c)
        ),
        domain=_shares,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _by_log_penalty(c, _penalised), jnp.asarray(c.penalty) * _capability(c)
        ),
    ),
    Record(
        name="reverse gap, slope",
        statement="penalty dR^_s/dpenalty = -sum_x mu^_s w (1-w)^2 Var_P[log p^_s/p_f]",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.4 item 8 with (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_by_log_penalty(c, _proxy), _slope(c)),
        domain=_shares,
        evidence=_WORLDS,
        planted=lambda c: Sides(_by_log_penalty(c, _proxy), _slope(c, 2.0)),
    ),
    Record(
        name="reverse trade, slope",
        statement="dR_f/dpenalty = -penalty dR^_s/dpenalty",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.4 item 8 with (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _by_log_penalty(c, _capability),
            -jnp.asarray(c.penalty) * _by_log_penalty(c, _proxy),
        ),
        domain=_shares,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _by_log_penalty(c, _capability), -_by_log_penalty(c, _proxy)
        ),
    ),
    Record(
        name="reverse gap, order",
        statement="R^_s at 2 penalty <= R^_s at penalty",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.4 item 8 with (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(_proxy(c, 2.0), _proxy(c)),
        domain=_shares,
        evidence=_WORLDS,
        tight_when="no conflict on the overlap; nearly, as penalty -> 0",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides(_proxy(c), _proxy(c, 2.0)),
    ),
    Record(
        name="reverse optimum, concave",
        statement="[J_rev(penalty) + J_rev(3 penalty)] / 2 <= J_rev(2 penalty)",
        assumptions="any world, penalty > 0",
        source="derived: a minimum of linear functions",
        side=Side.UPPER,
        function=lambda c: Sides(
            (_optimum(c) + _optimum(c, 3.0)) / 2, _optimum(c, 2.0)
        ),
        domain=_shares,
        evidence=_WORLDS,
        tight_when="penalty -> 0: linear",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides((_optimum(c) + _optimum(c, 3.0)) / 2, _optimum(c, 1.9)),
    ),
    Record(
        name="reverse swap",
        statement="J_rev(penalty) = penalty * J_rev(1/penalty), sources swapped",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.2 (f)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _optimum(c), jnp.asarray(c.penalty) * _optimum(_swapped(c))
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(_optimum(c), _optimum(_swapped(c))),
    ),
)
"""Item 8 of 11.4, read as section 6.1."""
