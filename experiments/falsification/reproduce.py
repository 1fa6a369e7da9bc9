"""A case as a test that can be pasted into a file of tests."""

import json
import re

import numpy as np

from theory.laws import Law
from theory.ledger import Case, Record

_TEMPLATE = """\
import jax
import jax.numpy as jnp
import numpy as np

from theory.laws import Law, World
from theory.ledger import Case, find, violation


def test_{name}_holds_in_this_world():
    world = World(
        safety={safety},
        proxy={proxy},
        capability={capability},
    )
    policy = {policy}
    case = Case(world, policy, np.array({penalty}))
    record = find({record})
    with jax.enable_x64(True):
        found = float(jnp.max(violation(record, case{function})))
    assert found <= record.tolerance
"""


def as_test(record: Record, case: Case, *, planted: bool = False) -> str:
    """The source of a pytest function that fails as long as the claim fails here.

    With `planted` it asks the record's planted error instead of its function.
    """
    laws = {role: _law(law) for role, law in case.world._asdict().items()}
    return _TEMPLATE.format(
        name=re.sub(r"\W+", "_", record.name).strip("_").lower(),
        record=json.dumps(record.name),
        policy=_array(case.policy),
        penalty=repr(float(case.penalty)),
        function=", record.planted" if planted else "",
        **laws,
    )


def _law(law: Law) -> str:
    """A law as source."""
    return f"Law({_array(law.contexts)}, {_array(law.outputs)})"


def _array(array: object) -> str:
    """An array as source, every digit kept."""
    return f"np.array({np.asarray(array).tolist()!r})"
