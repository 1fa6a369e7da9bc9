"""The ball measured by KL: spent in full, best inside, Case I with its own outputs."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given

from tests import strategies
from tests.assertions import assert_below, assert_close, in_x64
from tests.worlds import WORLDS, random_rows
from theory.information import chi_square, kl
from theory.tradeoff import (
    at_zero_penalty,
    divergence_ball_optimum,
    frontier_proxy,
    gap,
    self_generated,
)

DENSE = ("dense",)


@jax.jit
def divergence_optimum(world, start, divergence):
    return divergence_ball_optimum(world, start, world.safety.contexts, divergence)


@jax.jit
def replayed(world, start, share):
    own = self_generated(world, start, world.safety.contexts)
    most = at_zero_penalty(own).proxy
    best = divergence_optimum(world, start, share * most)
    least = frontier_proxy(own, share * most)
    return most, share * most, gap(own.proxy, best), gap(own.capability, best), least


@given(
    world=strategies.worlds(kinds=DENSE),
    start=strategies.policies(DENSE),
    share=strategies.numbers(0.01, 0.99),
)
@in_x64
def test_a_divergence_ball_is_spent_in_full_and_ends_on_its_frontier(
    world, start, share
):
    most, allowed, spent, found, least = replayed(world, start, share)
    # Bisection to 2^-60 of a range of 1136 in log penalty.
    assert_close(spent, allowed, 1e-11 * (1 + most))
    assert_close(found, least, 1e-11 * (1 + most))


def test_nothing_inside_a_divergence_ball_is_more_capable(x64):
    world, start = WORLDS["overlap_half"](), random_rows(6, 4, 4)
    best = gap(world.capability, divergence_optimum(world, start, 0.02))
    noise = jax.random.normal(jax.random.key(2), (4000, 4, 4))
    centre = jnp.log(divergence_optimum(world, start, 0.018))
    others = jax.nn.softmax(centre + 0.05 * noise, axis=-1)
    spent = np.asarray(kl(start, others) @ world.safety.contexts)
    inside = spent <= 0.02
    assert inside.sum() > 100
    found = np.asarray(gap(world.capability, others))
    assert_below(best, found[inside], 1e-12)
    # Negative control: outside the ball some are.
    assert found[~inside].min() < float(best)


def test_the_ends_of_the_divergence_ball(x64):
    world, start = WORLDS["golden_b"](), random_rows(6, 3, 3)
    kept, free = (divergence_optimum(world, start, d) for d in (0.0, 1e3))
    assert_close(kept[:2], start[:2], 1e-15)  # rho covers contexts 0 and 1
    assert_close(kept[2], world.capability.outputs[2], 1e-15)
    assert_close(free[1:], world.capability.outputs[1:], 1e-15)
    assert_close(free[0], start[0], 1e-15)


def test_a_small_divergence_ball_is_the_ball_of_the_fisher_norm(x64):
    # Gain = sqrt(2 delta g^T H^+ g), g^T H^+ g = sum_x (mu_f^2 / rho) chi2(p_f || P).
    world, start = WORLDS["overlap_full"](), random_rows(6, 4, 4)
    rho, held = world.safety.contexts, world.capability
    size = np.sum(
        np.where(rho > 0, held.contexts**2 / np.where(rho > 0, rho, 1.0), 0.0)
        * np.asarray(chi_square(held.outputs, start))
    )
    deltas = np.geomspace(1e-10, 1e-4, 7)
    best = divergence_optimum(world, start, deltas)
    gain = gap(held, start) - gap(held, best)
    predicted = np.sqrt(2 * deltas * size)
    # Relative remainder of order sqrt(delta): slope 1 for the difference.
    assert_close(gain[0] / predicted[0], 1.0, 1e-4)
    rest = np.log(np.abs(np.asarray(gain - predicted)))
    assert abs(np.polyfit(np.log(deltas), rest, 1)[0] - 1) < 0.05
