"""Every shape of a call on a real Asterisk: the matrix (shape x check), the engine killed in each shape, and a thousand
random walks in a row after which nothing is left over.

python -m tools.proof_shapes [--random N] [--seed N] [--only TEXT]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.shapes.cells import EXCLUDED, Cell, cells, killed_cells, random_cell
from tests.shapes.judge import CHECKS
from tests.shapes.rig import Rig, rigs
from tests.shapes.rig import Row as Judged
from tools.figures import Row, report, table
from tools.say import say

LEAST = 40
RANDOM = 1000
CASTS = 3
"""Robots of three casts are what two cores carry beside the system itself."""
WARM_UP = 30
"""Random walks before the first count: connections, caches and log files are open by then."""
RANDOM_TALK_S = 0.1
HEARD = "who hears whom"
COLUMNS = (HEARD, *CHECKS, "nothing left", "no repair")
KILL_COLUMNS = (HEARD, "ended once", "wrap-up", "nothing left")
"""After a kill, times and the recording's length may have bounds instead of values; the kill proof judges those."""
LEAK_SLACK = 4
SETTLE_LIMIT_S = 60.0


# --- the matrix ------------------------------------------------------------------------------------------------------


async def matrix(chosen: Sequence[Cell], columns: Sequence[str]) -> list[Judged]:
    """Play cells one after another on one system."""
    found = []
    with tempfile.TemporaryDirectory(prefix="shapes-") as folder:
        async with rigs(Path(folder)) as (rig,):
            for place, cell in enumerate(chosen, 1):
                row = await rig.judge(cell)
                kept = {name: problems for name, problems in row.problems.items() if name in columns}
                row = Judged(cell, row.seconds, kept)
                found.append(row)
                say(f"  {place}/{len(chosen)} {cell.id}: {'good' if row.good else _told(row)}")
    return found


def _told(row: Judged) -> str:
    return "; ".join(f"{name}: {', '.join(found)}" for name, found in row.problems.items() if found)


def shown(rows: Sequence[Judged], columns: Sequence[str]) -> str:
    """The matrix as text: a line a cell, a column a check."""
    lines = [[row.cell.kind, row.cell.name, *(_mark(row, column) for column in columns)] for row in rows]
    return table(lines, ("shape", "cell", *columns))


def _mark(row: Judged, column: str) -> str:
    if column not in row.problems:
        return "-"
    return "FAILED" if row.problems[column] else "ok"


def rows_of(name: str, rows: Sequence[Judged], columns: Sequence[str], least: int) -> Iterator[Row]:
    """The figures of a matrix."""
    yield Row(f"{name}: cells", len(rows), "", f">= {least}", len(rows) >= least)
    for column in columns:
        failed = sum(bool(row.problems.get(column)) for row in rows)
        yield Row(f"{name}: {column}, failures", failed, "", "0", failed == 0)
    missing = sum(column not in row.problems for row in rows for column in columns)
    yield Row(f"{name}: checks not reached", missing, "", "0", missing == 0)


# --- random walks ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counts:
    """What a process holds."""

    descriptors: int
    threads: int


def counts_of(pids: Mapping[str, int]) -> dict[str, Counts]:
    """Open descriptors and threads of each process."""
    return {
        name: Counts(_entries(Path(f"/proc/{pid}/fd")), _entries(Path(f"/proc/{pid}/task")))
        for name, pid in pids.items()
    }


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def processes(rig: Rig) -> dict[str, int]:
    """Engine, web, worker, rescue and Asterisk."""
    pid_files = (rig.system.folder / "asterisk").rglob("asterisk.pid")
    asterisk = next(int(file.read_text()) for file in pid_files)
    return {**rig.system.pids(), "asterisk": asterisk}


async def walks(count: int, seed: int) -> list[Row]:
    """Random walks of all casts, and what is left over afterwards."""
    chance = random.Random(seed)
    waiting = [random_cell(number, chance.randrange) for number in range(WARM_UP + count)]
    failed: list[str] = []
    steps: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="walks-") as folder:
        async with rigs(Path(folder), CASTS, talk_s=RANDOM_TALK_S) as stages:
            await _walk_all(stages, waiting[:WARM_UP], failed, Counter())
            await _settled(stages[0])
            before = counts_of(processes(stages[0]))
            began = time.monotonic()
            await _walk_all(stages, waiting[WARM_UP:], failed, steps)
            seconds = time.monotonic() - began
            left = await stages[0].left_over()
            await _settled(stages[0])
            after = await _calm(stages[0], before)
            repairs = dict(stages[0].system.state.repairs)
    for problem in failed[:10]:
        say(f"  {problem}")
    return [
        Row("random shapes: played", count, "", f">= {RANDOM}", count >= RANDOM, f"seed {seed}, {seconds:.0f} s"),
        Row("random shapes: steps", sum(steps.values()), "", "", None, f"{len(steps)} kinds"),
        Row("random shapes: failures", len(failed), "", "0", not failed),
        Row("random shapes: channels, bridges, items left", "; ".join(left) or "none", "", "none", not left),
        Row("random shapes: repairs", sum(repairs.values()), "", "0", not any(repairs.values())),
        *_leaks(before, after),
    ]


async def _walk_all(stages: Sequence[Rig], cells_: list[Cell], failed: list[str], steps: Counter[str]) -> None:
    queue = list(reversed(cells_))
    whole = len(queue)

    async def walk(rig: Rig) -> None:
        while queue:
            cell = queue.pop()
            try:
                await rig.stage.play(cell)
                steps.update(step.name for step in cell.steps)
            except AssertionError as error:
                failed.append(f"{[step.name for step in cell.steps]}: {error}")
            await rig.stage.clear()
            if (done := whole - len(queue)) % 50 == 0:
                say(f"  {done}/{whole} random shapes, {len(failed)} failed")

    await asyncio.gather(*(walk(rig) for rig in stages))


async def _settled(rig: Rig) -> None:
    """Until the worker has stored every recording: it opens files of its own."""
    raw = rig.system.settings.raw_dir
    for _ in range(round(SETTLE_LIMIT_S / 0.2)):
        if not list(raw.glob("*.raw")):
            return
        await asyncio.sleep(0.2)


async def _calm(rig: Rig, before: Mapping[str, Counts]) -> dict[str, Counts]:
    """What the processes hold once it is no more than before, or after a while."""
    end = time.monotonic() + SETTLE_LIMIT_S
    while True:
        now = counts_of(processes(rig))
        if not [row for row in _leaks(before, now) if not row.holds] or time.monotonic() > end:
            return now
        await asyncio.sleep(0.5)


def _leaks(before: Mapping[str, Counts], after: Mapping[str, Counts]) -> list[Row]:
    rows = []
    for name, had in before.items():
        has = after[name]
        for what, was, now in (
            ("descriptors", had.descriptors, has.descriptors),
            ("threads", had.threads, has.threads),
        ):
            holds = now <= was + LEAK_SLACK
            rows.append(Row(f"random shapes: {name}, {what}", now, "", f"<= {was} + {LEAK_SLACK}", holds))
    return rows


# --- the proof -------------------------------------------------------------------------------------------------------


def proof(count: int = RANDOM, seed: int = 1) -> list[Row]:
    """All three parts."""
    rows = asyncio.run(matrix(cells(), COLUMNS))
    say(shown(rows, COLUMNS))
    for what, why in EXCLUDED.items():
        say(f"  left out: {what}: {why}")
    killed = asyncio.run(matrix(killed_cells(), KILL_COLUMNS))
    say(shown(killed, KILL_COLUMNS))
    return [
        *rows_of("matrix", rows, COLUMNS, LEAST),
        *rows_of("engine killed", killed, KILL_COLUMNS, len(killed_cells())),
        *asyncio.run(walks(count, seed)),
    ]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--random", type=int, default=RANDOM)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cells whose name holds this; no random shapes")
    given = parser.parse_args()
    if not given.only:
        return report("shapes", proof(given.random, given.seed))
    chosen = [cell for cell in (*cells(), *killed_cells()) if given.only in cell.id]
    rows = asyncio.run(matrix(chosen, COLUMNS))
    say(shown(rows, COLUMNS))
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
