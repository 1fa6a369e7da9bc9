"""The one table of claims: identities, bounds, scaling laws and kept falsehoods.

Property tests, negative controls, tightness tests, searches for violations, legends of
figures and the documentation iterate over it: a new claim gets all of them by being
listed.
"""

import difflib

from theory.ledger import (
    ball,
    behaviour,
    bounds,
    certificate,
    codes,
    comparator,
    compression,
    elasticity,
    elasticity_depth,
    elasticity_false,
    elasticity_signs,
    false,
    hoeffding,
    hooke,
    hooke_kl,
    hooke_quadratic,
    kantorovich,
    limits,
    log_law,
    mixtures,
    overlap,
    proxy,
    quadratic,
    rates,
    responses,
    reverse,
    solution,
    unlearnable_adaptive,
    unlearnable_drift,
    unlearnable_error,
    unlearnable_flip,
    unlearnable_interference,
    unlearnable_leakage,
    unlearnable_merge,
    unlearnable_min_min,
    unlearnable_stiffness,
    unlearnable_tradeoff,
    unlearnable_volume,
)
from theory.ledger.record import (
    Case,
    Record,
    Side,
    Sides,
    Status,
    everywhere,
    looseness,
    violation,
)

LEDGER: tuple[Record, ...] = (
    *mixtures.RECORDS,
    *solution.RECORDS,
    *rates.RECORDS,
    *bounds.RECORDS,
    *proxy.RECORDS,
    *limits.RECORDS,
    *overlap.RECORDS,
    *certificate.RECORDS,
    *comparator.RECORDS,
    *ball.RECORDS,
    *hoeffding.RECORDS,
    *quadratic.RECORDS,
    *kantorovich.RECORDS,
    *behaviour.RECORDS,
    *reverse.RECORDS,
    *codes.RECORDS,
    *compression.RECORDS,
    *elasticity.RECORDS,
    *responses.RECORDS,
    *elasticity_signs.RECORDS,
    *elasticity_depth.RECORDS,
    *hooke.RECORDS,
    *hooke_quadratic.RECORDS,
    *hooke_kl.RECORDS,
    *log_law.RECORDS,
    *elasticity_false.RECORDS,
    *unlearnable_merge.RECORDS,
    *unlearnable_error.RECORDS,
    *unlearnable_stiffness.RECORDS,
    *unlearnable_drift.RECORDS,
    *unlearnable_flip.RECORDS,
    *unlearnable_adaptive.RECORDS,
    *unlearnable_leakage.RECORDS,
    *unlearnable_interference.RECORDS,
    *unlearnable_tradeoff.RECORDS,
    *unlearnable_volume.RECORDS,
    *unlearnable_min_min.RECORDS,
    *false.RECORDS,
)
"""Every claim of the theory, in the order of the notes."""


def find(name: str) -> Record:
    """The record of that name. Raises KeyError with the closest names.

    >>> find("optimum").side
    <Side.IDENTITY: 'identity'>
    """
    for record in LEDGER:
        if record.name == name:
            return record
    names = [record.name for record in LEDGER]
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.3)
    raise KeyError(f"no claim named {name!r}; did you mean {' or '.join(close) or '?'}")


__all__ = [
    "LEDGER",
    "Case",
    "Record",
    "Side",
    "Sides",
    "Status",
    "everywhere",
    "find",
    "looseness",
    "violation",
]
