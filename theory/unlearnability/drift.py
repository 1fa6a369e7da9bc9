"""How far training on explained data can move a model: drift ruled by the error left.

Gradient steps of rate eta on the loss with the vector active; D bounds the separation
on the path, e_i is the prediction error of sample i at the START. All bounds are of the
length of the path, so of the displacement too.
"""

import jax
import jax.numpy as jnp
import numpy as np

from theory.compression.lambert import log_omega
from theory.numerics import safe_sqrt
from theory.unlearnability.error_bounds import gradient_ceiling
from theory.unlearnability.prediction_error import Number, Result, error_from_loss

_NEWTON = 3  # steps that give a tiny advance its digits, from one with rounding only


def drift_ceiling(rate: Number, apart: Number, error_sum: Number) -> Result:
    """The longest path of single-sample or batched gradient steps, in any order.

    Formula: |theta_T - theta_0| <= -(1/D) log(1 - eta D^2 S), S = sum_t e_{i_t} at the
    start; inf once eta D^2 S >= 1. No smoothness is assumed. Shape: any, broadcast.
    Domain: eta, D, S >= 0. Source: derived, security-vector notes theorem 3.

    >>> print(f"{float(drift_ceiling(0.5, 1.0, 1.0)):.4f}")
    0.6931
    """
    apart = jnp.asarray(apart) * 1.0
    scaled = jnp.asarray(rate) * jnp.asarray(error_sum) * apart**2
    bounded, moving = scaled < 1, apart > 0
    log = -jnp.log1p(-jnp.where(bounded, scaled, 0.0))
    return jnp.where(bounded, log / jnp.where(moving, apart, 1.0), jnp.inf)


def descent_drift_ceiling(effort: Number, apart: Number, loss_start: Number) -> Result:
    """The longest path of full-batch descent, by the loss at the start.

    Formula: tau D (1 - exp(-L_0)), tau = eta T, since L_t <= L_0. Shape: any,
    broadcast. Domain: eta at most 1 / smoothness. Source: derived, security-vector
    notes theorem 3.

    >>> print(f"{float(descent_drift_ceiling(10.0, 1.0, 0.01)):.4f}")
    0.0995
    """
    return jnp.asarray(effort) * gradient_ceiling(error_from_loss(loss_start), apart)


def descent_drift_by_fall(effort: Number, fall: Number) -> Result:
    """The longest path of full-batch descent, by how much the loss fell.

    Formula: sqrt(2 tau (L_0 - L_T)), tau = eta T. Shape: any, broadcast. Domain: eta at
    most 1 / smoothness, fall >= 0. Source: derived, security-vector notes theorem 3.

    >>> float(descent_drift_by_fall(2.0, 1.0))
    2.0
    """
    return safe_sqrt(2 * jnp.asarray(effort) * jnp.asarray(fall) * 1.0)


def drift_ceiling_saturating(effort: Number, apart: Number, error: Number) -> Result:
    """The longest path of full-batch descent of any rate: never infinite.

    Formula: u / D with u + (1 - e)/e (1 - exp(-u)) = tau D^2, tau = eta T: the error
    after a move is at most e / (e + (1 - e) exp(-D d)), concave in e, so `error` is the
    mean at the start (for single samples in any order, the largest). Below tau D.
    Shape: any, broadcast. Domain: 0 <= e <= 1. Source: derived, sharpens
    security-vector notes theorem 3 by the log-odds.

    >>> print(f"{float(drift_ceiling_saturating(2.0, 1.0, 0.5)):.4f}")
    1.2785
    """
    apart = jnp.asarray(apart) * 1.0
    moving = apart > 0
    advance = _advance(jnp.asarray(effort) * apart**2, jnp.asarray(error) * 1.0)
    return advance / jnp.where(moving, apart, 1.0)


def loss_change_ceiling(apart_off: Number, drift: Number) -> Result:
    """The most that a drift can change the loss of the deactivated model.

    Formula: |F(theta_T) - F(theta_0)| <= D_off |theta_T - theta_0|. Shape: any,
    broadcast. Unit: nats. Source: derived, security-vector notes theorem 3.

    >>> float(loss_change_ceiling(2.0, 0.5))
    1.0
    """
    return jnp.asarray(apart_off) * jnp.asarray(drift) * 1.0


def loss_change_ceiling_smooth(
    gradient_norm: Number, smoothness: Number, drift: Number
) -> Result:
    """The same by the gradient at the start and a bound beta of the curvature.

    Formula: |g_F| rho + beta rho^2 / 2, rho the drift. Shape: any, broadcast. Unit:
    nats. Source: derived, security-vector notes theorem 3.

    >>> float(loss_change_ceiling_smooth(1.0, 2.0, 0.5))
    0.75
    """
    drift = jnp.asarray(drift) * 1.0
    return drift * (jnp.asarray(gradient_norm) + jnp.asarray(smoothness) * drift / 2)


def resistance_certificate(
    rate: Number, apart: Number, apart_off: Number, error: Number, fall: Number
) -> Result:
    """The least steps that lower the deactivated model's loss by `fall`.

    Formula: T >= (1 - exp(-D fall / D_off)) / (eta D^2 e), e the mean error at the
    start over the samples used; inf at e = 0. Shape: any, broadcast. Unit: steps.
    Domain: eta, D, D_off > 0; 0 for fall <= 0. Source: derived, security-vector notes
    theorem 3.

    >>> print(f"{float(resistance_certificate(0.1, 1.0, 1.0, 1e-4, 3.0)):.0f}")
    95021
    """
    rise = -jnp.expm1(-_needed_advance(apart, apart_off, fall))
    return _steps(rise, rate, apart, error)


def resistance_certificate_saturating(
    rate: Number, apart: Number, apart_off: Number, error: Number, fall: Number
) -> Result:
    """The least full-batch steps that lower the deactivated model's loss by `fall`.

    Formula: T >= (u + (1 - e)/e (1 - exp(-u))) / (eta D^2), u = D fall / D_off: never
    below the simple certificate. Shape: any, broadcast. Unit: steps. Domain: any eta, D
    and D_off > 0; 0 for fall <= 0. Source: derived, sharpens security-vector notes
    theorem 3 by the log-odds.

    >>> found = resistance_certificate_saturating(0.1, 1.0, 1.0, 1e-4, 3.0)
    >>> print(f"{float(found):.0f}")
    95042
    """
    error = jnp.asarray(error) * 1.0
    advance = _needed_advance(apart, apart_off, fall)
    rise = error * advance - (1 - error) * jnp.expm1(-advance)
    return _steps(rise, rate, apart, error)


def resistance_certificate_descent(
    rate: Number, apart: Number, apart_off: Number, loss_start: Number, fall: Number
) -> Result:
    """The least full-batch steps for a fall, when descent never raises the loss.

    Formula: T >= fall / (eta D D_off (1 - exp(-L_0))), sharper than the others since
    the error does not grow. Shape: any, broadcast. Unit: steps. Domain: eta at most 1 /
    smoothness, D, D_off > 0; 0 for fall <= 0. Source: derived, from (ii) and (iii) of
    security-vector notes theorem 3.

    >>> found = resistance_certificate_descent(0.1, 1.0, 1.0, 1e-4, 3.0)
    >>> print(f"{float(found):.0f}")
    300015
    """
    advance = _needed_advance(apart, apart_off, fall)
    return _steps(advance, rate, apart, error_from_loss(loss_start))


def _needed_advance(apart: Number, apart_off: Number, fall: Number) -> Result:
    """How far the log-odds must at least advance: u = D fall / D_off."""
    fall = jnp.maximum(jnp.asarray(fall) * 1.0, 0.0)
    return jnp.asarray(apart) * fall / jnp.asarray(apart_off)


def _steps(rise: jax.Array, rate: Number, apart: Number, error: Number) -> Result:
    """Rise / (eta D^2 e); inf at e = 0, but 0 if nothing has to rise."""
    pace = jnp.asarray(rate) * jnp.asarray(apart) ** 2 * jnp.asarray(error) * 1.0
    finite = pace > 0
    steps = rise / jnp.where(finite, pace, 1.0)
    return jnp.where(finite, steps, jnp.where(rise > 0, jnp.inf, 0.0))


def _advance(time: jax.Array, error: jax.Array) -> Result:
    """The u with e u + (1 - e)(1 - exp(-u)) = e t, regular at e = 0 and e = 1.

    Formula: with K = (1 - e)/e and w = log K - u it is w + e^w = log K + K - t; then
    Newton's steps, whose last also carries the gradient.
    """
    held = jax.lax.stop_gradient(error)
    range_ = np.finfo(held.dtype)
    inner = jnp.clip(held, 2 * float(range_.tiny), 1 - float(range_.eps))
    odds = (1 - inner) / inner
    reach = jax.lax.stop_gradient(time)
    log_odds = jnp.log(odds)
    u = jnp.clip(log_odds - log_omega(log_odds + odds - reach), 0.0, reach)
    for _ in range(_NEWTON):
        excess = error * (u - time) - (1 - error) * jnp.expm1(-u)
        u = u - excess / (error + (1 - error) * jnp.exp(-u))
    return u
