"""Defences against harmful fine-tuning behind one Protocol, and how users train.

`Defence.prepare` turns a base into a guarded model and the terms of training it
(`Guard`); a `Regime` trains it on a user's data and gives what is deployed. All
guarded models are one model, so one program serves all defences of a regime.
"""

from simlab.defences.activations import (
    ConceptAblation,
    PreventativeSteering,
    ProjectionKnobs,
    SteeringKnobs,
)
from simlab.defences.booster import Booster
from simlab.defences.guard import (
    Defence,
    Gates,
    Guard,
    Known,
    Lab,
    Regime,
    Rules,
    User,
    curated,
    deployed,
    unguarded,
    with_projection,
    with_steering,
    with_vector,
)
from simlab.defences.immunised import Immunised, Strength
from simlab.defences.plain import Plain, Terms
from simlab.defences.regimes import Adapter, Alternated, Deployed, Whole
from simlab.defences.repnoise import RepNoise, squared_discrepancy
from simlab.defences.roster import Arm, When, roster
from simlab.defences.vaccine import Vaccine
from simlab.defences.vectors import VectorKnobs, Vectors

__all__ = [
    "Adapter",
    "Alternated",
    "Arm",
    "Booster",
    "ConceptAblation",
    "Defence",
    "Deployed",
    "Gates",
    "Guard",
    "Immunised",
    "Known",
    "Lab",
    "Plain",
    "PreventativeSteering",
    "ProjectionKnobs",
    "Regime",
    "RepNoise",
    "Rules",
    "SteeringKnobs",
    "Strength",
    "Terms",
    "User",
    "Vaccine",
    "VectorKnobs",
    "Vectors",
    "When",
    "Whole",
    "curated",
    "deployed",
    "roster",
    "squared_discrepancy",
    "unguarded",
    "with_projection",
    "with_steering",
    "with_vector",
]
