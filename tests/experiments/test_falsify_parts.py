"""The parts of a search: worlds, measures, descents, shrinking, each by itself."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.falsification import groups, search, shrink
from experiments.falsification.campaign import confirmed
from experiments.falsification.descent import decoded, descended, encoded
from experiments.falsification.measures import measured_alone
from experiments.falsification.reproduce import as_test
from tests.experiments.falsified import asked, drawn, one, part, rare, run_test
from theory.ledger import Case, Sides, find, violation
from theory.validation import validate_world


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
