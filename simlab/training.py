"""One training run as one pure function of (setup, hyper, key)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float, Int

from simlab.enumeration import prefix_logits
from simlab.models import Model, Params, PartlyTrained, exact
from simlab.objectives import (
    Anchor,
    Ball,
    PairLoss,
    drawn,
    expected_pair,
    penalised_pair,
    projected,
)
from simlab.optimizers import ADAM, Optimizer
from simlab.sources import Source, Tokens


@runtime_checkable
class Measure(Protocol):
    """A static choice of what is measured of a model at every record."""

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        """A pytree of arrays; `exam` holds the arrays that it needs."""


class Batch(NamedTuple):
    """The data of one step, and a key for what an objective draws by itself."""

    capability: Tokens
    safety: Tokens | None
    key: jax.Array


@runtime_checkable
class Objective(Protocol):
    """A static choice of what a step minimises, from batches.

    `hyper.aid` holds the arrays that it needs beside the data.
    """

    def __call__(
        self, setup: "Setup", hyper: "Hyper", params: Params, batch: Batch, /
    ) -> PairLoss:
        """The loss to be descended, and its halves for the record."""


@dataclass(frozen=True)
class Setup:
    """What is compiled into a run. Changing a field compiles again."""

    model: Model
    steps: int = 800  # optimiser steps
    batch: int = 128  # sequences of each kind a step
    records: int = 4  # evenly spaced moments at which a Record is kept
    warmup: float = 0.1  # share of the steps over which the rate rises linearly
    optimizer: Optimizer = ADAM
    enumerated: bool = True  # record the logits after every prefix; False: none of them
    expected: bool = False  # losses in expectation over listable sources, not batches
    decay: bool = True  # half a cosine to zero after the warm-up; False: constant
    scored: int | None = None  # only the last so many outputs count; None: all of them
    measure: Measure | None = None  # what a Record keeps of the model, beside losses
    objective: Objective | None = None  # what a step minimises; None: Case I's pair

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "records"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")
        if self.steps % self.records:
            raise ValueError(
                f"steps={self.steps} must be a multiple of records={self.records}, "
                "so that records are evenly spaced"
            )
        if self.scored is not None and not 1 <= self.scored <= self.model.length:
            raise ValueError(
                f"scored={self.scored} must be in [1, {self.model.length}], the "
                "outputs of a sequence; None scores all of them"
            )
        if self.scored is not None and self.expected:
            raise ValueError(
                f"scored={self.scored} must be None where losses are expected: laws "
                "are listed by whole sequences"
            )
        if self.objective is not None and self.expected:
            raise ValueError(
                "an objective of its own is asked for batches: set expected=False"
            )
        if not 0 <= self.warmup <= 1:
            raise ValueError(
                f"warmup={self.warmup} must be in [0, 1]: a share of the steps; "
                "did you pass a number of steps?"
            )


class Hyper(NamedTuple):
    """What is traced: every leaf may differ from run to run of one compilation.

    Without `safety` data the loss is that of `capability` alone, whatever the penalty.
    With a `ball`, parameters are projected onto it after every step; its center is
    `start`. An `anchor` draws them to its center by a proximal step after every step.
    `exam` is what `Setup.measure` reads, `aid` what `Setup.objective` reads.
    """

    learning_rate: Float[Array, "*runs"]
    penalty: Float[Array, "*runs"]
    capability: Source
    safety: Source | None
    start: Params
    ball: Ball | None = None
    anchor: Anchor | None = None
    exam: Any = None
    aid: Any = None


class State(NamedTuple):
    """What the next step needs."""

    step: Int[Array, ""]
    params: Params
    moments: optax.OptState


class Record(NamedTuple):
    """What the reader needs, at one moment. Losses are means since the last record."""

    step: Int[Array, "*records"]
    loss: Float[Array, "*records"]
    loss_capability: Float[Array, "*records"]
    loss_safety: Float[Array, "*records"]
    gradient_norm: Float[Array, "*records"]
    logits: Float[Array, "*records x node v"]
    measured: Any = None


class Trace(NamedTuple):
    """A finished run: its records (leading axis `records`) and its last state."""

    records: Record
    params: Params


def learning_rate_shape(setup: Setup, step: Int[Array, ""]) -> Float[Array, ""]:
    """The factor on the learning rate: linear warm-up, then a half cosine to zero.

    Without `decay` it stays at 1 after the warm-up.
    """
    warmup = max(round(setup.warmup * setup.steps), 1)
    rise = (step + 1) / warmup
    if not setup.decay:
        return jnp.minimum(rise, 1.0)
    remaining = (step - warmup) / max(setup.steps - warmup, 1)
    fall = 0.5 * (1 + jnp.cos(jnp.pi * jnp.clip(remaining, 0, 1)))
    return jnp.minimum(rise, fall)


def begin(setup: Setup, hyper: Hyper) -> State:
    """The state before the first step."""
    moments = setup.optimizer.build().init(hyper.start)
    return State(jnp.zeros((), jnp.int32), hyper.start, moments)


def advance(
    setup: Setup, hyper: Hyper, key: jax.Array, state: State
) -> tuple[State, tuple[Array, ...]]:
    """One optimiser step. Its data depend on (key, step) alone, so any chunking of
    steps and any resumption sees the same data.
    """
    pair = _pair(setup, hyper, jax.random.fold_in(key, state.step))

    def objective(params: Params) -> tuple[Array, tuple[Array, Array]]:
        loss = pair(params)
        return loss.objective, (loss.capability, loss.safety)

    (loss, halves), gradient = jax.value_and_grad(objective, has_aux=True)(state.params)
    direction, moments = setup.optimizer.build().update(
        gradient, state.moments, state.params
    )
    if isinstance(setup.model, PartlyTrained):
        direction = setup.model.held(direction)
    rate = hyper.learning_rate * learning_rate_shape(setup, state.step)
    updates = jax.tree.map(lambda leaf: -rate * leaf, direction)
    params = optax.apply_updates(state.params, updates)
    if hyper.anchor is not None:
        params = drawn(params, hyper.anchor, rate)
    if hyper.ball is not None:
        params = projected(params, hyper.start, hyper.ball)
    norm = optax.tree.norm(gradient)
    return State(state.step + 1, params, moments), (loss, *halves, norm)


def _pair(setup: Setup, hyper: Hyper, key: jax.Array) -> Callable[[Params], PairLoss]:
    """The loss of a pair of data: of two batches, or of the laws themselves."""
    model, penalty = setup.model, hyper.penalty
    first: Any = hyper.capability
    second: Any = hyper.safety
    if setup.expected:
        return lambda params: expected_pair(model, params, first, second, penalty)
    key_capability, key_safety = jax.random.split(key)
    capability = _dealt(first.sample(key_capability, setup.batch))
    safety = None if second is None else _dealt(second.sample(key_safety, setup.batch))
    own = setup.objective
    if own is not None:
        batch = Batch(capability, safety, jax.random.fold_in(key, _OWN))
        return lambda params: own(setup, hyper, params, batch)
    return lambda params: penalised_pair(
        model, params, capability, safety, penalty, setup.scored
    )


def _dealt(batch: Tokens) -> Tokens:
    """The batch, dealt over the mesh axis `data` where there is one of some size.

    The compiler does the rest: activations follow, gradients are summed.
    """
    mesh = jax.sharding.get_abstract_mesh()
    if mesh.empty or mesh.shape.get("data", 1) == 1:
        return batch
    dealt: Tokens = jax.lax.with_sharding_constraint(batch, PartitionSpec("data"))
    return dealt


_OWN = 2
"""Folded into a step's key for an objective's own draws; 0 and 1 are the batches'."""


def batch_at(
    setup: Setup, source: Source, key: jax.Array, step: Int[jax.Array, ""]
) -> Tokens:
    """The capability batch that a run of this key trains on at a step.

    For what is to be measured on the very data a run has seen.
    """
    key_capability, _ = jax.random.split(jax.random.fold_in(key, step))
    return source.sample(key_capability, setup.batch)


def stretch(
    setup: Setup, hyper: Hyper, key: jax.Array, state: State, steps: int
) -> tuple[State, Record]:
    """`steps` steps and the record at their end.

    A state that is not finite cannot be trained: its steps are passed over.
    """

    def trained(begun: State) -> tuple[State, tuple[Array, ...]]:
        return jax.lax.scan(
            lambda carry, _: advance(setup, hyper, key, carry),
            begun,
            None,
            length=steps,
        )

    def passed_over(begun: State) -> tuple[State, tuple[Array, ...]]:
        _, shapes = jax.eval_shape(trained, begun)
        lost = jax.tree.map(lambda of: jnp.full(of.shape, jnp.nan, of.dtype), shapes)
        return begun._replace(step=begun.step + steps), lost

    finite = jnp.isfinite(optax.tree.norm(state.params))
    state, history = jax.lax.cond(finite, trained, passed_over, state)
    model = setup.model
    loss, capability, safety, norm = (jnp.mean(values) for values in history)
    logits = (
        prefix_logits(model, state.params)
        if setup.enumerated
        else jnp.zeros((model.contexts, 0, model.vocabulary))
    )
    measured = (
        None
        if setup.measure is None
        else setup.measure(exact(model), state.params, hyper.exam)
    )
    return state, Record(state.step, loss, capability, safety, norm, logits, measured)


def run(setup: Setup, hyper: Hyper, key: jax.Array) -> Trace:
    """Train from `hyper.start`; pure, scanned, compiled once for each `setup`.

    Minimises (L_f + penalty L_s) / (1 + penalty) on fresh batches, or in expectation,
    within the ball if there is one. A loss that becomes
    NaN stays in the records: nothing stops, hides or repairs it.
    """
    state, records = jax.lax.scan(
        lambda carry, _: stretch(
            setup, hyper, key, carry, setup.steps // setup.records
        ),
        begin(setup, hyper),
        None,
        length=setup.records,
    )
    return Trace(records, state.params)


@dataclass(frozen=True)
class Training:
    """`run` with its static half filled in: a task, whole or a stretch at a time."""

    setup: Setup

    def __call__(self, hyper: Hyper, key: jax.Array) -> Trace:
        """The finished run."""
        return run(self.setup, hyper, key)

    @property
    def stretches(self) -> int:
        """One for each record."""
        return self.setup.records

    def begin(self, hyper: Hyper, key: jax.Array) -> State:
        """The state before the first step."""
        return begin(self.setup, hyper)

    def advance(
        self, state: State, hyper: Hyper, key: jax.Array
    ) -> tuple[State, Record]:
        """The steps up to the next record."""
        steps = self.setup.steps // self.setup.records
        return stretch(self.setup, hyper, key, state, steps)

    def end(self, state: State, records: Record) -> Trace:
        """The finished runs, from their last states."""
        return Trace(records, state.params)
