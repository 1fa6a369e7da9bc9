"""Whether two programs compute the same step: loss and gradients, before any timing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks.measuring import tell
from experiments.benchmarks.toy import Toy
from experiments.benchmarks.workers import Worker
from simlab.models import Params
from simlab.objectives import penalised_pair

MARGIN = 1e-4
"""Of float32 in two orders of summation; a wrong layer is off by more than 1e-2."""


@dataclass(frozen=True)
class Exam:
    """One step of the toy at fresh parameters, kept in a file of `directory`."""

    toy: Toy
    directory: Path

    @property
    def path(self) -> Path:
        """Parameters, by the names of `torch_toy`, and tokens."""
        return self.directory / "exam.json"

    def write(self) -> None:
        """Keeps the exam."""
        params, tokens = self._drawn()
        named = {name: leaf.tolist() for name, leaf in renamed(params).items()}
        asked = {"parameters": named, "tokens": np.asarray(tokens).tolist()}
        self.path.write_text(json.dumps(asked), "utf-8")

    def solved(self) -> dict[str, Any]:
        """Our own loss and gradients, by the same names."""
        params, tokens = self._drawn()
        model, alone = self.toy.setup.model, jnp.float32(0.0)
        loss, gradient = jax.jit(
            jax.value_and_grad(
                lambda at: penalised_pair(model, at, tokens, None, alone).objective
            )
        )(params)
        return {"loss": float(loss), "gradients": renamed(gradient)}

    def _drawn(self) -> tuple[Params, jax.Array]:
        hyper = self.toy.hyper(1e-3, seed=0)
        return hyper.start, hyper.capability.sample(jax.random.key(1), self.toy.batch)


@dataclass
class Examined:
    """A worker that has passed the exam before its first block."""

    worker: Worker
    exam: Exam
    answer: Path
    distance: float = float("nan")  # the largest found; see `distance_between`

    @property
    def name(self) -> str:
        """The worker's."""
        return self.worker.name

    def measure(self) -> float:
        """The worker's."""
        return self.worker.measure()

    def __enter__(self) -> "Examined":
        """Errors: ValueError where it computes something else than we do."""
        self.worker.__enter__()
        found = json.loads(self.answer.read_text("utf-8"))
        self.distance = distance_between(self.exam.solved(), found)
        if not self.distance <= MARGIN:
            self.worker.__exit__()
            raise ValueError(
                f"{self.name} is off by {self.distance:.1e} of the largest gradient, "
                f"allowed is {MARGIN:.0e}: it is another model"
            )
        tell(f"{self.name} computes the same step, to {self.distance:.1e}")
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.__exit__()


def distance_between(ours: Mapping[str, Any], found: Mapping[str, Any]) -> float:
    """The largest difference of the loss, and of any parameter's gradient.

    Each as a share of the largest entry that it has; NaN stays NaN.
    """
    pairs = [(ours["loss"], found["loss"])]
    pairs += [(ours["gradients"][k], found["gradients"][k]) for k in ours["gradients"]]
    return float(
        np.max(
            [np.max(np.abs(np.subtract(a, b))) / np.max(np.abs(a)) for a, b in pairs]
        )
    )


def renamed(params: Params) -> dict[str, np.ndarray]:
    """The toy's parameters as `torch_toy` names and turns them."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(params)
    named: dict[str, np.ndarray] = {}
    for path, leaf in leaves:
        words = jax.tree_util.keystr(path, simple=True, separator="/").split("/")
        words = [word for word in words if word not in ("blocks", "value")]
        kind = words.pop()
        named[".".join(words)] = np.asarray(leaf).T if kind == "kernel" else leaf
    return named
