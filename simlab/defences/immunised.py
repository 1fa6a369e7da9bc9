"""Immunisation: the defender trains the base so that harm is hard to learn later.

An objective is minimised on the defender's own rows from the aligned base; the user
then trains the result as it is.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from simlab.defences.guard import Guard, Known, Lab, Number, unguarded
from simlab.models import Params
from simlab.optimizers import ADAM, Optimizer
from simlab.sources import DatasetSource, Tokens
from simlab.training import Batch, Hyper, Objective, Setup, run


class Strength(NamedTuple):
    """The one knob of an immunisation: 0 is plain training on the defender's rows."""

    strength: Number = 1.0


@dataclass(frozen=True)
class Immunised:
    """The base after `steps` steps of an immunising objective.

    The objective sees harmful rows as `batch.capability` and the rows to be kept,
    safety and reference alike, as `batch.safety`; its aid is the strength.
    """

    objective: Objective
    steps: int = 400
    batch: int = 50
    rate: float = 3e-3
    optimizer: Optimizer = ADAM

    def prepare(
        self, lab: Lab, base: Params, known: Known, knobs: Strength, key: jax.Array
    ) -> Guard:
        """The immunised base, nothing riding on it."""
        setup = Setup(
            lab.model,
            steps=self.steps,
            batch=self.batch,
            records=1,
            optimizer=self.optimizer,
            enumerated=False,
            scored=lab.scored,
            objective=self.objective,
        )
        kept = jnp.concatenate([known.safety, known.reference])
        hyper = Hyper(
            jnp.asarray(self.rate),
            jnp.zeros(()),
            DatasetSource(known.harmful),
            DatasetSource(kept),
            base,
            aid=jnp.asarray(knobs.strength, jnp.float32),
        )
        return unguarded(lab, run(setup, hyper, key).params, known)


def kept_rows(batch: Batch) -> Tokens:
    """The rows whose answers an immunisation keeps."""
    assert batch.safety is not None
    return batch.safety


def unit_length(slope: Params) -> Params:
    """A gradient divided by its norm; zero stays zero."""
    squares = [jnp.sum(leaf**2) for leaf in jax.tree.leaves(slope)]
    size = jnp.sqrt(jnp.maximum(jnp.sum(jnp.stack(squares)), 1e-24))
    return jax.tree.map(lambda leaf: leaf / size, slope)
