"""Checks of a configuration: one line that names the field, its value and the range."""

import math
from typing import Any


def positive(config: Any, name: str, hint: str) -> None:
    """Raises ValueError unless the field is a finite number above 0."""
    value = getattr(config, name)
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}={value} must be a finite number > 0; {hint}")


def at_least(config: Any, least: dict[str, int]) -> None:
    """Raises ValueError if a field is below its least value."""
    for name, bound in least.items():
        if getattr(config, name) < bound:
            raise ValueError(f"{name}={getattr(config, name)} must be >= {bound}")


def share(config: Any, name: str) -> None:
    """Raises ValueError unless the field is in [0, 1]."""
    value = getattr(config, name)
    if not 0 <= value <= 1:
        raise ValueError(
            f"{name}={value} must be in [0, 1]: a share; did you pass percent?"
        )


def shares(config: Any, name: str) -> None:
    """Raises ValueError unless the field holds different numbers of [0, 1]."""
    values = getattr(config, name)
    if not values or len(set(values)) != len(values):
        raise ValueError(f"{name}={values} must be one or more different numbers")
    if not all(0 <= value <= 1 for value in values):
        raise ValueError(f"{name}={values} must lie in [0, 1]; did you pass percent?")


def confidence(config: Any, name: str) -> None:
    """Raises ValueError unless the field is a level of confidence above a half."""
    value = getattr(config, name)
    if not 0.5 < value < 1:
        raise ValueError(
            f"{name}={value} must be in (0.5, 1): a confidence; did you pass the error "
            "level?"
        )


def increasing(config: Any, low: str, high: str) -> None:
    """Raises ValueError unless field `low` is below field `high`."""
    below, above = getattr(config, low), getattr(config, high)
    if not below < above:
        raise ValueError(f"{high}={above} must be > {low}={below}; are they swapped?")
