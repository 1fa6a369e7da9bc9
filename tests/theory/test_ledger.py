"""The ledger as a table: complete, consistent, and able to say no."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from tests.assertions import assert_must_fail
from theory.ledger import (
    LEDGER,
    Side,
    Sides,
    Status,
    find,
    looseness,
    violation,
)
from theory.ledger.cases import disjoint, golden

TIGHT = [record for record in LEDGER if record.tight_case is not None]


def test_names_are_unique():
    names = [record.name for record in LEDGER]
    assert len(set(names)) == len(names)


def test_every_record_says_what_it_claims_where_and_on_what_evidence():
    for record in LEDGER:
        texts = (record.statement, record.assumptions, record.source, record.evidence)
        assert all(texts), record.name


def test_no_statement_is_passed_off_as_the_papers():
    for record in LEDGER:
        assert "derived" in record.source or "standard" in record.source, record.name


def test_every_bound_but_order_statements_has_a_tight_case():
    without = {
        record.name
        for record in LEDGER
        if record.side in (Side.UPPER, Side.LOWER) and record.tight_case is None
    }
    assert without == {"optimum rises with overlap", "frontier rises with overlap"}


def test_finding_a_misspelt_claim_suggests_the_close_one():
    with pytest.raises(KeyError, match="proxy gap, upper"):
        find("proxy gap uper")


def test_finding_gives_the_record_itself():
    assert all(find(record.name) is record for record in LEDGER)


@pytest.mark.parametrize("record", TIGHT, ids=lambda record: record.name)
def test_tight_cases_are_tight(record, x64):
    assert float(jnp.max(looseness(record, record.tight_case()))) <= record.tight_within


@pytest.mark.parametrize(
    "bound", ["proxy gap, upper", "proxy gap, lower", "transfer, span"]
)
def test_a_tight_case_elsewhere_is_loose(bound, x64):
    # Negative control of the tightness test: golden A at penalty 10 with a foreign
    # proxy is no bound's best case.
    from theory.ledger.cases import foreign_proxy

    def check():
        record = find(bound)
        assert float(looseness(record, foreign_proxy(10.0))) <= record.tight_within

    assert_must_fail(check)


def test_a_nan_is_a_violation(x64):
    record = find("frontier")
    nan = violation(record, golden(1.0), lambda c: Sides(jnp.nan, jnp.array(1.0)))
    assert float(nan) == np.inf


def test_equal_infinities_agree_and_unequal_ones_do_not(x64):
    identity, bound, case = find("optimum"), find("frontier"), golden(1.0)
    inf, one = jnp.array(jnp.inf), jnp.array(1.0)
    assert float(violation(identity, case, lambda c: Sides(inf, inf))) == 0
    assert float(violation(identity, case, lambda c: Sides(one, inf))) == np.inf
    assert float(violation(bound, case, lambda c: Sides(one, inf))) == -np.inf
    assert float(violation(bound, case, lambda c: Sides(inf, one))) == np.inf


def test_outside_its_domain_a_claim_says_nothing(x64):
    decay = find("proxy gap, quadratic decay")  # support conflict: not in its domain
    assert float(violation(decay, disjoint(1.0))) == -np.inf


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"status": Status.FALSE}, "FALSE"),
        ({"planted": None}, "planted"),
        ({"vacuous_when": ""}, "vacuous"),
        ({"side": Side.FALSE, "status": Status.FALSE}, "counter_example"),
    ],
)
def test_an_incomplete_record_is_refused(change, hint):
    with pytest.raises(ValueError, match=hint):
        dataclasses.replace(find("frontier"), **change)
