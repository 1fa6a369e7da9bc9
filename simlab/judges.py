"""What a model says of prompts that can be answered in known styles, judged exactly."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.models import Model, Params
from simlab.sources import LogProbs, StyledSource, Tokens


class Exam(NamedTuple):
    """Held-out responses of every style to the same prompts, and their exact laws.

    Shapes: tokens [z, n, 1 + length]; laws [z, n, response, v], the law of every
    response token in its own style, given what came before.
    """

    tokens: Int[jax.Array, "z n width"]
    laws: Float[jax.Array, "z n response v"]


def examination(source: StyledSource, key: jax.Array, prompts: int) -> Exam:
    """An exam of so many prompts, answered once in every style."""
    key_prompt, key_response = jax.random.split(key)
    asked = source.asked(key_prompt, prompts)
    styles = len(source.styles)
    keys = jax.random.split(key_response, styles)
    answers = [source.answered(keys[z], asked, z) for z in range(styles)]
    laws = [source.following(answer)[:, z] for z, answer in enumerate(answers)]
    return Exam(jnp.stack(answers), jnp.stack(laws))


def style_entropies(exam: Exam) -> Float[jax.Array, " z"]:
    """The entropy of a response in every style, over the prefixes of the exam.

    Formula: sum_t E H(p_z(. | y_<t)). Unit: nats per response. The same prefixes serve
    `style_divergences`, so their sum is a cross-entropy over the very same prefixes.
    """
    laws = exam.laws
    terms = jnp.where(laws > 0, -laws * jnp.log(jnp.where(laws > 0, laws, 1.0)), 0.0)
    return jnp.mean(jnp.sum(terms, axis=(2, 3)), axis=1)


def style_divergences(
    model: Model, params: Params, exam: Exam
) -> Float[jax.Array, " z"]:
    """The divergence of the model from every style: its excess loss there.

    Formula: sum_t E_{y_<t ~ p_z} KL(p_z(. | y_<t) || q(. | y_<t)); the expectation over
    prefixes is a mean over the exam, that over the next token is exact, so no draw of
    it adds noise and no term is negative. Unit: nats per response. Source: elasticity
    notes 2.8 (gamma_z = H_z + KL(p_z || q)).
    """
    flat = exam.tokens.reshape(-1, exam.tokens.shape[-1])
    said = response_log_probs(model, params, flat, exam.laws.shape[2])
    return jnp.mean(_kl(exam.laws, said.reshape(exam.laws.shape)), axis=1)


def log_odds(
    divergences: Float[jax.Array, "*batch z"],
    entropies: Float[jax.Array, " z"],
    preferred: int = 0,
    other: int = 1,
) -> Float[jax.Array, "*batch"]:
    """E log q(y_preferred) - E log q(y_other): how far a model prefers a style.

    Formula: gamma_other - gamma_preferred, gamma_z = H_z + KL(p_z || q). Unit: nats per
    response; unbounded, so it does not saturate where a share of answers does. Source:
    elasticity notes 6.
    """
    rates = divergences + entropies
    return rates[..., other] - rates[..., preferred]


@dataclass(frozen=True)
class StyleExam:
    """The `Measure` of a life cycle: `style_divergences` at every record."""

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        """KL(p_z || q) of every style [z], nats per response."""
        return style_divergences(model, params, exam)


def response_log_probs(
    model: Model, params: Params, tokens: Tokens, response: int
) -> Float[jax.Array, "n response v"]:
    """Log q(. | topic, prompt, y_<t) at the last `response` outputs of every row."""
    log_probs = jax.nn.log_softmax(model.apply(params, tokens[:, :-1]), axis=-1)
    return log_probs[:, -response:]


def generated(
    model: Model,
    params: Params,
    key: jax.Array,
    asked: Int[jax.Array, "_ asked"],
    response: int,
) -> Tokens:
    """The model's own answers to prompts, token by token, at temperature 1."""
    rows, first = asked.shape
    blank = jnp.zeros((rows, response), asked.dtype)
    padded = jnp.concatenate([asked, blank], axis=1)

    def say(tokens: jax.Array, step: jax.Array) -> tuple[jax.Array, None]:
        # Causal: what stands after the place that is read changes nothing.
        logits = model.apply(params, tokens[:, :-1])
        here = jax.lax.dynamic_index_in_dim(logits, first + step - 1, 1, False)
        said = jax.random.categorical(jax.random.fold_in(key, step), here)
        said = said.astype(tokens.dtype)[:, None]
        return jax.lax.dynamic_update_slice(tokens, said, (0, first + step)), None

    return jax.lax.scan(say, padded, jnp.arange(response))[0]


def preferred_share(
    source: StyledSource, tokens: Tokens, preferred: int = 0, other: int = 1
) -> Float[jax.Array, ""]:
    """The share of answers that the exact judge gives to the preferred style.

    Formula: P(log p_preferred(y) > log p_other(y)). It saturates at 0 and 1.
    """
    scores = source.log_styles(tokens)
    return jnp.mean(scores[:, preferred] > scores[:, other])


def divergence_between(
    model: Model, params: Params, base: Params, tokens: Tokens, response: int
) -> LogProbs:
    """KL(q || q_base) along every row of answers drawn from q = `params`.

    Formula: sum_t KL(q(. | y_<t) || q_base(. | y_<t)): its mean over answers of q is
    unbiased for the divergence of whole answers, and no term is negative. Unit: nats
    per response. Source: chain rule of the divergence.
    """
    ours = response_log_probs(model, params, tokens, response)
    theirs = response_log_probs(model, base, tokens, response)
    return divergence_along(ours, theirs)


def divergence_along(
    ours: Float[jax.Array, "n response v"], theirs: Float[jax.Array, "n response v"]
) -> LogProbs:
    """sum_t KL(p || q) of every row, from the logarithms of both, all finite."""
    return jnp.sum(jnp.exp(ours) * (ours - theirs), axis=(1, 2))


def _kl(
    laws: Float[jax.Array, "*rows response v"],
    log_probs: Float[jax.Array, "*rows response v"],
) -> Float[jax.Array, "*rows"]:
    """sum_t KL(p || q) of every row; zero where p is."""
    some = laws > 0
    ratio = jnp.log(jnp.where(some, laws, 1.0)) - log_probs
    return jnp.sum(jnp.where(some, laws * ratio, 0.0), axis=(-2, -1))
