"""Every defence by name: what it prepares, how the user then trains, its one knob."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simlab.defences.activations import (
    ConceptAblation,
    PreventativeSteering,
    ProjectionKnobs,
    SteeringKnobs,
)
from simlab.defences.booster import Booster
from simlab.defences.guard import Defence, Regime
from simlab.defences.immunised import Immunised, Strength
from simlab.defences.plain import Plain, Terms
from simlab.defences.regimes import Adapter, Alternated, Whole
from simlab.defences.repnoise import RepNoise
from simlab.defences.vaccine import Vaccine
from simlab.defences.vectors import VectorKnobs, Vectors
from simlab.security_vectors import MinMin


class When(enum.Enum):
    """Where a defender has to be in control."""

    CONTROL = "control"  # no defence: what defences are compared with
    BEFORE = "before training"
    DURING = "during training"
    AFTER = "after training"


@dataclass(frozen=True)
class Arm:
    """One entry of an arena: `knobs(setting)` are the defence's hyper-parameters.

    `settings` are those that are tried when it is tuned, for every defence as many; a
    control without a knob has one.
    """

    name: str
    defence: Defence
    regime: Regime
    when: When
    knob: str
    settings: tuple[float, ...]
    knobs: Callable[[float], Any]


DOSES = (0.5, 0.75, 1.0, 1.5)
"""Gates of a vector that are tried."""


def roster(steps: int = 400) -> Mapping[str, Arm]:
    """Every defence by name, in the order of tables.

    `steps` are those of every preparation that trains: of a vector and of an immunised
    base alike. The settings bracket what the sources use where that is known; the rest
    is ours.
    """
    arms = (*_plain(), *_vectors(steps), *_activations(), *_immunised(steps))
    return MappingProxyType({arm.name: arm for arm in arms})


def _plain() -> tuple[Arm, ...]:
    plain, whole, during = Plain(), Whole(), When.DURING
    tokens = (0.25, 0.5, 0.75, 1.0)
    return (
        Arm("none", plain, whole, When.CONTROL, "-", (0.0,), lambda _: Terms()),
        Arm("oracle filter", plain, whole, When.CONTROL, "-", (0.0,),
            lambda _: Terms(keep_harmful=0.0)),
        Arm("adapter alone", plain, Adapter(), When.CONTROL, "-", (0.0,),
            lambda _: Terms()),
        Arm("penalty (Case I)", plain, whole, during, "penalty", (0.3, 1.0, 3.0, 10.0),
            lambda penalty: Terms(penalty=penalty)),
        Arm("ball (Case II)", plain, whole, during, "radius", (0.5, 1.0, 2.0, 4.0),
            lambda radius: Terms(radius=radius)),
        Arm("safety mixing", plain, whole, during, "copies", (1.0, 3.0, 10.0, 30.0),
            lambda copies: Terms(copies=copies)),
        Arm("Lisa", plain, Alternated(), during, "rho", (0.1, 1.0, 10.0, 100.0),
            lambda rho: Terms(proximal=rho)),
        Arm("inoculation token", plain, whole, during, "share of rows", tokens,
            lambda share: Terms(instruction=1.0, instructed=share)),
        Arm("irrelevant token", plain, whole, When.CONTROL, "share of rows", tokens,
            lambda share: Terms(instruction=2.0, instructed=share)),
    )  # fmt: skip


def _vectors(steps: int) -> tuple[Arm, ...]:
    whole, during, control = Whole(), When.DURING, When.CONTROL
    vectors, nested = Vectors(steps), Vectors(steps, min_min=MinMin())
    plain = {"kl": 0.0, "norm": 0.0}
    return (
        Arm("zero vector", vectors, whole, control, "-", (0.0,),
            lambda _: VectorKnobs(train=0.0)),
        Arm("security vector", vectors, whole, during, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate)),
        Arm("vector, plain", vectors, whole, during, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate, **plain)),
        Arm("vector, min-min", nested, whole, during, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate, **plain)),
        Arm("inoculation adapter", vectors, Adapter(), during, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate)),
        Arm("random vector", vectors, whole, control, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate, random=1.0)),
        Arm("useful vector", vectors, whole, control, "gate", DOSES,
            lambda gate: VectorKnobs(train=gate, useful=1.0)),
        Arm("negated vector", vectors, whole, control, "gate", DOSES,
            lambda gate: VectorKnobs(train=-gate)),
        Arm("post-hoc negation", vectors, whole, When.AFTER, "beta",
            (0.25, 0.5, 1.0, 2.0),
            lambda beta: VectorKnobs(train=0.0, deploy=-beta)),
    )  # fmt: skip


def _activations() -> tuple[Arm, ...]:
    whole, during = Whole(), When.DURING
    return (
        Arm("preventative steering", PreventativeSteering(), whole, during, "scale",
            (0.5, 1.0, 2.0, 4.0), SteeringKnobs),
        Arm("CAFT", ConceptAblation(), whole, during, "directions",
            (1.0, 2.0, 3.0, 4.0), ProjectionKnobs),
    )  # fmt: skip


def _immunised(steps: int) -> tuple[Arm, ...]:
    whole, before = Whole(), When.BEFORE
    return (
        Arm("Vaccine", Immunised(Vaccine(), steps), whole, before, "rho",
            (0.3, 1.0, 3.0, 10.0), Strength),
        Arm("Booster", Immunised(Booster(), steps), whole, before, "lambda",
            (0.5, 2.0, 5.0, 20.0), Strength),
        Arm("RepNoise", Immunised(RepNoise(), steps), whole, before, "strength",
            (0.1, 0.3, 1.0, 3.0), Strength),
    )  # fmt: skip
