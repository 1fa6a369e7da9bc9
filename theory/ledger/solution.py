"""Claims about the exact solution of Case I: identities, order, ends, rates."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.information import jensen_shannon, kl
from theory.ledger.cases import golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.numerics import weighted_sum
from theory.tradeoff.dynamics import (
    at_infinite_penalty,
    at_zero_penalty,
    slopes,
)
from theory.tradeoff.gaps import gaps
from theory.tradeoff.loss_constraint import (
    excess,
    mixture_posterior,
    optimal_gaps,
    optimum,
    posterior_weight,
    total_weight,
)
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _penalty(case: Case) -> jax.Array:
    """The penalty as an array."""
    return jnp.asarray(case.penalty)


def _penalised(case: Case) -> Nats:
    """Penalty * G^_s(P) + G_f(P) of the case's policy."""
    found = gaps(case.world, case.policy)
    return jnp.asarray(case.penalty) * found.proxy + found.capability


def _jensen_shannon(case: Case) -> Nats:
    """sum_x M JS_w(p^_s, p_f)."""
    world = case.world
    weight = posterior_weight(world, case.penalty)
    spread = jensen_shannon(world.proxy.outputs, world.capability.outputs, weight)
    return weighted_sum(total_weight(world, case.penalty), spread)


def _optimum(case: Case, factor: float = 1.0) -> Nats:
    """J at a multiple of the case's penalty."""
    return optimum(case.world, factor * jnp.asarray(case.penalty))


def _proxy(case: Case, factor: float = 1.0) -> Nats:
    """G^_s(P*) at a multiple of the case's penalty."""
    return optimal_gaps(case.world, factor * jnp.asarray(case.penalty)).proxy


def _capability(case: Case, factor: float = 1.0) -> Nats:
    """G_f(P*) at a multiple of the case's penalty."""
    return optimal_gaps(case.world, factor * jnp.asarray(case.penalty)).capability


def _excess_reversed(case: Case) -> Nats:
    """The excess with the divergence the wrong way round."""
    best = mixture_posterior(case.world, case.penalty)
    weight = total_weight(case.world, case.penalty)
    return weighted_sum(weight, kl(case.policy, best))


def _by_log_penalty(
    case: Case, function: Callable[[Case], Nats]
) -> Float[jax.Array, "*batch"]:
    """The derivative by log penalty, by automatic differentiation."""
    given = jnp.asarray(case.penalty)
    start = jnp.zeros_like(given * 1.0)

    def at(shift: jax.Array) -> Nats:
        return function(case._replace(penalty=given * jnp.exp(shift)))

    slope: jax.Array = jax.jvp(at, (start,), (jnp.ones_like(start),))[1]
    return slope


def _never_zero(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether no context of positive weight is so rare that a derivative is rounded."""
    weights = (case.world.proxy.contexts, case.world.capability.contexts)
    return jnp.all(
        jnp.stack(
            [jnp.all((w == 0) | (w > 1e-9), axis=-1) for w in map(jnp.asarray, weights)]
        ),
        axis=0,
    )


RECORDS = (
    Record(
        name="optimum",
        statement="penalty G^_s(P*) + G_f(P*) = J = sum_x M JS_w(p^_s, p_f)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.2)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_optimum(c), _jensen_shannon(c)),
        evidence=_WORLDS,
        planted=lambda c: Sides(_proxy(c) + _capability(c), _jensen_shannon(c)),
    ),
    Record(
        name="compensation",
        statement="penalty G^_s(P) + G_f(P) = J + sum_x M KL(P* || P)",
        assumptions="any world, any policy, penalty > 0",
        source="derived, notes (4.3)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _penalised(c), _optimum(c) + excess(c.world, c.policy, c.penalty)
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(_penalised(c), _optimum(c) + _excess_reversed(c)),
    ),
    Record(
        name="optimum, lower",
        statement="J <= penalty G^_s(P) + G_f(P)",
        assumptions="any world, any policy, penalty > 0",
        source="derived, notes (4.3)",
        side=Side.LOWER,
        function=lambda c: Sides(_optimum(c), _penalised(c)),
        evidence=_WORLDS,
        tight_when="P = P*",
        tight_case=lambda: golden(1.0),
        tight_within=1e-9,
        vacuous_when="disjoint contexts or equal outputs on the overlap: J = 0",
        planted=lambda c: Sides(_optimum(c), _penalised(c) / 4),
    ),
    Record(
        name="proxy gap, order",
        statement="G^_s(P* at 2 penalty) <= G^_s(P* at penalty)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(_proxy(c, 2.0), _proxy(c)),
        evidence=_WORLDS,
        tight_when="no conflict on the overlap; nearly, as penalty -> 0",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides(_proxy(c), _proxy(c, 2.0)),
    ),
    Record(
        name="capability gap, order",
        statement="G_f(P* at penalty) <= G_f(P* at 2 penalty)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(_capability(c), _capability(c, 2.0)),
        evidence=_WORLDS,
        tight_when="no conflict on the overlap; nearly, as penalty -> inf",
        tight_case=lambda: golden(1e6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides(_capability(c, 2.0), _capability(c)),
    ),
    Record(
        name="proxy gap, slope",
        statement="penalty dG^_s/dpenalty = -sum_x mu^_s w (1-w)^2 T",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _by_log_penalty(c, _proxy), _penalty(c) * slopes(c.world, c.penalty).proxy
        ),
        domain=_never_zero,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _by_log_penalty(c, _proxy), slopes(c.world, c.penalty).capability
        ),
    ),
    Record(
        name="capability gap, slope",
        statement="dG_f/dpenalty = -penalty dG^_s/dpenalty",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _by_log_penalty(c, _capability), -_penalty(c) * _by_log_penalty(c, _proxy)
        ),
        domain=_never_zero,
        evidence=_WORLDS,
        planted=lambda c: Sides(
            _by_log_penalty(c, _capability), -_by_log_penalty(c, _proxy)
        ),
    ),
    Record(
        name="optimum, envelope",
        statement="penalty J'(penalty) = penalty G^_s(P*)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_by_log_penalty(c, _optimum), _penalty(c) * _proxy(c)),
        domain=_never_zero,
        evidence=_WORLDS,
        planted=lambda c: Sides(_by_log_penalty(c, _optimum), _proxy(c)),
    ),
    Record(
        name="optimum, Legendre",
        statement="J - penalty J'(penalty) = G_f(P*)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _optimum(c) - _by_log_penalty(c, _optimum), _capability(c)
        ),
        domain=_never_zero,
        evidence=_WORLDS,
        planted=lambda c: Sides(_optimum(c) - _proxy(c), _capability(c)),
    ),
    Record(
        name="optimum, concave",
        statement="(J(penalty / 2) + J(3 penalty / 2)) / 2 <= J(penalty)",
        assumptions="any world, penalty > 0",
        source="derived, notes (4.6)",
        side=Side.UPPER,
        function=lambda c: Sides(
            (_optimum(c, 0.5) + _optimum(c, 1.5)) / 2, _optimum(c)
        ),
        evidence=_WORLDS,
        tight_when="penalty -> 0 or inf, where J is linear or flat",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: Sides(_optimum(c), (_optimum(c, 0.5) + _optimum(c, 1.5)) / 2),
    ),
    Record(
        name="swap",
        statement="J(penalty) = penalty J~(1/penalty), J~ with s and f exchanged",
        assumptions="any world, penalty > 0",
        source="derived, notes 11.2 (f)",
        side=Side.IDENTITY,
        function=lambda c: Sides(_optimum(c), _penalty(c) * _optimum(_swapped(c))),
        evidence=_WORLDS,
        planted=lambda c: Sides(_optimum(c), _optimum(_swapped(c))),
    ),
    Record(
        name="proxy gap, largest",
        statement="G^_s(P*) <= sum_{mu_f > 0} mu^_s KL(p^_s || p_f), its limit at 0",
        assumptions="any world, penalty > 0",
        source="derived, notes 4, table of limits",
        side=Side.UPPER,
        function=lambda c: Sides(_proxy(c), at_zero_penalty(c.world).proxy),
        evidence=_WORLDS,
        tight_when="penalty -> 0",
        tight_case=lambda: golden(1e-6),
        tight_within=1e-4,
        vacuous_when="p_f forbids what p^_s does on a shared context",
        planted=lambda c: Sides(_proxy(c), at_zero_penalty(c.world).proxy / 2),
    ),
    Record(
        name="capability gap, largest",
        statement="G_f(P*) <= sum_{mu^_s > 0} mu_f KL(p_f || p^_s), its limit at inf",
        assumptions="any world, penalty > 0",
        source="derived, notes 4, table of limits",
        side=Side.UPPER,
        function=lambda c: Sides(
            _capability(c), at_infinite_penalty(c.world).capability
        ),
        evidence=_WORLDS,
        tight_when="penalty -> inf",
        tight_case=lambda: golden(1e6),
        tight_within=1e-4,
        vacuous_when="p^_s forbids what p_f does on a shared context",
        planted=lambda c: Sides(
            _capability(c), at_infinite_penalty(c.world).capability / 2
        ),
    ),
)
"""Section 4 of the notes, its bounds apart."""


def _swapped(case: Case) -> Case:
    """The case with proxy and capability data exchanged and the penalty inverted."""
    world = case.world
    exchanged = world._replace(proxy=world.capability, capability=world.proxy)
    return case._replace(world=exchanged, penalty=1 / jnp.asarray(case.penalty))
