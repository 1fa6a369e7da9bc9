"""How the elastic responses scale with k, the size of pre-training over alignment.

Data sets are p, a, t of sizes k : 1 : l, in this order, or multiples of them. The ratio
of the two responses is -k always; how large either is depends on what t is. Elasticity
notes 2.6.
"""

import enum
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import optimum, overlap_excess, rate_slopes
from theory.compression.inequality import rate_changes
from theory.information import chi_square
from theory.typing import Array, Nats

PRETRAINING, ALIGNMENT, PERTURBATION = 0, 1, 2
"""The places of p, a and t among the data sets."""

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""

Law = Float[Array, "*#batch leaf"]
"""Leaf weights of one data set."""


class Perturbation(enum.Enum):
    """What the third data set is."""

    PART = "another part of the pre-training data, its supports shared or not"
    SAME = "distributed as the pre-training data"
    UNRELATED = "disjoint from both other data sets"


class Exponents(NamedTuple):
    """Powers of k: of both responses and of the share of the alignment gain lost.

    `lost` is NaN where there is no gain to speak of: disjoint data sets gain infinity.
    """

    pretraining: float
    alignment: float
    lost: float


EXPONENTS = {
    Perturbation.PART: Exponents(-2.0, -1.0, 0.0),
    Perturbation.SAME: Exponents(-3.0, -2.0, -1.0),
    Perturbation.UNRELATED: Exponents(-1.0, -1.0, float("nan")),
}
"""The powers predicted. Source: derived, elasticity notes 2.6."""


class Responses(NamedTuple):
    """d gamma_p / dl and d gamma_a / dl, [...]; nats a block."""

    pretraining: Nats
    alignment: Nats


def pair_slopes(data: DataSets) -> Responses:
    """How both rates at the joint optimum move with l = n_t / n_a.

    Formula: d gamma_i/dl = n_a (1 - S_it) / n. Shapes: three data sets -> two of [...].
    Unit: nats a block. Domain: sizes > 0. Source: derived, elasticity notes 2.4.

    >>> laws = jnp.array([[0.5, 0.5], [1, 0], [0, 1.0]])
    >>> slopes = pair_slopes(DataSets(laws, jnp.array([9.0, 1.0, 0.0])))
    >>> print(f"{float(slopes.alignment):.4f} {float(slopes.pretraining):.4f}")
    0.1000 -0.0111
    """
    slopes = rate_slopes(data, PERTURBATION)
    unit = jnp.asarray(data.sizes)[..., ALIGNMENT]
    return Responses(unit * slopes[..., PRETRAINING], unit * slopes[..., ALIGNMENT])


def same_slopes(
    pretraining: Law, alignment: Law, k: Number, share: Number
) -> Responses:
    """The responses to more data of the pre-training kind, in closed form.

    Formula: d gamma_a/dl = chi2(p_a || q*) / ((k + l) n), d gamma_p/dl = -chi2(p_a ||
    q*) / ((k + l)^2 n), n = k + 1 + l: the signs of the theorem for every pair of laws,
    one power of k smaller. Shapes: laws [..., leaf], k and share [...] -> two of [...].
    Unit: nats a block. Domain: k + l > 0. Source: derived, elasticity notes 2.6.

    >>> laws = jnp.array([0.5, 0.5]), jnp.array([1, 0.0])
    >>> print(f"{float(same_slopes(*laws, 9.0, 0.0).alignment):.6f}")
    0.009091
    """
    held = jnp.asarray(k) * 1.0 + share
    sizes = jnp.stack([held, jnp.ones_like(held)], axis=-1)
    pair = jnp.stack(jnp.broadcast_arrays(pretraining, alignment), axis=-2)
    distance = chi_square(alignment, optimum(DataSets(pair, sizes)))
    size = distance / (held * (held + 1))
    return Responses(-size / held, size)


def slope_limits(data: DataSets) -> Responses:
    """What k^2 d gamma_p/dl and k d gamma_a/dl tend to as k -> inf, l = n_t / n_a kept.

    Formula: k d gamma_a/dl -> 1 - S_at, k^2 d gamma_p/dl -> -(1 - S_at) + l (S_tt - 1),
    overlaps as seen from p_p. Shapes: three data sets -> two of [...]. Unit: nats a
    block. Domain: a and t on the support of p, -inf or NaN otherwise; both 0 for t = p,
    see `same_slopes`. Source: derived, elasticity notes 2.4 and 2.6.

    >>> laws = jnp.array([[0.5, 0.5], [1, 0], [0, 1.0]])
    >>> float(slope_limits(DataSets(laws, jnp.array([9.0, 1.0, 0.0]))).alignment)
    1.0
    """
    sizes = jnp.asarray(data.sizes) * 1.0
    alone = jnp.zeros_like(sizes).at[..., PRETRAINING].set(1.0)
    excess = overlap_excess(DataSets(data.laws, alone))
    cross = excess[..., ALIGNMENT, PERTURBATION]
    own = excess[..., PERTURBATION, PERTURBATION]
    share = sizes[..., PERTURBATION] / sizes[..., ALIGNMENT]
    return Responses(cross + share * own, -cross)


def alignment_gain(data: DataSets) -> Nats:
    """How much the alignment set lowers its own rate, before any perturbation.

    Formula: gamma_a(k, 0, 0) - gamma_a(k, 1, 0), about chi2(p_a || p_p) / k: the
    joint model never aligns by more than O(1/k). Shapes: three data sets -> [...].
    Unit: nats a block. Domain: inf where a leaves the support of p. Source: derived,
    elasticity notes 2.6.

    >>> laws = jnp.array([[0.5, 0.5], [1, 0], [0, 1.0]])
    >>> print(f"{float(alignment_gain(DataSets(laws, jnp.array([9.0, 1, 0])))):.4f}")
    0.0953
    """
    aligned = with_size(data, PERTURBATION, 0.0)
    start = with_size(aligned, ALIGNMENT, 0.0)
    return -_alignment_change(data, start, aligned)


def lost_fraction(data: DataSets) -> Nats:
    """The share of the alignment gain that the perturbation takes back; no unit.

    Formula: (gamma_a(k, 1, l) - gamma_a(k, 1, 0)) / (gamma_a(k, 0, 0) - gamma_a(k, 1,
    0)). Constant in k for another part of the pre-training data, about 1/k for more of
    the same: the relative rebound does NOT grow with pre-training. Shapes: three data
    sets -> [...]. Domain: a differs from p, on its support. Source: derived, elasticity
    notes 2.6.

    >>> laws = jnp.array([[0.5, 0.5], [1, 0], [0, 1.0]])
    >>> print(f"{float(lost_fraction(DataSets(laws, jnp.array([9.0, 1, 0.1])))):.4f}")
    0.1044
    """
    aligned = with_size(data, PERTURBATION, 0.0)
    gain = alignment_gain(data)
    lost = _alignment_change(data, aligned, data)
    gained = jnp.isfinite(gain) & (gain > 0)
    return jnp.where(gained, lost / jnp.where(gained, gain, 1.0), jnp.nan)


def _alignment_change(data: DataSets, before: DataSets, after: DataSets) -> Nats:
    """The rise of gamma_a from one joint optimum to another."""
    law = jnp.asarray(data.laws)[..., ALIGNMENT : ALIGNMENT + 1, :]
    return rate_changes(law, optimum(before), optimum(after))[..., 0]


def fitted_exponent(
    k: Float[Array, "*#batch point"], values: Float[Array, "*#batch point"]
) -> Float[jax.Array, "*batch"]:
    """The power of k that fits a curve: the least-squares slope of log |value|.

    Formula: cov(log k, log |v|) / var(log k). Shapes: [..., point] -> [...]. No unit.
    Domain: k > 0, values not 0. Source: standard.

    >>> k = jnp.array([1.0, 10.0, 100.0])
    >>> print(f"{float(fitted_exponent(k, -5 / k**2)):.4f}")
    -2.0000
    """
    x, y = jnp.log(jnp.asarray(k)), jnp.log(jnp.abs(jnp.asarray(values)))
    x = x - jnp.mean(x, axis=-1, keepdims=True)
    y = y - jnp.mean(y, axis=-1, keepdims=True)
    return jnp.sum(x * y, axis=-1) / jnp.sum(x * x, axis=-1)
