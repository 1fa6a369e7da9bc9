"""The resistance claim: planted answers are found, fields are named, losses add up."""

import dataclasses

import numpy as np
import pytest
import xarray as xr

from experiments.claim import Outcome
from experiments.resistance import PRESETS, Config, draw, judge, predict
from experiments.resistance_evidence import compared, entropy_share
from experiments.resistance_paths import measured

CONFIG = dataclasses.replace(Config(), seeds=8)


def planted(advantage: float, entropies: tuple[float, float, float]) -> xr.Dataset:
    """Data in which going back costs `advantage` less than going on, per token.

    The author's entropy is added to the excess, as a training loss does.
    """
    steps = CONFIG.path // CONFIG.batch
    tasks, seeds = len(CONFIG.tasks), CONFIG.seeds
    noise = 1e-3 * np.sin(np.arange(seeds * tasks * 3)).reshape(seeds, tasks, 1, 1, 3)
    shape = (seeds, tasks, 2, 2, 3)
    excess = np.full(shape, 0.05) + noise
    excess[:, :, :, 0] += advantage
    entropy = np.broadcast_to(np.array(entropies), (seeds, tasks, 3))
    authors = np.array([[1, 2, 2], [0, 1, 0]])  # [direction, pair]: whose answers
    raw = excess + np.array(entropies)[authors]

    def along(values: np.ndarray) -> np.ndarray:
        return np.repeat(values[..., None], steps, axis=-1)

    stored = {"raw": along(raw), "excess": along(excess), "entropy": entropy}
    return xr.merge([predict(CONFIG), measured(CONFIG, stored)], join="exact")


def test_a_planted_resistance_is_found_through_any_entropy() -> None:
    for entropies in ((2.0, 2.0, 2.0), (2.0, 1.9, 1.8)):
        verdict = judge(CONFIG, planted(0.01, entropies))
        assert verdict.outcome is Outcome.HOLDS, verdict


def test_an_opposite_effect_and_no_effect_are_told_apart() -> None:
    # Negative controls: the sign test can say no, and can say nothing.
    assert judge(CONFIG, planted(-0.01, (2.0, 2.0, 2.0))).outcome is Outcome.VIOLATED
    balanced = planted(0.0, (2.0, 2.0, 2.0))
    signs = np.where(np.arange(CONFIG.seeds) % 2, 1e-3, -1e-3)
    along = xr.DataArray([1.0, -1.0], dims="direction")
    balanced["excess"] = balanced["excess"] + along * xr.DataArray(signs, dims="seed")
    assert judge(CONFIG, balanced).outcome is Outcome.INCONCLUSIVE


def test_raw_losses_follow_whoever_wrote_the_answers() -> None:
    # Entropy rising along fine-tuning makes the inverse loss the lower one, and falling
    # entropy the higher one, whatever resistance there is.
    for entropies, word in (
        ((1.8, 1.9, 2.0), "reproduced"),
        ((2.0, 1.9, 1.8), "not reproduced"),
    ):
        data = planted(0.0, entropies)
        told = judge(CONFIG, data).remarks[0]
        assert f"sgd: {word}" in told
        assert entropy_share(data) > 0.9


def test_a_diverged_path_judges_nothing() -> None:
    data = planted(0.01, (2.0, 2.0, 2.0))
    data["excess"][2, 0, 0, 1, 1] = np.nan
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE


def test_raw_is_excess_plus_the_authors_own_loss_in_real_runs(smoke) -> None:
    # The author's mean loss on its own rows estimates its entropy. Nats a token: one
    # response has a spread of about 0.25 nats a token, 256 responses a path.
    data = smoke("resistance").dataset
    earlier, later = (data["entropy"].values[..., k] for k in (0, 2))
    own = (data["raw"] - data["excess"]).sel(pair="1-3", optimizer="sgd")
    for way, entropy in (("forward", later), ("inverse", earlier)):
        found = own.sel(direction=way).transpose("seed", "task").values
        assert np.max(np.abs(found - entropy)) < 5 * 0.25 / np.sqrt(256)
    # And the two are not the same thing: swapped, they do not agree as well.
    wrong = np.abs(own.sel(direction="forward").values - earlier).mean()
    right = np.abs(own.sel(direction="forward").values - later).mean()
    assert right < wrong


def test_an_excess_loss_is_a_divergence_before_training(smoke) -> None:
    # KL >= 0 in the mean over a batch's rows; here over all paths of all seeds.
    start = smoke("resistance").dataset["curve"].isel(step=0)
    assert float(start.mean()) > 0


def test_the_paper_s_printed_numbers_are_those_of_its_table() -> None:
    printed = predict(CONFIG)["printed"]
    forward, inverse = (printed.isel(direction=k) for k in (0, 1))
    assert bool((inverse < forward).all())
    assert (
        float(printed.sel(paper_model="Llama3-8B").isel(pair=2, direction=0)) == 0.323
    )


def test_the_figure_draws_from_stored_data_alone() -> None:
    data = planted(0.01, (2.0, 1.9, 1.8))
    figure = draw(data, judge(CONFIG, data))
    assert len(figure.axes) == 4


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tasks": (0.6, 0.5)}, "sum to less than 1"),
        ({"slices": (512, 512, 1024)}, "slices=.* must be > 0 and rise"),
        ({"path": 100}, "batch=16 must divide 100 responses"),
        ({"rate_adam": 0.0}, "rate_adam=0.0"),
        ({"width": 30}, "heads=4 must divide width=30"),
    ],
)
def test_an_impossible_field_is_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(PRESETS["laptop"], **fields)


def test_one_seed_compares_nothing_but_runs() -> None:
    data = planted(0.01, (2.0, 2.0, 2.0)).isel(seed=[0])
    assert judge(CONFIG, data).outcome is Outcome.INCONCLUSIVE
    assert compared(data, "excess", "sgd").by_seed.shape == (1,)
