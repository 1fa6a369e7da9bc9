"""What a search found of one claim, and what that says of it."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Answer(enum.StrEnum):
    """What the search says of one claim."""

    NONE_FOUND = "none found"
    VIOLATED = "VIOLATED"
    REFUTED = "refuted"
    NOT_REFUTED = "NOT REFUTED"
    CAUGHT = "caught"
    MISSED = "MISSED"
    CONTROL_MISSED = "CONTROL MISSED"
    NEVER_ASKED = "NEVER ASKED"


EXPECTED = {Answer.NONE_FOUND, Answer.REFUTED, Answer.CAUGHT}
"""Answers that leave the ledger as it is."""


@dataclass(frozen=True)
class Finding:
    """One line of the table.

    `slack` is the smallest (right - left) / max(1, |left|, |right|) met in the claim's
    domain, minus the largest error for claims that two sides agree. `tightness` is the
    largest left / right where right > 1e-3; for agreement the error in tolerances.
    `rate` is that of the whole program that the claim shared, in evaluations a second.
    """

    name: str
    side: str
    answer: Answer
    evaluations: int
    rate: float
    program: int  # claims of one number shared a program
    closed_form: bool
    slack: float
    tightness: float
    caught_share: float  # of the worlds of the random search
    caught_after: int | None  # evaluations
    remark: str = ""
    test_case: str = ""  # a violation, made small


@dataclass(frozen=True)
class Costs:
    """What the search took; evaluations of all claims, seconds of the wall clock."""

    evaluations_random: int
    evaluations_descent: int
    seconds_random: float
    seconds_descent: float
    seconds_compiling: float
    seconds_total: float

    @property
    def rate(self) -> float:
        """Evaluations a second of the random search, compilation apart."""
        return self.evaluations_random / max(self.seconds_random, 1e-9)


def unexpected(findings: Sequence[Finding]) -> list[Finding]:
    """The findings that someone must look at."""
    return [finding for finding in findings if finding.answer not in EXPECTED]
