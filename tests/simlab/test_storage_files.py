import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlab import storage
from tests.simlab.stored import Settings, complaint

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=values)
def test_json_is_strict_and_says_the_same_after_reading(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("json") / "value.json"
    storage.write_json_atomic(file, value)
    back = json.loads(file.read_text(), parse_constant=pytest.fail)
    assert back == storage.plain(value) == storage.plain(back)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 0.1, 5e-324])
def test_float_reads_every_number_back_from_json(number):
    back = float(storage.plain(np.float64(number)))
    assert back == number or (math.isnan(back) and math.isnan(number))


@pytest.mark.parametrize("value", [{1: 2}, {1, 2}, 1j, Settings, len, b"text"])
def test_what_json_cannot_hold_is_refused(value):
    assert "does not fit in JSON" in complaint(storage.plain, {"key": [value]})
