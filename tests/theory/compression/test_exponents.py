"""Powers of k: fitted on Pareto trees over four decades, against their prediction."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given

from tests.assertions import (
    assert_below,
    assert_close,
    assert_close_to_rounding,
    assert_must_fail,
    in_x64,
)
from tests.strategies import numbers, simplices
from theory.compression import (
    EXPONENTS,
    DataSets,
    Perturbation,
    alignment_gain,
    disjoint_slopes_a,
    disjoint_slopes_b,
    fitted_exponent,
    form_a,
    form_b,
    lost_fraction,
    pair_slopes,
    pareto_masses,
    same_slopes,
    slope_limits,
)
from theory.information import chi_square

SIZES = np.geomspace(30.0, 1e5, 12)
SHARE = 0.1
MARGIN = 0.02  # of a power, declared in the notes
LEAVES = 512

slopes = jax.jit(pair_slopes)
gain = jax.jit(alignment_gain)
lost = jax.jit(lost_fraction)
limits = jax.jit(slope_limits)
same = jax.jit(same_slopes)


@pytest.fixture(scope="module")
def parts() -> np.ndarray:
    """Three parts with Pareto(1.5) masses."""
    with jax.enable_x64(False):
        uniforms = 1 - jax.random.uniform(jax.random.key(1), (3, LEAVES))
        return np.asarray(pareto_masses(uniforms, 1.5), float)


def world(kind: Perturbation, parts: np.ndarray) -> DataSets:
    """The data sets p, a, t for all sizes."""
    parts = parts / parts.sum(-1, keepdims=True)
    if kind is Perturbation.PART:
        laws = form_b(parts, 1.0, 1.0).laws
    elif kind is Perturbation.SAME:
        laws = np.stack([parts.mean(0), parts[1], parts.mean(0)])
    else:
        laws = np.kron(np.eye(3), parts[:1])
    return form_a(jnp.broadcast_to(laws, (len(SIZES), *laws.shape[-2:])), SIZES, SHARE)


@pytest.mark.parametrize("kind", Perturbation)
def test_responses_scale_with_the_predicted_powers_of_k(kind, parts, x64):
    found = slopes(world(kind, parts))
    powers = EXPONENTS[kind]
    assert_close(fitted_exponent(SIZES, found.alignment), powers.alignment, MARGIN)
    assert_close(fitted_exponent(SIZES, found.pretraining), powers.pretraining, MARGIN)


def test_disjoint_parts_scale_as_shared_ones(x64):
    for closed, kind in (
        (disjoint_slopes_b, Perturbation.PART),
        (disjoint_slopes_a, Perturbation.UNRELATED),
    ):
        found, powers = closed(SIZES, SHARE), EXPONENTS[kind]
        assert_close(fitted_exponent(SIZES, found.alignment), powers.alignment, MARGIN)
        assert_close(
            fitted_exponent(SIZES, found.pretraining), powers.pretraining, MARGIN
        )


def test_a_perturbation_of_another_kind_is_noticed(parts, x64):
    found = slopes(world(Perturbation.SAME, parts))
    power = EXPONENTS[Perturbation.PART].alignment
    assert_must_fail(
        lambda: assert_close(fitted_exponent(SIZES, found.alignment), power, 0.5)
    )


def test_the_fraction_lost_is_constant_or_falls_as_one_over_k(parts, x64):
    part = np.asarray(lost(world(Perturbation.PART, parts)))
    # Its limit is reached from k = 30 on within 1/30 and a few.
    assert_close(part / part[-1], 1.0, 0.15)
    more = lost(world(Perturbation.SAME, parts))
    assert_close(fitted_exponent(SIZES, more), -1.0, 2 * MARGIN)
    # The relative rebound never grows with pre-training.
    assert_below(np.diff(more), 0.0)
    # Disjoint data sets have no finite gain to lose.
    assert np.isnan(lost(world(Perturbation.UNRELATED, parts))).all()


def test_the_gain_itself_is_the_distance_over_k(parts, x64):
    data = world(Perturbation.PART, parts)
    found = gain(data)
    assert_close(fitted_exponent(SIZES, found), -1.0, MARGIN)
    distance = chi_square(data.laws[0, 1], data.laws[0, 0])
    # The next order: the largest ratio of laws, 3, over k.
    assert_close(found * SIZES / distance, 1.0, 0.2)
    assert_close(found[-1] * SIZES[-1] / distance, 1.0, 1e-4)


def test_responses_reach_their_limits(parts, x64):
    data = world(Perturbation.PART, parts)
    found, ends, k = slopes(data), limits(data), SIZES[-1]
    # The next order is a few over k.
    assert_close(found.alignment[-1] * k / ends.alignment[-1], 1.0, 20 / k)
    assert_close(found.pretraining[-1] * k**2 / ends.pretraining[-1], 1.0, 20 / k)


@given(pair=simplices((2, 5), ("dense",)), k=numbers(0.1, 1e4), share=numbers(0, 10))
@in_x64
def test_more_of_the_same_has_a_closed_form_and_the_published_signs(pair, k, share):
    laws = np.stack([pair[0], pair[1], pair[0]])
    general = slopes(DataSets(laws, np.array([k, 1.0, share])))
    closed = same(pair[0], pair[1], np.array(k), np.array(share))
    # The general form subtracts shares of k: roundings of overlaps up to e^12.
    assert_close(general.alignment, closed.alignment, 1e-9)
    assert_close(general.pretraining, closed.pretraining, 1e-9)
    assert float(closed.alignment) >= 0 >= float(closed.pretraining)


@given(laws=simplices((3, 5), ("dense",)), k=numbers(0.1, 100), share=numbers(0.01, 10))
@in_x64
def test_fraction_lost_is_a_fraction_of_rates(laws, k, share):
    data = DataSets(laws, np.array([k, 1.0, share]))

    def rate(sizes: list[float]) -> float:
        best = np.asarray(sizes) @ laws / np.sum(sizes)
        return -float(np.sum(laws[1] * np.log(best)))

    before, aligned = rate([k, 0, 0]), rate([k, 1, 0])
    # Rates of up to 12 nats are subtracted here, and nowhere in the theory.
    assert_close(gain(data), before - aligned, 1e-13)
    if before - aligned > 1e-4:
        left = (rate([k, 1, share]) - aligned) / (before - aligned)
        assert_close(lost(data), left, 1e-9 * max(1.0, abs(left)))


def test_a_fit_of_an_exact_power_is_that_power(x64):
    curves = np.stack([-3 / SIZES, 2 * SIZES**1.5])
    assert_close_to_rounding(fitted_exponent(SIZES, curves), np.array([-1, 1.5]), 64)


def test_scales_of_the_sizes_do_not_matter(parts, x64):
    data = world(Perturbation.PART, parts)
    other = DataSets(data.laws, 1000 * np.asarray(data.sizes))
    assert_close_to_rounding(
        slopes(other).alignment, np.asarray(slopes(data).alignment), 256
    )
