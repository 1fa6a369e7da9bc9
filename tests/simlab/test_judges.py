"""What the judges say of models whose law is known, by enumeration of all responses."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from simlab.judges import (
    Exam,
    StyleExam,
    divergence_between,
    examination,
    generated,
    log_odds,
    preferred_share,
    response_log_probs,
    style_divergences,
    style_entropies,
)
from tests.assertions import assert_close, assert_must_fail
from tests.simlab.styles_toy import (
    DRAWS,
    PROMPT,
    RESPONSE,
    Chain,
    V,
    X,
    answered,
    asked,
    asked_law,
    being,
    cells,
    every_sequence,
    style_laws,
    world,
)

MODEL, ROWS = Chain(), every_sequence()
# A false alarm of the whole file at most once in a million runs.
ALARM = 1e-6 / 10
SIGMAS = float(stats.norm.isf(ALARM / 2))


DIVERGENCES = jax.jit(lambda params, exam: style_divergences(MODEL, params, exam))
ENTROPIES = jax.jit(style_entropies)
SHARE = jax.jit(
    lambda tokens, a, b: preferred_share(world(), tokens, a, b), static_argnums=(1, 2)
)


@functools.cache
def exam_of(seed: int) -> Exam:
    make = jax.jit(lambda made, key: examination(made, key, DRAWS))
    return Exam(*make(world(), jax.random.key(seed)))


def exact(values: np.ndarray, style: int) -> tuple[float, float]:
    """Mean and standard deviation of a value of every row, answered in a style."""
    weight = asked_law(world()) * style_laws(world())[style]
    mean = weight @ values
    return float(mean), float(np.sqrt(weight @ (values - mean) ** 2))


def token_divergences(p: int, q: int) -> np.ndarray:
    """sum_t KL(p_t || q_t) along every row."""
    following = np.asarray(world().following(jnp.asarray(ROWS)), float)
    ratio = np.log(following[:, p]) - np.log(following[:, q])
    return np.asarray(np.sum(following[:, p] * ratio, axis=(1, 2)))


def assert_within_sigmas(measured: float, mean: float, deviation: float) -> None:
    assert_close(measured, mean, SIGMAS * deviation / np.sqrt(DRAWS) + 1e-6)


def test_a_model_that_is_a_style_has_no_divergence_from_it() -> None:
    exam = exam_of(0)
    for style in (0, 1):
        found = DIVERGENCES(being(world(), style), exam)
        assert abs(float(found[style])) < 1e-6  # rounding of float32
        assert float(found[1 - style]) > 0.05


def test_divergences_are_those_of_the_enumeration() -> None:
    exam = exam_of(0)
    found = float(DIVERGENCES(being(world(), 0), exam)[1])
    assert_within_sigmas(found, *exact(token_divergences(1, 0), 1))
    # Negative control: the divergence the other way round.
    assert_must_fail(
        lambda: assert_within_sigmas(found, *exact(token_divergences(0, 1), 0))
    )
    # Chain rule: the mean over prefixes is the divergence of whole responses.
    chains = style_laws(world())
    weight = asked_law(world()) * chains[1]
    whole = weight @ (np.log(chains[1]) - np.log(chains[0]))
    assert_close(exact(token_divergences(1, 0), 1)[0], whole, 1e-6)


def test_no_model_has_a_negative_divergence() -> None:
    exam = exam_of(0)
    params = jax.random.normal(jax.random.key(3), (20, X, V, V)) * 3
    found = [DIVERGENCES(each, exam) for each in params]
    assert float(np.min(found)) > -1e-6  # rounding of float32


def test_entropy_and_divergence_from_uniform_make_the_uniform_code() -> None:
    exam = exam_of(0)
    uniform = MODEL.init(jax.random.key(0))
    total = ENTROPIES(exam) + DIVERGENCES(uniform, exam)
    assert_close(total, RESPONSE * np.log(V), 1e-5)  # exact on the same prefixes


def test_log_odds_have_the_sign_of_the_style_that_a_model_is() -> None:
    exam = exam_of(0)
    entropies = ENTROPIES(exam)
    uniform, *pure = (
        log_odds(DIVERGENCES(params, exam), entropies)
        for params in (
            MODEL.init(jax.random.key(0)),
            *(being(world(), z) for z in (0, 1)),
        )
    )
    assert abs(float(uniform)) < 1e-5  # rounding: all codes are of one length
    assert float(pure[0]) > 0.1
    assert float(pure[1]) < -0.1
    swapped = log_odds(DIVERGENCES(being(world(), 0), exam), entropies, 1, 0)
    assert float(swapped) == -float(pure[0])


def test_the_measure_of_a_life_is_the_divergences() -> None:
    exam, params = exam_of(0), being(world(), 1)
    np.testing.assert_array_equal(
        jax.jit(StyleExam(), static_argnums=0)(MODEL, params, exam),
        DIVERGENCES(params, exam),
    )


def test_an_exam_asks_every_style_the_same() -> None:
    exam = exam_of(0)
    np.testing.assert_array_equal(
        exam.tokens[0, :, : 1 + PROMPT], exam.tokens[1, :, : 1 + PROMPT]
    )
    assert not np.array_equal(exam.tokens[0], exam.tokens[1])
    assert_close(np.asarray(exam.laws).sum(-1), 1.0, 1e-6)  # rounding of three terms


def test_generated_answers_follow_the_model() -> None:
    made = world()
    prompts = asked(made, jax.random.key(8))
    tokens = jax.jit(
        lambda params: generated(MODEL, params, jax.random.key(9), prompts, RESPONSE)
    )(being(made, 0))
    np.testing.assert_array_equal(tokens[:, : 1 + PROMPT], prompts)
    counts = np.bincount(cells(tokens), minlength=len(ROWS))
    expected = asked_law(made) * style_laws(made) * DRAWS
    own, other = (
        float(stats.chisquare(counts, law / law.sum() * DRAWS).pvalue)
        for law in expected
    )
    assert own > ALARM
    assert other < ALARM  # negative control: the other style's law


def test_the_share_of_preferred_answers_is_that_of_the_exact_judge() -> None:
    made = world()
    chains = style_laws(made)
    wins = (chains[0] > chains[1]).astype(float)
    tokens = answered(made, jax.random.key(10), asked(made, jax.random.key(11)), 0)
    share = float(SHARE(tokens, 0, 1))
    assert_within_sigmas(share, *exact(wins, 0))
    assert_must_fail(lambda: assert_within_sigmas(share, *exact(wins, 1)))
    # No response is equally likely in both styles of this world.
    assert_close(share + float(SHARE(tokens, 1, 0)), 1.0, 1e-6)


def test_the_divergence_of_two_models_is_unbiased_and_never_negative() -> None:
    made = world()
    tokens = answered(made, jax.random.key(12), asked(made, jax.random.key(13)), 0)
    between = jax.jit(
        lambda params, base: divergence_between(MODEL, params, base, tokens, RESPONSE)
    )
    rows = np.asarray(between(being(made, 0), being(made, 1)))
    assert float(np.min(rows)) > -1e-6  # rounding of float32
    assert_within_sigmas(float(np.mean(rows)), *exact(token_divergences(0, 1), 0))
    same = np.asarray(between(being(made, 0), being(made, 0)))
    assert np.max(np.abs(same)) < 1e-6  # rounding of float32


def test_the_outputs_read_are_those_of_the_response() -> None:
    made = world()
    said = response_log_probs(MODEL, being(made, 1), jnp.asarray(ROWS), RESPONSE)
    exactly = np.log(np.asarray(made.following(jnp.asarray(ROWS)))[:, 1])
    assert_close(said, exactly, 1e-5)  # rounding of float32 logarithms
