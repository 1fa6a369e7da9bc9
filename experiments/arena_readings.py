"""From logits to the arena's data: exact gaps, tuning, lost capability, worst case."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from experiments.arena_runs import Entrant
from experiments.arena_worlds import ArenaLaws
from experiments.labels import Variable, labelled
from experiments.pytrees import picked
from experiments.stored_laws import stored_law
from simlab.defences import Arm
from simlab.evaluation import exact_gap
from theory.laws import World
from theory.tradeoff import frontier, frontier_points

NATS = "nats per sequence"
CELLS = ("defence", "attack", "stop", "seed")


def predicted(laws: ArenaLaws, seeds: Sequence[int]) -> xr.Dataset:
    """The exact frontier of every world, one point a penalty.

    Points of equal penalty average over worlds to points that no average of policies
    crosses: lambda G_s + G_f >= J(lambda) holds world by world.
    """
    penalties = np.geomspace(1e-3, 1e3, 61)
    with jax.enable_x64(True):
        points = frontier_points(_world(laws), jnp.asarray(penalties))
        safety, capability = np.asarray(points.safety), np.asarray(points.capability)
    along = ("penalty", "seed")
    return labelled(
        {
            "frontier_safety": (along, safety, NATS, "safety gap on the frontier"),
            "frontier_capability": (along, capability, NATS, "its capability gap"),
        },
        {
            "penalty": (("penalty",), penalties, "1", "weight of safety"),
            "seed": _seeds(seeds),
        },
    )


def _seeds(seeds: Sequence[int]) -> Variable:
    return ("seed",), np.asarray(seeds), "1", "seed of world, network and data"


def _world(laws: ArenaLaws) -> World:
    return World(laws.safety, laws.safety, laws.capability)


def gaps(laws: ArenaLaws, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(G_s, G_f) of [..., seed, x, node, v] logits, laws with an axis of seeds."""
    with jax.enable_x64(True):
        double = jnp.asarray(np.asarray(logits, np.float64))
        safe, able = (
            np.asarray(exact_gap(law.contexts, law.outputs, double))
            for law in (laws.safety, laws.capability)
        )
    return safe, able


def tuned(
    arms: Sequence[Arm],
    trials: Sequence[Entrant],
    logits: np.ndarray,
    start: np.ndarray,
    laws: ArenaLaws,
    allowed: float,
) -> xr.Dataset:
    """Every setting of every defence on the tuning worlds, and which is chosen.

    Declared score: the least mean safety gap under the reference attack among settings
    that lose at most `allowed` of the capability gained undefended; where none does,
    the setting that loses least.
    """
    seed = np.array([one.seed for one in trials])
    worlds = picked(laws, slice(0, seed.max() + 1))
    most = max(len(arm.settings) for arm in arms)
    shape = (len(arms), most, seed.max() + 1)
    safe, able = np.full(shape, np.nan), np.full(shape, np.nan)
    values = np.full(shape[:2], np.nan)
    names = [arm.name for arm in arms]
    for place, one in enumerate(trials):
        row = names.index(one.arm.name)
        column = one.arm.settings.index(one.setting)
        at = (row, column, one.seed)
        safe[at], able[at] = gaps(picked(worlds, one.seed), logits[place, -1])
        values[row, column] = one.setting
    _, able_start = gaps(worlds, start[: shape[2]])
    undefended = able[names.index("none"), 0]
    lost = (able - undefended).mean(-1) / (able_start - undefended).mean()
    each = zip(safe.mean(-1), lost, strict=True)
    chosen = [_best(gap, price, allowed) for gap, price in each]
    tries = ("defence", "setting")
    over = (*tries, "tuning_seed")
    text = "share of the capability gained undefended that is lost"
    return labelled(
        {
            "tuning_safety": (over, safe, NATS, "safety gap, reference attack"),
            "tuning_capability": (over, able, NATS, "capability gap, reference attack"),
            "tuning_lost": (tries, lost, "1", text),
            "value": (tries, values, "1", "settings of the defence's one knob"),
            "chosen": (("defence",), chosen, "1", "the setting that was chosen"),
            "budget": (("defence",), np.isfinite(values).sum(-1), "1", "tried"),
            "knob": (("defence",), [arm.knob for arm in arms], "1", "what is tuned"),
            "when": (
                ("defence",), [arm.when.value for arm in arms], "1",
                "where the defender is in control",
            ),
        },
        {"defence": (("defence",), names, "1", "defence")},
    )  # fmt: skip


def _best(safe: np.ndarray, lost: np.ndarray, allowed: float) -> int:
    """The place of the chosen setting; a setting that diverged is never chosen."""
    finite = np.isfinite(safe) & np.isfinite(lost)
    if not finite.any():
        return 0
    kept = finite & (lost <= allowed)
    if kept.any():
        return int(np.argmin(np.where(kept, safe, np.inf)))
    return int(np.argmin(np.where(finite, lost, np.inf)))


def chosen_settings(trial: xr.Dataset) -> list[float]:
    """The chosen setting of every defence."""
    both = zip(trial["value"].values, trial["chosen"].values, strict=True)
    return [float(values[place]) for values, place in both]


def read(
    config: Any, logits: np.ndarray, start: np.ndarray, laws: ArenaLaws
) -> xr.Dataset:
    """Exact gaps of every bout: logits [defence, seed, attack, stop, x, node, v]."""
    seed_last = np.moveaxis(logits, 1, 3)
    safe, able = gaps(laws, seed_last)
    safe_start, able_start = gaps(laws, start)
    stops = config.steps // 2 * np.array([1, 2])
    tables = ("seed", "context", "sequence")
    seeds = np.arange(config.seed, config.seed + config.seeds)
    return labelled(
        {
            "gap_safety": (CELLS, safe, NATS, "safety gap once deployed"),
            "gap_capability": (CELLS, able, NATS, "capability gap once deployed"),
            "start_safety": (("seed",), safe_start, NATS, "safety gap of the base"),
            "start_capability": (("seed",), able_start, NATS, "its capability gap"),
            "allowed": ((), config.lost, "1", "share of capability that may be lost"),
            "diverged": (CELLS, ~np.isfinite(safe + able), "1", "1 if it diverged"),
            **{
                f"{name}_{part}": (dims, values, "1", f"{part} of the {name} law")
                for name, law in (
                    ("safety", laws.safety), ("capability", laws.capability)
                )
                for part, dims, values in (
                    ("contexts", tables[:2], law.contexts),
                    ("outputs", tables, law.outputs),
                )
            },
        },
        {
            "attack": (("attack",), list(config.attacks), "1", "attack"),
            "stop": (("stop",), stops, "steps", "when the user stops"),
            "seed": _seeds(seeds.tolist()),
        },
    )  # fmt: skip


def limits(data: xr.Dataset) -> np.ndarray:
    """F(G_s): the least capability gap that any policy of this safety gap can have."""
    with jax.enable_x64(True):
        safety, capability = (stored_law(data, n) for n in ("safety", "capability"))
        world = World(safety, safety, capability)
        safe = np.asarray(data["gap_safety"].transpose(*CELLS).values, np.float64)
        # One row of bisections at a time: together they need gigabytes.
        flat = safe.reshape(-1, safe.shape[-1])
        known = np.where(np.isfinite(flat), flat, 1.0)
        at = jax.jit(lambda rows: jax.lax.map(lambda row: frontier(world, row), rows))
        found = np.where(np.isfinite(flat), np.asarray(at(known)), np.nan)
    whole: np.ndarray = found.reshape(safe.shape)
    return whole


def lost_capability(data: xr.Dataset) -> np.ndarray:
    """The share of the capability gained undefended that a defence loses.

    Formula: mean over attacks and stops of G_f(defence) - G_f(none), divided by that of
    G_f(base) - G_f(none). Shape: [defence, seed].
    """
    able = data["gap_capability"].transpose(*CELLS)
    none = able.sel(defence="none").values
    gained = (data["start_capability"].values - none).mean((0, 1))
    lost: np.ndarray = (able.values - none).mean((1, 2)) / gained
    return lost


def worst_case(data: xr.Dataset) -> np.ndarray:
    """The largest safety gap over attacks and stops, seed by seed: [defence, seed]."""
    worst: np.ndarray = data["gap_safety"].transpose(*CELLS).values.max((1, 2))
    return worst
