"""Root finding for monotone functions, with a fixed number of halvings."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float


def last_below(
    rises: Callable[[Float[jax.Array, "*batch"]], Float[jax.Array, "*batch"]],
    limit: Float[jax.Array, "*batch"],
    low: Float[jax.Array, "*batch"],
    high: Float[jax.Array, "*batch"],
) -> tuple[Float[jax.Array, "*batch"], Float[jax.Array, "*batch"]]:
    """The last t in [low, high] with rises(t) <= limit, bracketed: (below, above).

    Formula: halve [low, high] as often as the precision allows, 60 times in float64
    and 31 in float32, so the bracket ends 2^-60 or 2^-31 of its first width. If rises
    never passes the limit, both ends meet at `high`. Shapes: all [...], elementwise.
    Domain: `rises` non-decreasing, low <= high. No gradient passes: use an envelope or
    implicit derivative around it. Source: standard.

    >>> below, above = last_below(lambda t: t**2, *map(jnp.array, (2.0, 0.0, 8.0)))
    >>> print(f"{float(below):.5f} {float(above):.5f}")
    1.41421 1.41421
    """
    limit, low, high = (jax.lax.stop_gradient(end) for end in (limit, low, high))

    def halve(
        _: jax.Array, ends: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        below, above = ends
        middle = (below + above) / 2
        fits = rises(middle) <= limit
        return jnp.where(fits, middle, below), jnp.where(fits, above, middle)

    halvings = np.finfo(low.dtype).nmant + 8
    below, above = jax.lax.fori_loop(0, halvings, halve, (low, high))
    return jax.lax.stop_gradient(below), jax.lax.stop_gradient(above)


def widest_logarithm(dtype: np.dtype[np.floating]) -> float:
    """The widest logarithm searched: neither exp(it) nor exp(-it) leaves the range.

    Formula: 0.8 log(largest number), 568 in float64, 71 in float32. Source: derived.

    >>> round(widest_logarithm(np.dtype("float32")))
    71
    """
    return 0.8 * math.log(float(np.finfo(dtype).max))
