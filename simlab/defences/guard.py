"""What a defence is: from a base model and the defender's data to a guarded model."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from simlab.instructions import Instructions
from simlab.models import (
    Adapted,
    Carried,
    Dense,
    Params,
    Projection,
    Steering,
    Transformer,
    carried,
    gated,
)
from simlab.optimizers import Optimizer
from simlab.sources import Tokens, WeightedRows

Number = Any
"""A hyper-parameter: a number, or what JAX puts in its place while it transforms."""


class Known(NamedTuple):
    """What a defender has: as many rows of each kind. Shapes: [n, 2 + length].

    `harmful` answers that must not be learned, `safety` the wanted answers to the same
    contexts, `useful` rows of a task that users may want, `reference` rows of what the
    base can do already, away from any harm.
    """

    harmful: Tokens
    safety: Tokens
    useful: Tokens
    reference: Tokens


class User(NamedTuple):
    """What a user brings: rows [n, 2 + length], their weights, which are harmful."""

    rows: Tokens
    weights: Float[Array, " n"]
    harmful: Bool[Array, " n"]
    rate: Float[Array, ""]


class Gates(NamedTuple):
    """How far everything that rides on a model acts: 1 is on, 0 off."""

    vector: Float[Array, ""]
    steering: Float[Array, ""]
    projection: Float[Array, ""]


class Rules(NamedTuple):
    """What happens to a user's data.

    `keep_harmful` weighs harmful rows, `copies` is the weight of each of the defender's
    own rows when mixed in (a user's row weighs 1), and a share `instructed` of the
    user's rows carries the token `instruction` instead of its own.
    """

    keep_harmful: Float[Array, ""]
    copies: Float[Array, ""]
    instruction: Array
    instructed: Float[Array, ""]


class Guard(NamedTuple):
    """A guarded model and the terms on which a user trains it; every leaf is traced.

    `params` are those of `Lab.guarded`, at the gates of training; `deploy` are the
    gates afterwards. `own` are the defender's safety rows, which `penalty` (Case I),
    `rules` and `proximal` (Lisa) use; `radius` is that of Case II, inf for none.
    """

    params: Carried
    deploy: Gates
    own: Tokens
    penalty: Float[Array, ""]
    radius: Float[Array, ""]
    proximal: Float[Array, ""]
    rules: Rules


@dataclass(frozen=True)
class Lab:
    """The model that is defended, and the user's training; static.

    Rows are (context, instruction, y_1, ...): see `Instructions`. Errors: ValueError
    when steps do not divide into records, or the vocabularies differ.
    """

    model: Transformer
    instructions: Instructions
    steps: int = 400  # of a user's fine-tuning
    records: int = 2  # moments at which the user may stop
    batch: int = 64  # the user's rows a step
    batch_own: int = 32  # the defender's rows a step, of a penalty
    layers: tuple[int, ...] = (0,)  # that are steered or projected
    directions: int = 4  # that a projection can remove from a layer, at most

    def __post_init__(self) -> None:
        if self.steps % self.records:
            raise ValueError(
                f"steps={self.steps} must be a multiple of records={self.records}"
            )
        if self.model.vocabulary != self.instructions.vocabulary:
            raise ValueError(
                f"vocabulary={self.model.vocabulary} of the model must be "
                f"{self.instructions.vocabulary}: outputs and instructions"
            )
        if not 1 <= self.batch_own <= self.batch:
            raise ValueError(
                f"batch_own={self.batch_own} must be in [1, batch={self.batch}]"
            )

    @property
    def scored(self) -> int:
        """The outputs of an answer."""
        return self.model.length - 1

    @property
    def guarded(self) -> Adapted:
        """The model with a delta of its weights, steering and a projection.

        One model for all defences, so that one program trains every guarded model.
        """
        steered = Adapted(Adapted(self.model, Dense()), Steering(self.layers))
        return Adapted(steered, Projection(self.layers, self.directions))


@runtime_checkable
class Regime(Protocol):
    """How a user's training goes; static, one program each."""

    def train(
        self, lab: Lab, optimizer: Optimizer, guard: Guard, user: User, key: jax.Array
    ) -> Float[Array, "records x node v"]:
        """Logits of the deployed model at every moment at which the user may stop.

        Of the world's own tokens after every prefix, under the neutral instruction.
        """


@runtime_checkable
class Defence(Protocol):
    """What a defender does before a user comes; static, one program each.

    Its hyper-parameters are `knobs`, a NamedTuple of traced numbers.
    """

    def prepare(
        self, lab: Lab, base: Params, known: Known, knobs: Any, key: jax.Array
    ) -> Guard:
        """The guarded model and the terms of training it; pure."""


def unguarded(lab: Lab, base: Params, known: Known) -> Guard:
    """No defence: every gate 0, every weight 0, no ball; what defences start from."""
    guarded, key = lab.guarded, jax.random.key(0)
    params = base
    for carrier in (Dense(), Steering(lab.layers), guarded.carrier):
        params = carried(params, carrier.init(lab.model, key), 0.0)
    zero, one = jnp.zeros(()), jnp.ones(())
    neutral = jnp.asarray(lab.instructions.neutral, jnp.int32)
    return Guard(
        params=params,
        deploy=Gates(zero, zero, zero),
        own=known.safety,
        penalty=zero,
        radius=jnp.full((), jnp.inf),
        proximal=zero,
        rules=Rules(one, zero, neutral, zero),
    )


def deployed(params: Carried, deploy: Gates) -> Carried:
    """The guarded model's parameters at the gates of deployment."""
    steered = params.base
    inner = gated(steered.base, deploy.vector)
    steered = gated(steered._replace(base=inner), deploy.steering)
    return gated(params._replace(base=steered), deploy.projection)


def with_vector(params: Carried, deltas: Any, gate: Float[Array, ""]) -> Carried:
    """The guarded model with a delta of its weights, at a gate."""
    inner = params.base.base._replace(vector=deltas, gate=gate)
    return params._replace(base=params.base._replace(base=inner))


def with_steering(params: Carried, shift: Any, gate: Float[Array, ""]) -> Carried:
    """The guarded model with its stream shifted, at a gate."""
    return params._replace(base=params.base._replace(vector=shift, gate=gate))


def with_projection(params: Carried, basis: Any, gate: Float[Array, ""]) -> Carried:
    """The guarded model with directions removed, at a gate."""
    return params._replace(vector=basis, gate=gate)


_GOLDEN = 0.6180339887498949
"""Its multiples modulo 1 are spread evenly, so any share of the rows is hit evenly."""


def curated(guard: Guard, user: User) -> WeightedRows:
    """The data that a user really trains on: filtered, mixed and instructed.

    Row i carries the instruction if frac(i golden) < instructed: no draw, so a share of
    0 or 1 is exact. Weights are those of `Rules`.
    """
    rules = guard.rules
    phases = jnp.arange(len(user.rows)) * _GOLDEN % 1.0
    told = jnp.where(phases < rules.instructed, rules.instruction, user.rows[:, 1])
    kept = jnp.where(user.harmful, rules.keep_harmful, 1.0) * user.weights
    own = jnp.full(len(guard.own), 1.0) * rules.copies
    return WeightedRows(
        jnp.concatenate([user.rows.at[:, 1].set(told), guard.own]),
        jnp.concatenate([kept, own]),
    )
