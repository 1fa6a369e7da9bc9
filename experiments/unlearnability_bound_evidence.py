"""What the unlearnability bound's claim says, and how loose every bound is."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr
from jaxtyping import Float

from experiments.claim import Evidence, Outcome
from experiments.evidence import never_below, outcome_of, undecided
from experiments.thresholds import below, known
from experiments.unlearnability_bound_coverage import coverage
from experiments.unlearnability_bound_links import (
    Chain,
    chain_of,
    link_remarks,
)
from experiments.unlearnability_bound_softmax import (
    ANY_ORDER,
    DESCENT,
    LOSS_OFF,
    MODES,
    SATURATING,
)
from experiments.unlearnability_config import APART, Config
from experiments.unlearnability_intervals import typical
from experiments.unlearnability_readings import NONE

_PARAMETERS = "parameter units"


def evidence(config: Config, data: xr.Dataset) -> Iterator[Evidence]:
    """Every question, in the order of the verdict table."""
    for name, text, units in (
        (ANY_ORDER, "softmax-linear: is the path <= (i) at every step?", _PARAMETERS),
        (DESCENT, "full batches: is it <= both bounds of (ii)?", _PARAMETERS),
        (SATURATING, "is it <= the saturating bound, undefended too?", _PARAMETERS),
        (LOSS_OFF, "does the deactivated loss change <= D_off drift (iii)?", "nats"),
    ):
        yield _never_crossed(text, data.sel(bound=name), config, units)
    yield _loose(config, data)
    yield _control(config, data)
    yield never_below(
        "does no loss fall sooner than its certificate (iv) allows?",
        data["crossing"].values,
        data["certificate"].values,
        0.0,
        "steps",
    )
    yield from coverage(config, data)
    yield from _network(config, chain_of(data))


def _never_crossed(
    question: str, data: xr.Dataset, config: Config, units: str
) -> Evidence:
    """Exact at every step of every run: only rounding is allowed."""
    excess = data["excess"].values
    if np.isnan(excess).any():
        return undecided(question, units, "a run is not finite")
    worst = float(np.max(excess))
    judged = int(np.sum(np.isfinite(excess)))
    return Evidence(
        question,
        outcome_of(worst <= config.rounding),
        config.rounding - worst,
        units,
        f"{judged} runs x {config.steps} steps, at most "
        f"{float(data['tightest'].max()):.4f} of the bound "
        f"(rounding allowed: {config.rounding:.0e})",
    )


def roomy(config: Config) -> Float[np.ndarray, "rate residual"]:
    """The number eta D^2 T e of single samples; (i) is infinite where S makes it 1."""
    rates, residuals = np.asarray(config.rates), np.asarray(config.residuals)
    return np.asarray(rates[:, None] * APART**2 * config.steps * residuals)


def ratios(
    data: xr.Dataset, bound: str, mode: str
) -> Float[np.ndarray, "rate residual seed"]:
    """Bound over quantity at the last step, of every vector; inf where it is."""
    last = data.isel(step=-1, arm=slice(None, -1)).sel(mode=mode)
    value = abs(last["change"]) if bound == LOSS_OFF else last["path"]
    found = last["ceiling"].sel(bound=bound) / value
    return np.asarray(found.transpose("rate", "arm", "seed").values, float)


def _loose(config: Config, data: xr.Dataset) -> Evidence:
    """(i) is not only true but near, as long as it has room."""
    question = (
        f"single samples: is (i) <= {config.loose:g} paths while eta D^2 T e <= "
        f"{config.room:g}?"
    )
    chosen = roomy(config) <= config.room
    if not chosen.any():
        return undecided(question, "bound/path", "no run has so much room")
    samples = ratios(data, ANY_ORDER, MODES[0])[chosen]
    return below(question, known(samples), config.loose, config.level, "bound/path")


def _control(config: Config, data: xr.Dataset) -> Evidence:
    """The same test must fail for the undefended: or it could not fail at all."""
    above = data["control"].values
    least = float(np.min(above))
    return Evidence(
        "negative control: does every undefended path cross the defended (i)?",
        Outcome.HOLDS if least > config.rounding else Outcome.INCONCLUSIVE,
        least - config.rounding,
        _PARAMETERS,
        f"{int(np.sum(above > config.rounding))} of {above.size} do, the least by "
        f"{least:.3g}",
    )


def _network(config: Config, chain: Chain) -> Iterator[Evidence]:
    """Links at every step, sums over steps, the loss off, and a control."""
    rounding = config.rounding_network
    gap = np.abs(chain.identity)
    yield never_below(
        "transformer: is the trained gradient as long as theorem 2(b) says?",
        -gap, np.zeros_like(gap), rounding, "log ratio",
    )  # fmt: skip
    yield never_below(
        "is |grad| <= mean(D e) <= D_max mean(e) <= D_max (1 - exp(-L)) at every step?",
        chain.links, np.zeros_like(chain.links), rounding, "log ratio",
    )  # fmt: skip
    yield never_below(
        "is drift <= path <= the sum of eta mean(D e), up to every step?",
        chain.sums, np.zeros_like(chain.sums), rounding, "log ratio",
    )  # fmt: skip
    yield never_below(
        "does the deactivated loss change <= the sum of D_off |step|?",
        chain.off, np.zeros_like(chain.off), 0.0, "nats",
    )  # fmt: skip
    least = float(np.min(chain.control))
    yield Evidence(
        "negative control: does every undefended path cross the defended sum?",
        Outcome.HOLDS if least > 0 else Outcome.INCONCLUSIVE,
        least,
        "log ratio",
        f"path/sum at least {np.exp(least):.3g}, {chain.control.size} transformers",
    )


def remarks(config: Config, data: xr.Dataset) -> tuple[str, ...]:
    """How loose every bound is, and where it says nothing."""
    return (
        *_ratio_remarks(config, data),
        *_certificate_remarks(config, data),
        *link_remarks(config, data),
    )


def _ratio_remarks(config: Config, data: xr.Dataset) -> Iterator[str]:
    room = roomy(config)
    for bound, mode in (
        (ANY_ORDER, MODES[0]),
        (DESCENT, MODES[1]),
        (SATURATING, MODES[0]),
        (SATURATING, MODES[1]),
        (LOSS_OFF, MODES[0]),
        (LOSS_OFF, MODES[1]),
    ):
        found = ratios(data, bound, mode)
        cells = {
            f"e={residual:g}, eta={rate:g}, eta D^2 T e={room[i, j]:.2g}": found[i, j]
            for i, rate in enumerate(config.rates)
            for j, residual in enumerate(config.residuals)
        }
        what = "bound/|change|" if bound == LOSS_OFF else "bound/path"
        after = f"{what} after {config.steps} steps"
        yield f"{bound}, {mode}, {after}: {_extremes(cells, config.level)}"


def _certificate_remarks(config: Config, data: xr.Dataset) -> Iterator[str]:
    share = data["crossing"] / data["certificate"]
    for mode in MODES:
        cells = {
            f"{'no vector' if arm == NONE else f'e={arm}'}, eta={rate:g}, fall "
            f"{fall:g}": share.sel(mode=mode, arm=arm, fall=fall, rate=rate).values
            for arm in data["arm"].values
            for rate in config.rates
            for fall in config.falls
        }
        yield (
            f"certificate (iv), {mode}, steps needed over steps certified: "
            f"{_extremes(cells, config.level)}"
        )


def _extremes(cells: Mapping[str, np.ndarray], level: float) -> str:
    """The nearest and the loosest cell, and how many are not finite."""
    kept = {name: row for name, row in cells.items() if np.isfinite(row).all()}
    lost = len(cells) - len(kept)
    left = f"; infinite in {lost} of {len(cells)} cells" if lost else ""
    if not kept:
        return "nowhere finite"
    ordered = sorted(kept, key=lambda name: float(np.mean(np.log(kept[name]))))
    near, far = (
        f"{typical(kept[name], level)} ({name})" for name in (ordered[0], ordered[-1])
    )
    return f"from {near} to {far}{left}"
