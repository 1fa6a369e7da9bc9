"""Claims about the rival of elasticity, and about powers of k."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.compression.datasets import DataSets
from theory.compression.exponents import (
    EXPONENTS,
    Perturbation,
    lost_fraction,
    pair_slopes,
    same_slopes,
    slope_limits,
)
from theory.compression.lambert import log_omega
from theory.compression.saturation import (
    forward_effort,
    forward_end,
    negatives_ceiling,
    negatives_needed,
    negatives_price,
)
from theory.information import chi_square
from theory.ledger.cases import golden, one_context
from theory.ledger.displacement import positive
from theory.ledger.hooke import floored
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING
from theory.typing import Nats

FAR = 1e6  # how far beyond the case's own k its powers are looked at
MARGIN = 0.02  # of a fitted power, declared in the notes

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _log_odds(policy: Float[jax.Array, "*batch x y"]) -> Nats:
    """The log-odds of the first output at the first context."""
    chance = positive(policy)[..., 0, :]
    return jnp.log(chance[..., 0]) - jnp.log(jnp.sum(chance[..., 1:], axis=-1))


def _start(case: Case) -> Nats:
    """z_0: log-odds of the case's policy."""
    return _log_odds(jnp.asarray(case.policy))


def _positives(case: Case) -> Nats:
    """An effort of 0.2 to 500."""
    return 10 * jnp.asarray(case.penalty)


def _round_trip(case: Case, forgotten: float = 0.0) -> Sides:
    """The effort to the log-odds that an effort reaches, against that effort."""
    start, effort = _start(case), _positives(case)
    end = forward_end(start, effort)
    wrong = log_omega(effort + start)
    end = end + forgotten * (wrong - end)
    return Sides(forward_effort(start, end), jnp.broadcast_to(effort, end.shape))


def _price(case: Case, at: float = 1.0) -> Sides:
    """The slope of negatives in positives, differentiated, against e^-z_1."""
    start = _start(case)
    effort = jnp.broadcast_to(_positives(case), start.shape)
    _, slope = jax.jvp(
        lambda positives: negatives_needed(start, positives),
        (effort,),
        (jnp.ones_like(effort),),
    )
    return Sides(slope, negatives_price(start, at * effort))


def _ceiling(case: Case, factor: float = 1.0) -> Sides:
    """Negatives against the logarithmic law."""
    start, effort = _start(case), _positives(case)
    return Sides(
        negatives_needed(start, effort), factor * negatives_ceiling(start, effort)
    )


def _ordered(case: Case) -> Sides:
    """Where two starts end after the same effort, the lower one first."""
    starts = _start(case), _log_odds(jnp.asarray(case.world.safety.outputs))
    effort = _positives(case)
    low, high = jnp.minimum(*starts), jnp.maximum(*starts)
    return Sides(forward_end(low, effort), forward_end(high, effort))


def _no_crossing(case: Case) -> Sides:
    """Negatives for an effort, and for one unit more."""
    start, effort = _start(case), _positives(case)
    return Sides(negatives_needed(start, effort), negatives_needed(start, 1 + effort))


def _swapped(sides: Sides) -> Sides:
    """The wrong way round."""
    return Sides(sides.right, sides.left)


def _at(case: Case, factor: float) -> DataSets:
    """The case's data sets with k far out; l = n_t / n_a stays."""
    data = floored(case)
    sizes = jnp.asarray(data.sizes).at[..., PRETRAINING].multiply(factor)
    return DataSets(data.laws, sizes)


def _powers(
    near: tuple[Nats, Nats], far: tuple[Nats, Nats]
) -> Float[jax.Array, "*batch 2"]:
    """log10 |far / near| of both responses, a decade of k apart."""
    pairs = zip(near, far, strict=True)
    logs = [jnp.log(jnp.abs(late / early)) for early, late in pairs]
    return jnp.stack(logs, axis=-1) / jnp.log(10.0)


def _exponents(case: Case, claimed: Perturbation) -> Sides:
    """The powers of k of (gamma_p, gamma_a) along another part, against a claim."""
    near, far = (pair_slopes(_at(case, factor)) for factor in (FAR, 10 * FAR))
    return Sides(_powers(near, far), jnp.array(EXPONENTS[claimed][:2]))


def _same_exponents(case: Case, claimed: Perturbation) -> Sides:
    """The powers of k of (gamma_p, gamma_a) along more of p, against a claim."""
    data = floored(case)
    pair = data.laws[..., PRETRAINING, :], data.laws[..., ALIGNMENT, :]
    k, share = data.sizes[..., PRETRAINING], data.sizes[..., PERTURBATION]
    near, far = (same_slopes(*pair, factor * k, share) for factor in (FAR, 10 * FAR))
    return Sides(_powers(near, far), jnp.array(EXPONENTS[claimed][:2]))


def _settled(case: Case) -> Bool[jax.Array, "*batch 1"]:
    """Whether the limits are well away from 0 and the next order is small.

    The next order is below n times the triple overlap, itself below the largest ratio
    of laws times an overlap, over k.
    """
    data = _at(case, FAR)
    limits = slope_limits(data)
    least = jnp.minimum(jnp.abs(limits.alignment), jnp.abs(limits.pretraining))
    return (_next_order(data) < 1e-3 * least)[..., None]


def _next_order(data: DataSets) -> Nats:
    """(largest ratio to p)^2 times both other sizes, over k: bounds the next order."""
    laws, sizes = jnp.asarray(data.laws), jnp.asarray(data.sizes)
    below = laws[..., PRETRAINING : PRETRAINING + 1, :]
    ratio = jnp.max(laws / below, axis=(-2, -1))
    return ratio**2 * (1 + sizes[..., PERTURBATION]) / sizes[..., PRETRAINING]


def _same_settled(case: Case) -> Bool[jax.Array, "*batch 1"]:
    """Whether p and a differ enough, and the next order is small."""
    data = _at(case, FAR)
    distance = chi_square(data.laws[..., ALIGNMENT, :], data.laws[..., PRETRAINING, :])
    return (_next_order(data) < 1e-3 * jnp.minimum(distance, 1.0))[..., None]


def _relative_rebound(case: Case) -> Sides:
    """The share of the alignment gain lost at k, and at 10 k."""
    near, far = (lost_fraction(_at(case, factor)) for factor in (1.0, 10.0))
    return Sides(near, far)


RECORDS = (
    Record(
        name="log law, forward",
        statement="T = (z_1 - z_0) + e^z_1 - e^z_0 at z_1 = log W(e^(T + z_0 + e^z_0))",
        assumptions="one log-odds, gradient flow of cross-entropy, T >= 0",
        source="derived, elasticity notes 2.10",
        side=Side.IDENTITY,
        function=_round_trip,
        evidence=_WORLDS,
        planted=lambda c: _round_trip(c, 1.0),
    ),
    Record(
        name="log law, price",
        statement="d negatives / d positives = e^-z_1",
        assumptions="one log-odds, gradient flow of cross-entropy",
        source="derived",
        side=Side.IDENTITY,
        function=_price,
        evidence=_WORLDS,
        planted=lambda c: _price(c, 2.0),
    ),
    Record(
        name="log law, ceiling",
        statement="negatives <= log(1 + x) + e^-z_0 x / (1 + x), x = T e^-z_0",
        assumptions="one log-odds, gradient flow of cross-entropy, T >= 0",
        source="derived",
        side=Side.UPPER,
        function=_ceiling,
        evidence=_WORLDS,
        tight_when="T -> inf",
        tight_case=lambda: golden(1e9),
        tight_within=1e-6,
        vacuous_when="never: T e^-z_0 (1 + e^-z_0) as T -> 0, against T e^-z_0",
        planted=lambda c: _ceiling(c, 0.5),
    ),
    Record(
        name="order preserved",
        statement="z_0 <= z_0' implies z_1 <= z_1' after the same effort",
        assumptions="one log-odds, any flow; here gradient flow of cross-entropy",
        source="derived, elasticity notes 2.10",
        side=Side.LOWER,
        function=_ordered,
        evidence=_WORLDS,
        tight_when="T -> inf: z_1 forgets z_0",
        tight_case=lambda: golden(1e9),
        tight_within=1e-6,
        vacuous_when="never, but the distance falls with the effort",
        planted=lambda c: _swapped(_ordered(c)),
    ),
    Record(
        name="no crossing",
        statement="more positives never need fewer negatives",
        assumptions="one log-odds, gradient flow of cross-entropy",
        source="derived, elasticity notes 2.10; Ji et al. 2025, Table 3 prints fewer",
        side=Side.LOWER,
        function=_no_crossing,
        evidence=_WORLDS,
        tight_when="T -> inf: one more positive asks for e^-z_1 more negatives",
        tight_case=lambda: golden(1e9),
        tight_within=1e-6,
        vacuous_when="never, but the difference falls as e^-z_1",
        planted=lambda c: _swapped(_no_crossing(c)),
    ),
    Record(
        name="powers of k, another part",
        statement="d gamma_p/dl ~ k^-2, d gamma_a/dl ~ k^-1",
        assumptions="a and t on the support of p, S_at not 1, k -> inf",
        source="derived, elasticity notes 2.6",
        side=Side.SCALING,
        function=lambda c: _exponents(c, Perturbation.PART),
        domain=_settled,
        tolerance=MARGIN,
        evidence=_WORLDS,
        planted=lambda c: _exponents(c, Perturbation.SAME),
    ),
    Record(
        name="powers of k, more of the same",
        statement="d gamma_p/dl ~ k^-3, d gamma_a/dl ~ k^-2 for p_t = p_p",
        assumptions="a on the support of p, p_a not p_p, k -> inf",
        source="derived, elasticity notes 2.6",
        side=Side.SCALING,
        function=lambda c: _same_exponents(c, Perturbation.SAME),
        domain=_same_settled,
        tolerance=MARGIN,
        evidence=_WORLDS,
        planted=lambda c: _same_exponents(c, Perturbation.PART),
    ),
    Record(
        name="relative rebound grows with pre-training",
        statement="the share of the alignment gain lost at l does not fall with k",
        assumptions="none: joint compression keeps it constant, or lowers it as 1/k",
        source="published as an experiment (Ji et al. 2025, section 5.3), which the "
        "theorem's factor k does not predict: derived, elasticity notes 2.6",
        side=Side.FALSE,
        status=Status.FALSE,
        function=_relative_rebound,
        evidence="a counter-example, evaluated in every run of the tests",
        counter_example=lambda: one_context([0.5, 0.5], [0.9, 0.1], 10.0),
    ),
)
"""Sections 2.6 and 2.10 of the notes on elasticity."""
