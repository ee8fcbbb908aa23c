"""From an input to its durable commit through the runtime, beside the fdatasync of the same disk in the same run.

The log is SQLite with FULL synchronisation in a folder of the project, so on the disk that would be used. Runs of
inputs and runs of fdatasync alternate, five of each; the medians of their 99th percentiles are compared.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import structlog

from acd.core import inputs as i
from acd.core import model as m
from acd.ports import Done
from acd.runtime import Runtime
from storage.factlog import SqlFactLog
from storage.migrations import upgrade
from tools.figures import Row
from tools.say import ROOT, say

RUNS = 5
INPUTS = 600
SYNCS = 600
BLOCK = 8192
WARM_UP = 60


def percentile(values: list[float], part: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def syncs(folder: Path, count: int) -> list[float]:
    """µs of appending 8 kB and making it durable."""
    taken = []
    block = os.urandom(BLOCK)
    with (folder / "floor").open("ab", buffering=0) as floor:
        for _ in range(count):
            began = time.perf_counter()
            floor.write(block)
            os.fdatasync(floor.fileno())
            taken.append((time.perf_counter() - began) * 1e6)
    return taken


async def lay_out(runtime: Runtime) -> None:
    """A queue and ten seats that are ready for text."""
    await runtime.submit(i.MediumDefined(m.MediumDef("chat", m.Presence.TEXT, 15, 15)))
    ready = m.StatusDef("ready", m.Presence.TEXT, (), True, True, True, True, after_login=True)
    await runtime.submit(i.StatusDefined(ready))
    await runtime.submit(i.QueueDefined(m.QueueDef("q", "q")))
    for number in range(10):
        await runtime.submit(i.SeatProfileSet(m.SeatProfile(f"s{number}", queues=(m.SeatQueue("q"),))))
        await runtime.submit(i.SeatSignedIn(f"s{number}"))


async def inputs(runtime: Runtime, count: int) -> list[float]:
    """µs from an input to the reply after its commit, one at a time: arrive, answer, close."""
    taken: list[float] = []

    async def timed(given: i.Input) -> str:
        began = time.perf_counter()
        reply = await runtime.submit(given)
        taken.append((time.perf_counter() - began) * 1e6)
        if not isinstance(reply, Done):
            raise RuntimeError(f"{given} was refused: {reply}")
        return reply.item

    plan = m.EntryPlan("e", 1, "q", "chat")
    while len(taken) < count:
        item = await timed(i.ItemArrived(m.Kind.CHAT, "", plan))
        offer = await runtime.query(lambda state: next(iter(state.offers)))
        await timed(i.OfferAnswered(offer))
        await timed(i.ItemClosed(item, m.Party.SEAT))
    return taken


async def measure(folder: Path) -> tuple[list[list[float]], list[list[float]]]:
    """Runs of fdatasync and runs of inputs, in turn."""
    url = f"sqlite:///{folder / 'facts.db'}"
    upgrade(url, "log")
    log = SqlFactLog(url)
    runtime = Runtime(log)
    floors, commits = [], []
    await runtime.start()
    try:
        await lay_out(runtime)
        await inputs(runtime, WARM_UP)
        for number in range(RUNS):
            floors.append(syncs(folder, SYNCS))
            commits.append(await inputs(runtime, INPUTS))
            say(f"  run {number + 1} of {RUNS}")
    finally:
        await runtime.stop()
        log.close()
    return floors, commits


def rows() -> list[Row]:
    """p50 and p99 of both, and their ratio."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    (ROOT / "build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        floors, commits = asyncio.run(measure(Path(folder)))
    floor = [statistics.median(percentile(run, part) for run in floors) for part in (0.5, 0.99)]
    commit = [statistics.median(percentile(run, part) for run in commits) for part in (0.5, 0.99)]
    ratio = commit[1] / floor[1]
    return [
        Row("fdatasync of 8 kB, p50", floor[0], "µs", peer=f"p99 {floor[1]:.0f} µs"),
        Row("input -> commit, p50", commit[0], "µs", peer=f"{commit[0] / floor[0]:.1f} x fdatasync p50"),
        Row("input -> commit, p99", commit[1], "µs", "<= 10 x fdatasync", ratio <= 10, f"{ratio:.1f} x fdatasync p99"),
        Row("input -> commit p99 / fdatasync p50", commit[1] / floor[0], "x"),
    ]
