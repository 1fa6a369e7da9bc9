"""A ratio as it is told: its geometric mean over seeds, with an interval."""

import numpy as np
from jaxtyping import Float

from simlab.statistics import estimate, interval


def typical(ratios: Float[np.ndarray, " seed"], level: float) -> str:
    """The geometric mean and its confidence interval, as text.

    >>> typical(np.array([1.0, 2.0, 4.0]), 0.95)
    '2 [0.357, 11.2]'
    """
    middle = estimate(np.log(np.asarray(ratios, float)))
    low, high = (np.exp(end) for end in interval(middle, level))
    return f"{np.exp(middle.mean):.3g} [{low:.3g}, {high:.3g}]"
