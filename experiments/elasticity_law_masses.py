"""Sweeps of `elasticity_law` over drawn leaf masses: k, the tail, both forms."""

from functools import partial
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.labels import Variable, labelled
from theory.compression import (
    DataSets,
    Perturbation,
    disjoint_copies,
    form_a,
    form_b,
    lost_fraction,
    optimum,
    pareto_masses,
    rate_changes,
    with_size,
)
from theory.information import kl

if TYPE_CHECKING:
    from experiments.elasticity_law import Config

SETS = ("p", "a")
STEP = 1e-4
"""The finite change of l whose effect is measured."""

STEP_SAME = 1e-3
"""The same for more of the pre-training data, as a share of their size k."""

LOST_SHARE = 0.1
"""The l after which the loss of the alignment gain is measured."""

FORM_ALPHAS = (1.2, 1.5, 2.0, 3.0)
FORM_SIZES = (3.0, 10.0, 100.0, 1000.0)


def masses(
    config: "Config", use: int, parts: int, leaves: int, alpha: float
) -> jax.Array:
    """Independent Pareto laws [draw, part, leaf]; `use` keeps sweeps independent."""
    key = jax.random.fold_in(jax.random.key(config.seed), use)
    laws: jax.Array = _drawn(key, alpha, (config.draws, parts, leaves))
    return laws


@partial(jax.jit, static_argnums=2)
def _drawn(key: jax.Array, alpha: float, shape: tuple[int, ...]) -> jax.Array:
    uniforms = 1 - jax.random.uniform(key, shape, jnp.float64)
    return pareto_masses(uniforms, alpha)


@jax.jit
def changes(data: DataSets, step: float | jax.Array) -> jax.Array:
    """(Delta gamma_p, Delta gamma_a) / step when l = n_t / n_a grows by `step`.

    Two joint optima and the exact change of the rates between them: no derivative. By
    rounding neither sums to 1 exactly, which moves all rates by the drift taken off.
    """
    before = optimum(data)
    after = optimum(with_size(data, 2, jnp.asarray(data.sizes)[..., 2] + step))
    drift = jnp.sum(after - before, axis=-1, keepdims=True)
    held = jnp.asarray(data.laws)[..., :2, :]
    return (rate_changes(held, before, after) + drift) / jnp.asarray(step)[..., None]


def k_sweep(config: "Config") -> xr.Dataset:
    """Both responses against k, for three kinds of perturbation."""
    by_kind = _perturbed(masses(config, 0, 3, config.leaves, config.alpha))
    responses, lost = [], []
    for kind in Perturbation:
        for k in config.ks:
            step = STEP_SAME * k if kind is Perturbation.SAME else STEP
            laws = by_kind[kind.name]
            responses.append(changes(form_a(laws, k, 0.0), step))
            lost.append(_lost(form_a(laws, k, LOST_SHARE)))
    shape = (len(Perturbation), len(config.ks), config.draws)
    found = np.array(responses).reshape(*shape, len(SETS))
    return labelled(
        {
            "response": (
                ("kind", "set", "k", "draw"), np.moveaxis(found, -1, 1),
                "nats per block",
                "change of a rate by unit of l, between joint optima",
            ),
            "lost": (
                ("kind", "k", "draw"), np.array(lost).reshape(shape), "1",
                f"share of the alignment gain lost at l = {LOST_SHARE}",
            ),
        },
        {
            "kind": (("kind",), [k.name for k in Perturbation], "1", "what t is"),
            "set": (("set",), list(SETS), "1", "pre-training p or alignment a"),
            "k": (("k",), config.ks, "1", "size of pre-training over alignment"),
        },
    )  # fmt: skip


_lost = jax.jit(lost_fraction)


@jax.jit
def _perturbed(laws: jax.Array) -> dict[str, jax.Array]:
    """The laws of p, a, t for every kind of perturbation t, by its name."""
    union = jnp.mean(laws, axis=1, keepdims=True)
    return {
        Perturbation.PART.name: jnp.concatenate([union, laws[:, 1:]], axis=1),
        Perturbation.SAME.name: jnp.concatenate([union, laws[:, 1:2], union], axis=1),
        Perturbation.UNRELATED.name: disjoint_copies(laws),
    }


def alpha_sweep(config: "Config") -> xr.Dataset:
    """The size of the alignment response against the Pareto exponent, k = 1e4."""
    k, found = 1e4, []
    for place, alpha in enumerate(config.alphas):
        laws = masses(config, 20 + place, 3, config.leaves_alpha, alpha)
        # Each part perturbs once: three looks at one draw, not three draws.
        looks = [
            (k + 1) * np.asarray(changes(form_b(jnp.roll(laws, by, 1), k, 0.0), STEP))
            for by in range(3)
        ]
        found.append(np.mean(looks, axis=0)[:, 1])
    return labelled(
        {
            "size": (
                ("alpha", "draw"), np.array(found), "nats per block",
                "n d gamma_a/dl on drawn masses, mean over the pairs of parts",
            ),
            "size_margin": (
                ("alpha",), finite_margin(np.array(config.alphas), config.leaves_alpha),
                "1", "relative margin for a finite number of leaves",
            ),
        },
        {"alpha": (("alpha",), np.array(config.alphas), "1", "Pareto exponent")},
    )  # fmt: skip


def finite_margin(alpha: np.ndarray, leaves: int) -> np.ndarray:
    """The error that M leaves excuse, relative: 2 M^-min(1 - 1/alpha, 1/2).

    The mean of M Pareto masses misses its limit by M^-(1 - 1/alpha) for alpha < 2 (a
    stable law) and by M^-1/2 beyond; the factor 2 was declared, not fitted.
    """
    return np.asarray(2.0 * leaves ** -np.minimum(1 - 1 / alpha, 0.5))


def form_signs(config: "Config") -> xr.Dataset:
    """The signs of both printed forms, form A's size, and the other order of KL."""
    signs, sizes, swapped, orders = [], [], [], []
    for place, alpha in enumerate(FORM_ALPHAS):
        laws = masses(config, 40 + place, 3, config.leaves, alpha)
        other_way = laws[:, jnp.array([1, 0, 2])]
        for k in FORM_SIZES:
            a, b, back = (
                np.asarray(changes(data, STEP))
                for data in (
                    form_a(laws, k, 0.0),
                    form_b(laws, k, 0.0),
                    form_a(other_way, k, 0.0),
                )
            )
            signs.append([np.mean((c[:, 1] > 0) & (c[:, 0] < 0)) for c in (a, b)])
            sizes.append([(k + 1) * a[:, 1], (k + 1) * b[:, 1]])
            swapped.append((k + 1) * (a[:, 1] + back[:, 1]) / 2)
            orders.append(np.asarray(reversed_ratio(form_b(laws, k, 0.0), STEP)))
    cells = (len(FORM_ALPHAS), len(FORM_SIZES))
    dims = ("form_alpha", "form_k")
    axes: dict[str, Variable] = {
        "form_alpha": (("form_alpha",), np.array(FORM_ALPHAS), "1", "Pareto exponent"),
        "form": (("form",), ["A", "B"], "1", "form of the printed theorem"),
        "form_k": (("form_k",), np.array(FORM_SIZES), "1", "k"),
    }
    return labelled(
        {
            "printed_signs": (
                (*dims, "form"), np.array(signs).reshape(*cells, 2), "1",
                "share of draws with the printed signs",
            ),
            "form_size": (
                (*dims, "form", "draw"), np.array(sizes).reshape(*cells, 2, -1),
                "nats per block", "n d gamma_a/dl",
            ),
            "swapped_size": (
                (*dims, "draw"), np.array(swapped).reshape(*cells, -1),
                "nats per block",
                "n d gamma_a/dl of form A, mean over exchanging p and a",
            ),
            "reversed_ratio": (
                (*dims, "draw"), np.array(orders).reshape(*cells, -1), "1",
                "-n_a d KL(q||p_a) over n_p d KL(q||p_p), form B",
            ),
        },
        axes,
    )  # fmt: skip


@jax.jit
def reversed_ratio(data: DataSets, step: float) -> jax.Array:
    """-Delta KL(q || p_a) / (k Delta KL(q || p_p)) when l grows by `step`.

    Delta KL(q || p) = KL(q' || q) + sum (q' - q) log(q / p): no two large numbers are
    subtracted.
    """
    before = optimum(data)
    after = optimum(with_size(data, 2, step))
    held = jnp.asarray(data.laws)[..., :2, :]
    logs = jnp.log(before[..., None, :] / held)
    moved = jnp.sum((after - before)[..., None, :] * logs, axis=-1)
    change = moved + kl(after, before)[..., None]
    sizes = jnp.asarray(data.sizes)
    return -sizes[..., 1] * change[..., 1] / (sizes[..., 0] * change[..., 0])
