"""A study of security vectors: some vectors, some arms, one table of what came out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import xarray as xr

from experiments.bench import Bench
from experiments.labels import labelled
from experiments.vector_arms import (
    ZERO,
    Arm,
    Spec,
    Vectors,
    dense,
    fitted_by_name,
    random_of,
    tuned_arms,
    zero_of,
)
from experiments.vector_lab import ADAM, SGD, Rows, VectorLab, rows_of, vector_fit
from experiments.vector_readings import arm_readings, axes, fit_readings
from experiments.vector_runs import Fitted, Tuned, aligned_bases
from simlab.models import LowRank, Params
from simlab.security_vectors import VectorFit


@dataclass(frozen=True)
class Study:
    """Vectors to fit and arms to run, by name, each under every optimiser.

    `random` names vectors drawn like a fitted one, module by module of its norm. Arms
    may use the vector `ZERO` too.
    """

    specs: Mapping[str, Spec]
    arms: Mapping[str, Arm]
    random: Mapping[str, str] | None = None
    optimizers: tuple[str, ...] = (SGD, ADAM)


class Raised(NamedTuple):
    """The rows and the bases of a lab [seed], made once for all its studies."""

    rows: Rows
    bases: Params


def raised_in(lab: VectorLab, bench: Bench) -> Raised:
    """The rows of every seed, and models pre-trained and aligned."""
    return Raised(rows_of(lab), aligned_bases(lab, bench))


class Studied(NamedTuple):
    """What came of a study: fits by vector, vectors as arms carry them, runs.

    `tuned` by optimiser; leaves [seed, ...] of vectors, [seed, arm, ...] of runs.
    """

    fitted: Mapping[str, Fitted]
    vectors: Vectors
    tuned: Mapping[str, Tuned]


def studied(
    lab: VectorLab,
    bench: Bench,
    study: Study,
    *,
    fit: VectorFit | None = None,
    raised: Raised | None = None,
    extra: Mapping[str, Any] | None = None,
    label: str = "",
) -> xr.Dataset:
    """What came of every arm and vector, labelled; see `vector_readings`.

    `fit` is the lab's own unless given; `extra` are vectors [seed] of its carrier that
    were not fitted; `label` tells the sweeps, arms and vectors of several
    studies apart.
    """
    grown = raised or raised_in(lab, bench)
    done = carried_out(lab, bench, study, grown, fit=fit, extra=extra, label=label)
    return labelled(
        {**arm_readings(lab, done.tuned), **fit_readings(done.fitted)},
        axes(
            lab, list(done.tuned), [label + name for name in study.arms],
            [label + name for name in study.specs],
        ),
    )  # fmt: skip


def carried_out(
    lab: VectorLab,
    bench: Bench,
    study: Study,
    raised: Raised,
    *,
    fit: VectorFit | None = None,
    extra: Mapping[str, Any] | None = None,
    label: str = "",
) -> Studied:
    """The fits and the runs of a study, for those who read them otherwise."""
    fit = fit or vector_fit(lab)
    rows, bases = raised
    fitted = fitted_by_name(
        lab, bench, fit, bases, rows, study.specs, f"{label}vectors"
    )
    raw: dict[str, Any] = {name: one.vector for name, one in fitted.items()}
    raw |= extra or {}
    for name, like in (study.random or {}).items():
        raw[name] = random_of(lab, fit.carrier, raw[like])
    raw[ZERO] = zero_of(next(iter(raw.values())))
    carrier = fit.carrier
    if isinstance(carrier, LowRank):
        raw = {name: dense(carrier, vector) for name, vector in raw.items()}
    tuned = {
        name: tuned_arms(
            lab, bench, bases, rows, raw, study.arms, name,
            None if isinstance(carrier, LowRank) else carrier,
            name=f"{label}fine-tuning, {name}",
        )
        for name in study.optimizers
    }  # fmt: skip
    return Studied(fitted, raw, tuned)


def joined(studies: Sequence[xr.Dataset]) -> xr.Dataset:
    """Several studies of one lab as one: their arms, and their vectors, in a row."""
    arms = xr.concat([one.drop_dims("vector") for one in studies], "arm")
    vectors = xr.concat([one.drop_dims(["arm", "moment"]) for one in studies], "vector")
    return xr.merge([arms, vectors], compat="override", join="exact")
