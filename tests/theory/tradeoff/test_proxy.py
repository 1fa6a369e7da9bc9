"""Floor, price and transfer: what a proxy leaves, costs and promises."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    in_x64,
)
from tests.worlds import WORLDS, one_context
from theory.laws import exact_proxy
from theory.tradeoff import (
    gap,
    log_ratio_span,
    optimal_gaps,
    price,
    price_bound,
    proxy_distance,
    proxy_floor,
    safety_gap_bound,
    safety_gap_coarse,
    smoothed_loss_cap,
    transfer,
    transfer_bounded,
    transfer_span,
    weighted_overlap,
)


def test_golden_b_floor_and_overlap(x64):
    world = WORLDS["golden_b"]()
    assert_close(proxy_floor(world), 0.031091631, 5.1e-10)  # nine printed digits
    assert_close(weighted_overlap(world), 0.4, 1e-15)


def test_the_floor_is_what_an_infinite_penalty_leaves(x64):
    world = WORLDS["golden_b"]()
    # 1/penalty times a ratio of order 1 remains.
    assert_close(optimal_gaps(world, 1e9).safety, proxy_floor(world), 1e-8)


def test_a_nearer_proxy_has_a_lower_floor(x64):
    near, far = WORLDS["near_proxy"](), WORLDS["far_proxy"]()
    assert float(proxy_floor(near)) < float(proxy_floor(far)) / 4


@given(world=strategies.worlds(), penalty=strategies.penalties())
@in_x64
def test_an_exact_proxy_costs_nothing_and_any_other_something(world, penalty):
    assert_close(price(exact_proxy(world), penalty), 0.0, 0.0)
    assert_below(0.0, price(world, penalty), 1e-14)  # rounding


def test_price_approaches_the_bound_and_stays_under(x64):
    world, penalties = WORLDS["far_proxy"](), np.geomspace(0.1, 1e6, 15)
    paid, bound = price(world, penalties), price_bound(world, penalties)
    assert_below(paid, bound, relative=1e-12)
    assert_close(paid[-1] / bound[-1], 1.0, 1e-4)


@given(
    world=strategies.worlds(kinds=("dense",)),
    policy=strategies.policies(kinds=("dense",)),
)
@in_x64
def test_measured_transfer_is_off_by_the_reverse_floor(world, policy):
    # G^_s + (E_{D_s} - E_{D^_s})[r] - G_s = E_{mu^_s} KL(p^_s || p_s), exactly.
    slack = transfer(world, policy) - gap(world.safety, policy)
    expected = gap(world.proxy, world.safety.outputs)
    assert_close_to_rounding(slack, expected, multiple=256, scale=20.0)


@given(
    world=strategies.worlds(kinds=("dense",)),
    policy=strategies.policies(kinds=("dense",)),
)
@in_x64
def test_transfers_loosen_one_after_the_other(world, policy):
    largest = np.max(-np.log(np.minimum(np.min(policy), np.min(world.safety.outputs))))
    gap_proxy = gap(world.proxy, policy)
    bounded = transfer_bounded(gap_proxy, largest, proxy_distance(world))
    assert_below(gap(world.safety, policy), transfer(world, policy), 1e-12)
    assert_below(transfer(world, policy), transfer_span(world, policy), 1e-12)
    assert_below(transfer_span(world, policy), bounded, 1e-12)


def test_transfer_by_total_variation_is_vacuous_for_sequences(x64):
    # Trap: beyond TV = 1/2 the bound exceeds every possible loss.
    largest = smoothed_loss_cap(0.01, 32_000, length=100)
    assert float(transfer_bounded(0.0, largest, 0.51)) > float(largest)
    assert_close(largest, 100 * np.log(3.2e6), 1e-10)


def test_forbidden_outputs_make_the_transfer_say_nothing(x64):
    world = one_context([1.0, 0.0], [0.5, 0.5], [0.5, 0.5])
    policy = np.array([[0.5, 0.5]])
    assert np.isinf(transfer(world, policy))
    assert np.isinf(transfer_span(world, policy))
    assert np.isinf(log_ratio_span(world, policy))


@pytest.mark.parametrize("name", ["golden_b", "far_proxy", "sparse"])
def test_safety_bounds_hold_and_the_coarse_one_is_looser(name, x64):
    world, penalties = WORLDS[name](), np.geomspace(1e-3, 1e3, 9)
    found = optimal_gaps(world, penalties).safety
    assert_below(found, safety_gap_bound(world, penalties), 1e-12)
    assert_below(
        safety_gap_bound(world, penalties), safety_gap_coarse(world, penalties), 1e-12
    )


def test_gradients_are_finite_at_zeros(x64):
    world = WORLDS["sparse"]()

    def value(contexts, outputs):
        law = world.proxy._replace(contexts=contexts, outputs=outputs)
        changed = world._replace(proxy=law)
        return jnp.nan_to_num(price(changed, 1.0), posinf=0.0) + proxy_distance(changed)

    assert_finite_gradient(value, *world.proxy)


def test_compiling_changes_nothing(x64):
    world = WORLDS["golden_b"]()
    assert_jit_changes_nothing(lambda w: price(w, 2.0), world, scale=1.0)
    assert_jit_changes_nothing(lambda w: safety_gap_bound(w, 2.0), world)
