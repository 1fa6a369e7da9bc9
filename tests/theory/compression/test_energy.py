"""Elastic energy: an identity of rates, its release by gradient flow, its sign."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from tests.assertions import (
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from theory.compression import (
    DataSets,
    alignment_of_pulls,
    elastic_energy,
    least_total,
    optimum,
    rate_gradients,
    rates,
    release_rate,
    release_rate_tabular,
)

LEAVES = 5

energy = jax.jit(elastic_energy)
released = jax.jit(release_rate)
tabular = jax.jit(release_rate_tabular)
energy_slope = jax.jit(jax.grad(elastic_energy, argnums=(0, 1)))
cosine = jax.jit(alignment_of_pulls)


@jax.jit
def from_rates(data: DataSets, model: jax.Array) -> tuple[jax.Array, jax.Array]:
    """sum_i n_i gamma_i - L*, and the scale of what is subtracted."""
    total = jnp.sum(data.sizes * rates(data, model))
    return total - least_total(data), total


@given(
    laws=simplices((3, LEAVES)),
    model=simplices((LEAVES,), ("dense",)),
    k=numbers(0.01, 1e3),
)
@in_x64
def test_energy_is_what_all_rates_cost_beyond_their_least(laws, model, k):
    data = DataSets(laws, np.array([k, 1.0, 0.3]))
    lost, total = from_rates(data, model)
    # Rounding of the total that is subtracted.
    assert_close(energy(data, model), lost, 1e-14 * float(total))
    assert float(energy(data, model)) >= 0
    assert_close(energy(data, optimum(data)), 0.0, 1e-12)


def test_a_forbidden_leaf_costs_infinite_energy_and_gradients_stay_finite(x64):
    data = DataSets(np.eye(3), np.array([2.0, 1.0, 1.0]))
    assert np.isinf(energy(data, np.array([0.5, 0.5, 0.0])))
    sizes = np.array([2.0, 1.0, 0.0])
    slopes = energy_slope(DataSets(np.eye(3), sizes), np.array([0.5, 0.5, 0.0]))
    assert all(np.isfinite(part).all() for part in jax.tree.leaves(slopes))


@given(laws=simplices((3, LEAVES)), model=simplices((LEAVES,), ("dense",)))
@in_x64
def test_the_release_is_the_slope_of_the_energy_along_gradient_flow(laws, model):
    data = DataSets(laws, np.array([5.0, 1.0, 0.3]))
    logits = np.log(model)
    found = float(slope(data, logits, laws[2]))
    assert_close(tabular(data, model, laws[2]), found, 1e-12)
    pulls = rate_gradients(data, model)
    assert_close(released(pulls, data.sizes, pulls[2]), found, 1e-12)


@jax.jit
def slope(data: DataSets, logits: jax.Array, law: jax.Array) -> jax.Array:
    """dE/dt of gradient flow on a law, by automatic differentiation of both."""

    def total(z: jax.Array) -> jax.Array:
        return elastic_energy(data, jax.nn.softmax(z))

    def loss(z: jax.Array) -> jax.Array:
        return -jnp.sum(law * jax.nn.log_softmax(z))

    return -jnp.sum(jax.grad(total)(logits) * jax.grad(loss)(logits))


def test_training_on_another_law_releases_another_energy(x64):
    laws = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
    data = DataSets(laws, np.array([5.0, 1.0, 0.3]))
    away = np.array([0.1, 0.2, 0.7])
    assert_must_fail(
        lambda: assert_close(
            tabular(data, away, laws[2]), slope(data, np.log(away), laws[1]), 1e-3
        )
    )


def test_rebound_starts_iff_the_pulls_agree(x64):
    laws = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7], [0.4, 0.5, 0.1]])
    data = DataSets(laws[:1], np.array([100.0]))  # pre-training, then left for laws[1]
    toward, back = (rate_gradients(data, laws[1])[0], laws[1] - laws[2])
    assert float(cosine(toward, back)) > 0.9
    assert float(tabular(data, laws[1], laws[2])) < 0  # energy is released
    further = np.array([0.0, 0.0, 1.0])
    assert float(cosine(toward, laws[1] - further)) < 0
    assert float(tabular(data, laws[1], further)) > 0


def test_after_alignment_alone_the_energy_is_what_pre_training_lost(x64):
    laws = np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]])
    n = 1e4
    data = DataSets(laws, np.array([n, 1.0]))
    start, aligned = laws[0], laws[1]
    change = np.sum(laws[0] * np.log(start / aligned))
    # The alignment data are 1e-4 of the total, and gained at most a few nats.
    assert_close(energy(data, aligned) / (n * change), 1.0, 5e-4)


def test_cosines_keep_their_range_at_any_scale(x64):
    left = np.array([[3e-200, 4e-200], [3e200, 4e200], [0.0, 0.0]])
    expected = np.array([0.6, 0.6, 0.0])
    assert_close_to_rounding(cosine(left, np.array([1.0, 0.0])), expected, 4)
    assert_finite_gradient(cosine, np.zeros(2), np.array([1.0, 0.0]))
