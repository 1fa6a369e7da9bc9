"""Claims about useful learning beside an active vector."""

import jax.numpy as jnp
import numpy as np

from theory.information import kl
from theory.laws import Law, World
from theory.ledger.activated import (
    activated,
    answers,
    force_on,
    gradients,
    harm_share,
)
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.ledger.unlearnable_leakage import pulls
from theory.numerics import safe_sqrt
from theory.typing import Nats
from theory.unlearnability.interference import (
    activation_shift,
    benign_rate_ceiling,
    efficiency_floor,
    erosion_change_ceiling,
    interference_ceiling,
    logit_reach,
    rate_ceiling,
    shift_ceiling,
)
from theory.unlearnability.leakage import (
    benign_rate,
    harm_rate,
    inner,
    norm,
    relative_rate,
)

_WORLDS = "Hypothesis and 16,384 random worlds, float64, every run of the tests"
_FEWER = "Hypothesis and 2,048 random worlds, float64, every run of the tests"
_ANY = "any model, any parameters, any vector"


def two_outputs(
    harm: list[float], benign: list[float], policy: list[float], penalty: float
) -> Case:
    """One context, safety data that agree with the policy: the vector turns no J.

    >>> case = two_outputs([0.0, 1.0], [1.0, 0.0], [0.5, 0.5], 1.0)
    >>> case.world.safety.outputs.tolist()
    [[0.5, 0.5]]
    """
    one = np.array([1.0])
    laws = (Law(one, np.array([outputs])) for outputs in (policy, harm, benign))
    return Case(World(*laws), np.array([policy]), np.array(penalty))


def _shift(case: Case) -> Nats:
    """delta_B."""
    found = gradients(case)
    return activation_shift(found.benign_off, found.benign_on)


def _rate(case: Case, factor: float = 1.0) -> Sides:
    """|kappa_H| and D e / |g_F|."""
    found = gradients(case)
    rate = jnp.abs(relative_rate(found.harm_off, found.harm_on))
    return Sides(rate, factor * rate_ceiling(norm(found.harm_off), force_on(case)))


def _efficiency(case: Case, factor: float = 1.0) -> Sides:
    """The floor of kappa_B, and kappa_B."""
    found = gradients(case)
    floor = efficiency_floor(norm(found.benign_off), factor * _shift(case))
    return Sides(floor, relative_rate(found.benign_off, found.benign_on))


def _pinsker(case: Case, factor: float = 1.0, turned: float = 1.0) -> Sides:
    """delta_B and its bound by divergence and Jacobians."""
    model, law = activated(case), case.world.capability
    off, on = answers(model.off, model.point), answers(model.on, model.point)
    between = jnp.asarray(model.on.jacobians) - model.off.jacobians
    missed = safe_sqrt(jnp.sum((off - law.outputs) ** 2, axis=-1))
    bound = shift_ceiling(
        jnp.asarray(law.contexts),
        factor * logit_reach(model.on.jacobians),
        kl(off, on),
        turned * logit_reach(between),
        missed,
    )
    return Sides(_shift(case), bound)


def _interference(case: Case, factor: float = 1.0) -> Sides:
    """|<g_B, g_on>| and |g_B| D e."""
    found = gradients(case)
    pull = jnp.abs(inner(found.benign_off, found.harm_on))
    bound = interference_ceiling(norm(found.benign_off), force_on(case))
    return Sides(pull, factor * bound)


def _erosion(case: Case, factor: float = 1.0) -> Sides:
    """By how much the vector changes the benign leak, and |g_F| delta_B."""
    found = gradients(case)
    change = inner(found.harm_off, found.benign_on - jnp.asarray(found.benign_off))
    bound = erosion_change_ceiling(norm(found.harm_off), _shift(case))
    return Sides(jnp.abs(change), factor * bound)


def _guarantee(case: Case, shifted: float = 1.0, forced: float = 1.0) -> Sides:
    """dB/dt and its bound."""
    found, share = gradients(case), harm_share(case)
    length = norm(found.benign_off)
    bound = benign_rate_ceiling(
        length, shifted * _shift(case), forced * force_on(case), share
    )
    return Sides(benign_rate(found, share), bound)


def _all_is_harm(case: Case) -> Sides:
    """-dF/dt and what harmful data alone can do to it: the erosion forgotten."""
    found, share = gradients(case), harm_share(case)
    bound = share * interference_ceiling(norm(found.harm_off), force_on(case))
    return Sides(-harm_rate(found, share), bound)


def _divergence_is_all(case: Case) -> Sides:
    """delta_B and the part of its bound that a KL penalty controls."""
    return _pinsker(case, turned=0.0)


_OPPOSED = two_outputs([0.0, 1.0], [1.0, 0.0], [0.3, 0.7], 1e-6)
_HELPED = two_outputs([0.8, 0.2], [0.9, 0.1], [0.3, 0.7], 1.0)
_BALANCED = two_outputs([0.52, 0.48], [1.0, 0.0], [0.5, 0.5], 0.1)
_FLIPPED = two_outputs([0.0, 1.0], [1.0, 0.0], [0.7, 0.3], 1.0)


def benign_data_erode() -> Case:
    """Benign data of another context that ask for what harmful data ask for.

    >>> benign_data_erode().world.capability.contexts.tolist()
    [0.0, 1.0]
    """
    wary = np.array([[0.9, 0.1], [0.9, 0.1]])
    harm = Law(np.array([1.0, 0.0]), np.array([[0.0, 1.0], [0.9, 0.1]]))
    able = Law(np.array([0.0, 1.0]), np.array([[0.9, 0.1], [0.0, 1.0]]))
    return Case(World(Law(harm.contexts, wary), harm, able), wary, np.array(1e6))


def turned_without_divergence() -> Case:
    """A large vector beside which the answers are, nevertheless, the same.

    >>> turned_without_divergence().policy.tolist()
    [[0.5, 0.5]]
    """
    case = two_outputs([0.5, 0.5], [0.0, 1.0], [0.5, 0.5], 1e6)
    safe = Law(np.array([1.0]), np.array([[0.0, 1.0]]))
    return case._replace(world=case.world._replace(safety=safe))


RECORDS = (
    Record(
        name="kappa, at most",
        statement="|kappa_H| <= D e / |g_F|, D e = mean of D_i e_i of the active model",
        assumptions=f"{_ANY}; something left to learn",
        source="derived, security-vector notes 2 and theorem 2 (c)",
        side=Side.UPPER,
        function=_rate,
        evidence=_WORLDS,
        domain=pulls,
        tight_when="two outputs and sure answers, g_on along g_F",
        tight_case=lambda: _FLIPPED,
        tight_within=1e-9,
        vacuous_when="D e >= |g_F|: no vector, or none that explains the harmful data",
        planted=lambda c: _rate(c, 0.2),
    ),
    Record(
        name="useful learning, efficiency",
        statement="1 - delta_B / |g_B| <= kappa_B, delta_B = |g_B^on - g_B|",
        assumptions=f"{_ANY}; something left to learn",
        source="derived, security-vector notes theorem 5 (b)",
        side=Side.LOWER,
        function=_efficiency,
        evidence=_WORLDS,
        domain=pulls,
        tight_when="the vector shortens g_B and does not turn it",
        tight_case=lambda: _HELPED,
        tight_within=1e-9,
        vacuous_when="delta_B >= |g_B|: even unlearning is not excluded",
        planted=lambda c: _efficiency(c, 0.5),
    ),
    Record(
        name="useful learning, shift",
        statement="delta_B <= mean(|J_on| sqrt(KL(p_off || p_on)) + |J_on - J_off| "
        "|r_off|)",
        assumptions=f"{_ANY}; |J| may be taken of logits without their mean",
        source="derived, security-vector notes theorem 5 (b), its first term sharper "
        "by sqrt(2): |p - q|_2 <= |p - q|_1 / sqrt(2) for a vector of sum 0",
        side=Side.UPPER,
        function=_pinsker,
        evidence=_FEWER,
        tight_when="two outputs near 1/2, a small divergence, J_on = J_off",
        tight_case=lambda: _BALANCED,
        tight_within=1e-3,
        vacuous_when="beyond |g_B|; KL beyond 2 nats",
        planted=lambda c: _pinsker(c, 0.5, 0.5),
    ),
    Record(
        name="harmful on benign, interference",
        statement="|<g_B, g_on>| <= |g_B| D e",
        assumptions=_ANY,
        source="derived, security-vector notes theorem 5 (c)",
        side=Side.UPPER,
        function=_interference,
        evidence=_WORLDS,
        tight_when="two outputs and sure answers, g_on along g_B",
        tight_case=lambda: _OPPOSED,
        tight_within=1e-9,
        vacuous_when="gradients across each other: 0",
        planted=lambda c: _interference(c, 0.2),
    ),
    Record(
        name="benign erosion, change",
        statement="|<g_F, g_B^on> - <g_F, g_B>| <= |g_F| delta_B",
        assumptions=_ANY,
        source="derived, security-vector notes theorem 5 (a)",
        side=Side.UPPER,
        function=_erosion,
        evidence=_WORLDS,
        tight_when="the vector moves g_B along g_F",
        tight_case=lambda: _HELPED,
        tight_within=1e-9,
        vacuous_when="delta_B beyond |g_B|: any erosion is allowed",
        planted=lambda c: _erosion(c, 0.5),
    ),
    Record(
        name="useful learning, guarantee",
        statement="dB/dt <= -|g_B| ((1 - a)(|g_B| - delta_B) - a D e)",
        assumptions=f"gradient flow, a the harmful share; {_ANY}",
        source="derived, security-vector notes theorem 5 (d)",
        side=Side.UPPER,
        function=_guarantee,
        evidence=_WORLDS,
        tight_when="two outputs and sure answers, harm against benefit, a weak vector",
        tight_case=lambda: _OPPOSED,
        tight_within=1e-4,
        vacuous_when="the share is above the tolerable one: learning not guaranteed",
        planted=lambda c: _guarantee(c, 0.2, 0.2),
    ),
    Record(
        name="no error on harmful data, no erosion",
        statement="-dF/dt <= a |g_F| D e: safety erodes only by harmful data",
        assumptions="plausible: who explains all harmful data protects safety",
        source="derived, security-vector notes theorem 5 (a): false, benign data of "
        "other contexts erode it as without a vector",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_all_is_harm,
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=benign_data_erode,
    ),
    Record(
        name="no divergence, no loss of useful learning",
        statement="delta_B <= mean(|J_on| sqrt(KL(p_off || p_on)))",
        assumptions="plausible: a KL penalty alone keeps useful learning",
        source="derived, security-vector notes theorem 5 (b): false, a large vector "
        "turns Jacobians without moving an answer; the norm has to be small too",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_divergence_is_all,
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=turned_without_divergence,
    ),
)
"""Theorem 5 of the security-vector notes, consequences (a) to (d)."""
