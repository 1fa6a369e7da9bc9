"""The bound in transformers: every link of the chain at every step of fine-tuning.

A sample of the theorem is one token of an answer, so all is a mean over tokens here,
where training takes sums over answers. D is exact, from whole Jacobians.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from experiments.bench import Bench
from experiments.descent_paths import followed
from experiments.pytrees import folded, picked, stacked
from experiments.unlearnability_config import Config, laboratory
from experiments.vector_arms import Spec, fitted_by_name
from experiments.vector_lab import (
    VectorLab,
    keys_of,
    rows_of,
    transformer,
    vector_fit,
)
from experiments.vector_runs import aligned_bases
from simlab.models import Adapted, Carried, carried, gated
from simlab.objectives import distance
from simlab.optimizers import Sgd
from simlab.sources import DatasetSource, Tokens
from simlab.training import Hyper, Setup
from theory.unlearnability import (
    answer_loss,
    error_from_loss,
    error_probability,
    gradient_ceiling,
    loss_gradient,
    separation,
)

ARMS = ("vector", "none")
_WALKING = 9  # the use of a seed's key: no other claim trains so


class Walk(NamedTuple):
    """The inputs of one run: a model at its gate, harmful rows, watched rows, a key."""

    start: Carried
    rows: Tokens
    watched: Tokens
    key: Any


class Links(NamedTuple):
    """A run at every step t = 0, 1, ..: means over tokens of the batch of step t.

    `norm` is the gradient's as trained, `norm_theory` that of theorem 2(b); `separate`,
    `joint` and `by_loss` are the bounds of it; `apart` the greatest D, `error` the mean
    error, `error_start` that of the model before training, all on. `drift`, `loss_off`
    and `apart_off` at the parameters, on the watched rows, off.
    """

    norm: Float[jax.Array, "*run step"]
    norm_theory: Float[jax.Array, "*run step"]
    separate: Float[jax.Array, "*run step"]
    joint: Float[jax.Array, "*run step"]
    by_loss: Float[jax.Array, "*run step"]
    apart: Float[jax.Array, "*run step"]
    error: Float[jax.Array, "*run step"]
    error_start: Float[jax.Array, "*run step"]
    drift: Float[jax.Array, "*run step"]
    loss_off: Float[jax.Array, "*run step"]
    apart_off: Float[jax.Array, "*run step"]


class Networks(NamedTuple):
    """Runs [seed, arm, step], and how well every vector explains unseen harm [seed]."""

    links: Links
    held_out_error: np.ndarray
    held_out_loss: np.ndarray


class _Rows(NamedTuple):
    """Tokens of some rows [row, token], and the mean gradient of each row's."""

    apart: jax.Array
    error: jax.Array
    loss: jax.Array
    gradient: jax.Array


def network_runs(config: Config, bench: Bench) -> Networks:
    """Bases, vectors, and fine-tuning on harm with the vector and without."""
    lab = laboratory(config)
    bases, rows = aligned_bases(lab, bench), rows_of(lab)
    specs = {"H": Spec()}
    fitted = fitted_by_name(lab, bench, vector_fit(lab), bases, rows, specs)["H"]
    keys = keys_of(lab, _WALKING)
    walks = [
        Walk(
            jax.device_get(carried(picked(bases, i), picked(fitted.vector, i), gate)),
            rows.tune["H"][i],
            rows.held_out["H"][i, : config.watched],
            keys[i],
        )
        for i in range(lab.seeds)
        for gate in (1.0, 0.0)
    ]
    found: Links = bench.sweep(
        "harm, step by step",
        lambda walk: _links(config, lab, walk),
        (stacked(walks),),
        steps=config.network_steps,
        tokens_per_step=config.network_batch * transformer(lab).length,
    )
    links = folded(found, (lab.seeds, len(ARMS)))
    answers = fitted.held_out
    return Networks(links, np.asarray(answers.error), np.asarray(answers.loss))


def _links(config: Config, lab: VectorLab, walk: Walk) -> Links:
    """One run on harm, looked at from every step."""
    fit = vector_fit(lab)
    model = Adapted(fit.model, fit.carrier)
    setup = Setup(
        model, steps=config.network_steps + 1, batch=config.network_batch, records=1,
        warmup=0.0, optimizer=Sgd(), enumerated=False, decay=False, scored=lab.response,
    )  # fmt: skip
    start, counts = walk.start, (config.network_batch, len(walk.watched))

    def see(params: Carried, tokens: Tokens) -> dict[str, jax.Array]:
        # One program for both: Jacobians take long to compile.
        gates = jnp.repeat(jnp.stack([params.gate, 0.0]), np.array(counts))
        both = jnp.concatenate([tokens, walk.watched])
        seen = _of_rows(model, params, both, gates, lab.response)
        on, off = picked(seen, slice(counts[0])), picked(seen, slice(counts[0], None))
        before = model.apply(start, tokens[:, :-1])[:, -lab.response :]
        apart = jnp.max(on.apart)
        return {
            "norm_theory": jnp.linalg.norm(jnp.mean(on.gradient, axis=0)),
            "separate": jnp.mean(gradient_ceiling(on.error, on.apart)),
            "joint": gradient_ceiling(jnp.mean(on.error), apart),
            "by_loss": gradient_ceiling(error_from_loss(jnp.mean(on.loss)), apart),
            "apart": apart,
            "error": jnp.mean(on.error),
            "error_start": jnp.mean(_errors(before, tokens, lab.response)),
            "drift": distance(params.base, start.base),
            "loss_off": jnp.mean(off.loss),
            "apart_off": jnp.max(off.apart),
        }

    rate = jnp.asarray(config.rate_network)
    hyper = Hyper(rate, jnp.zeros(()), DatasetSource(walk.rows), None, start)
    with jax.default_matmul_precision("highest"):
        key = jax.random.wrap_key_data(walk.key)
        norms, seen = followed(setup, hyper, key, see)
    return Links(norm=norms / lab.response, **seen)


def _errors(logits: jax.Array, tokens: Tokens, scored: int) -> jax.Array:
    """The prediction error of every token of every answer."""
    return error_probability(logits, tokens[:, -scored:])


def _of_rows(
    model: Adapted, params: Carried, tokens: Tokens, gates: jax.Array, scored: int
) -> _Rows:
    """Every token's separation, error and loss, in the base's parameters.

    Each row at its gate, one after the other: a Jacobian is outputs times parameters.
    """
    flat, unravel = ravel_pytree(params.base)

    def one(given: tuple[jax.Array, jax.Array]) -> _Rows:
        row, gate = given

        def logits(base: jax.Array) -> jax.Array:
            whole = gated(params._replace(base=unravel(base)), gate)
            return model.apply(whole, row[None, :-1])[0, -scored:]

        rows, jacobian = logits(flat), jax.jacrev(logits)(flat)
        said = row[-scored:]
        return _Rows(
            separation(jacobian, said),
            error_probability(rows, said),
            answer_loss(rows, said),
            jnp.mean(loss_gradient(rows, jacobian, said), axis=0),
        )

    found: _Rows = jax.lax.map(one, (tokens, gates))
    return found
