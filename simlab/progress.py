"""How far a sweep is: a bar on a terminal, a line now and then in a log.

Everything goes to standard error, so that standard output stays the program's answer.
Runs found on disk count as done, but neither in the rate nor in the remaining time.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import NamedTuple, Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task
from rich.progress import Progress as RichProgress
from rich.text import Text

SECONDS_BETWEEN_LINES = 10.0


@runtime_checkable
class Progress(Protocol):
    """What a long computation reports to; used as a context manager."""

    def advance(self, runs: int = 1) -> None:
        """Count `runs` more runs as done."""

    def __enter__(self) -> "Progress": ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Tally(NamedTuple):
    """What a progress line tells; `elapsed` in seconds, `already` found on disk."""

    title: str
    runs: int
    already: int = 0
    fresh: int = 0
    steps_per_run: int = 1
    tokens_per_step: int = 0
    elapsed: float = 0.0


def status(tally: Tally) -> str:
    """One line: runs done, time left and elapsed, rates of the fresh runs, steps done.

    steps/s = fresh * steps_per_run / elapsed; remaining = runs left * elapsed / fresh.

    >>> status(Tally("frontier", 10, already=4, fresh=2, steps_per_run=50, elapsed=4.0))
    'frontier: 6/10 runs, left 0:00:08, elapsed 0:00:04, 25 steps/s, 300/500 steps'
    """
    done = tally.already + tally.fresh
    words = [f"{done:,}/{tally.runs:,} runs"]
    if tally.fresh and done < tally.runs:
        left = (tally.runs - done) * tally.elapsed / tally.fresh
        words.append(f"left {duration(left)}")
    # A narrow terminal cuts the end off, so what matters least comes last.
    words += [f"elapsed {duration(tally.elapsed)}", *_rates(tally)]
    steps = done * tally.steps_per_run
    words.append(f"{steps:,}/{tally.runs * tally.steps_per_run:,} steps")
    return f"{tally.title}: {', '.join(words)}"


def summary(tally: Tally, stopped: bool = False) -> str:
    """The last line: what was done, how fast, and how much was found on disk.

    >>> summary(Tally("frontier", 10, already=4, fresh=6, elapsed=3.0))
    'frontier: done, 10/10 runs (4 found on disk) in 0:00:03, 2.0 steps/s'
    """
    done = tally.already + tally.fresh
    complete = done >= tally.runs and not stopped
    found = f" ({tally.already:,} found on disk)" if tally.already else ""
    runs = f"{done:,}/{tally.runs:,} runs{found} in {duration(tally.elapsed)}"
    state = "done" if complete else "stopped"
    return f"{tally.title}: {', '.join([state, runs, *_rates(tally)])}"


class NullProgress:
    """Progress that says nothing."""

    def advance(self, runs: int = 1) -> None:
        """Do nothing."""

    def __enter__(self) -> "NullProgress":
        return self

    def __exit__(self, *_: object) -> None:
        pass


class ToldProgress:
    """Another progress, told to `hear` as events too: "sweep" first, then "chunk"s.

    A chunk tells the runs that are new, the seconds since the one before (compilation
    included in the first), its rates, and what `findings` says of it.
    """

    def __init__(
        self,
        progress: Progress,
        tally: Tally,
        hear: Callable[..., object],
        findings: Callable[[], Mapping[str, object]] = dict,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._tally = progress, tally
        self._hear, self._findings, self._clock = hear, findings, clock
        self._told = clock()

    def advance(self, runs: int = 1) -> None:
        """Count `runs` more fresh runs as done."""
        self._progress.advance(runs)
        now = self._clock()
        seconds, self._told = now - self._told, now
        rate = runs * self._tally.steps_per_run / max(seconds, 1e-9)
        self._hear(
            "chunk",
            name=self._tally.title,
            runs=runs,
            seconds=seconds,
            steps_per_second=rate,
            tokens_per_second=rate * self._tally.tokens_per_step,
            **self._findings(),
        )

    def __enter__(self) -> "ToldProgress":
        self._progress.__enter__()
        self._told = self._clock()
        tally = self._tally
        self._hear(
            "sweep",
            name=tally.title,
            runs=tally.runs,
            already=tally.already,
            steps_per_run=tally.steps_per_run,
            tokens_per_step=tally.tokens_per_step,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.__exit__(kind, error, trace)


class BarProgress:
    """Progress as a bar on a terminal, else as a line every ten seconds.

    Raises:
        ValueError: more runs found on disk than there are, or counts below zero.
    """

    def __init__(
        self,
        tally: Tally,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= tally.already <= tally.runs:
            raise ValueError(
                f"already={tally.already} must be between 0 and runs={tally.runs}; "
                "runs counts all runs, also those found on disk"
            )
        self._tally = tally
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._started = self._told = clock()
        self._bar: RichProgress | None = None

    def advance(self, runs: int = 1) -> None:
        """Count `runs` more fresh runs as done."""
        if runs < 0:
            raise ValueError(f"runs={runs} must be >= 0: pass the new runs, not a sum")
        self._tally = self._tally._replace(fresh=self._tally.fresh + runs)
        now = self._clock()
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], runs)
        elif now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            self._print(status(self._now()))

    def __enter__(self) -> "BarProgress":
        self._started = self._told = self._clock()
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._bar = RichProgress(
                BarColumn(bar_width=20),
                _Status(lambda: status(self._now())),
                console=self._console,
                transient=True,
            )
            tally = self._tally
            self._bar.add_task("", total=tally.runs, completed=tally.already)
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        self._print(summary(self._now(), stopped=error is not None))

    def _now(self) -> Tally:
        return self._tally._replace(elapsed=self._clock() - self._started)

    def _print(self, line: str) -> None:
        # Not through rich, which would wrap and colour the line.
        print(line, file=self._console.file, flush=True)


def progress_bar(
    title: str,
    runs: int,
    steps_per_run: int = 1,
    *,
    already: int = 0,
    tokens_per_step: int = 0,
    enabled: bool = True,
) -> Progress:
    """Progress of `runs` runs in all, `already` of them found on disk.

    >>> with progress_bar("frontier", runs=2, steps_per_run=10, enabled=False) as bar:
    ...     bar.advance(runs=2)
    """
    tally = Tally(title, runs, already, 0, steps_per_run, tokens_per_step)
    return BarProgress(tally) if enabled else NullProgress()


class _Status(ProgressColumn):
    """The status line, asked for anew whenever the bar is drawn."""

    def __init__(self, ask: Callable[[], str]) -> None:
        super().__init__()
        self._ask = ask

    def render(self, task: Task) -> Text:
        return Text(self._ask(), no_wrap=True, overflow="ellipsis")


def _rates(tally: Tally) -> list[str]:
    if not tally.fresh or tally.elapsed <= 0:
        return []
    rate = tally.fresh * tally.steps_per_run / tally.elapsed
    tokens = rate * tally.tokens_per_step
    return [f"{number(rate)} steps/s"] + [f"{number(tokens)} tokens/s"] * (tokens > 0)


def number(value: float) -> str:
    """A rate in as few digits as tell it."""
    return (
        f"{value:,.0f}"
        if value >= 10
        else f"{value:.2g}"
        if value < 1
        else f"{value:.1f}"
    )


def duration(seconds: float) -> str:
    """Seconds as hours:minutes:seconds."""
    return str(timedelta(seconds=round(seconds)))
