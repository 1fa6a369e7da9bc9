"""Claims about drift: how far explained data move a model, and what that changes."""

import jax
import jax.numpy as jnp
import numpy as np

from theory.laws import Law, World
from theory.ledger.cases import at_optimum
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.unlearnable_paths import descended, length, single_steps
from theory.ledger.unlearnable_rows import (
    STEPS,
    active,
    deactivated,
    errors,
    mean_gradient,
    mean_loss,
    rate,
    separations,
    sharp,
)
from theory.typing import Nats
from theory.unlearnability.drift import (
    descent_drift_by_fall,
    descent_drift_ceiling,
    drift_ceiling,
    drift_ceiling_saturating,
    loss_change_ceiling,
    loss_change_ceiling_smooth,
    resistance_certificate,
    resistance_certificate_saturating,
)
from theory.unlearnability.held_out import hoeffding_width

DRAWS = 4  # validation samples of the claim about held-out errors

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_SOURCE = "derived, security-vector notes theorem 3"
_SHARPER = "derived, sharpens security-vector notes theorem 3"
_SGD = "single-sample steps in any order; D bounds the separation on the path"
_GD = "full-batch steps; D bounds the separation on the path"


def origin() -> jax.Array:
    """Theta_0.

    >>> origin().tolist()
    [0.0, 0.0, 0.0]
    """
    return jnp.zeros(3)


def apart(case: Case) -> Nats:
    """D, the greatest separation of the active model.

    >>> print(f"{float(apart(sharp(1.0))):.4f}")
    1.2806
    """
    return jnp.max(separations(active(case)), axis=-1)


def _apart_off(case: Case) -> Nats:
    """D_off."""
    return jnp.max(separations(deactivated(case)), axis=-1)


def _effort(case: Case) -> Nats:
    """Tau = eta T."""
    return STEPS * rate(case)


def _any_order(case: Case, factor: float = 1.0) -> Sides:
    """The path of single steps against its bound by the errors at the start."""
    rows = active(case)
    found = errors(rows)
    used = [found[..., step % found.shape[-1]] for step in range(STEPS)]
    ceiling = drift_ceiling(rate(case), apart(case), factor * sum(used, jnp.zeros(())))
    return Sides(single_steps(case, rows).length, ceiling)


def _descent(case: Case, factor: float = 1.0) -> Sides:
    """The path of full-batch steps against both its bounds."""
    rows, path = active(case), descended(case)
    start, end = mean_loss(rows, origin()), mean_loss(rows, path.end)
    by_start = descent_drift_ceiling(_effort(case), apart(case), start)
    # Losses are subtracted: a fall below their rounding is no fall.
    fall = jnp.maximum(start - end, 0.0)
    by_fall = jnp.where(start > 1e-3, descent_drift_by_fall(_effort(case), fall), 1e9)
    way = jnp.stack([path.length, path.length], axis=-1)
    return Sides(way, factor * jnp.stack([by_start, by_fall], axis=-1))


def _is_slow(case: Case) -> jax.Array:
    """Whether eta is at most 1 / smoothness.

    The curvature is at most D^2: a variance of numbers within 2 D of each other.
    """
    return (rate(case) * apart(case) ** 2 <= 1)[..., None]


def _saturating(case: Case, factor: float = 1.0) -> Sides:
    """The path of full-batch steps against the bound that never is infinite."""
    error = jnp.mean(errors(active(case)), axis=-1)
    ceiling = drift_ceiling_saturating(factor * _effort(case), apart(case), error)
    return Sides(descended(case).length, ceiling)


def _fall(case: Case, end: jax.Array) -> Nats:
    """How much the deactivated model's loss fell."""
    rows = deactivated(case)
    return mean_loss(rows, origin()) - mean_loss(rows, end)


def _change(case: Case, factor: float = 1.0) -> Sides:
    """|change of F| against D_off times the displacement, and against the smooth form.

    The curvature of F is at most D_off^2: a variance of numbers within 2 D_off.
    """
    end, apart_off = descended(case).end, _apart_off(case)
    drift = length(end)
    slope = length(mean_gradient(deactivated(case), origin()))
    ceilings = (
        loss_change_ceiling(apart_off, drift),
        loss_change_ceiling_smooth(slope, apart_off**2, drift),
    )
    change = jnp.abs(_fall(case, end))
    return Sides(
        jnp.stack([change, change], axis=-1), factor * jnp.stack(ceilings, axis=-1)
    )


def _certificate(case: Case, factor: float = 1.0, saturating: bool = False) -> Sides:
    """The least steps for the fall that was reached against the steps taken."""
    form = resistance_certificate_saturating if saturating else resistance_certificate
    error = jnp.mean(errors(active(case)), axis=-1)
    fall = _fall(case, descended(case).end)
    steps = form(rate(case), apart(case), _apart_off(case), error / factor, fall)
    return Sides(steps, jnp.full_like(steps, float(STEPS)))


def _certifiable(case: Case) -> jax.Array:
    """Whether the fall, a difference of losses, has digits; and the samples move."""
    error = jnp.mean(errors(active(case)), axis=-1)
    return (error > 1e-6) & (apart(case) > 1e-2) & (_apart_off(case) > 1e-2)


def rarely_wrong(chance: float) -> Case:
    """A policy that nearly always errs in one rare context, and never in the other.

    >>> print([round(float(chance), 3) for chance in rarely_wrong(0.1).policy[1]])
    [1.0, 0.0]
    """
    contexts = np.array([1 - chance, chance])
    safety = Law(contexts, np.array([[0.9, 0.1], [0.1, 0.9]]))
    other = Law(contexts, np.array([[1.0, 0.0], [1.0, 0.0]]))
    return at_optimum(World(safety, safety, other), 1e-4)


def _held_out(case: Case, factor: float = 1.0) -> Sides:
    """P(E e > mean of DRAWS errors + width) against delta, by enumerating all draws."""
    chance, error = jnp.asarray(case.world.safety.contexts), _scored(case)
    delta = 1 / (1 + jnp.asarray(case.penalty))
    expected = jnp.sum(chance * error, axis=-1)
    count = chance.shape[-1]
    draws = np.indices((count,) * DRAWS).reshape(DRAWS, -1)
    seen = jnp.mean(error[..., draws], axis=-2)
    likely = jnp.prod(chance[..., draws], axis=-2)
    width = factor * hoeffding_width(DRAWS, delta)
    beyond = expected[..., None] > seen + width[..., None]
    return Sides(jnp.sum(jnp.where(beyond, likely, 0.0), axis=-1), delta)


def _scored(case: Case) -> jax.Array:
    """The chance that each context's policy gives another answer than the likeliest."""
    targets = active(case).targets[..., None]
    right = jnp.take_along_axis(jnp.asarray(case.policy), targets, axis=-1)
    return 1 - right[..., 0]


RECORDS = (
    Record(
        name="drift by error, any order",
        statement="path <= -(1/D) log(1 - eta D^2 sum_t e_t(theta_0))",
        assumptions=_SGD,
        source=_SOURCE,
        side=Side.UPPER,
        function=_any_order,
        evidence=_WORLDS,
        tight_when="eta D^2 T e -> 0, one sample, two outputs",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-4,
        vacuous_when="eta D^2 sum e >= 1: inf",
        planted=lambda c: _any_order(c, 0.7),
    ),
    Record(
        name="drift of descent",
        statement="path <= min(tau D (1 - e^-L_0), sqrt(2 tau (L_0 - L_T)))",
        assumptions=_GD + "; eta <= 1 / smoothness",
        source=_SOURCE,
        side=Side.UPPER,
        function=_descent,
        domain=_is_slow,
        evidence=_WORLDS,
        tight_when="the first: little is left to learn; the second: within sqrt(2)",
        tight_case=lambda: sharp(0.02),
        tight_within=0.6,
        vacuous_when="never",
        planted=lambda c: _descent(c, 0.6),
    ),
    Record(
        name="drift of descent, saturating",
        statement="path <= u / D, u + (1 - e)/e (1 - exp(-u)) = tau D^2",
        assumptions=_GD + "; any eta, e the mean error at the start",
        source=_SHARPER,
        side=Side.UPPER,
        function=_saturating,
        evidence=_WORLDS,
        tight_when="eta D^2 T e -> 0, one sample, two outputs",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-4,
        vacuous_when="never",
        planted=lambda c: _saturating(c, 0.6),
    ),
    Record(
        name="deactivated loss",
        statement="|F_T - F_0| <= min(D_off rho, |g_F| rho + beta_F rho^2 / 2)",
        assumptions="any path; D_off, beta_F bound it for the deactivated model",
        source=_SOURCE,
        side=Side.UPPER,
        function=_change,
        evidence=_WORLDS,
        tight_when="the path goes straight down the deactivated loss, error near 1",
        tight_case=lambda: sharp(8.0),
        tight_within=1e-3,
        vacuous_when="the path is not aligned with the deactivated gradient",
        planted=lambda c: _change(c, 0.5),
    ),
    Record(
        name="resistance certificate",
        statement="(1 - exp(-D (F_0 - F_T) / D_off)) / (eta D^2 e) <= T",
        assumptions=_GD + "; e > 1e-6 (here F is a difference of losses)",
        source=_SOURCE,
        side=Side.LOWER,
        function=_certificate,
        domain=_certifiable,
        evidence=_WORLDS,
        tight_when="little is learnt, both models along one line",
        tight_case=lambda: sharp(7.0),
        tight_within=1e-3,
        vacuous_when="F does not fall: 0",
        planted=lambda c: _certificate(c, 4.0),
    ),
    Record(
        name="resistance certificate, saturating",
        statement="(u + (1 - e)/e (1 - exp(-u))) / (eta D^2) <= T, u = D fall / D_off",
        assumptions=_GD + "; e > 1e-6 (here F is a difference of losses)",
        source=_SHARPER,
        side=Side.LOWER,
        function=lambda c: _certificate(c, saturating=True),
        domain=_certifiable,
        evidence=_WORLDS,
        tight_when="little is learnt, both models along one line",
        tight_case=lambda: sharp(7.0),
        tight_within=1e-3,
        vacuous_when="F does not fall: 0",
        planted=lambda c: _certificate(c, 4.0, saturating=True),
    ),
    Record(
        name="held-out error",
        statement="P(E e > mean of n errors + sqrt(log(1/delta) / 2n)) <= delta",
        assumptions="n independent fresh samples, errors in [0, 1]; here n = 4",
        source="standard (Hoeffding 1963); used in security-vector notes theorem 3",
        side=Side.UPPER,
        function=_held_out,
        evidence=_WORLDS,
        tight_when="delta near 1, errors rare and sure",
        tight_case=lambda: rarely_wrong(0.01),
        tight_within=0.05,
        vacuous_when="delta -> 1",
        planted=lambda c: _held_out(c, 0.0),
    ),
)
"""Theorem 3 of the security-vector notes."""
