"""Claims that bound both gaps of the optimal policy in closed form."""

from collections.abc import Callable

import jax.numpy as jnp

from theory.ledger.cases import balanced, disjoint, golden, partly_disjoint
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff import bounds, sharper
from theory.tradeoff.loss_constraint import optimal_gaps, optimum
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _proxy(case: Case) -> Nats:
    """G^_s(P*)."""
    return optimal_gaps(case.world, case.penalty).proxy


def _capability(case: Case) -> Nats:
    """G_f(P*)."""
    return optimal_gaps(case.world, case.penalty).capability


def _optimum(case: Case) -> Nats:
    """J."""
    return optimum(case.world, case.penalty)


def _upper(
    name: str,
    statement: str,
    source: str,
    quantity: Callable[[Case], Nats],
    bound: Callable[[Case], Nats],
    shrunk: float,
    tight_when: str,
    tight_case: Callable[[], Case],
    tight_within: float,
    vacuous_when: str,
) -> Record:
    """The record of quantity <= bound; planted: the bound shrunk by a factor."""
    return Record(
        name=name,
        statement=statement,
        assumptions="any world, at the minimiser, penalty > 0",
        source=source,
        side=Side.UPPER,
        function=lambda c: Sides(quantity(c), bound(c)),
        evidence=_WORLDS,
        tight_when=tight_when,
        tight_case=tight_case,
        tight_within=tight_within,
        vacuous_when=vacuous_when,
        planted=lambda c: Sides(quantity(c), shrunk * bound(c)),
    )


def _lower(
    name: str,
    statement: str,
    source: str,
    quantity: Callable[[Case], Nats],
    bound: Callable[[Case], Nats],
    stretched: float,
    tight_when: str,
    tight_case: Callable[[], Case],
    tight_within: float,
    vacuous_when: str,
) -> Record:
    """The record of bound <= quantity; planted: the bound stretched by a factor."""
    return Record(
        name=name,
        statement=statement,
        assumptions="any world, at the minimiser, penalty > 0",
        source=source,
        side=Side.LOWER,
        function=lambda c: Sides(bound(c), quantity(c)),
        evidence=_WORLDS,
        tight_when=tight_when,
        tight_case=tight_case,
        tight_within=tight_within,
        vacuous_when=vacuous_when,
        planted=lambda c: Sides(stretched * jnp.asarray(bound(c)), quantity(c)),
    )


_RATIO = "likelihood ratio p^_s/p_f in {0, 1, inf}"
_PINSKER = "tau -> 0 with a balanced likelihood ratio"
_CAPPED = "never, but capped: 1/2 for log 2 at disjoint outputs and penalty 1"

RECORDS = (
    _lower(
        "proxy gap, lower",
        "2 E_{mu^_s}[(1-w)^2 tau^2] <= G^_s(P*)",
        "derived, notes (4.4)",
        _proxy,
        lambda c: bounds.proxy_gap_bounds(c.world, c.penalty).lower,
        2.0,
        _PINSKER,
        lambda: balanced(0.01),
        1e-3,
        _CAPPED,
    ),
    _upper(
        "proxy gap, upper",
        "G^_s(P*) <= E_{mu^_s}[tau log(1 + mu_f / (penalty mu^_s))]",
        "derived, notes (4.4)",
        _proxy,
        lambda c: bounds.proxy_gap_bounds(c.world, c.penalty).upper,
        0.5,
        _RATIO,
        lambda: partly_disjoint(1.0),
        1e-9,
        "smooth, similar outputs at large penalty: the truth is penalty^-2",
    ),
    _upper(
        "proxy gap, linear",
        "G^_s(P*) <= (1/penalty) sum_{mu^_s > 0} mu_f tau",
        "derived, notes (4.4)",
        _proxy,
        lambda c: bounds.proxy_gap_linear(c.world, c.penalty),
        0.4,
        "penalty -> inf with support conflict",
        lambda: disjoint(1e4),
        1e-3,
        "penalty << 1: exceeds the limit of zero penalty",
    ),
    _upper(
        "proxy gap, coarse",
        "G^_s(P*) <= log(1 + o_f / penalty)",
        "derived, notes (4.5)",
        _proxy,
        lambda c: bounds.proxy_gap_coarse(c.world, c.penalty),
        0.4,
        "disjoint outputs, mu_f / mu^_s constant on the overlap",
        lambda: disjoint(1.0),
        1e-9,
        "small tau",
    ),
    _lower(
        "capability gap, lower",
        "2 E_{mu_f}[w^2 tau^2] <= G_f(P*)",
        "derived, notes (4.4)",
        _capability,
        lambda c: bounds.capability_gap_bounds(c.world, c.penalty).lower,
        2.0,
        _PINSKER,
        lambda: balanced(0.01),
        1e-3,
        _CAPPED,
    ),
    _upper(
        "capability gap, upper",
        "G_f(P*) <= E_{mu_f}[tau log(1 + penalty mu^_s / mu_f)]",
        "derived, notes (4.4)",
        _capability,
        lambda c: bounds.capability_gap_bounds(c.world, c.penalty).upper,
        0.5,
        _RATIO,
        lambda: partly_disjoint(1.0),
        1e-9,
        "smooth, similar outputs at small penalty: the truth is penalty^2",
    ),
    _upper(
        "capability gap, linear",
        "G_f(P*) <= penalty sum_{mu_f > 0} mu^_s tau",
        "derived, notes (4.4)",
        _capability,
        lambda c: bounds.capability_gap_linear(c.world, c.penalty),
        0.4,
        "penalty -> 0 with support conflict",
        lambda: disjoint(1e-4),
        1e-3,
        "penalty >> 1: exceeds the limit of infinite penalty",
    ),
    _upper(
        "capability gap, coarse",
        "G_f(P*) <= log(1 + penalty o_s)",
        "derived, notes (4.5)",
        _capability,
        lambda c: bounds.capability_gap_coarse(c.world, c.penalty),
        0.4,
        "disjoint outputs, mu^_s / mu_f constant on the overlap",
        lambda: disjoint(1.0),
        1e-9,
        "small tau",
    ),
    _lower(
        "proxy gap, data processing",
        "E_{mu^_s} kl(alpha, alpha - (1-w) tau) <= G^_s(P*), alpha = p^_s(p^_s > p_f)",
        "derived, notes 11.4 item 2",
        _proxy,
        lambda c: sharper.proxy_gap_data_processing(c.world, c.penalty),
        1.5,
        "two outputs",
        lambda: golden(1.0),
        1e-9,
        "never",
    ),
    _lower(
        "capability gap, data processing",
        "E_{mu_f} kl(alpha, alpha - w tau) <= G_f(P*), alpha = p_f(p_f > p^_s)",
        "derived, notes 11.4 item 2, mirror",
        _capability,
        lambda c: sharper.capability_gap_data_processing(c.world, c.penalty),
        1.5,
        "two outputs",
        lambda: golden(1.0),
        1e-9,
        "never",
    ),
    _lower(
        "proxy gap, total variation",
        "E_{mu^_s} max{2 t^2, -log(1 - t^2)} <= G^_s(P*), t = (1-w) tau",
        "derived, notes 11.4 item 4",
        _proxy,
        lambda c: sharper.proxy_gap_total_variation(c.world, c.penalty),
        2.0,
        _PINSKER,
        lambda: balanced(0.01),
        1e-3,
        "never",
    ),
    _lower(
        "capability gap, total variation",
        "E_{mu_f} max{2 t^2, -log(1 - t^2)} <= G_f(P*), t = w tau",
        "derived, notes 11.4 item 4, mirror",
        _capability,
        lambda c: sharper.capability_gap_total_variation(c.world, c.penalty),
        2.0,
        _PINSKER,
        lambda: balanced(0.01),
        1e-3,
        "never",
    ),
    _lower(
        "optimum, conflict below",
        "2 sum_x M w (1-w) tau^2 <= J",
        "derived, notes (3.4)",
        _optimum,
        lambda c: sharper.optimum_bounds(c.world, c.penalty).lower,
        2.0,
        _PINSKER,
        lambda: balanced(0.01),
        1e-3,
        "no overlap or no conflict: 0, and so is J",
    ),
    _upper(
        "optimum, conflict above",
        "J <= sum_x M h(w) tau",
        "derived, notes (3.4)",
        _optimum,
        lambda c: sharper.optimum_bounds(c.world, c.penalty).upper,
        0.5,
        _RATIO,
        lambda: partly_disjoint(1.0),
        1e-9,
        "smooth, similar outputs",
    ),
    _lower(
        "optimum, least two-point",
        "sum_x M min{JS_w(a, b): two points, TV(a, b) = tau} <= J",
        "derived, notes 11.4 item 3",
        _optimum,
        lambda c: sharper.optimum_least(c.world, c.penalty),
        1.5,
        "two symmetric outputs at w = 1/2",
        lambda: balanced(0.5),
        1e-6,
        "no overlap or no conflict: 0, and so is J",
    ),
)
"""(4.4), (4.5) and the sharper forms of 11.4, items 2 to 4."""
