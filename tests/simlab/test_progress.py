import io
import re

import pytest
from rich.console import Console

from simlab.progress import (
    BarProgress,
    NullProgress,
    Progress,
    Tally,
    progress_bar,
    status,
    summary,
)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def bar(tally, terminal=False, width=120):
    file, clock = io.StringIO(), Clock()
    console = Console(file=file, force_terminal=terminal, width=width, _environ={})
    return BarProgress(tally, console, clock), file, clock


def test_a_log_gets_a_line_every_ten_seconds_and_a_summary():
    progress, file, clock = bar(Tally("claim", 60, steps_per_run=5))
    with progress:
        for _ in range(60):
            clock.now += 0.5
            progress.advance()
    assert file.getvalue().splitlines() == [
        "claim: 20/60 runs, left 0:00:20, elapsed 0:00:10, 10 steps/s, 100/300 steps",
        "claim: 40/60 runs, left 0:00:10, elapsed 0:00:20, 10 steps/s, 200/300 steps",
        "claim: 60/60 runs, elapsed 0:00:30, 10 steps/s, 300/300 steps",
        "claim: done, 60/60 runs in 0:00:30, 10 steps/s",
    ]


def test_a_log_has_no_control_characters_and_a_terminal_has():
    lines = []
    for terminal in (False, True):
        progress, file, clock = bar(Tally("claim [bold]", 2), terminal)
        with progress:
            clock.now += 11
            progress.advance(2)
        lines.append(file.getvalue())
    assert re.findall(r"[^\n -~]", lines[0]) == []
    assert "\x1b" in lines[1]
    for text in lines:
        assert text.splitlines()[-1].endswith(
            "claim [bold]: done, 2/2 runs in 0:00:11, 0.18 steps/s"
        )


def test_the_bar_of_a_terminal_counts_the_runs_found_on_disk_as_done():
    progress, file, clock = bar(Tally("claim", 10, already=4), terminal=True)
    with progress:
        clock.now += 2
        progress.advance(2)
        assert progress._bar.tasks[0].completed == 6
        progress._bar.refresh()
    assert "claim: 6/10 runs, left 0:00:04, elapsed 0:00:02" in file.getvalue()


@pytest.mark.parametrize("already", [0, 7, 500])
def test_runs_found_on_disk_change_neither_the_rate_nor_the_time_left(already):
    line = status(Tally("claim", 30 + already, already, 10, 6, 0, 20.0))
    assert "3.0 steps/s" in line
    assert "left 0:00:40" in line


def test_nothing_is_promised_before_the_first_fresh_run():
    line = status(Tally("claim", 10, already=4, elapsed=60.0))
    assert line == "claim: 4/10 runs, elapsed 0:01:00, 4/10 steps"


def test_tokens_are_told_where_they_are_known():
    tally = Tally(
        "claim", 4, 0, 2, steps_per_run=1000, tokens_per_step=512, elapsed=10.0
    )
    assert "200 steps/s, 102,400 tokens/s" in status(tally)
    assert "102,400 tokens/s" in summary(tally)
    assert "tokens" not in status(tally._replace(tokens_per_step=0))


def test_a_run_that_is_cut_off_is_not_called_done():
    progress, file, _ = bar(Tally("claim", 3))

    def interrupted():
        with progress:
            progress.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert file.getvalue() == "claim: stopped, 1/3 runs in 0:00:00\n"


def test_everything_goes_to_standard_error(capsys):
    with progress_bar("claim", 2, already=2):
        pass
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "claim: done, 2/2 runs (2 found on disk) in 0:00:00\n"


def test_switched_off_it_says_nothing(capsys):
    with progress_bar("claim", 2, enabled=False) as progress:
        progress.advance(2)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("progress", [NullProgress(), bar(Tally("claim", 1))[0]])
def test_both_kinds_are_progress(progress):
    assert isinstance(progress, Progress)
    assert not isinstance(object(), Progress)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="runs counts all runs"):
        progress_bar("claim", runs=3, already=4)
    with pytest.raises(ValueError, match="not a sum"):
        bar(Tally("claim", 3))[0].advance(-1)
