"""How a penalty, a policy and a world meet: every batch broadcasts on the left."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.typing import Array

Number = float | int | Float[Array, "*#batch"]
"""A number a world, or a batch of them that broadcasts against the batch of worlds."""

Policy = Float[Array, "*#batch x y"]
"""P(y|x), one policy or a batch that broadcasts against the batch of worlds."""


def by_context(number: Number) -> Float[jax.Array, "*batch 1"]:
    """A number a world, with one more axis so that it broadcasts over contexts.

    Shapes: [...] -> [..., 1].

    >>> by_context(2.0).shape
    (1,)
    """
    return jnp.asarray(number)[..., None]
