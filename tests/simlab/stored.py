"""One small result, how to store it and how to spoil it, for the storage tests."""

import dataclasses
import math

import numpy as np
import pytest
import xarray as xr

from simlab import storage
from simlab.storage import StorageError

CONFIG = {"seeds": 8, "penalty": 0.5, "sizes": (2, 3)}
MANIFEST = {"claim": "frontier", "config": CONFIG, "verdict": {"holds": True}}


@dataclasses.dataclass(frozen=True)
class Settings:
    seeds: int = 8
    penalty: float = 0.0


def dataset(value=1.0):
    losses = np.array([[value, math.nan, math.inf], [-0.0, 2.0, value]])
    label = {"units": "nats", "long_name": "loss of the safety task"}
    count = {"units": "seconds", "long_name": "wall time, not a date"}
    return xr.Dataset(
        {
            "losses": (("run", "time"), losses, label),
            "walls": ("run", np.array([3, 4]), count),
            "converged": ("run", np.array([True, False]), label),
        },
        coords={"time": ("time", np.array([0.0, 1.0, 2.0], np.float32), count)},
    )


def places(out, config=CONFIG):
    where = out, "frontier", config
    return storage.partial_directory(*where), storage.final_directory(*where)


def store(out, value=1.0, replace=False):
    partial, final = places(out)
    return storage.finish(partial, final, MANIFEST, dataset(value), replace)


def complaint(action, *arguments, **options):
    with pytest.raises(StorageError) as caught:
        action(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def spoilt(content):
    """Every kind of damage: cut off at, or one bit flipped in, many places."""
    for place in {*range(0, len(content), 97), *range(60), len(content) - 1}:
        yield content[:place]
        yield bytes([*content[:place], content[place] ^ 1, *content[place + 1 :]])
