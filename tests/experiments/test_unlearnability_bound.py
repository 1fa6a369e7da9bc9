"""The unlearnability bound: a small run, and planted faults it must notice."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from experiments.claim import Evidence, Outcome
from experiments.descent_paths import followed
from experiments.unlearnability_bound import PRESETS, draw, judge, predict
from experiments.unlearnability_bound_evidence import roomy
from experiments.unlearnability_bound_links import off_ceiling, reach, summed
from experiments.unlearnability_bound_softmax import (
    ANY_ORDER,
    BOUNDS,
    DESCENT,
    LOSS_OFF,
    MODES,
    SATURATING,
)
from experiments.unlearnability_config import APART, Config
from experiments.unlearnability_softmax_harm import making, model_of
from experiments.unlearnability_softmax_world import Making, Whole, made_worlds, vectors
from simlab.models import Carried
from simlab.optimizers import Sgd
from simlab.sources import DatasetSource
from simlab.training import Hyper, Setup, run
from tests.assertions import assert_below, assert_close, one_line
from tests.experiments.verdicts import question
from theory.unlearnability import answer_loss, error_probability

CONFIG = PRESETS["smoke"]
SINGLE, FULL = MODES


@pytest.fixture(scope="module")
def done(smoke: Any) -> xr.Dataset:
    data = smoke("unlearnability_bound").dataset
    assert isinstance(data, xr.Dataset)
    return data.load()


def asked(data: xr.Dataset, words: str) -> Evidence:
    return question(judge(CONFIG, data), words)


def planted(data: xr.Dataset, name: str, values: Any, **place: Any) -> xr.Dataset:
    """The same data with some values of one variable replaced."""
    copy = data[name].copy(deep=True).astype(float)
    copy.loc[place] = values
    return data.assign({name: copy})


def test_a_small_run_crosses_no_bound(done: xr.Dataset) -> None:
    verdict = judge(CONFIG, done)
    assert Outcome.VIOLATED not in {item.outcome for item in verdict.evidence}
    assert len(verdict.evidence) == 15
    assert_below(done["excess"].values, CONFIG.rounding)
    assert np.all(done["tightest"].values <= 1 + 1e-9)  # rounding of a ratio
    assert draw(done, verdict) is not None


def test_the_first_step_is_as_long_as_its_drift(done: xr.Dataset) -> None:
    first = done.sel(step=1)
    # Kept in single precision; a step of 1e-13 to weights of 20 has no more digits.
    assert_close(first["path"].values / first["drift"].values, 1.0, 0.05)
    path = summed(done, "norm")[..., 1]
    drift = done["network_drift"].values[..., 1]
    assert_close(path / drift, 1.0, 1e-3)  # single precision, weights of about 1


def test_an_undefended_path_breaks_the_bound_of_a_defended_one(
    done: xr.Dataset,
) -> None:
    last = done.isel(step=-1).sel(mode=SINGLE, rate=CONFIG.rates[0])
    bound = last["ceiling"].sel(bound=ANY_ORDER).isel(arm=0)
    assert np.all(last["path"].sel(arm="none") > 1000 * bound)
    assert asked(done, "cross the defended (i)").outcome is Outcome.HOLDS


@pytest.mark.parametrize(
    ("bound", "words"),
    [
        (ANY_ORDER, "<= (i) at every step"),
        (DESCENT, "both bounds of (ii)"),
        (SATURATING, "saturating bound"),
        (LOSS_OFF, "drift (iii)"),
    ],
)
def test_a_path_that_crosses_once_would_be_seen(
    done: xr.Dataset, bound: str, words: str
) -> None:
    assert bound in BOUNDS
    place = {"bound": bound, "mode": FULL, "arm": str(done["arm"].values[-2])}
    crossed = planted(done, "excess", 1e-10, **place)
    assert asked(done, words).outcome is Outcome.HOLDS
    assert asked(crossed, words).outcome is Outcome.VIOLATED
    assert judge(CONFIG, crossed).outcome is Outcome.VIOLATED
    lost = planted(done, "excess", np.nan, **place)
    assert asked(lost, words).outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("name", "factor", "words"),
    [
        ("crossing", 1e-3, "certificate (iv)"),
        ("fresh_path", 1e6, "is the path <= (v)"),
        ("fresh_expected", 1e6, "each of its two steps"),
        ("fresh_used", 1e9, "each of its two steps"),
        ("network_norm", 1.01, "theorem 2(b)"),
        ("network_separate", 0.01, "D_max (1 - exp(-L))"),
        ("network_joint", 0.01, "D_max (1 - exp(-L))"),
        ("network_by_loss", 0.5, "D_max (1 - exp(-L))"),
        ("network_drift", 100.0, "drift <= path"),
        ("network_separate", 0.01, "sum of eta mean(D e)"),
        ("network_apart_off", 1e-4, "sum of D_off |step|"),
    ],
)
def test_a_wrong_number_would_be_seen(
    done: xr.Dataset, name: str, factor: float, words: str
) -> None:
    wrong = done.assign({name: factor * done[name]})
    chosen = "is |grad|" if "exp(-L)" in words else words
    assert asked(done, chosen).outcome is Outcome.HOLDS
    assert asked(wrong, chosen).outcome is Outcome.VIOLATED


def test_nearness_is_asked_where_there_is_room_alone(done: xr.Dataset) -> None:
    room = roomy(CONFIG)
    assert np.any(room <= CONFIG.room)
    assert np.any(room > CONFIG.room)
    rough = xr.DataArray([0.999, 1.001], dims="seed")
    ones = done.assign(path=xr.ones_like(done["path"]) * rough)
    for near, outcome in ((1.1, Outcome.HOLDS), (1.4, Outcome.VIOLATED)):
        data = ones.assign(ceiling=near * xr.ones_like(done["ceiling"]))
        assert asked(data, "paths while").outcome is outcome
        # Where it has no room (i) may be far away.
        far = planted(data, "ceiling", np.inf, arm=str(done["arm"].values[-2]))
        assert asked(far, "paths while").outcome is outcome


def test_a_control_that_cannot_fail_makes_nothing_hold(done: xr.Dataset) -> None:
    near = done.assign(control=-abs(done["control"]))
    assert asked(near, "cross the defended (i)").outcome is Outcome.INCONCLUSIVE
    assert judge(CONFIG, near).outcome is Outcome.INCONCLUSIVE
    kept = done.assign(fresh_path=0 * done["fresh_path"])
    assert asked(kept, "widths").outcome is Outcome.INCONCLUSIVE
    still = planted(done, "network_norm", 1e-9, network_arm="none")
    found = asked(still, "cross the defended sum")
    assert found.outcome is Outcome.INCONCLUSIVE


def test_a_diverged_run_makes_nothing_hold(done: xr.Dataset) -> None:
    lost = planted(done, "diverged", 1, arm="none")
    assert judge(CONFIG, lost).outcome is not Outcome.HOLDS


def test_sums_over_steps_begin_with_none(done: xr.Dataset) -> None:
    assert_close(summed(done, "norm")[..., 0], 0.0, 0.0)
    assert_close(off_ceiling(done)[..., 0], 0.0, 0.0)
    assert_close(reach(done)[..., 0], 0.0, 0.0)
    rate = CONFIG.rate_network * CONFIG.response
    first = rate * done["network_joint"].values[..., 0]
    assert_close(summed(done, "joint")[..., 1], first, 1e-6)


def test_the_prediction_is_infinite_where_there_is_no_room() -> None:
    data = predict(CONFIG)
    last = data["nominal_ceiling"].isel(step=-1).values
    np.testing.assert_array_equal(np.isfinite(last), roomy(CONFIG) < 1)
    assert np.all(np.diff(data["nominal_certificate"].values, axis=1) < 0)


def test_a_world_is_as_it_was_asked_for(x64: None) -> None:
    made = making(CONFIG)
    worlds = made_worlds(made, range(3, 5))
    assert_close((worlds.features**2).sum(-1), 1.0, 1e-12)
    off = answer_loss(worlds.features @ worlds.base, worlds.targets)
    assert_close(jnp.mean(off, axis=-1), CONFIG.loss_off, 1e-6)
    for residual in (1e-7, 0.1):
        on = worlds.features @ (worlds.base + vectors(worlds, residual))
        errors = error_probability(on, worlds.targets)
        assert_close(jnp.mean(errors, axis=-1) / residual, 1.0, 1e-6)
    again = made_worlds(made, range(4, 5))
    np.testing.assert_array_equal(again.features[0], worlds.features[1])


def test_a_world_that_cannot_be_explained_says_so() -> None:
    worlds = made_worlds(Making(6, 60, 100, 10, 1.0, 12.7), range(1))
    with pytest.raises(ValueError, match="some sample lies beyond its class"):
        vectors(worlds, 1e-6)


def test_following_a_run_changes_nothing_of_it() -> None:
    worlds = made_worlds(making(CONFIG), range(1))
    contexts = CONFIG.outputs + jnp.arange(CONFIG.samples)
    rows = jnp.stack([contexts, jnp.asarray(worlds.targets[0])], axis=1)
    base = {"features": jnp.float32(worlds.features[0]), "weights": jnp.zeros((5, 6))}
    start = Carried(base, {"weights": jnp.zeros((5, 6))}, jnp.ones(()))
    steps = 8
    setup = Setup(
        model_of(CONFIG), steps=steps, batch=1, records=steps, warmup=0.0,
        optimizer=Sgd(), enumerated=False, decay=False,
    )  # fmt: skip
    hyper = Hyper(jnp.asarray(0.5), jnp.zeros(()), DatasetSource(rows), None, start)
    key = jax.random.key(1)
    trace = run(setup, hyper, key)
    found = followed(setup, hyper, key, lambda params, _: params.base["weights"])
    # The same operations in another program: rounding of float32.
    assert_close(found.gradient_norm, trace.records.gradient_norm, 1e-6)
    assert_close(found.seen[0], 0.0, 0.0)
    moved = jnp.linalg.norm(found.seen[1:] - found.seen[:-1], axis=(1, 2))
    assert_close(moved, 0.5 * found.gradient_norm[:-1], 1e-6)
    # Nothing is learned of the features.
    np.testing.assert_array_equal(trace.params.base["features"], base["features"])


def test_all_rows_are_one_batch() -> None:
    rows = jnp.array([[6, 1], [7, 2]])
    source = Whole(rows)
    np.testing.assert_array_equal(source.sample(jax.random.key(0), 2), rows)
    other = jnp.array([[6, 2], [7, 2]])
    assert source.log_prob(other).tolist() == [-np.inf, 0.0]
    assert_close(source.log_context(other), -np.log(2.0), 1e-6)  # float32
    with pytest.raises(ValueError, match="batch=3 must be 2"):
        source.sample(jax.random.key(0), 3)


def test_d_of_every_linear_world_is_root_two() -> None:
    assert_close(APART**2, 2.0, 1e-12)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"residuals": (3e-5, 3e-7)}, "must rise, from above 0"),
        ({"residuals": (1.0, 20.0)}, "did you pass percent"),
        ({"rates": (0.1, 3.0)}, r"<= 2 = 1/smoothness"),
        ({"moments": 30_000}, "are they swapped"),
        ({"failure": 0.95}, r"failure=0.95 must be in \(0, 0.5\)"),
        ({"loose": 0.8}, "loose=0.8 must be > 1"),
        ({"room": 2.0}, r"where \(i\) is finite"),
        ({"noise": -1.0}, "did you pass its logarithm"),
        ({"watched": 0}, "watched=0 must be >= 1"),
        ({"level": 0.01}, "did you pass the error level"),
        ({"digits": 4}, "prompts, but samples"),
    ],
)
def test_a_bad_field_is_named_with_its_likely_mistake(
    fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        Config(**fields)


def test_presets_have_the_seeds_that_were_asked_for() -> None:
    laptop, large = PRESETS["laptop"], PRESETS["accelerator"]
    assert laptop.seeds >= 8
    assert laptop.network_seeds >= 5
    assert laptop.steps == 20_000
    assert min(large.seeds, large.network_seeds) >= 8
