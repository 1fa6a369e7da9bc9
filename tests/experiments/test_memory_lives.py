"""The lives of `elasticity_memory`: who plays which role, and fields that are wrong."""

from typing import Any

import numpy as np
import pytest

from experiments.memory_lives import (
    DOMINANT,
    RARE,
    Config,
    as_labelled,
    swapped_mixes,
    tracked_mixes,
)
from tests.assertions import assert_close, one_line


def test_log_odds_belong_to_their_leg_and_role() -> None:
    config = Config(seeds=2, tracked=(0.2, 0.5, 0.9))
    # Planted: KL(p_z || q) says which seed, mix, leg, moment and style it is of.
    moments = config.back // config.every
    shape = np.indices((2, 5, 3, moments, 4))
    weights = np.array([1e4, 1e3, 1e2, 0.1, 1.0])[:, None, None, None, None, None]
    told = np.sum(weights * np.sin(shape + 0.5), axis=0)
    back, start, base = told, told[..., 0, :] + 7.0, told[:, :, 0, 0]
    data = as_labelled(config, {"back": back, "start": start, "base": base})
    one = data["swapped"].sel(mode=DOMINANT, seed=1, swap=1)
    assert_close(one.values[1:], back[1, 1, 1, :, 2] - back[1, 1, 1, :, 0], 1e-9)
    last = data["tracked"].sel(share=0.9, seed=0)
    assert_close(last.values[0], start[0, 4, 0, 1] - start[0, 4, 0, 0], 1e-9)
    unseen = data["tracked_unseen"].sel(share=0.2, seed=0)
    assert_close(unseen.values[1:], back[0, 2, 2, :, 3] - back[0, 2, 2, :, 0], 1e-9)
    rest = data["base_swapped"].sel(swap=0, mode=RARE, seed=1)
    assert_close(rest.values, base[1, 0, 2] - base[1, 0, 0], 1e-9)


def test_every_style_plays_every_swapped_role_once() -> None:
    mixes = np.array(swapped_mixes(Config()) + tracked_mixes(Config()))
    assert_close(mixes.sum(axis=1), 1.0, 1e-12)  # rounding
    first, second = mixes[:2]
    assert_close(first, second[[0, 2, 1, 3]], 1e-12)
    assert np.all(mixes[:, 3] == 0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tracked": (0.5, 0.3, 0.9)}, "must be 3 or more, and rise"),
        ({"tracked": (30.0, 50.0, 97.0)}, "did you pass percent"),
        ({"share_dominant": 0.3}, "must leave a rare style less"),
        ({"share_preferred": 0.0}, "must leave a rare style less"),
        ({"every": 24}, "did you count steps"),
        ({"window": 48}, "must be a multiple of every=32"),
        ({"back": 64}, "must fit twice into back=64"),
        ({"margin_pure": 0.5}, r"margin_pure=0.5 must be in \(0, 0.5\)"),
        ({"margin_cost": 0.0}, "margin_cost=0.0 must be a finite"),
        ({"heads": 3}, "heads=3 must divide width=32"),
        ({"level": 0.01}, "did you pass the error level"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)
