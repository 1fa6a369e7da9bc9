"""Case II in tabular logits: constants against autodiff, bounds, small steps."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from hypothesis import given

from tests import strategies
from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_finite_gradient,
    assert_jit_changes_nothing,
    assert_must_fail,
    in_x64,
    least_found,
)
from tests.worlds import SEQUENCE_VOCABULARY, WORLDS, law, random_rows
from theory.chains import next_token_table, prefix_probabilities
from theory.laws import Law
from theory.tradeoff import (
    aligned_ball,
    aligned_hoeffding,
    descent_length,
    gap,
    gap_change,
    gap_convex,
    gap_convex_quadratic,
    gap_descended,
    gap_lipschitz,
    gap_reached,
    gap_smooth,
    gradient_norm,
    hoeffding_change,
    logit_norm,
    logit_spread,
)

DENSE = ("dense",)


@jax.jit
def displaced(weights, rows, before, after):
    start, end = jnp.log(before), jnp.log(after)
    held = Law(weights, rows)
    return {
        "change": gap_change(weights, rows, start, end),
        "difference": gap(held, after) - gap(held, before),
        "hoeffding": hoeffding_change(weights, rows, start, end),
        "spread": logit_spread(start, end),
        "opened": gap(Law(weights, before), after),
        "aligned": aligned_hoeffding(weights, start, end),
        "ball": aligned_ball(weights.max(), logit_norm(end - start)),
    }


@given(
    rows=strategies.tables(kinds=DENSE),
    weights=strategies.simplices((strategies.CONTEXTS,)),
    before=strategies.tables(kinds=DENSE),
    after=strategies.tables(kinds=DENSE),
)
@in_x64
def test_a_change_is_the_difference_of_gaps_and_hoeffding_encloses_it(
    rows, weights, before, after
):
    found = displaced(weights, rows, before, after)
    assert_close(found["change"], found["difference"], 1e-12)  # rounding
    assert_below(found["hoeffding"].lower, found["change"], 1e-12)
    assert_below(found["change"], found["hoeffding"].upper, 1e-12)
    moved = np.log(after) - np.log(before)
    longest = np.sqrt(2) * np.linalg.norm(moved, axis=-1)
    assert_below(found["spread"], longest, 1e-12)
    assert_below(found["opened"], found["aligned"], 1e-12)
    assert_below(found["aligned"], found["ball"], 1e-12)


def test_half_of_hoeffdings_square_would_not_do(x64):
    # Negative control: the constant 1/8 is sharp for two even outputs.
    start, end = np.zeros((1, 2)), np.array([[0.1, -0.1]])
    opened = gap(law([1.0], [[0.5, 0.5]]), jax.nn.softmax(end))
    bound = aligned_hoeffding(np.ones(1), start, end)
    assert_close(opened / bound, 1.0, 0.01)  # rho^2 / 12 of it is of fourth order
    assert_must_fail(lambda: assert_below(opened, bound / 2))


def test_a_tiny_change_keeps_its_digits(x64):
    # Second opinion with 50 digits; subtraction of the gaps would keep none.
    rows, start = [0.2, 0.5, 0.3], [0.4, -1.0, 0.7]
    moved = [3e-9, -1e-9, -2e-9]
    end = np.asarray(start) + np.asarray(moved)
    with mpmath.workdps(50):

        def opposed(logits):
            total = mpmath.log(sum(mpmath.exp(z) for z in logits))
            return sum(
                mpmath.mpf(p) * (total - z) for p, z in zip(rows, logits, strict=True)
            )

        exact = opposed(map_exact(end)) - opposed(map_exact(start))
        expected = float(exact)
    found = gap_change(np.ones(1), np.array([rows]), np.array([start]), end[None])
    # The displacement itself is rounded: 1e-16 of logits of 1 against 3e-9.
    assert abs(float(found) - expected) <= 1e-6 * abs(expected)


def map_exact(numbers):
    return [mpmath.mpf(float(number)) for number in numbers]


def test_prefixes_add_up_to_the_change_of_a_gap_over_sequences(x64):
    world, size = WORLDS["markov_sequences"](), SEQUENCE_VOCABULARY
    held = world.capability
    other = np.asarray(random_rows(9, *held.outputs.shape))
    policies = (world.safety.outputs, 0.9 * world.safety.outputs + 0.1 * other)

    @jax.jit
    def by_prefix():
        weights, tables = [], ([], [], [])
        for depth in range(3):
            reached = prefix_probabilities(held.outputs, size, depth)
            weights.append((held.contexts[:, None] * reached).reshape(-1))
            for nodes, table in zip(tables, (held.outputs, *policies), strict=True):
                rows = next_token_table(table, size, depth)
                nodes.append(rows.reshape(-1, size))
        # One axis of prefixes under all contexts, as for a network.
        rows, before, after = (jnp.concatenate(nodes) for nodes in tables)
        flat = (jnp.concatenate(weights), rows, jnp.log(before), jnp.log(after))
        return gap_change(*flat), hoeffding_change(*flat)

    change, (lower, upper) = by_prefix()
    expected = gap(held, policies[1]) - gap(held, policies[0])
    assert_close(change, expected, 1e-12)  # rounding
    assert lower < change < upper


def test_descent_finds_no_displacement_beyond_hoeffding(x64):
    held = WORLDS["overlap_half"]().capability

    def slack(point):
        before, after = point[0], point[0] + point[1]
        arguments = (held.contexts, held.outputs, before, after)
        ends, found = hoeffding_change(*arguments), gap_change(*arguments)
        return jnp.minimum(ends.upper - found, found - ends.lower)

    starts = np.log(random_rows(11, 4, 2, 4, 4))
    assert least_found(slack, starts) >= -1e-12  # rounding


def test_descent_forms_meet_where_the_step_stops_growing(x64):
    slope, bend, radii = 0.6, 0.3, np.array([1.0, 2.0, 4.0])
    found = gap_descended(1.0, slope, bend, radii)
    expected = [1 - 0.6 + 0.15, 1 - 1.2 + 0.6, 1 - 0.36 / 0.6]
    assert_close(found, expected, 1e-15)
    assert_close(descent_length(slope, bend, radii), [1.0, 2.0, 2.0], 1e-15)
    # A loss without bending is descended all the way.
    assert_close(gap_descended(9.0, slope, 0.0, radii), 9 - slope * radii, 1e-14)


def test_the_lipschitz_forms_are_straight_and_the_smooth_one_is_bent(x64):
    assert_close(gap_lipschitz(0.5, 2.0, 0.25), 1.0, 0.0)
    assert_close(gap_reached(0.5, 2.0, np.array([0.125, 1.0])), [0.25, 0.0], 0.0)
    assert_close(gap_smooth(0.5, 2.0, 4.0, 0.5), 2.0, 0.0)


def test_the_quadratic_chord_is_exact_on_a_parabola(x64):
    # G = (R - eps)^2 / 2, the best point of an interval around the start.
    reach, radii = 3.0, np.array([0.0, 1.0, 2.5, 3.0, 7.0])
    best = np.maximum(reach - radii, 0.0) ** 2 / 2
    start = reach**2 / 2
    assert_close(gap_convex_quadratic(start, radii, reach), best, 1e-15)
    assert_below(best, gap_convex(start, radii, reach), 1e-15)
    assert_close(gap_convex(2.0, 1.0, np.inf), 2.0, 0.0)
    assert_close(gap_convex(0.0, 1.0, 0.0), 0.0, 0.0)


def test_gradients_are_finite_where_nothing_moves(x64):
    held = WORLDS["sparse"]().capability
    still = np.zeros(held.outputs.shape)

    def value(before, after):
        arguments = (held.contexts, held.outputs, before, after)
        ends = hoeffding_change(*arguments)
        policy = jax.nn.softmax(after, axis=-1)
        steep = gradient_norm(held, policy) + logit_norm(after - before)
        return ends.upper - ends.lower + gap_change(*arguments) + steep

    assert_finite_gradient(jax.jit(value), still, still)


def test_compiling_changes_nothing(x64):
    held = WORLDS["golden_b"]().capability
    before, after = np.log(random_rows(1, 3, 3)), np.log(random_rows(2, 3, 3))
    for function in (
        gap_change,
        aligned_hoeffding_of_rows,
        lambda *a: hoeffding_change(*a).upper,
    ):
        assert_jit_changes_nothing(
            function, held.contexts, held.outputs, before, after, scale=1.0
        )


def aligned_hoeffding_of_rows(weights, rows, before, after):
    del rows
    return aligned_hoeffding(weights, before, after)


def test_rounding_of_single_precision_stays_below_the_bounds():
    held = WORLDS["overlap_half"]().capability
    before, after = np.log(random_rows(1, 4, 4)), np.log(random_rows(2, 4, 4))
    arguments = (held.contexts, held.outputs, before, after)
    change = jax.jit(gap_change)
    found, ends = change(*arguments), jax.jit(hoeffding_change)(*arguments)
    assert found.dtype == jnp.float32
    with jax.enable_x64(True):
        exact = change(*arguments)
    # float32: a dozen terms of order 1.
    assert_close_to_rounding(found, exact, 64, scale=1.0)
    assert_below(ends.lower, found)
    assert_below(found, ends.upper)
