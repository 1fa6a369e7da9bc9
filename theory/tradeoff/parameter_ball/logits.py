"""Losses as functions of tabular logits: gradient, curvature, and their largest sizes.

The parameters are the logits z(x, y) of every context, P = softmax(z). Only P enters,
so that every function takes the policy.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import Law
from theory.numerics import safe_sqrt, weighted_sum
from theory.symmetric import eigen
from theory.tradeoff.shapes import Number, Policy
from theory.typing import Array, Nats

_ROOT_2 = math.sqrt(2.0)

Direction = Float[Array, "*#batch x y"]
"""A displacement of logits, one a context and output."""


def logit_gradient(law: Law, policy: Policy) -> Float[jax.Array, "*batch x y"]:
    """The gradient of the loss on a law in tabular logits.

    Formula: dL/dz(x, y) = mu(x) (P(y|x) - p(y|x)). Shapes: -> [..., x, y]. Unit: nats.
    Source: derived, notes 8.1.

    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> logit_gradient(law, jnp.array([[0.5, 0.5]])).tolist()
    [[-0.5, 0.5]]
    """
    return jnp.asarray(law.contexts)[..., None] * (jnp.asarray(policy) - law.outputs)


def logit_norm(direction: Direction) -> Nats:
    """The Euclidean norm of a displacement or gradient over all contexts and outputs.

    Formula: sqrt(sum_{x,y} d^2). Shapes: [..., x, y] -> [...]. Gradient 0 at 0. Source:
    standard.

    >>> float(logit_norm(jnp.array([[3.0, 0.0], [0.0, 4.0]])))
    5.0
    """
    largest = jax.lax.stop_gradient(
        jnp.max(jnp.abs(direction), axis=(-2, -1), keepdims=True)
    )
    scale = jnp.where(largest > 0, largest, 1.0)  # squares of tiny ones underflow
    root = safe_sqrt(jnp.sum((direction / scale) ** 2, axis=(-2, -1)))
    return scale[..., 0, 0] * root


def gradient_norm(law: Law, policy: Policy) -> Nats:
    """How steep the loss on a law is in tabular logits.

    Formula: ||mu_x (P - p)||_2. Shapes: -> [...]. Unit: nats. Source: derived, notes
    8.1.

    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> print(f"{float(gradient_norm(law, jnp.array([[0.0, 1.0]]))):.4f}")
    1.4142
    """
    return logit_norm(logit_gradient(law, policy))


def gradient_cap(law: Law) -> Nats:
    """M, the steepest that the loss on a law gets anywhere in tabular logits.

    Formula: M <= sqrt(2) ||mu||_2 <= sqrt(2). Shapes: -> [...]. Unit: nats. Approached
    where the policy is sure of what the law forbids. Source: derived, notes 8.1.

    >>> law = Law(jnp.array([0.6, 0.8]), jnp.eye(2))
    >>> print(f"{float(gradient_cap(law)):.4f}")
    1.4142
    """
    squares = jnp.sum(jnp.asarray(law.contexts) ** 2, axis=-1)
    return _ROOT_2 * safe_sqrt(squares)


def gradient_cap_network(jacobian_norm: Number) -> Nats:
    """M of a network whose logits move by at most K per unit of parameters.

    Formula: M <= sqrt(2) K per token, K = sup_B ||dz/dtheta||; for a linear softmax
    head K is the largest norm of its features. Shape: [...]. Unit: nats per token.
    Source: derived, notes 8.1.

    >>> print(f"{float(gradient_cap_network(2.0)):.4f}")
    2.8284
    """
    return _ROOT_2 * jnp.asarray(jacobian_norm)


def curvature(law: Law, policy: Policy, direction: Direction) -> Nats:
    """How much the loss on a law bends along a displacement of tabular logits.

    Formula: d^T H d = sum_x mu Var_{P(.|x)}(d), H = diag of mu (diag P - P P^T): the
    Fisher matrix of P under mu; no p in it. Shapes: -> [...]. Unit: nats. Source:
    derived, notes 8.1.

    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> even, direction = jnp.array([[0.5, 0.5]]), jnp.array([[1.0, -1.0]])
    >>> float(curvature(law, even, direction))
    1.0
    """
    policy, direction = jnp.asarray(policy), jnp.asarray(direction)
    mean = jnp.sum(policy * direction, axis=-1, keepdims=True)
    variance = jnp.sum(policy * (direction - mean) ** 2, axis=-1)
    return weighted_sum(law.contexts, variance)


def curvature_top(law: Law, policy: Policy) -> Nats:
    """The largest eigenvalue of the Hessian of the loss in tabular logits.

    Formula: max_x mu(x) lambda_max(diag P - P P^T). Shapes: -> [...]. Unit: nats.
    Source: derived, notes 8.1.

    >>> law = Law(jnp.array([1.0]), jnp.array([[1.0, 0.0]]))
    >>> print(f"{float(curvature_top(law, jnp.array([[0.5, 0.5]]))):.4f}")
    0.5000
    """
    policy = jnp.asarray(policy)
    outer = policy[..., :, None] * policy[..., None, :]
    fisher = policy[..., None] * jnp.eye(policy.shape[-1], dtype=policy.dtype) - outer
    top = eigen(fisher)[0][..., -1]
    return jnp.max(jnp.asarray(law.contexts) * top, axis=-1)


def curvature_cap(law: Law) -> Nats:
    """beta, the most that the loss on a law bends anywhere in tabular logits.

    Formula: beta <= max_x mu(x) / 2. Shapes: -> [...]. Unit: nats. Attained where the
    policy splits the commonest context between two outputs. Source: derived, notes 8.1.

    >>> float(curvature_cap(Law(jnp.array([0.25, 0.75]), jnp.eye(2))))
    0.375
    """
    return jnp.max(jnp.asarray(law.contexts), axis=-1) / 2


def curvature_cap_head(feature_norm: Number) -> Nats:
    """The beta of a linear softmax head on features of bounded norm.

    Formula: beta <= R_phi^2 / 2 per token. Shape: [...]. Unit: nats per token. A deeper
    network's loss bends more: its logits do. Source: derived, notes 8.1.

    >>> float(curvature_cap_head(2.0))
    2.0
    """
    return jnp.asarray(feature_norm) ** 2 / 2
