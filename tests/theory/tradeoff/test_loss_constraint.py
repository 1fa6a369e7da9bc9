"""The exact solution: golden numbers, symmetries, undetermined contexts, gradients."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_batching_changes_nothing,
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
)
from tests.worlds import WORLDS
from theory.laws import Law, World
from theory.tradeoff import (
    excess,
    gaps,
    mixture_posterior,
    optimal_gaps,
    optimum,
    overlap_coefficient,
    posterior_weight,
)

GOLDEN_A = [
    (0.1, 0.090909, 0.905386230, 0.011059453, 0.101598076),
    (0.5, 0.333333, 0.484338652, 0.121234411, 0.363403737),
    (1.0, 0.500000, 0.292821097, 0.257971134, 0.550792230),
    (2.0, 0.666667, 0.149696853, 0.459580429, 0.758974135),
    (10.0, 0.909091, 0.016750497, 0.983422821, 1.150927793),
]
GOLDEN_B = [
    (0.25, 0.2, 0.361837556, 0.346426762, 0.028409811),
    (1.0, 0.5, 0.149429863, 0.161512870, 0.140557685),
    (4.0, 0.8, 0.032580896, 0.060464016, 0.364306893),
    (16.0, 0.941176, 0.003850758, 0.035047546, 0.565966988),
]
LAST_DIGIT = 5.1e-10  # nine printed decimals

best_gaps = jax.jit(optimal_gaps)
best_value = jax.jit(optimum)
best_policy = jax.jit(mixture_posterior)
policy_gaps = jax.jit(gaps)


@pytest.mark.parametrize(("penalty", "weight", "safe", "able", "value"), GOLDEN_A)
def test_golden_a_to_nine_digits(penalty, weight, safe, able, value, x64):
    world = WORLDS["golden_a"]()
    found = optimal_gaps(world, penalty)
    assert_close(posterior_weight(world, penalty), [weight], 5.1e-7)
    assert_close(found.safety, safe, LAST_DIGIT)
    assert_close(found.proxy, safe, LAST_DIGIT)
    assert_close(found.capability, able, LAST_DIGIT)
    assert_close(optimum(world, penalty), value, LAST_DIGIT)


@pytest.mark.parametrize(("penalty", "weight", "proxy", "safe", "able"), GOLDEN_B)
def test_golden_b_to_nine_digits(penalty, weight, proxy, safe, able, x64):
    world = WORLDS["golden_b"]()
    found = optimal_gaps(world, penalty)
    assert_close(posterior_weight(world, penalty), [1, weight, 0], 5.1e-7)
    assert_close(found.proxy, proxy, LAST_DIGIT)
    assert_close(found.safety, safe, LAST_DIGIT)
    assert_close(found.capability, able, LAST_DIGIT)


def test_a_golden_number_off_in_the_ninth_digit_is_noticed(x64):
    world = WORLDS["golden_a"]()
    assert_must_fail(
        lambda: assert_close(optimum(world, 1.0), 0.550792230 + 2e-9, LAST_DIGIT)
    )


def optimum_by_mpmath(world: World, penalty: float) -> mpmath.mpf:
    """J from cross-entropies, at fifty digits: an independent formula."""
    with mpmath.workdps(50):
        value = mpmath.mpf(0)
        for x in range(world.proxy.contexts.shape[0]):
            safe = penalty * mpmath.mpf(world.proxy.contexts[x])
            able = mpmath.mpf(world.capability.contexts[x])
            for p, q in zip(
                world.proxy.outputs[x], world.capability.outputs[x], strict=True
            ):
                mass = safe * mpmath.mpf(p) + able * mpmath.mpf(q)
                if safe * p > 0:
                    value += safe * p * mpmath.log(p * (safe + able) / mass)
                if able * q > 0:
                    value += able * q * mpmath.log(q * (safe + able) / mass)
        return value


@pytest.mark.parametrize("name", ["golden_b", "sparse", "support_conflict"])
@pytest.mark.parametrize("penalty", [1e-6, 1.0, 1e6])
def test_optimum_agrees_with_fifty_digits(name, penalty, x64):
    world = WORLDS[name]()
    # 64 roundings: sums of at most 24 terms; relative at every size of penalty.
    exact = float(optimum_by_mpmath(world, penalty))
    assert_close_to_rounding(optimum(world, penalty), exact, multiple=64)


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_rows_of_the_best_policy_are_laws(world, penalty):
    policy = best_policy(world, penalty)
    weight = posterior_weight(world, penalty)
    assert_close_to_rounding(jnp.sum(policy, -1), 1.0, multiple=8)
    assert_below(0.0, policy)
    assert_below(0.0, weight)
    assert_below(weight, 1.0, tolerance=2.3e-16)  # one rounding


@given(
    world=strategies.worlds(),
    policy=strategies.policies(kinds=("dense",)),
    penalty=strategies.penalties(),
)
@in_x64
def test_no_policy_beats_the_optimum(world, policy, penalty):
    found = policy_gaps(world, policy)
    value = penalty * found.proxy + found.capability
    # Rounding: relative, and of order eps^2 where everything is equal.
    assert_below(best_value(world, penalty), value, 1e-30, relative=1e-12)


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_the_order_of_contexts_and_outputs_does_not_matter(world, penalty):
    turned = World(*(Law(law.contexts[::-1], law.outputs[::-1, ::-1]) for law in world))
    for one, other in zip(
        best_gaps(world, penalty), best_gaps(turned, penalty), strict=True
    ):
        assert_close_to_rounding(one, other, multiple=32, scale=1.0)


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_splitting_a_context_into_copies_changes_nothing(world, penalty):
    split = World(
        *(
            Law(np.repeat(law.contexts / 2, 2), np.repeat(law.outputs, 2, axis=0))
            for law in world
        )
    )
    for one, other in zip(
        best_gaps(world, penalty), best_gaps(split, penalty), strict=True
    ):
        assert_close_to_rounding(one, other, multiple=32, scale=1.0)


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_merging_outputs_never_raises_the_optimum(world, penalty):
    merged = World(
        *(Law(law.contexts, law.outputs.reshape(3, 2, 2).sum(-1)) for law in world)
    )
    value = best_value(world, penalty)
    assert_below(best_value(merged, penalty), value, 1e-12)  # rounding


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_forgetting_the_context_costs_and_never_lowers_the_overlap(world, penalty):
    counts = [law.contexts[:, None] * law.outputs for law in world]
    blind = penalty * counts[1].sum(0) + counts[2].sum(0)
    policy = np.broadcast_to(blind / blind.sum(), world.proxy.outputs.shape)
    found = policy_gaps(world, policy)
    value = penalty * found.proxy + found.capability
    assert_below(best_value(world, penalty), value, 1e-30, relative=1e-12)  # rounding
    merged = World(
        *(
            Law(np.array([law.contexts[0] + law.contexts[1], law.contexts[2]]), u)
            for law, u in zip(world, [np.full((2, 4), 0.25)] * 3, strict=True)
        )
    )
    assert_below(overlap_coefficient(world), overlap_coefficient(merged), 1e-15)


@pytest.mark.parametrize("name", ["disjoint", "identical"])
def test_without_shared_contexts_or_conflict_nothing_is_lost(name, x64):
    world = WORLDS[name]()
    found = optimal_gaps(world, 1.0)
    assert_close(optimum(world, 1.0), 0.0, 1e-15)  # rounding
    assert_close(found.proxy, 0.0, 1e-15)
    assert_close(found.capability, 0.0, 1e-15)


def test_something_is_lost_where_contexts_overlap(x64):
    # Negative control of the test above.
    assert float(optimum(WORLDS["overlap_quarter"](), 1.0)) > 0.01


def test_contexts_without_data_keep_the_aligned_policy(x64):
    world = WORLDS["sparse"]()  # context 2: safety data only
    assert_close(mixture_posterior(world, 1.0)[2], world.safety.outputs[2], 0.0)


def test_contexts_without_data_take_the_fallback_if_one_is_given(x64):
    world = WORLDS["sparse"]()
    fallback = np.full((4, 3), 1 / 3)
    policy = mixture_posterior(world, 1.0, fallback)
    assert_close(policy[2], fallback[2], 0.0)
    assert float(jnp.abs(policy[1] - fallback[1]).max()) > 0.1


def test_a_vector_of_penalties_is_a_batch(x64):
    world, penalties = WORLDS["golden_b"](), np.array([0.25, 1.0, 4.0])
    found = optimal_gaps(world, penalties)
    for place, penalty in enumerate(penalties):
        assert_close_to_rounding(
            found.proxy[place], optimal_gaps(world, float(penalty)).proxy
        )
    assert mixture_posterior(world, penalties).shape == (3, 3, 3)


def test_a_batch_of_worlds_meets_one_penalty_and_a_batch_of_them(x64):
    worlds = jax.tree.map(lambda *leaves: np.stack(leaves), *[WORLDS["golden_b"]()] * 2)
    assert optimum(worlds, jnp.array(1.0)).shape == (2,)
    assert optimum(worlds, np.array([1.0, 2.0])).shape == (2,)
    assert optimum(worlds, np.array([[1.0], [2.0], [3.0]])).shape == (3, 2)


def test_batching_is_a_loop(x64):
    world = WORLDS["golden_b"]()

    def value(contexts, outputs):
        return optimum(world._replace(proxy=Law(contexts, outputs)), 2.0)

    contexts = np.stack([law.contexts for law in world])
    outputs = np.stack([law.outputs for law in world])
    assert_batching_changes_nothing(value, contexts, outputs)


@pytest.mark.parametrize("name", ["golden_b", "sparse", "support_conflict"])
def test_compiling_changes_nothing(name, x64):
    world = WORLDS[name]()
    policy = mixture_posterior(world, 3.0)
    assert_jit_changes_nothing(lambda w: optimum(w, 2.0), world)
    assert_jit_changes_nothing(lambda w: optimal_gaps(w, 2.0).proxy, world)
    assert_jit_changes_nothing(lambda w: excess(w, policy, 2.0), world)


@pytest.mark.parametrize("name", ["sparse", "support_conflict", "near_degenerate"])
def test_gradients_are_finite_at_zeros(name, x64):
    world = WORLDS[name]()
    leaves, tree = jax.tree.flatten(world)

    def value(*arrays):
        rebuilt = jax.tree.unflatten(tree, arrays)
        found = optimal_gaps(rebuilt, 2.0)
        return optimum(rebuilt, 2.0) + found.proxy + found.capability

    assert_finite_gradient(value, *leaves)
    assert_finite_gradient(lambda penalty: optimum(world, penalty), 2.0)


def test_single_precision_gives_six_digits():
    # float32 rounding of sums of a few terms below 1.
    found = optimal_gaps(WORLDS["golden_b"](), 4.0)
    assert found.proxy.dtype == jnp.float32
    assert_close(found.proxy, 0.032580896, 1e-7)
    assert_close(found.capability, 0.364306893, 5e-7)


@pytest.mark.parametrize("penalty", [1e-30, 1e30])
def test_extreme_penalties_neither_overflow_nor_turn_into_nan(penalty):
    found = optimal_gaps(WORLDS["golden_a"](), penalty)
    assert np.isfinite([found.proxy, found.capability]).all()
