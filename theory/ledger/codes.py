"""Claims about codes, asked of the outputs at every context; the unit is the bit."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from theory.compression.codes import (
    GALLAGER,
    arithmetic_lengths,
    double_ceiling,
    entropy_bits,
    expected_length,
    huffman_bound,
    shannon_lengths,
)
from theory.compression.huffman import huffman_lengths_small
from theory.ledger.cases import one_context
from theory.ledger.record import Case, Record, Side, Sides, Status
from theory.typing import Table

_WORLDS = "Hypothesis and 12,000 random worlds, float64, every run of the tests"
_RESOLVED = 1e-12  # sums of weights that are whole multiples of it survive rounding

Bits = Float[jax.Array, "*batch x"]


def _law(case: Case) -> Table:
    """The law that is coded: the safety data's outputs."""
    return case.world.safety.outputs


def _entropy(case: Case) -> Bits:
    """H of the coded law."""
    return entropy_bits(_law(case))


def _huffman(case: Case) -> Bits:
    """The mean length of Huffman's code."""
    return expected_length(_law(case), huffman_lengths_small(_law(case)))


def _shannon(case: Case) -> Bits:
    """The mean length of Shannon's code."""
    return expected_length(_law(case), shannon_lengths(_law(case)))


def _arithmetic(case: Case) -> Bits:
    """The mean length of an arithmetic code of one message."""
    return expected_length(_law(case), arithmetic_lengths(_law(case)))


def _foreign(case: Case) -> Bits:
    """The mean length of Huffman's code for another law, the task's."""
    lengths = huffman_lengths_small(case.world.capability.outputs)
    return expected_length(_law(case), lengths)


def _task(case: Case) -> Bits:
    """The mean length of the task's Huffman code over the task's own outputs."""
    outputs = case.world.capability.outputs
    return expected_length(outputs, huffman_lengths_small(outputs))


def _off(case: Case) -> Bits:
    """How far Theorem 3.4 is from the mean length of Huffman's code."""
    return jnp.abs(_huffman(case) - double_ceiling(_law(case)))


def _resolved(case: Case) -> Bool[jax.Array, "*batch x"]:
    """Whether doubles hold the weights well enough for Shannon's code to fit."""
    return jnp.min(jnp.asarray(_law(case)), axis=-1) >= _RESOLVED


def _coding(*weights: float) -> Case:
    """A case with one context, all of whose laws are the given one."""
    return one_context(list(weights), list(weights), 1.0)


def _dyadic() -> Case:
    """Powers of 1/2: every code is ideal."""
    return _coding(0.5, 0.25, 0.125, 0.125)


def _nearly_sure() -> Case:
    """One leaf has nearly all the weight, and no codeword is shorter than a bit."""
    return _coding(1 - 1e-6, 1e-6)


RECORDS = (
    Record(
        name="prefix code, lower",
        statement="H(p) <= sum_x p(x) length(x)",
        assumptions="any law, any prefix code (here Huffman's for any other law)",
        source="standard (Shannon 1948), elasticity notes 1.1",
        side=Side.LOWER,
        function=lambda c: Sides(_entropy(c), _foreign(c)),
        evidence=_WORLDS,
        tight_when="the code is ideal: lengths -log2 p",
        tight_case=_dyadic,
        tight_within=1e-12,
        vacuous_when="p is sure: 0",
        planted=lambda c: Sides(_entropy(c), _task(c)),
    ),
    Record(
        name="Huffman's code, upper",
        statement="E <= H + 1",
        assumptions="any law of two leaves or more; < unless it is sure",
        source="standard (Shannon 1948), elasticity notes 1.4",
        side=Side.UPPER,
        function=lambda c: Sides(_huffman(c), _entropy(c) + 1),
        evidence=_WORLDS,
        tight_when="p_max -> 1",
        tight_case=_nearly_sure,
        tight_within=1e-4,
        vacuous_when="never, but loose when no leaf is heavy",
        planted=lambda c: Sides(_huffman(c), _entropy(c) + 0.5),
    ),
    Record(
        name="Huffman's code, Gallager",
        statement="E <= H + p_max + 0.0861",
        assumptions="any law; 0.0861 = 1 - log2 e + log2 log2 e",
        source="standard (Gallager 1978), elasticity notes 1.4",
        side=Side.UPPER,
        function=lambda c: Sides(_huffman(c), huffman_bound(_law(c))),
        evidence=_WORLDS,
        tight_when="many equal leaves, log2 e times a power of 2 of them",
        tight_case=lambda: _coding(*[1 / 92] * 92),
        tight_within=5e-3,
        vacuous_when="p_max > 0.914: E <= H + 1 is used there",
        planted=lambda c: Sides(_huffman(c), _entropy(c) + GALLAGER),
    ),
    Record(
        name="Huffman's code beats Shannon's",
        statement="E_Huffman <= E_Shannon",
        assumptions="every leaf has weight; >= 1e-12, so that rounding leaves room",
        source="standard (Huffman 1952), elasticity notes 5",
        side=Side.UPPER,
        function=lambda c: Sides(_huffman(c), _shannon(c)),
        domain=_resolved,
        evidence=_WORLDS,
        tight_when="dyadic weights",
        tight_case=_dyadic,
        tight_within=1e-12,
        vacuous_when="never: Shannon's code wastes less than a bit",
        planted=lambda c: Sides(_shannon(c), _huffman(c)),
    ),
    Record(
        name="Shannon's code, upper",
        statement="E_Shannon <= H + 1",
        assumptions="any law; leaves of weight 0 have no codeword",
        source="standard (Shannon 1948), elasticity notes 5",
        side=Side.UPPER,
        function=lambda c: Sides(_shannon(c), _entropy(c) + 1),
        evidence=_WORLDS,
        tight_when="p_max -> 1 from below",
        tight_case=_nearly_sure,
        tight_within=1e-5,
        vacuous_when="never, but dyadic laws lose nothing",
        planted=lambda c: Sides(_shannon(c), _entropy(c) + 0.5),
    ),
    Record(
        name="arithmetic code, upper",
        statement="E_arithmetic <= H + 2",
        assumptions="any law of whole messages, exact arithmetic",
        source="standard (Shannon, Fano, Elias), elasticity notes 4",
        side=Side.UPPER,
        function=lambda c: Sides(_arithmetic(c), _entropy(c) + 2),
        evidence=_WORLDS,
        tight_when="p_max -> 1 from below",
        tight_case=_nearly_sure,
        tight_within=1e-5,
        vacuous_when="never, but 2 bits a message are nothing for a long one",
        planted=lambda c: Sides(_arithmetic(c), _entropy(c) + 1),
    ),
    Record(
        name="double ceiling, repaired",
        statement="|E - ceil H| <= 1",
        assumptions="any law of two leaves or more, Huffman's code, one block, bits",
        source="derived, elasticity notes 1.4, in place of Ji et al. 2025, Theorem 3.4",
        side=Side.UPPER,
        function=lambda c: Sides(_off(c), jnp.ones_like(_off(c))),
        evidence=_WORLDS,
        tight_when="p is sure: E = 1, H = 0",
        tight_case=lambda: _coding(1.0, 0.0),
        tight_within=1e-12,
        vacuous_when="H below 1: no code of two leaves has a mean below 1",
        planted=lambda c: Sides(_off(c), jnp.full_like(_off(c), 0.5)),
    ),
    Record(
        name="double ceiling",
        statement="E <= ceil H, half of the printed E = ceil H",
        assumptions="published for every law; 'double ceiling, repaired' is what holds",
        source="Ji et al. 2025, Theorem 3.4, false as printed; counter-example "
        "derived, elasticity notes 1.4",
        side=Side.FALSE,
        status=Status.FALSE,
        function=lambda c: Sides(_huffman(c), double_ceiling(_law(c))),
        evidence="weights .85 .05 .05 .05: E = 1.25 bits, ceil H = 1",
        counter_example=lambda: _coding(0.85, 0.05, 0.05, 0.05),
    ),
)
"""What a code can cost, for any law; with the paper's length formula kept as false."""
