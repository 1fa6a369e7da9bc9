"""The elasticity inequality: what joint optimality forbids to any later change.

No smoothness, no tree, no model class: rates may be cross-entropies, mean lengths of
Huffman codes or losses of a network, as long as the total is sum_i n_i gamma_i.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.laws import Number
from theory.numerics import weighted_sum
from theory.typing import Array, Nats

Rates = Float[Array, "*#batch set"]
"""One number a data set: sizes, rates or changes of rates."""


class Demand(NamedTuple):
    """Three numbers in rising order, [...]: nats times the unit of the sizes.

    `least` is 0, `others` what the untouched data sets lose together, `most` what the
    grown one gains.
    """

    least: Nats
    others: Nats
    most: Nats


def rate_changes(
    laws: Float[Array, "*#batch set leaf"],
    before: Float[Array, "*#batch leaf"],
    after: Float[Array, "*#batch leaf"],
) -> Float[jax.Array, "*batch set"]:
    """Delta gamma_i, how much every rate rises from one model to another.

    Formula: sum_x p_i log(before / after), one logarithm of the ratio and no difference
    of rates. Shapes: -> [..., set]. Unit: nats. Domain: +inf where `after` forbids what
    p_i holds, -inf where `before` did, +inf where both do. Source: standard.

    >>> before, after = jnp.array([0.5, 0.5]), jnp.array([0.75, 0.25])
    >>> print(f"{float(rate_changes(jnp.eye(2), before, after)[1]):.4f}")
    0.6931
    """
    laws = jnp.asarray(laws)
    shape = jnp.broadcast_shapes(
        laws.shape, (*before.shape[:-1], 1, 1), (*after.shape[:-1], 1, 1)
    )
    laws = jnp.broadcast_to(laws, shape)
    old = jnp.broadcast_to(jnp.asarray(before)[..., None, :], shape)
    new = jnp.broadcast_to(jnp.asarray(after)[..., None, :], shape)
    held = laws > 0
    both = held & (old > 0) & (new > 0)
    step = jnp.where(both, new - old, 0.0) / jnp.where(both, old, 1.0)
    far = jnp.where(both, jnp.log(jnp.where(both, new, 1.0)), 0.0) - jnp.where(
        both, jnp.log(jnp.where(both, old, 1.0)), 0.0
    )
    near = jnp.abs(step) < 0.5
    moved = jnp.where(near, jnp.log1p(jnp.where(near, step, 0.0)), far)
    change = -jnp.sum(jnp.where(both, laws, 0.0) * moved, axis=-1)
    gained = jnp.any(held & (old <= 0), axis=-1)
    lost = jnp.any(held & (new <= 0), axis=-1)
    return jnp.where(lost, jnp.inf, jnp.where(gained, -jnp.inf, change))


def weighted_change(sizes: Rates, changes: Rates) -> Nats:
    """sum_i n_i Delta gamma_i: never negative after a joint optimum of those sizes.

    Formula: >= -eps if the first model was eps-optimal for `sizes`, for EVERY second
    model: the theorem with constant exactly k, for finite changes and integer codes.
    Shapes: -> [...]. Unit: nats times the unit of the sizes. A size 0 counts 0 even if
    its change is infinite. Source: derived, elasticity notes 2.1.

    >>> float(weighted_change(jnp.array([100.0, 1.0]), jnp.array([-0.01, 1.5])))
    0.5
    """
    return weighted_sum(sizes, changes)


def alignment_floor(
    change_pretraining: Number, volume_ratio: Number, suboptimality: Number = 0.0
) -> Nats:
    """The least that the alignment rate must rise when the pre-training rate changes.

    Formula: Delta gamma_a >= -k Delta gamma_p - eps / n_a, k = n_p / n_a, whatever is
    done to a model that was eps-optimal for both. Shapes: [...]. Unit: nats. Domain:
    `suboptimality` is eps / n_a >= 0. Source: derived, elasticity notes 2.1.

    >>> float(alignment_floor(-0.01, 100.0))
    1.0
    """
    return -jnp.asarray(volume_ratio) * change_pretraining - suboptimality


def demand(sizes: Rates, changes: Rates, moved: int, added: Number) -> Demand:
    """The law of demand for one grown data set: 0 <= others' loss <= its own gain.

    Formula: 0 <= sum_i n_i Dg_i, and n_t added to set t gives sum_i n_i Dg_i <= -added
    Dg_t, if the models are optimal for n and for n + added e_t. `sizes` are those
    before. Shapes: sizes, changes [..., set], added [...] -> three of [...]. Unit: nats
    times the unit of the sizes. Source: derived, elasticity notes 2.1.

    >>> changes = jnp.array([-0.01, 0.5, -2.0])
    >>> found = demand(jnp.array([10.0, 1.0, 0.0]), changes, 2, 0.5)
    >>> [round(float(part), 3) for part in found]
    [0.0, 0.4, 1.0]
    """
    others = weighted_change(sizes, changes)
    most = -jnp.asarray(added) * jnp.asarray(changes)[..., moved]
    return Demand(jnp.zeros_like(others), others, most)


def cross_demand(
    sizes: Rates, sizes_other: Rates, rates: Rates, rates_other: Rates
) -> Float[jax.Array, "*batch"]:
    """(n - n') . (gamma(n) - gamma(n')), never positive at joint optima.

    Formula: sum_i (n_i - n'_i)(gamma_i(n) - gamma_i(n')) <= 0, the finite form of "K is
    positive semidefinite". Shapes: four of [..., set] -> [...]. Unit: nats times the
    unit of the sizes. Domain: finite rates. Source: derived, elasticity notes 2.3.

    >>> more, less = jnp.array([2.0, 1.0]), jnp.array([1.0, 1.0])
    >>> rates, rates_other = jnp.array([0.4, 1.0]), jnp.array([0.7, 0.6])
    >>> print(f"{float(cross_demand(more, less, rates, rates_other)):.2f}")
    -0.30
    """
    moved = jnp.asarray(sizes) - jnp.asarray(sizes_other)
    return jnp.sum(moved * (jnp.asarray(rates) - rates_other), axis=-1)
