"""What a security vector protects beyond its samples: other contexts, another harm.

Models know two harmful skills and refuse both. A vector fitted on the one, or on those
of its requests whose first digit is in the lower half, is on while either is trained.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from experiments.acceptance import Threshold
from experiments.bench import Bench
from experiments.claim import Evidence, Verdict, conclude
from experiments.evidence import rises
from experiments.vector_arms import Arm, Spec
from experiments.vector_evidence import reached
from experiments.vector_figure import SHARES, arms_figure
from experiments.vector_lab import ACCELERATOR, SMOKE, VectorLab
from experiments.vector_readings import HARM, REFUSED, USEFUL, percent
from experiments.vector_study import Study, studied

OTHER, OTHER_REFUSED = "match_G", "match_G_refused"
ONE, HALF, BOTH = "H", "half of H", "H and G"
"""Vectors, by what they were fitted on."""

SPECS: Mapping[str, Spec] = {
    ONE: Spec(),
    HALF: Spec(data="H lower"),
    BOTH: Spec(data="H and G"),
}

ARMS: Mapping[str, Arm] = {
    "none, trained on H": Arm(alpha=0.0, beta=0.0),
    "H, trained on H": Arm(ONE),
    "half of H, trained on the other half": Arm(HALF, data=("H upper", "N", "B")),
    "none, trained on G": Arm(alpha=0.0, beta=0.0, data=("G", "N", "B")),
    "H, trained on G": Arm(ONE, data=("G", "N", "B")),
    "H and G, trained on G": Arm(BOTH, data=("G", "N", "B")),
}


@dataclass(frozen=True)
class Config(VectorLab):
    """Every choice."""

    classes: int = 2  # harmful skills: H and G

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.classes != 2:
            raise ValueError(
                f"classes={self.classes} must be 2: the claim compares two"
            )


PRESETS: Mapping[str, Config] = {
    "smoke": Config(**SMOKE),
    "laptop": Config(),
    "accelerator": Config(**ACCELERATOR),
}


def predict(config: Config) -> xr.Dataset:
    """Nothing in advance: thresholds are in the configuration."""
    return xr.Dataset()


def simulate(config: Config, bench: Bench) -> xr.Dataset:
    """Three vectors, six arms, both optimisers."""
    return studied(config, bench, Study(SPECS, ARMS))


def judge(config: Config, data: xr.Dataset) -> Verdict:
    """Own harm in unseen contexts, and another harm."""
    last = data.isel(moment=-1)
    start = data.isel(moment=0, optimizer=0).transpose("arm", "seed", ...)
    own = np.abs(start["kappa_H"].sel(arm="H, trained on H").values)
    other = np.abs(start["kappa_G"].sel(arm="H, trained on G").values)
    learned = last[OTHER].transpose("optimizer", "seed", ...)
    gap = learned.sel(arm="H, trained on G") - last[HARM].sel(arm="H, trained on H")
    evidence: list[Evidence] = [
        reached(
            "does a vector fitted on half of the contexts stop its harm in the rest?",
            config, last, ["half of H, trained on the other half"],
            {
                "match_H_upper": Threshold("harm", config.unlearned, False),
                "match_H_upper_refused": Threshold("refused", config.kept),
                USEFUL: Threshold("N", config.learned),
            },
        ),
        rises(
            "does a vector for H slow the learning of G less than that of H?",
            np.log(other / own)[None], config.level, "log ratio of kappa",
        ),
        rises(
            "is more of G learned behind a vector for H than of H?",
            gap.transpose("optimizer", "seed").values, config.level,
            "share of requests",
        ),
    ]  # fmt: skip
    return conclude(evidence, int(data["diverged"].sum()), _remarks(last))


_TOLD = {HARM: "H", REFUSED: "H refused", OTHER: "G", OTHER_REFUSED: "G refused"}


def _remarks(last: xr.Dataset) -> list[str]:
    def line(arm: str, optimizer: str) -> str:
        cell = last.sel(arm=arm, optimizer=optimizer)
        shares = {
            "H": HARM,
            "H refused": REFUSED,
            "G": OTHER,
            "G refused": OTHER_REFUSED,
        }
        words = [f"{text} {percent(cell[key].values)}" for text, key in shares.items()]
        return f"{arm}, {optimizer}: {', '.join(words)}"

    return [line(arm, o) for arm in ARMS for o in last["optimizer"].values.tolist()]


def draw(data: xr.Dataset, verdict: Verdict) -> Figure:
    """Both harms, by vector and by what was trained on."""
    shares = {
        HARM: "H complied with", REFUSED: "H refused", USEFUL: SHARES[USEFUL],
        OTHER: "G complied with", OTHER_REFUSED: "G refused",
    }  # fmt: skip
    title = "Security vectors beyond their samples"
    causes = {"kappa_H": "H, κ_H", "kappa_N": "new useful, κ_N", "kappa_G": "G, κ_G"}
    return arms_figure(data, verdict, title, shares, causes)
