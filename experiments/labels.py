"""Labelled results: every variable with its dimensions, unit and meaning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from simlab.sweeps import Grid

Variable = tuple[Sequence[str], Any, str, str]
"""Dimensions, values, units, long name."""


def labelled(
    variables: Mapping[str, Variable], coordinates: Mapping[str, Variable] | None = None
) -> xr.Dataset:
    """A dataset of the variables, each with `units` and `long_name`."""

    def packed(variable: Variable) -> tuple[Sequence[str], np.ndarray, dict[str, str]]:
        dims, values, units, text = variable
        return dims, np.asarray(values), {"units": units, "long_name": text}

    return xr.Dataset(
        {name: packed(variable) for name, variable in variables.items()},
        {name: packed(variable) for name, variable in (coordinates or {}).items()},
    )


def axes_of(grid: Grid) -> dict[str, Variable]:
    """The coordinates of a grid of runs."""
    return {
        axis.name: ((axis.name,), axis.values, axis.units, axis.long_name)
        for axis in grid.axes
    }
