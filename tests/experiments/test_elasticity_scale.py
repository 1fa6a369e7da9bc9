"""Elasticity against size: planted curves whose slopes are known, and a small run."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import elasticity_scale
from experiments.claim import Evidence, Outcome
from experiments.elasticity_scale import PRESETS, Config, judge, predict
from experiments.lifecycle import samples_axis
from experiments.reversal import FIXED, MATCHED
from experiments.scale_evidence import PRICE, RHO, quantities, slopes
from experiments.scale_readings import scale_readings
from experiments.thresholds import known
from tests.assertions import assert_close, assert_must_fail, one_line
from tests.experiments.verdicts import question

CONFIG = Config(
    seeds=4, widths=(8, 16, 64), volumes=(100, 400), positives=(256, 1024),
    negatives=1024, late_from=512,
)  # fmt: skip
POWERS = (-0.3, -0.1)
"""How the planted price of return depends on width and volume, speeds matched."""


def planted(
    config: Config = CONFIG, powers: tuple[float, float] = POWERS, price: float = 60.0
) -> Any:
    """Curves as a task returns them: log-odds rise by log2 of the positives, and fall
    by one nat every `price` size^powers responses; at a fixed rate size has no part.
    """
    forward = samples_axis(config.positives[-1], config.every)
    backward = samples_axis(config.negatives, config.every)
    size = np.log(np.array(config.widths))[:, None] * powers[0]
    size = np.exp(size + np.log(np.array(config.volumes)) * powers[1])
    # [width, seed, volume, pace]: seeds differ a little, by as much everywhere.
    rough = 1 + 0.01 * np.arange(config.seeds)[:, None]
    one = size[:, None] * rough
    prices = price * np.stack([one, 0.3 + 0 * one], axis=-1)
    up = np.broadcast_to(np.log2(1 + forward / 64) - 3, (*prices.shape, len(forward)))
    tops = np.interp(config.positives, forward, up[0, 0, 0, 0])
    down = tops[:, None] - backward / prices[..., None, None]
    zero = {"align": np.zeros_like(up), "invert": np.zeros_like(down)}
    return {
        "align": np.stack([zero["align"], up], axis=-1),
        "invert": np.stack([zero["invert"], down], axis=-1),
        "rate": np.full(prices.shape, 0.02),
        "matched": np.ones(prices.shape, bool),
    }


def stored(out: Any, config: Config = CONFIG) -> xr.Dataset:
    return xr.merge([predict(config), scale_readings(config, out)], join="exact")


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def test_planted_slopes_are_read_off() -> None:
    data = stored(planted())
    price = quantities(data, MATCHED)[PRICE]
    for knob, power in zip(("width", "volume"), POWERS, strict=True):
        for corner in (False, True):
            ends = slopes(data, price, knob, corner)
            assert_close(ends.low, power, 1e-3)  # crossings are read in float32
            assert_close(ends.high, power, 1e-3)
    flat = slopes(data, quantities(data, FIXED)[PRICE], "width")
    assert_close(flat.low, 0.0, 1e-3)


def test_the_slopes_are_those_of_one_regression_on_both_knobs() -> None:
    data = stored(planted())
    rows = np.sin(np.arange(4 * 6.0)).reshape(4, 3, 2)  # anything
    width, volume = np.meshgrid(
        np.log(CONFIG.widths), np.log(CONFIG.volumes), indexing="ij"
    )
    design = np.stack([np.ones(6), width.ravel(), volume.ravel()], axis=1)
    fits = np.linalg.lstsq(design, rows.reshape(4, 6).T, rcond=None)[0]
    ends = known(rows)
    assert_close(slopes(data, ends, "width").low, fits[1], 1e-12)  # rounding
    assert_close(slopes(data, ends, "volume").low, fits[2], 1e-12)
    assert_must_fail(
        lambda: assert_close(slopes(data, ends, "volume").low, fits[1], 1e-2)
    )


def test_a_price_that_falls_with_size_holds() -> None:
    verdict = judge(CONFIG, stored(planted()))
    assert verdict.outcome is Outcome.HOLDS
    assert [item.outcome for item in verdict.evidence] == [Outcome.HOLDS] * 3
    fixed = [line for line in verdict.remarks if line.startswith("fixed rates, slopes")]
    assert len(fixed) == 2


@pytest.mark.parametrize(
    ("powers", "knob"), [((0.3, -0.1), "larger"), ((-0.3, 0.1), "longer")]
)
def test_a_price_that_rises_with_size_would_be_seen(
    powers: tuple[float, float], knob: str
) -> None:
    data = stored(planted(powers=powers))
    assert asked(data, f"does a {knob}").outcome is Outcome.VIOLATED
    assert judge(CONFIG, data).outcome is Outcome.VIOLATED


def test_seeds_that_disagree_decide_nothing() -> None:
    data = stored(planted())
    mirrored = stored(planted(powers=(0.3, 0.1)))
    half = data["seed"] % 2 == 0
    data["returns"] = data["returns"].where(half, mirrored["returns"])
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("width", "powers", "price", "outcome"),
    [
        # Where a price is weighed down, a bound from below is enough.
        (8, POWERS, 60.0, Outcome.HOLDS),
        # Where it is weighed up, the bound is dearer than a cheap small model's...
        (64, POWERS, 60.0, Outcome.VIOLATED),
        # ... or, where the small one's is nearly as dear, leaves the slope open.
        (64, (-1.0, -0.1), 2500.0, Outcome.INCONCLUSIVE),
    ],
)
def test_a_return_not_seen_is_a_bound(
    width: int, powers: tuple[float, float], price: float, outcome: Outcome
) -> None:
    data = stored(planted(powers=powers, price=price))
    assert asked(data, "does a larger").outcome is Outcome.HOLDS
    place = {"width": width, "volume": 100, "pace": MATCHED}
    data["returns"].loc[place | {"positives": CONFIG.positives[-1]}] = np.inf
    assert asked(data, "does a larger").outcome is outcome
    assert quantities(data, MATCHED)[RHO].high.max() == np.inf


def test_speeds_that_were_not_reached_are_marked() -> None:
    data = stored(planted())
    data["matched"].loc[{"width": 8, "pace": MATCHED}] = False
    item = asked(data, "speed asked for")
    assert item.outcome is Outcome.INCONCLUSIVE
    assert "not all at width 8 volume 100, width 8 volume 400" in item.detail
    # At a fixed rate there is no speed to reach.
    data = stored(planted())
    data["matched"].loc[{"pace": FIXED}] = False
    assert asked(data, "speed asked for").outcome is Outcome.HOLDS


def test_one_width_has_no_slope_and_says_so() -> None:
    config = Config(
        seeds=4, widths=(8,), volumes=(100, 400), positives=(256, 1024),
        negatives=1024, late_from=512,
    )  # fmt: skip
    data = stored(planted(config), config)
    outcomes = [item.outcome for item in judge(config, data).evidence]
    assert outcomes == [Outcome.HOLDS, Outcome.INCONCLUSIVE, Outcome.HOLDS]


def test_a_diverged_curve_makes_nothing_hold() -> None:
    out = planted()
    out["invert"][0, 0, 0, 0, 0, 3:] = np.nan
    data = stored(out)
    verdict = judge(CONFIG, data)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert int(data["diverged"].sum()) == 1
    assert elasticity_scale.draw(data, verdict) is not None


def test_saturation_predicts_a_price_that_knows_no_size() -> None:
    data = predict(CONFIG)
    assert set(data.dims) == {"positives"}
    assert np.all(data["law_price"].values > 0)


def test_a_small_run_has_every_cell(smoke: Any) -> None:
    config = PRESETS["smoke"]
    data = smoke("elasticity_scale").dataset
    assert data["volume"].values.tolist() == list(config.volumes)
    assert data["pace"].values.tolist() == [MATCHED, FIXED]
    assert np.isfinite(data["odds_back"].values).all()
    fixed = data["rate"].sel(pace=FIXED).values
    assert_close(fixed, config.rate, 1e-8)  # rounding of float32
    # A slice of the same pre-training: volumes start from different models.
    starts = data["odds_forward"].isel(forward=0).values
    assert np.all(starts[:, :, 0] != starts[:, :, 1])
    np.testing.assert_array_equal(starts[..., 0], starts[..., 1])  # paces begin alike


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"widths": (16, 8)}, r"widths=\(16, 8\) must be one or more, >= 1, rising"),
        ({"volumes": ()}, r"volumes=\(\) must be one or more"),
        ({"positives": (512,)}, "an exponent needs 2 lengths"),
        ({"reached": 0.0}, r"reached=0.0 must be in \(0, 1\]"),
        ({"late_from": 2048}, "must leave a window of 128"),
        ({"heads": 3}, "heads=3 must divide width=16"),
        ({"share": 1.0}, "pre-training knows both styles"),
        ({"every": 24}, "every=24 must be a multiple of batch=16"),
        ({"every": 96}, "every=96 must divide 512 responses"),
        ({"window": 32}, "window=32 must hold two measurements"),
        ({"positives": (2048, 512)}, r"positives=\(2048, 512\) must rise"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_grow() -> None:
    assert set(PRESETS) == {"smoke", "laptop", "accelerator"}
    laptop, large = PRESETS["laptop"], PRESETS["accelerator"]
    assert min(len(laptop.widths), len(laptop.volumes)) >= 4
    assert laptop.seeds >= 5
    assert large.seeds >= 8
    assert large.widths[-1] == 512
