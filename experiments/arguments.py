"""Arguments by tyro, its boxed errors condensed to the one line a user needs."""

import contextlib
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import tyro

from experiments.claim import UsageError
from experiments.registry import CLAIMS, load
from simlab.interruption import SECONDS_AT_RISK

ConfigT = TypeVar("ConfigT")
Preset = Literal["smoke", "laptop", "accelerator"]
How = Literal["auto", "map", "vmap", "sharded"]


@dataclass(frozen=True)
class RunOptions(Generic[ConfigT]):
    """What `simlab run CLAIM` takes; every field of the claim's Config is an option."""

    config: Annotated[ConfigT, tyro.conf.arg(name="")]
    preset: Preset = "laptop"  # the Config that the other options then change
    out: Path = Path("results")  # where results are kept
    fresh: bool = False  # run again even if a finished result is there
    quiet: bool = False  # no progress on standard error
    cache: bool = True  # keep compiled programs in the user's cache directory
    how: How = "auto"  # map: runs in turn; vmap: at once; sharded: over all devices
    cores: int | None = None  # as if the CPU had so many; map's last bits depend on it
    data_devices: int = 1  # devices that share each run's batches, with --how sharded
    checkpoint_minutes: float = SECONDS_AT_RISK / 60  # between states of longer runs
    distributed: bool = False  # one of several processes: TPU pod, SLURM or the next
    coordinator: str | None = None  # HOST:PORT of process 0
    processes: int | None = None  # how many there are
    process_id: int | None = None  # which one this is, from 0


def parsed(function: Any, arguments: Sequence[str], **more: Any) -> Any:
    """What `tyro.cli` makes of the arguments. Errors: UsageError, in one line."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                function,
                args=list(arguments),
                config=(tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
                **more,
            )
    except SystemExit as leaving:
        if not leaving.code:  # --help was printed
            raise
    raise UsageError(condensed(complaint.getvalue()))


def condensed(box: str) -> str:
    r"""The message of one of tyro's boxes as a line, with its suggestion if any.

    >>> condensed("╭─ Oops ─╮\n│ no such  │\n│ option   │\n│ ──────── │\n│ more │")
    'no such option'
    >>> condensed(" Oops \n -------- \n no such option \n -------- \n more ")
    'no such option'
    """
    # A terminal that cannot draw boxes gets the title as a section of its own.
    body = re.sub(r"^╭.*$", "", box, flags=re.M) if "╭" in box else box + "\n"
    rule = re.compile(r"^[\s│]*[-─]{5,}[\s│]*$|^╰.*$", flags=re.M)
    sections = rule.split(body)[0 if "╭" in box else 1 :]
    texts = [re.sub(r"[\s│]+", " ", section).strip() for section in sections]
    message = next((text for text in texts if text), " ".join(box.split()))
    message = re.sub(r"^Error parsing config: ", "", message)
    near = [text for text in texts if text.startswith("Perhaps you meant")]
    options = re.findall(r"--[\w-]+", " ".join(near))
    return message + (f"; did you mean {' or '.join(options)}?" if options else "")


def run_arguments(arguments: Sequence[str]) -> tuple[str, RunOptions[Any]]:
    """The claim's name and its options, presets first, then what overrides them."""
    if not arguments or arguments[0].startswith("-"):
        if {"-h", "--help"} & set(arguments):
            print(RUN_HELP)
            raise SystemExit(0)
        raise UsageError(f"run needs a claim first: {', '.join(CLAIMS)}")
    name, rest = arguments[0], arguments[1:]
    claim = load(name)
    config = claim.PRESETS[_preset(rest, claim.PRESETS)]
    options: RunOptions[Any] = parsed(
        RunOptions[type(config)],  # type: ignore[misc]  # known at run time only
        rest,
        default=RunOptions(config=config),
        prog=f"simlab run {name}",
        description=CLAIMS[name].statement,
    )
    return name, options


PLACE = ("--out", "--coordinator", "--processes", "--process-id")
"""Options with a value that tell where a run was, not what it is."""


def repeatable(words: Sequence[str]) -> str:
    """The command that makes a result again anywhere: without the place it was put.

    >>> repeatable(["simlab", "run", "x", "--out", "there", "--seeds", "3"])
    'simlab run x --seeds 3'
    """
    kept = [
        word
        for before, word in zip(["", *words], words, strict=False)
        if before not in PLACE and word.partition("=")[0] not in PLACE
    ]
    dropped = ("--fresh", "--quiet", "--distributed")
    return " ".join(word for word in kept if word not in dropped)


RUN_HELP = (
    "usage: simlab run CLAIM [--preset smoke|laptop|accelerator] [--seeds N] "
    "[--out DIR] [--fresh] [FIELD OVERRIDES]\n"
    f"claims: {', '.join(CLAIMS)}; `simlab run CLAIM --help` lists every field"
)


def _preset(arguments: Sequence[str], known: Mapping[str, Any]) -> str:
    """The preset asked for, looked up first because it sets the other defaults."""
    chosen = "laptop"
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if word.startswith("--preset"):
            chosen = word.partition("=")[2] or following
    if chosen not in known:
        raise UsageError(f"preset {chosen!r} does not exist; use {', '.join(known)}")
    return chosen
