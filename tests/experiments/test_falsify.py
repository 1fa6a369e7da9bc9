"""`simlab falsify`: it finds what is wrong, nothing else, and makes it small."""

import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.__main__ import main
from experiments.falsification import groups, random_worlds, search, shrink
from experiments.falsification.campaign import campaign, confirmed
from experiments.falsification.descent import decoded, descended, encoded
from experiments.falsification.findings import Answer, Finding
from experiments.falsification.measures import Measured, measured, measured_alone
from experiments.falsification.options import FalsifyOptions
from experiments.falsification.reproduce import as_test
from theory.ledger import LEDGER, Case, Record, Side, Sides, find, violation
from theory.validation import validate_world

# Small worlds, one call of every program: 512 to 16,384 worlds a claim.
SMALL = FalsifyOptions("all", budget=1, contexts=3, outputs=4, steps=0)


def silent(line: str) -> None:
    del line


@pytest.fixture(scope="module")
def findings() -> dict[str, Finding]:
    """One search through the whole ledger, shared by the tests."""
    found, _ = campaign(LEDGER, SMALL, silent)
    return {finding.name: finding for finding in found}


# Drawn and measured by compiled programs: op by op, each op compiles by itself.
@functools.partial(jax.jit, static_argnums=(0, 2))
def drawn(kind: str, seed: int, count: int = 32) -> Case:
    return random_worlds.cases(kind, jax.random.key(seed), count, 3, 4)


def asked(record: Record, cases: Case) -> Measured:
    return jax.jit(functools.partial(measured, record))(cases)


def part(cases: Case, count: int) -> Case:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], cases)


def one(cases: Case, place: int = 0) -> Case:
    return jax.tree.map(lambda leaf: np.asarray(leaf)[place], cases)


def test_every_record_gets_one_line_in_the_order_of_the_ledger(findings):
    assert list(findings) == [record.name for record in LEDGER]


def test_no_claim_is_violated_and_every_one_is_asked(findings):
    true = [r.name for r in LEDGER if r.side is not Side.FALSE]
    wrong = {
        name: findings[name].answer
        for name in true
        if findings[name].answer is not Answer.NONE_FOUND
    }
    assert not wrong


def test_every_planted_error_is_caught(findings):
    # Negative control of the search, in the same worlds.
    missed = [
        record.name
        for record in LEDGER
        if record.planted and findings[record.name].caught_after is None
    ]
    assert not missed


def test_every_false_claim_is_refuted_by_the_search_and_by_its_kept_example(findings):
    false = [r.name for r in LEDGER if r.side is Side.FALSE]
    assert false
    assert {findings[name].answer for name in false} == {Answer.REFUTED}


def test_a_bound_is_found_tight_and_a_loose_one_is_not(findings):
    # Ratios seen: 1 for a bound attained at likelihood ratios in {0, 1, inf}, which
    # sparse worlds hit. Half of it must come out at half.
    record = find("proxy gap, upper")
    assert findings[record.name].tightness == pytest.approx(1, abs=1e-6)
    looser = dataclasses.replace(
        record,
        function=lambda c: Sides(record.function(c).left, 2 * record.function(c).right),
    )
    (found,), _ = campaign([looser], SMALL, silent)
    assert found.tightness == pytest.approx(0.5, abs=1e-6)


def test_the_search_is_the_same_for_a_seed_and_another_for_another(findings):
    record = find("root limit")
    again, other = (
        campaign([record], dataclasses.replace(SMALL, seed=seed), silent)[0][0]
        for seed in (0, 1)
    )
    # Fusion with other claims may round differently: 1e-12 is thousands of roundings.
    assert again.tightness == pytest.approx(findings[record.name].tightness, abs=1e-12)
    assert abs(other.tightness - again.tightness) > 1e-9


def test_the_worst_world_of_a_search_can_be_drawn_again(x64):
    record = find("root limit")
    worlds = search.Worlds(seed=0, contexts=3, outputs=4)
    group = (groups.traced(record, 3, 4),)
    (tally,) = search.searched(
        search.compiled(group, worlds, jax.local_devices()), worlds, 1
    )
    met = worlds.cases(tally.extremes("worst", 1), group[0].batch)
    # Rounding only: the same numbers through another program.
    assert float(asked(record, met).violation[0]) == pytest.approx(
        tally.largest("worst"), abs=1e-12
    )


def test_combined_worlds_are_worlds(x64):
    worlds = search.Worlds(seed=3, contexts=3, outputs=4)
    for number in range(8):  # rounds with and without near laws, alike and mixed
        places = [search.Place(0, number, column) for column in range(4)]
        case = worlds.cases(places, 128)
        validate_world(case.world)
        assert np.allclose(case.policy.sum(-1), 1, rtol=0, atol=1e-12)
        assert case.penalty.min() > 0


def test_draws_do_not_depend_on_the_precision():
    both = []
    for precise in (False, True):
        with jax.enable_x64(precise):
            both.append(part(drawn("sparse", 3), 32))
    assert both[0].policy.dtype == np.float32
    assert both[1].policy.dtype == np.float64
    for single, double in zip(*map(jax.tree.leaves, both), strict=True):
        # Roundings of float32, eps 1.2e-7, in softmaxes and blends.
        assert np.allclose(single, double, rtol=1e-5, atol=1e-6)


def test_points_of_the_descent_are_the_cases_they_come_from(x64):
    cases = part(drawn("sparse", 0), 32)
    back = jax.jit(decoded, static_argnums=2)(*encoded(cases), 4)
    for before, after in zip(*map(jax.tree.leaves, (cases, back)), strict=True):
        assert np.allclose(before, after, rtol=1e-12, atol=1e-12)
        assert np.array_equal(before > 0, after > 0)  # zeros stay zeros


def test_descent_goes_down(x64):
    # Dense worlds are far from the best case of this bound: ratios below 0.9.
    record = find("harmonic limit")
    starts = part(drawn("dense", 5), 8)
    for_tightness = np.ones(8, bool)
    still = descended(record, starts, for_tightness, 1)
    moved = descended(record, starts, for_tightness, 150)
    assert (moved.tightest > still.tightest).all()
    assert moved.tightest.max() > 0.95
    assert moved.worst.max() <= record.tolerance  # and finds no violation
    assert np.allclose(  # of what it returns
        asked(record, moved.tightest_cases).tightness, moved.tightest, atol=1e-12
    )


def test_a_violation_counts_only_in_a_world_that_shows_it(x64):
    sound = groups.traced(find("harmonic limit"), 3, 4)
    cases = part(drawn("dense", 5), 8)
    seen = descended(sound.record, cases, np.ones(8, bool), 1)
    untouched, silence = confirmed(sound, seen)
    assert (untouched, silence) == (seen, "")
    loud = dataclasses.replace(seen, worst=np.ones(8))
    shown, remark = confirmed(sound, loud)
    assert shown.worst.max() <= sound.record.tolerance
    assert "not in the world" in remark
    # Negative control: a broken record is violated in the very same worlds.
    broken = dataclasses.replace(sound, record=rare(sound.record, sound.record.planted))
    shown, remark = confirmed(broken, loud)
    assert shown.worst.max() > sound.record.tolerance
    assert not remark


def rare(record: Record, wrong: Callable[[Case], Sides]) -> Record:
    return dataclasses.replace(record, function=wrong)


def test_descent_catches_what_random_worlds_miss(x64):
    # Wrong by 0.4%, which only worlds near the tight case can show.
    record = find("harmonic limit")
    wrong = rare(
        record,
        lambda c: Sides(1.004 * record.function(c).left, record.function(c).right),
    )
    starts = part(drawn("dense", 5), 8)
    assert asked(wrong, starts).violation.max() < 0
    found = descended(wrong, starts, np.arange(8) % 2 == 0, 300)
    assert found.worst.max() > record.tolerance


@pytest.mark.parametrize("name", ["proxy gap, upper", "compensation"])
def test_a_broken_record_shrinks_to_a_test_that_fails(name, x64):
    record = find(name)
    broken = rare(record, record.planted)
    cases = drawn("sparse", 2)
    place = int(np.argmax(asked(broken, cases).violation))
    fails = shrink.failing(broken)
    small = shrink.shrunk(one(cases, place), fails)
    assert shrink.size(small) == (1, 2)
    assert all(
        np.array_equal(leaf, np.round(leaf, 2)) for leaf in jax.tree.leaves(small)
    )
    source = as_test(record, small, planted=True)
    with pytest.raises(AssertionError):
        run_test(source)
    # Negative control: the sound record passes in the same world.
    run_test(as_test(record, small, planted=False))


def run_test(source: str) -> None:
    defined: dict[str, Callable[[], None]] = {}
    exec(source, defined)
    (test,) = (value for name, value in defined.items() if name.startswith("test_"))
    test()


def test_what_does_not_fail_is_not_shrunk(x64):
    record = find("proxy gap, upper")
    case = one(drawn("dense", 2))
    with pytest.raises(ValueError, match="does not fail"):
        shrink.shrunk(case, shrink.failing(record))


def test_a_world_with_a_nan_is_a_violation_not_a_pass(x64):
    record = find("frontier")
    wrong = rare(record, lambda c: Sides(jnp.nan * c.penalty, c.penalty))
    found = asked(wrong, drawn("dense", 0))
    assert (found.violation == np.inf).all()
    assert (found.tightness == -np.inf).all()


def test_measures_are_those_of_the_ledger(x64):
    cases = drawn("sparse", 0)
    for name in ("Pearson form, lower", "optimum", "proxy gap, upper"):
        record = find(name)
        by_context = jax.jit(functools.partial(violation, record))(cases)
        expected = np.asarray(by_context).reshape(32, -1).max(-1)
        # Rounding: another program may fuse otherwise.
        found = asked(record, cases).violation
        assert np.allclose(found, expected, rtol=0, atol=1e-14), name


def test_loops_are_recognised(x64):
    looped, closed = (groups.traced(find(n), 3, 4) for n in ("frontier", "optimum"))
    assert (looped.loops, closed.loops) == (True, False)
    assert looped.batch < closed.batch
    assert groups.grouped([closed, looped, closed]) == [(closed, closed), (looped,)]


def test_claims_that_call_lapack_go_world_by_world_with_the_same_answer(x64):
    record = find("proxy gap, upper")

    def through_lapack(case: Case) -> Sides:
        left, right = record.function(case)
        matrix = right[..., None, None] * jnp.eye(2)
        return Sides(left, jnp.linalg.eigh(matrix)[0][..., 0])

    claim = groups.traced(rare(record, through_lapack), 3, 4)
    assert claim.lapack
    assert claim.batch < groups.traced(record, 3, 4).batch
    cases = drawn("sparse", 0)
    found = jax.jit(functools.partial(measured_alone, record))(cases)
    for alone, together in zip(found, asked(record, cases), strict=True):
        # Rounding: sums of 12 terms near 1.
        assert np.allclose(alone, together, rtol=1e-13, atol=1e-14)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have configured JAX already; a process can do so only once."""
    monkeypatch.setattr("simlab.devices.configure", lambda **_: None)


TINY = ["--budget", "1", "--contexts", "3", "--outputs", "4", "--steps", "0", "--quiet"]


def test_the_command_prints_a_table_and_writes_it(configured, capsys, tmp_path: Path):
    file = tmp_path / "found.json"
    assert main(["falsify", "root limit", *TINY, "--json", str(file)]) == 0
    shown = capsys.readouterr()
    assert "none found" in shown.out
    assert "no violation" in shown.out
    assert not shown.err
    written = json.loads(file.read_text())
    assert written["findings"][0]["name"] == "root limit"
    assert written["costs"]["evaluations_random"] == 16384


def test_planted_errors_are_shown_as_tests_that_fail(configured, capsys):
    assert main(["falsify", "root limit", *TINY, "--planted"]) == 0
    shown = capsys.readouterr().out
    assert "caught: 1 of 1" in shown
    source = shown[shown.index("import jax") :]
    with pytest.raises(AssertionError):
        run_test(source)


def test_a_violation_is_printed_and_changes_the_exit_code(
    configured, capsys, monkeypatch
):
    record = find("root limit")
    broken = rare(record, record.planted)
    monkeypatch.setattr("theory.ledger.find", lambda _: broken)
    assert main(["falsify", "root limit", *TINY]) == 1
    shown = capsys.readouterr().out
    assert "VIOLATED" in shown
    assert "def test_root_limit_holds_in_this_world" in shown


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("falsify", "a record of the ledger, or all"),
        ("falsify frontear", "did you mean frontier"),
        ("falsify all --budget none", "--budget"),
        ("falsify all --budget 0", "budget=0.0 must be"),
        ("falsify all --outputs 1", "outputs=1 must be >= 2"),
        ("falsify all --sedes 3", "unrecognized options: --sedes"),
    ],
)
def test_a_mistake_gets_one_line(configured, capsys, words, named):
    assert main(words.split()) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert named.lower() in lines[0].lower()


def test_an_interrupt_ends_the_search(configured, capsys, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("experiments.falsification.campaign.campaign", interrupt)
    assert main(["falsify", "all"]) == 130
    assert "interrupted" in capsys.readouterr().err
