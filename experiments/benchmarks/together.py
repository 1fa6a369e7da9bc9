"""Several workers at once, one a core: what a user with many runs would do by hand."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from experiments.benchmarks.measuring import Contender


@dataclass
class Together:
    """Contenders that work at the same time; a unit of work is one unit of one."""

    name: str
    members: Sequence[Contender]
    _opened: ExitStack = field(default_factory=ExitStack, init=False)

    def measure(self) -> float:
        """Seconds of the slowest, shared by all that worked meanwhile."""
        with ThreadPoolExecutor(len(self.members)) as threads:
            took: list[float] = list(
                threads.map(lambda each: each.measure(), self.members)
            )
        return max(took) / len(took)

    def __enter__(self) -> "Together":
        with ExitStack() as opened:
            for each in self.members:
                opened.enter_context(each)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
