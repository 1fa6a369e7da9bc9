"""The command line: one line for every mistake, and exit codes that mean something."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments import __main__ as command
from experiments.__main__ import main
from experiments.arguments import repeatable
from experiments.registry import CLAIMS, load

TYPED = """--penalties 2 --proxies 0 --overlaps 0 1 --seeds 2 --contexts 2 --steps 20
    --vocabulary 2 --length 2 --width 4 --depth 1 --heads 1 --batch 8 --records 2"""
TINY = [*TYPED.split(), "--quiet"]


@pytest.fixture(autouse=True)
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests have configured JAX already; a process can do so only once."""
    monkeypatch.setattr("simlab.devices.configure", lambda **_: None)


def complaint(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a wrong command gets."""
    assert main(words) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert len(lines) == 1, captured.err
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ("rn", "command 'rn' does not exist"),
        ("list more", "list takes no arguments"),
        ("run", "run needs a claim first: tradeoff_penalty"),
        ("run tradeof_penalty", "did you mean tradeoff_penalty"),
        ("run tradeoff_penalty --sedes 3", "did you mean --seeds"),
        ("run tradeoff_penalty --seeds many", "--seeds"),
        ("run tradeoff_penalty --seeds 0", "seeds=0 must be >= 1"),
        ("run tradeoff_penalty --penalty-min -3", "did you pass its logarithm"),
        ("run tradeoff_penalty --preset tablet", "use smoke, laptop, accelerator"),
        ("run tradeoff_penalty --activation relu", "--activation"),
        ("show nowhere", "nowhere"),
        ("show", "missing"),
        ("ledger compensatoin", "did you mean compensation"),
    ],
)
def test_a_mistake_gets_one_line(
    capsys: pytest.CaptureFixture[str], words: str, named: str
) -> None:
    assert named.lower() in complaint(capsys, *words.split()).lower()


def test_run_show_and_damage(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["run", "tradeoff_penalty", *TINY, "--out", str(tmp_path)]
    code = main(words)
    first = capsys.readouterr().out
    assert code in (0, 1, 3)
    assert "verdict:" in first
    directory = Path(first.split("result: ")[1].splitlines()[0])
    begin = time.monotonic()
    assert main(words) == code
    assert time.monotonic() - begin < 10  # found, not run: seconds at the very most
    assert "found a finished result" in capsys.readouterr().out

    (directory / "figure.png").unlink()
    assert main(["show", str(directory)]) == code
    assert "verdict:" in capsys.readouterr().out
    assert (directory / "figure.png").exists()

    near = complaint(capsys, "show", f"{directory}x")
    assert "did you mean" in near
    trace = directory / "trace.nc"
    trace.write_bytes(trace.read_bytes()[:-100])
    assert "trace.nc" in complaint(capsys, "show", str(directory))
    assert "trace.nc" in complaint(capsys, *words)
    shutil.rmtree(directory)
    assert "no such result" in complaint(capsys, "show", str(directory))


def test_an_output_directory_that_is_a_file_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("")
    out = str(tmp_path / "taken")
    assert "taken" in complaint(capsys, "run", "tradeoff_penalty", *TINY, "--out", out)


def test_an_interrupt_says_how_to_go_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "dispatch", interrupt)
    assert main(["run", "tradeoff_penalty"]) == 130
    assert "give the same command again" in capsys.readouterr().err


def test_the_list_names_every_claim_without_loading_jax() -> None:
    script = (
        "import sys; from experiments.__main__ import main; code = main(['list']);"
        "sys.exit(code or ('jax' in sys.modules) * 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in CLAIMS:
        assert name in done.stdout


def test_importing_the_libraries_computes_nothing_and_sets_nothing() -> None:
    script = (
        "import jax; before = dict(jax.config.values);"
        "import theory, theory.tradeoff, theory.ledger, simlab, simlab.training;"
        "import simlab.sweeps, simlab.storage, simlab.figures;"
        "assert dict(jax.config.values) == before;"
        "from jax.extend.backend import backends;"
        "import matplotlib; assert 'matplotlib.pyplot' not in __import__('sys').modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_help_lists_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "Exit codes" in capsys.readouterr().out
    with pytest.raises(SystemExit) as left:
        main(["run", "tradeoff_penalty", "--help"])
    assert left.value.code == 0
    shown = capsys.readouterr().out
    for field in load("tradeoff_penalty").PRESETS["laptop"].__dataclass_fields__:
        assert f"--{field.replace('_', '-')}" in shown


def test_the_ledger_lists_its_records(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 0
    table = capsys.readouterr().out
    assert "compensation" in table
    assert "false outside" in table
    assert main(["ledger", "compensation"]) == 0
    assert "notes (4.3)" in capsys.readouterr().out


def test_a_command_is_remembered_without_its_place() -> None:
    words = ["run", "x", "--out=there", "--seeds", "3", "--out", "here", "--fresh"]
    assert repeatable(words) == "run x --seeds 3"
