"""What a learner remembers of earlier data: count-proportional springs need annealing.

The expected model of a tabular learner q <- q + step (x - q). Elasticity notes 2.8,
last item.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets
from theory.typing import Array

Number = float | int | Float[Array, "*#batch"]
"""A number, or a batch of them that broadcasts."""


def annealed_model(
    start: Float[Array, "*#batch leaf"], data: DataSets, start_size: Number
) -> Float[jax.Array, "*batch leaf"]:
    """The expected model after data sets one by one, with steps 1 / t (Dirichlet).

    Formula: (n_0 q_0 + sum_i n_i p_i) / (n_0 + n): the joint optimum with the start as
    one more data set, in ANY order; stiffness n_i, no hysteresis. Taken phase by phase.
    Shapes: start [..., leaf], n_0 [...] -> [..., leaf]. Domain: n_0 >= 0, n_0 + n_1 >
    0. Source: derived, elasticity notes 2.8.

    >>> data = DataSets(jnp.eye(2), jnp.array([2.0, 1.0]))
    >>> annealed_model(jnp.array([0.0, 1.0]), data, 1.0).tolist()
    [0.5, 0.5]
    """
    model, seen = jnp.asarray(start) * 1.0, (jnp.asarray(start_size) * 1.0)[..., None]
    laws, sizes = jnp.asarray(data.laws), jnp.asarray(data.sizes)
    for phase in range(laws.shape[-2]):
        new = sizes[..., phase, None]
        model = model + new / (seen + new) * (laws[..., phase, :] - model)
        seen = seen + new
    return model


def constant_step_model(
    start: Float[Array, "*#batch leaf"], data: DataSets, step: Number
) -> Float[jax.Array, "*batch leaf"]:
    """The expected model after data sets one by one, with a constant step.

    Formula: q <- (1 - step)^n_i q + (1 - (1 - step)^n_i) p_i, set by set: what came
    before is forgotten at a rate that does not depend on how much of it there was.
    Shapes: start [..., leaf], step [...] -> [..., leaf]. Domain: step in [0, 1).
    Source: derived, elasticity notes 2.8.

    >>> data = DataSets(jnp.eye(2), jnp.array([1.0, 1.0]))
    >>> constant_step_model(jnp.array([0.5, 0.5]), data, 0.5).tolist()
    [0.375, 0.625]
    """
    model, decay = jnp.asarray(start) * 1.0, jnp.log1p(-jnp.asarray(step) * 1.0)
    laws, sizes = jnp.asarray(data.laws), jnp.asarray(data.sizes)
    for phase in range(laws.shape[-2]):
        learned = -jnp.expm1(decay * sizes[..., phase])[..., None]
        model = model + learned * (laws[..., phase, :] - model)
    return model


def forgetting_length(step: Number) -> Float[jax.Array, "*batch"]:
    """After how many responses a constant step has forgotten all but 1/e.

    Formula: -1 / log(1 - step), about 1 / step, whatever n_p was. Shape: any. Unit:
    responses. Domain: step in (0, 1). Source: derived, elasticity notes 2.8.

    >>> print(f"{float(forgetting_length(0.01)):.1f}")
    99.5
    """
    return -1 / jnp.log1p(-jnp.asarray(step) * 1.0)
