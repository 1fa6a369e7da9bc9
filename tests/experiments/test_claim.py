"""Verdicts: what counts as support, and how evidence is weighed."""

import math

import numpy as np
import pytest

from experiments.claim import Evidence, Outcome, Verdict, conclude
from experiments.evidence import (
    below_target,
    equal_to_rounding,
    inside_margins,
    never_below,
    rises,
)
from experiments.labels import labelled

YES, NO, OPEN = Outcome.HOLDS, Outcome.VIOLATED, Outcome.INCONCLUSIVE


def said(*outcomes: Outcome) -> list[Evidence]:
    return [Evidence("is it?", outcome, 0.0, "nats", "") for outcome in outcomes]


@pytest.mark.parametrize(
    ("outcomes", "diverged", "expected"),
    [
        ((YES, YES), 0, YES),
        ((YES, OPEN), 0, OPEN),
        ((YES, NO, OPEN), 0, NO),
        ((YES,), 1, OPEN),  # a diverged run never lets a claim hold
        ((NO,), 1, NO),
        ((), 0, OPEN),  # no evidence is no support
    ],
)
def test_the_worst_evidence_decides(
    outcomes: tuple[Outcome, ...], diverged: int, expected: Outcome
) -> None:
    assert conclude(said(*outcomes), diverged).outcome is expected


def test_a_verdict_survives_its_file() -> None:
    verdict = Verdict(YES, tuple(said(YES)), ("a remark",))
    assert Verdict.from_json(verdict.to_json()) == verdict


def test_a_point_below_the_limit_violates_and_rounding_does_not() -> None:
    limit = np.array([1.0, 1.0])
    values = {YES: np.array([1.0 - 5e-10, 2.0]), NO: np.array([1.0 - 5e-9, 2.0])}
    for outcome, measured in values.items():
        got = never_below("?", measured, limit, 1e-9, "nats")
        assert got.outcome is outcome
        assert (got.slack >= 0) == (outcome is YES)
    nothing = never_below("?", np.array([np.nan]), np.ones(1), 1e-9, "nats")
    assert nothing.outcome is OPEN


def test_an_identity_holds_to_its_tolerance_only() -> None:
    ones = np.ones(3)
    assert equal_to_rounding("?", ones, ones + 9e-6, 1e-5, "nats").outcome is YES
    assert equal_to_rounding("?", ones, ones + 2e-5, 1e-5, "nats").outcome is NO


def test_untrained_networks_are_inconclusive_never_violated() -> None:
    assert below_target("?", np.array([0.01, 0.02]), 0.02, "nats").outcome is YES
    assert below_target("?", np.array([0.5, 0.6]), 0.02, "nats").outcome is OPEN
    assert below_target("?", np.array([np.nan]), 0.02, "nats").outcome is OPEN


def test_agreement_needs_the_whole_interval_inside() -> None:
    def asked(cells: list[list[float]]) -> Outcome:
        samples = np.array(cells)
        low, high = np.full(len(cells), 1.0), np.full(len(cells), 2.0)
        return inside_margins("?", samples, low, high, 0.95, "nats").outcome

    tight, wide, far = [1.5, 1.51, 1.49], [1.1, 1.9, 1.5], [3.0, 3.01, 2.99]
    assert asked([tight, tight]) is YES
    assert asked([tight, wide]) is OPEN
    assert asked([tight, far]) is NO
    assert asked([[1.5]]) is OPEN  # one seed shows no spread


def test_a_gap_cannot_be_below_a_margin_of_zero() -> None:
    # The interval reaches below zero; a gap does not.
    samples = np.array([[0.0, 0.02, 0.01]])
    got = inside_margins("?", samples, np.zeros(1), np.ones(1), 0.99, "nats")
    assert got.outcome is YES


def test_a_rise_must_be_significant_in_every_comparison() -> None:
    up, flat = [1.0, 1.01, 0.99, 1.0], [0.1, -0.1, 0.2, -0.15]
    down = [-value for value in up]
    assert rises("?", np.array([up, up]), 0.99, "nats").outcome is YES
    assert rises("?", np.array([up, flat]), 0.99, "nats").outcome is OPEN
    assert rises("?", np.array([up, down]), 0.99, "nats").outcome is NO
    assert rises("?", np.array([[1.0, math.nan]]), 0.99, "nats").outcome is OPEN


def test_labels_stay_with_their_variables() -> None:
    data = labelled({"gap": (("seed",), [1.0], "nats", "a gap")})
    assert data["gap"].attrs == {"units": "nats", "long_name": "a gap"}
