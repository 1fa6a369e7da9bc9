"""Responses of joint optima: two ways to know them, and what they obey."""

import functools

import jax
import numpy as np
import pytest

from simlab.equilibrium import rates
from simlab.models import Model
from simlab.responses import (
    Responses,
    decay_change,
    implicit_responses,
    rate_change,
    stepped_responses,
)
from simlab.statistics import slope
from tests.assertions import assert_close, assert_must_fail
from tests.simlab.springs_toys import (
    NETWORK,
    TABLE,
    TOLERANCE,
    joints,
    optimum,
    pulled,
    start,
)
from theory.compression import DataSets, responses

EXACT = 1e-9  # solving with a condition number of some thousand, double precision


@functools.cache
def implicit(model: Model) -> Responses:
    return implicit_responses(model, optimum(model, 3.0), pulled(model, 3.0))


def stepped(model: Model, share: float) -> Responses:
    return stepped_responses(
        model, optimum(model, 3.0), pulled(model, 3.0), share=share, tolerance=TOLERANCE
    )


def left_over(found: Responses, sizes: np.ndarray, decay: float = 1.0) -> np.ndarray:
    """Euler's sum over its largest term, for each set that grows."""
    terms = np.concatenate([sizes[:, None] * found.rates, decay * found.decay[None]])
    return np.asarray(terms.sum(axis=0) / np.abs(terms).max(axis=0))


@pytest.mark.parametrize("model", [TABLE, NETWORK])
def test_the_forces_of_all_data_and_decay_balance(model: Model, x64: None) -> None:
    found, sizes = implicit(model), pulled(model, 3.0).sizes
    assert_close(left_over(found, sizes), 0.0, EXACT)
    wrong = sizes * np.array([1.1, 1.0, 1.0])
    assert_must_fail(lambda: assert_close(left_over(found, wrong), 0.0, 0.01))


def test_without_decay_the_forces_in_a_network_do_not_balance(x64: None) -> None:
    sizes = pulled(NETWORK, 3.0).sizes
    unbalanced = left_over(implicit(NETWORK), sizes, decay=0.0)
    assert np.all(np.abs(unbalanced) > 0.01)


@pytest.mark.parametrize("model", [TABLE, NETWORK])
def test_responses_are_reciprocal_and_own_data_never_hurt(
    model: Model, x64: None
) -> None:
    matrix = -implicit(model).rates
    scale = np.sqrt(np.outer(np.diag(matrix), np.diag(matrix)))
    assert np.all(np.diag(matrix) > 0)
    assert_close((matrix - matrix.T) / scale, 0.0, EXACT)
    # K n = 0 only where nothing decays; K >= 0 always, to rounding.
    assert np.linalg.eigvalsh(matrix / scale)[0] > -EXACT


@pytest.mark.parametrize("model", [TABLE, NETWORK])
def test_optima_found_again_move_as_implicit_functions_say(
    model: Model, x64: None
) -> None:
    exact, found = implicit(model), stepped(model, 1e-3)
    scale = np.sqrt(np.outer(np.diag(exact.rates), np.diag(exact.rates)))
    # Declared: rounding and remainder, of order share^4, stay below 1e-6.
    assert_close((found.rates - exact.rates) / scale, 0.0, 1e-6)
    turned = Responses(exact.rates[::-1], exact.decay)
    assert_must_fail(
        lambda: assert_close((found.rates - turned.rates) / scale, 0.0, 1e-4)
    )


def test_the_error_of_the_steps_falls_with_their_fourth_power(x64: None) -> None:
    shares = np.array([0.04, 0.028, 0.02, 0.014])
    exact = implicit(NETWORK).rates
    errors = [np.abs(stepped(NETWORK, share).rates - exact).max() for share in shares]
    # Declared: the order of Richardson's differences, 4, within a tenth.
    assert_close(slope(np.log(shares), np.log(errors)).slope, 4.0, 0.4)


def test_a_table_responds_as_the_closed_form_says(x64: None) -> None:
    springs = pulled(TABLE, 3.0)
    flat = joints().reshape(3, -1)
    closed = -np.asarray(responses(DataSets(flat, springs.sizes)))
    scale = np.sqrt(np.outer(np.diag(closed), np.diag(closed)))
    # Decay of 1e-9 over curvatures of some 0.01.
    assert_close((implicit(TABLE).rates - closed) / scale, 0.0, 1e-5)


def test_a_change_of_rates_is_the_difference_of_rates(x64: None) -> None:
    before, after = start(NETWORK), start(NETWORK, seed=1)
    difference = rates(NETWORK, after, joints()) - rates(NETWORK, before, joints())
    # Rounding of losses of order 1.
    assert_close(rate_change(NETWORK, after, before, joints()), difference, 1e-13)
    assert np.all(np.abs(difference) > 1e-3)


def test_a_change_of_decay_is_the_difference_of_decays(x64: None) -> None:
    springs = pulled(NETWORK, 3.0)
    before, after = start(NETWORK, seed=2), start(NETWORK, seed=1)
    sizes = [float(np.sum((flat - springs.centre) ** 2)) for flat in (after, before)]
    by_hand = springs.decay / 2 * (sizes[0] - sizes[1])
    # Rounding of sums of squares, some thousand in size.
    assert_close(decay_change(springs, after, before), by_hand, 1e-9)


def test_an_optimum_not_found_again_is_no_number(x64: None) -> None:
    found = stepped_responses(
        TABLE, optimum(TABLE, 3.0), pulled(TABLE, 3.0), share=1e-3, tolerance=1e-40
    )
    assert np.isnan(found.rates).all()
    assert np.isnan(found.decay).all()


def test_a_point_that_is_no_minimum_has_no_responses(x64: None) -> None:
    lost = optimum(TABLE, 3.0)._replace(factor=None, curvature=-1e-3)
    with pytest.raises(ValueError, match=r"least eigenvalue -1\.0e-03"):
        implicit_responses(TABLE, lost, pulled(TABLE, 3.0))


def test_precision_is_double_throughout(x64: None) -> None:
    assert implicit(NETWORK).rates.dtype == np.float64
    assert jax.numpy.asarray(optimum(NETWORK, 3.0).flat).dtype == np.float64
