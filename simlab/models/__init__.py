"""Models behind one interface: init(key) -> params, apply(params, tokens) -> logits."""

from simlab.models.bigram import Bigram
from simlab.models.protocol import Model, Params
from simlab.models.tabular import Tabular
from simlab.models.transformer import Activation, Positions, Transformer

__all__ = [
    "Activation",
    "Bigram",
    "Model",
    "Params",
    "Positions",
    "Tabular",
    "Transformer",
]
