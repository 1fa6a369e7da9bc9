"""What a claim is: predict, simulate, judge, draw; and what a verdict is."""

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # this module is imported by `simlab list`, which loads no JAX
    import xarray as xr
    from matplotlib.figure import Figure

    from experiments.bench import Bench


class UsageError(ValueError):
    """A user's mistake, told in one line."""


class Outcome(enum.StrEnum):
    """What the evidence says of a claim."""

    HOLDS = "holds"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


EXIT_CODES = {Outcome.HOLDS: 0, Outcome.VIOLATED: 1, Outcome.INCONCLUSIVE: 3}
EXIT_USAGE = 2
EXIT_LOST, EXIT_INTERRUPTED, EXIT_PREEMPTED = 4, 130, 143


@dataclass(frozen=True)
class Evidence:
    """One question asked of the data.

    `slack` is the distance to failure in `units`: positive when the question's answer
    is yes, and not a number where the data cannot answer.
    """

    question: str
    outcome: Outcome
    slack: float
    units: str
    detail: str


@dataclass(frozen=True)
class Verdict:
    """The outcome, the evidence for it, and remarks that judge nothing."""

    outcome: Outcome
    evidence: tuple[Evidence, ...]
    remarks: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the manifest keeps it."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Verdict":
        """As the manifest gives it back."""
        evidence = (
            Evidence(
                item["question"],
                Outcome(item["outcome"]),
                float(item["slack"]),
                item["units"],
                item["detail"],
            )
            for item in saved["evidence"]
        )
        return cls(Outcome(saved["outcome"]), tuple(evidence), tuple(saved["remarks"]))


def conclude(
    evidence: Iterable[Evidence], diverged: int, remarks: Iterable[str] = ()
) -> Verdict:
    """Violated if any evidence is; else inconclusive if any is, or any run diverged.

    >>> yes = Evidence("is it so?", Outcome.HOLDS, 1.0, "nats", "")
    >>> conclude([yes], diverged=0).outcome.value
    'holds'
    >>> conclude([yes], diverged=1).outcome.value
    'inconclusive'
    """
    collected = list(evidence)
    if diverged:
        collected.append(
            Evidence(
                "did every run stay finite?",
                Outcome.INCONCLUSIVE,
                math.nan,
                "runs",
                f"{diverged} runs diverged; they are kept, marked, and judge nothing",
            )
        )
    found = {item.outcome for item in collected}
    for outcome in (Outcome.VIOLATED, Outcome.INCONCLUSIVE):
        if outcome in found:
            return Verdict(outcome, tuple(collected), tuple(remarks))
    # No evidence is no support.
    outcome = Outcome.HOLDS if collected else Outcome.INCONCLUSIVE
    return Verdict(outcome, tuple(collected), tuple(remarks))


class Claim(Protocol):
    """A module of this package: one claim of one paper."""

    PRESETS: Mapping[str, Any]
    """Frozen Config dataclasses by name: smoke, laptop, accelerator."""

    def predict(self, config: Any, /) -> "xr.Dataset":
        """What theory says, from the configuration alone."""

    def simulate(self, config: Any, bench: "Bench", /) -> "xr.Dataset":
        """What the simulator measures."""

    def judge(self, config: Any, data: "xr.Dataset", /) -> Verdict:
        """The verdict on prediction and measurement, merged in one dataset."""

    def draw(self, data: "xr.Dataset", verdict: Verdict, /) -> "Figure":
        """The figure, from the stored data alone."""
