"""The one question, or the one remark, of a verdict that a test is about."""

from experiments.claim import Evidence, Verdict


def question(verdict: Verdict, words: str) -> Evidence:
    """The only question that holds these words."""
    found = [item for item in verdict.evidence if words in item.question]
    assert len(found) == 1, words
    return found[0]


def told(verdict: Verdict, words: str) -> str:
    """The only remark that holds these words."""
    found = [line for line in verdict.remarks if words in line]
    assert len(found) == 1, words
    return found[0]
