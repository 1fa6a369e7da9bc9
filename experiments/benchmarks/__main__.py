"""`python -m experiments.benchmarks [NAME ...]`: measured, kept, drawn, tabled."""

import importlib
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, cast

from experiments.arguments import parsed
from experiments.benchmarks.measuring import tell
from experiments.benchmarks.options import BENCHMARKS, Options
from experiments.claim import EXIT_USAGE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.benchmarks.reports import Report


class Benchmark(Protocol):
    """What the module of a benchmark offers."""

    def measure(self, options: Options) -> "Report":
        """The report, measured now."""

    def draw(self, document: dict[str, Any]) -> "Figure":
        """The plot of a stored report."""


def load(name: str) -> Benchmark:
    """The benchmark's module."""
    return cast(Benchmark, importlib.import_module(f"experiments.benchmarks.{name}"))


def kept(name: str, options: Options) -> None:
    """Measures one benchmark in this process and keeps it, its plot, and the table."""
    from experiments.benchmarks.reports import machine, read, write
    from experiments.benchmarks.table import refresh
    from simlab.devices import configure
    from simlab.figures import save, style

    configure()
    benchmark, before = load(name), machine()
    path = write(benchmark.measure(options), before, options.quick, options.out)
    with style():
        save(benchmark.draw(read(path)), path.parent, name)
    tell(f"{name}: {path}, {refresh(options.out, BENCHMARKS)}")


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; several benchmarks get a process each."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        options: Options = parsed(
            Options, words, prog="python -m experiments.benchmarks"
        )
        if len(options.names) == 1:
            kept(options.names[0], options)
            return 0
    except (ValueError, OSError) as error:
        print(f"bench: error: {' '.join(str(error).split())}", file=sys.stderr)
        return EXIT_USAGE
    flags = [word for word in words if word not in options.names]
    this = [sys.executable, "-m", "experiments.benchmarks"]
    codes = [
        subprocess.run([*this, name, *flags]).returncode
        for name in options.names or BENCHMARKS
    ]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
