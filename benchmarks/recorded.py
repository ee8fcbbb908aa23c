"""Processor time of a recorded call with real sound both ways: all of Ringside, and MixMonitor alone on a bare Dial().

Same Asterisk, same codec, same recorder options (raw, both sides apart); softmix bridges for both, since the generated
configuration has no other. What is counted is the steady state, without set-up and end; whether both sides are
in the files is looked at while the calls go on.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.call_floor import RECORDED, Floor, cpu_of, floor, plain, until_quiet
from benchmarks.calls import until_reachable
from benchmarks.sip_load import SipLoad
from benchmarks.sound import Speakers
from tools.figures import Row
from tools.say import say

CALLS = 20
ROUNDS = 2
MEASURED_S = 5.0
IDLE_S = 3.0
SETTLE_S = 1.0  # the recorders are started by then
QUIETEST = 1000.0  # RMS of 16-bit samples; the tone's is 5,800
SIDE_BYTES = 2 * 8000  # a second of one side
RINGSIDE, MIXMONITOR, DIAL = "Ringside", "Dial() with MixMonitor", "Dial() alone"


@dataclass(slots=True)
class Cost:
    """mcores a call in each round, Asterisk's and our own. `files` were written, `deaf` of them lack a side."""

    asterisk: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    files: int = 0
    deaf: int = 0

    @property
    def whole(self) -> float:
        """Both together, the median of the rounds."""
        return statistics.median(a + b for a, b in zip(self.asterisk, self.ours, strict=True))


def sides(file: Path) -> tuple[float, float]:
    """RMS of the last second of each side; 0 where there is none. The recorder is still writing."""
    size = file.stat().st_size // 4 * 4
    with file.open("rb") as raw:
        raw.seek(max(0, size - 2 * SIDE_BYTES))
        data = np.frombuffer(raw.read(min(size, 2 * SIDE_BYTES)), dtype="<i2").reshape(-1, 2).astype(float)
    if not len(data):
        return 0.0, 0.0
    left, right = np.sqrt((data**2).mean(axis=0))
    return float(left), float(right)


class Recorded:
    """Twenty calls at once, three ways in turn."""

    def __init__(self, place: Floor, load: SipLoad, speakers: Speakers) -> None:
        self.place, self.load, self.speakers = place, load, speakers
        self.costs = {name: Cost() for name in (RINGSIDE, MIXMONITOR, DIAL)}
        self.idle: list[float] = []  # mcores of our processes without a call

    async def hold(self, name: str, to: Callable[[], str], own: Sequence[int]) -> None:
        """One measurement."""
        cost, before = self.costs[name], set(self.files())
        await self.load.hold(to, CALLS)
        await asyncio.sleep(SETTLE_S)
        asterisk = [self.place.asterisk_process.pid]
        began = asyncio.get_running_loop().time()
        used = cpu_of(asterisk), cpu_of(own)
        await asyncio.sleep(MEASURED_S)
        took = (asyncio.get_running_loop().time() - began) * CALLS / 1000
        cost.asterisk.append((cpu_of(asterisk) - used[0]) / took)
        cost.ours.append((cpu_of(own) - used[1]) / took)
        written = [file for file in self.files() if file not in before]
        cost.files += len(written)
        cost.deaf += sum(min(sides(file)) < QUIETEST for file in written)
        await self.load.release()
        await asyncio.to_thread(self.speakers.silence)
        await until_quiet(self.place.asterisk_process)

    def files(self) -> list[Path]:
        """What recorders write."""
        return list(self.place.recordings.glob("*.raw"))

    async def others(self) -> None:
        """Dial() with a recorder, and without."""
        for name, digit in ((MIXMONITOR, "8"), (DIAL, "9")):
            turns = itertools.cycle(plain(number) for number in range(self.place.agents))
            await self.hold(name, partial(_next, digit, turns), [])

    async def ringside(self) -> None:
        """All of Ringside."""
        own = self.place.processes()
        used = cpu_of(own)
        await asyncio.sleep(IDLE_S)
        self.idle.append((cpu_of(own) - used) / IDLE_S * 1000)
        await self.hold(RINGSIDE, lambda: RECORDED, own)


def _next(digit: str, turns: Iterator[str]) -> str:
    return f"{digit}{next(turns)}"


async def measure() -> Recorded:
    """All rounds, on one Asterisk."""
    with floor(CALLS) as place:
        speakers = Speakers()
        load = SipLoad(place.system.settings.sip_port, speakers)
        recorded = Recorded(place, load, speakers)
        try:
            for number in range(ROUNDS):
                async with place.ringside():
                    if not number:
                        await place.register(load)
                        await until_reachable(place)
                        place.add_the_others()
                    await recorded.ringside()
                await recorded.others()
                say(f"  round {number + 1} of {ROUNDS}")
        finally:
            await load.close()
            speakers.close()
    if speakers.late:
        say(f"  the speakers were late {speakers.late} times")
    return recorded


def table(found: Recorded) -> list[Row]:
    """mcores a call, and that all was heard."""
    own, mixmonitor, dial = (found.costs[name] for name in (RINGSIDE, MIXMONITOR, DIAL))
    recorded = own.files + mixmonitor.files
    return [
        Row(
            "recorded call, all of Ringside",
            own.whole,
            "mcores",
            peer=f"MixMonitor alone {mixmonitor.whole:.1f}, not recorded {dial.whole:.1f}",
        ),
        Row("  of it Asterisk", statistics.median(own.asterisk), "mcores"),
        Row("  of it our processes", statistics.median(own.ours), "mcores",
            peer=f"{statistics.median(found.idle) / CALLS:.1f} of it without any call; {CALLS} calls at once"),
        Row("recorded calls with both sides", recorded - own.deaf - mixmonitor.deaf, "", f"{2 * ROUNDS * CALLS}",
            recorded - own.deaf - mixmonitor.deaf == 2 * ROUNDS * CALLS, f"{os.cpu_count()} cores"),
    ]  # fmt: skip


def rows() -> list[Row]:
    """Two rounds, about 50 s."""
    return table(asyncio.run(measure()))
