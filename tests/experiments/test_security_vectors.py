"""The claims about security vectors: planted results, and configurations."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from experiments import security_vectors as headline
from experiments import security_vectors_carriers as carriers
from experiments import security_vectors_dose as dose
from experiments import security_vectors_generalisation as generalisation
from experiments import security_vectors_minmin as minmin
from experiments import security_vectors_rank_and_placement as placement
from experiments import security_vectors_samples as samples
from experiments.claim import Outcome
from tests.assertions import one_line
from tests.experiments.vector_toys import LEARNED, Cell, planted
from tests.experiments.verdicts import question

HOLDS, VIOLATED, OPEN = Outcome.HOLDS, Outcome.VIOLATED, Outcome.INCONCLUSIVE
NOISE = np.array([0.0, 0.02, -0.01, 0.01, -0.02])
"""Differences between five seeds, in log nats."""


def headline_data(**changed: Cell) -> xr.Dataset:
    cells = {
        "none": LEARNED, "zero_vector": LEARNED, "random_vector": LEARNED,
        "useful_vector": Cell(1.0, 0.0, 0.0), "negated_vector": LEARNED,
        "refusing_vector": LEARNED, **changed,
    }  # fmt: skip
    by_name = {arm: cells.get(arm.replace(" ", "_"), Cell()) for arm in headline.ARMS}
    losses = dict.fromkeys(headline.SPECS, 0.01)
    return planted(headline.Config(), by_name, losses)


def test_the_published_picture_holds() -> None:
    verdict = headline.judge(headline.Config(), headline_data())
    assert verdict.outcome is HOLDS
    assert any("not verified" in line for line in verdict.remarks)
    assert any("RepNoise" in line for line in verdict.remarks)


def test_harm_behind_the_vector_violates() -> None:
    data = headline_data(security_vector=Cell(0.5 + NOISE, 0.5))
    verdict = headline.judge(headline.Config(), data)
    assert verdict.outcome is VIOLATED
    assert question(verdict, "behind a security vector").outcome is VIOLATED


def test_one_seed_that_misses_leaves_it_open_and_is_named() -> None:
    data = headline_data(security_vector=Cell(0.0, [1.0, 1.0, 1.0, 0.9, 1.0]))
    verdict = headline.judge(headline.Config(), data)
    found = question(verdict, "behind a security vector")
    assert found.outcome is OPEN
    assert "refused 0.9 (adam, seed 3)" in found.detail
    assert found.slack == pytest.approx(-0.08)


def test_a_random_vector_that_protects_denies_the_claim() -> None:
    data = headline_data(random_vector=Cell(0.0, kappa=0.01))
    verdict = headline.judge(headline.Config(), data)
    assert question(verdict, "random vector").outcome is VIOLATED


def test_a_vector_of_zeros_must_be_none_bit_for_bit() -> None:
    data = headline_data(zero_vector=Cell(1.0 - 1e-12, 0.0, kappa=1.0))
    verdict = headline.judge(headline.Config(), data)
    assert question(verdict, "bit for bit").outcome is VIOLATED


def test_a_diverged_run_leaves_the_question_open() -> None:
    data = headline_data(security_vector=Cell([np.nan, 0.0, 0.0, 0.0, 0.0]))
    verdict = headline.judge(headline.Config(), data)
    assert question(verdict, "behind a security vector").outcome is OPEN


def sampled(losses: list[float], *cells: Cell) -> xr.Dataset:
    config = samples.Config()
    names = [str(count) for count in config.counts]
    arms = {"none": LEARNED} | dict(zip(names, cells, strict=True))
    rough = [loss * np.exp(NOISE) for loss in losses]
    return planted(config, arms, dict(zip(names, rough, strict=True)))


@pytest.mark.parametrize(
    ("losses", "last", "outcome"),
    [
        ([3.0, 1.0, 0.1, 0.01, 0.005], Cell(), HOLDS),
        ([3.0, 1.0, 0.1, 0.01, 0.02], Cell(), VIOLATED),
        ([3.0, 1.0, 0.1, 0.01, 0.005], Cell(0.5 + NOISE), VIOLATED),
    ],
)
def test_more_samples_leave_less_unexplained(
    losses: list[float], last: Cell, outcome: Outcome
) -> None:
    weak = Cell(0.3)
    data = sampled(losses, weak, weak, weak, Cell(), last)
    assert samples.judge(samples.Config(), data).outcome is outcome


def dosed(early: Cell) -> xr.Dataset:
    config = dose.Config()
    cells = [LEARNED, LEARNED, early, Cell(), Cell(), Cell()]
    names = [dose.name_of(one) for one in config.doses]
    return planted(config, dict(zip(names, cells, strict=True)), {dose.VECTOR: 0.01})


def test_protection_before_a_small_residual() -> None:
    config = dose.Config()
    early = Cell(0.1 + NOISE, error=0.9 + NOISE)
    assert dose.judge(config, dosed(early)).outcome is HOLDS
    explained = Cell(0.1 + NOISE, error=0.1 + NOISE)
    assert dose.judge(config, dosed(explained)).outcome is VIOLATED
    learned = Cell(0.9 + NOISE, error=0.9 + NOISE)
    assert dose.judge(config, dosed(learned)).outcome is VIOLATED


def test_less_room_leaves_more_unexplained() -> None:
    config = placement.Config()
    names = list(placement.specs(config))
    arms = {"none": LEARNED} | {name: Cell() for name in names}
    ranked = {placement.ranked(rank) for rank in config.ranks}

    def data(confined: float) -> xr.Dataset:
        losses = {
            name: (0.01 if name in ranked else confined) * np.exp(NOISE * (i + 1))
            for i, name in enumerate(names)
        }
        return planted(config, arms, losses)

    assert placement.judge(config, data(0.1)).outcome is HOLDS
    assert placement.judge(config, data(0.001)).outcome is VIOLATED
    assert placement.judge(config, data(0.01)).outcome is OPEN


def generalised(other: Cell) -> xr.Dataset:
    seen: dict[str, Any] = {
        "G": 0.0, "G_refused": 1.0, "H_upper": 0.0, "H_upper_refused": 1.0,
    }  # fmt: skip
    cells = {name: Cell(**seen) for name in generalisation.ARMS}
    cells["H, trained on G"] = other
    losses = dict.fromkeys(generalisation.SPECS, 0.01)
    data = planted(generalisation.Config(), cells, losses)
    # Forces of G are those of the cell's harm.
    return data.assign(kappa_G=data["kappa_H"])


def test_another_harm_is_protected_less() -> None:
    config = generalisation.Config()
    rest: dict[str, Any] = {
        "G_refused": 0.0, "H_upper": 0.0, "H_upper_refused": 1.0, "useful": 1.0,
    }  # fmt: skip
    free = Cell(G=0.9 + NOISE, kappa=0.5 * np.exp(NOISE), **rest)
    assert generalisation.judge(config, generalised(free)).outcome is HOLDS
    # Where both are stopped alike, the difference does not appear.
    same = Cell(G=0.0, kappa=1e-3 * np.exp(NOISE), **rest)
    assert generalisation.judge(config, generalised(same)).outcome is OPEN


def test_min_min_is_asked_for_its_residual_and_its_protection() -> None:
    config = minmin.Config()
    names = list(minmin.specs(config))
    arms = {name: Cell() for name in names}
    arms |= {minmin.benign(name): Cell() for name in names}

    def data(loss: float) -> xr.Dataset:
        losses = {
            name: (0.01 if name == minmin.PLAIN else loss) * np.exp(NOISE * (i + 1))
            for i, name in enumerate(names)
        }
        return planted(config, arms, losses)

    verdict = minmin.judge(config, data(0.5))
    assert verdict.outcome is HOLDS
    assert sum("shelf life" in line for line in verdict.remarks) == 2 * len(names)
    assert minmin.judge(config, data(0.001)).outcome is VIOLATED


def test_carriers_are_compared_at_their_best() -> None:
    config = carriers.Config()

    poor = Cell(useful=0.1 + NOISE)

    def data(best: Cell) -> xr.Dataset:
        arms: dict[str, Cell] = {}
        for kind in config.kinds:
            low = kind == carriers.LOW_RANK
            arms[f"{kind}: {carriers.KEPT}"] = (
                Cell() if low else Cell(useful=0.1 + NOISE)
            )
            arms[f"{kind}: {carriers.BARE}"] = Cell(useful=0.5) if low else best
        for strength in config.strengths:
            name = f"{carriers.STEERING}: {carriers.PERSONA}, {strength:g}"
            arms[name] = poor
        return planted(config, arms, {"low rank: KL, norm": 0.01})

    weak, equal = Cell(useful=0.3 + NOISE), Cell()
    assert carriers.judge(config, data(weak)).outcome is HOLDS
    assert carriers.judge(config, data(equal)).outcome is OPEN


@pytest.mark.parametrize(
    ("module", "fields", "message"),
    [
        (samples, {"counts": (5, 400)}, "counts=.* must be in .1, samples=300"),
        (samples, {"enough": 7}, "enough=7 must be one of counts"),
        (dose, {"doses": (0.0, 1.0)}, "must hold 0.5"),
        (dose, {"doses": (1.0, 0.5, 0.0)}, "doses=.* must rise"),
        (placement, {"ranks": (1, 16)}, "ranks=.* must be in"),
        (placement, {"placed": 3}, "placed=3 must be one of ranks"),
        (generalisation, {"classes": 1}, "classes=1 must be 2"),
        (carriers, {"layer": 5}, "layer=5 in"),
        (carriers, {"kinds": ("bias",)}, "kinds=.*'low rank'"),
        (minmin, {"rounds": 7}, "steps=400 must be a multiple of the rounds=7"),
        (headline, {"kl": -1.0}, "kl=-1.0 must be >= 0"),
        (headline, {"tune_steps": 601}, "tune_steps=601 must be a multiple of records"),
        (headline, {"digits": 4}, "gives 256 prompts"),
        (headline, {"unlearned": 2.0}, "unlearned=2.0 must be in .0, 1.: a share"),
        (headline, {"rate_sgd": -1.0}, "rate_sgd=-1.0 must be a finite number > 0"),
    ],
)
def test_bad_settings_are_told_in_one_line(
    module: Any, fields: dict[str, Any], message: str
) -> None:
    with one_line(match=message):
        replace(module.PRESETS["laptop"], **fields)
