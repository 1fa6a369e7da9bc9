"""The basin's claim, small: bounds hold untrained, and planted errors are seen."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import safety_basin
from experiments.claim import Outcome, Verdict
from experiments.runner import run_claim
from experiments.safety_basin import PRESETS, Config, judge
from experiments.safety_basin_evidence import usual_scores, widths
from tests.assertions import one_line
from tests.experiments.one_device import on_first

TINY = Config(
    seeds=3, contexts=2, vocabulary=2, length=2, width=4, depth=1, heads=1,
    directions=2, offsets=8, plane=12, halvings=4, radii=4, radius_min=0.05,
    radius_max=3.0, steps_align=40, steps=16, records=2, level=0.9,
    unsafe_mass=0.4,
)  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("results")
    return run_claim(
        "safety_basin", safety_basin, TINY, out, quiet=True, way=on_first()
    )


def outcomes(verdict: Verdict) -> dict[str, Outcome]:
    return {item.question: item.outcome for item in verdict.evidence}


def asked(data: xr.Dataset, words: str) -> Outcome:
    """The answer to the one question that contains these words."""
    found = [o for q, o in outcomes(judge(TINY, data)).items() if words in q]
    assert len(found) == 1
    return found[0]


@pytest.fixture
def parabolas(done: Any) -> xr.Dataset:
    """The same result as theory would have it: exact parabolas, with an odd term.

    A relative cubic and quartic term of 1 % and 4 % of the largest half width leave
    errors of first order in the threshold.
    """
    data = done.dataset.copy(deep=True)
    data["curvature_fisher"][:] = np.array([0.1, 0.2, 20.0, 80.0])
    data["curvature"][:] = data["curvature_fisher"]
    data["slope"][:] = 0.0
    data["curvature_mixed"][:] = 0.0
    data["gap_aligned"][:] = 0.0
    shares = np.linspace(-2.0, 2.0, data.sizes["point"])
    seeds = 1 + 0.1 * np.arange(TINY.seeds)
    half = np.sqrt(0.2 / data["curvature_fisher"].values)
    data["offset"][:] = half[..., None] * shares
    bent = 1 + seeds[:, None, None] * (0.01 * shares + 0.04 * shares**2)
    data["gap_line"][:] = 0.1 * shares**2 * bent
    plane = np.linspace(-2.0, 2.0, data.sizes["first"])
    data["offset_plane"][:] = half[:, [-2, 0], None] * plane
    data["gap_plane"][:] = (
        0.1 * (plane[:, None] ** 2 + plane**2) * seeds[:, None, None] ** 0.1
    )
    radii = data["radius"].values
    data["gap_ball"][:] = 10.0 * radii[:, None] ** 2 * (1 + 0.02 * seeds)
    return data


def test_a_result_says_what_made_it(done: Any) -> None:
    assert set(done.manifest["sweeps"]) == {"align", "lines", "plane", "usual", "ball"}
    for variable in done.dataset.variables.values():
        assert variable.attrs["units"]
        assert variable.attrs["long_name"]
    assert list(done.dataset["direction"].values) == [
        "random 1", "random 2", "task", "top",
    ]  # fmt: skip
    assert (done.path / "figure.png").stat().st_size > 10_000
    said: list[str] = []
    again = run_claim(
        "safety_basin", safety_basin, TINY, done.path.parent, say=said.append
    )
    assert "found a finished result" in said[0]
    xr.testing.assert_identical(again.dataset, done.dataset)


def test_exact_statements_hold_for_barely_trained_networks(done: Any) -> None:
    verdict = Verdict.from_json(done.manifest["verdict"])
    found = outcomes(verdict)
    exact = ("Hoeffding", "lower side", "unsafe probability")
    answers = [o for q, o in found.items() if any(words in q for words in exact)]
    assert answers == [Outcome.HOLDS] * 3
    # 40 steps do not align a network, and the verdict says so.
    assert verdict.outcome is not Outcome.HOLDS


def test_what_the_bound_certifies_is_inside_the_basin(
    done: Any, parabolas: xr.Dataset
) -> None:
    found = widths(done.dataset)
    both = np.isfinite(found.certified) & np.isfinite(found.measured)
    assert np.all(found.certified[both] <= found.measured[both] + 1e-9)  # rounding
    # Negative control: with the gaps of others it is not.
    planted = parabolas.copy(deep=True)
    planted["offset"] = planted["offset"] / 1e4
    other = widths(planted)
    both = np.isfinite(other.certified) & np.isfinite(other.measured)
    assert not both.any() or np.any(other.certified[both] > other.measured[both])


def test_a_gap_above_the_bound_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["gap_plane"][0, 0, 0] += 50.0
    assert asked(data, "Hoeffding") is Outcome.VIOLATED


def test_a_gap_below_the_bounds_lower_side_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["gap_line"][0] -= 50.0
    assert asked(data, "lower side") is Outcome.VIOLATED


def test_unsafe_outputs_at_no_gap_would_be_seen(done: Any) -> None:
    data = done.dataset.copy(deep=True)
    data["unsafe_ball"][:] = 1.0
    data["gap_ball"][:] = 1e-3
    assert asked(data, "unsafe probability") is Outcome.VIOLATED


QUADRATIC = ("(8.4)", "vanish like", "(area)", "Case II reach", "wider at random")


@pytest.mark.parametrize("words", QUADRATIC)
def test_networks_as_theory_has_them_pass(parabolas: xr.Dataset, words: str) -> None:
    assert asked(parabolas, words) is Outcome.HOLDS


def test_a_curvature_wrong_by_half_would_be_seen(parabolas: xr.Dataset) -> None:
    parabolas["curvature_fisher"] *= 1.5
    for words in ("(8.4)", "(area)"):
        assert asked(parabolas, words) is Outcome.VIOLATED


def test_an_error_that_does_not_vanish_would_be_seen(parabolas: xr.Dataset) -> None:
    parabolas["curvature"] *= 1.5
    assert asked(parabolas, "vanish like") is Outcome.VIOLATED


def test_swapped_directions_would_be_seen(parabolas: xr.Dataset) -> None:
    swapped = parabolas.isel(direction=[3, 2, 1, 0])
    seeds = np.linspace(1, 1.1, TINY.seeds)[:, None, None]  # no two are alike
    parabolas["gap_line"] = (parabolas["gap_line"].dims, swapped["gap_line"].values)
    parabolas["offset"] = (parabolas["offset"].dims, swapped["offset"].values * seeds)
    assert asked(parabolas, "wider at random") is Outcome.VIOLATED


def test_balls_that_reach_further_would_be_seen(parabolas: xr.Dataset) -> None:
    parabolas["gap_ball"] /= 4.0
    assert asked(parabolas, "Case II reach") is Outcome.VIOLATED


def test_a_scan_that_ends_before_the_edge_decides_nothing(
    parabolas: xr.Dataset,
) -> None:
    parabolas["gap_line"] *= 1e-3
    for words in ("(8.4)", "vanish like", "wider at random"):
        assert asked(parabolas, words) is Outcome.INCONCLUSIVE


def test_scores_are_shares(done: Any) -> None:
    scores = usual_scores(done.dataset)
    assert scores.shape == (TINY.seeds, TINY.directions)
    assert np.all((scores >= 0) & (scores <= 1))
    assert np.ptp(scores) > 0


def test_a_diverged_network_is_kept_and_nothing_holds(tmp_path: Path) -> None:
    wild = dataclasses.replace(TINY, learning_rate=1e30)
    result = run_claim(
        "safety_basin", safety_basin, wild, tmp_path, quiet=True, way=on_first()
    )
    verdict = Verdict.from_json(result.manifest["verdict"])
    assert result.manifest["diverged_runs"] > 0
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert (result.path / "figure.png").exists()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": -2.0}, "did you pass its logarithm"),
        ({"margin": 10.0}, "did you pass percent"),
        ({"radius_min": 1.0, "radius_max": 0.1}, "are they swapped"),
        ({"halvings": 2}, "must be >= order_points=4"),
        ({"halvings_plane": 9}, "must be >= halvings_plane=9"),
        ({"stretch": 0.5}, "stretch=0.5 must be > 1 to see the edges"),
        ({"overlap": 0.0}, "overlap=0.0 must be in"),
        ({"unsafe_mass": 10.0}, "unsafe_mass=10.0 must be in"),
        ({"seeds": 0}, "seeds=0 must be >= 1"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"steps": 301}, "must be a multiple of records"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_have_the_seeds_and_thresholds_that_trends_need() -> None:
    assert set(PRESETS) == {"smoke", "laptop", "accelerator"}
    for config in PRESETS.values():
        assert config.order_points >= 4  # as an order needs
        assert config.seeds >= 2
