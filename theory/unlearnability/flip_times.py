"""The solvable model: how long it takes to unlearn safety with a vector active.

One harmful margin w starts at -m (safe). The vector adds a shift s while training: the
loss is log(1 + e^-(w + s)), and dw/dt = 1 / (1 + e^(w + s)). The deactivated model
flips when w = 0. Times are rate times steps. Security-vector notes theorem 3'.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from theory.compression.saturation import forward_end
from theory.unlearnability.prediction_error import Number, Result


class StepRange(NamedTuple):
    """The least and the greatest number of steps, real numbers."""

    least: Result
    most: Result


def loss_on(margin: Number, shift: Number) -> Result:
    """L_0, the loss of the active model at the start.

    Formula: log(1 + e^(m - s)). Shape: any, broadcast. Unit: nats. Source: derived,
    security-vector notes theorem 3'.

    >>> print(f"{float(loss_on(3.0, 9.0)):.4f}")
    0.0025
    """
    return jax.nn.softplus(jnp.asarray(margin) * 1.0 - jnp.asarray(shift))


def flip_time(margin: Number, shift: Number) -> Result:
    """When the deactivated model flips: exponential in the vector's shift.

    Formula: T = m + e^s (1 - e^-m). Shape: any, broadcast. Domain: m >= 0, e^s finite;
    s = 0 is the undefended model. Source: derived, security-vector notes theorem 3'.

    >>> print(f"{float(flip_time(3.0, 0.0)):.4f} {float(flip_time(3.0, 9.0)):.0f}")
    3.9502 7703
    """
    margin = jnp.asarray(margin) * 1.0
    return margin - jnp.exp(jnp.asarray(shift) * 1.0) * jnp.expm1(-margin)


def flip_time_by_loss(margin: Number, loss: Number) -> Result:
    """The same from the loss that the vector leaves: inverse to a small one.

    Formula: T = m + (e^m - 1) / (e^L_0 - 1). Shape: any, broadcast. Domain: m >= 0,
    L_0 > 0 (inf at 0). Source: derived, security-vector notes theorem 3'.

    >>> print(f"{float(flip_time_by_loss(3.0, loss_on(3.0, 2.0))):.3f}")
    10.021
    """
    margin, loss = jnp.asarray(margin) * 1.0, jnp.asarray(loss) * 1.0
    positive = loss > 0
    left = jnp.expm1(jnp.where(positive, loss, 1.0))
    return margin + jnp.where(positive, jnp.expm1(margin) / left, jnp.inf)


def flip_time_classes(margin: Number, shift: Number, classes: Number) -> Result:
    """When the deactivated model flips, all logits of V symmetric classes trained.

    Formula: T = (e^s (1 - e^-m) + (V - 1) m) / V. Shape: any, broadcast. Domain: V >=
    2, m >= 0, e^s finite. Source: derived, security-vector notes theorem 3'.

    >>> print(f"{float(flip_time_classes(3.0, 5.0, 2)):.3f}")
    72.012
    """
    margin, classes = jnp.asarray(margin) * 1.0, jnp.asarray(classes) * 1.0
    rise = -jnp.exp(jnp.asarray(shift) * 1.0) * jnp.expm1(-margin)
    return (rise + (classes - 1) * margin) / classes


def margin_at(time: Number, margin: Number, shift: Number) -> Result:
    """w(t), the margin of the deactivated model on the way: -m at 0, 0 at the flip.

    Formula: w = u - s with u + e^u = t + u_0 + e^u_0, u_0 = s - m: u = c - W(e^c), c
    the right side. Shape: any, broadcast. Domain: t >= 0, e^(s - m) finite. Source:
    derived, security-vector notes theorem 3'.

    >>> print(f"{float(margin_at(3.0, 3.0, 0.0)):.4f}")
    -0.5356
    """
    shift = jnp.asarray(shift) * 1.0
    return forward_end(shift - jnp.asarray(margin), time) - shift


def margin_at_classes(
    time: Number, margin: Number, shift: Number, classes: Number
) -> Result:
    """w(t) of V symmetric classes, the target's logit against each other one.

    Formula: du/dt = V / (e^u + V - 1), u = w + s: the flow of one margin for y = u -
    log(V - 1) at V / (V - 1) times the speed. Shape: any, broadcast. Domain: V >= 2, t
    >= 0, e^(s - m) finite. Source: derived, security-vector notes theorem 3'.

    >>> print(f"{abs(float(margin_at_classes(72.0123, 3.0, 5.0, 2))):.3f}")
    0.000
    """
    shift, classes = jnp.asarray(shift) * 1.0, jnp.asarray(classes) * 1.0
    offset = shift - jnp.log(classes - 1)
    hastened = jnp.asarray(time) * classes / (classes - 1)
    return forward_end(offset - jnp.asarray(margin), hastened) - offset


def step_gain(rate: Number) -> Result:
    """The most time of the flow that one gradient step of rate eta gains, over eta.

    Formula: 1 + eta e^eta / 8; never below 1, since the speed falls along a step: a
    step Delta = eta / (1 + e^u) gains Delta + e^u (e^Delta - 1). Shape: any. Domain:
    eta >= 0. Source: derived, extends security-vector notes theorem 3' to steps.

    >>> print(f"{float(step_gain(0.001)):.6f}")
    1.000125
    """
    rate = jnp.asarray(rate) * 1.0
    return 1 + rate * jnp.exp(rate) / 8


def flip_steps(margin: Number, shift: Number, rate: Number) -> StepRange:
    """Between which numbers of steps gradient descent flips the deactivated model.

    Formula: T / (eta (1 + eta e^eta / 8)) <= steps <= T / eta + 1. Shape: any,
    broadcast. Domain: eta > 0. Source: derived, extends security-vector notes theorem
    3' to steps.

    >>> low, high = flip_steps(3.0, 0.0, 1e-3)
    >>> print(f"{float(low):.1f} {float(high):.1f}")
    3949.7 3951.2
    """
    rate = jnp.asarray(rate) * 1.0
    steps = flip_time(margin, shift) / rate
    return StepRange(steps / step_gain(rate), steps + 1)
