"""A life cycle as data: pre-train -> align -> perturb or invert -> ..., one program.

A life is a tree. Every phase runs once for each of its data sources (its variants), and
the next phase begins at every slice that it kept. So one run shares the pre-training
of all that grows from it, and branches of one phase see the same batches.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from simlab.models import Params, exact
from simlab.sources import Source
from simlab.training import Hyper, Record, Setup, State, begin, stretch


@dataclass(frozen=True)
class SpeedMatch:
    """Choose a phase's learning rate so that its model moves at a given speed.

    Speed: the change of `Speed.of` a sample over the first `samples` samples. The rate
    is found by trial runs from the phase's own start on its own first batches, each
    multiplying the rate by target / speed (at most a factor 4); the trial nearest to
    the target is kept, whether or not it reached it.
    """

    target: float = 0.015  # nats per response and sample
    samples: int = 128  # samples over which the speed is taken
    trials: int = 8  # trial runs
    first: float = 0.1  # learning rate of the first trial
    least: float = 1e-3  # learning rates tried
    most: float = 3.0

    def __post_init__(self) -> None:
        if not self.target > 0:
            raise ValueError(f"target={self.target} must be > 0 nats a sample")
        if not 0 < self.least <= self.first <= self.most:
            raise ValueError(
                f"first={self.first} must be in [least, most] = [{self.least}, "
                f"{self.most}]: learning rates, not their logarithms"
            )
        if self.samples < 1 or self.trials < 1:
            raise ValueError(
                f"samples={self.samples} and trials={self.trials} must be >= 1"
            )


@dataclass(frozen=True)
class Phase:
    """What is compiled into a phase. `slices`: steps after which the next one begins.

    A slice of 0 is the phase's own start. Without slices the next phase begins at the
    end. Slices must be moments of a record. The learning rate is the leg's; where that
    is NaN, it is chosen by the speed of the scalar `Leg.gauge @ measured` (`match`). A
    phase that `inherits` takes the rate of the phase before.
    """

    name: str
    setup: Setup
    slices: tuple[int, ...] = ()
    match: SpeedMatch | None = None
    inherits: bool = False

    def __post_init__(self) -> None:
        every = self.setup.steps // self.setup.records
        wrong = [s for s in self.slices if s % every or not 0 <= s <= self.setup.steps]
        if wrong:
            raise ValueError(
                f"slices={self.slices} of phase {self.name}: {wrong[0]} must be a "
                f"multiple of {every} in [0, {self.setup.steps}], where records are; "
                "did you count samples instead of steps?"
            )
        if list(self.slices) != sorted(set(self.slices)):
            raise ValueError(f"slices={self.slices} of phase {self.name} must rise")
        if self.match and self.inherits:
            raise ValueError(
                f"phase {self.name} must match a speed or inherit a learning rate, "
                "not both"
            )
        if self.match and self.setup.measure is None:
            raise ValueError(
                f"phase {self.name} matches a speed, so its setup needs a measure"
            )

    @property
    def moments(self) -> tuple[int, ...]:
        """The steps at which the next phase begins."""
        return self.slices or (self.setup.steps,)


class Leg(NamedTuple):
    """What is traced of a phase: sources and learning rates, one a variant.

    Every leaf of `sources` has a leading axis of variants, `rates` is [variant].
    `gauge` [variant, ...] weighs what is measured into the scalar whose speed is
    matched. NaN is the rate of a variant whose phase matches a speed.
    """

    sources: Source
    rates: Float[Array, " variant"]
    gauge: Float[Array, "variant *measured"] | None = None


class Stage(NamedTuple):
    """What a phase leaves behind, with leading axes [variant, slice] of every earlier
    phase and its own [variant].

    `start` is what was measured before its first step; `kept` are the parameters at
    its slices [slice].
    """

    records: Record
    start: Any
    rate: Float[Array, "*branches"]
    speed: Float[Array, "*branches"]
    matched: Bool[Array, "*branches"]
    kept: Params


class Matched(NamedTuple):
    """The learning rate that came nearest to a speed, and the speed it gave."""

    rate: Float[Array, ""]
    speed: Float[Array, ""]
    reached: Bool[Array, ""]


REACHED = 0.05
"""A speed within this share of its target counts as reached."""


class _Origin(NamedTuple):
    """Where a phase begins: parameters, and the learning rate that led there."""

    params: Params
    rate: Float[Array, "*branches"]


def live(
    phases: tuple[Phase, ...],
    legs: tuple[Leg, ...],
    start: Params,
    exam: Any,
    key: jax.Array,
) -> tuple[Stage, ...]:
    """Every phase's stage, in order; pure, one compilation for all of them.

    Phase i draws its data from fold_in(key, i) alone, so that branches are paired.
    Errors: ValueError when phases and legs differ in number.
    """
    if len(phases) != len(legs):
        raise ValueError(f"{len(phases)} phases need as many legs, not {len(legs)}")
    if phases[0].inherits:
        raise ValueError(
            f"phase {phases[0].name} is the first: it has no learning rate to inherit"
        )
    none = jnp.full((), jnp.nan)
    return _grown(phases, legs, 0, _Origin(start, none), exam, key)


def _grown(
    phases: tuple[Phase, ...],
    legs: tuple[Leg, ...],
    index: int,
    start: _Origin,
    exam: Any,
    key: jax.Array,
) -> tuple[Stage, ...]:
    """The stages from phase `index` on, which begins at `start`."""
    phase, leg = phases[index], legs[index]
    if phase.inherits:
        leg = leg._replace(rates=jnp.full_like(jnp.asarray(leg.rates), start.rate))
    data = jax.random.fold_in(key, index)
    stage = jax.lax.map(lambda one: passed(phase, one, start.params, exam, data), leg)
    if index + 1 == len(phases):
        return (stage,)

    def from_slices(at: _Origin) -> Any:
        return jax.lax.map(
            lambda params: _grown(
                phases, legs, index + 1, _Origin(params, at.rate), exam, key
            ),
            at.params,
        )

    later: tuple[Stage, ...] = jax.lax.map(from_slices, _Origin(stage.kept, stage.rate))
    return (stage, *later)


def passed(phase: Phase, leg: Leg, start: Params, exam: Any, key: jax.Array) -> Stage:
    """One variant of a phase, from one start. `leg` without its axis of variants."""
    setup = phase.setup
    hyper = Hyper(leg.rates, jnp.zeros(()), leg.sources, None, start, exam=exam)
    given = Matched(leg.rates, jnp.full((), jnp.nan), jnp.ones((), bool))
    found = given
    if phase.match:
        aimed, wanted = _matching(phase, leg, hyper, key), jnp.isnan(leg.rates)
        found = jax.tree.map(lambda a, b: jnp.where(wanted, a, b), aimed, given)
    hyper = hyper._replace(learning_rate=found.rate)
    records, kept = sliced(setup, phase.moments, hyper, key)
    measure, model = setup.measure, exact(setup.model)
    measured = None if measure is None else measure(model, start, exam)
    return Stage(records, measured, found.rate, found.speed, found.reached, kept)


def sliced(
    setup: Setup, moments: tuple[int, ...], hyper: Hyper, key: jax.Array
) -> tuple[Record, Params]:
    """`run`'s records, and the parameters after each of the steps `moments`."""
    when = jnp.asarray(moments)
    kept = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (len(moments), *leaf.shape)), hyper.start
    )

    def one(carry: tuple[State, Params], _: None) -> tuple[tuple[State, Params], Any]:
        state, kept = carry
        steps = setup.steps // setup.records
        state, record = stretch(setup, hyper, key, state, steps)
        now = when == state.step
        kept = jax.tree.map(
            lambda old, new: jnp.where(_column(now, new), new, old), kept, state.params
        )
        return (state, kept), record

    first = begin(setup, hyper), kept
    (_, kept), records = jax.lax.scan(one, first, None, length=setup.records)
    return records, kept


def _column(now: Bool[Array, " slices"], leaf: Array) -> Bool[Array, "slices ..."]:
    return now.reshape(-1, *(1,) * leaf.ndim)


def _matching(phase: Phase, leg: Leg, hyper: Hyper, key: jax.Array) -> Matched:
    """The nearest of `trials` learning rates, each aimed by the speed of the last."""
    match, setup = phase.match, phase.setup
    assert match is not None
    steps = max(round(match.samples / setup.batch), 1)

    def gauge(params: Params) -> Float[Array, ""]:
        assert setup.measure is not None
        measured = setup.measure(exact(setup.model), params, hyper.exam)
        return jnp.sum(jnp.asarray(leg.gauge) * measured)

    before = gauge(hyper.start)

    def attempt(rate: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        trial = hyper._replace(learning_rate=rate)
        state, _record = stretch(setup, trial, key, begin(setup, trial), steps)
        speed = (gauge(state.params) - before) / (steps * setup.batch)
        # A model that went the wrong way, or nowhere, is pushed harder.
        ratio = jnp.where(speed > 0, match.target / jnp.maximum(speed, 1e-9), 4.0)
        following = jnp.clip(rate * jnp.clip(ratio, 0.25, 4.0), match.least, match.most)
        return following, (rate, speed)

    first = jnp.full((), match.first)
    _, (rates, speeds) = jax.lax.scan(attempt, first, None, length=match.trials)
    off = jnp.abs(jnp.log(jnp.maximum(speeds, 1e-9) / match.target))
    best = jnp.argmin(jnp.where(jnp.isfinite(off), off, jnp.inf))
    reached = off[best] <= jnp.log1p(REACHED)
    return Matched(rates[best], speeds[best], reached)
