"""Lambert's W and its logarithmic twin, for arguments of any size."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.numerics import safe_log
from theory.typing import Array

_HALLEY = 4  # cubic convergence from within 0.4: three steps reach float64
_LARGE = 1.0  # beyond, w = z - y keeps digits that exp(y) loses


@jax.custom_jvp
def _log_omega(z: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """The root of y + e^y = z by Halley's steps, from the right of the root."""
    regular = jnp.isfinite(z)
    held = jnp.where(regular, z, 0.0)
    y = jnp.where(held > 1, jnp.log(jnp.where(held > 1, held, 1.0)), held)
    for _ in range(_HALLEY):
        power = jnp.exp(y)
        newton = (y + (power - held)) / (1 + power)
        y = y - newton / (1 - newton * power / (1 + power) / 2)
    return jnp.where(regular, y, z)


@_log_omega.defjvp
def _log_omega_slope(
    numbers: tuple[jax.Array], moves: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Slope: dy/dz = 1 / (1 + e^y)."""
    y = _log_omega(numbers[0])
    return y, moves[0] * jax.nn.sigmoid(-y)


def log_omega(z: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """The y with y + e^y = z: log W(e^z), where e^z itself may overflow.

    Formula: y = log W(e^z), dy/dz = 1 / (1 + e^y). Shape: any. Domain: any z, -inf and
    inf included. Source: standard (Wright's omega).

    >>> print(f"{float(log_omega(jnp.array(2.0))):.4f}")
    0.4429
    """
    return _log_omega(jnp.asarray(z) * 1.0)


def omega(z: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """W(e^z), to full relative precision: z - log z + ... where e^z overflows.

    Formula: w + log w = z. Shape: any. Domain: any z; 0 at -inf. Source: standard
    (Wright's omega).

    >>> print(f"{float(omega(jnp.array(1000.0))):.3f}")
    993.099
    """
    z = jnp.asarray(z) * 1.0
    y = log_omega(z)
    large = (z > _LARGE) & jnp.isfinite(z)
    difference = jnp.where(large, z, 0.0) - jnp.where(large, y, 0.0)
    return jnp.where(large, difference, jnp.exp(jnp.where(large, 0.0, y)))


@jax.custom_jvp
def _lambert_w(x: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """W(x): omega(log x), and one more Newton step where log x is a poor coordinate."""
    w = omega(safe_log(x))
    small = x < 1
    near, argument = jnp.where(small, w, 0.0), jnp.where(small, x, 0.0)
    near = (near * near + argument * jnp.exp(-near)) / (1 + near)
    return jnp.where(small, near, w)


@_lambert_w.defjvp
def _lambert_w_slope(
    numbers: tuple[jax.Array], moves: tuple[jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Slope: dW/dx = e^-W / (1 + W), which is 1 at x = 0."""
    w = _lambert_w(numbers[0])
    return w, moves[0] * jnp.exp(-w) / (1 + w)


def lambert_w(x: Float[Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """W(x), the w >= 0 with w e^w = x; for x beyond the largest float use `omega`.

    Formula: w = x e^-w, dw/dx = e^-w / (1 + w). Shape: any. Domain: x >= 0. Source:
    standard (Corless et al. 1996).

    >>> print(f"{float(lambert_w(jnp.array(1.0))):.6f}")
    0.567143
    """
    return _lambert_w(jnp.asarray(x) * 1.0)
