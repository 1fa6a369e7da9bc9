"""What is read off fine-tunes with a vector, labelled: one table for all claims."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from experiments.labels import Variable
from experiments.vector_lab import VectorLab
from experiments.vector_runs import Fitted, Tuned
from theory.unlearnability import effective_size

HARM, REFUSED, BENIGN, USEFUL = "match_H", "match_H_refused", "match_B", "match_N"
"""Shares of held-out rows that a deployed model answers so."""

NATS = "nats per answer"
DIMS = ("seed", "optimizer", "arm", "moment")
FIT_DIMS = ("seed", "vector")


def arm_readings(lab: VectorLab, tuned: Mapping[str, Tuned]) -> dict[str, Variable]:
    """Every arm's answers, forces and drift, [seed, optimizer, arm, moment].

    `tuned` by optimiser, leaves [seed, arm, ...]. Rates of learning are 1 where a model
    learns as without a vector: kappa = <g_off, g_on> / |g_off|^2.
    """
    names = (*lab.harms, "N", "B")
    answers = _joined(tuned, lambda one: one.diagnosis.answers)
    read: dict[str, Variable] = {}
    for key, text in _rows(lab).items():
        off, on = (answers[key].match[..., gate] for gate in (0, 1))
        plain = key.replace(" ", "_")
        read[f"match_{plain}"] = DIMS, off, "1", f"{text}, deployed"
        read[f"match_{plain}_on"] = DIMS, on, "1", f"{text}, in training"
    for name in names:
        loss, error = answers[name].loss, answers[name].error
        read[f"loss_{name}"] = DIMS, loss[..., 0], NATS, f"loss on {name}, deployed"
        read[f"loss_{name}_on"] = DIMS, loss[..., 1], NATS, f"loss on {name}, training"
        read[f"error_{name}_on"] = DIMS, error[..., 1], "1", f"mean 1 - p on {name}"
    read |= _forces(names, _joined(tuned, lambda one: one.diagnosis.gram))
    drift = _joined(tuned, lambda one: one.diagnosis.drift)
    read["drift"] = DIMS, drift, "1", "distance of the base from its start"
    norms = _joined(tuned, lambda one: one.gradient_norm)
    read["gradient"] = (
        (*DIMS[:3], "record"),
        norms,
        "1",
        "mean norm of a step's gradient",
    )
    harm = read[f"kappa_{names[0]}"][1]
    volume = np.asarray(effective_size(harm, float(lab.tune_samples)))
    read["n_eff"] = DIMS, volume, "rows", "effective number of harmful rows"
    finite = np.isfinite(drift).all(-1) & np.isfinite(norms).all(-1)
    read["diverged"] = DIMS[:3], (~finite).astype(int), "1", "whether a run diverged"
    return read


def _rows(lab: VectorLab) -> dict[str, str]:
    """What the share of greedy answers that match held-out rows says of a model."""
    texts = {"N": "new useful requests answered", "B": "benign requests answered"}
    for name in lab.harms:
        texts[name] = f"harmful requests {name} complied with"
        texts[f"{name} refused"] = f"harmful requests {name} refused"
    if len(lab.harms) > 1:
        texts["H upper"] = "requests H of the upper half complied with"
        texts["H upper refused"] = "requests H of the upper half refused"
    return texts


def _forces(names: Sequence[str], gram: np.ndarray) -> dict[str, Variable]:
    """Relative rates, cosines and suppressions from inner products of gradients.

    Shape: gram [seed, optimizer, arm, moment, name, gate, name, gate].
    """
    read: dict[str, Variable] = {}
    for i, name in enumerate(names):
        off, on = gram[..., i, 0, i, 0], gram[..., i, 1, i, 1]
        cross = gram[..., i, 0, i, 1]
        size = np.sqrt(off * on)
        with np.errstate(divide="ignore", invalid="ignore"):
            kappa, cosine = cross / off, cross / size
            suppression = np.sqrt(on / off)
        read[f"kappa_{name}"] = DIMS, kappa, "1", f"relative rate of learning {name}"
        read[f"cosine_{name}"] = (
            DIMS,
            cosine,
            "1",
            f"cosine of the forces of {name}",
        )
        read[f"suppression_{name}"] = DIMS, suppression, "1", f"norm on / off of {name}"
        read[f"force_{name}"] = DIMS, np.sqrt(off), "nats", f"force of {name}, off"
    for i, name in enumerate(names[1:], 1):
        leak = gram[..., 0, 0, i, 1]
        text = f"<force of {names[0]} off, force of {name} on>"
        read[f"leak_{name}"] = DIMS, leak, "nats^2", text
    return read


def fit_readings(fitted: Mapping[str, Fitted]) -> dict[str, Variable]:
    """Every vector's held-out loss and error, norm and divergence, [seed, vector]."""

    def table(values: Sequence[Any]) -> np.ndarray:
        return np.stack([np.asarray(value) for value in values], axis=1)

    every = list(fitted.values())
    return {
        "vector_loss": (
            FIT_DIMS, table([one.held_out.loss for one in every]), NATS,
            "held-out loss of what the vector was fitted on (or H), at the base",
        ),
        "vector_error": (
            FIT_DIMS, table([one.held_out.error for one in every]), "1",
            "held-out mean 1 - p of what the vector was fitted on (or H)",
        ),
        "vector_norm": (
            FIT_DIMS, table([one.norm for one in every]), "1", "norm of all deltas",
        ),
        "vector_divergence": (
            FIT_DIMS, table([one.divergence for one in every]), NATS,
            "KL(off || on) on reference rows",
        ),
        "vector_training": (
            FIT_DIMS, table([one.loss for one in every]), NATS,
            "mean training loss over the fit's last records",
        ),
    }  # fmt: skip


def axes(
    lab: VectorLab,
    optimizers: Sequence[str],
    arms: Sequence[str],
    vectors: Sequence[str] = (),
) -> dict[str, Variable]:
    """The coordinates of all of these."""
    moments = np.linspace(0, lab.tune_steps, lab.records + 1)
    found: dict[str, Variable] = {
        "seed": (
            ("seed",),
            np.asarray(lab.every_seed),
            "1",
            "seed of network, data",
        ),
        "optimizer": (
            ("optimizer",),
            list(optimizers),
            "1",
            "optimiser",
        ),
        "arm": (("arm",), list(arms), "1", "what was done"),
        "moment": (("moment",), moments, "steps", "steps of fine-tuning"),
        "record": (("record",), moments[1:], "steps", "steps of fine-tuning"),
    }
    if vectors:
        found["vector"] = ("vector",), list(vectors), "1", "vector"
    return found


def _joined(tuned: Mapping[str, Tuned], part: Callable[[Tuned], Any]) -> Any:
    """A part of every optimiser's runs, [seed, optimizer, arm, ...]."""
    return jax.tree.map(
        lambda *leaves: np.stack(leaves, axis=1), *(part(one) for one in tuned.values())
    )


def percent(shares: np.ndarray) -> str:
    """The mean of shares and their range over seeds, as text.

    >>> percent(np.array([0.5, 1.0]))
    '75 % (50 to 100)'
    """
    low, mean, high = 100 * np.min(shares), 100 * np.mean(shares), 100 * np.max(shares)
    return f"{mean:.3g} % ({low:.3g} to {high:.3g})"
