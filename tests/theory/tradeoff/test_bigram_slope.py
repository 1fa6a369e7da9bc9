"""What a class that forgets its source pays by the token, in the long run."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import assert_below, assert_close, assert_must_fail
from tests.worlds import random_rows
from theory.chains import Chain, sequence_table, stationary
from theory.laws import Law, World
from theory.tradeoff import (
    Source,
    bigram_gap,
    bigram_gap_slope,
    bigram_limit,
    bigram_optimum,
    optimal_gaps,
)

ONE = np.array([1.0])


def source(seed: int, settled: bool = False) -> Source:
    """One context, a random chain of three tokens; settled: from its own long run."""
    rows = random_rows(seed + 1, 1, 3, 3)
    start = np.asarray(stationary(rows)) if settled else random_rows(seed, 1, 3)
    return Source(ONE, Chain(start, rows))


slope_of = jax.jit(bigram_gap_slope)


@partial(jax.jit, static_argnums=3)
def gaps_of(safe: Source, able: Source, penalty: float, length: int) -> jax.Array:
    """(G^_s, G_f) of the best bigram policy."""
    best = bigram_optimum(safe, able, penalty, length)
    return jnp.stack([bigram_gap(one, best, length) for one in (safe, able)])


def paid(safe: Source, able: Source, penalty: float, length: int) -> np.ndarray:
    """The same, on the host."""
    return np.asarray(gaps_of(safe, able, penalty, length))


@pytest.mark.parametrize("penalty", [0.2, 1.0, 5.0])
def test_from_stationary_starts_every_further_token_costs_the_slope(penalty, x64):
    safe, able = source(70, settled=True), source(80, settled=True)
    slope = np.array(slope_of(safe, able, penalty))
    step = paid(safe, able, penalty, 5) - paid(safe, able, penalty, 4)
    assert_close(step, slope, 1e-14)  # rounding
    wrong = np.array(slope_of(safe, able, 1.1 * penalty))
    assert_must_fail(lambda: assert_close(step, wrong, 1e-6))


def test_from_any_start_the_cost_of_a_token_tends_to_the_slope(x64):
    safe, able, penalty = source(70), source(80), 1.0
    slope = np.array(slope_of(safe, able, penalty))
    lengths = (16, 32, 64)
    errors = np.array(
        [
            np.abs(
                paid(safe, able, penalty, n + 1) - paid(safe, able, penalty, n) - slope
            )
            for n in lengths
        ]
    )
    # 1/T^2: two halvings of the error a doubling, within a quarter from T = 16 on.
    assert_close(np.log2(errors[:-1] / errors[1:]), np.full((2, 2), 2.0), 0.25)


def test_the_forgetful_class_pays_without_end_and_the_ideal_does_not(x64):
    safe, able = source(70), source(80)
    slope = float(slope_of(safe, able, 1.0).proxy)
    lengths, forgetful, ideal = (2, 5), [], []
    for length in lengths:
        laws = [Law(ONE, sequence_table(one.chain, length)) for one in (safe, able)]
        ideal.append(float(jax.jit(optimal_gaps)(World(laws[0], *laws), 1.0).proxy))
        forgetful.append(paid(safe, able, 1.0, length)[0])
    assert_close(forgetful[0], ideal[0], 1e-14)  # two tokens: the classes agree
    assert_below(ideal[1:], forgetful[1:])
    assert_below(ideal, np.log(2.0))
    beyond = np.log(2.0) / slope  # tokens after which the slope alone passes the cap
    length = 4 * int(np.ceil(beyond))
    assert paid(safe, able, 1.0, length)[0] > np.log(2.0)


def test_the_limit_is_that_of_long_sequences(x64):
    safe, able, penalty = source(70), source(80), np.array([0.5, 2.0])
    long = jax.vmap(lambda p: bigram_optimum(safe, able, p, 4000).transition)(penalty)
    # The start is forgotten in a few tokens of 4000.
    assert_close(bigram_limit(safe, able, penalty), long, 1e-3)
