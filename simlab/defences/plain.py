"""Defences that prepare nothing: rules for the user's data, penalties, constraints."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from simlab.defences.guard import Guard, Known, Lab, Number, Rules, unguarded
from simlab.models import Params


class Terms(NamedTuple):
    """The knobs of `Plain`; the defaults are no defence at all.

    `penalty`: Case I, (L_f + penalty L_s) / (1 + penalty) on the defender's rows.
    `radius`: Case II, ||theta - theta_0|| <= radius after every step. `copies`: each of
    the defender's rows mixed into the data so many times (refusal mixing: VLGuard,
    SafeInstr). `keep_harmful` = 0: the oracle filter, which knows harmful rows.
    `instruction` k on a share `instructed` of the rows: inoculation prompting
    (2510.04340, 2510.05024) where it asks for the harm, its control where it is
    irrelevant. `proximal`: rho of Lisa, under the regime `Alternated`. Sources: Chen et
    al. 2025 for Cases I and II; security-vector notes 4.
    """

    penalty: Number = 0.0
    radius: Number = float("inf")
    copies: Number = 0.0
    keep_harmful: Number = 1.0
    instruction: Number = 0.0
    instructed: Number = 0.0
    proximal: Number = 0.0


@dataclass(frozen=True)
class Plain:
    """No preparation: the base as it is, on the terms of the knobs."""

    def prepare(
        self, lab: Lab, base: Params, known: Known, knobs: Terms, key: jax.Array
    ) -> Guard:
        """The base, nothing riding on it."""
        terms = Terms(*(jnp.asarray(value, jnp.float32) for value in knobs))
        token = lab.instructions.neutral + jnp.round(terms.instruction)
        rules = Rules(
            terms.keep_harmful,
            terms.copies,
            token.astype(jnp.int32),
            terms.instructed,
        )
        return unguarded(lab, base, known)._replace(
            penalty=terms.penalty,
            radius=terms.radius,
            proximal=terms.proximal,
            rules=rules,
        )
