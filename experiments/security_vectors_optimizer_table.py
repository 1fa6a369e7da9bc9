"""The solvable model, trained: how many steps flip one harmful margin.

A table of V logits; the target starts `margin` below all others, which are equal, and
the vector adds `shift` to it while training. Security-vector notes theorems 3' and 4.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from experiments.labels import Variable
from experiments.vector_lab import ADAM, LARGE_EPS, SGD, optimizers
from simlab.models import Adapted, Dense, Tabular, carried
from simlab.optimizers import Adam
from simlab.sources import DatasetSource
from simlab.training import Hyper, Setup, State, advance, begin
from theory.unlearnability import (
    adam_ceiling,
    flip_time_classes,
    resistance_certificate,
    step_gain,
)

OPTIMIZERS = (SGD, ADAM, LARGE_EPS)
"""In the order of every table."""

_APART = float(np.sqrt(2))
"""|J_y - J_j| of a table: two logits, each a parameter."""


@dataclass(frozen=True)
class Table:
    """A model of one margin: rates are those of the logits."""

    margin: float
    shifts: tuple[float, ...]
    classes: int
    rate: float
    steps: int  # SGD's rate is raised where it would need more of them
    most: int  # steps after which a run is cut off


class Limits(NamedTuple):
    """What theory says of the steps, [optimizer, shift]; `most` is inf where it
    says nothing.
    """

    rate: np.ndarray
    least: np.ndarray
    most: np.ndarray


def limits(table: Table) -> Limits:
    """Rates, and the least and the greatest number of steps that theory allows.

    SGD: T / (eta gain) <= steps <= T / eta + 1, T that of V classes, gain that of one
    margin at rate eta V / (V - 1), which is the same descent (theorem 3'). Adam: no
    fewer than a path of |Delta theta_i| <= eta C takes, nor than theorem 3 takes at
    rate eta / eps (theorem 4 b, c).
    """
    with jax.enable_x64(True):
        shifts, margin, many = np.asarray(table.shifts), table.margin, table.classes
        time = _times(table)
        rate = np.maximum(table.rate, time / table.steps)
        gain = np.asarray(step_gain(rate * many / (many - 1)))
        least, most = [time / rate / gain], [time / rate + 1]
        error = (many - 1) / (many - 1 + np.exp(shifts - margin))
        for name in OPTIMIZERS[1:]:
            rule = optimizers()[name]
            assert isinstance(rule, Adam)
            by_ceiling = margin / (2 * table.rate * adam_ceiling(rule.b1, rule.b2))
            by_floor = resistance_certificate(
                table.rate / rule.eps, _APART, _APART, error, margin
            )
            least.append(np.maximum(np.asarray(by_floor), float(by_ceiling)))
            most.append(np.full(len(shifts), np.inf))
    fixed = np.full(len(shifts), table.rate)
    return Limits(np.stack([rate, fixed, fixed]), np.stack(least), np.stack(most))


def _times(table: Table) -> np.ndarray:
    """Rate times steps of the flow (theorem 3')."""
    with jax.enable_x64(True):
        shifts = np.asarray(table.shifts)
        return np.asarray(flip_time_classes(table.margin, shifts, table.classes))


def steps_to_flip(
    table: Table, optimizer: str, rates: np.ndarray
) -> Float[np.ndarray, " shift"]:
    """The first step after which the deactivated model prefers the target.

    In float64; inf if a run was cut off before. Training is the simulator's own.
    """
    model = Adapted(Tabular(table.classes, 1, 1), Dense(("logits",)))
    setup = Setup(
        model, steps=1, batch=1, records=1, warmup=0.0, enumerated=False, decay=False,
        optimizer=optimizers()[optimizer],
    )  # fmt: skip

    def flips(shift: Float[Array, ""], rate: Float[Array, ""]) -> Int[Array, ""]:
        target = jnp.zeros((1, 1, table.classes)).at[..., 0].set(1.0)
        start = carried({"logits": -table.margin * target}, {"logits": shift * target})
        source = DatasetSource(jnp.asarray([[table.classes, 0]]))
        hyper = Hyper(rate, jnp.zeros(()), source, None, start)
        key = jax.random.key(0)  # the data are one row: nothing is drawn

        def safe(state: State) -> Array:
            logits = state.params.base["logits"][0, 0]
            below: Array = logits[0] < logits[1]
            return below & (state.step < table.most)

        last = jax.lax.while_loop(
            safe, lambda state: advance(setup, hyper, key, state)[0],
            begin(setup, hyper),
        )  # fmt: skip
        return jnp.asarray(last.step)

    with jax.enable_x64(True):
        found = np.asarray(
            jax.jit(jax.vmap(flips))(np.asarray(table.shifts), np.asarray(rates))
        )
    return np.where(found < table.most, found, np.inf)


def table_predictions(table: Table) -> dict[str, Variable]:
    """Rates and limits, labelled."""
    found, dims = limits(table), ("optimizer", "shift")
    large = optimizers()[LARGE_EPS]
    assert isinstance(large, Adam)
    time = _times(table)
    text = "steps if Adam's were SGD's at rate eta / eps, as of tiny gradients"
    return {
        "table_slow": (("shift",), time * large.eps / table.rate, "steps", text),
        "table_rate": (dims, found.rate, "1", "learning rate of the table's logits"),
        "table_least": (dims, found.least, "steps", "no fewer steps flip the table"),
        "table_most": (dims, found.most, "steps", "no more steps flip the table"),
    }


def table_readings(table: Table) -> dict[str, Variable]:
    """The steps that every optimiser took, labelled."""
    rates = limits(table).rate
    steps = [
        steps_to_flip(table, name, rate)
        for name, rate in zip(OPTIMIZERS, rates, strict=True)
    ]
    text = "steps after which the deactivated table prefers the harmful target"
    return {"table_steps": (("optimizer", "shift"), np.stack(steps), "steps", text)}
