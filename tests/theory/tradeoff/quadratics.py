"""Batches of random quadratic models of one shape, and a strategy for single ones."""

import jax
import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tests.strategies import numbers
from theory.tradeoff import Quadratic

SIZE = 3


def random_models(seed: int, count: int = 200, size: int = SIZE) -> Quadratic:
    """Curvatures X X'/n + 0.05 I that do not commute, normal displacements."""
    with jax.enable_x64(True):
        keys = jax.random.split(jax.random.key(seed), 3)
        first, second = (
            np.asarray(jax.random.normal(key, (count, size, size))) for key in keys[:2]
        )
        away = np.asarray(jax.random.normal(keys[2], (count, size)))
    return Quadratic(_gram(first), _gram(second), away)


def _gram(table: np.ndarray) -> np.ndarray:
    """A positive definite matrix with condition below about 300."""
    size = table.shape[-1]
    return table @ np.swapaxes(table, -1, -2) / size + 0.05 * np.eye(size)


def vectors() -> st.SearchStrategy[np.ndarray]:
    """Vectors of a model's parameters."""
    return hnp.arrays(np.float64, (SIZE,), elements=numbers(-3.0, 3.0))


def models() -> st.SearchStrategy[Quadratic]:
    """Any model: A may be singular, B is positive definite."""
    factors = hnp.arrays(np.float64, (SIZE, SIZE), elements=numbers(-2.0, 2.0))
    return st.builds(
        lambda a, b, d: Quadratic(a @ a.T, _gram(b), d), factors, factors, vectors()
    )
