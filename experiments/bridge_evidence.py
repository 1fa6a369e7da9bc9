"""What the ways back say: first order under SGD and Adam, and all that lies beyond."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from experiments.bridge_measures import exponents, spread
from experiments.bridge_ways import ADAM, CALM, LARGE, SGD
from experiments.claim import Evidence, Outcome
from experiments.evidence import inside_margins, reproduction, undecided
from experiments.rebound_measures import Values
from experiments.thresholds import above, answer, below, known, with_interval
from experiments.trends import trending
from simlab.statistics import estimate, holm, one_sided

if TYPE_CHECKING:
    from experiments.bridge_effective_volume import Config

RATIO = "n_eff over kappa_H n_h"


def ratios(
    config: "Config", data: xr.Dataset, optimizer: str, of: str = "volume"
) -> Values:
    """n_eff / (kappa_H n_h) at the end of first order [dose, seed], doses without none.

    NaN where kappa_H is not above its noise.
    """
    slow = data.isel(pace=0).sel(optimizer=optimizer, moment=config.window)
    rate = data["rate"].transpose("dose", "seed").values
    clear = rate > config.noise * data["rate_error"].transpose("dose", "seed").values
    volume = slow[of].transpose("dose", "seed").values / config.window
    return np.asarray(volume / np.where(clear, rate, np.nan))[1:]


def bridge_evidence(config: "Config", data: xr.Dataset) -> Iterator[Evidence]:
    """Every question asked of the sweep, in the order of the verdict table."""
    level = config.level
    yield _clear(config, data)
    question = "SGD, first order: do n_h responses do what kappa_H n_h do?"
    yield _collapsed(config, ratios(config, data, SGD), question)
    slow = data.isel(pace=0).sel(optimizer=SGD, moment=config.window)
    plain = slow["volume"].transpose("dose", "seed").values[1:] / config.window
    question = "negative control: do they do less than n_h plain ones?"
    yield below(question, known(plain), 1 / config.factor, level, "n_eff over n_h")
    adam = ratios(config, data, ADAM)
    yield _beyond(config, adam, "Adam: do they do more than kappa_H n_h, at some dose?")
    question = "Adam: the more so, the smaller kappa_H?"
    rows = np.concatenate([np.ones_like(adam[:1]), adam])
    yield trending(question, rows[None], level, RATIO)


def _clear(config: "Config", data: xr.Dataset) -> Evidence:
    """Is kappa_H of every dose and seed known? Else it is left out: inconclusive."""
    signal = (data["rate"] / data["rate_error"]).isel(dose=slice(1, None))
    least = float(signal.min())
    return Evidence(
        "is every kappa_H above its noise?",
        Outcome.HOLDS if least > config.noise else Outcome.INCONCLUSIVE,
        least - config.noise,
        "standard errors",
        f"{signal.size} doses and seeds, the least {least:.1f} standard errors above 0 "
        f"(asked: {config.noise:g})",
    )


def _beyond(config: "Config", ratio: Values, question: str) -> Evidence:
    """Is the ratio above the declared factor at some dose? The converse of a collapse.

    Student's t, Holm-corrected over the doses. Violated if every dose collapses.
    """
    if not np.isfinite(ratio).all():
        return undecided(question, RATIO, "a dose could not be measured")
    found = np.array([one_sided(estimate(row), config.factor).p_value for row in ratio])
    outcome = _collapsed(config, ratio, "").outcome
    outcome = Outcome.VIOLATED if outcome is Outcome.HOLDS else Outcome.INCONCLUSIVE
    above = holm(found, config.level)
    best = int(np.argmin(found))
    return Evidence(
        question,
        Outcome.HOLDS if above.any() else outcome,
        float(ratio[best].mean() - config.factor),
        RATIO,
        f"{above.sum()} of {len(ratio)} doses are, the clearest "
        f"{with_interval(ratio[best], config.level)} over {ratio.shape[1]} seeds, at "
        f"the least kappa_H {with_interval(ratio[-1], config.level)}; threshold "
        f"{config.factor:g}",
    )


def _collapsed(config: "Config", ratio: Values, question: str) -> Evidence:
    """Is the ratio 1 within the declared factor, at every dose?"""
    if not np.isfinite(ratio).all():
        ratio = np.where(np.isfinite(ratio), ratio, np.nan)
    low, high = (np.full(len(ratio), end) for end in (1 / config.factor, config.factor))
    return inside_margins(question, ratio, low, high, config.level, RATIO)


def remarks(config: "Config", data: xr.Dataset) -> tuple[str, ...]:
    """What is measured beside the questions; none of it judges."""
    return (
        _doses(data),
        *(_first_order(config, data, name) for name in data["optimizer"].values),
        _odds(config, data),
        _signs(config, data),
        *_factors(config, data),
        *(_whole(config, data, name) for name in (SGD, ADAM)),
        _collapse_score(config, data),
        _solved(config, data),
        *_world_of_laws(config, data),
    )


def _listed(values: Values, digits: str = ".2f") -> str:
    """Means over seeds, the last axis, of one value a dose."""
    return ", ".join(f"{value:{digits}}" for value in np.mean(values, axis=-1))


def _doses(data: xr.Dataset) -> str:
    names = ("gate", "rate", "suppression", "alignment")
    parts = data[list(names)].isel(dose=slice(1, None)).transpose("dose", "seed")
    last = data.isel(scanned=-1)
    return (
        f"doses: gates {_listed(parts['gate'].values)} let kappa_H "
        f"{_listed(parts['rate'].values, '.3g')} through, as suppression "
        f"{_listed(parts['suppression'].values)} times alignment "
        f"{_listed(parts['alignment'].values)}; the whole vector "
        f"{last['grid_rate'].values.mean():.2g} (standard error in a seed "
        f"{last['grid_error'].values.mean():.1g}); excess on/off "
        f"{data['excess'].isel(dose=-1).values.mean():.2g}/"
        f"{data['excess'].isel(dose=0).values.mean():.2g} nats"
    )


def _first_order(config: "Config", data: xr.Dataset, optimizer: str) -> str:
    """The ratio by dose, and the exponent of n_eff in kappa_H."""
    found = ratios(config, data, optimizer)
    rate = data["rate"].transpose("dose", "seed").values[1:]
    inside = _collapsed(config, found, "")
    return (
        f"first order, {optimizer}: n_eff over kappa_H n_h after {config.window} "
        f"responses {_listed(found)} (largest dose last); within {config.factor:g} of "
        f"1: {reproduction(inside.outcome)}; n_eff ~ kappa_H ** b, b "
        f"{with_interval(exponents(rate, found * rate), config.level)}"
        + _CONTROLS.get(optimizer, "")
    )


_CONTROLS = {
    LARGE: "; an epsilon above every gradient undoes the scale invariance (theorem 4c)",
    CALM: "; less noise in the gradient's scale, nearer to steps by signs",
}


def _odds(config: "Config", data: xr.Dataset) -> str:
    """The same for the log-odds, whose own relative rate differs from kappa_H."""
    found = ratios(config, data, SGD, "volume_odds")
    own = (data["rate_odds"] / data["rate"]).transpose("dose", "seed").values[1:]
    inside = _collapsed(config, found, "")
    return (
        f"log-odds, SGD: n_eff over kappa_H n_h {_listed(found)}; within "
        f"{config.factor:g} of 1: {reproduction(inside.outcome)}; their own relative "
        f"rate is {_listed(own)} of kappa_H"
    )


def _signs(config: "Config", data: xr.Dataset) -> str:
    """What a step by the signs of a noiseless gradient would give under Adam."""
    signs = (data["rate_sign"] / data["rate"]).transpose("dose", "seed").values[1:]
    return (
        f"Adam without noise steps by signs (theorem 4a), n_eff over kappa_H n_h "
        f"{_listed(signs)}; measured {_listed(ratios(config, data, ADAM))}"
        + _calmed(config, data)
    )


def _calmed(config: "Config", data: xr.Dataset) -> str:
    """Whether larger batches bring Adam nearer to it, dose by dose."""
    if CALM not in data["optimizer"].values:
        return ""
    gain = np.log(ratios(config, data, CALM) / ratios(config, data, ADAM))
    more = above("more?", known(gain), 0.0, config.level, RATIO)
    return (
        ": the noise of the batches, which the vector leaves, takes part in the scale; "
        f"batches of {config.large_batch} instead of {config.batch_way} bring more at "
        f"every dose: {answer(more)}, factors {_listed(np.exp(gain))}"
    )


def _factors(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """Neither factor of kappa_H alone makes the curves of SGD one."""
    sgd = ratios(config, data, SGD)
    rate = data["rate"].transpose("dose", "seed").values[1:]
    for name in ("suppression", "alignment"):
        alone = sgd * rate / data[name].transpose("dose", "seed").values[1:]
        inside = _collapsed(config, alone, "")
        yield (
            f"{name} alone in the place of kappa_H, SGD: n_eff over it "
            f"{_listed(alone)}; within {config.factor:g} of 1: "
            f"{reproduction(inside.outcome)}"
        )


def _fast(data: xr.Dataset, optimizer: str) -> tuple[Values, Values]:
    """n_eff [dose, moment, seed] and kappa_H [dose, seed] of the doses, pace 2."""
    fast = data.isel(pace=1).sel(optimizer=optimizer)
    volume = fast["volume"].transpose("dose", "moment", "seed").values[1:, 1:]
    return volume, data["rate"].transpose("dose", "seed").values[1:]


def _whole(config: "Config", data: xr.Dataset, optimizer: str) -> str:
    """The whole curve: the ratio at its end, and both exponents."""
    volume, rate = _fast(data, optimizer)
    counts = data["moment"].values[1:]
    end = volume[:, -1] / (rate * counts[-1])
    inside = _collapsed(config, end, "")
    late = counts >= counts[-1] / 8
    knob = np.repeat(counts[late, None], volume.shape[-1], 1)
    growth = np.mean([exponents(knob, each[late]) for each in volume], axis=0)
    return (
        f"whole curve, {optimizer} at pace {data['pace'].values[1]:g}: n_eff over "
        f"kappa_H n_h after {counts[-1]:.0f} responses {_listed(end)}; within "
        f"{config.factor:g} of 1: {reproduction(inside.outcome)}; there n_eff ~ "
        f"kappa_H ** {with_interval(exponents(rate, volume[:, -1]), config.level)} and "
        f"over the last 7/8 n_eff ~ n_h ** {with_interval(growth, config.level)}"
    )


def _collapse_score(config: "Config", data: xr.Dataset) -> str:
    """The spread of n_eff about kappa_H n_h, over its spread about n_h."""
    words = []
    late = data["moment"].values[1:] >= config.harmful / 8
    for optimizer in (SGD, ADAM):
        volume, rate = _fast(data, optimizer)
        volume, counts = volume[:, late], data["moment"].values[1:][None, late, None]
        about = spread(volume, rate[:, None] * counts)
        plain = spread(volume, np.broadcast_to(counts, volume.shape))
        score = np.divide(
            about, plain, out=np.full_like(about, np.nan), where=plain > 0
        )
        words.append(f"{optimizer} {with_interval(score, config.level)}")
    return (
        "collapse score of the last 7/8, spread of log n_eff about kappa_H n_h over "
        f"that about n_h (0 is perfect): {'; '.join(words)}"
    )


def _solved(config: "Config", data: xr.Dataset) -> str:
    """One margin (theorem 3'): the effective volume is never above kappa_H n_h."""
    volume, rate = _fast(data, SGD)
    excess = volume[:, -1] / (rate * data["moment"].values[-1])
    short = below("shorter?", known(excess), 1.0, config.level, RATIO)
    return (
        f"solvable model (theorem 3', margin {config.margin:g}): kappa_H n_h is never "
        "exceeded, and missed because the residual is learnt; at the flip n_eff over "
        f"it is {_listed(data['solved'].values[1:, -1:])}; transformers end below 1 "
        f"too: {answer(short)}"
    )


def _world_of_laws(config: "Config", data: xr.Dataset) -> Iterator[str]:
    """The exact softmax world: a volume at the optimum, and the ratio of shifts."""
    names = ["volume_laws", "rate_stiff"]
    parts = data[names].isel(size=0, dose=slice(1, None))
    parts = parts.transpose("kind", "dose", "seed")
    rate = parts["dose"].values[:, None]
    one = int(np.argmin(np.abs(data["size"].values - 1)))
    elastic = data["elastic"].isel(size=one).transpose("kind", "dose", "seed").values
    springs = data["springs"].isel(size=one).transpose("dose").values
    for k, kind in enumerate(data["kind"].values):
        first, stiff = (parts[name].values[k] for name in names)
        yield (
            f"optima of the exact softmax world, {kind} harmful law, first order: "
            f"n_eff over kappa_H n_h {_listed(first / rate)} (worlds "
            f"{np.min(first / rate):.2f} to {np.max(first / rate):.2f}), over kappa in "
            f"the metric of the inverse stiffness {_listed(first / stiff)}"
        )
        yield (
            f"resistance there, n_1 = {config.scale:g} n_2, n_h = n_2: ratio of shifts "
            f"over n_1/n_2 {_listed(elastic[k])} from none to the largest dose; two "
            f"springs of kappa_H n_h {', '.join(f'{v:.2f}' for v in springs)}"
        )
    yield (
        "so where retained data hold the model theorem 7 needs the metric of their "
        "stiffness; and a vector takes the force of harmful data, but their stiffness "
        "only if they have one answer (theorem 2d): else the ratio does not return"
    )
