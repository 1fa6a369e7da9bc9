"""Constants of tabular logits and softmax heads against automatic differentiation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    in_x64,
)
from tests.worlds import WORLDS, law, random_rows
from theory.information import cross_entropy
from theory.numerics import weighted_sum
from theory.tradeoff import (
    curvature,
    curvature_cap,
    curvature_cap_head,
    curvature_top,
    gradient_cap,
    gradient_cap_network,
    gradient_norm,
    logit_gradient,
    logit_norm,
    tangent_overlap,
)

DENSE = ("dense",)


def loss_of_logits(held, logits):
    policy = jax.nn.softmax(logits, axis=-1)
    return weighted_sum(held.contexts, cross_entropy(held.outputs, policy))


def slope_and_bending(held, logits):
    def loss(z):
        return loss_of_logits(held, z)

    return jax.grad(loss)(logits), jax.hessian(loss)(logits)


@pytest.mark.parametrize("name", ["golden_b", "sparse"])
def test_gradient_and_curvature_are_those_of_automatic_differentiation(name, x64):
    held = WORLDS[name]().capability
    logits = jnp.log(random_rows(7, *held.outputs.shape))
    direction = jnp.asarray(random_rows(8, *held.outputs.shape))
    policy = jax.nn.softmax(logits, axis=-1)

    slope, bent = jax.jit(slope_and_bending)(held, logits)
    dense = np.asarray(bent).reshape(logits.size, logits.size)
    assert_close(logit_gradient(held, policy), slope, 1e-14)
    flat = direction.reshape(-1)
    assert_close(curvature(held, policy, direction), flat @ dense @ flat, 1e-14)
    assert_close(curvature_top(held, policy), np.linalg.eigvalsh(dense)[-1], 1e-14)


@jax.jit
def constants(held, policy):
    return (
        gradient_norm(held, policy),
        gradient_cap(held),
        curvature_top(held, policy),
        curvature_cap(held),
    )


@given(held=strategies.laws(), policy=strategies.policies())
@in_x64
def test_no_table_is_steeper_or_more_bent_than_its_constants(held, policy):
    steep, steepest, bent, most_bent = constants(held, policy)
    assert_below(steep, steepest, 1e-14)
    assert_below(steepest, np.sqrt(2.0), 1e-14)
    assert_below(bent, most_bent, 1e-14)
    assert_below(most_bent, 0.5, 1e-14)


def test_the_constants_are_attained_and_no_smaller_ones_would_do(x64):
    held = law([1.0], [[1.0, 0.0]])
    assert_close(gradient_norm(held, np.array([[0.0, 1.0]])), gradient_cap(held), 1e-15)
    assert_close(
        curvature_top(held, np.array([[0.5, 0.5]])), curvature_cap(held), 1e-15
    )


def test_a_softmax_head_obeys_the_constants_of_its_features(x64):
    features = np.asarray(jax.random.normal(jax.random.key(1), (3, 2)))
    norm = np.linalg.norm(features, axis=-1).max()
    held = law(random_rows(2, 3), random_rows(3, 3, 4))

    def loss(weights):
        return loss_of_logits(held, features @ weights)

    slope, bend = jax.jit(jax.grad(loss)), jax.jit(jax.hessian(loss))
    for seed in range(20):
        weights = 2 * jax.random.normal(jax.random.key(seed), (2, 4))
        steep = np.linalg.norm(slope(weights))
        assert_below(steep, gradient_cap_network(norm), 1e-12)
        top = np.linalg.eigvalsh(np.asarray(bend(weights)).reshape(8, 8))[-1]
        assert_below(top, curvature_cap_head(norm), 1e-12)


@jax.jit
def share_of_task(world, policy):
    gradient = logit_gradient(world.capability, policy)
    return tangent_overlap(
        logit_norm(gradient),
        curvature(world.safety, policy, gradient),
        curvature_top(world.safety, policy),
    )


@given(world=strategies.worlds(), policy=strategies.policies(kinds=DENSE))
@in_x64
def test_tangent_overlap_is_a_share(world, policy):
    omega = share_of_task(world, policy)
    assert_below(0.0, omega, 1e-15)
    assert_below(omega, 1.0, 1e-12)


def test_disjoint_contexts_do_not_overlap_in_the_tangent_space(x64):
    world = WORLDS["disjoint"]()
    policy = random_rows(4, 4, 4)
    gradient = logit_gradient(world.capability, policy)
    assert_close(curvature(world.safety, policy, gradient), 0.0, 0.0)
    assert_close(tangent_overlap(1.0, 0.0, 0.25), 0.0, 0.0)
    assert_close(tangent_overlap(0.0, 0.0, 0.0), 0.0, 0.0)
