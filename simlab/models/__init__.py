"""Models behind one interface: init(key) -> params, apply(params, tokens) -> logits."""

from simlab.models.adapters import (
    Adapted,
    Carried,
    Part,
    carried,
    gated,
    norms,
    random_like,
    squared_norms,
    total_norm,
)
from simlab.models.bigram import Bigram
from simlab.models.carriers import (
    Bias,
    Carrier,
    Factors,
    LowRank,
    Prefix,
    Steering,
    Vector,
    mean_difference,
)
from simlab.models.dense import Dense
from simlab.models.edits import Editable, Edits, Projector
from simlab.models.precision import exact
from simlab.models.projection import Projection, principal_directions
from simlab.models.protocol import Model, Params, PartlyTrained
from simlab.models.tabular import Tabular
from simlab.models.transformer import Activation, Compute, Positions, Transformer

__all__ = [
    "Activation",
    "Adapted",
    "Bias",
    "Bigram",
    "Carried",
    "Carrier",
    "Compute",
    "Dense",
    "Editable",
    "Edits",
    "Factors",
    "LowRank",
    "Model",
    "Params",
    "Part",
    "PartlyTrained",
    "Positions",
    "Prefix",
    "Projection",
    "Projector",
    "Steering",
    "Tabular",
    "Transformer",
    "Vector",
    "carried",
    "exact",
    "gated",
    "mean_difference",
    "norms",
    "principal_directions",
    "random_like",
    "squared_norms",
    "total_norm",
]
