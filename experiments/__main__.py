"""The command line `simlab`: the only place that parses arguments.

Nothing here imports JAX before a command needs it.
"""

import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from experiments.arguments import parsed, repeatable, run_arguments
from experiments.claim import (
    EXIT_CODES,
    EXIT_INTERRUPTED,
    EXIT_LOST,
    EXIT_PREEMPTED,
    EXIT_USAGE,
    UsageError,
    Verdict,
)
from experiments.compression_options import CompressOptions, DecompressOptions
from experiments.falsification.options import FalsifyOptions
from experiments.registry import CLAIMS, load
from experiments.witness import witnessed
from simlab.interruption import Preempted
from simlab.lost import ProcessLostError

if TYPE_CHECKING:
    from simlab.storage import Result

HELP = """usage: simlab COMMAND [ARGUMENTS]

A laboratory for the limits of safe fine-tuning of language models.

  simlab list            the claims: papers, statements, presets and their minutes
  simlab run CLAIM       predict, simulate, judge and draw a claim
  simlab show DIR        verdict and figure again, from a stored result
  simlab watch DIR       how far a run is that goes on in another terminal
  simlab ledger [NAME]   the identities and bounds, their sources and status
  simlab falsify NAME    search for worlds that break a record of the ledger, or all
  simlab compress FILE   by a transformer and an arithmetic coder; gzip, xz beside it
  simlab decompress FILE the file again, byte for byte

`simlab run CLAIM --help` lists every field of a claim.
Exit codes: 0 the claim holds, 1 it is violated, 3 inconclusive, 2 wrong usage,
4 another process is lost, 130 interrupted, 143 preempted."""


def list_claims(arguments: Sequence[str]) -> int:
    """Lists the claims."""
    from experiments.report import print_claims

    if arguments:
        raise UsageError(f"list takes no arguments, got {' '.join(arguments)}")
    print_claims(CLAIMS)
    return 0


def run(arguments: Sequence[str]) -> int:
    """Runs one claim, or finds its finished result."""
    name, options = run_arguments(arguments)
    from experiments.runner import Way, help_claim, run_claim
    from simlab import processes
    from simlab.devices import Cluster, configure, join
    from simlab.executors import Executor

    where = options.coordinator, options.processes, options.process_id
    cluster = Cluster(*where)
    if not options.distributed and cluster != Cluster():
        raise UsageError("--coordinator, --processes, --process-id: add --distributed")
    configure(cache=options.cache, cores=options.cores)
    if options.distributed:
        join(cluster)
    how = None if options.how == "auto" else Executor(options.how)
    every = 60 * options.checkpoint_minutes
    way = Way(executor=how, data=options.data_devices, checkpoint_every=every)
    claim = load(name)
    if not processes.is_writer():
        help_claim(name, claim, options.config, options.out, way)
        return int(processes.told_number(0.0))
    result = run_claim(
        name,
        claim,
        options.config,
        options.out,
        fresh=options.fresh,
        quiet=options.quiet,
        command=repeatable(["simlab", "run", *arguments]),
        way=way,
    )
    return int(processes.told_number(float(_report(result))))


def show(arguments: Sequence[str]) -> int:
    """Prints the verdict of a stored result and draws its figure again."""
    directory = parsed(_directory, arguments, prog="simlab show")
    from experiments.runner import redraw
    from simlab.storage import load as load_result

    result = load_result(directory)
    redraw(result, load(result.manifest["claim"]))
    return _report(result)


def watch(arguments: Sequence[str]) -> int:
    """Shows how far a run is, until it ends."""
    from experiments.watching import WatchOptions
    from experiments.watching import watch as watch_run

    options: WatchOptions = parsed(WatchOptions, arguments, prog="simlab watch")
    with contextlib.suppress(KeyboardInterrupt):  # as one leaves a table that lives
        watch_run(options)
    return 0


def ledger(arguments: Sequence[str]) -> int:
    """Prints the ledger as a table, or one of its records in full."""
    name = parsed(_record, arguments, prog="simlab ledger")
    from experiments.report import print_ledger, print_record

    if name:
        print_record(name)
    else:
        print_ledger()
    return 0


def falsify(arguments: Sequence[str]) -> int:
    """Searches for a violation of one record of the ledger, or of all."""
    options: FalsifyOptions = parsed(FalsifyOptions, arguments, prog="simlab falsify")
    from experiments.falsification.campaign import campaign
    from experiments.falsification.findings import unexpected
    from experiments.falsification.report import print_findings, write_json
    from simlab.devices import configure
    from theory.ledger import LEDGER, find

    records = LEDGER if options.bound == "all" else (find(options.bound),)
    configure(cache=options.cache)
    try:
        findings, costs = campaign(records, options, _silent if options.quiet else _log)
    except KeyboardInterrupt:
        print("\nsimlab: interrupted; a search keeps nothing", file=sys.stderr)
        return EXIT_INTERRUPTED
    if options.json:
        write_json(findings, costs, options.json)
    print_findings(findings, costs, options.planted)
    return int(bool(unexpected(findings)))


def compress(arguments: Sequence[str]) -> int:
    """Compresses a file by a model that is trained on it, or read."""
    options: CompressOptions = parsed(
        CompressOptions, arguments, prog="simlab compress"
    )
    from experiments.compression import compress_file
    from simlab.devices import configure

    configure(cache=options.cache)
    compress_file(options)
    return 0


def decompress(arguments: Sequence[str]) -> int:
    """Gives a compressed file back."""
    options: DecompressOptions = parsed(
        DecompressOptions, arguments, prog="simlab decompress"
    )
    from experiments.compression import decompress_file
    from simlab.devices import configure

    configure(cache=options.cache)
    decompress_file(options)
    return 0


COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "list": list_claims,
    "run": run,
    "show": show,
    "watch": watch,
    "ledger": ledger,
    "falsify": falsify,
    "compress": compress,
    "decompress": decompress,
}


def dispatch(arguments: Sequence[str]) -> int:
    """Carries out one command line and returns its exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP)
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        raise UsageError(
            f"command {arguments[0]!r} does not exist; use {', '.join(COMMANDS)}"
        )
    return command(arguments[1:])


def main(arguments: Sequence[str] | None = None) -> int:
    """The console command: every expected error becomes one line on standard error."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["run"] and "--distributed" in words:
        with witnessed():
            code = _carried_out(words)
        if code == EXIT_LOST:  # the runtime would wait for the lost one, then abort
            sys.stdout.flush()
            os._exit(code)
        return code
    return _carried_out(words)


def _carried_out(words: Sequence[str]) -> int:
    try:
        return dispatch(words)
    except KeyboardInterrupt as interrupt:
        preempted = isinstance(interrupt, Preempted)
        print(
            f"\nsimlab: {'preempted' if preempted else 'interrupted'}; every finished "
            "chunk is kept: give the same command again to go on",
            file=sys.stderr,
        )
        return EXIT_PREEMPTED if preempted else EXIT_INTERRUPTED
    except ProcessLostError as error:
        print(f"simlab: error: {error}", file=sys.stderr, flush=True)
        return EXIT_LOST
    except (ValueError, KeyError, OSError) as error:
        text = error.args[0] if isinstance(error, KeyError) else error
        print(f"simlab: error: {' '.join(str(text).split())}", file=sys.stderr)
        return EXIT_USAGE


def _log(line: str) -> None:
    print(f"falsify: {line}", file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    del line


def _report(result: "Result") -> int:
    from experiments.report import print_verdict

    verdict = Verdict.from_json(result.manifest["verdict"])
    print_verdict(result, verdict)
    return EXIT_CODES[verdict.outcome]


def _directory(
    directory: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(help="a result")],
) -> Path:
    """Prints the verdict of a stored result and draws its figure again."""
    return directory


def _record(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(help="one record")] = "",
) -> str:
    """Prints the ledger of identities and bounds, or one record in full."""
    return name


if __name__ == "__main__":
    sys.exit(main())
