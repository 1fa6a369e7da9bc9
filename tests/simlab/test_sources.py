"""Sources draw from the law they were given, and know its logarithm."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from simlab.sources import (
    MarkovSource,
    MixtureSource,
    Source,
    TabularSource,
    dirichlet_chain,
    dirichlet_table,
)
from simlab.sources.protocol import inverse_cdf

CONTEXTS, VOCABULARY, LENGTH, DRAWS = 3, 3, 2, 40_000
# A false alarm of the whole file at most once in a million runs.
ALARM = 1e-6 / 10


def chain() -> tuple[np.ndarray, np.ndarray]:
    initial, transition = dirichlet_chain(jax.random.key(1), CONTEXTS, VOCABULARY, 1.0)
    return np.asarray(initial, float), np.asarray(transition, float)


def tabular(contexts: tuple[float, ...] = (0.2, 0.0, 0.8)) -> TabularSource:
    table = dirichlet_table(jax.random.key(2), (CONTEXTS,), VOCABULARY**LENGTH, 0.5)
    outputs = np.asarray(table, float)
    outputs[0, 4] = 0.0
    outputs /= outputs.sum(-1, keepdims=True)
    return TabularSource.from_table(
        np.asarray(contexts), outputs, vocabulary=VOCABULARY, length=LENGTH
    )


def markov() -> MarkovSource:
    initial, transition = (jnp.asarray(a, jnp.float32) for a in chain())
    return MarkovSource(jnp.array([0.5, 0.3, 0.2]), initial, transition, LENGTH)


def mixture() -> MixtureSource:
    return MixtureSource(tabular((0.2, 0.5, 0.3)), markov(), 0.3)


SOURCES = {"tabular": tabular, "markov": markov, "mixture": mixture}


def every_sequence() -> jax.Array:
    grid = np.indices((CONTEXTS, *[VOCABULARY] * LENGTH)).reshape(LENGTH + 1, -1).T
    return jnp.asarray(grid + np.array([VOCABULARY] + [0] * LENGTH), jnp.int32)


def law_of(source: Source) -> np.ndarray:
    """The joint law by the source's own log-probabilities."""
    tokens = every_sequence()
    return np.exp(
        np.asarray(source.log_context(tokens) + source.log_prob(tokens), float)
    )


def p_value(tokens: jax.Array, law: np.ndarray) -> float:
    """Of a chi-square test that the tokens come from the law."""
    rows = np.asarray(tokens)
    cell = rows[:, 0] - VOCABULARY
    for position in range(1, LENGTH + 1):
        cell = cell * VOCABULARY + rows[:, position]
    counts = np.bincount(cell, minlength=law.size)
    assert counts[law <= 0].sum() == 0, "drew what has probability zero"
    seen = law > 0
    expected = law[seen] / law[seen].sum() * len(rows)
    return float(stats.chisquare(counts[seen], expected).pvalue)


@pytest.mark.parametrize("name", SOURCES)
def test_draws_follow_the_law(name: str) -> None:
    source = SOURCES[name]()
    tokens = source.sample(jax.random.key(3), DRAWS)
    assert tokens.shape == (DRAWS, LENGTH + 1)
    assert p_value(tokens, law_of(source)) > ALARM


@pytest.mark.parametrize("name", SOURCES)
def test_a_law_a_little_off_is_noticed(name: str) -> None:
    # Negative control: mix the law with 5 % of uniform noise on its own support.
    source = SOURCES[name]()
    law = law_of(source)
    wrong = 0.95 * law + 0.05 * (law > 0) / np.count_nonzero(law > 0)
    assert p_value(source.sample(jax.random.key(3), DRAWS), wrong) < ALARM


@pytest.mark.parametrize("name", SOURCES)
def test_log_probabilities_sum_to_one(name: str) -> None:
    # Rounding of float32 over 27 terms.
    assert law_of(SOURCES[name]()).sum() == pytest.approx(1.0, abs=1e-5)


def test_markov_and_table_of_the_same_chain_agree() -> None:
    initial, transition = chain()
    outputs = (initial[:, :, None] * transition).reshape(CONTEXTS, -1)
    table = TabularSource.from_table(
        np.array([0.5, 0.3, 0.2]), outputs, vocabulary=VOCABULARY, length=LENGTH
    )
    # Rounding of float32 logarithms.
    np.testing.assert_allclose(law_of(table), law_of(markov()), atol=1e-6)


def test_a_batch_of_tables_is_a_batch_of_sources() -> None:
    one = tabular()
    outputs = np.stack([np.exp(np.asarray(one.log_outputs, float))] * 2)
    two = TabularSource.from_table(
        np.array([[0.2, 0.0, 0.8], [1.0, 0.0, 0.0]]),
        outputs,
        vocabulary=VOCABULARY,
        length=LENGTH,
    )
    tokens = jax.vmap(lambda source: source.sample(jax.random.key(0), 50))(two)
    assert tokens.shape == (2, 50, LENGTH + 1)
    assert set(np.asarray(tokens[1, :, 0]).tolist()) == {VOCABULARY}


def test_the_same_key_draws_the_same() -> None:
    source = markov()
    once, again = (source.sample(jax.random.key(5), 20) for _ in range(2))
    np.testing.assert_array_equal(once, again)


def test_a_draw_at_the_very_top_never_falls_on_probability_zero() -> None:
    cumulative = jnp.array([0.25, 1.0, 1.0, 1.0], jnp.float32)
    top = jnp.nextafter(jnp.float32(1.0), jnp.float32(0.0))
    assert int(inverse_cdf(cumulative, top)) == 1
    assert int(inverse_cdf(cumulative, jnp.float32(1.0))) == 1


def test_a_table_of_the_wrong_width_is_refused_in_one_line() -> None:
    with pytest.raises(ValueError, match=r"vocabulary \*\* length = 3 \*\* 3 = 27"):
        TabularSource.from_table(
            np.ones(1), np.full((1, 9), 1 / 9), vocabulary=3, length=3
        )


def test_a_logarithm_passed_as_concentration_is_refused() -> None:
    with pytest.raises(ValueError, match="logarithm"):
        dirichlet_table(jax.random.key(0), (2,), 3, -1.0)
