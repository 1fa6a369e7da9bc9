"""Joint optima of an exact softmax world whose harmful data train beside a vector.

Retained data hold one law over the leaves; harmful data pull at it with a vector added
to the logits. Everything is solved by Newton in float64, so what becomes of an
effective volume, and of the ratio by which a small retained set moves further than a
large one, is exact.
"""

from typing import TYPE_CHECKING, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy.optimize import brentq
from scipy.special import logsumexp

from experiments.bridge_theory import SIZES
from experiments.rebound_measures import Values
from simlab.sources import dirichlet_table

if TYPE_CHECKING:
    from experiments.bridge_effective_volume import Config

KINDS = ("soft", "sharp")
"""Harmful laws like the styles' rows, and those that nearly have one answer."""

SHARP = 1e-3
"""The share of the uniform law in the latter."""

Law = Float[np.ndarray, " leaf"]


class World(NamedTuple):
    """The laws of the retained and of the harmful data."""

    retained: Law
    harmful: Law


def equilibria(config: "Config") -> dict[str, Values]:
    """What every dose and harmful volume does to the optima of every seed.

    Leading axis: `KINDS`. `elastic` [kind, dose, size, seed]: how much further a
    retained set of size 1 moves than one of size `scale`, over `scale`: 1 in the limit;
    `volume` [kind, dose, size, seed]: n_eff by the harmful loss, over n_h, at the large
    set; `rate_stiff` [kind, dose, seed]: kappa_H in the metric of the inverse
    stiffness, <g_F, K^-1 g_on> / <g_F, K^-1 g_F>.
    """
    found = [
        [_one(config, _world(config, seed, kind)) for seed in config.every_seed]
        for kind in KINDS
    ]
    return {
        name: np.stack([np.stack([x[name] for x in kind], -1) for kind in found])
        for name in found[0][0]
    }


def _one(config: "Config", world: World) -> dict[str, Values]:
    """One seed's, without the axes of kinds and seeds."""
    rates = (1.0, *config.targets)
    start = _centred(np.log(world.retained))
    vectors = [dosed(world, rate) for rate in rates]
    large, small = (
        np.array([[optimum(world, v, held, n) for n in SIZES] for v in vectors])
        for held in (config.scale, 1.0)
    )
    # The plain curve is a volume's yardstick, smooth in logarithms.
    fine = np.logspace(-6, np.log10(SIZES[-1]), 57)
    plain = np.array([optimum(world, vectors[0], config.scale, n) for n in fine])
    felt = np.exp(
        np.interp(_log_fall(world, large), _log_fall(world, plain), np.log(fine))
    )
    moved = [np.linalg.norm(ends - start, axis=-1) for ends in (small, large)]
    return {
        "elastic": moved[0] / moved[1] / config.scale,
        "volume": felt / SIZES,
        "rate_stiff": np.array([_stiff_rate(world, v) for v in vectors]),
    }


def _world(config: "Config", seed: int, kind: str) -> World:
    """Laws drawn like the rows of the styles, the seed's own; the sharp one is the
    likeliest leaf of the soft one.
    """
    key = jax.random.fold_in(jax.random.key(seed), 3)
    with jax.enable_x64(False):
        drawn = dirichlet_table(key, (2,), config.vocabulary, config.concentration)
    rows = np.asarray(drawn, float)
    rows = rows / rows.sum(-1, keepdims=True)
    smoothing = np.full((2, 1), config.smoothing)
    if kind == "sharp":
        rows[1], smoothing[1] = np.arange(rows.shape[1]) == rows[1].argmax(), SHARP
    return World(*((1 - smoothing) * rows + smoothing / config.vocabulary))


def softmax(logits: Values) -> Values:
    """The law of logits, over the last axis."""
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def optimum(world: World, vector: Law, held: float, harmful: float) -> Law:
    """The logits at which the forces of all data balance, the vector active.

    Formula: argmin held L_retained + harmful L_harmful^on, L^on that of logits +
    vector; convex, so damped Newton converges. Sum of logits 0.
    """
    p, t = world
    logits = _centred(np.log(p))

    def loss(x: Law) -> float:
        return float(held * _cross(p, x) + harmful * _cross(t, x + vector))

    for _ in range(100):
        off, on = softmax(logits), softmax(logits + vector)
        force = held * (off - p) + harmful * (on - t)
        stiffness = held * _fisher(off) + harmful * _fisher(on)
        # The sum of logits is free: any stiffness will hold it.
        step = np.linalg.solve(stiffness + held / len(p), force)
        # Further out the softmax is flat, and Newton blind.
        step = step / max(1.0, np.abs(step).max())
        size, now = 1.0, loss(logits)
        while loss(logits - size * step) > now + 1e-12 * abs(now) and size > 1e-6:
            size /= 2
        logits = logits - size * step
        if np.abs(step).max() < 1e-13:
            break
    return _centred(logits)


def dosed(world: World, rate: float) -> Law:
    """The vector toward the harmful law that lets this share of the rate through.

    Formula: v = alpha log(t / p), kappa_H(alpha) = rate in the Euclidean metric.
    """
    p, t = world
    toward = _centred(np.log(t) - np.log(p))
    if rate == 1.0:
        return np.zeros_like(toward)

    def excess(alpha: float) -> float:
        on = softmax(np.log(p) + alpha * toward) - t
        return float((p - t) @ on / ((p - t) @ (p - t)) - rate)

    return np.asarray(brentq(excess, 0.0, 1.0, xtol=1e-14) * toward)


def _stiff_rate(world: World, vector: Law) -> float:
    p, t = world
    on = softmax(np.log(p) + vector) - t
    plain, felt = (np.linalg.solve(_fisher(p) + 1 / len(p), g) for g in (p - t, on))
    return float((p - t) @ felt / ((p - t) @ plain))


def _centred(logits: Law) -> Law:
    return np.asarray(logits - logits.mean())


def _log_fall(world: World, logits: Values) -> Values:
    """How far logits have lowered the harmful loss of the retained law, its logarithm.

    In float64 a fall of 1e-8 nats keeps 7 digits.
    """
    t, start = world.harmful, _centred(np.log(world.retained))
    return np.asarray(np.log(_cross(t, start) - _cross(t, logits)))


def _cross(law: Law, logits: Values) -> Values:
    return np.asarray(logsumexp(logits, axis=-1) - logits @ law)


def _fisher(law: Law) -> Float[np.ndarray, "leaf leaf"]:
    return np.asarray(np.diag(law) - np.outer(law, law))
