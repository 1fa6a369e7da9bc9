"""The bound where all its assumptions hold: softmax-linear models, step by step.

In double precision, since a vector that leaves an error of 1e-7 leaves steps of 1e-8 to
weights of size 20. Arms are vectors of every residual error and none at all.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.bench import Bench
from experiments.descent_paths import before, followed
from experiments.pytrees import picked, stacked
from experiments.unlearnability_config import Config
from experiments.unlearnability_softmax_harm import (
    Array,
    harm_of,
    harm_setup,
    making,
    mean_error,
    model_of,
)
from experiments.unlearnability_softmax_world import (
    Whole,
    World,
    made_worlds,
    vectors,
)
from simlab.models import Carried
from simlab.objectives import distance
from simlab.sources import DatasetSource, Tokens
from simlab.training import Hyper
from theory.unlearnability import (
    answer_loss,
    descent_drift_by_fall,
    descent_drift_ceiling,
    drift_ceiling,
    drift_ceiling_saturating,
    loss_change_ceiling,
    resistance_certificate,
    resistance_certificate_descent,
    resistance_certificate_saturating,
    separation,
)

MODES = ("single samples", "full batches")
ANY_ORDER, DESCENT, SATURATING, LOSS_OFF = BOUNDS = (
    "any order (i)", "descent (ii)", "saturating", "deactivated loss (iii)",
)  # fmt: skip


class Curves(NamedTuple):
    """A run at every step t = 0, 1, ..: all [step].

    `error_sum` of the initial errors of the samples used before t; `loss_on` of the
    samples of step t.
    """

    path: jax.Array
    drift: jax.Array
    error_sum: jax.Array
    loss_on: jax.Array
    loss_off: jax.Array


class Found(NamedTuple):
    """What is kept of a run: curves at some moments, the worst over all steps.

    `ceiling` [bound, moment]; `excess` [bound] is the most that a quantity lies above
    its bound at any step, `tightest` the most that their ratio is. `crossing` [fall] in
    steps, inf if never; `certificate` [fall] the least that theory allows.
    """

    path: jax.Array
    drift: jax.Array
    change: jax.Array
    error_sum: jax.Array
    ceiling: jax.Array
    excess: jax.Array
    tightest: jax.Array
    crossing: jax.Array
    certificate: jax.Array


class Runs(NamedTuple):
    """Every run, [seed, mode, rate, arm], and a control.

    `control` [seed, mode, rate, residual] is the most that the undefended path lies
    above the bound (i) of a defended run, at any step at which that is finite.
    """

    found: Found
    control: Array
    error_start: Array


def kept_steps(config: Config) -> np.ndarray:
    """The steps whose curves are kept: log-spaced, the first and the last included."""
    spaced = np.geomspace(1, config.steps, config.moments)
    return np.unique(np.round(spaced)).astype(int)


def softmax_runs(config: Config, bench: Bench) -> Runs:
    """Runs of every world, one world after the other, in double precision."""
    worlds = made_worlds(making(config), range(config.seed, config.seed + config.seeds))
    added = np.stack([vectors(worlds, each) for each in config.residuals], axis=1)
    program = jax.jit(
        lambda world, vectors, key: [
            _runs(config, mode, world, vectors, key) for mode in MODES
        ]
    )
    bar = bench.progress(
        "softmax-linear", config.seeds, 2 * config.steps, already=0, tokens_per_step=1
    )
    rows = []
    with bar, jax.enable_x64(True), jax.default_matmul_precision("highest"):
        for i in range(config.seeds):
            key = jax.random.key(config.seed + i)
            made = jax.device_get(program(picked(worlds, i), added[i], key))
            rows.append(stacked(made))
            bar.advance(1)
    runs: Runs = stacked(rows)
    return runs


def _runs(
    config: Config, mode: str, world: World, added: jax.Array, key: jax.Array
) -> Runs:
    """All rates and arms of one world: the same samples in the same order for all."""
    rates = jnp.asarray(config.rates)
    none = jnp.zeros_like(added[:1])
    vector = jnp.concatenate([added, none])
    apart = _apart(world)

    def one(rate: Array, delta: Array) -> tuple[Curves, jax.Array]:
        return _curves(config, mode, world, delta, rate, key)

    def judged(rate: Array, run: Curves, errors: Array) -> tuple[Found, jax.Array]:
        return _found(config, mode, apart, rate, run, errors)

    curves, errors = jax.vmap(jax.vmap(one, (None, 0)), (0, None))(rates, vector)
    over_arms = jax.vmap(judged, (None, 0, 0))
    found, ordered = jax.vmap(over_arms)(rates, curves, errors)
    defended, free = ordered[:, :-1], curves.path[:, -1:]
    above = jnp.where(jnp.isfinite(defended), free - defended, -jnp.inf)
    return Runs(found, jnp.max(above, axis=-1), jnp.mean(errors, axis=-1))


def _apart(world: World) -> jax.Array:
    """D: the same on and off, for every sample, and wherever the weights are."""

    def one(feature: Array, target: Array) -> jax.Array:
        outputs = world.base.shape[-1]
        jacobian = jnp.einsum("jk,w->jwk", jnp.eye(outputs), feature)
        return separation(jacobian.reshape(outputs, -1), target)

    return jnp.max(jax.vmap(one)(jnp.asarray(world.features), world.targets))


def _curves(
    config: Config, mode: str, world: World, delta: Array, rate: Array, key: jax.Array
) -> tuple[Curves, jax.Array]:
    """One run, and the errors of all samples before it."""
    harm, single = harm_of(config, world, delta), mode == MODES[0]
    rows, targets = harm.rows, harm.rows[:, 1]
    model = model_of(config)

    def see(params: Carried, tokens: Tokens) -> tuple[jax.Array, ...]:
        on = model.apply(params, tokens[:, :1])[:, 0]
        off = model.model.apply(params.base, rows[:, :1])[:, 0]
        return (
            distance(params.base, harm.start.base),
            mean_error(config, harm, tokens),
            jnp.mean(answer_loss(on, tokens[:, 1])),
            jnp.mean(answer_loss(off, targets)),
        )

    rate = jnp.asarray(rate)
    source = DatasetSource(rows) if single else Whole(rows)
    hyper = Hyper(rate, jnp.zeros(()), source, None, harm.start)
    setup = harm_setup(config, config.steps, 1 if single else len(rows))
    norms, (drift, used, loss_on, loss_off) = followed(setup, hyper, key, see)
    curves = Curves(rate * before(norms), drift, before(used), loss_on, loss_off)
    return curves, harm.errors


def _ceilings(
    mode: str, apart: Array, rate: Array, run: Curves, errors: Array
) -> Float[jax.Array, "bound step"]:
    """Every bound at every step, in the order of `BOUNDS`; inf where it has none."""
    effort = rate * jnp.arange(len(run.path))
    ordered = drift_ceiling(rate, apart, run.error_sum)
    change = loss_change_ceiling(apart, run.drift)
    if mode == MODES[0]:
        descent = jnp.full_like(ordered, jnp.inf)
        worst = jnp.max(errors)
    else:
        loss = run.loss_on[0]
        by_fall = descent_drift_by_fall(effort, jnp.maximum(loss - run.loss_on, 0.0))
        descent = jnp.minimum(descent_drift_ceiling(effort, apart, loss), by_fall)
        worst = jnp.mean(errors)
    saturating = drift_ceiling_saturating(effort, apart, worst)
    return jnp.stack([ordered, descent, saturating, change])


def _found(
    config: Config,
    mode: str,
    apart: Array,
    rate: Array,
    run: Curves,
    errors: Array,
) -> tuple[Found, jax.Array]:
    """What is kept of one run, and the bound (i) at every step."""
    ceilings = _ceilings(mode, apart, rate, run, errors)
    change = run.loss_off - run.loss_off[0]
    values = jnp.stack([run.path, run.path, run.path, jnp.abs(change)])
    useful = jnp.isfinite(ceilings) & (ceilings > config.rounding)
    ratio = jnp.where(useful, values / jnp.where(useful, ceilings, 1.0), 0.0)
    at = kept_steps(config)
    crossing, certificate = _resistance(config, mode, apart, rate, run, errors)
    found = Found(
        run.path[at], run.drift[at], change[at], run.error_sum[at], ceilings[:, at],
        jnp.max((values - ceilings)[:, 1:], axis=-1), jnp.max(ratio, axis=-1),
        crossing, certificate,
    )  # fmt: skip
    return found, ceilings[0]


def _resistance(
    config: Config,
    mode: str,
    apart: Array,
    rate: Array,
    run: Curves,
    errors: Array,
) -> tuple[jax.Array, jax.Array]:
    """Steps until the deactivated loss fell, inf if never, and the least allowed."""
    change = run.loss_off - run.loss_off[0]
    falls = jnp.asarray(config.falls)
    crossed = -change >= falls[:, None]
    first = jnp.argmax(crossed, axis=-1)
    ever = jnp.any(crossed, axis=-1)
    last = jnp.where(ever, first, len(change) - 1)
    used = run.error_sum[last] / last
    certificate = resistance_certificate(rate, apart, apart, used, falls)
    if mode == MODES[1]:
        whole = rate, apart, apart
        mean, loss = jnp.mean(errors), run.loss_on[0]
        certificate = jnp.maximum(
            resistance_certificate_saturating(*whole, mean, falls),
            resistance_certificate_descent(*whole, loss, falls),
        )
    return jnp.where(ever, first, jnp.inf), certificate
