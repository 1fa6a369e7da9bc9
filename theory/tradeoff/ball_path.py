"""Case II in tabular logits, seen from a policy on its way: safety only ever falls.

The policy P at multiplier nu solves mu_f (P - p_f) + nu (z - z_s) = 0 at every context,
so P, p_f and c = nu/mu_f name the aligned start z_s it came from. No solver is needed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.symmetric import solve
from theory.tradeoff.kantorovich import softmax_fisher
from theory.tradeoff.shapes import Number, Policy

Displacement = Float[jax.Array, "*batch x y"]


def _displacement(policy: Policy, target: Policy, multiplier: Number) -> Displacement:
    """The logits' displacement z - z_s, by the stationarity of Case II."""
    scale = jnp.asarray(multiplier)[..., None, None]
    return (jnp.asarray(target) - jnp.asarray(policy)) / scale


def ball_path_start(policy: Policy, target: Policy, multiplier: Number) -> Displacement:
    """The start from which Case II towards `target` passes through `policy`.

    Formula: p_s = P exp(-(p_f - P)/c) / Z, with c = nu / mu_f at every context. Shapes:
    policy and target [..., x, y], c [...] -> [..., x, y]. Domain: c > 0. Source:
    derived.

    >>> half = jnp.array([[0.5, 0.5]])
    >>> ball_path_start(half, half, 1.0).tolist()
    [[0.5, 0.5]]
    """
    held = jnp.asarray(policy)
    logits = -_displacement(policy, target, multiplier)
    shifted = jnp.where(held > 0, logits, -jnp.inf)
    top = jnp.max(shifted, axis=-1, keepdims=True)
    weight = held * jnp.exp(jnp.where(held > 0, shifted - top, 0.0))
    return weight / jnp.sum(weight, axis=-1, keepdims=True)


def ball_path_rate(
    policy: Policy, target: Policy, multiplier: Number
) -> Float[jax.Array, "*batch x"]:
    """How fast the safety gap rises as the ball grows, if the start is aligned.

    Formula: dKL(p_s || P)/d(-c) = (P - p_s)' (diag P - P P' + c I)^-1 (z - z_s) >= 0.
    It is sum_i w_i f(y_i) y_i with w = P/(P + c), y = z - z_s less its w-mean and f =
    1 - p_s/P, an increasing function of y: so Case II's G_s never falls as the radius
    grows, in tabular logits and from p_s itself. Not so with shared parameters (notes
    11.2). Shapes: [..., x, y], c [...] -> [..., x]. Unit: nats per unit of c. Domain: c
    > 0. Source: derived.

    >>> half, sure = jnp.array([[0.5, 0.5]]), jnp.array([[0.75, 0.25]])
    >>> print(f"{float(ball_path_rate(half, sure, 1.0)[0]):.4f}")
    0.0408
    """
    held = jnp.asarray(policy)
    moved = _displacement(policy, target, multiplier)
    start = ball_path_start(policy, target, multiplier)
    contexts = jnp.ones(held.shape[:-1], held.dtype)
    identity = jnp.eye(held.shape[-1], dtype=held.dtype)
    ridge = jnp.asarray(multiplier)[..., None, None, None] * identity
    system = softmax_fisher(contexts, held) + ridge
    velocity = solve(system, moved)
    return jnp.sum((held - start) * velocity, axis=-1)
