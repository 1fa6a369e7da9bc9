"""Prompts that are answered in one of several styles: a Markov chain each."""

import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.sources.protocol import Leaf, LogProbs, Tokens, inverse_cdf


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["contexts", "initial", "prompts", "styles", "mix"],
    meta_fields=["prompt", "response"],
)
@dataclass(frozen=True)
class StyledSource:
    """Topic x from mu, `prompt` tokens of its chain, then `response` tokens of a style.

    The style z of a response is drawn once, from `mix`; its first token follows the
    last one of the prompt. Shapes: contexts [x], initial [x, v], prompts [x, v, v],
    styles [z, x, v, v], mix [z]; rows sum to 1. A sequence is the topic's token and
    `prompt + response` outputs.
    """

    contexts: Leaf
    initial: Leaf
    prompts: Leaf
    styles: Leaf
    mix: Leaf
    prompt: int
    response: int

    @property
    def vocabulary(self) -> int:
        """The number of output tokens."""
        return int(self.initial.shape[-1])

    @property
    def length(self) -> int:
        """Outputs of a sequence."""
        return self.prompt + self.response

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws prompts, styles and responses."""
        key_prompt, key_style, key_response = jax.random.split(key, 3)
        cumulative = jnp.broadcast_to(jnp.cumsum(self.mix), (count, self.mix.shape[-1]))
        style = inverse_cdf(cumulative, jax.random.uniform(key_style, (count,)))
        return self.answered(key_response, self.asked(key_prompt, count), style)

    def asked(self, key: jax.Array, count: int) -> Tokens:
        """Topic and prompt of `count` sequences, without a response."""
        uniform = jax.random.uniform(key, (self.prompt + 1, count))
        mu = jnp.broadcast_to(jnp.cumsum(self.contexts), (count, len(self.contexts)))
        topic = inverse_cdf(mu, uniform[0])
        first = inverse_cdf(jnp.cumsum(self.initial, -1)[topic], uniform[1])
        rows = jnp.cumsum(self.prompts, -1)[topic]
        rest = _followed(rows, first, uniform[2:])
        return jnp.stack([self.vocabulary + topic, first, *rest], axis=1)

    def answered(
        self, key: jax.Array, asked: Int[jax.Array, "_ asked"], style: Leaf
    ) -> Tokens:
        """The same prompts with responses of the styles [count] or of one style."""
        count = len(asked)
        topic = asked[:, 0] - self.vocabulary
        rows = jnp.cumsum(self.styles, -1)[jnp.broadcast_to(style, (count,)), topic]
        uniform = jax.random.uniform(key, (self.response, count))
        said = _followed(rows, asked[:, -1], uniform)
        return jnp.concatenate([asked, said.T], axis=1)

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log mu(topic): a look-up."""
        return jnp.log(self.contexts[tokens[:, 0] - self.vocabulary])

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(prompt | topic) + log sum_z mix_z p_z(response | prompt, topic)."""
        topic, outputs = tokens[:, 0] - self.vocabulary, tokens[:, 1:]
        asked = outputs[:, : self.prompt]
        moves = self.prompts[topic[:, None], asked[:, :-1], asked[:, 1:]]
        start = jnp.log(self.initial[topic, asked[:, 0]])
        mixed = jax.nn.logsumexp(self.log_styles(tokens) + jnp.log(self.mix), axis=-1)
        return start + jnp.sum(jnp.log(moves), axis=1) + mixed

    def log_styles(self, tokens: Tokens) -> Float[jax.Array, "_ z"]:
        """Log p_z(response | prompt, topic) of every style: the exact judge."""
        said = jnp.log(self.following(tokens))
        outputs = tokens[:, 1 + self.prompt :]
        chosen = jnp.take_along_axis(said, outputs[:, None, :, None], axis=-1)
        return jnp.sum(chosen[..., 0], axis=-1)

    def following(self, tokens: Tokens) -> Float[jax.Array, "_ z response v"]:
        """The law of every response token, given what came before, in every style."""
        topic = tokens[:, 0] - self.vocabulary
        before = tokens[:, self.prompt : -1]
        rows = self.styles[:, topic[:, None], before]
        return jnp.moveaxis(rows, 0, 1)


def _followed(
    cumulative: Float[jax.Array, "count v v"],
    token: jax.Array,
    uniform: Float[jax.Array, "steps count"],
) -> jax.Array:
    """The tokens [steps, count] that follow `token` in each row's own chain."""
    rows = jnp.arange(len(token))

    def step(last: jax.Array, draw: jax.Array) -> tuple[jax.Array, jax.Array]:
        following = inverse_cdf(cumulative[rows, last], draw)
        return following, following

    return jax.lax.scan(step, token, uniform)[1]
