"""Tokens: where the trade-off is paid, its cap, and a class that forgets."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import assert_below, assert_close, assert_close_to_rounding
from tests.worlds import SEQUENCE_LENGTH, SEQUENCE_VOCABULARY, WORLDS, random_rows
from theory.chains import Chain, next_token_table, prefix_probabilities, sequence_table
from theory.laws import Law, World
from theory.tradeoff import (
    Source,
    bigram_gap,
    bigram_optimum,
    departures,
    gap,
    mixture_posterior,
    optimal_gaps,
    optimal_next_token,
    prefix_posterior,
    proxy_gap_coarse,
    token_gap_cap,
    token_gaps,
)

V, T = SEQUENCE_VOCABULARY, SEQUENCE_LENGTH
ONE = np.array([1.0])


def source(seed: int) -> Source:
    """One context, a random chain of three tokens."""
    return Source(ONE, Chain(random_rows(seed, 1, 3), random_rows(seed + 1, 1, 3, 3)))


def sequence_world(length: int) -> World:
    safe, able = (
        Law(ONE, np.asarray(sequence_table(source(seed).chain, length)))
        for seed in (70, 80)
    )
    return World(safe, safe, able)


@pytest.mark.parametrize("depth", range(T))
def test_the_next_token_law_of_the_optimum_is_a_prefix_mixture(depth, x64):
    world = WORLDS["markov_sequences"]()
    best = mixture_posterior(world, 2.0)
    assert_close_to_rounding(
        optimal_next_token(world, 2.0, V, depth), next_token_table(best, V, depth)
    )


def test_the_weight_of_no_prefix_is_the_posterior_weight(x64):
    world = WORLDS["markov_sequences"]()
    found = prefix_posterior(world, 2.0, V, 0)[..., 0]
    proxy, able = 2.0 * world.proxy.contexts, world.capability.contexts
    assert_close(found, proxy / (proxy + able), 1e-15)


def test_a_longer_prefix_decides_which_source_speaks(x64):
    world = sequence_world(5)
    undecided = []
    for depth in range(6):
        weight = prefix_posterior(world, 1.0, 3, depth)
        reached = prefix_probabilities(mixture_posterior(world, 1.0), 3, depth)
        undecided.append(float(jnp.sum(reached * weight * (1 - weight))))
    assert undecided[0] == pytest.approx(0.25)
    assert all(np.diff(undecided) < 0)  # a martingale: its spread can only shrink


def test_token_gaps_add_up_to_the_sequence_gap(x64):
    world = WORLDS["markov_sequences"]()
    policy = mixture_posterior(world, 0.3)
    of_tokens = jax.jit(token_gaps, static_argnums=2)
    by_token = of_tokens(world.proxy, policy, V)
    assert by_token.shape == (T,)
    assert_close_to_rounding(by_token.sum(-1), gap(world.proxy, policy), multiple=64)
    policies = mixture_posterior(world, np.array([0.3, 3.0]))
    assert of_tokens(world.proxy, policies, V).shape == (2, T)


def test_early_tokens_pay_most(x64):
    world = sequence_world(6)
    policy = mixture_posterior(world, 1.0)
    paid = jax.jit(token_gaps, static_argnums=2)(world.proxy, policy, 3)
    assert float(paid[-1]) < float(paid.max()) / 2


@pytest.mark.parametrize("length", [2, 4, 7])
def test_the_ideal_gap_is_capped_whatever_the_length(length, x64):
    world = sequence_world(length)
    found = jax.jit(optimal_gaps)(world, 1.0)
    assert_below(found.proxy, np.log(2.0))
    assert_below(found.capability, np.log(2.0))
    assert_below(found.proxy / length, token_gap_cap(world, 1.0, length))
    assert_close(proxy_gap_coarse(world, 1.0), np.log(2.0), 1e-15)


def test_two_tokens_do_not_tell_the_classes_apart(x64):
    safe, able, world = source(70), source(80), sequence_world(2)
    best = bigram_optimum(safe, able, 1.0, 2)
    found = jax.jit(optimal_gaps)(world, 1.0)
    assert_close_to_rounding(bigram_gap(safe, best, 2), found.proxy, multiple=64)
    assert_close_to_rounding(bigram_gap(able, best, 2), found.capability, multiple=64)


def test_a_longer_sequence_does(x64):
    safe, able, world = source(70), source(80), sequence_world(7)
    best = bigram_optimum(safe, able, 1.0, 7)
    found = jax.jit(optimal_gaps)(world, 1.0)
    forgetful = bigram_gap(safe, best, 7) + bigram_gap(able, best, 7)
    assert float(forgetful) > 1.2 * float(found.proxy + found.capability)


@pytest.mark.parametrize("penalty", [0.2, 1.0, 5.0])
def test_the_gap_of_the_forgetful_class_grows_linearly(penalty, x64):
    safe, able = source(70), source(80)
    lengths = (20, 40, 60, 80)
    for one in (safe, able):
        paid = np.array(
            [
                bigram_gap(one, bigram_optimum(safe, able, penalty, length), length)
                for length in lengths
            ]
        )
        steps = np.diff(paid)
        assert steps[0] > 0.05  # nats in twenty tokens
        # Chains mix within a few tokens: what is left of the start is 1/T^2 of 1 nat.
        assert_close(steps[1:] / steps[:-1], 1.0, 5e-3)


def test_the_bigram_optimum_beats_its_neighbours(x64):
    safe, able, penalty, length = source(70), source(80), 0.7, 5
    best = bigram_optimum(safe, able, penalty, length)

    def objective(chain):
        kept = bigram_gap(safe, chain, length)
        return penalty * kept + bigram_gap(able, chain, length)

    noise = jax.random.normal(jax.random.key(5), (200, 1, 3, 3))
    rows = jax.nn.softmax(jnp.log(best.transition) + 0.01 * noise, axis=-1)
    initial = jnp.broadcast_to(best.initial, (200, 1, 3))
    near = jax.jit(objective)(Chain(initial, rows))
    assert_below(objective(best), near, 1e-14)  # rounding


def test_departures_count_every_token_but_the_last(x64):
    assert_close(departures(source(70).chain, 9).sum(-1), 8.0, 1e-13)
    assert_close(departures(source(70).chain, 1).sum(-1), 0.0, 0.0)
