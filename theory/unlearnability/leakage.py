"""How fast a behaviour leaks into a model that trains beside an active vector.

Training sees the model with the vector on, deployment the one with it off. On the
gradient flow of share * L_harm^on + (1 - share) * L_benign^on every loss of the off
model moves by inner products of off gradients with on gradients: nothing is bounded
here, all rates are exact. Security-vector notes, theorem 5.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.tradeoff.parameter_ball import logit_norm
from theory.typing import Array, Nats

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Gradient = Float[Array, "*#batch n"]
"""The gradient of a loss, or of a batch of losses."""


class Samples(NamedTuple):
    """What a loss pulls on: weights w_i [..., i], Jacobians dz_i/dtheta [..., i, y, n]
    of the logits, and residuals r_i [..., i, y], prediction minus target.

    Weights of 1/N make means. Source: security-vector notes 3.
    """

    weights: Float[Array, "*#batch i"]
    jacobians: Float[Array, "*#batch i y n"]
    residuals: Float[Array, "*#batch i y"]


class Gradients(NamedTuple):
    """The four gradients of theorem 5, [..., n] each: harm and benign, off and on.

    `harm_off` is g_F, `harm_on` g_on, `benign_off` g_B, `benign_on` g_B^on.
    """

    harm_off: Gradient
    harm_on: Gradient
    benign_off: Gradient
    benign_on: Gradient


def mean_gradient(samples: Samples) -> Float[jax.Array, "*batch n"]:
    """The gradient of a mean cross-entropy: residuals pulled back to parameters.

    Formula: sum_i w_i J_i' r_i. Shapes: -> [..., n]. Unit: nats per unit of the
    parameters. Source: derived, security-vector notes 1.2.

    >>> samples = Samples(jnp.ones(1), jnp.eye(2)[None], jnp.array([[0.5, -0.5]]))
    >>> mean_gradient(samples).tolist()
    [0.5, -0.5]
    """
    residuals = jnp.asarray(samples.weights)[..., None] * samples.residuals
    pulled = jnp.asarray(samples.jacobians) * residuals[..., None]
    return jnp.sum(pulled, axis=(-3, -2))


def cross_kernel(
    first: Float[Array, "*#batch i y n"], second: Float[Array, "*#batch j z n"]
) -> Float[jax.Array, "*batch i y j z"]:
    """The tangent kernel between the logits of two states: off against on.

    Formula: J_i J_j'. Shapes: [..., i, y, n], [..., j, z, n] -> [..., i, y, j, z].
    Symmetric only if both states are one. Source: derived, security-vector notes 3,
    theorem 5.

    >>> cross_kernel(jnp.eye(2)[None], 2 * jnp.eye(2)[None])[0, :, 0, :].tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    return jnp.einsum("...iyn,...jzn->...iyjz", first, second, precision="highest")


def kernel_rate(off: Samples, on: Samples) -> Nats:
    """How fast descending one loss lowers another, by the cross-kernel.

    Formula: sum_ij w_i w_j r_i' K_ij r_j = <sum_i w_i J_i' r_i, sum_j w_j J_j' r_j>.
    Shapes: -> [...]. Unit: nats per unit of time (step times steps). Source: derived,
    security-vector notes 3, theorem 5.

    >>> off = Samples(jnp.ones(1), jnp.eye(2)[None], jnp.array([[0.5, -0.5]]))
    >>> on = off._replace(residuals=jnp.array([[0.25, -0.25]]))
    >>> float(kernel_rate(off, on))
    0.25
    """
    kernel = cross_kernel(off.jacobians, on.jacobians)
    left = jnp.asarray(off.weights)[..., None] * off.residuals
    right = jnp.asarray(on.weights)[..., None] * on.residuals
    return jnp.einsum(
        "...iy,...iyjz,...jz->...", left, kernel, right, precision="highest"
    )


def harm_rate(gradients: Gradients, share: Number) -> Nats:
    """dF/dt, how fast the harmful loss of the off model moves; negative: harm learnt.

    Formula: dF/dt = -share <g_F, g_on> - (1 - share) <g_F, g_B^on>. The vector acts on
    the first term; the second, benign data eroding safety, it leaves alone. Shapes: ->
    [...]. Unit: nats per unit of time. Domain: share of harm in [0, 1]. Source:
    derived, security-vector notes 3, theorem 5.

    >>> one = jnp.array([1.0])
    >>> float(harm_rate(Gradients(one, 0.5 * one, one, one), 0.5))
    -0.75
    """
    return _rate(gradients.harm_off, gradients, share)


def benign_rate(gradients: Gradients, share: Number) -> Nats:
    """dB/dt, how fast the benign loss of the off model moves; negative: task learnt.

    Formula: dB/dt = -(1 - share) <g_B, g_B^on> - share <g_B, g_on>. Shapes: -> [...].
    Unit: nats per unit of time. Domain: share of harm in [0, 1]. Source: derived,
    security-vector notes 3, theorem 5.

    >>> one = jnp.array([1.0])
    >>> float(benign_rate(Gradients(one, -0.5 * one, one, one), 0.5))
    -0.25
    """
    return _rate(gradients.benign_off, gradients, share)


def _rate(gradient: Gradient, gradients: Gradients, share: Number) -> Nats:
    """The rate of the loss with that gradient."""
    share = jnp.asarray(share)
    harm = inner(gradient, gradients.harm_on)
    return -share * harm - (1 - share) * inner(gradient, gradients.benign_on)


def inner(first: Gradient, second: Gradient) -> Nats:
    """The inner product of two gradients.

    Formula: <g, h> = sum_k g_k h_k. Shapes: [..., n] -> [...]. Source: standard.

    >>> float(inner(jnp.array([1.0, 2.0]), jnp.array([3.0, 4.0])))
    11.0
    """
    return jnp.sum(jnp.asarray(first) * jnp.asarray(second), axis=-1)


def norm(gradient: Gradient) -> Nats:
    """The Euclidean length of a gradient, without underflow; its own gradient 0 at 0.

    Shapes: [..., n] -> [...]. Source: standard.

    >>> float(norm(jnp.array([3.0, 4.0])))
    5.0
    """
    return logit_norm(jnp.asarray(gradient)[..., None, :])


def relative_rate(off: Gradient, on: Gradient) -> Nats:
    """kappa, how fast a behaviour is learnt beside the vector, relative to without.

    Formula: kappa = <g_off, g_on> / |g_off|^2 = suppression * alignment; 1 is no
    protection, 0 none is learnt, negative is unlearning. kappa_H of harmful gradients,
    kappa_B of benign ones (wanted near 1). Shapes: -> [...]. No unit. Domain: says
    nothing where g_off = 0 (data fitted already), where it is set to 0. Source:
    derived, security-vector notes 2.

    >>> float(relative_rate(jnp.array([2.0, 0.0]), jnp.array([1.0, 7.0])))
    0.5
    """
    off, on = jnp.asarray(off), jnp.asarray(on)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(off), axis=-1, keepdims=True))
    moves = largest > 0
    scale = jnp.where(moves, largest, 1.0)  # squares of tiny gradients underflow
    square = inner(off / scale, off / scale)
    square = jnp.where(moves[..., 0], square, 1.0)
    return inner(off / scale, on / scale) / square


def suppression(off: Gradient, on: Gradient) -> Nats:
    """How much shorter the vector makes a gradient: the first factor of kappa.

    Formula: |g_on| / |g_off|. Shapes: -> [...]. No unit. 0 where g_off = 0. Source:
    derived, security-vector notes 2.

    >>> float(suppression(jnp.array([2.0]), jnp.array([-1.0])))
    0.5
    """
    length = norm(off)
    moves = length > 0
    return jnp.where(moves, norm(on) / jnp.where(moves, length, 1.0), 0.0)


def alignment(first: Gradient, second: Gradient) -> Nats:
    """The cosine between two gradients: the second factor of kappa.

    Formula: <g, h> / (|g| |h|), in [-1, 1]. Shapes: -> [...]. No unit. 0 where either
    is 0. Source: derived, security-vector notes 2.

    >>> float(alignment(jnp.array([2.0, 0.0]), jnp.array([0.0, 1.0])))
    0.0
    """
    return inner(_unit(first), _unit(second))


def _unit(gradient: Gradient) -> Float[jax.Array, "*batch n"]:
    """The gradient made of length 1; 0 stays 0."""
    length = norm(gradient)[..., None]
    moves = length > 0
    unit = jnp.asarray(gradient) / jnp.where(moves, length, 1.0)
    return jnp.where(moves, unit, 0.0)


def selectivity(rate_benign: Number, rate_harm: Number) -> Nats:
    """kappa_B / kappa_H, how much more useful than harmful learning is let through.

    Formula: kappa_B / |kappa_H|; 1 is no selectivity, inf where harm stands still.
    Shape: any, broadcast. No unit. Source: derived, security-vector notes 2.

    >>> float(selectivity(0.75, 0.5))
    1.5
    """
    benign, harm = jnp.asarray(rate_benign) * 1.0, jnp.abs(jnp.asarray(rate_harm))
    learnt = harm > 0
    return jnp.where(learnt, benign / jnp.where(learnt, harm, 1.0), jnp.inf)
