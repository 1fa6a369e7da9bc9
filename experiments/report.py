"""What a user reads in the terminal: the list, the verdict table, the ledger."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from experiments.claim import Outcome, Verdict
from experiments.registry import Entry

if TYPE_CHECKING:
    from simlab.storage import Result

_COLORS = {
    Outcome.HOLDS: "green",
    Outcome.VIOLATED: "red",
    Outcome.INCONCLUSIVE: "yellow",
}


def console() -> Console:
    """The terminal, or 110 columns where there is none."""
    plain = Console()
    return plain if plain.is_terminal or "COLUMNS" in os.environ else Console(width=110)


def print_claims(claims: Mapping[str, Entry]) -> None:
    """The table of claims."""
    name = Column("claim", no_wrap=True)  # what one types
    table = Table(name, "paper", "preset: minutes on two cores", "statement")
    for claim, entry in claims.items():
        minutes = "\n".join(
            f"{preset}: {text}" for preset, text in entry.minutes.items()
        )
        table.add_row(claim, entry.paper, minutes, entry.statement)
    console().print(table)


def print_verdict(result: "Result", verdict: Verdict) -> None:
    """The evidence, the verdict, where it is stored and what it cost."""
    manifest, screen = result.manifest, console()
    table = Table("question", "answer", "slack", "evidence", title=manifest["claim"])
    for item in verdict.evidence:
        answer = f"[{_COLORS[item.outcome]}]{item.outcome.value}[/]"
        slack = f"{item.slack:.2g}"
        table.add_row(escape(item.question), answer, slack, escape(item.detail))
    screen.print(table)
    for remark in verdict.remarks:
        screen.print(f"  {remark}", highlight=False)
    screen.print(
        f"verdict: [bold {_COLORS[verdict.outcome]}]{verdict.outcome.value}[/] "
        f"({manifest['wall_seconds']} s when it ran)"
    )
    # A path must stay in one piece, to be copied.
    print(f"result: {result.path}\nfigure: {result.path / 'figure.png'}")


def print_ledger() -> None:
    """One line a record."""
    from theory.ledger import LEDGER

    table = Table("record", "side", "statement", "source", "status")
    for record in LEDGER:
        cells = record.name, record.side.value, record.statement, record.source
        table.add_row(*(escape(cell) for cell in cells), record.status.value)
    console().print(table)


def print_record(name: str) -> None:
    """Everything the ledger says of one record."""
    from theory.ledger import find

    record = find(name)
    computed_by = record.function
    rows = {
        "statement": record.statement,
        "side": record.side.value,
        "status": record.status.value,
        "assumptions": record.assumptions,
        "source": record.source,
        "evidence": record.evidence,
        "computed by": f"{computed_by.__module__}.{computed_by.__qualname__}",
        "tolerance": f"{record.tolerance:g} (relative)",
        "tight when": record.tight_when,
        "vacuous when": record.vacuous_when,
        "counter-example": "kept" if record.counter_example else "",
    }
    table = Table(show_header=False, title=record.name)
    for label, text in rows.items():
        if text:
            table.add_row(label, escape(text))
    console().print(table)
