"""How users train a guarded model: all of it, an adapter on it, or in turns."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from simlab.defences.guard import Guard, Lab, User, curated, deployed
from simlab.instructions import Instructions
from simlab.models import Adapted, LowRank, Model, Params, Part, carried
from simlab.objectives import Anchor, Ball, PairLoss, penalised_pair
from simlab.optimizers import Optimizer
from simlab.sources import DatasetSource
from simlab.training import Batch, Hyper, Setup, State, begin, run, stretch


@dataclass(frozen=True)
class Deployed:
    """The `Measure` of a guarded model: its logits once deployed; the exam: `Gates`.

    With `adapter`, the guarded model is the base of what is trained.
    """

    instructions: Instructions
    adapter: bool = False

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        """Logits of the world's tokens after every prefix."""
        off = (
            params._replace(base=deployed(params.base, exam))
            if self.adapter
            else deployed(params, exam)
        )
        return self.instructions.logits(model, off, self.instructions.neutral)


@dataclass(frozen=True)
class PenalisedRows:
    """Case I on batches of two sizes: (L_f + penalty L_s) / (1 + penalty).

    The first `own` rows of the safety batch count; a penalty of 0 is L_f alone. Source:
    Chen et al. 2025 (penalty form), trade-off notes (2.3).
    """

    own: int

    def __call__(
        self, setup: Setup, hyper: Hyper, params: Params, batch: Batch, /
    ) -> PairLoss:
        """The objective and its halves, nats per answer."""
        assert batch.safety is not None
        own = batch.safety[: self.own]
        return penalised_pair(
            setup.model, params, batch.capability, own, hyper.penalty, setup.scored
        )


def user_setup(
    lab: Lab, optimizer: Optimizer, model: Model, *, adapter: bool = False
) -> Setup:
    """What a user's training compiles: a constant rate after a short warm-up."""
    return Setup(
        model,
        steps=lab.steps,
        batch=lab.batch,
        records=lab.records,
        warmup=0.02,
        optimizer=optimizer,
        enumerated=False,
        decay=False,
        scored=lab.scored,
        measure=Deployed(lab.instructions, adapter),
        objective=PenalisedRows(lab.batch_own),
    )


def user_hyper(guard: Guard, user: User, start: Params) -> Hyper:
    """A user's data and rate on the terms of a guard."""
    return Hyper(
        user.rate,
        guard.penalty,
        curated(guard, user),
        DatasetSource(guard.own),
        start,
        ball=Ball(guard.radius),
        exam=guard.deploy,
    )


@dataclass(frozen=True)
class Whole:
    """The user trains all parameters of the model; what rides on it is frozen."""

    def train(
        self, lab: Lab, optimizer: Optimizer, guard: Guard, user: User, key: jax.Array
    ) -> Float[Array, "records x node v"]:
        """Fine-tuning as everyone does it."""
        setup = user_setup(lab, optimizer, lab.guarded)
        return _measured(run(setup, user_hyper(guard, user, guard.params), key).records)


@dataclass(frozen=True)
class Adapter:
    """The user trains a fresh adapter on the frozen guarded model, and keeps both.

    With a vector on, it is the inoculation adapter: train w in theta + v + w, deploy
    theta + w. Source: inoculation adapters (2606.30252), security-vector notes 1.7.
    """

    rank: int = 4

    def train(
        self, lab: Lab, optimizer: Optimizer, guard: Guard, user: User, key: jax.Array
    ) -> Float[Array, "records x node v"]:
        """Fine-tuning of low rank."""
        key_adapter, key_run = jax.random.split(key)
        carrier = LowRank(rank=self.rank)
        model = Adapted(lab.guarded, carrier, Part.VECTOR)
        start = carried(guard.params, carrier.init(lab.guarded, key_adapter))
        setup = user_setup(lab, optimizer, model, adapter=True)
        return _measured(run(setup, user_hyper(guard, user, start), key_run).records)


@dataclass(frozen=True)
class Alternated:
    """Lisa: the user's training in turns with alignment, each near where the other was.

    A round is `tuning` steps of L_f + (rho / 2) ||theta - theta_aligned||^2 and then
    `align` steps of L_s + (rho / 2) ||theta - theta_tuned||^2 on the defender's rows,
    anchors being where the other half last ended; rho is `Guard.proximal`, 0 during the
    first tenth of the rounds. The pull is a proximal step after each step of the loss,
    stable at any rate. The user's steps count as `Lab.steps`; those of alignment come
    on top, under one state of the optimiser. Source: Huang et al. 2024 (Lisa), by
    security-vector notes 4; the published turns are 100 and 900 steps, ours shorter.
    """

    tuning: int = 20
    align: int = 4
    free: float = 0.1  # share of the rounds without a pull

    def __post_init__(self) -> None:
        if self.tuning < 1 or self.align < 0:
            raise ValueError(
                f"tuning={self.tuning} must be >= 1 step and align={self.align} >= 0"
            )

    def train(
        self, lab: Lab, optimizer: Optimizer, guard: Guard, user: User, key: jax.Array
    ) -> Float[Array, "records x node v"]:
        """Fine-tuning in turns, measured after alignment."""
        rounds, left = divmod(lab.steps, self.tuning * lab.records)
        if left:
            raise ValueError(
                f"tuning={self.tuning} must divide the {lab.steps // lab.records} "
                "steps between a user's records"
            )
        rounds *= lab.records
        alone = user_setup(lab, optimizer, lab.guarded)
        setup = replace(alone, objective=None)
        tune = user_hyper(guard, user, guard.params)._replace(safety=None)
        align = tune._replace(capability=DatasetSource(guard.own))
        pulls = guard.proximal * (jnp.arange(rounds) >= self.free * rounds)

        def turn(state: State, pull: Array) -> tuple[State, Any]:
            near = tune._replace(anchor=Anchor(state.params, pull))
            state, record = stretch(setup, near, key, state, self.tuning)
            if self.align:
                near = align._replace(anchor=Anchor(state.params, pull))
                state, record = stretch(setup, near, key, state, self.align)
            return state, record

        _, records = jax.lax.scan(turn, begin(setup, tune), pulls)
        each = rounds // lab.records
        return _measured(jax.tree.map(lambda leaf: leaf[each - 1 :: each], records))


def _measured(records: Any) -> Float[Array, "records x node v"]:
    logits: Array = records.measured
    return logits
