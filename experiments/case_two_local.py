"""Small moves in Case II's data: what a gain costs, and the factor kappa."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import numpy as np
import xarray as xr

from experiments.case_one import NATS
from experiments.case_two import stored_laws
from experiments.claim import Evidence
from experiments.evidence import inside_margins, rises, undecided
from experiments.trends import read_at
from simlab.statistics import slope
from theory.laws import World
from theory.tradeoff import gap
from theory.tradeoff.kantorovich import (
    Forms,
    ball_cost,
    kantorovich_factor,
    loss_cost,
    tabular_forms,
)

GAINS = (0.1, 0.3, 0.5, 0.7, 0.9)  # shares of the aligned models' capability gap


class Costs(NamedTuple):
    """Gains in capability and what they cost, [point, seed]; gains rise with points."""

    gain: np.ndarray
    cost: np.ndarray


def ball_costs(data: xr.Dataset) -> Costs:
    """Case II: gains and costs of every radius, against the aligned model itself."""
    final = data.isel(record=-1).transpose("radius", "seed", ...)
    gain = final["aligned_capability"].values - final["gap_capability"].values
    return Costs(gain, final["gap_safety"].values - final["aligned_safety"].values)


def penalty_costs(data: xr.Dataset) -> Costs:
    """Case I: the same for every penalty, the largest first."""
    last = data.isel(penalty=slice(None, None, -1)).transpose("penalty", "seed", ...)
    gain = last["aligned_capability"].values - last["penalty_capability"].values
    return Costs(gain, last["penalty_safety"].values - last["aligned_safety"].values)


def forms(data: xr.Dataset) -> Forms:
    """||g||^2, g' H g and g' H^+ g of every aligned model, [seed]."""
    return Forms(
        data["local_gradient"].values ** 2,
        data["local_curvature"].values,
        data["local_inverse"].values,
    )


def local_evidence(data: xr.Dataset, margin: float, level: float) -> Iterator[Evidence]:
    """Orders in the radius, costs per squared gain, their ratio, equal gains."""
    yield from _orders(data, level)
    yield from _local_costs(data, margin, level)
    yield _steeper(data, level)


def _orders(data: xr.Dataset, level: float) -> Iterator[Evidence]:
    """(8.4): the cost is quadratic in the radius, the gain linear."""
    local = int(data["local"])
    gain, cost = ball_costs(data)
    radius = data["radius"].values[:local]
    for text, values, order in (("cost of safety", cost, 2), ("gain", gain, 1)):
        question = f"is the {text} of order {order} in the radius (8.4)?"
        if not (np.isfinite(values[:local]).all() and (values[:local] > 0).all()):
            yield undecided(question, "1", "a small ball with no gain or no cost")
            continue
        slopes = np.array(
            [slope(np.log(radius), np.log(row)).slope for row in values[:local].T]
        )
        # Declared: a tenth; a law of the next order would be off by one.
        yield inside_margins(
            question, slopes, np.array(order - 0.1), np.array(order + 0.1), level, "1"
        )


def at_zero_gain(costs: Costs, local: int) -> np.ndarray:
    """Cost per squared gain, extrapolated linearly to gain zero, one a seed.

    NaN where one of the `local` first points is missing or gains nothing.
    """
    fits = np.full(costs.gain.shape[1], np.nan)
    for seed, (gain, cost) in enumerate(
        zip(costs.gain[:local].T, costs.cost[:local].T, strict=True)
    ):
        if np.isfinite(cost).all() and (gain > 0).all():
            fits[seed] = np.polynomial.Polynomial.fit(gain, cost / gain**2, 1)(0.0)
    return fits


def measured_factors(data: xr.Dataset) -> np.ndarray:
    """How many times more Case II pays than Case I, as the gain vanishes, [seed]."""
    local = int(data["local"])
    paid, least = (
        at_zero_gain(costs, local) for costs in (ball_costs(data), penalty_costs(data))
    )
    ratio: np.ndarray = paid / least
    return ratio


def exact_local_ratio(data: xr.Dataset) -> float:
    """Case I's cost per squared gain at gain zero, over its limit, by theory alone.

    Extrapolated from the exact solutions at the penalties of the sweep as the measured
    ones are: 1 where the penalties are large enough for the local law. NaN if the
    limit itself is not finite.
    """
    safety, able = stored_laws(data)
    exact = data.isel(penalty=slice(None, None, -1))
    with jax.enable_x64(True):
        limit = float(loss_cost(tabular_forms(World(safety, safety, able))))
        whole = float(gap(able, safety.outputs))
    gain = whole - exact["best_capability"].values[:, None]
    costs = Costs(gain, exact["best_safety"].values[:, None])
    found = float(at_zero_gain(costs, int(data["local"]))[0])
    return found / limit if limit > 0 else math.nan


def _local_costs(data: xr.Dataset, margin: float, level: float) -> Iterator[Evidence]:
    """The costs per squared gain and their ratio, measured over predicted."""
    known = forms(data)
    with jax.enable_x64(True):
        predicted = {
            "ball": np.asarray(ball_cost(known)),
            "penalty": np.asarray(loss_cost(known)),
            "kappa": np.asarray(kantorovich_factor(known)),
        }
    local, exact = int(data["local"]), exact_local_ratio(data)
    found = {
        "ball": at_zero_gain(ball_costs(data), local),
        "penalty": at_zero_gain(penalty_costs(data), local),
        "kappa": measured_factors(data),
    }
    texts = {
        "ball": "is Case II's cost per squared gain g'Hg / 2|g|^4 (9.2)?",
        "penalty": "is Case I's cost per squared gain 1 / 2g'H^-1g (9.2)?",
        "kappa": "is their ratio the Kantorovich factor kappa (9.2)?",
    }
    for name, question in texts.items():
        if name != "ball" and abs(exact - 1) > margin:
            detail = (
                "the penalties are not large enough: even the exact curve of Case I "
                f"gives {exact:.2f} times its limit"
            )
            yield undecided(question, "1", detail)
            continue
        if not np.isfinite(predicted[name]).all() or not predicted[name].all():
            worst = float(data["local_residual"].max())
            detail = f"g leaves the range of H (residual {worst:.0e}): kappa = inf"
            yield undecided(question, "1", detail)
            continue
        ratio = found[name] / predicted[name]
        if not np.isfinite(ratio).all():
            yield undecided(question, "1", "a run of a compared pair diverged")
        else:
            item = inside_margins(
                question, ratio, np.array(1 - margin), np.array(1 + margin), level, "1"
            )
            seen = f"measured / predicted: {ratio.min():.3f} to {ratio.max():.3f}; "
            yield Evidence(
                item.question, item.outcome, item.slack, item.units, seen + item.detail
            )


def _steeper(data: xr.Dataset, level: float) -> Evidence:
    """At equal gains, Case II pays more, seed by seed."""
    question = f"does Case II pay more at equal gains ({', '.join(map(str, GAINS))})?"
    balls, penalised = ball_costs(data), penalty_costs(data)
    whole = data["aligned_capability"].values
    differences = np.array(
        [
            [
                _cost_at(balls, seed, share * whole[seed])
                - _cost_at(penalised, seed, share * whole[seed])
                for seed in range(len(whole))
            ]
            for share in GAINS
        ]
    )
    covered = np.isfinite(differences).all(axis=1)
    if not covered.any():
        return undecided(question, NATS, "no gain was reached by both cases")
    return rises(question, differences[covered], level, NATS)


def _cost_at(costs: Costs, seed: int, gain: float) -> float:
    """The cost at a gain, between the measured points; NaN outside their range."""
    gains, paid = costs.gain[:, seed], costs.cost[:, seed]
    order = np.argsort(gains)
    kept = order[np.concatenate([[True], np.diff(gains[order]) > 0])]
    return read_at(gains[kept], paid[kept], gain)
