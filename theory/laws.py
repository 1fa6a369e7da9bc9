"""Laws and worlds: the mathematical objects every formula speaks of."""

from typing import NamedTuple

from theory.typing import Contexts, Table


class Law(NamedTuple):
    """A joint law of contexts and outputs, D(x, y) = mu(x) p(y|x).

    `contexts` is mu, shape [..., x]; `outputs` is p, shape [..., x, y]. Rows of `outputs`
    sum to 1 even where mu is 0. A sequence law is a Law whose outputs enumerate
    vocabulary ** length sequences, the first token being the most significant digit.
    """

    contexts: Contexts
    outputs: Table


class World(NamedTuple):
    """Original safety data D_s, proxy safety data D^_s and capability data D_f.

    All three share the context axis x and the output axis y. Source: notes 2.
    """

    safety: Law
    proxy: Law
    capability: Law
