"""Names for the arrays of the theory: what a shape means, said once."""

import jax
import numpy as np
from jaxtyping import Float

Array = jax.Array | np.ndarray
"""Any array: functions take both kinds and return JAX arrays."""

Scalar = float | int | Float[Array, "*batch"]
"""A number, or a batch of them that broadcasts against the batch of a world."""

Simplex = Float[Array, "*batch k"]
"""A probability vector on the last axis: entries >= 0, sum 1."""

Contexts = Float[Array, "*batch x"]
"""mu(x): a law of contexts."""

Table = Float[Array, "*batch x y"]
"""p(y|x): one law of outputs a context; rows sum to 1."""

Nats = Float[jax.Array, "*batch"]
"""An information quantity in nats."""

__all__ = ["Array", "Contexts", "Nats", "Scalar", "Simplex", "Table"]
