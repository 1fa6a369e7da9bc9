"""Claims about elastic energy and about springs in exponential families."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets
from theory.compression.energy import (
    elastic_energy,
    rate_gradients,
    release_rate_tabular,
)
from theory.compression.equilibrium import optimum
from theory.compression.exponential_family import (
    Family,
    balanced_mean,
    family_energy,
    family_forces,
    family_rate,
    family_responses,
    mean_displacement,
)
from theory.compression.rates import excess_rates
from theory.ledger.displacement import positive
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import ALIGNMENT, PERTURBATION, other, springs
from theory.numerics import weighted_sum

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def floored(case: Case) -> DataSets:
    """The case's data sets, mixed with a little of the uniform law: no leaf is empty.

    >>> from theory.ledger.cases import disjoint
    >>> bool((floored(disjoint(1.0)).laws > 0).all())
    True
    """
    data = springs(case)
    return DataSets(positive(data.laws), data.sizes)


def family_of(case: Case) -> Family:
    """The laws under which contexts and outputs are independent: no data set is one.

    >>> from theory.ledger.cases import golden
    >>> family_of(golden(1.0)).statistics.tolist()
    [[1.0], [0.0]]
    """
    contexts, outputs = case.world.safety.outputs.shape[-2:]
    seen = jnp.repeat(jnp.eye(contexts)[:, :-1], outputs, axis=0)
    said = jnp.tile(jnp.eye(outputs)[:, :-1], (contexts, 1))
    statistics = jnp.concatenate([seen, said], axis=-1)
    return Family(statistics, jnp.zeros(contexts * outputs))


def natural(
    case: Case, leaves: Float[jax.Array, "*batch leaf"]
) -> Float[jax.Array, "*batch feature"]:
    """The natural parameters with the marginals of a law of the leaves.

    >>> from theory.ledger.cases import golden
    >>> natural(golden(1.0), jnp.array([0.5, 0.5])).tolist()
    [0.0]
    """
    shape = case.world.safety.outputs.shape[-2:]
    table = leaves.reshape(*leaves.shape[:-1], *shape)
    logs = jnp.log(jnp.sum(table, axis=-1)), jnp.log(jnp.sum(table, axis=-2))
    return jnp.concatenate([log[..., :-1] - log[..., -1:] for log in logs], axis=-1)


def grown(data: DataSets, amount: Float[jax.Array, "*batch"]) -> DataSets:
    """The data sets with more of the perturbation.

    >>> grown(DataSets(jnp.eye(3), jnp.ones(3)), jnp.array(2.0)).sizes.tolist()
    [1.0, 1.0, 3.0]
    """
    return DataSets(
        data.laws, jnp.asarray(data.sizes).at[..., PERTURBATION].add(amount)
    )


def _energy(case: Case, factor: float = 1.0) -> Sides:
    """sum_i n_i (KL(p_i || q) - KL(p_i || q*)) against n KL(q* || q)."""
    data, model = springs(case), other(case)
    best = optimum(data)
    left = weighted_sum(data.sizes, excess_rates(data, model))
    left = left - weighted_sum(data.sizes, excess_rates(data, best))
    return Sides(left, factor * elastic_energy(data, model))


def _release(case: Case, trained_on: int = PERTURBATION) -> Sides:
    """dE/dt of gradient flow in the logits, differentiated, against its formula."""
    data = floored(case)
    logits = jnp.log(positive(other(case)))
    model = jax.nn.softmax(logits, axis=-1)
    pull = rate_gradients(data, model)[..., PERTURBATION, :]
    pull = jnp.broadcast_to(pull, logits.shape)
    _, left = jax.jvp(
        lambda z: elastic_energy(data, jax.nn.softmax(z, axis=-1)), (logits,), (-pull,)
    )
    law = data.laws[..., trained_on, :]
    return Sides(left, release_rate_tabular(data, model, law))


def _rates(
    case: Case, data: DataSets, theta: Float[jax.Array, "*batch feature"]
) -> Float[jax.Array, "*batch set"]:
    """gamma_i under p_theta."""
    return family_rate(family_of(case), theta[..., None, :], data.laws)


def _force(case: Case, factor: float = 1.0) -> Sides:
    """-n_i d gamma_i along a direction, differentiated, against n_i (mu_i - mu)."""
    data = floored(case)
    theta = natural(case, positive(other(case)))
    direction = natural(case, optimum(data)) - theta
    theta = jnp.broadcast_to(theta, direction.shape)
    _, slopes = jax.jvp(lambda at: _rates(case, data, at), (theta,), (direction,))
    forces = family_forces(family_of(case), data, theta)
    right = jnp.sum(forces * direction[..., None, :], axis=-1)
    return Sides(-jnp.asarray(data.sizes) * slopes, factor * right)


def _balance(case: Case, at_optimum: bool = True) -> Sides:
    """The sum of the forces against 0."""
    data = floored(case)
    alone = jnp.asarray(data.laws)[..., ALIGNMENT, :]
    law = optimum(data) if at_optimum else alone
    forces = family_forces(family_of(case), data, natural(case, law))
    total = jnp.sum(forces, axis=-2)
    return Sides(total, jnp.zeros_like(total))


def _family_energy(case: Case, swapped: bool = False) -> Sides:
    """sum_i n_i (gamma_i(theta) - gamma_i(theta*)) against n KL(p_best || p_theta)."""
    data = floored(case)
    best = natural(case, optimum(data))
    theta = natural(case, positive(other(case)))
    lost = _rates(case, data, theta) - _rates(case, data, best)
    pair = (theta, best) if swapped else (best, theta)
    right = family_energy(family_of(case), data, *pair)
    return Sides(jnp.sum(data.sizes * lost, axis=-1), right)


def _family_responses(case: Case, column: int = PERTURBATION) -> Sides:
    """-d gamma_i/d n_t at the family's optimum, differentiated, against K_it."""
    data = floored(case)
    none = jnp.zeros(data.sizes.shape[:-1])

    def rates(amount: jax.Array) -> jax.Array:
        more = grown(data, amount)
        return _rates(case, more, natural(case, optimum(more)))

    _, slopes = jax.jvp(rates, (none,), (jnp.ones_like(none),))
    best = natural(case, optimum(data))
    right = family_responses(family_of(case), data, best)[..., column]
    return Sides(-slopes, right)


def _displacement(case: Case, factor: float = 1.0) -> Sides:
    """mu*(p, a, t) - mu*(p, a) against n_t (mu_t - mu*) / (n + n_t)."""
    data, family = floored(case), family_of(case)
    held = DataSets(data.laws[..., :2, :], data.sizes[..., :2])
    added = DataSets(data.laws[..., 2:, :], data.sizes[..., 2:])
    left = balanced_mean(family, data) - balanced_mean(family, held)
    return Sides(left, factor * mean_displacement(family, held, added))


_FAMILY = "any data sets, in the family or not, at the family's optimum"

RECORDS = (
    Record(
        name="elastic energy",
        statement="sum_i n_i gamma_i(q) - L*(n) = n KL(q* || q)",
        assumptions="any data sets, ANY model q",
        source="derived, elasticity notes 2.8 and 2.9",
        side=Side.IDENTITY,
        function=_energy,
        evidence=_WORLDS,
        planted=lambda c: _energy(c, 2.0),
    ),
    Record(
        name="elastic energy, release",
        statement="dE/dt = -(sum_i n_i grad gamma_i) . grad gamma_t",
        assumptions="gradient flow on t in the logits of a tabular model, anywhere",
        source="derived, elasticity notes 2.9",
        side=Side.IDENTITY,
        function=_release,
        evidence=_WORLDS,
        planted=lambda c: _release(c, ALIGNMENT),
    ),
    Record(
        name="Hooke, mean parameter",
        statement="-n_i grad gamma_i = n_i (mu_i - mu(theta))",
        assumptions="exponential family, any data sets, ANY theta",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_force,
        evidence=_WORLDS,
        planted=lambda c: _force(c, 2.0),
    ),
    Record(
        name="force balance",
        statement="sum_i n_i (mu_i - mu*) = 0",
        assumptions=f"exponential family, {_FAMILY}",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_balance,
        evidence=_WORLDS,
        planted=lambda c: _balance(c, at_optimum=False),
    ),
    Record(
        name="elastic energy, exponential family",
        statement="sum_i n_i (gamma_i(theta) - gamma_i(theta*)) = "
        "n KL(p_theta* || p_theta)",
        assumptions="exponential family, any data sets, ANY theta",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_family_energy,
        evidence=_WORLDS,
        planted=lambda c: _family_energy(c, swapped=True),
    ),
    Record(
        name="responses, exponential family",
        statement="-d gamma_i/d n_j = (mu_i - mu*)' F^-1 (mu_j - mu*) / n",
        assumptions=f"exponential family, {_FAMILY}",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_family_responses,
        evidence=_WORLDS,
        planted=lambda c: _family_responses(c, ALIGNMENT),
    ),
    Record(
        name="displacement, exponential family",
        statement="mu*(n + n_t) - mu*(n) = n_t (mu_t - mu*) / (n + n_t)",
        assumptions=f"exponential family, {_FAMILY}",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_displacement,
        evidence=_WORLDS,
        planted=lambda c: _displacement(c, 2.0),
    ),
)
"""Sections 2.8 (exponential families) and 2.9 of the notes on elasticity."""
