"""Case II by what happens to the logits: exact changes of a gap and Hoeffding's bounds.

Rows may be the contexts of a world, or the prefixes of sequences weighted by their
probability under the data: by the chain rule the gap of a policy over sequences is the
weighted sum over prefixes, so that the same functions serve a transformer.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.information import kl, total_variation
from theory.numerics import weighted_sum
from theory.tradeoff.bounds import Interval
from theory.tradeoff.shapes import Number
from theory.typing import Array, Nats

Weights = Float[Array, "*#batch n"]
"""mu(x), or mu(x) p(prefix | x): how much each row counts."""

Rows = Float[Array, "*#batch n v"]
"""A law of outputs, or logits, for every row."""


def logit_spread(
    logits_before: Rows, logits_after: Rows
) -> Float[jax.Array, "*batch n"]:
    """rho, how far the logits of a row have moved against each other.

    Formula: rho = max_v delta - min_v delta <= sqrt(2) ||delta||_2, delta = after -
    before; a common shift counts nothing. Shapes: [..., n, v] -> [..., n]. Domain:
    finite logits. Source: derived, notes 8.2.

    >>> logit_spread(jnp.zeros((1, 3)), jnp.array([[1.0, 2.0, 4.0]])).tolist()
    [3.0]
    """
    delta = jnp.asarray(logits_after) - logits_before
    return jnp.max(delta, axis=-1) - jnp.min(delta, axis=-1)


def gap_change(
    weights: Weights, rows: Rows, logits_before: Rows, logits_after: Rows
) -> Nats:
    """How much a gap changes when the logits do, to full precision.

    Formula: G(after) - G(before) = sum_n w [<P - p, delta> + KL(P || P')], P and P' the
    softmaxes before and after: no difference of gaps. Shapes: weights [..., n], the
    others [..., n, v] -> [...]. Unit: nats. Domain: finite logits. Valid for every pair
    of policies. Source: derived, as notes (8.3).

    >>> even, moved = jnp.zeros((1, 2)), jnp.array([[jnp.log(3.0), 0.0]])
    >>> change = gap_change(jnp.ones(1), jnp.array([[0.75, 0.25]]), even, moved)
    >>> print(f"{float(change):.4f}")
    -0.1308
    """
    before = jax.nn.softmax(jnp.asarray(logits_before), axis=-1)
    after = jax.nn.softmax(jnp.asarray(logits_after), axis=-1)
    delta = jnp.asarray(logits_after) - logits_before
    # A shift common to all outputs changes nothing but the rounding.
    delta = delta - jnp.mean(delta, axis=-1, keepdims=True)
    linear = jnp.sum((before - rows) * delta, axis=-1)
    return weighted_sum(weights, linear + kl(before, after))


def hoeffding_change(
    weights: Weights, rows: Rows, logits_before: Rows, logits_after: Rows
) -> Interval:
    """How much a gap can have changed, by the spread of the logits' displacement.

    Formula: -sum_n w rho TV(p, P) <= G(after) - G(before) <= sum_n w [rho TV(p, P) +
    rho^2 / 8], P the softmax before. For sequences: rows are prefixes, w = mu(x)
    p(prefix | x), p the data's next-token law. Shapes: weights [..., n], the others
    [..., n, v] -> two of [...]. Unit: nats. Domain: finite logits. Valid for every pair
    of policies. Source: derived, notes (8.3).

    >>> even, moved = jnp.zeros((1, 2)), jnp.array([[2.0, 0.0]])
    >>> bounds = hoeffding_change(jnp.ones(1), jnp.array([[0.75, 0.25]]), even, moved)
    >>> [float(bound) for bound in bounds]
    [-0.5, 1.0]
    """
    before = jax.nn.softmax(jnp.asarray(logits_before), axis=-1)
    spread = logit_spread(logits_before, logits_after)
    first_order = weighted_sum(weights, spread * total_variation(rows, before))
    second_order = aligned_hoeffding(weights, logits_before, logits_after)
    return Interval(lower=-first_order, upper=first_order + second_order)


def aligned_hoeffding(
    weights: Weights, logits_before: Rows, logits_after: Rows
) -> Nats:
    """The gap that a displacement can open at most if there was none before.

    Formula: G <= sum_n w rho^2 / 8 (Hoeffding's lemma: KL(P || P') <= rho^2 / 8).
    Shapes: weights [..., n], the others [..., n, v] -> [...]. Unit: nats. Valid for a
    perfectly aligned start. Source: derived, notes 8.2.

    >>> even, moved = jnp.zeros((1, 2)), jnp.array([[2.0, 0.0]])
    >>> float(aligned_hoeffding(jnp.ones(1), even, moved))
    0.5
    """
    return weighted_sum(weights, logit_spread(logits_before, logits_after) ** 2) / 8


def aligned_ball(largest_weight: Number, radius: Number) -> Nats:
    """The gap that a ball of tabular logits can open at most if there was none before.

    Formula: G <= max_x mu(x) eps^2 / 4. Shape: [...]. Unit: nats. Valid for a perfectly
    aligned start, at every point of the ball. Source: derived, notes 8.2.

    >>> float(aligned_ball(0.5, 2.0))
    0.5
    """
    return jnp.asarray(largest_weight) * jnp.asarray(radius) ** 2 / 4
