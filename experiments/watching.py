"""A run seen from another terminal: what its metrics say, as a table."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from experiments.claim import UsageError
from experiments.report import console
from simlab.metrics import FILE
from simlab.progress import duration, number

_SECONDS_BETWEEN_LOOKS = 1.0
_SILENCE = 60.0  # seconds without news before one wonders, at least
_LAGS = 5  # ... and so many times the longest wait so far


@dataclass(frozen=True)
class WatchOptions:
    """A table of how far a run is, until it ends."""

    directory: Annotated[Path, tyro.conf.Positional]  # of one result, or of many
    once: bool = False  # print one table and leave


@dataclass
class SweepSeen:
    """What is known of one sweep."""

    runs: int
    already: int
    steps_per_run: int
    tokens_per_step: int
    fresh: int = 0
    seconds: float = 0.0  # that the fresh runs took
    stretch: str = ""  # of the chunk that is being run
    diverged: int | None = None
    loss: Any = None

    def hear(self, event: dict[str, Any]) -> None:
        """Takes in a chunk or a stretch."""
        self.loss = event.get("loss", self.loss)
        if event["event"] == "stretch":
            self.stretch = f"{event['stretch']}/{event['stretches']}"
            return
        self.stretch = ""
        self.fresh += event["runs"]
        self.seconds += event["seconds"]
        if "diverged" in event:
            self.diverged = (self.diverged or 0) + event["diverged"]

    def row(self) -> list[str]:
        """The cells of its line, in the order of the table's columns."""
        done = self.already + self.fresh
        left = tokens = ""
        if self.fresh and self.seconds > 0:
            rate = self.fresh * self.steps_per_run / self.seconds
            tokens = number(rate * self.tokens_per_step)
            left = duration((self.runs - done) * self.seconds / self.fresh)
        known = isinstance(self.loss, int | float)
        return [
            f"{done:,}/{self.runs:,}",
            f"{done * self.steps_per_run:,}/{self.runs * self.steps_per_run:,}",
            self.stretch,
            tokens,
            left,
            "" if self.diverged is None else str(self.diverged),
            f"{self.loss:.4g}" if known else str(self.loss or ""),
        ]


@dataclass
class RunSeen:
    """What is known of a run, from its last beginning on."""

    claim: str = ""
    sweeps: dict[str, SweepSeen] = field(default_factory=dict)
    ended: str = ""
    begun: float = 0.0
    last: float = 0.0
    longest_wait: float = 0.0

    def hear(self, event: dict[str, Any]) -> None:
        """Takes in one event; what it does not know does not matter."""
        kind, when = event["event"], float(event["time"])
        self.longest_wait = max(self.longest_wait, when - (self.last or when))
        self.last = when
        if kind == "sweep":
            fields = ("runs", "already", "steps_per_run", "tokens_per_step")
            self.sweeps[event["name"]] = SweepSeen(*(event[key] for key in fields))
        elif kind in ("chunk", "stretch"):
            # A stretch is called after its sweep and the first run of its batch.
            name = event["name"]
            name = name if name in self.sweeps else name.rpartition("-")[0]
            if name in self.sweeps:
                self.sweeps[name].hear(event)
        elif kind == "end":
            self.ended = f"finished: {event['verdict']}"
        elif kind == "stopped":
            self.ended = f"stopped ({event['reason']}): the same command goes on"

    def news(self, now: float) -> str:
        """How the run is, or how old the last news of it are."""
        if self.ended:
            return f"{self.ended}, after {duration(self.last - self.begun)}"
        age = max(now - self.last, 0.0)
        if age > max(_SILENCE, _LAGS * self.longest_wait):
            return f"no news for {age:.0f} s: is it still running?"
        return f"last news {age:.0f} s ago, running for {duration(now - self.begun)}"


def seen(lines: Iterable[str]) -> RunSeen:
    """What the lines of a metrics file say; a torn last one says nothing yet."""
    run = RunSeen()
    for line in lines:
        if not line.endswith("\n"):
            break
        event = json.loads(line)
        if event["event"] == "begin":
            run = RunSeen(event["claim"], begun=float(event["time"]))
        run.hear(event)
    return run


def find_metrics(directory: Path) -> Callable[[], Path | None]:
    """Asks where the metrics of a run are now: they move when it is finished.

    Of an output directory, the run that told something last. Errors: UsageError.
    """
    final = _result_in(directory)
    places = _partial(final) / FILE, final / FILE
    return lambda: next((place for place in places if place.exists()), None)


def watch(
    options: WatchOptions,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Shows a run until it ends, or once. Errors: UsageError."""
    where, screen = find_metrics(options.directory), console()
    first = look(where)
    if options.once or first.ended or not screen.is_terminal:
        screen.print(drawn(first, clock()))
        return
    with Live(drawn(first, clock()), console=screen, auto_refresh=False) as live:
        while not (run := look(where)).ended:
            live.update(drawn(run, clock()), refresh=True)
            sleep(_SECONDS_BETWEEN_LOOKS)
        live.update(drawn(run, clock()), refresh=True)


def drawn(run: RunSeen, now: float) -> Group:
    """The table of a run's sweeps, and how it is."""
    columns = "sweep", "runs", "steps", "stretch", "tokens/s", "left", "diverged"
    table = Table(*columns, "last loss", title=escape(run.claim))
    for name, sweep in run.sweeps.items():
        table.add_row(escape(name), *sweep.row())
    return Group(table, Text(run.news(now)))


def look(where: Callable[[], Path | None]) -> RunSeen:
    """What is known of a run now. Errors: UsageError."""
    for _ in range(3):  # moved between two looks, it is in its new place
        place = where()
        try:
            if place is not None:
                with place.open(encoding="utf-8") as file:
                    return seen(file)
        except FileNotFoundError:
            continue
        except (LookupError, TypeError, ValueError) as error:
            raise UsageError(f"{place}: is not a run's metrics: {error}") from error
    raise UsageError("the run is gone: was its directory removed?")


def _result_in(directory: Path) -> Path:
    """The directory that a watched result has, or will have."""
    directory = directory.absolute()
    name = directory.name
    if name.startswith(".") and name.endswith(".partial"):
        return directory.with_name(name[1 : -len(".partial")])
    if (directory / FILE).exists() or (_partial(directory) / FILE).exists():
        return directory
    if directory.is_file():
        raise UsageError(f"{directory}: is a file; pass the directory that holds it")
    if not directory.is_dir():
        raise UsageError(
            f"{directory}: no such directory; pass what `simlab run` got as --out"
        )
    found = sorted(directory.glob(f"*/{FILE}"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise UsageError(
            f"{directory}: no run has written {FILE} here; was another --out given?"
        )
    return _result_in(found[-1].parent)


def _partial(final: Path) -> Path:
    return final.with_name(f".{final.name}.partial")
