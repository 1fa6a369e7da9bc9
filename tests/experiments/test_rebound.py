"""Rebound: a small run, and planted ways back whose answers are known."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import rebound
from experiments.claim import Evidence, Outcome
from experiments.rebound import PRESETS, Config, judge, predict
from experiments.rebound_evidence import displacement, returns, rho
from experiments.rebound_readings import LAWS, rebound_readings
from tests.assertions import assert_close, one_line
from tests.experiments.verdicts import question, told

CONFIG = Config(seeds=4)
POSITIVES = np.asarray(CONFIG.positives, float)


def planted(power: float = 0.4, stiffness: float = 0.004) -> dict[str, np.ndarray]:
    """Curves as the task returns them: a spring pulls models back, exponentially.

    Log-odds rise by 2 log2(n_pos / 64) above base; they come back at a speed of
    `stiffness` a nat, to a rest point that makes n* proportional to n_pos ** power.
    """
    config = CONFIG
    forward = np.arange(0, config.positives[-1] + 1, config.every, dtype=float)
    backward = np.arange(0, config.negatives + 1, config.every, dtype=float)
    rough = 1 + 0.01 * np.arange(config.seeds)
    up = 2 * np.log2(1 + forward / 64) - 3
    tops = np.interp(POSITIVES, forward, up)
    n_star = 250 * (POSITIVES / POSITIVES[0]) ** power * rough[:, None]
    decay = np.exp(-stiffness * n_star)
    rest = (-3 - tops * decay) / (1 - decay)
    way = rest[..., None] + (tops - rest)[..., None] * np.exp(-stiffness * backward)
    align = np.stack([np.zeros_like(up), up], axis=-1)
    invert = np.stack([np.zeros_like(way), way], axis=-1)
    models = 1 + len(POSITIVES) * (1 + len(config.moments))
    cells = (config.seeds, 1, 1)
    return {
        "align": np.broadcast_to(align, (*cells, *align.shape)),
        "invert": invert[:, None, None],
        "rate": np.full(cells, 0.02),
        "speed": np.full(cells, config.speed),
        "matched": np.ones(cells, bool),
        "share": np.linspace(0, 1, config.seeds * models).reshape(config.seeds, models),
        "drift": np.ones((config.seeds, models)),
    }


def stored(out: dict[str, np.ndarray]) -> xr.Dataset:
    return xr.merge([predict(CONFIG), rebound_readings(CONFIG, out)], join="exact")


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def remark(data: xr.Dataset, words: str) -> str:
    return told(judge(CONFIG, data), words)


def test_planted_numbers_are_read_off() -> None:
    data = stored(planted())
    # Linear interpolation over 32 responses of a curve that bends at rate 1/250.
    assert_close(returns(data)[0] / 250 / (POSITIVES / 256) ** 0.4, 1.0, 0.01)
    assert_close(rho(CONFIG, data).low, 0.4, 0.01)
    # One nat is gained by 2 log2: rounding of float32.
    assert_close(displacement(data)[0], 2 * np.log2(1 + POSITIVES / 64), 1e-4)
    # The pre-training mixture is 0.7 of the style whose divergence was planted.
    energy = data["energy"].values[0]
    assert_close(energy, 0.7 * 2 * np.log2(1 + POSITIVES / 64), 1e-4)


def test_a_spring_with_a_rising_n_star_holds() -> None:
    verdict = judge(CONFIG, stored(planted()))
    assert {item.question: item.outcome for item in verdict.evidence} == {
        item.question: Outcome.HOLDS for item in verdict.evidence
    }
    assert len(verdict.evidence) == 6
    text = " ".join(verdict.remarks)
    assert "then slow: reproduced" in text
    assert "Gemma-2B -0.19): not reproduced" in text
    assert "at every n_pos: reproduced" in text


def test_the_crossing_of_the_paper_would_be_seen() -> None:
    data = stored(planted(power=-0.15))
    assert asked(data, "no crossing").outcome is Outcome.VIOLATED
    assert judge(CONFIG, data).outcome is Outcome.VIOLATED
    assert "Gemma-2B -0.19): reproduced" in remark(data, "Table 3")


def test_a_return_that_costs_as_much_as_the_way_up_would_be_seen() -> None:
    data = stored(planted(power=1.0, stiffness=0.0005))
    assert asked(data, "much less").outcome is not Outcome.HOLDS
    assert asked(data, "rho < 1").outcome is not Outcome.HOLDS


def test_starts_in_the_wrong_order_would_be_seen() -> None:
    data = stored(planted())
    data["speed_back"] = data["speed_back"].copy(
        data=data["speed_back"].values[:, ::-1]
    )
    assert asked(data, "start the faster").outcome is Outcome.VIOLATED
    assert asked(data, "rank by rank").outcome is Outcome.VIOLATED
    assert "then slow: in part" in remark(data, "5.2")


def test_a_way_back_that_does_not_slow_down_would_be_seen() -> None:
    data = stored(planted())
    data["speed_late"] = 0.9 * data["speed_back"]
    assert asked(data, "slow late").outcome is Outcome.VIOLATED


def test_a_return_that_was_not_seen_is_not_made_up() -> None:
    data = stored(planted())
    data["returns"][0, -1] = np.inf
    assert asked(data, "much less").outcome is Outcome.INCONCLUSIVE
    assert asked(data, "rho < 1").outcome is Outcome.INCONCLUSIVE
    # It is at least the length of the way back, which is enough for rho > 0.
    assert asked(data, "no crossing").outcome is Outcome.HOLDS
    assert "1 samples censored" in asked(data, "no crossing").detail
    assert rebound.draw(data, judge(CONFIG, data)) is not None


def test_a_law_that_is_right_is_called_reproduced() -> None:
    data = stored(planted())
    for name in LAWS:
        data["law_returns"].loc[{"law": name}] = data["returns"].values * 1.1
    assert "1.5: reproduced" in remark(data, LAWS[0])
    data["law_returns"].loc[{"law": LAWS[1]}] = data["returns"].values * 3
    assert "1.5: not reproduced" in remark(data, LAWS[1])


def test_a_diverged_run_makes_nothing_hold() -> None:
    out = planted()
    out["invert"] = out["invert"].copy()
    out["invert"][0, 0, 0, 0, 5:] = np.nan
    data = stored(out)
    verdict = judge(CONFIG, data)
    assert int(data["diverged"].sum()) == 1
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert rebound.draw(data, verdict) is not None


def test_saturation_predicts_fewer_negatives_than_positives() -> None:
    found = predict(CONFIG)["mixture_returns"].values
    assert np.all(np.diff(found) > 0)  # no crossing
    assert np.all(found[1:] < POSITIVES[1:])


def test_a_small_run_keeps_every_curve(smoke: Any) -> None:
    config, data = PRESETS["smoke"], smoke("rebound").dataset
    assert data.sizes["seed"] == config.seeds
    assert np.isfinite(data["odds_back"].values).all()
    forward, back = data["odds_forward"], data["odds_back"]
    for count in config.positives:
        # The way back begins where the alignment was cut: the same model, twice.
        assert_close(
            back.sel(positives=count, backward=0).values,
            forward.sel(forward=count).values,
            1e-4,  # rounding of float32 over some hundred terms
        )
    np.testing.assert_array_equal(
        data["share_back"].sel(moment=0).values, data["share_aligned"].values
    )
    assert np.all(data["drift_aligned"].values > 0)
    assert_close(data["drift_base"].values, 0.0, 1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"positives": (256, 512)}, "a trend needs 3 lengths"),
        ({"slowing": 30.0}, r"slowing=30.0 must be in \(0, 1\)"),
        ({"factor": 0.5}, "factor=0.5 must be > 1"),
        ({"width": 0}, "width=0 must be >= 2"),
        ({"moments": (0, 100)}, "100 must be a multiple of every=32"),
        ({"moments": (0, 4096)}, "of phase invert"),
        ({"negatives": 1000}, "every=32 must divide 1000 responses"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_reach_far() -> None:
    laptop = PRESETS["laptop"]
    assert laptop.positives[0] == 256
    assert laptop.positives[-1] == 4096
    assert laptop.seeds >= 5
    assert PRESETS["accelerator"].seeds >= 8
