"""Claims about model size: what a coarser tree does to the responses."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from theory.compression.datasets import DataSets
from theory.compression.depth import merged, own_responses, reinforced_response
from theory.compression.equilibrium import overlap_excess, responses
from theory.laws import Law, World
from theory.ledger.cases import at_optimum
from theory.ledger.record import Case, Record, Side, Sides
from theory.ledger.responses import direction, moved_rates
from theory.ledger.springs import ALIGNMENT, PERTURBATION, PRETRAINING, springs
from theory.symmetric import form

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_COARSE = "coarse: the leaves of a context merged; fine: all leaves"


def told_apart_by_context() -> Case:
    """Data sets that differ in their contexts alone: outputs tell a model nothing more.

    >>> told_apart_by_context().world.proxy.contexts.tolist()
    [0.3, 0.7]
    """
    half = np.full((2, 2), 0.5)
    laws = (Law(np.array([p, 1 - p]), half) for p in (0.9, 0.3, 0.2))
    return at_optimum(World(*laws), 2.0)


def contexts_only(case: Case, data: DataSets) -> DataSets:
    """The data sets as a small model sees them: responses of a context merged.

    >>> case = told_apart_by_context()
    >>> contexts_only(case, springs(case)).laws.shape
    (3, 2)
    """
    contexts, outputs = case.world.safety.outputs.shape[-2:]
    return merged(data, _groups(contexts, outputs), contexts)


def _groups(contexts: int, outputs: int) -> Int[np.ndarray, " leaf"]:
    """The context of every leaf."""
    return np.repeat(np.arange(contexts), outputs)


def _deeper(case: Case, factor: float = 1.0) -> Sides:
    """The form x'Kx of the contexts against x'Kx of all leaves."""
    data, x = springs(case), direction(case)
    coarse = form(responses(contexts_only(case, data)), x)
    return Sides(coarse, factor * form(responses(data), x))


def _own_deeper(case: Case, factor: float = 1.0) -> Sides:
    """Own responses of the contexts against those of all leaves."""
    data = springs(case)
    return Sides(own_responses(contexts_only(case, data)), factor * own_responses(data))


def _two(case: Case) -> DataSets:
    """Pre-training and alignment data alone."""
    data = springs(case)
    return DataSets(data.laws[..., :PERTURBATION, :], data.sizes[..., :PERTURBATION])


def _reinforced(case: Case) -> Sides:
    """The product n dgamma_a/dn_p by automatic differentiation against k chi2."""
    data = _two(case)
    slope = moved_rates(data, PRETRAINING)[..., ALIGNMENT]
    return Sides(jnp.sum(data.sizes, axis=-1) * slope, reinforced_response(data))


def _reinforced_deeper(case: Case, factor: float = 1.0) -> Sides:
    """The product k chi2(p_p || q*) of the contexts against that of all leaves."""
    data = _two(case)
    coarse = reinforced_response(contexts_only(case, data))
    return Sides(coarse, factor * reinforced_response(data))


def deficits(case: Case) -> Sides:
    """1 - S_at of the contexts against 1 - S_at of all leaves; no order holds.

    >>> bool(jnp.allclose(*deficits(told_apart_by_context()), atol=1e-6))
    True
    """
    data = springs(case)
    coarse, fine = (
        -overlap_excess(level)[..., ALIGNMENT, PERTURBATION]
        for level in (contexts_only(case, data), data)
    )
    return Sides(coarse, fine)


_CONTEXTS = "laws that differ in their contexts alone"

RECORDS = (
    Record(
        name="depth, responses",
        statement="x'K(coarse)x <= x'K(fine)x: larger models give way more",
        assumptions="any laws, any x; " + _COARSE,
        source="derived, elasticity notes 2.7 (there for the diagonal); concerns Ji et "
        "al. 2025, section 5.3",
        side=Side.UPPER,
        function=_deeper,
        evidence=_WORLDS,
        tight_when=_CONTEXTS,
        tight_case=told_apart_by_context,
        tight_within=1e-9,
        vacuous_when="never",
        planted=deficits,
    ),
    Record(
        name="depth, own response",
        statement="chi2(p_j || q*), coarse <= chi2(p_j || q*), fine",
        assumptions="any laws; " + _COARSE,
        source="derived, elasticity notes 2.7",
        side=Side.UPPER,
        function=_own_deeper,
        evidence=_WORLDS,
        tight_when=_CONTEXTS,
        tight_case=told_apart_by_context,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _own_deeper(c, 0.7),
    ),
    Record(
        name="reinforced pre-training",
        statement="n dgamma_a/dl = k chi2(p_p || q*) for D_t = D_p",
        assumptions="any p and a, joint optimum of their sizes",
        source="derived, elasticity notes 2.7",
        side=Side.IDENTITY,
        function=_reinforced,
        evidence=_WORLDS,
        planted=lambda c: Sides(_reinforced(c).left, 0.9 * _reinforced(c).right),
    ),
    Record(
        name="depth, reinforced pre-training",
        statement="k chi2(p_p || q*), coarse <= k chi2(p_p || q*), fine",
        assumptions="any p and a; " + _COARSE,
        source="derived, elasticity notes 2.7",
        side=Side.UPPER,
        function=_reinforced_deeper,
        evidence=_WORLDS,
        tight_when=_CONTEXTS,
        tight_case=told_apart_by_context,
        tight_within=1e-9,
        vacuous_when="never",
        planted=lambda c: _reinforced_deeper(c, 0.7),
    ),
)
"""E6 of the elasticity notes."""
