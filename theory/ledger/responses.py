"""Claims about the response of the joint optimum: Euler, reciprocity, stability."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import (
    least_total,
    overlap_matrix,
    rate_slopes,
    responses,
)
from theory.compression.inequality import cross_demand
from theory.compression.rates import joint_rates, union_excess
from theory.information import entropy
from theory.ledger.cases import one_context
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, other, springs
from theory.numerics import safe_sqrt, weighted_sum
from theory.symmetric import apply, form
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_ANY = "any laws, joint optimum of all sizes"
_STILL = "equal laws: nothing moves"

PerSet = Float[jax.Array, "*batch set"]


def still() -> Case:
    """Three equal data sets: no response at all.

    >>> still().policy.tolist()
    [[0.75, 0.25]]
    """
    return one_context([0.75, 0.25], [0.75, 0.25], 1.0)


def moved_rates(data: DataSets, moved: int = PERTURBATION) -> PerSet:
    """How the rates at the joint optimum move with one size, differentiated for us.

    Formula: d gamma_i / d n_moved, by automatic differentiation.

    >>> data = springs(still())
    >>> bool(jnp.allclose(moved_rates(data), rate_slopes(data, PERTURBATION)))
    True
    """
    size = jnp.asarray(data.sizes)[..., moved]
    found: jax.Array = jax.jvp(
        lambda n: joint_rates(with_size(data, moved, n)),
        (size,),
        (jnp.ones_like(size),),
    )[1]
    return found


def slopes(case: Case, moved: int = PERTURBATION) -> PerSet:
    """How the rates of the springs of a case move with one size.

    Formula: d gamma_i / d n_moved.

    >>> [abs(round(slope, 6)) for slope in slopes(still()).tolist()]
    [0.0, 0.0, 0.0]
    """
    return moved_rates(springs(case), moved)


def direction(case: Case) -> PerSet:
    """One signed number a data set: its affinity to the case's policy, less a half.

    Formula: sum_x sqrt(other p_i) - 1/2.

    >>> print(round(float(direction(still())[0]), 4))
    0.5
    """
    roots = safe_sqrt(other(case)[..., None, :] * springs(case).laws)
    return jnp.sum(roots, axis=-1) - 0.5


def _weighted_slopes(case: Case) -> tuple[Nats, Nats]:
    """The slopes along l of k gamma_p + gamma_a, and of l times t's rate."""
    terms = jnp.asarray(springs(case).sizes) * slopes(case)
    kept = terms[..., PRETRAINING] + terms[..., ALIGNMENT]
    return kept, terms[..., PERTURBATION]


def _scaled(case: Case, factors: tuple[float, float, float]) -> DataSets:
    """The springs, their sizes multiplied."""
    data = springs(case)
    return DataSets(data.laws, data.sizes * jnp.array(factors))


def _exchanged(case: Case) -> DataSets:
    """The springs with the sizes of p and a exchanged."""
    data = springs(case)
    return DataSets(data.laws, data.sizes[..., jnp.array([1, 0, 2])])


def _split(case: Case, weight: float = 1.0) -> Sides:
    """L* against its two parts."""
    data = springs(case)
    alone = weighted_sum(data.sizes, entropy(data.laws))
    total = jnp.sum(data.sizes, axis=-1)
    return Sides(least_total(data), alone + weight * total * union_excess(data))


def _gradient(case: Case) -> PerSet:
    """dL*/dn by automatic differentiation."""
    data = springs(case)
    found: jax.Array = jax.grad(
        lambda sizes: jnp.sum(least_total(DataSets(data.laws, sizes)))
    )(data.sizes)
    return found


def _concave(case: Case, factor: float = 1.0) -> Sides:
    """The mean of L* at two sizes against L* at the mean size."""
    data, swapped = springs(case), _exchanged(case)
    middle = DataSets(data.laws, factor * (data.sizes + swapped.sizes) / 2)
    return Sides((least_total(data) + least_total(swapped)) / 2, least_total(middle))


def _finite_demand(case: Case, turned: bool = False) -> Sides:
    """(n - n') . (gamma - gamma') against 0; planted: the sizes of n' turned round."""
    data, swapped = springs(case), _exchanged(case)
    sizes = swapped.sizes[..., jnp.array([1, 2, 0])] if turned else swapped.sizes
    found = cross_demand(data.sizes, sizes, joint_rates(data), joint_rates(swapped))
    return Sides(found, jnp.zeros_like(found))


def _stable(case: Case, factor: float = 1.0) -> Sides:
    """(sum_i x_i)^2 against x'Sx, that is x'Kx >= 0."""
    x = direction(case)
    return Sides(factor * jnp.sum(x, -1) ** 2, form(overlap_matrix(springs(case)), x))


def _null(case: Case, power: int = 1) -> Sides:
    """S n against n."""
    data = springs(case)
    total = jnp.sum(data.sizes, axis=-1, keepdims=True)
    return Sides(apply(overlap_matrix(data), data.sizes**power), total)


RECORDS = (
    Record(
        name="elasticity, Euler",
        statement="k dgamma_p/dl + dgamma_a/dl = -l dgamma_t/dl",
        assumptions=_ANY,
        source="derived, elasticity notes 2.2; sharpens Ji et al. 2025, Theorem 4.2",
        side=Side.IDENTITY,
        function=lambda c: Sides(_weighted_slopes(c)[0], -_weighted_slopes(c)[1]),
        evidence=_WORLDS,
        planted=lambda c: Sides(_weighted_slopes(c)[0], jnp.array(0.0)),
    ),
    Record(
        name="rates, homogeneous",
        statement="gamma_i(3 n) = gamma_i(n)",
        assumptions=_ANY,
        source="derived, elasticity notes 2.2",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            joint_rates(_scaled(c, (3.0, 3.0, 3.0))), joint_rates(springs(c))
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            joint_rates(_scaled(c, (3.0, 3.0, 1.0))), joint_rates(springs(c))
        ),
    ),
    Record(
        name="joint loss, split",
        statement="n H(q*) = sum_i n_i H(p_i) + n JS_pi(p_1..p_N)",
        assumptions=_ANY,
        source="derived, elasticity notes 2.4",
        side=Side.IDENTITY,
        function=_split,
        evidence=_WORLDS,
        planted=lambda c: _split(c, 0.9),
    ),
    Record(
        name="joint loss, envelope",
        statement="dL*/dn_i = gamma_i",
        assumptions=_ANY,
        source="derived, elasticity notes 2.2",
        side=Side.IDENTITY,
        function=lambda c: Sides(_gradient(c), joint_rates(springs(c))),
        evidence=_WORLDS,
        planted=lambda c: Sides(_gradient(c), entropy(springs(c).laws)),
    ),
    Record(
        name="joint loss, concave",
        statement="[L*(n) + L*(n')] / 2 <= L*((n + n') / 2)",
        assumptions=_ANY,
        source="derived, elasticity notes 2.2",
        side=Side.UPPER,
        function=_concave,
        evidence=_WORLDS,
        tight_when="n' = c n, or equal laws",
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _concave(c, 0.95),
    ),
    Record(
        name="responses, closed form",
        statement="dgamma_i/dn_t = (1 - S_it) / n, S_ij = sum_x p_i p_j / q*",
        assumptions=_ANY,
        source="derived, elasticity notes 2.4",
        side=Side.IDENTITY,
        function=lambda c: Sides(slopes(c), rate_slopes(springs(c), PERTURBATION)),
        evidence=_WORLDS,
        planted=lambda c: Sides(slopes(c), rate_slopes(springs(c), PRETRAINING)),
    ),
    Record(
        name="responses, reciprocity",
        statement="dgamma_a/dn_t = dgamma_t/dn_a",
        assumptions=_ANY,
        source="derived, elasticity notes 2.3",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            slopes(c)[..., ALIGNMENT], slopes(c, ALIGNMENT)[..., PERTURBATION]
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            slopes(c)[..., ALIGNMENT], slopes(c, PRETRAINING)[..., PERTURBATION]
        ),
    ),
    Record(
        name="responses, null vector",
        statement="sum_j n_j S_ij = n, that is K n = 0",
        assumptions=_ANY,
        source="derived, elasticity notes 2.3",
        side=Side.IDENTITY,
        function=_null,
        evidence=_WORLDS,
        planted=lambda c: _null(c, 2),
    ),
    Record(
        name="responses, stable",
        statement="(sum_i x_i)^2 <= x'Sx, that is x'Kx >= 0",
        assumptions=_ANY,
        source="derived, elasticity notes 2.3",
        side=Side.UPPER,
        function=_stable,
        evidence=_WORLDS,
        tight_when="x along the sizes, or equal laws",
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _stable(c, 2.0),
    ),
    Record(
        name="responses, own",
        statement="dgamma_t/dn_t <= 0",
        assumptions=_ANY,
        source="derived, elasticity notes 2.3",
        side=Side.UPPER,
        function=lambda c: Sides(slopes(c)[..., PERTURBATION], jnp.array(0.0)),
        evidence=_WORLDS,
        tight_when=_STILL,
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: Sides(-responses(springs(c))[..., 0, 1], jnp.array(0.0)),
    ),
    Record(
        name="responses, finite demand",
        statement="(n - n') . (gamma(n) - gamma(n')) <= 0",
        assumptions="any laws, joint optima of two sizes that cover the same supports",
        source="derived, elasticity notes 2.3",
        side=Side.UPPER,
        function=_finite_demand,
        evidence=_WORLDS,
        tight_when=_STILL,
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _finite_demand(c, turned=True),
    ),
)
"""E1 to E3 of the elasticity notes."""
