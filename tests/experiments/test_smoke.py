"""Every claim's smoke preset: it runs, it is drawn, and nothing exact is violated."""

import pytest

from experiments.claim import Outcome, Verdict
from experiments.registry import CLAIMS


@pytest.mark.parametrize("name", CLAIMS)
def test_the_smoke_preset_violates_nothing(name, smoke):
    # Few seeds may leave a statistical question open; none may be answered with no.
    result = smoke(name)
    verdict = Verdict.from_json(result.manifest["verdict"])
    no = [item for item in verdict.evidence if item.outcome is Outcome.VIOLATED]
    assert not no
    assert verdict.evidence
    assert (result.path / "figure.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", CLAIMS)
def test_every_stored_variable_has_a_unit_and_a_meaning(name, smoke):
    for variable in smoke(name).dataset.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]
