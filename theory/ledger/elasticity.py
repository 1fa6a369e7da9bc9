"""Claims of the elasticity inequality: finite changes, any model, whole-bit codes."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from theory.compression.datasets import DataSets, with_size
from theory.compression.equilibrium import optimum
from theory.compression.huffman import huffman_lengths_small
from theory.compression.inequality import (
    alignment_floor,
    demand,
    rate_changes,
)
from theory.compression.rates import code_rates
from theory.information import mixture
from theory.ledger.cases import foreign_proxy, golden
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.responses import still
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, other, springs
from theory.tradeoff.loss_constraint import mixture_posterior

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"

PerSet = Float[jax.Array, "*batch set"]


def near_optimum() -> Case:
    """Golden A with a model that is a little off the joint optimum.

    >>> print(round(float(near_optimum().policy[0, 0]), 4))
    0.5502
    """
    case = golden(1.0)
    return case._replace(policy=mixture_posterior(case.world, 1.001))


def without_perturbation(case: Case) -> DataSets:
    """The springs of a case before the third data set is added.

    >>> without_perturbation(golden(2.0)).sizes.tolist()
    [2.0, 1.0, 0.0]
    """
    return with_size(springs(case), PERTURBATION, 0.0)


def _to_other(case: Case) -> PerSet:
    """Delta gamma from the optimum of p and a to 1 % and 100 % of another model."""
    start = optimum(without_perturbation(case))
    there = other(case)
    after = jnp.stack([mixture(there, start, 0.01), mixture(there, start, 1.0)], -2)
    laws = springs(case).laws[..., None, :, :]
    return rate_changes(laws, start[..., None, :], after)


def _to_perturbed(case: Case) -> PerSet:
    """Delta gamma from the optimum of p and a to that of all three data sets."""
    data = springs(case)
    return rate_changes(data.laws, optimum(without_perturbation(case)), optimum(data))


def _coded(case: Case) -> tuple[PerSet, PerSet]:
    """Changes of Huffman's mean lengths, nats: to another model's, to the perturbed."""
    data = springs(case)
    start, other_code, perturbed = (
        code_rates(data, huffman_lengths_small(weights))
        for weights in (
            optimum(without_perturbation(case)),
            other(case),
            optimum(data),
        )
    )
    return other_code - start, perturbed - start


def _floor(case: Case, changes: PerSet, turned: bool = False) -> Sides:
    """-k Delta gamma_p against Delta gamma_a; planted: p and a exchanged."""
    k = jnp.asarray(case.penalty)
    k = k.reshape(k.shape + (1,) * (changes.ndim - 1 - k.ndim))
    first, second = changes[..., PRETRAINING], changes[..., ALIGNMENT]
    if turned:
        first, second = second, first
    return Sides(alignment_floor(first, k), second)


def _demand(case: Case, changes: PerSet, factor: float = 1.0) -> Sides:
    """How k gamma_p + gamma_a rises, against how l gamma_t falls."""
    sizes = without_perturbation(case).sizes
    added = factor * springs(case).sizes[..., PERTURBATION]
    found = demand(sizes, changes, PERTURBATION, added)
    return Sides(found.others, found.most)


def _codes_floor(case: Case, turned: bool = False) -> Sides:
    """Both changes of Huffman's code, [..., 2]."""
    return _floor(case, jnp.stack(_coded(case), axis=-2), turned)


RECORDS = (
    Record(
        name="elasticity, alignment floor",
        statement="-k (gamma_p(q) - gamma_p(q*)) <= gamma_a(q) - gamma_a(q*)",
        assumptions="any laws, ANY model q; q* optimal for p and a, k = n_p / n_a",
        source="derived, elasticity notes 2.1; sharpens Ji et al. 2025, Theorem 4.2",
        side=Side.LOWER,
        function=lambda c: _floor(c, _to_other(c)),
        evidence=_WORLDS,
        tight_when="q near q*",
        tight_case=near_optimum,
        tight_within=2e-3,
        vacuous_when="q worse for pre-training than q*: the floor is negative",
        planted=lambda c: _floor(c, _to_other(c), turned=True),
    ),
    Record(
        name="elasticity, perturbed floor",
        statement="-k Delta gamma_p <= Delta gamma_a, both models joint optima",
        assumptions="any laws; optimal for (k, 1, 0), then for (k, 1, l)",
        source="derived, elasticity notes 2.1; sharpens Ji et al. 2025, Theorem 4.2",
        side=Side.LOWER,
        function=lambda c: _floor(c, _to_perturbed(c)),
        evidence=_WORLDS,
        tight_when="l -> 0 with covered supports",
        tight_case=lambda: foreign_proxy(1e4),
        tight_within=1e-3,
        vacuous_when="pre-training gets worse: l beyond its critical share, or form A",
        planted=lambda c: _floor(c, _to_perturbed(c), turned=True),
    ),
    Record(
        name="elasticity, law of demand",
        statement="k Delta gamma_p + Delta gamma_a <= l (-Delta gamma_t)",
        assumptions="any laws; optimal for (k, 1, 0), then for (k, 1, l)",
        source="derived, elasticity notes 2.1",
        side=Side.UPPER,
        function=lambda c: _demand(c, _to_perturbed(c)),
        evidence=_WORLDS,
        tight_when="within a factor of 2 as l -> 0; exactly where a code switches",
        tight_case=lambda: foreign_proxy(30.0),
        tight_within=0.6,
        vacuous_when="t outside the support of p and a: inf",
        planted=lambda c: _demand(c, _to_perturbed(c), 0.4),
    ),
    Record(
        name="elasticity, Huffman floor",
        statement="-k Delta E_p[length] <= Delta E_a[length] for whole-bit codes",
        assumptions="any laws, ANY second code; the first is Huffman's of k p + a",
        source="derived, elasticity notes 2.1; sharpens Ji et al. 2025, Theorem 4.2",
        side=Side.LOWER,
        function=_codes_floor,
        evidence=_WORLDS,
        tight_when="the code does not change",
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="pre-training gets worse: the floor is negative",
        planted=lambda c: _codes_floor(c, turned=True),
    ),
    Record(
        name="elasticity, Huffman demand",
        statement="k Delta E_p[length] + Delta E_a[length] <= -l Delta E_t[length]",
        assumptions="any laws; Huffman's codes of k p + a and of k p + a + l t",
        source="derived, elasticity notes 2.1",
        side=Side.UPPER,
        function=lambda c: _demand(c, _coded(c)[1]),
        evidence=_WORLDS,
        tight_when="the code does not change",
        tight_case=still,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _demand(c, _coded(c)[1], -1.0),
    ),
)
"""E0 of the elasticity notes."""
