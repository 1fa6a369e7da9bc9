"""What a benchmark found: rows with targets, all raw values, the machine; as a file."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.benchmarks.measuring import Measured, Spread
from simlab import devices
from simlab.storage import write_json_atomic


@dataclass(frozen=True)
class Row:
    """One line of the table.

    A `target` is to be reached by the median, from above if `least`, else from below.
    `why` says why a row was not measured or missed its target, or what to mind.
    """

    what: str
    measured: Spread | None
    unit: str = "times"
    target: float | None = None
    least: bool = True
    why: str = ""

    @property
    def verdict(self) -> str:
        """Met, missed and by how much, not measured; empty without a target.

        Missed by: the median's distance to the target as a share of the target.

        >>> Row("speed", Spread(3.0, 2.9, 3.2, 5), target=4.0).verdict
        'missed by 25 %'
        """
        if self.measured is None:
            return "not measured"
        if self.target is None:
            return ""
        excess = self.measured.median / self.target - 1
        short = -excess if self.least else excess
        return "**met**" if short <= 0 else f"missed by {100 * short:.0f} %"


@dataclass(frozen=True)
class Report:
    """One benchmark: what was measured and how, row by row, with every raw value.

    `raw` holds seconds of each contender, block after block, in the order of pairs;
    `facts` whatever else the plot or a reader needs.
    """

    name: str
    title: str
    how: str
    rows: Sequence[Row]
    raw: Mapping[str, Sequence[float]]
    facts: Mapping[str, Any] = field(default_factory=dict)


def not_measured(
    what: str, why: str, unit: str = "", target: float | None = None
) -> Row:
    """The plain row of what could not be measured here."""
    return Row(what, None, unit, target, why=why)


def ratio_row(
    measured: Measured, slow: str, fast: str, what: str, target: float, why: str = ""
) -> Row:
    """How many times faster `fast` is than `slow`; `why` is for a missed target."""
    missing = measured.why(slow, fast)
    row = Row(what, measured.ratio(slow, fast), "times", target, why=missing)
    return explained(row, why)


def explained(row: Row, why: str) -> Row:
    """The row with why its target was missed, if it was."""
    return replace(row, why=why) if row.verdict.startswith("missed") else row


def machine() -> dict[str, Any]:
    """Where a benchmark ran, and how busy it was before."""
    return {
        **devices.describe(),
        "processor": processor(),
        "memory_gib": round(memory_bytes() / 2**30, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def processor(table: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name with its widest vector instructions."""
    if not table.exists():
        return platform.processor() or platform.machine()
    pairs = [line.partition(":") for line in table.read_text().splitlines()]
    fields = {name.strip(): value.strip() for name, _, value in pairs}
    known = set(fields.get("flags", "").split())
    vectors = next((name for name in ("avx512f", "avx2") if name in known), "")
    name = fields.get("model name", platform.machine())
    return f"{name} ({vectors})" if vectors else name


def memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def write(report: Report, machine: Mapping[str, Any], quick: bool, out: Path) -> Path:
    """The path of the file that holds a report and its machine."""
    path = out / "results" / f"{report.name}.json"
    rows = [{**row.__dict__, "verdict": row.verdict} for row in report.rows]
    document = {
        **{name: getattr(report, name) for name in ("name", "title", "how")},
        "quick": quick,
        "machine": machine,
        "rows": rows,
        "raw": report.raw,
        "facts": report.facts,
    }
    write_json_atomic(path, document)
    return path


def read(path: Path) -> dict[str, Any]:
    """A stored report."""
    document: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return document
