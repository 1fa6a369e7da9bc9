"""Prompts of digits that a type of request says how to answer: or to refuse."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from simlab.sources.protocol import Leaf, LogProbs, Tokens, inverse_cdf

Asked = Int[jax.Array, "_ asked"]
"""Rows of a type's context token, the digits of a prompt and the separator."""


@functools.partial(
    jax.tree_util.register_dataclass,
    data_fields=["contexts", "orders", "shifts", "refusing"],
    meta_fields=["digits"],
)
@dataclass(frozen=True)
class TaskSource:
    """Type x from mu, uniform digits d, a separator, then the answer or a refusal.

    The answer of type x is d in the order `orders`[x], each digit plus `shifts`[x]
    modulo `digits`; with probability `refusing`[x] it is the refusal token, repeated.
    Shapes: contexts [x], orders [x, n], shifts [x], refusing [x]. Outputs are n digits,
    the separator `digits`, and n tokens of answer; `digits + 1` is the refusal.
    """

    contexts: Leaf
    orders: Leaf
    shifts: Leaf
    refusing: Leaf
    digits: int

    @property
    def vocabulary(self) -> int:
        """The number of output tokens: digits, separator, refusal."""
        return self.digits + 2

    @property
    def response(self) -> int:
        """Tokens of an answer: what a loss should score."""
        return int(self.orders.shape[-1])

    @property
    def length(self) -> int:
        """Outputs of a sequence."""
        return 2 * self.response + 1

    def sample(self, key: jax.Array, count: int) -> Tokens:
        """Draws types, digits, and whether each is refused."""
        key_asked, key_refused = jax.random.split(key)
        asked = self.asked(key_asked, count)
        return self.answered(key_refused, asked)

    def asked(self, key: jax.Array, count: int) -> Asked:
        """Types and prompts of `count` sequences, without an answer."""
        key_type, key_digits = jax.random.split(key)
        shape = (count, self.response)
        drawn = jax.random.randint(key_digits, shape, 0, self.digits)
        return self._asked(key_type, drawn)

    def answered(self, key: jax.Array, asked: Asked) -> Tokens:
        """The same prompts, each answered or refused as its type is."""
        chance = self.refusing[asked[:, 0] - self.vocabulary]
        refused = jax.random.uniform(key, (len(asked), 1)) < chance[:, None]
        return jnp.where(refused, self.refused(asked), self.complied(asked))

    def complied(self, asked: Asked) -> Tokens:
        """The same prompts, all answered by their skill."""
        kind, prompt = asked[:, 0] - self.vocabulary, asked[:, 1 : self.response + 1]
        ordered = jnp.take_along_axis(prompt, self.orders[kind], axis=1)
        answer = (ordered + self.shifts[kind][:, None]) % self.digits
        return jnp.concatenate([asked, answer.astype(asked.dtype)], axis=1)

    def refused(self, asked: Asked) -> Tokens:
        """The same prompts, all refused."""
        refusal = jnp.full((len(asked), self.response), self.digits + 1, asked.dtype)
        return jnp.concatenate([asked, refusal], axis=1)

    def disjoint(self, key: jax.Array, sizes: Sequence[int]) -> tuple[Tokens, ...]:
        """Fixed sets of these sizes, in which no two rows have the same digits.

        One draw of prompts without replacement, cut in pieces: what is held out is in
        no other set, whatever its type. Errors: ValueError when the sizes
        exceed the prompts that there are.
        """
        prompts, wanted = self.digits**self.response, sum(sizes)
        if wanted > prompts or min(sizes, default=0) < 1:
            raise ValueError(
                f"sizes={tuple(sizes)} must be >= 1 and sum to at most {prompts}, the "
                f"prompts of {self.response} digits of {self.digits}"
            )
        key_codes, key_type, key_refused = jax.random.split(key, 3)
        codes = jax.random.permutation(key_codes, prompts)[:wanted]
        powers = self.digits ** jnp.arange(self.response - 1, -1, -1)
        asked = self._asked(key_type, codes[:, None] // powers % self.digits)
        rows = self.answered(key_refused, asked)
        ends = [sum(sizes[: i + 1]) for i in range(len(sizes))]
        return tuple(
            rows[end - size : end] for end, size in zip(ends, sizes, strict=True)
        )

    def log_context(self, tokens: Tokens) -> LogProbs:
        """Log mu(type): a look-up."""
        return jnp.log(self.contexts[tokens[:, 0] - self.vocabulary])

    def log_prob(self, tokens: Tokens) -> LogProbs:
        """Log p(outputs | type): -n log(digits), plus that of the answer."""
        asked = tokens[:, : self.response + 2]
        prompt = asked[:, 1:-1]
        proper = jnp.all(prompt < self.digits, axis=1) & (asked[:, -1] == self.digits)
        chance = self.refusing[tokens[:, 0] - self.vocabulary]
        # A refusal is no digit, so at most one of the two is the answer.
        weight = (1 - chance) * jnp.all(tokens == self.complied(asked), axis=1)
        weight = weight + chance * jnp.all(tokens == self.refused(asked), axis=1)
        said = jnp.log(weight) - self.response * math.log(self.digits)
        return jnp.where(proper, said, -jnp.inf)

    def outputs(self) -> Float[jax.Array, "x y"]:
        """p(y|x) of every sequence; for worlds small enough to list.

        Column y has the base-`vocabulary` code y. Errors: ValueError beyond a million
        sequences.
        """
        cells = self.vocabulary**self.length
        if cells > 10**6:
            raise ValueError(
                f"{self.vocabulary} ** {self.length} sequences are too many to list: "
                "sample them, or take fewer digits"
            )
        powers = self.vocabulary ** jnp.arange(self.length - 1, -1, -1)
        rows = jnp.arange(cells)[:, None] // powers % self.vocabulary

        def law(kind: jax.Array) -> jax.Array:
            first = jnp.full((cells, 1), self.vocabulary + kind)
            return jnp.exp(self.log_prob(jnp.concatenate([first, rows], axis=1)))

        table: jax.Array = jax.lax.map(law, jnp.arange(len(self.contexts)))
        return table

    def joint(self) -> Float[jax.Array, "x y"]:
        """mu(x) p(y|x), of every type and sequence."""
        joint: jax.Array = self.contexts[:, None] * self.outputs()
        return joint

    def _asked(self, key: jax.Array, digits: jax.Array) -> Asked:
        """The digits, of types drawn from mu, with a separator."""
        count = len(digits)
        mu = jnp.broadcast_to(jnp.cumsum(self.contexts), (count, len(self.contexts)))
        kind = inverse_cdf(mu, jax.random.uniform(key, (count,)))
        first = (self.vocabulary + kind)[:, None].astype(digits.dtype)
        end = jnp.full((count, 1), self.digits, digits.dtype)
        return jnp.concatenate([first, digits, end], axis=1)
