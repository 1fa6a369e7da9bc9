"""Claims about one pair of laws and their mixture: the lemma under all bounds."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.information import (
    jensen_shannon,
    jensen_shannon_bounds,
    mixture_kl_bounds,
    pearson_along,
    skew_divergence,
    total_variation,
)
from theory.ledger.cases import balanced, partly_disjoint
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.loss_constraint import posterior_weight
from theory.typing import Array, Table

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _pair(case: Case) -> tuple[Table, Table, Float[jax.Array, "*batch x"]]:
    """p^_s, p_f and the posterior weight w of the first, at every context."""
    world = case.world
    weight = posterior_weight(world, case.penalty)
    return world.proxy.outputs, world.capability.outputs, weight


def _between(case: Case) -> Bool[jax.Array, "*batch x"]:
    """Whether both sources have weight at the context."""
    weight = posterior_weight(case.world, case.penalty)
    # Below 1e-6 the derivative of order 1/w loses the digits that the test asks for.
    return (weight > 1e-6) & (weight < 1)


def _derivative(case: Case) -> Float[jax.Array, "*batch x"]:
    """d/dw KL(p || P_w) by automatic differentiation."""
    p, q, weight = _pair(case)
    slope: jax.Array = jax.jvp(
        lambda w: skew_divergence(p, q, w), (weight,), (jnp.ones_like(weight),)
    )[1]
    return slope


def _pearson(case: Case) -> Float[jax.Array, "*batch x"]:
    """T_w of the pair."""
    return pearson_along(*_pair(case))


def _distance(case: Case) -> Float[jax.Array, "*batch x"]:
    """TV of the pair."""
    p, q, _ = _pair(case)
    return total_variation(p, q)


def _spread(case: Case) -> Float[jax.Array, "*batch x"]:
    """The product w (1 - w)."""
    weight = _pair(case)[2]
    return weight * (1 - weight)


def _scaled(value: Array, factor: float) -> jax.Array:
    """The value times a wrong constant."""
    return factor * jnp.asarray(value)


RECORDS = (
    Record(
        name="mixture divergence, slope",
        statement="d/dw KL(p || P_w) = -(1 - w) T_w, P_w = w p + (1 - w) q",
        assumptions="any two laws, 0 < w < 1",
        source="derived, notes (3.1)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_derivative(c), -(1 - _pair(c)[2]) * _pearson(c)),
        domain=_between,
        evidence=_WORLDS,
        planted=lambda c: Sides(_derivative(c), -_pearson(c)),
    ),
    Record(
        name="Pearson form, lower",
        statement="4 TV(p, q)^2 <= T_w = sum_y (p - q)^2 / P_w",
        assumptions="any two laws, 0 < w < 1",
        source="derived, notes (3.2)",
        side=Side.LOWER,
        function=lambda c: Sides(4 * _distance(c) ** 2, _pearson(c)),
        domain=_between,
        evidence=_WORLDS,
        tight_when="|p - q| proportional to P_w",
        tight_case=lambda: balanced(0.5),
        tight_within=1e-9,
        vacuous_when="never, but loose when few outputs carry the difference",
        planted=lambda c: Sides(8 * _distance(c) ** 2, _pearson(c)),
    ),
    Record(
        name="Pearson form, upper",
        statement="T_w <= TV(p, q) / (w (1 - w))",
        assumptions="any two laws, 0 < w < 1",
        source="derived, notes (3.2)",
        side=Side.UPPER,
        function=lambda c: Sides(_spread(c) * _pearson(c), _distance(c)),
        domain=_between,
        evidence=_WORLDS,
        tight_when="likelihood ratio in {0, 1, inf}",
        tight_case=lambda: partly_disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="w near 0 or 1 with laws of common support",
        planted=lambda c: Sides(_spread(c) * _pearson(c), _distance(c) ** 2),
    ),
    Record(
        name="mixture divergence, lower",
        statement="2 (1 - w)^2 TV^2 <= KL(p || P_w)",
        assumptions="any two laws, 0 <= w <= 1",
        source="derived, notes (3.3)",
        side=Side.LOWER,
        function=lambda c: Sides(
            mixture_kl_bounds(*_pair(c))[0], skew_divergence(*_pair(c))
        ),
        evidence=_WORLDS,
        tight_when="TV -> 0 with a balanced likelihood ratio",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when="never, but capped at 2 where the divergence may be infinite",
        planted=lambda c: Sides(
            _scaled(mixture_kl_bounds(*_pair(c))[0], 2.0), skew_divergence(*_pair(c))
        ),
    ),
    Record(
        name="mixture divergence, upper",
        statement="KL(p || P_w) <= TV(p, q) log(1/w)",
        assumptions="any two laws, 0 <= w <= 1",
        source="derived, notes (3.3)",
        side=Side.UPPER,
        function=lambda c: Sides(
            skew_divergence(*_pair(c)), mixture_kl_bounds(*_pair(c))[1]
        ),
        evidence=_WORLDS,
        tight_when="likelihood ratio in {0, 1, inf}",
        tight_case=lambda: partly_disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="w = 0",
        planted=lambda c: Sides(
            skew_divergence(*_pair(c)), _distance(c) * (1 - _pair(c)[2])
        ),
    ),
    Record(
        name="Jensen-Shannon, lower",
        statement="2 w (1 - w) TV^2 <= JS_w(p, q)",
        assumptions="any two laws, 0 <= w <= 1",
        source="derived, notes (3.4)",
        side=Side.LOWER,
        function=lambda c: Sides(
            jensen_shannon_bounds(*_pair(c))[0], jensen_shannon(*_pair(c))
        ),
        evidence=_WORLDS,
        tight_when="TV -> 0 with a balanced likelihood ratio",
        tight_case=lambda: balanced(0.01),
        tight_within=1e-3,
        vacuous_when="never, but 1/2 for log 2 at disjoint laws",
        planted=lambda c: Sides(
            _scaled(jensen_shannon_bounds(*_pair(c))[0], 2.0),
            jensen_shannon(*_pair(c)),
        ),
    ),
    Record(
        name="Jensen-Shannon, upper",
        statement="JS_w(p, q) <= h(w) TV(p, q)",
        assumptions="any two laws, 0 <= w <= 1",
        source="derived, notes (3.4)",
        side=Side.UPPER,
        function=lambda c: Sides(
            jensen_shannon(*_pair(c)), jensen_shannon_bounds(*_pair(c))[1]
        ),
        evidence=_WORLDS,
        tight_when="likelihood ratio in {0, 1, inf}",
        tight_case=lambda: partly_disjoint(1.0),
        tight_within=1e-9,
        vacuous_when="never (at most log 2)",
        planted=lambda c: Sides(
            jensen_shannon(*_pair(c)),
            jensen_shannon_bounds(*_pair(c))[1] * _distance(c),
        ),
    ),
)
"""The lemma (3.1)-(3.4), asked of p^_s and p_f at every context."""
