"""The table of a search, what it cost, and every violation as a test to paste."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.markup import escape
from rich.table import Table

from experiments.falsification.findings import EXPECTED, Costs, Finding, unexpected
from experiments.report import console

_CAPTION = (
    "slack: least (right - left) / max(1, |left|, |right|) met, for identities and "
    "scaling laws minus the largest error. tightness: largest left / right where right "
    "> 0.001; else the largest error in tolerances (tol). 1e6/s: evaluations a second "
    "of the program that the claim shared; * has loops. planted: share of worlds that "
    "show the planted error, and evaluations until the first."
)


def print_findings(findings: Sequence[Finding], costs: Costs, planted: bool) -> None:
    """The table, the costs, the violations."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for heading, justify in (
        ("claim", "left"),
        ("side", "left"),
        ("evals", "right"),
        ("1e6/s", "right"),
        ("slack", "right"),
        ("tightness", "right"),
        ("" if planted else "planted", "right"),
        ("search", "left"),
    ):
        table.add_column(heading, justify=justify, no_wrap=heading != "claim")  # type: ignore[arg-type]  # a literal, but looped over
    for finding in findings:
        table.add_row(*_cells(finding, planted))
    screen = console()
    screen.print(table)
    screen.print(_CAPTION, highlight=False, style="dim")
    for line in _sums(findings, costs, planted):
        screen.print(line, highlight=False)
    for finding in findings:
        if finding.remark:
            screen.print(f"{escape(finding.name)}: {finding.remark}", highlight=False)
        if finding.test_case:
            # Not through rich, which would wrap the lines.
            print(f"\n# {finding.name}: {finding.answer.value}\n{finding.test_case}")


def write_json(findings: Sequence[Finding], costs: Costs, file: Path) -> None:
    """The table and the costs as a file; infinities become null."""
    rows = [
        {name: _finite(value) for name, value in asdict(finding).items()}
        for finding in findings
    ]
    text = json.dumps({"costs": asdict(costs), "findings": rows}, indent=1)
    file.write_text(text + "\n", encoding="utf-8")


def _cells(finding: Finding, planted: bool) -> tuple[str, ...]:
    """One line of the table."""
    color = "green" if finding.answer in EXPECTED else "bold red"
    return (
        escape(finding.name),
        finding.side.removesuffix(" bound").removesuffix(" law"),
        f"{finding.evaluations:,}",
        f"{finding.rate / 1e6:.2g}{'' if finding.closed_form else '*'}",
        f"{finding.slack + 0.0:.1e}",
        _tightness(finding),
        "" if planted else _caught(finding),
        f"[{color}]{finding.answer.value}[/]",
    )


def _tightness(finding: Finding) -> str:
    """Five digits of a ratio, or an error in tolerances."""
    if not math.isfinite(finding.tightness) or finding.side == "false":
        return "-"
    if finding.side in ("identity", "scaling law"):
        return f"{finding.tightness:.0e} tol"
    return f"{finding.tightness:.5f}"


def _caught(finding: Finding) -> str:
    """How fast the planted error was caught."""
    if finding.side == "false":
        return "-"
    if finding.caught_after is None:
        return "by descent" if finding.answer in EXPECTED else "missed"
    return f"{finding.caught_share:.1%} {finding.caught_after:>4}"


def _sums(findings: Sequence[Finding], costs: Costs, planted: bool) -> list[str]:
    """What all of it comes to."""
    closed = {f.program: f.rate for f in findings if f.closed_form}
    wrong = unexpected(findings)
    evaluations = costs.evaluations_random + costs.evaluations_descent
    lines = [
        f"{evaluations:,} evaluations of {len(findings)} "
        f"claim{'s' * (len(findings) > 1)}, "
        f"{costs.evaluations_descent:,} of them in descents: {costs.seconds_total:.0f} "
        f"s, of which {costs.seconds_compiling:.0f} s compiling",
        f"random search: {costs.rate / 1e6:.2g} million evaluations a second"
        + (
            f", closed forms {min(closed.values()) / 1e6:.2g} to "
            f"{max(closed.values()) / 1e6:.2g} million a program"
            if closed
            else ""
        ),
    ]
    if planted:
        caught = len(findings) - len(wrong)
        return [*lines, f"planted errors caught: {caught} of {len(findings)}"]
    names = ", ".join(f"{f.name} ({f.answer.value})" for f in wrong)
    return [*lines, f"to be looked at: {escape(names)}" if wrong else "no violation"]


def _finite(value: object) -> object:
    """The value, or None for an infinity, which JSON does not know."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
