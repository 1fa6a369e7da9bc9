"""The prediction error of one answer: what is left to learn, to full precision.

One row of logits z and the target y: p = softmax z, e = 1 - p_y. Everything follows
from the log-odds a = log(e / p_y), so that no digit of a small e is lost; p_y - 1 is
never formed.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int, Real

from theory.typing import Array

Logits = Float[Array, "*#batch k"]
"""A row of logits, k >= 2 outputs; -inf forbids an output."""

Targets = Int[Array, "*#batch"]
"""The place of the right output in every row."""

Number = float | int | Real[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Result = Float[jax.Array, "*batch"]
"""A number for every row."""


def wrong_log_odds(logits: Logits, target: Targets) -> Result:
    """a, the log-odds of a wrong answer.

    Formula: a = log sum_{j != y} e^z_j - z_y = log(e / (1 - e)). Shapes: [..., k],
    [...] -> [...]. Domain: k >= 2, z_y and one more finite; -inf where nothing wrong is
    possible. Source: derived, security-vector notes theorem 2.

    >>> float(wrong_log_odds(jnp.zeros(2), jnp.array(0)))
    0.0
    """
    logits = jnp.asarray(logits) * 1.0
    wrong, possible = _wrong(logits, target)
    right = jnp.sum(jnp.where(_right(logits, target), logits, 0.0), axis=-1)
    total = jax.nn.logsumexp(wrong, axis=-1)
    return jnp.where(possible, total - right, -jnp.inf)


def answer_loss(logits: Logits, target: Targets) -> Result:
    """The cross-entropy of the target, exact however small.

    Formula: l = -log p_y = log(1 + e^a). Shapes: [..., k], [...] -> [...]. Unit: nats.
    Source: derived, security-vector notes theorem 2.

    >>> print(f"{float(answer_loss(jnp.array([40.0, 0.0]), jnp.array(0))):.4e}")
    4.2484e-18
    """
    return jax.nn.softplus(wrong_log_odds(logits, target))


def error_probability(logits: Logits, target: Targets) -> Result:
    """The probability of a wrong answer, exact however small.

    Formula: e = 1 - p_y = 1 / (1 + e^-a). Shapes: [..., k], [...] -> [...]. Range: [0,
    1]. Source: derived, security-vector notes theorem 2.

    >>> float(error_probability(jnp.zeros(2), jnp.array(1)))
    0.5
    """
    return jax.nn.sigmoid(wrong_log_odds(logits, target))


def wrong_law(logits: Logits, target: Targets) -> Float[jax.Array, "*batch k"]:
    """The law of the answer given that it is wrong; 0 at the target.

    Formula: q_j = p_j / e for j != y. Shapes: [..., k], [...] -> [..., k]. Regular as e
    -> 0. Source: derived, security-vector notes theorem 2.

    >>> wrong_law(jnp.zeros(3), jnp.array(0)).tolist()
    [0.0, 0.5, 0.5]
    """
    wrong, _ = _wrong(jnp.asarray(logits) * 1.0, target)
    law = jax.nn.softmax(wrong, axis=-1)
    return jnp.where(_right(law, target), 0.0, law)


def residual(logits: Logits, target: Targets) -> Float[jax.Array, "*batch k"]:
    """The gradient of the loss in the logits, exact however small.

    Formula: r = p - e_y with r_y = -e, r_j = e q_j. Shapes: [..., k], [...] -> [...,
    k]. Unit: nats by logit. Its entries sum to 0, their sizes to 2 e. Source: derived,
    security-vector notes theorem 2.

    >>> residual(jnp.zeros(2), jnp.array(0)).tolist()
    [-0.5, 0.5]
    """
    error = error_probability(logits, target)[..., None]
    law = wrong_law(logits, target)
    return jnp.where(_right(law, target), -error, error * law)


def error_from_loss(loss: Number) -> Result:
    """The error of a loss; of a mean loss, an upper bound of the mean error (Jensen).

    Formula: e = 1 - exp(-l) <= min(1, l). Shape: any. Domain: l >= 0. Source: derived,
    security-vector notes theorem 2.

    >>> print(f"{float(error_from_loss(1e-6)):.6e}")
    9.999995e-07
    """
    return -jnp.expm1(-jnp.asarray(loss) * 1.0)


def loss_from_error(error: Number) -> Result:
    """The loss at a prediction error; inf at e = 1.

    Formula: l = -log(1 - e). Shape: any. Unit: nats. Domain: 0 <= e <= 1. Source:
    derived, security-vector notes theorem 2.

    >>> print(f"{float(loss_from_error(0.5)):.4f}")
    0.6931
    """
    error = jnp.asarray(error) * 1.0
    possible = error < 1
    return jnp.where(possible, -jnp.log1p(-jnp.where(possible, error, 0.0)), jnp.inf)


def residual_norm_floor(error: Number, outputs: Number) -> Result:
    """The least length of the residual among `outputs` answers.

    Formula: e sqrt(k / (k - 1)) <= |p - e_y|_2, met when all wrong answers are equally
    likely. Shape: any, broadcast. Domain: k >= 2. Source: derived, security-vector
    notes theorem 2.

    >>> print(f"{float(residual_norm_floor(0.5, 2)):.4f}")
    0.7071
    """
    count = jnp.asarray(outputs) * 1.0
    return jnp.asarray(error) * jnp.sqrt(count / (count - 1))


def residual_norm_ceiling(error: Number) -> Result:
    """The greatest length of the residual, met when one wrong answer has it all.

    Formula: |p - e_y|_2 <= sqrt(2) e. Shape: any. Source: derived, security-vector
    notes theorem 2.

    >>> print(f"{float(residual_norm_ceiling(0.5)):.4f}")
    0.7071
    """
    return jnp.sqrt(2.0) * jnp.asarray(error)


def right_mask(target: Targets, outputs: int) -> Bool[jax.Array, "*batch k"]:
    """Whether an output is the target.

    Shapes: [...] -> [..., outputs]. Source: standard.

    >>> right_mask(jnp.array(1), 3).tolist()
    [False, True, False]
    """
    return jnp.arange(outputs) == jnp.asarray(target)[..., None]


def _right(rows: Float[Array, "*#batch k"], target: Targets) -> jax.Array:
    """The mask of the target in rows of one length."""
    return right_mask(target, rows.shape[-1])


def _wrong(logits: jax.Array, target: Targets) -> tuple[jax.Array, jax.Array]:
    """Logits with the target forbidden (0 if nothing is left), and if anything is."""
    wrong = jnp.where(_right(logits, target), -jnp.inf, logits)
    possible = jnp.max(wrong, axis=-1) > -jnp.inf
    return jnp.where(possible[..., None], wrong, 0.0), possible
