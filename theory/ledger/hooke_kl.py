"""Claims about trust regions and regularisers as springs, and Hooke's law in nats."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.compression.datasets import DataSets
from theory.compression.equilibrium import optimum
from theory.compression.kl_springs import (
    forward_excess,
    forward_kl,
    forward_kl_far,
    forward_objective,
    regularised_change,
    ridge,
    smoothing,
)
from theory.compression.rates import excess_rates
from theory.information import kl
from theory.ledger.cases import golden
from theory.ledger.displacement import positive
from theory.ledger.hooke import floored, grown
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import ALIGNMENT, PERTURBATION, other, springs
from theory.numerics import weighted_sum, xlogy_ratio
from theory.typing import Nats

FAR = 1e7  # how far beyond the case's own penalty a strong trust region is looked at

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"

Leaves = Float[jax.Array, "*batch leaf"]
"""A law of the leaves."""


def _anchored(case: Case) -> tuple[Leaves, Leaves]:
    """The alignment law p, and a reference q_0 without empty leaves."""
    law = springs(case).laws[..., ALIGNMENT, :]
    reference = jnp.broadcast_to(positive(other(case)), law.shape)
    return jnp.asarray(law), reference


def _solution(case: Case) -> Leaves:
    """The forward-KL optimum at the case's penalty."""
    return forward_kl(*_anchored(case), jnp.asarray(case.penalty))


def _ridge(case: Case, factor: float = 1.0) -> Sides:
    """What a foreign model loses under a ridge against (n + lambda) KL(q* || q)."""
    data, reference = springs(case), positive(other(case))
    strength = jnp.asarray(case.penalty)
    best = optimum(ridge(data, reference, factor * strength))
    model = positive(data.laws[..., ALIGNMENT, :])

    def cost(law: Leaves) -> Nats:
        pulled = weighted_sum(data.sizes, excess_rates(data, law))
        return pulled + strength * kl(reference, law)

    total = jnp.sum(data.sizes, axis=-1) + strength
    return Sides(cost(model) - cost(best), total * kl(best, model))


def _smoothing(case: Case, pseudo: float = 0.5) -> Sides:
    """(sum_i n_i p_i + 1/2) / (n + M/2) against the optimum with one more set."""
    data = springs(case)
    counts = jnp.sum(data.sizes[..., None] * data.laws, axis=-2) + 0.5
    left = counts / jnp.sum(counts, axis=-1, keepdims=True)
    return Sides(left, optimum(smoothing(data, pseudo)))


def _stationarity(case: Case, model: Leaves) -> Sides:
    """The two sides p - beta q log(q / q_0), q (1 - beta KL(q || q_0)), by leaf."""
    law, reference = _anchored(case)
    beta = jnp.asarray(case.penalty)[..., None]
    multiplier = 1 - beta * kl(model, reference)[..., None]
    left = law - beta * xlogy_ratio(model, model, reference)
    return Sides(left, model * multiplier)


def _linear(case: Case) -> Leaves:
    """A reverse-KL ridge's solution, where the forward one is asked for."""
    law, reference = _anchored(case)
    beta = jnp.asarray(case.penalty)[..., None]
    return (law + beta * reference) / (1 + beta)


def _excess(case: Case, factor: float = 1.0) -> Sides:
    """J(q) - J(q*) of a foreign model against its two Bregman terms."""
    law, reference = _anchored(case)
    beta, best = jnp.asarray(case.penalty), _solution(case)
    model = positive(springs(case).laws[..., PERTURBATION, :])
    left = forward_objective(law, reference, beta, model)
    left = left - forward_objective(law, reference, beta, best)
    return Sides(left, forward_excess(law, factor * beta, best, model))


def _reach(case: Case, factor: float = 1.0) -> Sides:
    """KL(q* || q_0) against KL(p || q_0)."""
    law, reference = _anchored(case)
    return Sides(kl(_solution(case), reference), factor * kl(law, reference))


def _far(case: Case, factor: float = 1.0) -> Sides:
    """Beta (q - q_0) against p - q_0 at a strong penalty, leaf by leaf."""
    law, reference = _anchored(case)
    beta = FAR * jnp.asarray(case.penalty)
    column = beta[..., None]
    left = column * (forward_kl(law, reference, beta) - reference)
    right = column * (forward_kl_far(law, reference, beta) - reference)
    return Sides(left, factor * right)


def _settled(case: Case) -> Bool[jax.Array, "*batch 1"]:
    """Whether the second order, at most (p^2/q_0) / beta, is far below the margin."""
    law, reference = _anchored(case)
    second = jnp.max(law**2 / reference, axis=-1) / (FAR * jnp.asarray(case.penalty))
    return (second < 1e-4)[..., None]


def _ridge_balance(case: Case, counted: float = 1.0) -> Sides:
    """sum_i n_i d gamma_i + lambda d KL(q_0 || q*) along n_t against 0."""
    data, reference = floored(case), positive(other(case))
    strength = jnp.asarray(case.penalty)

    def parts(amount: Nats) -> tuple[Leaves, Nats]:
        best = optimum(ridge(grown(data, amount), reference, strength))
        return excess_rates(data, best), strength * kl(reference, best)

    return _balanced(data, parts, counted)


def _forward_balance(case: Case, counted: float = 1.0) -> Sides:
    """sum_i n_i d gamma_i + B d KL(q* || q_0) along n_t against 0."""
    data, reference = floored(case), positive(other(case))
    strength = jnp.asarray(case.penalty)

    def parts(amount: Nats) -> tuple[Leaves, Nats]:
        more = grown(data, amount)
        beta = strength / jnp.sum(more.sizes, axis=-1)
        best = forward_kl(optimum(more), reference, beta)
        return excess_rates(data, best), strength * kl(best, reference)

    return _balanced(data, parts, counted)


def _balanced(
    data: DataSets,
    parts: Callable[[Nats], tuple[Leaves, Nats]],
    counted: float,
) -> Sides:
    """The first-order sum along n_t, the regulariser counted or not, against 0."""
    none = jnp.zeros(data.sizes.shape[:-1])
    _, (rates, regulariser) = jax.jvp(parts, (none,), (jnp.ones_like(none),))
    total = regularised_change(data.sizes, rates, counted * regulariser)
    return Sides(total, jnp.zeros_like(total))


def _hooke(case: Case, last: int = PERTURBATION) -> Sides:
    """sum_i n_i d KL(p_i || q*) along n_t against 0."""
    data = floored(case)
    none = jnp.zeros(data.sizes.shape[:-1])
    _, moves = jax.jvp(
        lambda amount: excess_rates(data, optimum(grown(data, amount))),
        (none,),
        (jnp.ones_like(none),),
    )
    invariants = data.sizes * moves
    total = jnp.sum(invariants[..., : last + 1], axis=-1)
    return Sides(total, jnp.zeros_like(total))


RECORDS = (
    Record(
        name="ridge is a data set",
        statement="sum_i n_i KL(p_i || q) + lambda KL(q_0 || q) = least + "
        "(n + lambda) KL(q* || q), q* = (sum_i n_i p_i + lambda q_0) / (n + lambda)",
        assumptions="any data sets, ANY model q, lambda >= 0",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_ridge,
        evidence=_WORLDS,
        planted=lambda c: _ridge(c, 2.0),
    ),
    Record(
        name="smoothing is a data set",
        statement="(sum_i n_i p_i + 1/2) / (n + M/2) is q* with M/2 uniform responses",
        assumptions="any data sets over M leaves (Krichevsky-Trofimov)",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_smoothing,
        evidence=_WORLDS,
        planted=lambda c: _smoothing(c, 1.0),
    ),
    Record(
        name="forward KL, stationarity",
        statement="p - beta q log(q/q_0) = q (1 - beta KL(q || q_0)), q = p / (beta W)",
        assumptions="p << q_0, beta > 0",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=lambda c: _stationarity(c, _solution(c)),
        evidence=_WORLDS,
        planted=lambda c: _stationarity(c, _linear(c)),
    ),
    Record(
        name="forward KL, excess",
        statement="J(q) - J(q*) = beta KL(q || q*) + sum p (q/q* - 1 - log(q/q*))",
        assumptions="p << q_0, beta > 0, ANY model q",
        source="derived",
        side=Side.IDENTITY,
        function=_excess,
        evidence=_WORLDS,
        planted=lambda c: _excess(c, 2.0),
    ),
    Record(
        name="forward KL, reach",
        statement="KL(q* || q_0) <= KL(p || q_0)",
        assumptions="p << q_0, beta > 0",
        source="derived",
        side=Side.UPPER,
        function=_reach,
        evidence=_WORLDS,
        tight_when="beta -> 0: q* = p",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="p leaves the support of q_0: inf",
        planted=lambda c: _reach(c, 0.5),
    ),
    Record(
        name="forward KL, strong",
        statement="beta (q - q_0) -> p - q_0",
        assumptions="beta -> inf, p^2 / q_0 << beta",
        source="derived, elasticity notes 2.8",
        side=Side.SCALING,
        function=_far,
        domain=_settled,
        tolerance=1e-3,
        evidence=_WORLDS,
        planted=lambda c: _far(c, 2.0),
    ),
    Record(
        name="regulariser is a spring",
        statement="sum_i n_i d gamma_i + lambda d KL(q_0 || q*) = 0",
        assumptions="any data sets, reverse-KL ridge, along any change of sizes",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_ridge_balance,
        evidence=_WORLDS,
        planted=lambda c: _ridge_balance(c, 0.0),
    ),
    Record(
        name="trust region is a spring",
        statement="sum_i n_i d gamma_i + B d KL(q* || q_0) = 0",
        assumptions="any data sets, forward-KL penalty, along any change of sizes",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_forward_balance,
        evidence=_WORLDS,
        planted=lambda c: _forward_balance(c, 0.0),
    ),
    Record(
        name="Hooke in nats",
        statement="sum_i n_i d KL(p_i || q*) = 0: the elastic invariant, exactly",
        assumptions="any data sets, at the joint optimum, along any change of sizes",
        source="derived, elasticity notes 2.8; published in the other order of KL",
        side=Side.IDENTITY,
        function=_hooke,
        evidence=_WORLDS,
        planted=lambda c: _hooke(c, ALIGNMENT),
    ),
)
"""Section 2.8 of the notes on elasticity, penalties."""
