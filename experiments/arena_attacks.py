"""The attackers of the arena, by name."""

from collections.abc import Mapping
from types import MappingProxyType

from simlab.attacks import Attack
from simlab.optimizers import Adam, Sgd

REFERENCE = "reference"
"""The attack that every defence is tuned against."""

_ALL = (
    Attack(REFERENCE),
    Attack("much harm", share=0.9),
    Attack("little harm", share=0.1),
    Attack("few data", samples=100),
    Attack("high rate", rate=1e-2),
    Attack("near harm", near=True),
    Attack("high rate, near harm", rate=1e-2, near=True),
    Attack("SGD", Sgd(), rate=0.3),
    Attack("SGD, near harm", Sgd(), rate=0.3, near=True),
    Attack("momentum", Sgd(momentum=0.9), rate=0.03),
    Attack("large epsilon", Adam(eps=1e-2), rate=1e-2),
    Attack("AdamW", Adam(decay=0.1)),
)

ATTACKS: Mapping[str, Attack] = MappingProxyType({one.name: one for one in _ALL})
"""Data size, harmful share, learning rate, optimiser and class of harm, one or two at a
time away from the reference; how long is the arena's axis `stop`."""
