"""Security vectors and their controls: one fit, many ways to carry it."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from simlab.defences.guard import (
    Gates,
    Guard,
    Known,
    Lab,
    Number,
    unguarded,
    with_vector,
)
from simlab.models import LowRank, Params, carried, random_like
from simlab.optimizers import ADAM, Optimizer
from simlab.security_vectors import (
    MinMin,
    Recipe,
    VectorFit,
    fit_security_vector,
)
from simlab.sources import DatasetSource


class VectorKnobs(NamedTuple):
    """How a vector is fitted and carried: FT(theta + train v) - (train - deploy) v.

    `kl` and `norm` weigh the fit's penalties; both 0 is the plain recipe. (train,
    deploy) = (1, 0) is the security vector, (0, -beta) post-hoc negation, (-1, 0) the
    negated vector, (0, 0) the zero vector. `useful` = 1 fits the useful rows instead,
    the safety rows being its reference; `random` = 1 puts a random vector of the same
    norm, module by module, in the place of the fitted one. Source: Zhou et al. 2023,
    security-vector notes 1.3, 2 and 5.2.
    """

    kl: Number = 1.0
    norm: Number = 4e-3
    train: Number = 1.0
    deploy: Number = 0.0
    useful: Number = 0.0
    random: Number = 0.0


@dataclass(frozen=True)
class Vectors:
    """A vector of low rank on every linear map, fitted to the defender's rows.

    Rank, steps and rate are ours: the paper's are unknown.
    """

    steps: int = 400
    rank: int = 4
    batch: int = 50
    rate: float = 1e-2
    optimizer: Optimizer = ADAM
    min_min: MinMin | None = None
    rate_simulated: float = 0.1  # of a min-min's simulated user

    def prepare(
        self, lab: Lab, base: Params, known: Known, knobs: VectorKnobs, key: jax.Array
    ) -> Guard:
        """The base with the vector at its gate of training."""
        key_start, key_fit, key_random = jax.random.split(key, 3)
        made = VectorKnobs(*(jnp.asarray(value, jnp.float32) for value in knobs))
        carrier = LowRank(rank=self.rank)
        fit = VectorFit(
            lab.model, carrier, lab.scored, self.steps, self.batch, self.optimizer,
            min_min=self.min_min,
        )  # fmt: skip
        of_use = made.useful > 0
        recipe = Recipe(
            DatasetSource(jnp.where(of_use, known.useful, known.harmful)),
            DatasetSource(jnp.where(of_use, known.safety, known.reference)),
            made.kl,
            made.norm,
            jnp.asarray(self.rate),
            rate_simulated=self.rate_simulated,
        )
        start = carried(base, carrier.init(lab.model, key_start))
        fitted = fit_security_vector(fit, recipe, start, key_fit).params.vector
        drawn = random_like(carrier, fitted, key_random)
        vector = jax.tree.map(
            lambda a, b: jnp.where(made.random > 0, b, a), fitted, drawn
        )
        open_ = unguarded(lab, base, known)
        zero = jnp.zeros(())
        return open_._replace(
            params=with_vector(open_.params, carrier.deltas(vector), made.train),
            deploy=Gates(made.deploy, zero, zero),
        )
