"""Level 2: at every step of training, converged or not, every limit holds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.worlds import SequenceWorlds, sequence_worlds
from simlab.evaluation import certificate, exact_gap, sequence_log_table
from simlab.models import Model, Tabular, Transformer
from simlab.optimizers import Adam
from simlab.sweeps import Plan, run_task, sweep
from simlab.training import Hyper, Setup
from theory.laws import World
from theory.tradeoff import (
    excess,
    frontier,
    frontier_proxy,
    gaps,
    optimum,
    reach,
    root_limit,
    safety_transfer,
)

SIZE = {"contexts": 2, "vocabulary": 2, "length": 2}
MODELS: dict[str, Model] = {
    "tabular": Tabular(**SIZE),
    "transformer": Transformer(**SIZE, width=8, depth=1, heads=2),
}
PENALTIES = np.array([0.05, 1.0, 20.0])
# Double precision over a few dozen terms.
ROUNDING = 1e-9


def world() -> SequenceWorlds:
    return sequence_worlds(
        3, **SIZE, concentration=0.7, distances=(0.4,), overlaps=(0.6,)
    )


def trained(model: Model) -> np.ndarray:
    """Logits after every step of one run a penalty."""
    made = world()
    setup = Setup(model, steps=60, batch=16, records=60, optimizer=Adam())
    count = len(PENALTIES)

    def repeated(tree: object) -> object:
        return jax.tree.map(
            lambda leaf: jnp.broadcast_to(leaf[0, 0], (count, *leaf.shape[2:])), tree
        )

    hyper = Hyper(
        learning_rate=jnp.full(count, 0.05),
        penalty=jnp.asarray(PENALTIES, jnp.float32),
        capability=repeated(made.source(made.world.capability)),
        safety=repeated(made.source(made.world.proxy)),
        start=jax.vmap(model.init)(jax.random.split(jax.random.key(0), count)),
    )
    keys = jax.random.split(jax.random.key(1), count)
    return np.asarray(sweep(run_task(setup), (hyper, keys), Plan()).records.logits)


@pytest.mark.parametrize("name", MODELS)
def test_no_step_of_training_crosses_a_limit(name: str, x64: None) -> None:
    with jax.enable_x64(False):
        logits = trained(MODELS[name])
    double = jnp.asarray(logits, jnp.float64)
    here: World = jax.tree.map(lambda leaf: leaf[0, 0], world().world)
    # The two sides measure by different code: prefixes here, whole sequences there.
    policy = jnp.exp(sequence_log_table(double))
    measured = [exact_gap(law.contexts, law.outputs, double) for law in here]
    batch = jax.tree.map(lambda leaf: leaf[None, None], here)
    for mine, theirs in zip(measured, gaps(batch, policy), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-12)
    safety, proxy, capability = measured
    penalty = jnp.asarray(PENALTIES)[:, None]
    zeta = certificate(capability, proxy, penalty, optimum(batch, penalty))

    np.testing.assert_allclose(zeta, excess(batch, policy, penalty), atol=ROUNDING)
    assert np.all(capability >= frontier(batch, safety) - ROUNDING)
    assert np.all(capability >= frontier_proxy(batch, proxy) - ROUNDING)
    roots = jnp.sqrt(safety) + jnp.sqrt(capability)
    assert np.all(roots >= root_limit(batch) - ROUNDING)
    allowed = reach(batch, penalty, zeta)
    for gap, range_ in ((proxy, allowed.proxy), (capability, allowed.capability)):
        # The ends come from a bisection of a flat function: wider than rounding.
        assert np.all(gap >= range_.lower - 1e-6)
        assert np.all(gap <= range_.upper + 1e-6)
    transfer = safety_transfer(batch, penalty, zeta)
    assert np.all(safety >= transfer.lower - ROUNDING)
    assert np.all(safety <= transfer.upper + ROUNDING)
    # Negative control: the same check sees an optimum declared a half too high.
    too_high = certificate(capability, proxy, penalty, 1.5 * optimum(batch, penalty))
    assert np.any(too_high < -ROUNDING)
