"""Sources of token sequences: laws given as arrays, sampled on the device."""

from simlab.sources.dataset import DatasetSource
from simlab.sources.draw import dirichlet_chain, dirichlet_table
from simlab.sources.markov import MarkovSource
from simlab.sources.mixtures import MixtureSource
from simlab.sources.protocol import Enumerable, LogProbs, Source, Tokens
from simlab.sources.styles import StyledSource
from simlab.sources.tabular import TabularSource
from simlab.sources.tasks import TaskSource
from simlab.sources.tokenworld import TokenWorld
from simlab.sources.weighted import WeightedRows

__all__ = [
    "DatasetSource",
    "Enumerable",
    "LogProbs",
    "MarkovSource",
    "MixtureSource",
    "Source",
    "StyledSource",
    "TabularSource",
    "TaskSource",
    "TokenWorld",
    "Tokens",
    "WeightedRows",
    "dirichlet_chain",
    "dirichlet_table",
]
