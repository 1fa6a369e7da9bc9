"""Claims about an active vector as fewer harmful samples."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.compression.equilibrium import overlap_excess, ratio
from theory.compression.quadratic_springs import Springs, rest_point
from theory.ledger.activated import strength
from theory.ledger.cases import one_context
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, springs
from theory.symmetric import form
from theory.typing import Nats
from theory.unlearnability.effective_volume import (
    anchor_gradient,
    effective_size,
    equilibrium_shift,
    linear_shift,
    protected,
    protected_springs,
    ratio_deficit,
    stored_energy,
)

_WORLDS = "Hypothesis and 16,384 random worlds, float64, every run of the tests"
_FEWER = "Hypothesis and 512 random worlds, float64, every run of the tests"
_QUADRATIC = "quadratic losses; the vector scales force and stiffness alike"
_SMALL = 1e-6  # a kappa_H at which the harmful set's own stiffness is not felt

Vector = Float[jax.Array, "*batch y"]
"""Parameters, as many as outputs."""


def _anchor(case: Case, place: int) -> Vector:
    """Where a data set is fitted best: its marginal law of outputs."""
    laws = jnp.asarray(springs(case).laws)[..., place, :]
    shape = case.world.safety.outputs.shape[-2:]
    return jnp.sum(laws.reshape(*laws.shape[:-1], *shape), axis=-2)


def _metric(case: Case, place: int) -> Float[jax.Array, "*batch y y"]:
    """The stiffness of one of its samples: 1 + m m'."""
    anchor = _anchor(case, place)
    return jnp.eye(anchor.shape[-1]) + anchor[..., :, None] * anchor[..., None, :]


def _size(case: Case, place: int) -> Nats:
    """How large a data set is."""
    return jnp.asarray(springs(case).sizes)[..., place]


def _model(case: Case, sets: tuple[int, ...]) -> Springs:
    """Some of the data sets as springs of one metric, that of alignment."""
    anchors = jnp.stack([_anchor(case, place) for place in sets], axis=-2)
    sizes = jnp.stack([_size(case, place) for place in sets], axis=-1)
    return Springs(anchors, sizes, _metric(case, ALIGNMENT))


def _springs(case: Case, stiff: float = 1.0) -> Sides:
    """How far the softened spring moves the rest point, and the closed form."""
    rate = strength(case)
    together = _model(case, (PRETRAINING, ALIGNMENT, PERTURBATION))
    retained = _model(case, (PRETRAINING, ALIGNMENT))
    before = rest_point(retained)
    after = rest_point(protected_springs(together, PERTURBATION, rate))
    metric, total = retained.metric, jnp.sum(jnp.asarray(retained.sizes), axis=-1)
    shift = equilibrium_shift(
        total[..., None, None] * metric,
        stiff * jnp.asarray(metric),
        anchor_gradient(metric, before, _anchor(case, PERTURBATION)),
        effective_size(_size(case, PERTURBATION), rate),
    )
    return Sides(after - before, shift)


def _retained(case: Case) -> Float[jax.Array, "*batch y y"]:
    """K, the stiffness of pre-training and alignment, each in its own metric."""
    return sum(
        (
            _size(case, place)[..., None, None] * _metric(case, place)
            for place in (PRETRAINING, ALIGNMENT)
        ),
        start=jnp.zeros(()),
    )


def _pull(case: Case) -> Vector:
    """The harmful gradient of a sample at the retained sets' equilibrium."""
    point = _anchor(case, ALIGNMENT)
    metric = _metric(case, PERTURBATION)
    return anchor_gradient(metric, point, _anchor(case, PERTURBATION))


def _shift(case: Case) -> Vector:
    """Delta beside the vector."""
    size = effective_size(_size(case, PERTURBATION), strength(case))
    return equilibrium_shift(
        _retained(case), _metric(case, PERTURBATION), _pull(case), size
    )


def _balance(case: Case, linear: bool = False) -> Sides:
    """The slope of all losses together at Delta, differentiated, against 0."""
    size = effective_size(_size(case, PERTURBATION), strength(case))
    pull, metric = _pull(case), _metric(case, PERTURBATION)
    shift = linear_shift(_retained(case), pull, size) if linear else _shift(case)

    def total(move: jax.Array) -> jax.Array:
        harm = jnp.sum(pull * move, axis=-1) + form(metric, move) / 2
        return jnp.sum(stored_energy(_retained(case), move) + size * harm)

    slope = jax.grad(total)(jnp.asarray(shift))
    return Sides(slope, jnp.zeros_like(slope))


def _first_order(case: Case, factor: float = 1.0) -> Sides:
    """What Delta costs the retained data, and what it costs to first order."""
    size = effective_size(_size(case, PERTURBATION), strength(case))
    stiffness = _retained(case)
    linear = linear_shift(stiffness, _pull(case), size)
    cost = stored_energy(stiffness, _shift(case))
    return Sides(cost, factor * stored_energy(stiffness, linear))


def _deficit(case: Case, protecting: bool = True) -> Sides:
    """n_1/n_2 minus the ratio of two sets' moves by one spring, and its closed form."""
    small, harm, rate = jnp.ones(()), _size(case, PERTURBATION), strength(case)
    large = 1 + jnp.asarray(case.penalty)
    felt = effective_size(harm, rate)

    def moved(size: jax.Array) -> jax.Array:
        sizes = jnp.stack(jnp.broadcast_arrays(size, harm), axis=-1)
        anchors, metric = jnp.array([[0.0], [1.0]]), jnp.eye(1)
        model = protected_springs(Springs(anchors, sizes, metric), 1, rate)
        return rest_point(model)[..., 0]

    found = large / small - moved(small) / moved(large)
    deficit = ratio_deficit(large, small, felt if protecting else harm)
    return Sides(found, deficit)


def _restored(case: Case, rate: float = _SMALL) -> Sides:
    """The exact elastic ratio beside a strong vector, and minus the sizes' own."""
    data = protected(springs(case), PERTURBATION, rate)
    sizes = jnp.asarray(data.sizes)
    own = sizes[..., PRETRAINING] / sizes[..., ALIGNMENT]
    return Sides(ratio(data, ALIGNMENT, PRETRAINING, PERTURBATION) / own, -jnp.ones(()))


def _regular(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether the perturbation moves the rates at all, and |l*| is above 1e-2."""
    excess = overlap_excess(protected(springs(case), PERTURBATION, _SMALL))
    pull = jnp.abs(excess[..., ALIGNMENT, PERTURBATION])
    return (pull > 1e-6) & (pull > 1e-2 * excess[..., PERTURBATION, PERTURBATION])


RECORDS = (
    Record(
        name="effective size, springs",
        statement="theta*(n_p, n_a, kappa n_t) - theta*(n_p, n_a) = -(K + kappa n_t "
        "W)^-1 kappa n_t g, K = (n_p + n_a) W",
        assumptions=_QUADRATIC,
        source="derived, security-vector notes theorem 7",
        side=Side.IDENTITY,
        function=_springs,
        evidence=_FEWER,
        planted=lambda c: _springs(c, 0.0),
    ),
    Record(
        name="effective size, balance",
        statement="K Delta + kappa n_t (g + H Delta) = 0",
        assumptions=f"{_QUADRATIC}; any metrics",
        source="derived, security-vector notes theorem 7",
        side=Side.IDENTITY,
        function=_balance,
        evidence=_FEWER,
        planted=lambda c: _balance(c, linear=True),
    ),
    Record(
        name="effective size, first order",
        statement="|Delta|_K <= kappa n_t |K^-1 g|_K, squared and halved",
        assumptions=f"{_QUADRATIC}; any metrics",
        source="derived, security-vector notes theorem 7",
        side=Side.UPPER,
        function=_first_order,
        evidence=_FEWER,
        tight_when="kappa n_t -> 0",
        tight_case=lambda: one_context([0.9, 0.1], [0.2, 0.8], 1e-4, [0.6, 0.4]),
        tight_within=1e-3,
        vacuous_when="n_t far above n_p + n_a: the move is bounded by the distance",
        planted=lambda c: _first_order(c, 0.5),
    ),
    Record(
        name="elastic ratio, deficit",
        statement="n_1/n_2 - (n_1 + kappa n_h)/(n_2 + kappa n_h) = kappa n_h (n_1 - "
        "n_2) / (n_2 (n_2 + kappa n_h))",
        assumptions="two sets of equal stiffness, each against the same harmful set",
        source="derived, security-vector notes theorem 7",
        side=Side.IDENTITY,
        function=_deficit,
        evidence=_WORLDS,
        planted=lambda c: _deficit(c, protecting=False),
    ),
    Record(
        name="elastic ratio beside a strong vector",
        statement="(d gamma_a / d gamma_p) / (n_p / n_a) -> -1 as kappa -> 0, at "
        f"kappa = {_SMALL:g}",
        assumptions="any laws, no quadratic losses; |l*| > 1e-2, |1 - S_at| > 1e-6",
        source="derived, security-vector notes theorem 7 and elasticity notes 2.4",
        side=Side.SCALING,
        function=_restored,
        evidence=_WORLDS,
        domain=_regular,
        tolerance=1e-3,
        planted=lambda c: _restored(c, 1.0),
    ),
)
"""Theorem 7 of the security-vector notes."""
