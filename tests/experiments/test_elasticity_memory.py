"""Memory against saturation: measures of planted laws, a small run, its verdict."""

from typing import Any

import jax
import numpy as np
import pytest
import xarray as xr

from experiments import elasticity_memory
from experiments.claim import Evidence, Outcome
from experiments.elasticity_memory import PRESETS, judge, predict
from experiments.labels import labelled
from experiments.memory_lives import (
    DOMINANT,
    RARE,
    ROLES,
    Config,
    coordinates,
)
from experiments.memory_measures import (
    coefficients,
    dearer,
    half_places,
    memory_shares,
    places,
    saturated_unit_costs,
    stretch_costs,
    unit_costs,
)
from simlab.statistics import estimate, interval
from tests.assertions import assert_close, assert_must_fail
from tests.experiments.verdicts import question, told
from theory.compression import inverse_effort, inverse_end, inverse_speed

CONFIG = Config(back=640, every=16, window=64)
SAMPLES = np.arange(0, CONFIG.back + 1, CONFIG.every, dtype=float)
LAW = jax.jit(inverse_end)
RATE = 0.05
"""Effort of one response in the planted laws."""

SWAPPED, TRACKED = "dearer than saturation", "follow the pre-trained base"


def law(start: Any, effort: Any, rest: Any = 0.0) -> np.ndarray:
    """The log law's way back about a log-odds `rest`, [..., moment]."""
    begin = np.asarray(start - np.asarray(rest), float)[..., None]
    per_response = np.asarray(effort, float)[..., None]
    moved = np.asarray(LAW(begin, per_response * SAMPLES), float)
    return np.asarray(moved + np.asarray(rest)[..., None])


def planted(
    *, follows: float, dominant: float = 1.0, noise: float = 0.02, chains: float = 1.0
) -> xr.Dataset:
    """Lives whose plateaus follow the base by a coefficient, one mode being faster.

    `chains` is how much faster the first style is than the second, in either role.
    """
    seeds, shares = CONFIG.seeds, len(CONFIG.tracked)
    base = np.linspace(3.0, -9.0, shares)[:, None] + 0.1 * np.arange(seeds)
    rough = 1 + noise * np.cos(np.arange(1, 1 + 6 * seeds)).reshape(2, 3, seeds)
    start = np.array([4.5, 5.5, 6.5])[:, None] * rough
    effort = np.full(rough.shape, RATE) * rough
    effort[:, 0] *= dominant
    for i, roles in enumerate(ROLES):
        effort[i, roles.index(1)] *= chains
    begin = 9.0 + 0.2 * np.sin(np.arange(shares * seeds)).reshape(shares, seeds)
    tracked = law(begin, np.full(begin.shape, RATE), follows * base)
    return labelled(
        {
            "swapped": (
                ("swap", "mode", "seed", "moment"),
                law(start, effort),
                "1",
                "",
            ),
            "tracked": (("share", "seed", "moment"), tracked, "1", ""),
            "tracked_unseen": (("share", "seed", "moment"), tracked, "1", ""),
            "base_tracked": (("share", "seed"), base, "1", ""),
            "diverged": (("seed",), np.zeros(seeds, int), "1", ""),
        },
        coordinates(CONFIG),
    )


def asked(data: xr.Dataset, words: str) -> Evidence:
    """The one question of the verdict that contains the words."""
    return question(judge(CONFIG, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


# Measures of laws that are known


def test_the_log_law_slows_where_its_formula_says() -> None:
    start = np.array([0.5, 2.0, 6.0])
    found = half_places(SAMPLES, law(start, 0.02 * np.ones(3)), CONFIG.every)
    half = np.asarray(inverse_speed(start)) / 2
    expected = np.log(half / (1 - half))
    # The measured first speed is that over one window of 16 responses at 0.02, which
    # moves a log-odds by 0.3 at most: the place moves by less than half of that.
    assert_close(found, expected, 0.15)
    assert_must_fail(lambda: assert_close(found, expected + 0.4, 0.15))


def test_a_way_that_never_slows_has_no_place_and_one_that_rises_no_speed() -> None:
    straight = 5.0 - 0.01 * SAMPLES
    assert np.isnan(half_places(SAMPLES, np.stack([straight, -straight]), 64)).all()


def test_a_cost_is_what_the_law_needs_for_a_nat() -> None:
    data = planted(follows=0.5, noise=0.0)
    start = data["swapped"].isel(moment=0).values
    expected = np.asarray(inverse_effort(start, 0.0)) / start / RATE
    # Linear interpolation between moments 0.8 nats of effort apart.
    assert_close(unit_costs(data) / expected, 1.0, 0.02)
    assert_close(saturated_unit_costs(data) / expected, RATE, 1e-6)  # float32


def test_the_swap_takes_away_what_a_style_costs_by_itself() -> None:
    # Starts are those of the roles: the two styles differ in their speed alone.
    alike, unlike = (
        planted(follows=0.5, noise=0.0, chains=chains) for chains in (1.0, 1.7)
    )
    both = [dearer(unit_costs(data), RARE, DOMINANT) for data in (alike, unlike)]
    assert_close(both[0], both[1], 0.03)  # interpolation, as above
    # Negative control: one order alone takes the chains for memory.
    single = [dearer(unit_costs(data)[:1], RARE, DOMINANT) for data in (alike, unlike)]
    assert_must_fail(lambda: assert_close(single[0], single[1], 0.2))


def test_any_law_of_the_log_odds_alone_costs_the_same_over_one_stretch() -> None:
    still = dearer(stretch_costs(planted(follows=0.5), 2.0), RARE, DOMINANT)
    # Noise of 2 % in every effort, and interpolation.
    assert_close(still, 0.0, 0.08)
    fast = dearer(
        stretch_costs(planted(follows=0.5, dominant=1.5), 2.0), RARE, DOMINANT
    )
    assert_close(fast, np.log(1.5), 0.1)  # the same
    assert_must_fail(lambda: assert_close(fast, 0.0, 0.1))


@pytest.mark.parametrize("follows", [0.0, 0.35, 1.0])
def test_the_share_of_memory_is_what_was_planted(follows: float) -> None:
    data = planted(follows=follows)
    # Nearest to its rest, a way begins 6 nats above it: over the first window its speed
    # is 0.94 of what a far one has, and its half place 0.1 nats lower, in 12 of base.
    assert_close(memory_shares(data, CONFIG.window), follows, 0.03)
    base = data["base_tracked"].values
    shuffled = coefficients(base[[2, 4, 0, 3, 1]], places(data, CONFIG.window))
    if follows:
        assert_must_fail(lambda: assert_close(shuffled, follows, 0.1))


# The verdict on planted lives


@pytest.mark.parametrize(
    ("follows", "dominant", "plateau", "swap"),
    [
        (0.35, 1.5, Outcome.HOLDS, Outcome.HOLDS),
        (0.0, 1.0, Outcome.VIOLATED, Outcome.VIOLATED),  # saturation alone
        (1.0, 1.5, Outcome.VIOLATED, Outcome.HOLDS),  # a spring at rest at the base
        (0.35, 0.7, Outcome.HOLDS, Outcome.VIOLATED),  # swapped roles
    ],
)
def test_each_mechanism_gets_the_answer_it_deserves(
    follows: float, dominant: float, plateau: Outcome, swap: Outcome
) -> None:
    data = planted(follows=follows, dominant=dominant)
    assert asked(data, TRACKED).outcome is plateau
    assert asked(data, SWAPPED).outcome is swap
    every = {plateau, swap}
    expected = Outcome.VIOLATED if Outcome.VIOLATED in every else Outcome.HOLDS
    assert judge(CONFIG, data).outcome is expected


@pytest.mark.parametrize(
    ("follows", "dominant", "words"),
    [
        (0.35, 1.5, ("pre-training: reproduced", "at rest there: not reproduced")),
        (1.0, 1.5, ("pre-training: reproduced", "at rest there: reproduced")),
        (0.0, 1.0, ("pre-training: not reproduced", "at rest there: not reproduced")),
    ],
)
def test_the_papers_statement_is_answered_apart(
    follows: float, dominant: float, words: tuple[str, str]
) -> None:
    line = remark(planted(follows=follows, dominant=dominant), "paper:")
    assert all(word in line for word in words), line


def test_seeds_that_disagree_leave_both_questions_open() -> None:
    data = planted(follows=0.35, dominant=1.3)
    # Planted: half of the seeds have the roles of the two modes exchanged, and half
    # of them do not follow the base.
    half = np.arange(CONFIG.seeds) % 2 == 0
    swapped, tracked = data["swapped"].values, data["tracked"].values
    swapped[:, :, half] = swapped[:, [1, 0, 2]][:, :, half]
    tracked[:, half] = planted(follows=-0.3)["tracked"].values[:, half]
    assert asked(data, SWAPPED).outcome is Outcome.INCONCLUSIVE
    assert asked(data, TRACKED).outcome is Outcome.INCONCLUSIVE


def test_a_way_too_short_or_a_run_that_diverged_judges_nothing() -> None:
    short = planted(follows=0.35, dominant=1.5)
    short["swapped"].values[0, 0, 1] = 3.0
    short["tracked"].values[1, 2] = 5.0 - 0.001 * SAMPLES
    broken = planted(follows=0.35, dominant=1.5)
    broken["swapped"].values[0, 0, 1] = np.nan
    broken["tracked"].values[1, 2] = np.nan
    broken["diverged"].values[1] = 1
    for data in (short, broken):
        assert asked(data, SWAPPED).outcome is Outcome.INCONCLUSIVE
        assert asked(data, TRACKED).outcome is Outcome.INCONCLUSIVE
        verdict = judge(CONFIG, data)
        assert verdict.outcome is Outcome.INCONCLUSIVE
        assert "inconclusive" in remark(data, "paper:")
        whole = xr.merge([predict(CONFIG), data], join="exact")
        assert elasticity_memory.draw(whole, verdict) is not None
    assert "did not reach neutral" in asked(short, SWAPPED).detail


def test_an_interval_is_told_as_it_was_judged() -> None:
    data = planted(follows=0.35, dominant=1.5)
    found = estimate(memory_shares(data, CONFIG.window))
    low, high = interval(found, 2 * CONFIG.level - 1)
    assert f"[{low:.2f}, {high:.2f}]" in asked(data, TRACKED).detail


# A small run


def test_a_result_holds_every_life(smoke: Any) -> None:
    config, data = PRESETS["smoke"], smoke("elasticity_memory").dataset
    moments = 1 + config.back // config.every
    assert dict(data["swapped"].sizes) == {
        "swap": 2, "mode": 3, "moment": moments, "seed": config.seeds,
    }  # fmt: skip
    assert data["tracked"].sizes["share"] == len(config.tracked)
    assert not data["diverged"].any()
    # The more of a style in pre-training, the less the base prefers the other one.
    falls = np.diff(data["base_tracked"].transpose("share", "seed").values, axis=0)
    assert np.all(falls < 0)
    by_role = data["base_swapped"].mean(("swap", "seed"))
    assert float(by_role.sel(mode=DOMINANT)) < float(by_role.sel(mode=RARE))


def test_alignment_lies_between_the_base_and_the_way_back(smoke: Any) -> None:
    data = smoke("elasticity_memory").dataset
    for base, way in (("base_swapped", "swapped"), ("base_tracked", "tracked")):
        start, end = (data[way].isel(moment=i) for i in (0, -1))
        assert bool((start > data[base]).all())
        assert bool((end < start).all())
