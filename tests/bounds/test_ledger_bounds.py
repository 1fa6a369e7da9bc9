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


@jax.jit
def planted_violations(case: Case) -> dict[str, jax.Array]:
    """The share of cases in which every planted wrong version is caught."""
    return {
        record.name: jnp.mean(
            violation(record, case, record.planted) > record.tolerance
        )
        for record in TRUE
    }


def all_kinds(seed: int) -> Case:
    """Four kinds of random worlds, 3,000 each, in one batch."""
    kinds = [
        batches.cases(kind, seed + place) for place, kind in enumerate(batches.KINDS)
    ]
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *kinds)


# Fixtures, because pytest remembers a failing one: no second try for every record.
@pytest.fixture(scope="module")
def on_random_worlds() -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, violations(all_kinds(0)))


@pytest.fixture(scope="module")
def planted_on_random_worlds() -> dict[str, np.ndarray]:
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, planted_violations(all_kinds(0)))


@pytest.mark.parametrize("record", TRUE, ids=name)
def test_no_claim_fails_on_twelve_thousand_random_worlds(record, on_random_worlds):
    # The tolerance is the record's: rounding, or the declared margin of a scaling law.
    assert on_random_worlds[record.name] <= record.tolerance


@pytest.mark.parametrize("record", TRUE, ids=name)
def test_every_claim_is_asked_in_some_world(record, on_random_worlds):
    assert on_random_worlds[record.name] > -np.inf


@pytest.mark.parametrize("record", TRUE, ids=name)
def test_a_planted_error_is_caught(record, planted_on_random_worlds):
    # Negative control: 12 of 12,000 worlds at the very least.
    assert planted_on_random_worlds[record.name] > 1e-3


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
