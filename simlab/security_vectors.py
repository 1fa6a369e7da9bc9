"""Fitting a security vector: few parameters that explain what must not be learned.

A vector is trained while the model is frozen, so that the model with the vector already
gives the harmful answers. Source: Zhou et al. 2023; what the paper leaves open is ours,
security-vector notes 1.3.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from simlab.judges import divergence_along, response_log_probs
from simlab.models import Adapted, Carried, Carrier, Model, Part, squared_norms
from simlab.objectives import PairLoss, sequence_losses
from simlab.optimizers import ADAM, SGD, Optimizer
from simlab.sources import Source, Tokens
from simlab.training import (
    Batch,
    Hyper,
    Record,
    Setup,
    State,
    Trace,
    begin,
    run,
    stretch,
)

Number = Float[Array, "*runs"] | np.floating | float


class Recipe(NamedTuple):
    """What is traced of a fit: data, weights and learning rates.

    Plain: kl = norm = 0. `reference` are data whose answers the vector should leave as
    they are. `simulated` and `rate_simulated` are those of a min-min's model.
    """

    harmful: Source
    reference: Source
    kl: Number
    norm: Number
    rate: Number
    simulated: Source | None = None
    rate_simulated: Number = 0.0


@dataclass(frozen=True)
class MinMin:
    """Alternate the vector with a simulated user, whose model is then thrown away.

    Every round begins with `model_steps` steps of the model, the vector active, and
    goes on with an equal share of the fit's steps of the vector. Source: Huang et al.
    2021 for inputs; counts are ours.
    """

    rounds: int = 10
    model_steps: int = 10

    def __post_init__(self) -> None:
        for name in ("rounds", "model_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 1")


@dataclass(frozen=True)
class VectorFit:
    """What is compiled into a fit. `scored`: how many last outputs a loss counts."""

    model: Model
    carrier: Carrier
    scored: int | None = None
    steps: int = 400
    batch: int = 50  # rows of harmful and of reference data a step, each
    optimizer: Optimizer = ADAM
    simulator: Optimizer = SGD  # that of a min-min's model
    warmup: float = 0.05  # share of the steps over which the rate rises
    min_min: MinMin | None = None

    def __post_init__(self) -> None:
        if self.min_min and self.steps % self.min_min.rounds:
            raise ValueError(
                f"steps={self.steps} must be a multiple of the "
                f"rounds={self.min_min.rounds} of its min-min"
            )

    def setup(self, trained: Part) -> Setup:
        """One training run of the vector, or of a simulated user's model."""
        rounds = self.min_min.rounds if self.min_min else 1
        moved = trained is Part.VECTOR
        return Setup(
            Adapted(self.model, self.carrier, trained),
            steps=self.steps if moved or not self.min_min
            else self.min_min.model_steps * rounds,
            batch=self.batch,
            records=rounds,
            warmup=self.warmup if moved else 0.0,
            optimizer=self.optimizer if moved else self.simulator,
            enumerated=False,
            decay=moved,
            scored=self.scored,
            objective=VectorLoss() if moved else None,
        )  # fmt: skip


class _Weights(NamedTuple):
    """The weights of a vector's loss."""

    kl: Number
    norm: Number


@dataclass(frozen=True)
class VectorLoss:
    """The objective of a vector: explain the harm, change nothing else, stay small.

    Formula: L_h(on) + kl KL(off || on on reference data) + norm sum ||delta||_F^2, in
    nats per answer. Source: Zhou et al. (ACL version) for the KL, whose direction and
    weight are unknown; direction, weights and the norm are ours (notes 1.3, 5.1).
    """

    def __call__(
        self, setup: Setup, hyper: Hyper, params: Carried, batch: Batch, /
    ) -> PairLoss:
        """The objective; the halves are the harmful loss and the KL."""
        model, weights = setup.model, hyper.aid
        assert isinstance(model, Adapted)
        harm = sequence_losses(model, params, batch.capability, setup.scored)
        loss = jnp.mean(harm)
        divergence = jnp.zeros_like(loss)
        if batch.safety is not None:
            divergence = vector_divergence(model, params, batch.safety, setup.scored)
        squares = squared_norms(model.carrier, params.vector).values()
        size = jnp.sum(jnp.stack(list(squares)))
        objective = loss + weights.kl * divergence + weights.norm * size
        return PairLoss(objective, loss, divergence)


def vector_divergence(
    model: Adapted, params: Carried, tokens: Tokens, scored: int | None = None
) -> Float[Array, ""]:
    """KL(off || on) along given answers: what a vector changes of a model.

    Formula: mean over rows of sum_t KL(p_off(. | y_<t) || p_on(. | y_<t)) over the last
    `scored` outputs; nats per answer.
    """
    outputs = tokens.shape[1] - 1 if scored is None else scored
    base = jax.lax.stop_gradient(params.base)
    off = response_log_probs(model.model, base, tokens, outputs)
    on = response_log_probs(model, params, tokens, outputs)
    return jnp.mean(divergence_along(off, on))


def fit_security_vector(
    fit: VectorFit, recipe: Recipe, start: Carried, key: jax.Array
) -> Trace:
    """Train the vector of `start`; its base comes back as it was.

    Pure, one program for every recipe. `start` is `carried(base, carrier.init(..))`.
    Validate the vector on held-out data at this very base: after a min-min the loss
    that was trained belongs to another (notes, remark 8).
    """
    hyper = Hyper(
        jnp.asarray(recipe.rate), jnp.zeros(()),
        recipe.harmful, recipe.reference, start,
        aid=_Weights(recipe.kl, recipe.norm),
    )  # fmt: skip
    if fit.min_min is None:
        return run(fit.setup(Part.VECTOR), hyper, key)
    return _alternated(fit, fit.min_min, recipe, hyper, key)


_States = tuple[State, State]
"""Of the vector and of the simulated user's model."""


def _alternated(
    fit: VectorFit, min_min: MinMin, recipe: Recipe, hyper: Hyper, key: jax.Array
) -> Trace:
    inner, outer = fit.setup(Part.VECTOR), fit.setup(Part.BASE)
    source = recipe.harmful if recipe.simulated is None else recipe.simulated
    user = Hyper(
        jnp.asarray(recipe.rate_simulated), jnp.zeros(()), source, None, hyper.start
    )
    key_inner, key_outer = jax.random.split(key)

    def turn(
        states: tuple[State, State], _: None
    ) -> tuple[tuple[State, State], Record]:
        vector, model = states
        model = _with(model, vector=vector.params.vector)
        model, _record = stretch(outer, user, key_outer, model, min_min.model_steps)
        vector = _with(vector, base=model.params.base)
        each = fit.steps // min_min.rounds
        vector, record = stretch(inner, hyper, key_inner, vector, each)
        return (vector, model), record

    first = begin(inner, hyper), begin(outer, user)
    (vector, _), records = jax.lax.scan(turn, first, None, length=min_min.rounds)
    return Trace(records, vector.params._replace(base=hyper.start.base))


def _with(state: State, **parts: object) -> State:
    """The state with other parts of its parameters."""
    return state._replace(params=state.params._replace(**parts))
