"""Laws and worlds: what their makers promise, and what their checks refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.strategies import CONTEXTS, OUTPUTS, laws, tables, weights, worlds
from tests.worlds import WORLDS, golden_b, random_rows
from theory import (
    Law,
    World,
    blended_proxy,
    disjoint_world,
    exact_proxy,
    joint,
    kl,
    law_from_logits,
    output_conflict,
    output_conflict_true,
    overlapping_world,
    random_world,
    total_variation,
    validate_law,
    validate_world,
    with_proxy,
)

# Sums of a few numbers of size one.
ROUNDING = 1e-14
INSIDE, OUTSIDE = np.array([0.3, 0.7, 0.0]), np.array([0.0, 0.0, 1.0])


def outputs(seed):
    return random_rows(seed, CONTEXTS, OUTPUTS)


def shared_contexts(world):
    """o = sum_x min(mu_s, mu_f)."""
    both = np.minimum(world.safety.contexts, world.capability.contexts)
    return both.sum(-1)


@pytest.mark.parametrize("name", WORLDS)
def test_named_worlds_are_worlds(name):
    validate_world(WORLDS[name]())


@given(laws())
@in_x64
def test_the_joint_law_sums_to_its_contexts(law):
    pairs = joint(law)
    assert_close(pairs.sum(-1), law.contexts, ROUNDING)
    assert_close(pairs.sum(), 1.0, ROUNDING)


@given(tables())
@in_x64
def test_logits_of_a_law_give_the_law_back(table):
    with np.errstate(divide="ignore"):
        logits = np.log(table)
    law = law_from_logits(np.zeros(CONTEXTS), logits)
    validate_law(law)
    assert_close(law.outputs, table, ROUNDING)
    assert_close(law.contexts, 1 / CONTEXTS, ROUNDING)


def test_a_random_world_has_three_different_laws(x64):
    noise = jax.random.normal(jax.random.key(0), (3, CONTEXTS, OUTPUTS))
    world = random_world(noise[..., 0], noise)
    validate_world(world)
    assert_close(world.proxy.outputs, jax.nn.softmax(noise[1]), ROUNDING)
    assert total_variation(world.safety.contexts, world.capability.contexts) > 0.01


def test_a_batch_of_random_worlds_is_a_random_world_each(x64):
    noise = jax.random.normal(jax.random.key(1), (5, 3, CONTEXTS, OUTPUTS))
    batch = random_world(noise[..., 0], noise)
    validate_world(batch)
    for i in range(5):
        single = random_world(noise[i, ..., 0], noise[i])
        for left, right in zip(
            jax.tree.leaves(single), jax.tree.leaves(batch), strict=True
        ):
            assert_close_to_rounding(left, right[i], 4)


@given(overlap=weights())
@in_x64
def test_the_overlap_of_contexts_is_what_was_asked(overlap):
    safety = Law(INSIDE, outputs(1))
    world = overlapping_world(safety, OUTSIDE, outputs(2), overlap)
    validate_world(world)
    assert_close(shared_contexts(world), overlap, ROUNDING)
    assert_close(world.proxy.outputs, world.safety.outputs, 0.0)


def test_a_batch_of_overlaps_makes_a_batch_of_worlds(x64):
    safety, overlaps = Law(INSIDE, outputs(1)), np.array([0.0, 0.5, 1.0])
    world = overlapping_world(safety, OUTSIDE, outputs(2), overlaps)
    validate_world(world)
    assert_close(shared_contexts(world), overlaps, ROUNDING)
    assert {leaf.shape[0] for leaf in jax.tree.leaves(world)} == {3}


def test_overlap_is_not_the_coefficient_when_outside_is_not_outside(x64):
    world = overlapping_world(Law(INSIDE, outputs(1)), INSIDE, outputs(2), 0.25)
    assert_must_fail(lambda: assert_close(shared_contexts(world), 0.25, 0.1))


def test_a_disjoint_world_shares_no_context():
    world = disjoint_world(Law(INSIDE, outputs(1)), OUTSIDE, outputs(2))
    assert float(shared_contexts(world)) == 0.0
    validate_world(world)


@given(worlds())
def test_an_exact_proxy_is_the_safety_law(world):
    exact = exact_proxy(world)
    assert exact.proxy is world.safety
    assert exact.capability is world.capability
    assert with_proxy(exact, world.proxy).proxy is world.proxy


@given(world=worlds(), teacher=tables(), distance=weights())
@in_x64
def test_a_blended_proxy_moves_in_proportion_to_its_distance(world, teacher, distance):
    blended = blended_proxy(world, teacher, distance)
    validate_world(blended)
    assert_close(blended.proxy.contexts, world.safety.contexts, 0.0)
    moved = total_variation(world.safety.outputs, blended.proxy.outputs)
    whole = total_variation(world.safety.outputs, teacher)
    assert_close(moved, distance * whole, ROUNDING)


def test_a_farther_proxy_has_a_higher_floor(x64):
    world, distances = golden_b(), np.array([0.0, 0.1, 0.5, 0.9])
    proxies = blended_proxy(world, random_rows(3, 3, 3), distances).proxy.outputs
    floor = (kl(world.safety.outputs, proxies) * world.safety.contexts).sum(-1)
    assert floor[0] == 0
    assert_below(floor[:-1], floor[1:] - 1e-6)
    assert_must_fail(lambda: assert_below(floor[1:], floor[:-1]))


@given(worlds())
@in_x64
def test_output_conflict_is_the_distance_of_rows(world):
    pairs = zip(world.proxy.outputs, world.capability.outputs, strict=True)
    by_hand = [np.abs(p - q).sum() / 2 for p, q in pairs]
    assert_close(output_conflict(world), by_hand, ROUNDING)
    exact = exact_proxy(world)
    assert_close(output_conflict_true(world), output_conflict(exact), 0.0)
    swapped = World(world.capability, world.capability, world.proxy)
    assert_close(output_conflict_true(swapped), by_hand, ROUNDING)


def test_makers_can_be_compiled_and_differentiated(x64):
    world, teacher = golden_b(), random_rows(3, 3, 3)

    def conflict(distance):
        return output_conflict(blended_proxy(world, teacher, distance))

    assert_jit_changes_nothing(conflict, jnp.array(0.3))
    assert_finite_gradient(conflict, 0.3)
    # Where the two rows are equal, |p - q| has a kink.
    identical = WORLDS["identical"]().capability
    assert_finite_gradient(
        lambda outputs: output_conflict(
            World(identical, identical, Law(identical.contexts, outputs))
        ),
        identical.outputs,
    )
