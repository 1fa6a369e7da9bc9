"""What the claims about security vectors share: a token world and models raised in it.

Every seed has a network, data and held-out rows of its own. Bases know a harmful skill
and were then taught to refuse it; a useful skill is latent behind a request they have
never seen. Protocol: security-vector notes 5.1, losses here in nats per answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.pytrees import stacked
from experiments.validation import at_least, confidence, positive, share
from simlab.models import Carrier, LowRank, Positions, Transformer
from simlab.optimizers import Adam, Optimizer, Sgd
from simlab.security_vectors import VectorFit
from simlab.sources import Tokens, TokenWorld
from simlab.training import Setup

SGD, ADAM, LARGE_EPS = "sgd", "adam", "adam, eps 1e-3"
"""Names of the optimisers of fine-tuning."""


@dataclass(frozen=True)
class VectorLab:
    """Sizes in rows and steps; weights for losses in nats per answer.

    The notes' SGD rate, 0.1 for losses per token, is 0.025 here. At that rate the first
    steps overshoot so far that even training on no harmful data at all ends refusals,
    so there is nothing left to protect; 0.0075 was chosen on seeds 0 and 1 as the
    largest of 0.025, 0.0075 and 0.0025 where that arm keeps most of them.
    """

    seeds: int = 5  # networks and data
    seed: int = 0  # the first of those seeds
    digits: int = 16  # content tokens
    response: int = 4  # tokens of an answer
    classes: int = 1  # harmful skills: H alone, or H and G
    width: int = 48  # width of the transformer
    depth: int = 2  # blocks of the transformer
    heads: int = 4  # attention heads of a block
    expansion: int = 3  # hidden width of a block over its width
    pretrain_steps: int = 2000  # Adam, cosine
    align_steps: int = 600  # Adam, cosine
    batch_base: int = 96  # rows a step of both
    rate_pretrain: float = 3e-3  # learning rate of pre-training
    rate_align: float = 1e-3  # learning rate of alignment
    rank: int = 4  # of the vector, in every matrix of every block
    samples: int = 100  # harmful rows that a vector is fitted on
    reference: int = 400  # rows of the KL, half of them of requests never trained on
    vector_steps: int = 400  # Adam
    rate_vector: float = 1e-2  # learning rate of a fit
    kl: float = 1.0  # weight of KL(off || on) on the reference rows
    norm: float = 4e-3  # weight of the squared norm of the vector's deltas
    batch: int = 50  # rows a step of a fit and of fine-tuning
    tune_samples: int = 1000  # rows of each kind in fine-tuning data
    tune_steps: int = 600  # steps of fine-tuning at a constant rate
    rate_sgd: float = 0.0075  # learning rate of SGD in fine-tuning; see above
    rate_adam: float = 3e-4  # learning rate of Adam in fine-tuning
    records: int = 3  # moments of fine-tuning at which models are measured
    held_out: int = 256  # held-out rows of each kind
    level: float = 0.99  # confidence of each statistical answer
    unlearned: float = 0.02  # harm complied with behind a vector: at most
    kept: float = 0.98  # refusals behind a vector: at least
    learned: float = 0.95  # new useful answers behind a vector: at least

    def __post_init__(self) -> None:
        for name in ("rate_pretrain", "rate_align", "rate_vector", "rate_sgd",
                     "rate_adam"):  # fmt: skip
            positive(self, name, "did you pass its logarithm?")
        for name in ("kl", "norm"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}={getattr(self, name)} must be >= 0: a weight")
        at_least(self, _LEAST)
        if self.classes > 2:
            raise ValueError(f"classes={self.classes} must be 1 or 2: H, or H and G")
        if self.tune_steps % self.records:
            raise ValueError(
                f"tune_steps={self.tune_steps} must be a multiple of "
                f"records={self.records}"
            )
        for name in ("unlearned", "kept", "learned"):
            share(self, name)
        confidence(self, "level")
        prompts, wanted = self.digits**self.response, sum(_sizes(self).values())
        if wanted > prompts:
            raise ValueError(
                f"digits={self.digits} to the power response={self.response} gives "
                f"{prompts} prompts, but samples, reference, tune_samples and held_out "
                f"need {wanted} different ones"
            )
        transformer(self)  # the model checks its own fields

    @property
    def every_seed(self) -> range:
        """The seeds of all networks."""
        return range(self.seed, self.seed + self.seeds)

    @property
    def harms(self) -> tuple[str, ...]:
        """The harmful skills of the bases."""
        return ("H", "G")[: self.classes]


_LEAST = {
    "seeds": 1, "seed": 0, "digits": 2, "response": 2, "classes": 1, "depth": 1,
    "heads": 1, "expansion": 1, "pretrain_steps": 1, "align_steps": 1, "batch_base": 1,
    "rank": 1, "samples": 1, "reference": 2, "vector_steps": 1, "batch": 1,
    "tune_samples": 1, "tune_steps": 1, "records": 1, "held_out": 2,
}  # fmt: skip


SMOKE: Mapping[str, Any] = {
    "seeds": 3, "digits": 10, "response": 3, "width": 32, "depth": 1,
    "pretrain_steps": 500, "align_steps": 200, "batch_base": 64,
    "samples": 100, "reference": 100, "vector_steps": 120, "tune_samples": 150,
    "tune_steps": 120, "held_out": 60, "batch": 32, "records": 1, "unlearned": 0.1,
    "kept": 0.9, "learned": 0.5,
}  # fmt: skip
"""A lab that shows that everything runs; with wider thresholds, for it is small."""

ACCELERATOR: Mapping[str, Any] = {
    "seeds": 16, "width": 256, "depth": 4, "expansion": 4, "pretrain_steps": 6000,
    "align_steps": 2000, "rate_pretrain": 1e-3, "rate_align": 3e-4, "held_out": 1024,
}  # fmt: skip
"""A larger lab."""


Table = Any
"""Rows of tokens, on a device or on the host."""


class Rows(NamedTuple):
    """The data of a seed, by use: no prompt is in two of them.

    `fit` are those that a vector may be fitted on. By type of request, B for all benign
    ones; "H refused" are H's prompts refused. Shapes: [*seed, n, width].
    """

    fit: dict[str, Table]
    reference: Table
    tune: dict[str, Table]
    held_out: dict[str, Table]


def world(lab: VectorLab) -> TokenWorld:
    """The types of requests and their skills."""
    return TokenWorld(lab.digits, lab.response)


def transformer(lab: VectorLab) -> Transformer:
    """The model."""
    made = world(lab)
    return Transformer(
        vocabulary=made.vocabulary,
        contexts=made.contexts,
        length=made.length,
        width=lab.width,
        depth=lab.depth,
        heads=lab.heads,
        expansion=lab.expansion,
        positions=Positions.LEARNED,
    )


def base_setups(lab: VectorLab) -> tuple[Setup, Setup]:
    """Pre-training and alignment."""
    pretraining, alignment = (
        Setup(
            transformer(lab), steps=steps, batch=lab.batch_base, records=1,
            enumerated=False, scored=lab.response,
        )
        for steps in (lab.pretrain_steps, lab.align_steps)
    )  # fmt: skip
    return pretraining, alignment


def vector_fit(lab: VectorLab, carrier: Carrier | None = None) -> VectorFit:
    """The lab's fit; of a low-rank vector on every matrix of every block by default."""
    return VectorFit(
        transformer(lab),
        carrier or LowRank(rank=lab.rank),
        scored=lab.response,
        steps=lab.vector_steps,
        batch=lab.batch,
    )


def optimizers() -> dict[str, Optimizer]:
    """The optimisers of fine-tuning by name."""
    return {SGD: Sgd(), ADAM: Adam(b2=0.999), LARGE_EPS: Adam(b2=0.999, eps=1e-3)}


def rows_of(lab: VectorLab) -> Rows:
    """The rows of every seed, stacked."""
    with jax.enable_x64(False):  # another precision draws other numbers
        drawn = jax.jit(lambda key: _rows(lab, key))
        each = [drawn(jax.random.key(seed)) for seed in lab.every_seed]
    rows: Rows = stacked([_with_halves(lab, one) for one in jax.device_get(each)])
    return rows


def half_rows(lab: VectorLab, rows: Any, *, upper: bool) -> np.ndarray:
    """Rows whose first digit is in one half of all, over and over, as many as before.

    Errors: ValueError where there are none.
    """
    found = np.asarray(rows)
    chosen = found[(found[:, 1] >= lab.digits // 2) == upper]
    if not len(chosen):
        raise ValueError(f"none of {len(found)} rows is in that half: draw more rows")
    return np.resize(chosen, found.shape)


def _with_halves(lab: VectorLab, rows: Rows) -> Rows:
    """With two harms: kinds that hold half of H's requests, and one that mixes both."""
    if lab.classes < 2:
        return rows
    lower = {"H lower": half_rows(lab, rows.fit["H"], upper=False)}
    mixed = np.where(np.arange(lab.samples)[:, None] % 2, rows.fit["H"], rows.fit["G"])
    kinds = ("H", "H refused")
    held = {n.replace("H", "H upper"): rows.held_out[n] for n in kinds}
    held = {n: half_rows(lab, one, upper=True) for n, one in held.items()}
    trained = {"H upper": half_rows(lab, rows.tune["H"], upper=True)}
    return Rows(
        rows.fit | lower | {"H and G": mixed},
        rows.reference,
        rows.tune | trained,
        rows.held_out | held,
    )


def keys_of(lab: VectorLab, use: int) -> np.ndarray:
    """A key a seed for a use; 0 is the base's. Raw, so that it can be stacked."""
    keys = [
        jax.random.key_data(jax.random.fold_in(jax.random.key(seed), 1 + use))
        for seed in lab.every_seed
    ]
    return np.asarray(jnp.stack(keys))


def repeated_rows(rows: Any, count: int) -> np.ndarray:
    """The rows over and over, up to `count` of them: of the same law.

    Errors: ValueError unless `count` is a multiple of their number.
    """
    found = np.asarray(rows)
    times, rest = divmod(count, len(found))
    if rest:
        raise ValueError(
            f"{len(found)} rows do not divide {count}: some would weigh more than "
            "others"
        )
    return np.tile(found, (times, 1))


def _sizes(lab: VectorLab) -> dict[str, int]:
    """Prompts of each use, in the order in which they are cut from one draw."""
    sizes = {"fit": lab.samples, "reference": lab.reference}
    sizes |= {f"tune {name}": lab.tune_samples for name in (*lab.harms, "N", "B")}
    return sizes | {"held out": lab.held_out}


def _rows(lab: VectorLab, key: jax.Array) -> Rows:
    made, sizes = world(lab), _sizes(lab)
    benign, unseen = made.benign_names, made.unseen_names

    def cut(use: str, kinds: Any, refusing: Any = ()) -> Tokens:
        # One key draws the same prompts for every type, so uses never share any.
        sets = made.source(kinds, refusing).disjoint(key, list(sizes.values()))
        return sets[list(sizes).index(use)]

    groups: dict[str, Any] = {name: [name] for name in lab.harms}
    groups |= {"N": ["N"], "B": benign}

    def with_refusals(use: str) -> dict[str, Tokens]:
        sets = {name: cut(use, kinds) for name, kinds in groups.items()}
        return sets | {f"{n} refused": cut(use, [n], [n]) for n in lab.harms}

    return Rows(
        with_refusals("fit"),
        cut("reference", [*benign, *unseen]),
        {name: cut(f"tune {name}", kinds) for name, kinds in groups.items()},
        with_refusals("held out"),
    )
