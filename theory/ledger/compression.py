"""Claims about compression rates: three data sets and any model of their leaves."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from theory.compression.datasets import DataSets, shares
from theory.compression.rates import (
    excess_rates,
    joint_rates,
    normalised_rates,
    rates,
    total_rate,
    union,
    union_excess,
)
from theory.information import entropy, kl
from theory.laws import Law, World
from theory.ledger.cases import at_optimum, one_context
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.springs import other, springs
from theory.numerics import weighted_sum
from theory.typing import Array

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"

Rates = Float[jax.Array, "*batch set"]


def _of(
    function: Callable[[DataSets, Array], jax.Array], case: Case
) -> Float[jax.Array, "..."]:
    """What a function says of the case's data sets and other model."""
    return function(springs(case), other(case))


def _entropies(case: Case) -> Rates:
    """H(p_i) of every data set."""
    return entropy(springs(case).laws)


def _union_entropy(case: Case) -> Float[jax.Array, "*batch"]:
    """H(q*)."""
    return entropy(union(springs(case)))


def _total(case: Case) -> Float[jax.Array, "*batch"]:
    """sum_i pi_i gamma_i at the union's law."""
    data = springs(case)
    return weighted_sum(shares(data), joint_rates(data))


def _unused(case: Case) -> Float[jax.Array, "*batch set"]:
    """KL(p_i || u), u uniform on all leaves."""
    laws = springs(case).laws
    return kl(laws, jnp.full_like(laws, 1 / laws.shape[-1]))


def _size_entropy(case: Case) -> Float[jax.Array, "*batch"]:
    """H(pi) of the shares."""
    return entropy(shares(springs(case)))


def _backward(case: Case) -> Rates:
    """KL(q || p_i): the printed order."""
    return kl(other(case)[..., None, :], springs(case).laws)


def _pruned(case: Case) -> tuple[DataSets, Float[jax.Array, "*batch leaf"]]:
    """The data sets and the model after pruning: a leaf a context."""
    contexts = np.shape(case.world.safety.contexts)[-1]

    def coarse(leaves: Array) -> jax.Array:
        table = jnp.reshape(leaves, (*leaves.shape[:-1], contexts, -1))
        return jnp.sum(table, axis=-1)

    data = springs(case)
    return DataSets(coarse(data.laws), data.sizes), coarse(other(case))


def _pruned_entropies(case: Case) -> Rates:
    """H of every pruned data set."""
    return entropy(_pruned(case)[0].laws)


def _agreeing() -> Case:
    """All data sets and the model have one law."""
    return one_context([0.5, 0.3, 0.2], [0.5, 0.3, 0.2], 1.0)


def _apart() -> Case:
    """Three data sets that share no leaf."""
    return one_context([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], 1.0, proxy=[0.0, 0.0, 1.0])


def _told_by_contexts() -> Case:
    """Outputs that their contexts determine: pruning loses nothing."""
    outputs = np.eye(2)
    laws = (Law(np.array(mu), outputs) for mu in ([0.7, 0.3], [0.2, 0.8], [0.5, 0.5]))
    return at_optimum(World(*laws), 1.0)


RECORDS = (
    Record(
        name="rate, lower",
        statement="H(p_i) <= gamma_i(q)",
        assumptions="any data sets, any model",
        source="standard (Gibbs), elasticity notes 5",
        side=Side.LOWER,
        function=lambda c: Sides(_entropies(c), _of(rates, c)),
        evidence=_WORLDS,
        tight_when="q = p_i",
        tight_case=_agreeing,
        tight_within=1e-12,
        vacuous_when="p_i is sure: 0",
        planted=lambda c: Sides(entropy(other(c))[..., None], _of(rates, c)),
    ),
    Record(
        name="rate, excess",
        statement="gamma_i(q) = H(p_i) + KL(p_i || q)",
        assumptions="any data sets, any model",
        source="standard, elasticity notes 2.8",
        side=Side.IDENTITY,
        function=lambda c: Sides(_of(rates, c), _entropies(c) + _of(excess_rates, c)),
        evidence=_WORLDS,
        planted=lambda c: Sides(_of(rates, c), _entropies(c) + _backward(c)),
    ),
    Record(
        name="rate, normalised",
        statement="gamma_i(q) - log M = KL(p_i || q) - KL(p_i || u), u uniform",
        assumptions="any data sets, any model, rates a block",
        source="derived, elasticity notes 1.7, of Ji et al. 2025, Definition 4.1",
        side=Side.IDENTITY,
        function=lambda c: Sides(
            _of(normalised_rates, c), _of(excess_rates, c) - _unused(c)
        ),
        evidence=_WORLDS,
        planted=lambda c: Sides(_of(normalised_rates, c), -_unused(c)),
    ),
    Record(
        name="rates of the union",
        statement="sum_i pi_i gamma_i(q*) = H(q*), q* = sum_i pi_i p_i",
        assumptions="any data sets, the model that is their union's law",
        source="derived, elasticity notes 2.4 and 5",
        side=Side.IDENTITY,
        function=lambda c: Sides(_total(c), _union_entropy(c)),
        evidence=_WORLDS,
        planted=lambda c: Sides(
            weighted_sum(shares(springs(c)), _entropies(c)), _union_entropy(c)
        ),
    ),
    Record(
        name="total rate, lower",
        statement="H(q*) <= sum_i pi_i gamma_i(q)",
        assumptions="any data sets, any model",
        source="derived, elasticity notes 2.4",
        side=Side.LOWER,
        function=lambda c: Sides(_union_entropy(c), _of(total_rate, c)),
        evidence=_WORLDS,
        tight_when="q = q*",
        tight_case=_agreeing,
        tight_within=1e-12,
        vacuous_when="q* is sure: 0",
        planted=lambda c: Sides(entropy(other(c)), _of(total_rate, c)),
    ),
    Record(
        name="union, upper",
        statement="sum_i pi_i KL(p_i || q*) <= H(pi)",
        assumptions="any data sets",
        source="standard (Lin 1991), elasticity notes 2.4",
        side=Side.UPPER,
        function=lambda c: Sides(union_excess(springs(c)), _size_entropy(c)),
        evidence=_WORLDS,
        tight_when="disjoint data sets",
        tight_case=_apart,
        tight_within=1e-12,
        vacuous_when="never (at most log N), but loose for like data sets",
        planted=lambda c: Sides(union_excess(springs(c)), _size_entropy(c) / 4),
    ),
    Record(
        name="pruned entropy",
        statement="H(p_i pruned) <= H(p_i)",
        assumptions="any data sets, any pruning (here to contexts), a block; "
        "divided by depth it may go either way",
        source="standard (data processing), elasticity notes 5",
        side=Side.LOWER,
        function=lambda c: Sides(_pruned_entropies(c), _entropies(c)),
        evidence=_WORLDS,
        tight_when="contexts determine outputs",
        tight_case=_told_by_contexts,
        tight_within=1e-12,
        vacuous_when="one context: 0",
        planted=lambda c: Sides(_pruned_entropies(c), _entropies(c) / 2),
    ),
    Record(
        name="pruned rate",
        statement="gamma_i(q), both pruned <= gamma_i(q)",
        assumptions="any data sets, any model, any pruning, a block",
        source="derived (chain rule), elasticity notes 2.7",
        side=Side.LOWER,
        function=lambda c: Sides(rates(*_pruned(c)), _of(rates, c)),
        evidence=_WORLDS,
        tight_when="contexts determine outputs, in the data and the model",
        tight_case=_told_by_contexts,
        tight_within=1e-12,
        vacuous_when="one context: 0",
        planted=lambda c: Sides(rates(*_pruned(c)), _of(rates, c) / 2),
    ),
    Record(
        name="pruned excess",
        statement="KL(p_i || q), both pruned <= KL(p_i || q)",
        assumptions="any data sets, any model, any pruning, a block",
        source="standard (data processing), elasticity notes 2.7",
        side=Side.LOWER,
        function=lambda c: Sides(excess_rates(*_pruned(c)), _of(excess_rates, c)),
        evidence=_WORLDS,
        tight_when="data and model agree below the cut",
        tight_case=_told_by_contexts,
        tight_within=1e-9,
        vacuous_when="one context: 0",
        planted=lambda c: Sides(_of(excess_rates, c), excess_rates(*_pruned(c))),
    ),
)
"""Rates a block, under a model that owes nothing to the data."""
