"""The search for the worst attack: with Optuna where it is, a clear word where not."""

import importlib.util
import sys

import pytest

from simlab.attacks import Attack
from simlab.search import Damage, Space, worst_attack

HAS_OPTUNA = importlib.util.find_spec("optuna") is not None


def greedy(attack: Attack) -> Damage:
    """More harm does more, and costs more."""
    return Damage(harm=attack.share, lost=attack.share / 2)


def test_without_optuna_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ImportError, match=r"pip install 'simlab\[search\]'") as caught:
        worst_attack(greedy, 0.1)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not HAS_OPTUNA, reason="Optuna is an extra")
def test_the_worst_attack_keeps_its_bound() -> None:
    found = worst_attack(greedy, 0.2, trials=30)
    assert found.trials == 30
    assert found.attack is not None
    assert found.damage is not None
    assert found.damage.lost <= 0.2
    # The bound is at a share of 0.4; thirty trials come near.
    assert 0.3 < found.attack.share <= 0.4
    assert worst_attack(greedy, 0.2, trials=30) == found
    nothing = worst_attack(lambda _: Damage(1.0, 1.0), 0.2, trials=3)
    assert nothing.attack is None


def test_an_empty_space_is_named() -> None:
    with pytest.raises(ValueError, match="rates="):
        Space(rates=(1e-2, 1e-3))
