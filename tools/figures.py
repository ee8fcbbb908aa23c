"""One table for every proof and benchmark, and the same rows as JSON in build/figures/NAME.json.

rows = [Row("match at 10,000 seats", 1.5, "µs", "<= 3", True, "naive scan 561 µs")]
sys.exit(report("bench", rows))
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tools.say import ROOT, say

FIGURES = ROOT / "build/figures"
HEADINGS = ("name", "value", "unit", "target", "holds", "peer or floor")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `holds` is None where there is no target; `peer` is what the value is compared with."""

    name: str
    value: float | int | str
    unit: str = ""
    target: str = ""
    holds: bool | None = None
    peer: str = ""


def shown(value: float | int | str) -> str:
    """A number as a person reads it: thousands apart, three or more significant digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def width(text: str) -> int:
    """Columns of a terminal: CJK characters take two."""
    return sum(2 if ord(letter) >= 0x2E80 else 1 for letter in text)


def table(rows: Sequence[Sequence[str]], headings: Sequence[str]) -> str:
    """Plain text columns under their headings."""
    lines = [list(headings), *(list(row) for row in rows)]
    widths = [max(width(line[column]) for line in lines) for column in range(len(headings))]
    lines.insert(1, ["-" * size for size in widths])
    padded = (
        "  ".join(cell + " " * (size - width(cell)) for cell, size in zip(line, widths, strict=True)) for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def report(name: str, rows: Sequence[Row]) -> int:
    """Print the table with the load average and write build/figures/NAME.json.

    Gives the exit code: 1 where a target is missed, else 0.
    """
    verdict = {True: "yes", False: "NO", None: ""}
    cells = [(r.name, shown(r.value), r.unit, r.target, verdict[r.holds], r.peer) for r in rows]
    load = os.getloadavg()
    say(f"\n{table(cells, HEADINGS)}")
    say(f"load average {load[0]:.2f} {load[1]:.2f} {load[2]:.2f} on {os.cpu_count()} cores")
    FIGURES.mkdir(parents=True, exist_ok=True)
    document = {
        "name": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "load_average": load,
        "rows": [asdict(row) for row in rows],
    }
    (FIGURES / f"{name}.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    missed = [row.name for row in rows if row.holds is False]
    if missed:
        say(f"missed: {'; '.join(missed)}")
    return 1 if missed else 0
