"""A trade-off case read as an instance of elasticity: three data sets and a model."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets
from theory.laws import Law, joint
from theory.ledger.record import Case

PRETRAINING, ALIGNMENT, PERTURBATION = 0, 1, 2
"""The places of the data sets of `springs`."""


def springs(case: Case) -> DataSets:
    """Three data sets of sizes k : 1 : l over the leaves (context, output).

    The safety data stand for pre-training, the capability data for alignment, the proxy
    for the perturbation; k is the penalty, l = 1 / (1 + k). Shapes: laws [..., 3, x *
    y], sizes [..., 3]. Source: elasticity notes 2.

    >>> from theory.ledger.cases import golden
    >>> springs(golden(1.0)).sizes.tolist()
    [1.0, 1.0, 0.5]
    """
    world = case.world
    laws = [_leaves(law) for law in (world.safety, world.capability, world.proxy)]
    shape = jnp.broadcast_shapes(*(law.shape for law in laws))
    rows = jnp.stack([jnp.broadcast_to(law, shape) for law in laws], axis=-2)
    k = jnp.broadcast_to(jnp.asarray(case.penalty) * 1.0, shape[:-1])
    return DataSets(rows, jnp.stack([k, jnp.ones_like(k), 1 / (1 + k)], axis=-1))


def other(case: Case) -> Float[jax.Array, "*batch leaf"]:
    """The case's policy as an arbitrary other model of the leaves.

    Formula: the mean law of contexts of the three data sets times the policy.

    >>> from theory.ledger.cases import golden
    >>> print(round(float(other(golden(1.0)).sum()), 6))
    1.0
    """
    laws = case.world.safety, case.world.capability, case.world.proxy
    contexts = sum(jnp.asarray(law.contexts) / len(laws) for law in laws)
    return _leaves(Law(jnp.asarray(contexts), case.policy))


def _leaves(law: Law) -> Float[jax.Array, "*batch leaf"]:
    weights = joint(law)
    return weights.reshape(*weights.shape[:-2], -1)
