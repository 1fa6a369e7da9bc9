"""Claims about the size and sign of elasticity: exact ratio, forms A and B."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import overlap_excess, overlap_matrix
from theory.compression.rates import joint_rates
from theory.compression.signs import (
    Slopes,
    concentration,
    disjoint_copies,
    disjoint_slopes_a,
    disjoint_slopes_b,
    exchangeable_overlaps,
    form_a,
    form_a_average,
    form_b,
)
from theory.ledger.cases import one_context
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.responses import PerSet, moved_rates, slopes, still
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, springs
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_ANY = "any laws, joint optimum of all sizes"
_STILL = "equal laws: nothing moves"


def disjoint_thirds(penalty: float) -> Case:
    """Form B of three disjoint parts.

    >>> disjoint_thirds(1.0).world.proxy.outputs.tolist()
    [[0.0, 0.0, 1.0]]
    """
    third = 1 / 3
    return one_context([third] * 3, [0.0, 1.0, 0.0], penalty, [0.0, 0.0, 1.0])


def _stacked(found: Slopes) -> PerSet:
    """Slopes as one array, [..., 3]."""
    return jnp.stack(jnp.broadcast_arrays(*found), axis=-1)


def _disjoint(case: Case, published: bool, factor: float = 1.0) -> Sides:
    """Slopes on disjoint copies of the case's laws against their closed forms."""
    data = springs(case)
    apart = disjoint_copies(data.laws)
    k, share = data.sizes[..., PRETRAINING], data.sizes[..., PERTURBATION]
    if published:
        left = moved_rates(form_b(apart, k, share))
        return Sides(left, _stacked(disjoint_slopes_b(k, share, 3.0 * factor)))
    right = factor * _stacked(disjoint_slopes_a(k, share))
    return Sides(moved_rates(form_a(apart, k, share)), right)


def _ratio(case: Case, weight: float = 1.0) -> Sides:
    """gamma_a' [(1 - S_at) - l (S_tt - 1)] against -k (1 - S_at) gamma_p'."""
    data, slope = springs(case), slopes(case)
    below, cross = _pull(case, weight)
    right = -jnp.asarray(data.sizes)[..., PRETRAINING] * cross * slope[..., PRETRAINING]
    return Sides(slope[..., ALIGNMENT] * below, right)


def _pull(case: Case, weight: float = 1.0) -> tuple[Nats, Nats]:
    """(1 - S_at) - l (S_tt - 1), which has the sign of l* - l, and 1 - S_at."""
    data = springs(case)
    excess = overlap_excess(data)
    cross = -excess[..., ALIGNMENT, PERTURBATION]
    own = excess[..., PERTURBATION, PERTURBATION]
    return cross - weight * data.sizes[..., PERTURBATION] * own, cross


def _criterion(case: Case, weight: float = 1.0) -> Sides:
    """gamma_p' times l* - l, up to positive factors, against 0."""
    value = slopes(case)[..., PRETRAINING] * _pull(case, weight)[0]
    return Sides(value, jnp.zeros_like(value))


def _dip(case: Case, both: bool = True) -> Sides:
    """Rates at l against the larger of those at l / 4 and 4 l."""
    data = springs(case)
    size = data.sizes[..., PERTURBATION]
    less, here, more = (
        joint_rates(with_size(data, PERTURBATION, factor * size))
        for factor in (0.25, 1.0, 4.0)
    )
    return Sides(here, jnp.maximum(less, more) if both else more)


def _parts(case: Case, count: float = 3.0) -> Sides:
    """Mean S_tt and mean S_at of equal parts against the exchangeable form."""
    laws = springs(case).laws
    table = overlap_matrix(DataSets(laws, jnp.ones_like(laws[..., 0])))
    own = jnp.trace(table, axis1=-2, axis2=-1)
    cross = jnp.sum(table, axis=(-2, -1)) - own
    right = exchangeable_overlaps(concentration(laws), count)
    return Sides(jnp.stack([own / 3, cross / 6], -1), jnp.stack(right, -1))


def _both_ways(case: Case) -> tuple[DataSets, Nats]:
    """The springs at l = 0, and the mean of n gamma_a' over exchanging p and a."""
    start = with_size(springs(case), PERTURBATION, 0.0)
    turned = DataSets(start.laws[..., jnp.array([1, 0, 2]), :], start.sizes)
    found = sum(moved_rates(data)[..., ALIGNMENT] for data in (start, turned)) / 2
    return start, jnp.sum(start.sizes, axis=-1) * found


def _swap_average(case: Case, factor: float = 1.0) -> Sides:
    """The mean over exchanging p and a against its closed form."""
    start, found = _both_ways(case)
    return Sides(found, factor * form_a_average(start))


def _reversed(case: Case) -> Sides:
    """The mean over exchanging p and a against t's mass outside p and a."""
    start, found = _both_ways(case)
    seen = jnp.max(start.laws[..., :PERTURBATION, :], axis=-2) > 0
    outside = jnp.where(seen, 0.0, start.laws[..., PERTURBATION, :])
    return Sides(found, jnp.sum(outside, axis=-1))


def _large(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether k >= 1."""
    return jnp.asarray(case.penalty) >= 1


def _halved(case: Case, size: float = 0.5) -> Sides:
    """Slopes with the alignment data in two parts against those with one."""
    data = springs(case)
    places = jnp.array([PRETRAINING, ALIGNMENT, PERTURBATION, ALIGNMENT])
    sizes = data.sizes[..., places] * jnp.array([1.0, size, 1.0, 0.5])
    split = moved_rates(DataSets(data.laws[..., places, :], sizes))
    return Sides(split[..., :3], slopes(case))


RECORDS = (
    Record(
        name="elasticity, exact ratio",
        statement="dgamma_a / dgamma_p = -k (1 - S_at) / [(1 - S_at) - l (S_tt - 1)]",
        assumptions=_ANY + "; compared as a product, so that no side is infinite",
        source="derived, elasticity notes 2.4; sharpens Ji et al. 2025, Theorem 4.2",
        side=Side.IDENTITY,
        function=_ratio,
        evidence=_WORLDS,
        planted=lambda c: _ratio(c, 0.0),
    ),
    Record(
        name="elasticity, critical share",
        statement="dgamma_p/dl < 0 iff l < l* = (1 - S_at) / (S_tt - 1)",
        assumptions=_ANY + "; asked as dgamma_p/dl (l* - l) <= 0",
        source="derived, elasticity notes 2.4; repairs Ji et al. 2025, Theorem 4.2",
        side=Side.UPPER,
        function=_criterion,
        evidence=_WORLDS,
        tight_when="l = l*: 1/2 for three disjoint parts",
        tight_case=lambda: disjoint_thirds(1.0),
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _criterion(c, 0.0),
    ),
    Record(
        name="rates, single dip",
        statement="gamma_i at l <= max(gamma_i at l / 4, gamma_i at 4 l)",
        assumptions="any laws, joint optimum: a rate falls with a size, then rises",
        source="derived: 1 / (u + n) is totally positive; after elasticity notes 2.4",
        side=Side.UPPER,
        function=_dip,
        evidence=_WORLDS,
        tight_when=_STILL,
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _dip(c, both=False),
    ),
    Record(
        name="elasticity, parts on average",
        statement="mean S_tt = m c, mean S_at = m (1 - c) / (m - 1): mean l* = 1/(m-1)",
        assumptions="any m = 3 parts of equal size, seen from their union",
        source="derived, elasticity notes 2.5 (there for exchangeable masses)",
        side=Side.IDENTITY,
        function=_parts,
        evidence=_WORLDS,
        planted=lambda c: _parts(c, 4.0),
    ),
    Record(
        name="elasticity, form B, disjoint",
        statement="gamma_a' = 1/(k+1+l), gamma_p' = -(1-2l)/((k+1+l)(k+3l))",
        assumptions="p the union of 3 disjoint parts, a like one, t like another",
        source="derived, elasticity notes 2.5; form B of Ji et al. 2025, Theorem 4.2",
        side=Side.IDENTITY,
        function=lambda c: _disjoint(c, published=True),
        evidence=_WORLDS,
        planted=lambda c: _disjoint(c, published=True, factor=0.7),
    ),
    Record(
        name="elasticity, form A, disjoint",
        statement="gamma_p' = gamma_a' = +1/(k+1+l): ratio +1, not -k",
        assumptions="p, a, t disjoint",
        source="derived, elasticity notes 2.5: form A of Ji et al. 2025, Theorem 4.2",
        side=Side.IDENTITY,
        function=lambda c: _disjoint(c, published=False),
        evidence=_WORLDS,
        planted=lambda c: _disjoint(c, published=False, factor=-1.0),
    ),
    Record(
        name="elasticity, form A, average",
        statement="n gamma_a' = t(outside) - E_t[k(k-1)(a-p)^2 / ((kp+a)(ka+p))] / 2",
        assumptions="any p, a, t; l = 0; averaged over exchanging p and a",
        source="derived, elasticity notes 2.5",
        side=Side.IDENTITY,
        function=_swap_average,
        evidence=_WORLDS,
        planted=lambda c: _swap_average(c, -1.0),
    ),
    Record(
        name="elasticity, form A, reversed",
        statement="gamma_a' <= 0 if p and a cover t: the sign opposite to form A's",
        assumptions="any p, a, t; k >= 1, l = 0; averaged over exchanging p and a",
        source="derived, elasticity notes 2.5: repairs form A of Ji et al. 2025",
        side=Side.UPPER,
        function=_reversed,
        domain=_large,
        evidence=_WORLDS,
        tight_when=_STILL,
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="t outside p and a: at most its mass there",
        planted=lambda c: Sides(*_reversed(c)[::-1]),
    ),
    Record(
        name="data sets, halved",
        statement="dgamma_i/dl is the same with a data set in two halves",
        assumptions=_ANY,
        source="derived, elasticity notes 5 item 6",
        side=Side.IDENTITY,
        function=_halved,
        evidence=_WORLDS,
        planted=lambda c: _halved(c, 1.0),
    ),
)
"""E3 and E4 of the elasticity notes."""
