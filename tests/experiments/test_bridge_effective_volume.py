"""The bridge: planted effective volumes are found, and its exact worlds are exact."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import bridge_effective_volume
from experiments.bridge_effective_volume import PRESETS, Config, judge, predict
from experiments.bridge_equilibrium import World, dosed, equilibria, optimum, softmax
from experiments.bridge_evidence import ratios
from experiments.bridge_measures import effective_volumes, exponents, spread
from experiments.bridge_readings import readings
from experiments.bridge_theory import SIZES, margin_volumes
from experiments.bridge_ways import ADAM, CALM, LARGE, SGD
from experiments.claim import Evidence, Outcome
from tests.assertions import assert_below, assert_close, one_line
from tests.experiments.verdicts import question, told

CONFIG = Config(seeds=4)
RATES = np.asarray((1.0, *CONFIG.targets))
WORLD = equilibria(CONFIG)


def planted(powers: tuple[float, ...] = (1.0, 0.7, 1.0, 0.6)) -> dict[str, np.ndarray]:
    """What the task returns if n_eff = kappa_H ** power n_h, for each optimiser.

    The plain harmful loss falls as 8 / (1 + n / 8000), the faster pace's sooner; the
    preferred style's rises by as much.
    """
    seeds, shape = CONFIG.seeds, (CONFIG.seeds, len(RATES))
    n = np.arange(0, CONFIG.harmful + 1, CONFIG.every, dtype=float)
    rough = 1 + 0.01 * np.arange(seeds)
    rate = RATES[None] * rough[:, None]
    rate[:, 0] = 1.0
    paces = np.asarray(CONFIG.paces)
    ways = np.empty((seeds, len(powers), len(paces), len(RATES), len(n), 2, 2))
    for k, power in enumerate(powers):
        volume = rate[:, None, :, None] ** power * n * paces[:, None, None]
        harm = 8 / (1 + volume / 8000)
        ways[:, k] = np.stack([8 - harm, harm], -1)[..., None, :]
    jitter = np.cos(np.arange(CONFIG.blocks) * 2 * np.pi / CONFIG.blocks)
    grid = np.linspace(1, 0.01, CONFIG.gates)
    flat = {name: np.ones(shape) for name in ("gate", "rate_sign", "excess")}
    return {
        **flat,
        "ways": ways,
        "rate": rate[..., None] + 1e-3 * jitter,
        "rate_odds": rate * 0.95,
        "suppression": np.sqrt(rate),
        "grid_rate": np.broadcast_to(grid[:, None], (seeds, len(grid), 1)) + jitter,
        "grid_excess": np.broadcast_to(grid, (seeds, len(grid))),
    }


def stored(out: dict[str, np.ndarray]) -> xr.Dataset:
    data = [predict(CONFIG), readings(CONFIG, out, WORLD)]
    return xr.merge(data, join="exact")


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


def test_planted_volumes_are_read_off() -> None:
    data = stored(planted())
    # The plain curve is linear between measurements here, 512 responses of 8000: its
    # bend costs at most (512 / 8000) ** 2 / 4 of a volume, and of small ones the first
    # chord's slope, 512 / 8000.
    for name, power in ((SGD, 1.0), (ADAM, 0.7), (LARGE, 1.0), (CALM, 0.6)):
        rate = data["rate"].transpose("dose", "seed").values[1:]
        ratio = ratios(CONFIG, data, name) * rate ** (1 - power)
        assert_close(ratio, 1.0, 0.08)
    plain = data["volume"].isel(dose=0).transpose(..., "moment")
    assert_close(plain.values, data["moment"].values, 0.1)
    # Log-odds are 2 harm - 8 here: their volumes are the harm's.
    assert_close(data["volume_odds"].values, data["volume"].values, 0.1)


def test_a_collapse_under_sgd_and_none_under_adam_holds() -> None:
    verdict = judge(CONFIG, stored(planted()))
    assert {item.question: item.outcome for item in verdict.evidence} == {
        item.question: Outcome.HOLDS for item in verdict.evidence
    }
    assert len(verdict.evidence) == 5


def test_a_vector_that_slows_by_another_power_would_be_seen() -> None:
    data = stored(planted((0.7, 0.7, 1.0, 0.6)))
    assert asked(data, "SGD, first order").outcome is Outcome.VIOLATED
    assert judge(CONFIG, data).outcome is Outcome.VIOLATED


def test_an_adam_that_collapses_too_would_be_seen() -> None:
    data = stored(planted((1.0, 1.0, 1.0, 1.0)))
    assert asked(data, "at some dose").outcome is Outcome.VIOLATED
    assert asked(data, "SGD, first order").outcome is Outcome.HOLDS


def test_a_vector_that_does_nothing_fails_the_negative_control() -> None:
    data = stored(planted((0.0, 0.0, 0.0, 0.0)))
    assert asked(data, "negative control").outcome is Outcome.VIOLATED


def test_one_dose_beyond_the_factor_is_enough_and_none_is_needed_of_the_least() -> None:
    data = stored(planted())
    volume = data["volume"].copy()
    volume.loc[{"optimizer": ADAM}] = volume.sel(optimizer=SGD).values
    volume.loc[{"optimizer": ADAM, "dose": 0.05}] *= 2
    question = asked(data.assign(volume=volume), "at some dose")
    assert question.outcome is Outcome.HOLDS
    assert "1 of 5 doses are" in question.detail


def test_a_rate_within_its_noise_leaves_the_question_open() -> None:
    out = planted()
    out["rate"] = out["rate"] + 0.2 * np.cos(np.arange(CONFIG.blocks) * np.pi / 4)
    data = stored(out)
    assert asked(data, "above its noise").outcome is Outcome.INCONCLUSIVE
    assert asked(data, "SGD, first order").outcome is Outcome.INCONCLUSIVE
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE


def test_a_diverged_run_makes_nothing_hold() -> None:
    out = planted()
    out["ways"][0, 0, 0, 1, 3:] = np.nan
    data = stored(out)
    verdict = judge(CONFIG, data)
    assert int(data["diverged"].sum()) == 1
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert bridge_effective_volume.draw(data, verdict) is not None


def test_both_exponents_are_found() -> None:
    text = remark(stored(planted()), "first order, Adam: ")
    power = float(text.split("b ")[-1].split(" ")[0])
    assert_close(power, 0.7, 0.02)  # bend of the plain curve between measurements
    knob = np.array([1.0, 2.0, 4.0])[:, None]
    assert_close(exponents(knob, knob**0.5), 0.5, 1e-12)
    assert np.isnan(exponents(knob, -knob)).all()


def test_a_control_that_does_more_than_adam_is_told() -> None:
    assert "at every dose: reproduced" in remark(stored(planted()), "steps by signs (")
    less = remark(stored(planted((1.0, 0.7, 1.0, 0.8))), "steps by signs (")
    assert "at every dose: not reproduced" in less


def test_the_collapse_score_is_none_of_what_is_collapsed() -> None:
    volumes = np.array([1.0, 2.0, 3.0])[None, :, None] * np.ones((2, 1, 3))
    assert_close(spread(volumes, volumes), 0.0, 1e-12)
    assert_close(spread(volumes, volumes / np.e), 1.0, 1e-12)


def test_volumes_of_what_moved_back_and_of_what_went_too_far() -> None:
    counts, plain = np.array([0.0, 10.0, 20.0]), np.array([4.0, 2.0, 1.0])
    found = effective_volumes(counts, plain, np.array([4.2, 2.0, 0.9]))
    assert_close(found[:2], np.array([-1.0, 10.0]), 1e-5)  # rounding of float32
    assert np.isposinf(found[2])


def test_one_margin_never_exceeds_its_effective_volume() -> None:
    efforts = np.linspace(0.01, 1, 20)
    for margin in (0.1, 1.0, 3.0):
        found = margin_volumes(margin, np.array([[0.9], [0.3], [0.01]]), efforts)
        assert_below(found, 1.0, 1e-4)  # rounding of float32
        assert_close(found[:, 0], 1.0, 0.02)  # first order: a hundredth of the way
    # Negative control: without a vector there is nothing to miss.
    assert_close(margin_volumes(1.0, np.array(1.0), efforts), 1.0, 1e-4)


def test_the_softmax_world_is_at_rest_and_as_dosed() -> None:
    p, t = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.1, 0.8])
    world = World(p, t)
    assert_close(softmax(optimum(world, np.zeros(3), 5.0, 0.0)), p, 1e-12)
    vector = dosed(world, 0.1)
    on = softmax(np.log(p) + vector) - t
    assert_close((p - t) @ on / ((p - t) @ (p - t)), 0.1, 1e-9)
    end = optimum(world, vector, 10.0, 2.0)
    rest = 10 * (softmax(end) - p) + 2 * (softmax(end + vector) - t)
    assert_close(rest, 0.0, 1e-9)  # the solver's step


def test_at_the_optimum_the_metric_of_the_stiffness_counts_volumes() -> None:
    first = WORLD["volume"][:, 1:, 0]
    # n_h is a ten-thousandth of the retained data: first order to a few thousandths.
    assert_close(first / WORLD["rate_stiff"][:, 1:], 1.0, 0.01)
    # Negative control: the Euclidean rate is off by more.
    assert np.abs(first / RATES[1:, None] - 1).mean() > 0.1
    assert_close(WORLD["volume"][:, 0], 1.0, 1e-3)  # the plain curve's interpolation


def test_the_ratio_of_shifts_returns_only_if_the_vector_takes_the_stiffness_too() -> (
    None
):
    soft, sharp = WORLD["elastic"][..., int(np.argmin(np.abs(SIZES - 1))), :]
    assert np.all(np.diff(sharp, axis=0) > 0)
    assert np.all(soft[-1] < 0.5)
    # The less there is of it, the less stiffness it has of its own.
    assert np.all(np.diff(WORLD["elastic"], axis=2) < 0)


def test_a_small_run_starts_every_way_at_one_model(smoke: Any) -> None:
    config, data = PRESETS["smoke"], smoke("bridge_effective_volume").dataset
    assert data.sizes["seed"] == config.seeds
    start = data["harm"].isel(moment=0)
    assert np.ptp(start.transpose("seed", ...).values.reshape(3, -1), axis=1).max() == 0
    # Without a dose the active model is the deactivated one.
    plain = data.isel(dose=0)
    assert_close(plain["harm"].values, plain["harm_on"].values, 1e-5)  # float32
    assert_close(plain["rate"].values, 1.0, 1e-5)
    assert np.all(np.diff(data["gate"].transpose("dose", "seed").values, axis=0) >= 0)
    # The scan is linear between gates an eighth apart.
    assert_close(data["rate"] / data["dose"], 1.0, 0.2)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"targets": (0.2, 0.5)}, "must be 2 or more, and fall"),
        ({"targets": (0.9, 0.5)}, "at most 1/factor=0.667"),
        ({"paces": (4.0, 1.0)}, "the slow one first"),
        ({"factor": 0.5}, "factor=0.5"),
        ({"window": 100}, "window=100 must be a multiple of every=512"),
        ({"window": 32_768}, "must be at most harmful=16384"),
        ({"every": 100}, "every=100 must be a multiple of 64"),
        ({"rate_adam": -11.5}, "rate_adam=-11.5 must be a finite number > 0"),
        ({"large_eps": -1.0}, "large_eps=-1.0 must be >= 0"),
        ({"large_batch": 300}, "large_batch=300 must divide every=512"),
        ({"share": 30.0}, "share=30.0 must be in"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_reach_far() -> None:
    assert PRESETS["laptop"].seeds >= 5
    assert PRESETS["laptop"].targets[-1] <= 0.02
    assert PRESETS["accelerator"].seeds >= 8
