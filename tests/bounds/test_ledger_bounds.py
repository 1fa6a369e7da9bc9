"""Every claim of the ledger, on drawn worlds and on thousands of random ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from tests import strategies
from tests.assertions import in_x64
from tests.theory.tradeoff import batches
from theory.ledger import LEDGER, Case, Record, Side, find, violation

TRUE = [record for record in LEDGER if record.side is not Side.FALSE]
FALSE = [record for record in LEDGER if record.side is Side.FALSE]


def name(record: Record) -> str:
    return record.name


@jax.jit
def violations(case: Case) -> dict[str, jax.Array]:
    """The worst violation of every true claim: one compilation for all of them."""
    return {record.name: jnp.max(violation(record, case)) for record in TRUE}


# The search of `simlab falsify` has asked every claim already: 16,384 worlds if it is a
# closed form, 2,048 if it iterates, 512 if it calls LAPACK.
@pytest.mark.parametrize("record", TRUE, ids=name)
def test_no_claim_fails_on_thousands_of_random_worlds(record, findings):
    # The tolerance is the record's: rounding, or the declared margin of a scaling law.
    assert findings[record.name].slack >= -record.tolerance


@pytest.mark.parametrize("record", TRUE, ids=name)
def test_every_claim_is_asked_in_some_world(record, findings):
    assert findings[record.name].slack < np.inf


@pytest.mark.parametrize("record", TRUE, ids=name)
def test_a_planted_error_is_caught(record, findings):
    # Negative control: 17 of 16,384 worlds at the very least.
    assert findings[record.name].caught_share > 1e-3


@given(
    world=strategies.worlds(),
    policy=strategies.policies(),
    penalty=strategies.penalties(),
)
@in_x64
def test_no_claim_fails_on_drawn_worlds(world, policy, penalty):
    found = violations(Case(world, policy, np.array(penalty)))
    over = {
        record.name: float(found[record.name])
        for record in TRUE
        if not found[record.name] <= record.tolerance
    }
    assert not over


@given(
    world=strategies.worlds(kinds=("dense",)),
    policy=strategies.policies(kinds=("dense",)),
    penalty=strategies.penalties(),
    bound=st.sampled_from(["proxy gap, upper", "frontier", "reach, proxy gap above"]),
)
@in_x64
def test_hunting_for_a_violation_finds_none(world, policy, penalty, bound):
    found = float(violations(Case(world, policy, np.array(penalty)))[bound])
    target(found, label=bound)
    assert found <= find(bound).tolerance


@pytest.mark.parametrize("record", FALSE, ids=name)
def test_a_false_claim_is_refuted_by_its_counter_example(record, x64):
    # 1e-3 is ten orders above rounding: the smallest refutation is by 1.4e-3.
    assert float(jnp.max(violation(record, record.counter_example()))) > 1e-3


IN_SINGLE = [
    find(claim)
    for claim in (
        "optimum",
        "compensation",
        "proxy gap, upper",
        "capability gap, data processing",
        "safety gap, floor",
        "price of the proxy",
        "frontier",
        "root limit",
        "reach, proxy gap above",
        "reach, capability gap below",
        "true safety gap, above",
    )
]


@jax.jit
def violations_in_single(case: Case) -> dict[str, jax.Array]:
    return {record.name: jnp.max(violation(record, case)) for record in IN_SINGLE}


def test_claims_hold_in_single_precision_to_its_rounding():
    # float32: eps 1.2e-7, penalties to e^4, divergences to 10 nats, sums of 12 terms,
    # and bisections that stop at 2^-31 of a range of 140: 2e-4 of max(1, size).
    found = violations_in_single(batches.cases("dense", seed=7))
    assert found["optimum"].dtype == jnp.float32
    assert all(value <= 2e-4 for value in found.values()), found
