"""Claims about what leaks past an active vector, and at what rate."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool

from theory.laws import Law
from theory.ledger.activated import (
    State,
    activated,
    gradients,
    harm_share,
    loss,
    samples,
)
from theory.ledger.record import Case, Record, Side, Sides
from theory.typing import Nats
from theory.unlearnability.leakage import (
    Gradients,
    alignment,
    benign_rate,
    harm_rate,
    inner,
    kernel_rate,
    norm,
    relative_rate,
    suppression,
)
from theory.unlearnability.tradeoff_link import (
    direct_price,
    harm_per_benefit,
    indirect_benefit,
)

_WORLDS = "Hypothesis and 16,384 random worlds, float64, every run of the tests"
_MODEL = "gradient flow, any differentiable model; here log-linear logits"
LEAST = 1e-4  # a gradient shorter than this has lost its digits to cancellation


def _flow(case: Case, law: Law) -> Nats:
    """How fast the off model's loss on a law moves, differentiated along the flow."""
    model, share = activated(case), harm_share(case)

    def mixed(point: jax.Array) -> jax.Array:
        harm = loss(case.world.proxy, model.on, point)
        benign = loss(case.world.capability, model.on, point)
        return jnp.sum(share * harm + (1 - share) * benign)

    def deployed(point: jax.Array) -> jax.Array:
        return loss(law, model.off, point)

    velocity = -jax.grad(mixed)(model.point)
    speed: jax.Array = jax.jvp(deployed, (model.point,), (velocity,))[1]
    return speed


def _swapped(found: Gradients) -> Gradients:
    """As if training happened with the vector off."""
    return found._replace(harm_on=found.harm_off, benign_on=found.benign_off)


def _harm(case: Case, off: bool = False) -> Sides:
    """dF/dt, differentiated and by the four gradients."""
    found = gradients(case)
    found = _swapped(found) if off else found
    return Sides(
        _flow(case, case.world.proxy), jnp.asarray(harm_rate(found, harm_share(case)))
    )


def _benign(case: Case, off: bool = False) -> Sides:
    """dB/dt, differentiated and by the four gradients."""
    found = gradients(case)
    found = _swapped(found) if off else found
    rate = benign_rate(found, harm_share(case))
    return Sides(_flow(case, case.world.capability), rate)


def _kernel(case: Case, off: bool = False) -> Sides:
    """<g_F, g_on> and the cross-kernel's form of it."""
    model, law, found = activated(case), case.world.proxy, gradients(case)
    on: State = model.off if off else model.on
    rate = kernel_rate(
        samples(law, model.off, model.point), samples(law, on, model.point)
    )
    return Sides(inner(found.harm_off, found.harm_on), rate)


def pulls(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether the off model has something left to learn from either data set.

    >>> from theory.ledger.cases import golden
    >>> bool(pulls(golden(1.0)))
    True
    """
    found = gradients(case)
    return (norm(found.harm_off) > LEAST) & (norm(found.benign_off) > LEAST)


def teaches(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether benign data teach the off model enough to divide by.

    >>> from theory.ledger.cases import golden
    >>> bool(teaches(golden(1.0)))
    True
    """
    found = gradients(case)
    direct = jnp.abs(inner(found.benign_off, found.benign_on))
    return pulls(case) & (direct > LEAST) & (jnp.abs(benign_rate(found, 0.375)) > 0)


def _factors(case: Case, aligned: bool = False) -> Sides:
    """kappa_H and its two factors; the second left out if taken as aligned."""
    found = gradients(case)
    off, on = found.harm_off, found.harm_on
    cosine = jnp.ones(()) if aligned else alignment(off, on)
    return Sides(relative_rate(off, on), suppression(off, on) * cosine)


def _price(case: Case, eroding: bool = True) -> Sides:
    """(dF/dB) (1 + what harm adds) and its form by kappa_H and kappa_B.

    Multiplied by |dB/dt| of benign data alone, which may be small.
    """
    found, share = gradients(case), harm_share(case)
    exact = harm_per_benefit(found, share) * (1 + indirect_benefit(found, share))
    erosion = inner(found.harm_off, found.benign_on)
    price = direct_price(
        relative_rate(found.harm_off, found.harm_on),
        relative_rate(found.benign_off, found.benign_on),
        norm(found.harm_off),
        norm(found.benign_off),
        erosion if eroding else jnp.zeros_like(erosion),
        share,
    )
    scale = (1 - share) * inner(found.benign_off, found.benign_on)
    return Sides(exact * scale, price * scale)


def _priced(case: Case) -> Bool[jax.Array, "*batch"]:
    """Whether both rates of the price keep their digits."""
    rate = benign_rate(gradients(case), harm_share(case))
    return teaches(case) & (jnp.abs(rate) > LEAST)


RECORDS = (
    Record(
        name="leakage, harm",
        statement="dF/dt = -a <g_F, g_on> - (1 - a) <g_F, g_B^on>, a the harmful share",
        assumptions=_MODEL,
        source="derived, security-vector notes theorem 5",
        side=Side.IDENTITY,
        function=_harm,
        evidence=_WORLDS,
        planted=lambda c: _harm(c, off=True),
    ),
    Record(
        name="leakage, benefit",
        statement="dB/dt = -(1 - a) <g_B, g_B^on> - a <g_B, g_on>",
        assumptions=_MODEL,
        source="derived, security-vector notes theorem 5",
        side=Side.IDENTITY,
        function=_benign,
        evidence=_WORLDS,
        planted=lambda c: _benign(c, off=True),
    ),
    Record(
        name="leakage, cross-kernel",
        statement="<g_F, g_on> = sum_ij w_i w_j r_off,i' J_off,i J_on,j' r_on,j",
        assumptions="any model, any parameters",
        source="derived, security-vector notes theorem 5",
        side=Side.IDENTITY,
        function=_kernel,
        evidence=_WORLDS,
        planted=lambda c: _kernel(c, off=True),
    ),
    Record(
        name="kappa, two factors",
        statement="<g_F, g_on> / |g_F|^2 = (|g_on| / |g_F|) cos(g_F, g_on)",
        assumptions=f"any model, any parameters; |g_F| > {LEAST:g}",
        source="derived, security-vector notes 2",
        side=Side.IDENTITY,
        function=_factors,
        evidence=_WORLDS,
        domain=pulls,
        planted=lambda c: _factors(c, aligned=True),
    ),
    Record(
        name="harm by useful learning",
        statement="(dF/dB)(1 + a <g_B, g_on> / ((1 - a) <g_B, g_B^on>)) = [a kappa_H "
        "|g_F|^2 + (1 - a) <g_F, g_B^on>] / [(1 - a) kappa_B |g_B|^2]",
        assumptions=f"{_MODEL}; no rate below {LEAST:g}",
        source="derived, security-vector notes theorem 6",
        side=Side.IDENTITY,
        function=_price,
        evidence=_WORLDS,
        domain=_priced,
        planted=lambda c: _price(c, eroding=False),
    ),
)
"""Theorem 5 of the security-vector notes, exact part; the price of theorem 6."""
