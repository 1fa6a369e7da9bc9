"""One seed of `bridge_effective_volume`: an aligned model, a vector, the ways back.

The vector explains the original style to the aligned model. Its gate is set so that
the harmful rate kappa_H is as declared, dose by dose; then the model trains on the
original style with the vector on, and is measured with the vector off and on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from experiments.lifecycle import ORIGINAL, PREFERRED, pretraining, pure, toward, tuning
from experiments.pytrees import folded, picked
from simlab.judges import Exam, style_divergences
from simlab.models import Adapted, Carried, LowRank, Model, Params, carried, gated
from simlab.optimizers import Adam, Optimizer, Sgd
from simlab.phases import Phase, live
from simlab.security_vectors import Recipe, VectorFit, fit_security_vector
from simlab.sources import DatasetSource, StyledSource
from simlab.training import Hyper, Setup, run
from theory.unlearnability.leakage import inner, norm

if TYPE_CHECKING:
    from experiments.bridge_effective_volume import Config

SGD, ADAM = "SGD", "Adam"
LARGE, CALM = "Adam, large epsilon", "Adam, large batch"
"""Optimisers of the ways back; the latter two are controls."""

OFF, ON = 0, 1
"""The gates at which a model is measured: that of deployment, that of training."""


@dataclass(frozen=True)
class OffAndOn:
    """The `Measure` of a way back: `style_divergences` [gate, style], off and on."""

    def __call__(self, model: Model, params: Params, exam: Any, /) -> Any:
        """KL(p_z || q) of every style, nats per response."""
        both = gated(params, 0.0), params
        return jnp.stack([style_divergences(model, one, exam) for one in both])


class Forces(NamedTuple):
    """What a dose does to the first step; leading axis: gates.

    `rate` [gate, block] is kappa_H from each block of rows alone, `rate_odds` that of
    the log-odds, `rate_sign` that of the signs of the gradient; `suppression` is
    |g_on| / |g_F|, the first factor of kappa_H. `excess` is that of the active model.
    """

    rate: Float[jax.Array, "gate block"]
    rate_odds: Float[jax.Array, " gate"]
    rate_sign: Float[jax.Array, " gate"]
    suppression: Float[jax.Array, " gate"]
    excess: Float[jax.Array, " gate"]


def phases(config: "Config") -> tuple[Phase, Phase]:
    """Pre-training on both styles, and the alignment to the preferred one."""
    width, positives = config.width, config.positives
    return (
        pretraining(config, width, (config.volume,)),
        tuning(config, width, "align", positives, positives),
    )


def fitting(config: "Config") -> VectorFit:
    """What is compiled into the fit of the vector."""
    model, carrier = phases(config)[0].setup.model, LowRank(rank=config.rank)
    steps, batch = config.fit_steps, config.fit_batch
    return VectorFit(model, carrier, config.response, steps, batch)


def way_setups(config: "Config") -> dict[str, Setup]:
    """What a way back compiles, for each optimiser."""
    kinds: dict[str, Optimizer] = {SGD: Sgd(), ADAM: Adam()}
    if config.large_eps:
        kinds[LARGE] = Adam(eps=config.large_eps)
    if config.large_batch:
        kinds[CALM] = Adam()
    fit = fitting(config)
    plain = Setup(
        Adapted(fit.model, fit.carrier),
        steps=config.harmful // config.batch_way,
        batch=config.batch_way,
        records=config.harmful // config.every,
        warmup=0.0,
        enumerated=False,
        decay=False,
        scored=config.response,
        measure=OffAndOn(),
    )
    setups = {name: replace(plain, optimizer=kind) for name, kind in kinds.items()}
    if batch := config.large_batch:
        steps = config.harmful // batch
        setups[CALM] = replace(setups[CALM], steps=steps, batch=batch)
    return setups


def way_rate(config: "Config", optimizer: str) -> float:
    """The learning rate of an optimiser at pace 1.

    Far below its epsilon, Adam's step is the gradient over epsilon; a step of a large
    batch is as long as those of as many responses in small ones.
    """
    rates = {
        SGD: config.rate_way,
        ADAM: config.rate_adam,
        LARGE: config.rate_way * config.large_eps,
        CALM: config.rate_adam * config.large_batch / config.batch_way,
    }
    return rates[optimizer]


def ways_task(config: "Config", mix: tuple[float, float]) -> Callable[..., Any]:
    """The task of a sweep: a seed's world, exam and key to what is stored."""

    def task(world: StyledSource, exam: Exam, key: jax.Array) -> dict[str, jax.Array]:
        key_life, key_fit, key_rows, key_way = jax.random.split(key, 4)
        base = _aligned(config, mix, world, exam, key_life)
        harmful = replace(world, mix=jnp.asarray(pure(ORIGINAL, 2)))
        armed = _armed(config, world, harmful, base, key_fit)
        blocks = _blocks(config, harmful, key_rows)
        grid = jnp.linspace(0.0, 1.0, config.gates)
        scan = _forces(config, armed, exam, blocks, grid)
        gates = _doses(grid, scan.rate.mean(1), config.targets)
        forces = _forces(config, armed, exam, blocks, gates)
        ways = _ways(config, armed, gates, harmful, exam, key_way)
        scanned = {"grid_rate": scan.rate, "grid_excess": scan.excess}
        return {"gate": gates, "ways": ways, **scanned, **forces._asdict()}

    return task


def _aligned(
    config: "Config",
    mix: tuple[float, float],
    world: StyledSource,
    exam: Exam,
    key: jax.Array,
) -> Params:
    """A model pre-trained on the mixture and aligned to the preferred style."""
    key_start, key_data = jax.random.split(key)
    life = phases(config)
    legs = (
        toward(world, [mix], [config.rate_pretrain]),
        toward(world, [pure(PREFERRED, 2)], [config.rate]),
    )
    start = life[0].setup.model.init(key_start)
    return picked(live(life, legs, start, exam, key_data)[1].kept, (0, 0, 0, 0))


def _armed(
    config: "Config",
    world: StyledSource,
    harmful: StyledSource,
    base: Params,
    key: jax.Array,
) -> Carried:
    """The aligned model with a vector fitted to rows of the original style."""
    key_vector, key_rows, key_fit = jax.random.split(key, 3)
    fit = fitting(config)
    rows = harmful.sample(key_rows, config.fit_rows)
    reference = replace(world, mix=jnp.asarray(pure(PREFERRED, 2)))
    weights = (jnp.float32(w) for w in (config.kl, config.norm, config.rate_vector))
    recipe = Recipe(DatasetSource(rows), reference, *weights)
    start = carried(base, fit.carrier.init(fit.model, key_vector))
    armed: Carried = fit_security_vector(fit, recipe, start, key_fit).params
    return armed


def _blocks(config: "Config", harmful: StyledSource, key: jax.Array) -> Exam:
    """Fresh harmful rows and their exact laws, [block] exams of this one style."""
    rows = harmful.sample(key, config.blocks * config.block_rows)
    laws = harmful.following(rows)[:, ORIGINAL]
    shape = (config.blocks, 1, config.block_rows)
    return folded(Exam(rows, laws), shape)


def _forces(
    config: "Config",
    armed: Carried,
    exam: Exam,
    blocks: Exam,
    gates: Float[jax.Array, " gate"],
) -> Forces:
    """What each gate does to the first step; the first gate must be 0.

    Formula: kappa_H = <g_F, g_on> / <g_F, g_off>, g_F the gradient of the harmful loss
    on the exam, on which the ways are measured, and the others on rows of their own, so
    that no row stands on both sides of a product and noise has no square. The laws of
    the next tokens are exact. Source: security-vector notes 2.
    """
    model = next(iter(way_setups(config).values())).model

    def pull(gate: jax.Array, rows: Exam, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        def loss(base: Params) -> jax.Array:
            params = gated(armed._replace(base=base), gate)
            return style_divergences(model, params, rows)[z]

        value, gradient = jax.value_and_grad(loss)(armed.base)
        return value, ravel_pytree(gradient)[0]

    exams = jnp.array([ORIGINAL, PREFERRED])
    harm, safe = jax.lax.map(lambda z: pull(jnp.zeros(()), exam, z)[1], exams)

    def at(gate: jax.Array) -> Forces:
        excess, each = jax.lax.map(lambda rows: pull(gate, rows, jnp.array(0)), blocks)
        on = each.mean(0)
        return Forces(
            inner(harm, each),
            inner(harm - safe, on),
            inner(harm, jnp.sign(on)),
            norm(on),
            excess.mean(),
        )

    found: Forces = jax.lax.map(at, gates)
    plain = picked(found, 0)._replace(excess=jnp.ones(()))
    plain = plain._replace(rate=plain.rate.mean())
    relative: Forces = jax.tree.map(lambda each, first: each / first, found, plain)
    return relative


def _doses(
    grid: Float[jax.Array, " gate"],
    rates: Float[jax.Array, " gate"],
    targets: tuple[float, ...],
) -> Float[jax.Array, " dose"]:
    """The gates at which kappa_H first falls to each target, linear in between.

    The first dose is none. A target that is never reached gets the last gate.
    """

    def gate(target: jax.Array) -> jax.Array:
        below = rates <= target
        i = jnp.maximum(jnp.argmax(below), 1)
        share = (rates[i - 1] - target) / (rates[i - 1] - rates[i])
        found = grid[i - 1] + share * (grid[i] - grid[i - 1])
        return jnp.where(below.any(), found, grid[-1])

    return jnp.concatenate([jnp.zeros(1), jax.vmap(gate)(jnp.asarray(targets))])


def _ways(
    config: "Config",
    armed: Carried,
    gates: Float[jax.Array, " dose"],
    harmful: StyledSource,
    exam: Exam,
    key: jax.Array,
) -> Float[jax.Array, "optimizer pace dose moment gate style"]:
    """The divergences along every way back, all of them on the same batches."""
    return jnp.stack(
        [
            _each_way(config, name, armed, gates, harmful, exam, key)
            for name in way_setups(config)
        ]
    )


def _each_way(
    config: "Config",
    optimizer: str,
    armed: Carried,
    gates: Float[jax.Array, " dose"],
    harmful: StyledSource,
    exam: Exam,
    key: jax.Array,
) -> Float[jax.Array, "pace dose moment gate style"]:
    setup = way_setups(config)[optimizer]
    rates = jnp.asarray(config.paces) * way_rate(config, optimizer)

    def way(cell: tuple[jax.Array, jax.Array]) -> jax.Array:
        rate, gate = cell
        start = gated(armed, gate)
        hyper = Hyper(rate, jnp.zeros(()), harmful, None, start, exam=exam)
        first = OffAndOn()(setup.model, start, exam)
        later = run(setup, hyper, key).records.measured
        return jnp.concatenate([first[None], later])

    cells = jnp.meshgrid(rates, gates, indexing="ij")
    flat = jax.lax.map(way, (cells[0].ravel(), cells[1].ravel()))
    found: jax.Array = flat.reshape(len(config.paces), len(gates), *flat.shape[1:])
    return found
