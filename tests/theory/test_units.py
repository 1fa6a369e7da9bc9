"""Units are inverse to each other and carry the factors they should."""

import numpy as np
from hypothesis import given

from tests.assertions import assert_close_to_rounding, assert_must_fail, in_x64
from tests.strategies import numbers
from theory import entropy
from theory.units import per_sequence, per_token, to_bits, to_nats


@given(numbers(1e-6, 1e6))
@in_x64
def test_bits_and_nats_undo_each_other(value):
    # One rounding each way.
    assert_close_to_rounding(to_nats(to_bits(value)), value, 4)


@given(numbers(1e-6, 1e6))
@in_x64
def test_tokens_and_sequences_undo_each_other(value):
    lengths = np.array([1, 3, 10, 4096])
    restored = per_sequence(per_token(value, lengths), lengths)
    assert_close_to_rounding(restored, value, 4)


def test_a_fair_coin_is_one_bit(x64):
    coin = entropy(np.array([0.5, 0.5]))
    assert_close_to_rounding(to_bits(coin), 1.0, 4)
    assert_must_fail(lambda: assert_close_to_rounding(to_nats(coin), 1.0, 4))


def test_a_batch_of_values_meets_a_batch_of_lengths():
    values = np.array([[6.0], [12.0]], np.float32)
    assert per_token(values, np.array([1.0, 3.0], np.float32)).tolist() == [
        [6.0, 2.0],
        [12.0, 4.0],
    ]
