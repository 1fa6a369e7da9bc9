"""A search for the attack that hurts one defence of the arena most (needs Optuna).

`searched(PRESETS["smoke"], "security vector", 1.0, trials=20)` takes minutes.
"""

import jax
import jax.numpy as jnp
import numpy as np

from experiments.arena import bases
from experiments.arena_attacks import ATTACKS
from experiments.arena_config import Config, laboratory, tuning, world_size
from experiments.arena_readings import gaps
from experiments.arena_runs import Bout, Entrant, fought, prepared
from experiments.arena_worlds import worlds_of
from experiments.bench import Bench
from simlab.attacks import Attack
from simlab.defences import roster
from simlab.search import Damage, Found, Space, worst_attack


def searched(
    config: Config, defence: str, setting: float, *, trials: int = 40, seed: int = 0
) -> Found:
    """The attack of most harm at `config.lost` of capability, on the tuning worlds.

    Harm is the mean safety gap at the last stop; what is lost is counted from the
    undefended model under the same attack. An optimiser is compiled once, by the
    compilation cache. Errors: ImportError without Optuna.
    """
    lab, arms, bench = laboratory(config), roster(config.prepare_steps), Bench()
    seeds = tuning(config)
    keys = jax.vmap(jax.random.key)(jnp.asarray(seeds))
    laws = worlds_of(world_size(config), seeds)
    begun = bases(config, lab, seeds, keys, bench)
    places = range(len(seeds))
    entrants = [
        *(Entrant(arms["none"], 0.0, place) for place in places),
        *(Entrant(arms[defence], setting, place) for place in places),
    ]
    guards = prepared(lab, entrants, begun, keys, bench, "prepare")
    _, able_start = gaps(laws, np.asarray(begun.logits))

    def evaluate(attack: Attack) -> Damage:
        bouts = [Bout(place, 0) for place in range(len(entrants))]
        logits = fought(
            lab, bouts, entrants, guards, (attack,), begun, keys, bench, "search"
        )
        last = logits[:, -1].reshape(2, len(seeds), *logits.shape[2:])
        safe, able = gaps(laws, last)
        lost = (able[1] - able[0]).mean() / (able_start - able[0]).mean()
        return Damage(float(safe[1].mean()), float(lost))

    optimisers = {one.optimizer: one for one in ATTACKS.values()}
    most = max(ATTACKS[name].samples for name in config.attacks)
    space = Space(tuple(optimisers.values()), samples=(50, most))
    return worst_attack(evaluate, config.lost, space=space, trials=trials, seed=seed)
