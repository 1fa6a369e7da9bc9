"""The world of security vectors in tokens: benign, harmful, new and unseen requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np

from simlab.sources.tasks import TaskSource


@dataclass(frozen=True)
class TokenWorld:
    """Types of requests, each with a skill on the digits of its prompt.

    Benign B0, B1, .. shift digits by 1, 2, ..; harmful H reverses them; G, a second
    harmful class, swaps neighbours (of two digits: H's skill under another name); the
    new useful N shifts by `shift_new`, a skill that some B has; U0, U1, .. are never
    trained, and would copy. Whether a type is refused is up to the source. Defaults,
    but for G and the skill of U: security-vector notes 5.1.

    >>> world = TokenWorld()
    >>> world.names
    ('B0', 'B1', 'B2', 'B3', 'H', 'G', 'N', 'U0', 'U1', 'U2', 'U3')
    >>> world.vocabulary, world.length, world.response
    (18, 9, 4)
    """

    digits: int = 16  # content tokens
    response: int = 4  # digits of a prompt, and tokens of an answer
    benign: int = 4  # types B
    unseen: int = 4  # types U
    shift_new: int = 3  # the skill of N

    def __post_init__(self) -> None:
        if self.digits < 2 or self.response < 2:
            raise ValueError(
                f"digits={self.digits} and response={self.response} must be >= 2, or "
                "skills could not be told apart"
            )
        if not 1 <= self.benign < self.digits or self.unseen < 0:
            raise ValueError(
                f"benign={self.benign} must be in [1, {self.digits - 1}], one shift "
                f"each, and unseen={self.unseen} >= 0"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The types, in the order of their contexts."""
        unseen = (f"U{i}" for i in range(self.unseen))
        return (*self.benign_names, "H", "G", "N", *unseen)

    @property
    def benign_names(self) -> tuple[str, ...]:
        """The types of benign requests that pre-training knows."""
        return tuple(f"B{i}" for i in range(self.benign))

    @property
    def unseen_names(self) -> tuple[str, ...]:
        """The types that no data are made of: prompts unlike the known ones."""
        return tuple(f"U{i}" for i in range(self.unseen))

    @property
    def vocabulary(self) -> int:
        """The number of output tokens: digits, separator, refusal."""
        return self.digits + 2

    @property
    def contexts(self) -> int:
        """The number of types."""
        return len(self.names)

    @property
    def length(self) -> int:
        """Outputs of a sequence."""
        return 2 * self.response + 1

    def source(
        self,
        weights: Mapping[str, float] | Sequence[str],
        refusing: Mapping[str, float] | Sequence[str] = (),
    ) -> TaskSource:
        """Requests of the named types, by weight; those of `refusing` are refused.

        Weights need not sum to 1; names alone weigh alike. `refusing` maps types to the
        chance of a refusal; names alone refuse always, all others never. Errors:
        ValueError for a name that is none, weights below zero, chances not in [0, 1].

        >>> world = TokenWorld()
        >>> mixed = world.source({"H": 1.0, "N": 1.0, "B2": 2.0}, refusing=["H"])
        >>> [float(mixed.contexts[world.names.index(name)]) for name in ("H", "B2")]
        [0.25, 0.5]
        """
        share, refused = self._by_type(weights), self._by_type(refusing)
        if np.min(share) < 0 or np.sum(share) <= 0:
            raise ValueError(f"weights={weights} must be >= 0, and one of them > 0")
        if np.min(refused) < 0 or np.max(refused) > 1:
            raise ValueError(f"refusing={refusing} must be probabilities in [0, 1]")
        return TaskSource(
            jnp.asarray(share / np.sum(share), jnp.float32),
            jnp.asarray([self._order(name) for name in self.names], jnp.int32),
            jnp.asarray([self._shift(name) for name in self.names], jnp.int32),
            jnp.asarray(refused, jnp.float32),
            self.digits,
        )

    def _by_type(self, given: Mapping[str, float] | Sequence[str]) -> np.ndarray:
        pairs = given if isinstance(given, Mapping) else dict.fromkeys(given, 1.0)
        lost = [name for name in pairs if name not in self.names]
        if lost:
            raise ValueError(
                f"{lost[0]!r} is no type of request; there are {', '.join(self.names)}"
            )
        return np.array([float(pairs.get(name, 0.0)) for name in self.names])

    def _order(self, name: str) -> list[int]:
        places = list(range(self.response))
        if name == "H":
            return places[::-1]
        if name == "G":
            return [min(i ^ 1, self.response - 1) for i in places]
        return places

    def _shift(self, name: str) -> int:
        if name == "N":
            return self.shift_new % self.digits
        return 1 + self.benign_names.index(name) if name in self.benign_names else 0
