"""The links of the chain in transformers, summed over steps: is each one kept?"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.unlearnability_config import Config
from experiments.unlearnability_intervals import typical
from theory.unlearnability import drift_ceiling

LINKS = ("norm", "separate", "joint", "by_loss")
"""Each a bound of the one before, at every step."""


class Chain(NamedTuple):
    """How far every inequality is from being broken: >= 0 where it holds.

    `identity`, `links` and `sums` are logarithms of ratios, `off` nats; `control`
    [network] is the logarithm of the undefended path over the defended sum.
    """

    identity: Float[np.ndarray, "..."]
    links: Float[np.ndarray, "..."]
    sums: Float[np.ndarray, "..."]
    off: Float[np.ndarray, "..."]
    control: Float[np.ndarray, " network"]


def summed(data: xr.Dataset, name: str) -> Float[np.ndarray, "network arm step"]:
    """The sum of eta times a link over all steps before each: a path, or its bound."""
    rate = float(data["network_rate"])
    each = rate * np.asarray(data[f"network_{name}"].values, float)
    return np.cumsum(each, axis=-1) - each


def off_ceiling(data: xr.Dataset) -> Float[np.ndarray, "network arm step"]:
    """The sum of D_off |step|, D_off the larger one at the two ends of every step.

    Known afterwards only, and between the ends of a step taken on trust.
    """
    apart = np.asarray(data["network_apart_off"].values, float)
    larger = np.maximum(apart[..., 1:], apart[..., :-1])
    moved = np.diff(summed(data, "norm"), axis=-1)
    start = np.zeros_like(apart[..., :1])
    return np.concatenate([start, np.cumsum(larger * moved, axis=-1)], axis=-1)


def changes(data: xr.Dataset) -> Float[np.ndarray, "network arm step"]:
    """How much the deactivated loss changed, in size."""
    loss = np.asarray(data["network_loss_off"].values, float)
    return np.asarray(np.abs(loss - loss[..., :1]))


def chain_of(data: xr.Dataset) -> Chain:
    """All inequalities at all steps of both arms."""
    norm, *rest = (
        np.log(np.asarray(data[f"network_{name}"].values, float)) for name in LINKS
    )
    theory = np.log(np.asarray(data["network_norm_theory"].values, float))
    drift = np.asarray(data["network_drift"].values, float)[..., 1:]
    path, bound = (summed(data, name)[..., 1:] for name in LINKS[:2])
    links = np.diff(np.stack([norm, *rest]), axis=0)
    sums = np.stack([np.log(path / drift), np.log(bound / path)])
    off = off_ceiling(data) - changes(data)
    control = np.log(path[:, 1, -1] / bound[:, 0, -1])
    return Chain(theory - norm, links, sums, off[..., 1:], control)


def reach(data: xr.Dataset) -> Float[np.ndarray, "network arm step"]:
    """The number eta D^2 S with the largest D so far: (i) is infinite from 1 on."""
    apart = np.maximum.accumulate(data["network_apart"].values, axis=-1)
    return np.asarray(summed(data, "error_start") * np.asarray(apart, float) ** 2)


def link_remarks(config: Config, data: xr.Dataset) -> Iterator[str]:
    """How loose each link is after all steps, and where a bound says nothing."""
    level, steps = config.level, config.network_steps
    error = data["network_held_out_error"].values
    yield (
        "transformers: with its vector a model errs on "
        f"{typical(error, level)} of the tokens of unseen harm"
    )
    sums = {name: summed(data, name)[..., -1] for name in LINKS}
    for i, arm in enumerate(data["network_arm"].values):
        parts = [
            f"{upper}/{lower} {typical(sums[upper][:, i] / sums[lower][:, i], level)}"
            for lower, upper in itertools.pairwise(LINKS)
        ]
        whole = typical(sums["by_loss"][:, i] / sums["norm"][:, i], level)
        path = typical(sums["norm"][:, i], level)
        yield (
            f"transformers, {arm}, sums over {steps} steps: path {path}; "
            f"{', '.join(parts)}, whole chain {whole}"
        )
    bound, change = off_ceiling(data), changes(data)
    for i, arm in enumerate(data["network_arm"].values):
        last = bound[:, i, -1] / change[:, i, -1]
        yield (
            f"transformers, {arm}, deactivated loss: change "
            f"{typical(change[:, i, -1], level)} nats, bound/change "
            f"{typical(last, level)}"
        )
    yield _vacuous(config, reach(data)[:, 0], data)


def _vacuous(
    config: Config, found: Float[np.ndarray, "network step"], data: xr.Dataset
) -> str:
    """By how much the a-priori bound (i) says nothing of transformers."""
    finite = int(np.min(np.sum(found[:, 1:] < 1, axis=-1)))
    apart = np.max(data["network_apart"].values[:, 0], axis=-1)
    error = data["network_error_start"].values[:, 0, 0]
    first = np.asarray(drift_ceiling(float(data["network_rate"]), apart, error))
    held = f"{int(np.isfinite(first).sum())} of {len(first)} transformers"
    return (
        "transformers, a-priori (i): eta D^2 S = "
        f"{typical(found[:, -1], config.level)} after {config.network_steps} steps "
        f"(finite below 1), D up to {np.max(apart):.0f}; finite for the first {finite} "
        f"steps in all, with the D of the whole path for one step in {held}"
    )
