"""Claims about the ends: how fast each gap vanishes as the penalty goes to an end."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.laws import Law
from theory.ledger.cases import disjoint, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.tradeoff.dynamics import (
    capability_rate_linear,
    capability_rate_quadratic,
    proxy_rate_linear,
    proxy_rate_quadratic,
)
from theory.tradeoff.loss_constraint import optimal_gaps
from theory.typing import Array, Nats

FAR = 1e7  # how far beyond the case's own penalty the end is looked at
RATIO = 1e3  # likelihood ratios beyond this have not yet reached their rate at FAR

_WORLDS = "Hypothesis and 12,000 random worlds at 1e7 times their penalty, float64"


def _largest_ratio(above: Law, below: Law) -> Float[jax.Array, "*batch"]:
    """The largest finite D_above(x, y) / D_below(x, y), and of contexts."""

    def largest(a: Array, b: Array) -> jax.Array:
        held = jnp.asarray(b) > 0
        return jnp.where(held, a / jnp.where(held, b, 1.0), 0.0)

    contexts = largest(above.contexts, below.contexts)
    outputs = largest(above.outputs, below.outputs)
    return jnp.max(contexts[..., None] * jnp.maximum(outputs, 1.0), axis=(-2, -1))


def _proxy_settled(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether G^_s has reached its rate at FAR times the penalty."""
    ratio = _largest_ratio(case.world.capability, case.world.proxy)
    return ratio / jnp.asarray(case.penalty) < RATIO


def _capability_settled(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether G_f has reached its rate at the penalty divided by FAR."""
    ratio = _largest_ratio(case.world.proxy, case.world.capability)
    return ratio * jnp.asarray(case.penalty) < RATIO


def _proxy(case: Case) -> Nats:
    """G^_s(P*) at FAR times the penalty."""
    return optimal_gaps(case.world, FAR * jnp.asarray(case.penalty)).proxy


def _capability(case: Case) -> Nats:
    """G_f(P*) at the penalty divided by FAR."""
    return optimal_gaps(case.world, jnp.asarray(case.penalty) / FAR).capability


def _relative(left: Nats, right: Nats) -> Sides:
    """Left / right against 1, so that the tolerance is relative; 1 where both are 0."""
    regular = (right > 0) & jnp.isfinite(right)
    ratio = left / jnp.where(regular, right, 1.0)
    return Sides(jnp.where(regular, ratio, 1.0), jnp.ones_like(ratio))


def _proxy_quadratic(case: Case, factor: float) -> Sides:
    """G^_s against factor * c / penalty^2."""
    scale = factor / (FAR * jnp.asarray(case.penalty)) ** 2
    return _relative(_proxy(case), scale * proxy_rate_quadratic(case.world))


def _proxy_linear(case: Case, factor: float) -> Sides:
    """G^_s against factor * c / penalty."""
    scale = factor / (FAR * jnp.asarray(case.penalty))
    return _relative(_proxy(case), scale * proxy_rate_linear(case.world))


def _capability_quadratic(case: Case, factor: float) -> Sides:
    """G_f against factor * c * penalty^2."""
    scale = factor * (jnp.asarray(case.penalty) / FAR) ** 2
    return _relative(_capability(case), scale * capability_rate_quadratic(case.world))


def _capability_linear(case: Case, factor: float) -> Sides:
    """G_f against factor * c * penalty."""
    scale = factor * jnp.asarray(case.penalty) / FAR
    return _relative(_capability(case), scale * capability_rate_linear(case.world))


RECORDS = (
    Record(
        name="proxy gap, quadratic decay",
        statement="G^_s(P*) ~ (1/(2 penalty^2)) sum_x (mu_f^2/mu^_s) chi2(p_f || p^_s)",
        assumptions="penalty -> inf, p_f << p^_s on shared contexts",
        source="derived, notes (4.7)",
        side=Side.SCALING,
        function=lambda c: _proxy_quadratic(c, 1.0),
        domain=lambda c: (
            _proxy_settled(c)
            & jnp.isfinite(proxy_rate_quadratic(c.world))
            & (proxy_rate_quadratic(c.world) > 1e-6)
        ),
        tolerance=1e-3,
        evidence=_WORLDS,
        tight_when="penalty -> inf",
        tight_case=lambda: golden(1.0),
        tight_within=1e-6,
        planted=lambda c: _proxy_quadratic(c, 2.0),
    ),
    Record(
        name="proxy gap, linear decay",
        statement="G^_s(P*) ~ (1/penalty) sum_{mu^_s > 0} mu_f p_f({p^_s = 0})",
        assumptions="penalty -> inf, support conflict on a shared context",
        source="derived, notes (4.8)",
        side=Side.SCALING,
        function=lambda c: _proxy_linear(c, 1.0),
        domain=lambda c: _proxy_settled(c) & (proxy_rate_linear(c.world) > 1e-2),
        tolerance=2e-2,
        evidence=_WORLDS,
        tight_when="penalty -> inf",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-6,
        planted=lambda c: _proxy_linear(c, 0.5),
    ),
    Record(
        name="capability gap, quadratic growth",
        statement="G_f(P*) ~ (penalty^2/2) sum_x (mu^_s^2/mu_f) chi2(p^_s || p_f)",
        assumptions="penalty -> 0, p^_s << p_f on shared contexts",
        source="derived, notes (4.7), mirror",
        side=Side.SCALING,
        function=lambda c: _capability_quadratic(c, 1.0),
        domain=lambda c: (
            _capability_settled(c)
            & jnp.isfinite(capability_rate_quadratic(c.world))
            & (capability_rate_quadratic(c.world) > 1e-6)
        ),
        tolerance=1e-3,
        evidence=_WORLDS,
        tight_when="penalty -> 0",
        tight_case=lambda: golden(1.0),
        tight_within=1e-6,
        planted=lambda c: _capability_quadratic(c, 2.0),
    ),
    Record(
        name="capability gap, linear growth",
        statement="G_f(P*) ~ penalty sum_{mu_f > 0} mu^_s p^_s({p_f = 0})",
        assumptions="penalty -> 0, support conflict on a shared context",
        source="derived, notes (4.8), mirror",
        side=Side.SCALING,
        function=lambda c: _capability_linear(c, 1.0),
        domain=lambda c: (
            _capability_settled(c) & (capability_rate_linear(c.world) > 1e-2)
        ),
        tolerance=2e-2,
        evidence=_WORLDS,
        tight_when="penalty -> 0",
        tight_case=lambda: disjoint(1.0),
        tight_within=1e-6,
        planted=lambda c: _capability_linear(c, 0.5),
    ),
)
"""(4.7), (4.8) and their mirrors."""
