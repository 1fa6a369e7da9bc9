"""The smallest setups on which training is training."""

import jax
import jax.numpy as jnp
import numpy as np

from simlab.models import Model, Tabular, Transformer
from simlab.sources import TabularSource, dirichlet_table
from simlab.training import Hyper, Setup

V, X, T = 2, 2, 2
SAFETY, CAPABILITY = (0.5, 0.5), (0.2, 0.8)

MODELS: dict[str, Model] = {
    "tabular": Tabular(vocabulary=V, contexts=X, length=T),
    "transformer": Transformer(
        vocabulary=V, contexts=X, length=T, width=8, depth=1, heads=2
    ),
}


def table(seed: int) -> np.ndarray:
    outputs = dirichlet_table(jax.random.key(seed), (X,), V**T, 1.0)
    double = np.asarray(outputs, float)
    return double / double.sum(-1, keepdims=True)


def source(contexts: tuple[float, ...], seed: int) -> TabularSource:
    return TabularSource.from_table(
        np.asarray(contexts), table(seed), vocabulary=V, length=T
    )


def setup(model: str = "transformer", **fields: object) -> Setup:
    defaults = {"steps": 8, "batch": 8, "records": 4}
    return Setup(MODELS[model], **{**defaults, **fields})  # type: ignore[arg-type]


def hyper(
    made: Setup, seed: int = 0, rate: float = 0.05, penalty: float = 1.0
) -> Hyper:
    return Hyper(
        learning_rate=jnp.float32(rate),
        penalty=jnp.float32(penalty),
        capability=source(CAPABILITY, 1),
        safety=source(SAFETY, 2),
        start=made.model.init(jax.random.key(seed)),
    )


def stacked(made: Setup, count: int) -> tuple[Hyper, jax.Array]:
    """Runs that differ in everything traced."""
    runs = [hyper(made, i, 0.01 * (i + 1), 0.5 + i) for i in range(count)]
    keys = jax.random.split(jax.random.key(9), count)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *runs), keys


def same_bits(left: object, right: object) -> None:
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
