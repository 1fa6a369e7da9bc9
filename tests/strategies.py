"""Hypothesis strategies: values vary, shapes do not, so that nothing recompiles."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from theory.chains import Chain
from theory.laws import Law, World

CONTEXTS, OUTPUTS, VOCABULARY = 3, 4, 3
KINDS = ("dense", "sparse", "degenerate")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    """Floats without subnormals, which XLA flushes to zero."""
    return st.floats(low, high, allow_nan=False, allow_subnormal=False)


@st.composite
def simplices(
    draw: st.DrawFn,
    shape: tuple[int, ...] = (OUTPUTS,),
    kinds: tuple[str, ...] = KINDS,
) -> np.ndarray:
    """Probability vectors on the last axis: dense, with exact zeros, or nearly sure.

    Dense: ratios up to e^12. Degenerate: ratios up to e^60. Sparse: as dense, with a
    drawn set of outcomes removed. Shrinks to the uniform law.
    """
    logits = draw(hnp.arrays(np.float64, shape, elements=numbers(-6.0, 6.0)))
    kind = draw(st.sampled_from(kinds))
    if kind == "degenerate":
        logits = 5 * logits
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    if kind == "sparse":
        removed = draw(hnp.arrays(np.bool_, shape))
        kept = ~removed | (weights == 1.0)  # the likeliest outcome always stays
        weights = weights * kept
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def tables(
    contexts: int = CONTEXTS, outputs: int = OUTPUTS, kinds: tuple[str, ...] = KINDS
) -> st.SearchStrategy[np.ndarray]:
    """Conditional laws p(y|x), one row a context."""
    return simplices((contexts, outputs), kinds)


def policies(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[np.ndarray]:
    """Any policy; one with kinds=("dense",) forbids nothing, so its gaps are finite."""
    return tables(kinds=kinds)


def laws(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[Law]:
    """Laws of contexts, some perhaps never seen, and outputs."""
    return st.builds(Law, simplices((CONTEXTS,), kinds), tables(kinds=kinds))


def worlds(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[World]:
    """Any world: the proxy owes nothing to the safety data."""
    return st.builds(World, laws(kinds), laws(kinds), laws(kinds))


def exact_worlds(kinds: tuple[str, ...] = KINDS) -> st.SearchStrategy[World]:
    """Worlds whose proxy is the safety data themselves."""
    return st.builds(
        lambda safety, capability: World(safety, safety, capability),
        laws(kinds),
        laws(kinds),
    )


def penalties() -> st.SearchStrategy[float]:
    """Penalties, log-uniform on [e^-4, e^4]; shrinks to 1."""
    return numbers(-4.0, 4.0).map(np.exp).map(float)


def weights() -> st.SearchStrategy[float]:
    """Weights of a mixture, both ends included; no w p of a world underflows to 0."""
    return st.one_of(st.just(0.0), st.just(1.0), numbers(1e-200, 1.0))


def inner_weights() -> st.SearchStrategy[float]:
    """Weights of a mixture away from both ends by 1e-3."""
    return numbers(1e-3, 1 - 1e-3)


def chains(
    contexts: int = CONTEXTS,
    vocabulary: int = VOCABULARY,
    kinds: tuple[str, ...] = KINDS,
) -> st.SearchStrategy[Chain]:
    """Markov chains of tokens, one a context."""
    return st.builds(
        Chain,
        simplices((contexts, vocabulary), kinds),
        simplices((contexts, vocabulary, vocabulary), kinds),
    )
