"""A life of phases equals the same phases run by hand, branch for branch."""

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from simlab.models import Model, Params
from simlab.optimizers import Sgd
from simlab.phases import REACHED, Leg, Phase, SpeedMatch, Stage, live, sliced
from simlab.sources import TabularSource
from simlab.training import Hyper, Setup, run
from tests.assertions import assert_close, assert_must_fail
from tests.simlab.toys import CAPABILITY, MODELS, SAFETY, same_bits, source

MODEL = MODELS["tabular"]
NAN = float("nan")
STEPS, BATCH, FIXED = 8, 8, 0.2
TARGET = 0.004  # speed that a rate below 3 can give: logits a sequence


@dataclass(frozen=True)
class Mean:
    """The measure of these tests: how far logits lean to the first token, [1]."""

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        """The mean over prefixes of the exam of logit 0 - logit 1."""
        logits = model.apply(params, exam)
        return jnp.mean(logits[..., 0] - logits[..., 1])[None]


def setup(**fields: Any) -> Setup:
    plain: dict[str, Any] = {
        "steps": STEPS, "batch": BATCH, "records": 4, "optimizer": Sgd(), "warmup": 0.0,
        "decay": False, "enumerated": False, "measure": Mean(),
    }  # fmt: skip
    return Setup(MODEL, **{**plain, **fields})


def variants(*sources: TabularSource) -> TabularSource:
    stacked: TabularSource = jax.tree.map(lambda *leaves: jnp.stack(leaves), *sources)
    return stacked


FIRST, SECOND = source(CAPABILITY, 1), source(SAFETY, 2)
EXAM = FIRST.sample(jax.random.key(5), 16)[:, :-1]
KEY = jax.random.key(6)
START = MODEL.init(jax.random.key(7))
TRAINED = jax.jit(run, static_argnums=0)
PHASES = (
    Phase("pre-train", setup(), (4, 8)),
    Phase("align", setup(), (0, 4, 8), SpeedMatch(TARGET, samples=32)),
    Phase("invert", setup(steps=4, records=2), inherits=True),
)
# Two variants of alignment: at a matched speed, and at a fixed rate.
GAUGE = jnp.array([[1.0], [1.0]])
LEGS = (
    Leg(variants(FIRST), jnp.array([FIXED])),
    Leg(variants(SECOND, SECOND), jnp.array([NAN, FIXED]), GAUGE),
    Leg(variants(FIRST), jnp.array([NAN])),
)


@pytest.fixture(scope="module")
def life() -> tuple[Stage, ...]:
    """The stages, after choosing the direction in which alignment moves the measure."""
    stages: tuple[Stage, ...] = jax.jit(
        lambda legs: live(PHASES, legs, START, EXAM, KEY)
    )(signed())
    return stages


@functools.cache
def signed() -> tuple[Leg, ...]:
    """The legs, with the gauge turned the way in which the second source pulls."""
    hyper = Hyper(jnp.float32(FIXED), jnp.zeros(()), SECOND, None, START, exam=EXAM)
    moved = TRAINED(setup(), hyper, KEY).records.measured
    before = Mean()(MODEL, START, EXAM)
    turned = jnp.sign(moved[-1] - before) * GAUGE
    return LEGS[0], LEGS[1]._replace(gauge=turned), LEGS[2]


def by_hand(
    phase: int, taught: TabularSource, start: Params, rate: float, steps: int
) -> Any:
    """The trace of one branch of a phase as a run of its own."""
    hyper = Hyper(jnp.float32(rate), jnp.zeros(()), taught, None, start, exam=EXAM)
    made = setup(steps=steps, records=steps // 2)
    return TRAINED(made, hyper, jax.random.fold_in(KEY, phase))


def at(stage: Stage, *place: int) -> Params:
    return jax.tree.map(lambda leaf: leaf[place], stage.kept)


def same(left: Any, right: Any) -> None:
    """Equal to the rounding of float32: another program sums in another order."""
    for a, b in zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True):
        assert_close(np.asarray(a), np.asarray(b), 1e-5)


def test_every_slice_is_the_run_stopped_there(life: tuple[Stage, ...]) -> None:
    for place, steps in enumerate(PHASES[0].moments):
        alone = by_hand(0, FIRST, START, FIXED, steps)
        same(at(life[0], 0, place), alone.params)
    assert_must_fail(lambda: same(at(life[0], 0, 0), at(life[0], 0, 1)))


def test_slicing_changes_no_bit_of_a_run() -> None:
    hyper = Hyper(jnp.float32(FIXED), jnp.zeros(()), FIRST, None, START, exam=EXAM)
    trace = TRAINED(setup(), hyper, KEY)
    records, kept = jax.jit(sliced, static_argnums=(0, 1))(setup(), (0, 8), hyper, KEY)
    same_bits(records, trace.records)
    same_bits(jax.tree.map(lambda leaf: leaf[1], kept), trace.params)
    same_bits(jax.tree.map(lambda leaf: leaf[0], kept), START)


def test_a_branch_begins_where_its_slice_ended(life: tuple[Stage, ...]) -> None:
    before, align, _ = life
    for place in (0, 1):
        start = at(before, 0, place)
        alone = by_hand(1, SECOND, start, FIXED, STEPS)
        same(at(align, 0, place, 1, 2), alone.params)
        measured = align.records.measured[0, place, 1]
        same(measured, alone.records.measured)
        same(align.start[0, place, 1], Mean()(MODEL, start, EXAM))
        same(at(align, 0, place, 1, 0), start)  # the slice at 0
        other = by_hand(0, SECOND, start, FIXED, STEPS)  # another phase's batches
        assert_must_fail(lambda a=place, b=other: same(at(align, 0, a, 1, 2), b.params))


def test_the_way_back_inherits_the_rate_that_led_there(life: tuple[Stage, ...]) -> None:
    _, align, invert = life
    rates = np.asarray(align.rate)
    assert len(set(rates.ravel().tolist())) == 3  # two matched, one fixed twice
    np.testing.assert_array_equal(
        invert.rate, np.broadcast_to(rates[..., None, None], invert.rate.shape)
    )
    place = (0, 1, 0, 1)
    alone = by_hand(2, FIRST, at(align, *place), float(rates[0, 1, 0]), 4)
    same(invert.records.measured[(*place, 0)], alone.records.measured)


def test_a_matched_speed_is_the_speed_of_the_run(life: tuple[Stage, ...]) -> None:
    align, gauge = life[1], signed()[1].gauge
    assert np.asarray(align.matched).all()
    # 32 samples are 4 steps, two records.
    way = align.records.measured[0, :, 0, 1] - align.start[0, :, 0]
    speeds = np.asarray(way @ gauge[0]) / (4 * BATCH)
    assert_close(speeds, align.speed[0, :, 0], 1e-5)  # rounding of float32
    assert_close(speeds / TARGET, 1.0, REACHED + 1e-3)
    fixed = np.asarray(align.records.measured[0, :, 1, 1] - align.start[0, :, 1])
    unmatched = (fixed @ np.asarray(gauge[0])) / (4 * BATCH)
    assert_must_fail(lambda: assert_close(unmatched / TARGET, 1.0, REACHED + 1e-3))


def test_a_given_rate_is_kept_and_claims_no_speed(life: tuple[Stage, ...]) -> None:
    align = life[1]
    assert_close(np.asarray(align.rate)[0, :, 1], FIXED, 1e-7)
    assert np.isnan(align.speed[0, :, 1]).all()


def test_a_speed_out_of_reach_is_marked() -> None:
    beyond = SpeedMatch(1e3, samples=32, trials=3)
    phase = Phase("align", setup(), match=beyond)
    leg = Leg(variants(SECOND), jnp.array([NAN]), GAUGE[:1])
    (stage,) = jax.jit(lambda: live((phase,), (leg,), START, EXAM, KEY))()
    assert not stage.matched.any()
    assert float(stage.rate[0]) <= beyond.most


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpeedMatch(target=0.0), "target=0.0 must be > 0 nats a sample"),
        (lambda: SpeedMatch(first=9.0), "learning rates, not their logarithms"),
        (lambda: SpeedMatch(trials=0), "trials=0 must be >= 1"),
        (lambda: Phase("a", setup(), (3,)), "did you count samples instead of steps"),
        (lambda: Phase("a", setup(), (16,)), r"must be a multiple of 2 in \[0, 8\]"),
        (lambda: Phase("a", setup(), (4, 2)), "of phase a must rise"),
        (
            lambda: Phase("a", setup(), (), SpeedMatch(), inherits=True),
            "must match a speed or inherit a learning rate, not both",
        ),
        (
            lambda: Phase("a", setup(measure=None), (), SpeedMatch()),
            "matches a speed, so its setup needs a measure",
        ),
        (
            lambda: live(PHASES, LEGS[:2], START, EXAM, KEY),
            "3 phases need as many legs",
        ),
        (
            lambda: live(PHASES[2:], LEGS[2:], START, EXAM, KEY),
            "phase invert is the first: it has no learning rate to inherit",
        ),
    ],
)
def test_an_impossible_life_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
