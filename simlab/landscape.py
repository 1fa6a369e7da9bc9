"""The loss landscape of a model around its parameters, without forming a Hessian.

Directions are flat vectors, in the order of `jax.flatten_util.ravel_pytree`. Matrices
are operators v -> H v that the solvers below call from the host, one product at a time:
hand them compiled ones. Work in double precision: inside `jax.enable_x64(True)`, on
parameters that went through `double`.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float
from scipy.sparse import linalg

from simlab.enumeration import prefix_logits
from simlab.models import Model, Params

_Floats = jax.Array | np.ndarray

Vector = Float[_Floats, " parameters"]
"""A direction in parameter space, flat."""

Operator = Callable[[Any], Any]
"""A symmetric positive semidefinite matrix as a function v -> H v of flat vectors."""

Loss = Callable[[Params], Any]
"""A scalar of the parameters."""

RANK = 1e-9
"""The share of the largest singular value below which one counts as zero."""

SOLVED = 1e-5
"""The relative residual |g - H x| / |g| up to which a system counts as solved."""


class PrefixLaws(NamedTuple):
    """A law of sequences, cut into its next tokens.

    `weights` q(x, c) = mu(x) p(c|x) of every prefix, [x, node]; `rows` p(.|x, c), the
    law of what follows it, [x, node, v]; uniform rows after prefixes of weight 0.
    """

    weights: Float[jax.Array, "*batch x node"]
    rows: Float[jax.Array, "*batch x node v"]


class Eigenpairs(NamedTuple):
    """The largest eigenvalues, falling, and their unit eigenvectors, one a row."""

    values: Float[np.ndarray, " count"]
    vectors: Float[np.ndarray, "count parameters"]


class InverseQuadratic(NamedTuple):
    """g^T (H + damping)^-1 g, and the relative residual of the system solved for it."""

    value: float
    residual: float


class Landscape(NamedTuple):
    """What the local theory of a small move along -g needs to know of H and g.

    Nats per squared unit of parameters, and so on: g and H are derivatives of losses in
    nats per sequence. `inverse_quadratic` is inf, and `residual` > SOLVED, when g has a
    part outside the range of H.
    """

    gradient_norm: float
    curvature: float
    inverse_quadratic: float
    top_eigenvalue: float
    residual: float


def double(params: Params) -> Params:
    """The same parameters in float64.

    Errors: ValueError outside `jax.enable_x64(True)`, where JAX has no float64.
    """
    if jnp.result_type(float) != jnp.float64:
        raise ValueError("float64 is off: wrap the call in `jax.enable_x64(True)`")
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)


def prefix_laws(
    contexts: Float[_Floats, "*#batch x"],
    outputs: Float[_Floats, "*#batch x y"],
    vocabulary: int,
) -> PrefixLaws:
    """Weights and next-token laws of all prefixes, in the order of `prefix_logits`.

    Formula: q(x, c) = mu(x) p(c|x), p(v|x, c) = p(cv|x) / p(c|x). Domain: y a power of
    the vocabulary. Shapes: [..., x], [..., x, y] -> [..., x, node], [..., x, node, v].
    """
    table, width = jnp.asarray(outputs), 1
    weights, rows = [], []
    while width < table.shape[-1]:
        tree = table.reshape(*table.shape[:-1], width, vocabulary, -1).sum(-1)
        reached = tree.sum(-1)
        seen = (reached > 0)[..., None]
        following = tree / jnp.where(seen, reached[..., None], 1.0)
        weights.append(reached)
        rows.append(jnp.where(seen, following, 1 / vocabulary))
        width *= vocabulary
    by_prefix = jnp.concatenate(weights, axis=-1)
    return PrefixLaws(
        jnp.asarray(contexts)[..., None] * by_prefix, jnp.concatenate(rows, axis=-2)
    )


def gradient(loss: Loss, params: Params) -> Float[jax.Array, " parameters"]:
    """The gradient of a loss, flat."""
    slopes = jax.grad(loss)(params)
    flat: jax.Array = ravel_pytree(slopes)[0]
    return flat


def gradient_norm(loss: Loss, params: Params) -> Float[jax.Array, ""]:
    """The Euclidean norm of a loss's gradient over all parameters."""
    norm: jax.Array = jnp.linalg.norm(gradient(loss, params))
    return norm


def hessian_vector(
    loss: Loss, params: Params, vector: Vector
) -> Float[jax.Array, " parameters"]:
    """The Hessian of a loss times a flat vector: forward over reverse mode."""
    flat, restore = ravel_pytree(params)

    slope = jax.grad(lambda at: loss(restore(at)))
    product: jax.Array = jax.jvp(slope, (flat,), (jnp.asarray(vector, flat.dtype),))[1]
    return product


def fisher_vector(
    model: Model, params: Params, weights: Float[_Floats, "x node"], vector: Vector
) -> Float[jax.Array, " parameters"]:
    """The Fisher matrix of next tokens, over weighted prefixes, times a flat vector.

    Formula: H v = J^T D J v, J the Jacobian of the logits after every prefix and D
    block-diagonal with q(x, c) (diag P - P P^T), P the model's law after prefix c. It
    is the Hessian of the expected loss where the model fits the data, and the
    Gauss-Newton matrix of that loss anywhere. Domain: weights >= 0.
    """
    flat, restore = ravel_pytree(params)

    def logits_at(point: jax.Array) -> jax.Array:
        return prefix_logits(model, restore(point))

    logits, pull_back = jax.vjp(logits_at, flat)
    moved = jax.jvp(logits_at, (flat,), (jnp.asarray(vector, flat.dtype),))[1]
    law = jax.nn.softmax(logits, axis=-1)
    centred = moved - jnp.sum(law * moved, axis=-1, keepdims=True)
    turned = jnp.asarray(weights, flat.dtype)[..., None] * law * centred
    product: jax.Array = pull_back(turned)[0]
    return product


def fisher_operator(
    model: Model, params: Params, weights: Float[_Floats, "x node"]
) -> Operator:
    """`fisher_vector` as an operator, compiled once for each model."""
    return functools.partial(
        jax.jit(fisher_vector, static_argnums=0), model, params, weights
    )


def logit_jacobian(model: Model, params: Params) -> Float[jax.Array, "rows parameters"]:
    """The dense Jacobian of all logits after all prefixes; for small networks.

    Rows: contexts, then prefixes, then tokens, the last varying fastest.
    """
    flat, restore = ravel_pytree(params)
    rows = jax.jacrev(lambda at: prefix_logits(model, restore(at)).ravel())
    jacobian: jax.Array = rows(flat)
    return jacobian


def fisher_factor(
    model: Model, params: Params, weights: Float[_Floats, "x node"]
) -> Float[jax.Array, "rows parameters"]:
    """A dense B with B^T B the Fisher matrix; for small networks.

    Formula: B = sqrt(q) (diag s - s P^T) J with s = sqrt(P), a block a prefix. The
    squared singular values of B are the Fisher matrix's eigenvalues, and
    g^T H^+ g = |c|^2 for the least-squares solution of B^T c = g.
    """
    law = jax.nn.softmax(prefix_logits(model, params), axis=-1)
    jacobian = logit_jacobian(model, params).reshape(*law.shape, -1)
    mean = jnp.einsum("xcv,xcvp->xcp", law, jacobian)[..., None, :]
    spread = jnp.sqrt(law)[..., None] * (jacobian - mean)
    root = jnp.sqrt(jnp.asarray(weights, law.dtype))[..., None, None] * spread
    return root.reshape(-1, jacobian.shape[-1])


def top_eigenpairs(
    operator: Operator, size: int, count: int, key: jax.Array
) -> Eigenpairs:
    """The `count` largest eigenvalues of an operator, with eigenvectors, by Lanczos.

    ARPACK (scipy's `eigsh`) rather than `jax.experimental.sparse.linalg.lobpcg`: it has
    no need of 5 count < size, restarts until converged to rounding, and raises
    `ArpackNoConvergence` when it is not. Errors: ValueError unless 0 < count < size.
    """
    if not 0 < count < size:
        raise ValueError(
            f"count={count} must be in 1 .. {size - 1}, one below the size"
        )
    begin = np.asarray(jax.random.normal(key, (size,)), np.float64)
    values, vectors = linalg.eigsh(
        _on_host(operator, size), k=count, which="LA", v0=begin
    )
    return Eigenpairs(values[::-1].copy(), vectors.T[::-1].copy())


def top_eigenvalues(
    operator: Operator, size: int, count: int, key: jax.Array
) -> Float[np.ndarray, " count"]:
    """The `count` largest eigenvalues of an operator, falling."""
    return top_eigenpairs(operator, size, count, key).values


def inverse_quadratic(
    operator: Operator, g: Vector, damping: float = 0.0, iterations: int = 2000
) -> InverseQuadratic:
    """g^T (H + damping)^-1 g by conjugate gradients; without damping g^T H^+ g.

    Started at zero, they stay in the range of H, so that a singular H does no harm as
    long as g is in its range. The value is inf when the relative residual stays above
    SOLVED: g has a part along which H is zero (or, at the reach of rounding, as good
    as zero), and the supremum of (g v)^2 / v^T H v is infinite.
    """
    target = np.asarray(g, np.float64)
    norm = float(np.linalg.norm(target))
    if norm == 0:
        return InverseQuadratic(0.0, 0.0)
    damped = _on_host(lambda v: operator(v) + damping * v, target.size)
    # Not further: with an ill-conditioned singular H the iterates soon explode, and
    # the value is off by less than the residual already.
    found, _ = linalg.cg(damped, target, rtol=SOLVED / 2, maxiter=iterations)
    residual = float(np.linalg.norm(target - damped.matvec(found))) / norm
    # Outside the range the iterates explode: a residual that is not finite is no 0.
    residual = residual if np.isfinite(residual) else np.inf
    value = float(target @ found) if residual <= SOLVED else np.inf
    return InverseQuadratic(value, residual)


def dense_inverse_quadratic(
    factor: Float[_Floats, "rows parameters"], g: Vector
) -> InverseQuadratic:
    """g^T H^+ g from a factor B of H = B^T B: small networks, ill-conditioned H.

    Formula: |c|^2, c the shortest solution of B^T c = g, by singular values; those up
    to RANK times the largest count as zero. Value and residual as in
    `inverse_quadratic`.
    """
    target = np.asarray(g, np.float64)
    norm = float(np.linalg.norm(target))
    if norm == 0:
        return InverseQuadratic(0.0, 0.0)
    across = np.asarray(factor, np.float64).T
    found = np.linalg.lstsq(across, target, rcond=RANK)[0]
    residual = float(np.linalg.norm(across @ found - target)) / norm
    value = float(found @ found) if residual <= SOLVED else np.inf
    return InverseQuadratic(value, residual)


def landscape(operator: Operator, g: Vector, key: jax.Array) -> Landscape:
    """All numbers of the local theory, for a gradient g and a curvature operator."""
    flat = np.asarray(g, np.float64)
    solved = inverse_quadratic(operator, flat)
    return Landscape(
        gradient_norm=float(np.linalg.norm(flat)),
        curvature=float(flat @ np.asarray(operator(flat))),
        inverse_quadratic=solved.value,
        top_eigenvalue=float(top_eigenvalues(operator, flat.size, 1, key)[0]),
        residual=solved.residual,
    )


def _on_host(operator: Operator, size: int) -> Any:
    """The operator as scipy takes it."""
    return linalg.LinearOperator(
        (size, size),
        matvec=lambda v: np.asarray(operator(np.ravel(v)), np.float64),
        dtype=np.float64,
    )
