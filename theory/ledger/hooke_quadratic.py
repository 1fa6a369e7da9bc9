"""Claims about data sets as linear springs: the quadratic, Gaussian picture."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from theory.compression.equilibrium import optimum
from theory.compression.exponential_family import fisher
from theory.compression.quadratic_springs import (
    Springs,
    deformations,
    line_flip,
    line_ratio,
    line_rest,
    rest_point,
    spring_energy,
    spring_forces,
    spring_responses,
)
from theory.information import total_variation
from theory.ledger.displacement import positive
from theory.ledger.hooke import family_of, floored, natural
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import ALIGNMENT, PERTURBATION, other, springs
from theory.typing import Nats

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"


def _springs(case: Case) -> Springs:
    """The local quadratic model: anchors theta_i, metric the Fisher information."""
    data = floored(case)
    metric = fisher(family_of(case), natural(case, optimum(data)))
    return Springs(
        natural(case, jnp.asarray(data.laws)), jnp.asarray(data.sizes), metric
    )


def _spring_energy(case: Case, factor: float = 1.0) -> Sides:
    """sum_i n_i (gamma_i(theta) - gamma_i(theta*)) against (n/2)|theta - theta*|^2."""
    model = _springs(case)
    point = natural(case, positive(other(case)))
    lost = deformations(model, point) - deformations(model, rest_point(model))
    left = jnp.sum(model.sizes * lost, axis=-1)
    return Sides(left, factor * spring_energy(model, point))


def _spring_responses(case: Case, column: int = PERTURBATION) -> Sides:
    """-d gamma_i/d n_t at the rest point, differentiated, against K_it."""
    model = _springs(case)
    none = jnp.zeros(model.sizes.shape[:-1])

    def rates(amount: jax.Array) -> jax.Array:
        sizes = jnp.asarray(model.sizes).at[..., PERTURBATION].add(amount)
        more = Springs(model.anchors, sizes, model.metric)
        return deformations(model, rest_point(more))

    _, slopes = jax.jvp(rates, (none,), (jnp.ones_like(none),))
    return Sides(-slopes, spring_responses(model)[..., column])


def _spring_force(case: Case, factor: float = 1.0) -> Sides:
    """-n_i d gamma_i along a direction, differentiated, against n_i W (m_i - theta)."""
    model = _springs(case)
    point = natural(case, positive(other(case)))
    direction = rest_point(model) - point
    point = jnp.broadcast_to(point, direction.shape)
    _, slopes = jax.jvp(lambda at: deformations(model, at), (point,), (direction,))
    forces = spring_forces(model, point)
    right = jnp.sum(forces * direction[..., None, :], axis=-1)
    return Sides(-jnp.asarray(model.sizes) * slopes, factor * right)


def _line(case: Case) -> tuple[Nats, Nats, Nats]:
    """k, l and s: s l = 2 TV(p_a, p_t) lies on both sides of the flip."""
    data = springs(case)
    sizes = jnp.asarray(data.sizes)
    k, l_ = sizes[..., 0], sizes[..., PERTURBATION]
    laws = data.laws[..., ALIGNMENT, :], data.laws[..., PERTURBATION, :]
    return k, l_, 2 * total_variation(*laws) / l_


def _line_slopes(k: Nats, share: Nats, opposite: Nats) -> tuple[Nats, Nats]:
    """The slopes of gamma_a and gamma_p in l on the line, differentiated."""

    def rates(share: jax.Array) -> tuple[jax.Array, jax.Array]:
        rest = line_rest(k, share, opposite)
        return (1 - rest) ** 2 / 2, rest**2 / 2

    _, (alignment, pretraining) = jax.jvp(rates, (share,), (jnp.ones_like(share),))
    return alignment, pretraining


def _line_ratio(case: Case, at_zero: bool = False) -> Sides:
    """The ratio of the two slopes against its closed form."""
    k, share, opposite = _line(case)
    alignment, pretraining = _line_slopes(k, share, opposite)
    moves = pretraining != 0
    left = jnp.where(moves, alignment / jnp.where(moves, pretraining, 1.0), jnp.inf)
    share = jnp.zeros_like(share) if at_zero else share
    return Sides(left, line_ratio(k, share, opposite))


def _off_the_flip(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether the ratio keeps its digits: 1 - s l is not near 0."""
    _, share, opposite = _line(case)
    return jnp.abs(1 - share * opposite) > 1e-2


def _line_flip(case: Case, factor: float = 1.0) -> Sides:
    """The slope of gamma_p at l = 1/s against 0."""
    k, _, opposite = _line(case)
    share = factor * line_flip(jnp.maximum(opposite, 1e-3))
    _, slope = _line_slopes(k, share, jnp.maximum(opposite, 1e-3))
    scaled = slope * (k + 1 + share) ** 2 / (k + 1)
    return Sides(scaled, jnp.zeros_like(slope))


_QUADRATIC = "quadratic losses with one metric, as of Gaussians with one covariance"

RECORDS = (
    Record(
        name="Hooke, quadratic",
        statement="-n_i grad gamma_i = n_i W (m_i - theta)",
        assumptions=f"{_QUADRATIC}, ANY theta",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_spring_force,
        evidence=_WORLDS,
        planted=lambda c: _spring_force(c, 2.0),
    ),
    Record(
        name="elastic energy, quadratic",
        statement="sum_i n_i (gamma_i(theta) - gamma_i(theta*)) = "
        "(n/2) |theta - theta*|^2 in W",
        assumptions=f"{_QUADRATIC}, ANY theta",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_spring_energy,
        evidence=_WORLDS,
        planted=lambda c: _spring_energy(c, 2.0),
    ),
    Record(
        name="responses, quadratic",
        statement="-d gamma_i/d n_j = (theta* - m_i)' W (theta* - m_j) / n",
        assumptions=f"{_QUADRATIC}, at the rest point",
        source="derived, elasticity notes 2.3 and 2.8",
        side=Side.IDENTITY,
        function=_spring_responses,
        evidence=_WORLDS,
        planted=lambda c: _spring_responses(c, ALIGNMENT),
    ),
    Record(
        name="elastic ratio on a line",
        statement="d gamma_a / d gamma_p = -(k + l (1 + s)) / (1 - s l)",
        assumptions=f"{_QUADRATIC}, anchors p at 0, a at 1, t at -s; away from l = 1/s",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_line_ratio,
        domain=_off_the_flip,
        evidence=_WORLDS,
        planted=lambda c: _line_ratio(c, at_zero=True),
    ),
    Record(
        name="flip on a line",
        statement="d gamma_p/dl = 0 at l = 1/s: beyond, the model passes pre-training",
        assumptions=f"{_QUADRATIC}, anchors p at 0, a at 1, t at -s, s > 0",
        source="derived, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=_line_flip,
        evidence=_WORLDS,
        planted=lambda c: _line_flip(c, 0.5),
    ),
)
"""Section 2.8 of the notes on elasticity, quadratic models."""
