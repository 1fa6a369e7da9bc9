"""Is min-min worth it? One margin, a vector and a simulated user that learn together.

The on model answers a harmful prompt with the margin u = w + s, loss log(1 + e^-u); the
vector owns s, the simulated user w. Min-min trains both on the same loss and resets w.
Plain training holds w. Security-vector notes, remark 8.
"""

import jax
import jax.numpy as jnp

from theory.compression.saturation import forward_end
from theory.typing import Nats
from theory.unlearnability.leakage import Number


def joint_margin(start: Number, effort: Number, user: Number) -> Nats:
    """u, the margin while the simulated user is still there.

    Formula: du/d effort = (1 + a) sigma(-u): u + e^u grows by (1 + a) effort; a =
    `user` is the user's step over the vector's. Shape: any, broadcast. Domain: effort
    (step * steps of the vector) >= 0, a >= 0, e^start finite. Source: derived,
    security-vector notes 3, remark 8 and theorem 3'.

    >>> print(f"{float(joint_margin(-1.0, 10.0, 0.0)):.4f}")
    1.9975
    """
    user = jnp.asarray(user) * 1.0
    return forward_end(start, (1 + user) * jnp.asarray(effort))


def reset_margin(start: Number, effort: Number, user: Number) -> Nats:
    """The margin once the simulated user is reset: the vector's own part of it.

    Formula: u_0 + (u - u_0) / (1 + a), s's share of what both learnt. a = 0 is plain
    training; falls with a, to u_0 as a -> inf: the user relieves the vector of its
    work. Shape: any, broadcast. Domain: as `joint_margin`. Source: derived,
    security-vector notes 3, remark 8.

    >>> print(f"{float(reset_margin(-1.0, 5.0, 1.0)):.4f}")
    0.4987
    """
    start = jnp.asarray(start) * 1.0
    gained = joint_margin(start, effort, user) - start
    return start + gained / (1 + jnp.asarray(user))


def residual_loss(margin: Number) -> Nats:
    """The loss that is left at a margin.

    Formula: log(1 + e^-u). Shape: any. Unit: nats. Source: standard.

    >>> print(f"{float(residual_loss(0.0)):.4f}")
    0.6931
    """
    return jax.nn.softplus(-jnp.asarray(margin) * 1.0)


def adaptation_gap(start: Number, effort: Number, user: Number) -> Nats:
    """By how much the loss at the reset model exceeds the loss that training showed.

    Formula: log(1 + e^-r) - log(1 + e^-u) >= 0, r `reset_margin`, u `joint_margin`; 0
    for plain training. A validation at the simulated user is blind to it. Written as
    log(1 + sigma(-u) (e^(u - r) - 1)): no difference of losses. Shape: any, broadcast.
    Unit: nats. Domain: u - r below the logarithm of the largest number. Source:
    derived, security-vector notes 3, remark 8.

    >>> float(adaptation_gap(0.0, 5.0, 0.0))
    0.0
    """
    user = jnp.asarray(user) * 1.0
    margin = joint_margin(start, effort, user)
    lost = (margin - jnp.asarray(start)) * user / (1 + user)
    return jnp.log1p(jax.nn.sigmoid(-margin) * jnp.expm1(lost))


def effort_needed(start: Number, margin: Number, user: Number) -> Nats:
    """The vector's effort until the margin at the reset model is as wanted.

    Formula: with u = u_0 + (1 + a) (r - u_0): (r - u_0) + (e^u - e^u_0) / (1 + a):
    e^(r - u_0) for plain training, e^((1 + a) (r - u_0)) with a simulated user. Shape:
    any, broadcast. Domain: margin r >= start. Source: derived, security-vector notes
    3, remark 8.

    >>> float(effort_needed(1.0, 1.0, 2.0))
    0.0
    """
    start, more = jnp.asarray(start) * 1.0, 1 + jnp.asarray(user) * 1.0
    gained = jnp.asarray(margin) - start
    return gained + jnp.exp(start) * jnp.expm1(more * gained) / more
