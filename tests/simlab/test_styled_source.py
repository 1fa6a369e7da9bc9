"""Styled sources and data sets draw from the law that they know the logarithm of."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from simlab.sources import DatasetSource, StyledSource
from tests.assertions import assert_close
from tests.simlab.styles_toy import (
    DRAWS,
    MIX,
    PROMPT,
    X,
    answered,
    asked,
    asked_law,
    cells,
    every_sequence,
    sampled,
    style_laws,
    world,
)

# A false alarm of the whole file at most once in a million runs.
ALARM = 1e-6 / 10
ROWS = every_sequence()


def law_of(made: StyledSource, mix: tuple[float, ...] = MIX) -> np.ndarray:
    return asked_law(made) * (np.array(mix) @ style_laws(made))


def p_value(tokens: jax.Array, law: np.ndarray) -> float:
    counts = np.bincount(cells(tokens), minlength=len(law))
    return float(stats.chisquare(counts, law / law.sum() * len(tokens)).pvalue)


def test_the_law_by_hand_is_the_one_that_the_source_knows() -> None:
    made = world()
    known = np.exp(
        made.log_context(jnp.asarray(ROWS)) + made.log_prob(jnp.asarray(ROWS))
    )
    assert_close(known, law_of(made), 1e-6)  # rounding of float32 logarithms
    assert_close(known.sum(), 1.0, 1e-5)  # rounding over 162 terms


def test_draws_follow_the_law_and_not_the_one_with_swapped_shares() -> None:
    made = world()
    tokens = sampled(made, jax.random.key(1))
    assert tokens.shape == (DRAWS, 1 + made.length)
    assert p_value(tokens, law_of(made)) > ALARM
    # Negative control: the styles' shares swapped.
    assert p_value(tokens, law_of(made, MIX[::-1])) < ALARM


def test_an_answer_keeps_its_prompt_and_follows_its_style() -> None:
    made = world()
    prompts = asked(made, jax.random.key(2))
    laws = style_laws(made) * asked_law(made)
    for style, law in enumerate(laws):
        tokens = answered(made, jax.random.key(3 + style), prompts, style)
        np.testing.assert_array_equal(tokens[:, : PROMPT + 1], prompts)
        assert p_value(tokens, law) > ALARM
        assert p_value(tokens, laws[1 - style]) < ALARM  # negative control


def test_every_row_may_have_a_style_of_its_own() -> None:
    made = world()
    prompts = asked(made, jax.random.key(2))
    one_key = jax.random.key(4)
    both = answered(made, one_key, prompts, np.arange(DRAWS) % 2)
    for style in (0, 1):
        alone = answered(made, one_key, prompts, style)
        np.testing.assert_array_equal(both[style::2], alone[style::2])


def test_the_judge_gives_every_style_its_exact_probability() -> None:
    made = world()
    scores = np.exp(np.asarray(jax.jit(made.log_styles)(ROWS)))
    assert_close(scores.T, style_laws(made), 1e-6)  # rounding of float32


def test_the_law_of_the_next_token_is_a_law() -> None:
    made = world()
    following = np.asarray(jax.jit(made.following)(ROWS))
    assert following.shape == (len(ROWS), 2, made.response, made.vocabulary)
    assert_close(following.sum(-1), 1.0, 1e-6)  # rounding of three terms


def test_the_same_key_draws_the_same() -> None:
    made = world()
    once, again, other = (sampled(made, jax.random.key(k)) for k in (5, 5, 6))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, other)


def test_a_batch_of_worlds_is_a_batch_of_sources() -> None:
    made = world()
    pair = jax.tree.map(lambda *leaves: jnp.stack(leaves), made, world((1.0, 0.0)))
    keys = jnp.stack([jax.random.key(6)] * 2)
    tokens = jax.jit(jax.vmap(lambda source, key: source.sample(key, DRAWS)))(
        pair, keys
    )
    np.testing.assert_array_equal(tokens[0], sampled(made, keys[0]))
    assert not np.array_equal(tokens[0], tokens[1])


def test_a_data_set_draws_its_rows_alike() -> None:
    rows = jnp.asarray(ROWS[[0, 5, 5, 90]])
    source = DatasetSource(rows)
    tokens = sampled(source, jax.random.key(7))
    counts = np.bincount(cells(tokens), minlength=len(ROWS))[[0, 5, 90]]
    assert counts.sum() == DRAWS
    p = stats.chisquare(counts, DRAWS * np.array([0.25, 0.5, 0.25])).pvalue
    assert p > ALARM
    # Negative control: rows that are equal counted once.
    assert stats.chisquare(counts, np.full(3, DRAWS / 3)).pvalue < ALARM


def test_a_data_set_knows_the_shares_of_its_rows() -> None:
    rows = jnp.asarray(ROWS[[0, 5, 5, 90]])
    source = DatasetSource(rows)
    log_joint = jax.jit(
        lambda tokens: source.log_context(tokens) + source.log_prob(tokens)
    )
    assert_close(
        np.exp(np.asarray(log_joint(rows))), [0.25, 0.5, 0.5, 0.25], 1e-6
    )  # rounding of float32
    assert len(set(np.asarray(rows[:, 0]).tolist())) == X
    absent = source.log_prob(jnp.asarray(ROWS[1:2]))
    assert np.isneginf(absent).all()
