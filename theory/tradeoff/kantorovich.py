"""Why Case II is steeper: what a small gain in capability costs in either case.

A ball of parameters moves along the gradient g of L_f, the loss constraint along
H^-1 g, H the curvature of the safety loss. Both costs are quadratic in the gain and
three numbers decide their ratio, the Kantorovich factor.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from theory.laws import World
from theory.symmetric import Matrix, Vector, apply, eigen, form
from theory.tradeoff.shapes import Number
from theory.typing import Array, Nats


class Forms(NamedTuple):
    """||g||^2, g' H g and g' H^+ g (inf where g leaves the range of H); all [...]."""

    norm_squared: Float[Array, "*batch"]
    curvature: Float[Array, "*batch"]
    inverse: Float[Array, "*batch"]


def loss_cost(forms: Forms) -> Nats:
    """What Case I pays per squared gain, for small gains: the least any move pays.

    Formula: G_s = gain^2 / (2 g' H^-1 g); 0 if g leaves the range of H. Shapes: [...].
    Unit: 1/nats. Domain: g != 0 (inf otherwise). Source: derived, notes 9.3.

    >>> float(loss_cost(Forms(*map(jnp.array, (1.0, 2.0, 0.5)))))
    1.0
    """
    return _ratio(jnp.ones_like(forms.inverse), 2 * jnp.asarray(forms.inverse))


def ball_cost(forms: Forms) -> Nats:
    """What a Euclidean ball (Case II) pays per squared gain, for small gains.

    Formula: G_s = gain^2 g' H g / (2 ||g||^4). Shapes: [...]. Unit: 1/nats. Domain: g
    != 0 (inf otherwise). Source: derived, notes 9.3.

    >>> float(ball_cost(Forms(*map(jnp.array, (1.0, 2.0, 0.5)))))
    1.0
    """
    square = jnp.asarray(forms.norm_squared)
    rayleigh = _ratio(jnp.asarray(forms.curvature) * 1.0, square)
    return jnp.where(square > 0, _ratio(rayleigh, 2 * square), jnp.inf)


def kantorovich_factor(forms: Forms) -> Nats:
    """Kappa >= 1, how many times more safety Case II pays than Case I.

    Formula: kappa = (g' H g) (g' H^+ g) / ||g||^4; 1 iff g is an eigenvector of H. inf
    if g leaves the range of H: Case I then moves for free; 1 if g' H g = 0, where both
    do, and at g = 0. Shapes: [...]. No unit. Source: derived, notes (9.2).

    >>> float(kantorovich_factor(Forms(*map(jnp.array, (2.0, 5.0, 1.25)))))
    1.5625
    """
    square, paid = jnp.asarray(forms.norm_squared), jnp.asarray(forms.curvature)
    trades = (square > 0) & (paid > 0)
    safe = jnp.where(trades, square, 1.0)
    rayleigh = jnp.where(trades, paid, 1.0) / safe
    finite = trades & jnp.isfinite(forms.inverse)
    spread = jnp.where(finite, forms.inverse, 1.0) / safe
    free = jnp.where(trades, jnp.inf, 1.0)
    return jnp.where(finite, rayleigh * spread, free)


def _ratio(above: jax.Array, below: jax.Array) -> jax.Array:
    """The quotient, inf where below is 0, with safe gradients."""
    positive = jnp.asarray(below) > 0
    finite = positive & jnp.isfinite(below)
    divided = above / jnp.where(finite, below, 1.0)
    return jnp.where(finite, divided, jnp.where(positive, 0.0, jnp.inf))


def kantorovich_ceiling(largest: Number, smallest: Number) -> Nats:
    """The largest kappa that a curvature of this spread allows.

    Formula: (Lmax + Lmin)^2 / (4 Lmax Lmin), attained where g is an equal mixture of
    the two extreme eigenvectors. Shapes: [...]. No unit. Domain: 0 <= Lmin <= Lmax, the
    extreme eigenvalues of H (on its range, if g lies there); inf at Lmin = 0. Source:
    standard (Kantorovich), notes (9.2).

    >>> float(kantorovich_ceiling(4.0, 1.0))
    1.5625
    """
    high, low = jnp.asarray(largest) * 1.0, jnp.asarray(smallest) * 1.0
    return _ratio((high + low) / 2, high) * _ratio((high + low) / 2, low)


def safety_cost(gain: Number, cost: Number) -> Nats:
    """The predicted local frontier: the safety gap that a small gain takes.

    Formula: G_s = cost * gain^2, the cost that of Case I or Case II. Case I's is a
    bound for ANY move of a quadratic G_s and a convex L_f. Shapes: [...]. Unit: nats.
    Domain: gain >= 0, theta_s perfectly aligned. Source: derived, notes 9.3.

    >>> float(safety_cost(0.5, 2.0))
    0.5
    """
    return jnp.asarray(cost) * jnp.square(jnp.asarray(gain))


def forms_of_matrix(
    gradient: Vector, curvature: Matrix, tolerance: float | None = None
) -> Forms:
    """The three forms of a gradient and a dense curvature, singular or not.

    Formula: ||g||^2, g' H g, g' H^+ g by eigenpairs. Eigenvalues up to tolerance^2
    times the largest count as 0, and g leaves the range if its part there is longer
    than tolerance ||g||; the default is the root of 16 n roundings. Gradients
    are right inside the range. Shapes: [..., n], [..., n, n] -> three of [...]. Domain:
    H symmetric semi-definite. Source: derived, notes 9.3.

    >>> forms = forms_of_matrix(jnp.array([1.0, 1.0]), jnp.diag(jnp.array([1.0, 4.0])))
    >>> print(*(f"{float(form):.4f}" for form in forms))
    2.0000 5.0000 1.2500
    """
    gradient, curvature = jnp.asarray(gradient), jnp.asarray(curvature)
    inverse, leaves = _pseudo_inverse(gradient, curvature, tolerance)
    value = jnp.sum((2 * gradient - apply(curvature, inverse)) * inverse, axis=-1)
    return Forms(
        norm_squared=jnp.sum(gradient**2, axis=-1) + jnp.zeros_like(value),
        curvature=form(curvature, gradient),
        inverse=jnp.where(leaves, jnp.inf, value),
    )


def _pseudo_inverse(
    vector: Float[jax.Array, "*#batch n"],
    matrix: Float[jax.Array, "*#batch n n"],
    tolerance: float | None,
) -> tuple[Float[jax.Array, "*batch n"], Bool[jax.Array, "*batch"]]:
    """M^+ v, held constant (it is stationary), and whether v leaves the range."""
    vector, matrix = jax.lax.stop_gradient((vector, matrix))
    # An eigenvalue of 0 comes out as some roundings of the largest one.
    root = float(np.sqrt(16 * matrix.shape[-1] * np.finfo(matrix.dtype).eps))
    share = root if tolerance is None else tolerance
    values, vectors = eigen(matrix)
    parts = apply(jnp.swapaxes(vectors, -1, -2), vector)
    kept = values > share**2 * values[..., -1:]
    lost = jnp.sum(jnp.where(kept, 0.0, parts**2), axis=-1)
    inverted = jnp.where(kept, parts / jnp.where(kept, values, 1.0), 0.0)
    leaves = lost > share**2 * jnp.sum(parts**2, axis=-1)
    return apply(vectors, inverted), leaves


def forms_of_rows(
    rows: Float[Array, "*#batch m n"],
    fisher: Float[Array, "*#batch m m"],
    residual: Float[Array, "*#batch m"],
    tolerance: float | None = None,
) -> Forms:
    """The three forms of g = J' e and H = J' D J, by the Gram matrix K = J J' alone.

    Formula: ||g||^2 = e' K e, g' H g = e' K D K e, g' H^+ g = e' D^+ e. The last holds
    if J has full row rank: then J^+ D^+ J^+' is a generalised inverse of H, and all of
    those agree on g, which lies in the range of H iff e lies in that of D. Otherwise it
    is an upper bound on g' H^+ g. Shapes: J [..., m, n], D [..., m, m], e [..., m] ->
    three of [...]. Domain: D symmetric semi-definite; tolerance as in
    `forms_of_matrix`. Source: derived, notes 9.3.

    >>> fisher, residual = jnp.diag(jnp.array([1.0, 4.0])), jnp.array([1.0, 1.0])
    >>> print(*(f"{float(f):.4f}" for f in forms_of_rows(jnp.eye(2), fisher, residual)))
    2.0000 5.0000 1.2500
    """
    rows = jnp.asarray(rows)
    gradient = apply(jnp.swapaxes(rows, -1, -2), residual)
    shift = apply(rows, gradient)
    return Forms(
        norm_squared=jnp.sum(gradient**2, axis=-1),
        curvature=form(fisher, shift),
        inverse=forms_of_matrix(residual, fisher, tolerance).inverse,
    )


def softmax_fisher(
    contexts: Float[Array, "*#batch x"], outputs: Float[Array, "*#batch x y"]
) -> Float[jax.Array, "*batch x y y"]:
    """The curvature of a log-loss in the logits, one block a context.

    Formula: D_x = mu(x) (diag p - p p'). Shapes: [..., x], [..., x, y] -> [..., x, y,
    y]. Unit: nats. Source: standard.

    >>> softmax_fisher(jnp.array([1.0]), jnp.array([[0.5, 0.5]])).tolist()
    [[[0.25, -0.25], [-0.25, 0.25]]]
    """
    outputs = jnp.asarray(outputs)
    identity = jnp.eye(outputs.shape[-1], dtype=outputs.dtype)
    block = outputs[..., None] * (identity - outputs[..., None, :])
    return jnp.asarray(contexts)[..., None, None] * block


def forms_of_softmax(
    shift: Float[Array, "*#batch x y"],
    contexts: Float[Array, "*#batch x"],
    outputs: Float[Array, "*#batch x y"],
    residual: Float[Array, "*#batch x y"],
) -> Forms:
    """The three forms where D is the Fisher matrix of softmax outputs, without it.

    Formula: with shift u = J g in the logits, ||g||^2 = sum e u, g' H g = sum_x mu
    Var_p(u), g' H^+ g = sum_x (1/mu) sum_y e^2 / p, for 1/p inverts diag p - p p' on
    residuals whose rows sum to 0. inf where mu p = 0 < |e|. Shapes: u, e [..., x, y],
    mu [..., x], p [..., x, y] -> three of [...]. Domain: rows of e sum to 0, as those
    of P - p_f do; J of full row rank up to shifts of whole rows, otherwise an upper
    bound. Source: derived, notes 9.3.

    >>> p = jnp.array([[0.5, 0.5]])
    >>> e = jnp.array([[0.3, -0.3]])
    >>> print(*(f"{float(f):.4f}" for f in forms_of_softmax(e, jnp.ones(1), p, e)))
    0.1800 0.0900 0.3600
    """
    shift, outputs, residual = map(jnp.asarray, (shift, outputs, residual))
    centred = shift - jnp.sum(outputs * shift, axis=-1, keepdims=True)
    spread = jnp.asarray(contexts) * jnp.sum(outputs * centred**2, axis=-1)
    held = jnp.asarray(contexts)[..., None] * outputs
    square = residual**2
    inverted = jnp.where(
        held > 0,
        square / jnp.where(held > 0, held, 1.0),
        jnp.where(square > 0, jnp.inf, 0.0),
    )
    return Forms(
        norm_squared=jnp.sum(residual * shift, axis=(-2, -1)),
        curvature=jnp.sum(spread, axis=-1),
        inverse=jnp.sum(inverted, axis=(-2, -1)),
    )


def tabular_forms(world: World) -> Forms:
    """The three forms of a world in tabular logits, started from the safety data.

    Formula: g = mu_f (p_s - p_f), H = mu_s (diag p_s - p_s p_s'), so that g' H^+ g =
    sum_x (mu_f^2/mu_s) chi2(p_f || p_s), twice the rate of (4.7). Shapes: [...].
    Domain: any world; kappa = inf with support conflict or contexts without safety
    data. Source: derived, notes 9.3.

    >>> from theory.laws import Law
    >>> one = jnp.array([1.0])
    >>> safe, able = Law(one, jnp.array([[.5, .5]])), Law(one, jnp.array([[.2, .8]]))
    >>> print(*(f"{float(f):.4f}" for f in tabular_forms(World(safe, safe, able))))
    0.1800 0.0900 0.3600
    """
    safe, able = world.safety, world.capability
    step = jnp.asarray(safe.outputs) - jnp.asarray(able.outputs)
    # Laws that agree to rounding differ by noise, whose rows need not sum to 0.
    step = step - safe.outputs * jnp.sum(step, axis=-1, keepdims=True)
    residual = jnp.asarray(able.contexts)[..., None] * step
    return forms_of_softmax(residual, safe.contexts, safe.outputs, residual)
