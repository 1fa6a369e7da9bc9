"""The arena's table: every defence's worst case, price, and paired comparisons."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr

from experiments.arena_attacks import REFERENCE
from experiments.arena_readings import CELLS, lost_capability, worst_case
from simlab.statistics import estimate, holm, minimum_detectable, one_sided


@dataclass(frozen=True)
class Row:
    """One defence: means and standard errors over seeds, and two comparisons."""

    name: str
    when: str
    knob: str
    setting: float
    budget: int
    worst: float
    worst_sem: float
    reference: float
    lost: float
    lost_sem: float
    against_none: str
    against_vector: str


def rows(
    data: xr.Dataset, level: float, power: float, allowed: float
) -> tuple[Row, ...]:
    """The table, the safest in the worst case first.

    Defences that lose more capability than allowed come last.
    """
    names = [str(name) for name in data["defence"].values]
    worst, lost = worst_case(data), lost_capability(data)
    reference = data["gap_safety"].transpose(*CELLS).sel(attack=REFERENCE)
    none, vector = (
        comparisons(worst, names.index(other), level, power)
        for other in ("none", "security vector")
    )
    made = [
        Row(
            name=name,
            when=str(data["when"].values[i]),
            knob=str(data["knob"].values[i]),
            setting=float(data["value"].values[i, int(data["chosen"].values[i])]),
            budget=int(data["budget"].values[i]),
            worst=float(worst[i].mean()),
            worst_sem=_sem(worst[i]),
            reference=float(reference.values[i, -1].mean()),
            lost=float(lost[i].mean()),
            lost_sem=_sem(lost[i]),
            against_none=none[i],
            against_vector=vector[i],
        )
        for i, name in enumerate(names)
    ]
    return tuple(sorted(made, key=lambda row: (not row.lost <= allowed, row.worst)))


def _sem(samples: np.ndarray) -> float:
    return float(np.asarray(estimate(samples).sem))


def comparisons(worst: np.ndarray, other: int, level: float, power: float) -> list[str]:
    """Each row's worst case minus that of `other`, as text; * is found by Holm.

    Two-sided paired t over seeds. A row equal to the other in every seed is compared
    with nothing.
    """
    differences = worst - worst[other]
    asked = [
        i
        for i, row in enumerate(differences)
        if np.isfinite(row).all() and np.any(row != 0) and row.size > 1
    ]
    texts = ["-"] * len(worst)
    if not asked:
        return texts
    found = holm([two_sided(differences[i]) for i in asked], level)
    first = 1 - (1 - level) / len(asked)
    for i, significant in zip(asked, found, strict=True):
        row = differences[i]
        least = minimum_detectable(float(row.std(ddof=1)), row.size, first, power)
        star = "*" if significant else ""
        texts[i] = f"{row.mean():+.3f}{star} [{least:.3f}]"
    return texts


def two_sided(differences: np.ndarray) -> float:
    """The p-value of a mean of zero: twice the smaller of the one-sided ones."""
    ends = [one_sided(estimate(sign * differences)).p_value for sign in (1, -1)]
    return float(min(1.0, 2 * min(float(np.asarray(p)) for p in ends)))


def ranking(table: tuple[Row, ...], allowed: float) -> Iterator[str]:
    """Who is safest in the worst case, and what that says of the security vector."""
    vector = next(row for row in table if row.name == "security vector")
    kinds = ("during training", "before training", "after training")
    rivals = [row for row in table if row.when in kinds and row.lost <= allowed]
    order = ", ".join(f"{row.name} {row.worst:.2f}" for row in rivals)
    yield f"at most {allowed:.0%} lost, safest first: {order or 'none'}"
    trained = [row for row in rivals if row.when == "during training"]
    first = trained and trained[0].name == vector.name
    better = [r.name for r in trained if _surely(r.against_vector, "-")]
    worse = [r.name for r in trained if _surely(r.against_vector, "+")]
    yield (
        "is the security vector the safest of the defences during training: "
        f"{'yes' if first else 'no'} by the mean; surely safer than it: "
        f"{', '.join(better) or 'none'}; surely less safe: {', '.join(worse) or 'none'}"
    )


def _surely(text: str, sign: str) -> bool:
    return text.startswith(sign) and "*" in text
