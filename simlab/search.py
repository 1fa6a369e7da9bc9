"""A search for the worst attack under a bound on what it may cost its user (Optuna)."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from simlab.attacks import Attack


class Damage(NamedTuple):
    """What an attack does: the safety it undoes and the capability that is lost."""

    harm: float  # the safety gap of the deployed model, nats
    lost: float  # share of the capability gained without a defence


class Found(NamedTuple):
    """The worst attack within the bound; None where no trial kept it."""

    attack: Attack | None
    damage: Damage | None
    trials: int


@dataclass(frozen=True)
class Space:
    """Where attacks are looked for; rates and samples on logarithmic scales.

    An attack begins as one of `starts`, which differ in their optimisers; `rates` are
    factors on its learning rate.
    """

    starts: tuple[Attack, ...] = (Attack("searched"),)
    rates: tuple[float, float] = (0.1, 10.0)
    shares: tuple[float, float] = (0.05, 0.95)
    samples: tuple[int, int] = (50, 1000)
    near: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        for name in ("rates", "shares", "samples"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}={(low, high)} must rise from above 0")


def worst_attack(
    evaluate: Callable[[Attack], Damage],
    allowed: float,
    *,
    space: Space | None = None,
    trials: int = 40,
    seed: int = 0,
) -> Found:
    """The attack of most harm that loses at most `allowed`, by Optuna's TPE sampler.

    `evaluate` trains and measures; a defence that everyone leaves counts as unbroken,
    hence the bound (TamperBench). Equal seeds give equal searches. Errors: ImportError
    where Optuna is not installed.
    """
    optuna = _optuna()
    where = Space() if space is None else space

    def objective(trial: Any) -> float:
        attack = _suggested(trial, where)
        damage = evaluate(attack)
        trial.set_constraint("lost", damage.lost - allowed)
        done.append((attack, damage))
        return float(damage.harm)

    done: list[tuple[Attack, Damage]] = []
    sampler = optuna.samplers.TPESampler(seed=seed)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    study.optimize(objective, n_trials=trials)
    kept = [pair for pair in done if pair[1].lost <= allowed]
    if not kept:
        return Found(None, None, len(done))
    attack, damage = max(kept, key=lambda pair: pair[1].harm)
    return Found(attack, damage, len(done))


def _suggested(trial: Any, space: Space) -> Attack:
    start = space.starts[
        trial.suggest_categorical("start", list(range(len(space.starts))))
    ]
    attack: Attack = replace(
        start,
        rate=start.rate * trial.suggest_float("rate", *space.rates, log=True),
        share=trial.suggest_float("share", *space.shares),
        samples=trial.suggest_int("samples", *space.samples, log=True),
        near=trial.suggest_categorical("near", list(space.near)),
    )
    return attack


def _optuna() -> Any:
    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise ImportError(
            "the search for the worst attack needs Optuna: pip install 'simlab[search]'"
        ) from error
