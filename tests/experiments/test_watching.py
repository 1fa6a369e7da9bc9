"""`simlab watch`: what it shows of a run, where it looks, and what it says else."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from experiments import watching
from experiments.__main__ import main
from experiments.claim import UsageError
from experiments.watching import RunSeen, WatchOptions, drawn, find_metrics, seen, watch
from simlab.metrics import FILE

SWEEP = {
    "name": "align", "runs": 10, "already": 4, "steps_per_run": 50,
    "tokens_per_step": 8,
}  # fmt: skip


def line(event: str, time: float, **fields: Any) -> str:
    return json.dumps({"event": event, "time": time, **fields}) + "\n"


def chunk(time: float, **fields: Any) -> str:
    return line("chunk", time, name="align", runs=2, seconds=10.0, **fields)


BEGUN = line("begin", 100.0, claim="tiny", pid=1) + line("sweep", 110.0, **SWEEP)


def shown(run: RunSeen, now: float) -> str:
    file = io.StringIO()
    Console(file=file, width=120, _environ={}).print(drawn(run, now))
    return file.getvalue()


def cells(text: str, sweep: str = "align") -> list[str]:
    (row,) = [row for row in text.splitlines() if f" {sweep} " in row]
    return [cell.strip() for cell in row.split("│")[1:-1]]


def lines(*texts: str) -> list[str]:
    return "".join(texts).splitlines(keepends=True)


def test_the_table_tells_what_is_done_how_fast_and_what_is_left() -> None:
    told = [BEGUN, chunk(120.0, diverged=1, loss=2.5), chunk(130.0, diverged=0)]
    text = shown(seen(lines(*told)), 132.0)
    # 4 found and 4 fresh ones of 50 steps each; 4 runs in 20 s, 8 tokens a step
    assert cells(text) == [
        *("align", "8/10", "400/500", "", "80", "0:00:10", "1", "2.5"),
    ]
    assert "last news 2 s ago, running for 0:00:32" in text


def test_stretches_are_shown_until_their_chunk_is_done() -> None:
    stretch = line("stretch", 115.0, name="align-4", stretch=3, stretches=9, loss="NaN")
    text = shown(seen(lines(BEGUN, stretch)), 116.0)
    assert cells(text)[3] == "3/9"
    assert cells(text)[-1] == "NaN"
    assert cells(shown(seen(lines(BEGUN, stretch, chunk(120.0))), 121.0))[3] == ""


def test_only_the_last_beginning_counts() -> None:
    again = [line("begin", 500.0, claim="tiny", pid=2), line("sweep", 501.0, **SWEEP)]
    text = shown(seen(lines(BEGUN, chunk(120.0, loss=1.0), *again)), 502.0)
    assert cells(text)[1] == "4/10"
    assert "running for 0:00:02" in text


@pytest.mark.parametrize(
    ("last", "now", "news"),
    [
        ("", 111.0, "last news 1 s ago"),
        ("", 190.0, "no news for 80 s: is it still running?"),
        (chunk(180.0), 300.0, "last news 120 s ago"),  # chunks take longer than that
        (chunk(180.0), 600.0, "no news for 420 s: is it still running?"),
        (line("end", 200.0, verdict="holds"), 999.0, "finished: holds, after 0:01:40"),
        (line("stopped", 200.0, reason="disk [full]"), 999.0, "stopped (disk [full])"),
    ],
)
def test_silence_is_told_by_what_is_usual(last: str, now: float, news: str) -> None:
    assert news in shown(seen(lines(BEGUN, last)), now)


def test_a_torn_line_and_unknown_events_say_nothing() -> None:
    whole = seen(lines(BEGUN, line("compiled", 111.0, of="tomorrow")))
    torn = seen([*lines(BEGUN), line("compiled", 111.0), chunk(112.0)[:30]])
    assert whole == torn


def result(directory: Path, *told: str) -> Path:
    directory.mkdir(parents=True)
    (directory / FILE).write_text("".join(told))
    return directory


def test_a_run_is_found_by_its_result_its_parts_or_its_output_directory(
    tmp_path: Path,
) -> None:
    old = result(tmp_path / "old-1", BEGUN, line("end", 1.0, verdict="holds"))
    partial = result(tmp_path / ".new-2.partial", BEGUN)
    final = tmp_path / "new-2"
    for directory in (tmp_path, partial, final):
        where = find_metrics(directory)
        assert where() == partial / FILE
    assert find_metrics(old)() == old / FILE
    partial.rename(final)
    assert where() == final / FILE, "it is followed when it is finished"


@pytest.mark.parametrize(
    ("directory", "said"),
    [
        ("nowhere", "no such directory"),
        ("file", "is a file"),
        ("empty", "no run has written metrics.jsonl here"),
        ("spoilt", "is not a run's metrics"),
    ],
)
def test_a_mistake_gets_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], directory: str, said: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    result(tmp_path / "spoilt", "not json\n")
    assert main(["watch", str(tmp_path / directory), "--once"]) == 2
    (complaint,) = capsys.readouterr().err.splitlines()
    assert said in complaint


def test_it_looks_again_until_the_run_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    partial = result(tmp_path / ".new-2.partial", BEGUN)
    file = io.StringIO()
    screen = Console(file=file, force_terminal=True, width=120, _environ={})
    monkeypatch.setattr(watching, "console", lambda: screen)
    looks = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        with (partial / FILE).open("a") as metrics:
            metrics.write(chunk(120.0, loss=float(len(looks))))
            if len(looks) == 3:
                metrics.write(line("end", 130.0, verdict="holds"))
        if len(looks) == 3:
            partial.rename(tmp_path / "new-2")

    watch(WatchOptions(tmp_path), clock=lambda: 121.0, sleep=sleep)
    assert len(looks) == 3
    text = file.getvalue()
    assert "4/10" in text
    assert "10/10" in text
    assert "finished: holds, after 0:00:30" in "".join(text.splitlines()[-2:])


def test_a_run_that_vanishes_is_told(tmp_path: Path) -> None:
    partial = result(tmp_path / ".new-2.partial", BEGUN)
    where = find_metrics(partial)
    (partial / FILE).unlink()
    with pytest.raises(UsageError, match="was its directory removed"):
        watching.look(where)


def test_it_starts_without_jax(tmp_path: Path) -> None:
    result(tmp_path / "old-1", BEGUN, line("end", 150.0, verdict="holds"))
    script = (
        "import sys; from experiments.__main__ import main;"
        f"code = main(['watch', {str(tmp_path)!r}, '--once']);"
        "sys.exit(code or ('jax' in sys.modules) * 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "finished: holds" in done.stdout
