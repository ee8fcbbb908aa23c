"""Calls distributed by Ringside, a minimal ARI dispatcher, app_queue and bare Dial(), in turn on the same Asterisk.

Ringside is all of `ringside up`: engine with its durable log, AGI entry, worker, web, rescue. The peer is
benchmarks/peer_dispatcher.py. Every agent answers at once and is a registered phone of the generated configuration.

light: so many callers a second, agents free: caller's INVITE to agent's INVITE.
busy:  more callers than agents at any time: an agent's BYE to his next INVITE. Talk times are random, since constant
       ones fall into step with app_queue, which looks once a second.
full:  a fixed number of callers at any time who talk 0.2 s: calls brought to their end a second. All share the
       machine's processors, so where these are few the processor time a call tells the same with less noise.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import breakdown
from benchmarks.call_floor import AGENTS, ENTRY, PEER, QUEUE, Floor, cpu_of, floor, plain, until_quiet
from benchmarks.commit import percentile
from benchmarks.sip_load import Run, SipLoad
from tools.figures import Row
from tools.say import ROOT, say

ROUNDS = 2
LIGHT_RATE, LIGHT_S, LIGHT_TALK = 15.0, 2.5, (0.4, 0.6)
BUSY_MORE, BUSY_S, BUSY_TALK = 20, 5.0, (1.5, 4.5)
FULL_WINDOW, FULL_S, FULL_TALK = 72, 3.5, (0.2, 0.2)
WARM_UP_NS = 1_000_000_000
TRACED_S = 4.0
QUALIFY_S = 10.0  # a new contact counts as reachable after its first OPTIONS
RINGSIDE, THE_PEER, APP_QUEUE, DIAL = "Ringside", "the peer", "app_queue", "Dial()"


@dataclass(slots=True)
class Figures:
    """What one way of distributing gave over all rounds; the lists after `gaps` have a value a round."""

    delivered: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    asterisk: list[float] = field(default_factory=list)  # ms of processor time a call
    own: list[float] = field(default_factory=list)
    lost: int = 0
    calls: int = 0

    @property
    def rate(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.rates)

    def take(self, run: Run) -> Run:
        """Count what every run has."""
        self.calls += len(run.attempts)
        self.lost += len(run.lost)
        return run


def whole_ms(figures: Figures) -> float:
    """Processor time a call, Asterisk's and that of the dispatcher's own processes, the median of the rounds."""
    return statistics.median(a + b for a, b in zip(figures.asterisk, figures.own, strict=True))


def delivered_ms(run: Run) -> list[float]:
    """Caller's INVITE to agent's INVITE of those who met an agent."""
    return [(one.rung - one.invited) / 1e6 for one in run.attempts if one.rung]


def gaps_ms(run: Run) -> list[float]:
    """Agent's BYE to his next INVITE."""
    return [one.gap / 1e6 for one in run.attempts if one.gap]


def rate_of(run: Run) -> float:
    """Calls served to their end a second, the first second left out."""
    begin = run.began + WARM_UP_NS
    done = sum(one.served and begin <= one.over <= run.ended for one in run.attempts)
    return done / ((run.ended - begin) / 1e9)


class Bench:
    """The rounds."""

    def __init__(self, place: Floor, load: SipLoad) -> None:
        self.place, self.load = place, load
        self.figures = {name: Figures() for name in (RINGSIDE, THE_PEER, APP_QUEUE, DIAL)}
        turns = itertools.cycle(range(place.agents))
        self.numbers: dict[str, Callable[[], str]] = {
            RINGSIDE: lambda: ENTRY,
            THE_PEER: lambda: PEER,
            APP_QUEUE: lambda: QUEUE,
            DIAL: lambda: f"9{plain(next(turns))}",
        }

    async def light(self, name: str) -> None:
        """Agents are free."""
        run = await self.load.steady(self.numbers[name], LIGHT_RATE, LIGHT_S, LIGHT_TALK)
        self.figures[name].delivered += delivered_ms(self.figures[name].take(run))

    async def busy(self, name: str) -> None:
        """Callers wait all the time."""
        run = await self.load.closed(self.numbers[name], self.place.agents + BUSY_MORE, BUSY_S, BUSY_TALK)
        self.figures[name].gaps += gaps_ms(self.figures[name].take(run))

    async def full(self, name: str, own: Sequence[int] = ()) -> None:
        """As many as go; `own`: the processes beside Asterisk that do it."""
        figures, asterisk = self.figures[name], [self.place.asterisk_process.pid]
        used = cpu_of(asterisk), cpu_of(own)
        run = figures.take(await self.load.closed(self.numbers[name], FULL_WINDOW, FULL_S, FULL_TALK))
        await self.settle()
        figures.asterisk.append((cpu_of(asterisk) - used[0]) / len(run.attempts) * 1000)
        figures.own.append((cpu_of(own) - used[1]) / len(run.attempts) * 1000)
        figures.rates.append(rate_of(run))
        if run.lost:
            say(f"    {name}: {len(run.lost)} of {len(run.attempts)} not served to their end, first {run.lost[0]}")

    async def ringside(self) -> None:
        """Ringside's turn."""
        await self.light(RINGSIDE)
        await self.busy(RINGSIDE)
        await self.settle()
        await self.full(RINGSIDE, self.place.processes())

    async def others(self) -> None:
        """The turn of the others."""
        await self.light(APP_QUEUE)
        await self.busy(APP_QUEUE)
        await self.settle()
        await self.full(APP_QUEUE)
        await self.light(DIAL)
        await self.full(DIAL)
        with self.place.peer() as peer:
            await self.light(THE_PEER)
            await self.busy(THE_PEER)
            await self.settle()
            await self.full(THE_PEER, [peer])

    async def settle(self) -> None:
        """Nothing of one part is left in the next."""
        await until_quiet(self.place.asterisk_process)

    async def traced(self) -> list[breakdown.Trail]:
        """The light load once more, with stamps."""
        file = self.place.system.folder / "trace.jsonl"
        with stamps_into(file):
            async with self.place.ringside():
                run = await self.load.steady(self.numbers[RINGSIDE], LIGHT_RATE, TRACED_S, LIGHT_TALK)
                await self.settle()
        return breakdown.trails(breakdown.read(file), run.attempts)


@contextmanager
def stamps_into(file: Path) -> Iterator[None]:
    """Processes started meanwhile stamp what they do."""
    added = {"PYTHONPATH": f"{ROOT / 'benchmarks/trace'}:{ROOT}", "RINGSIDE_BENCH_TRACE": str(file)}
    kept = {name: os.environ.get(name) for name in added}
    os.environ.update(added)
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def until_reachable(place: Floor) -> None:
    """Every seat's phone has answered its first OPTIONS."""
    await asyncio.to_thread(place.system.until, lambda: _all_reachable(place), "phones reachable", QUALIFY_S)


def _all_reachable(place: Floor) -> bool:
    return all(seat.reachable for seat in place.system.state.seats.values())


async def measure(agents: int = AGENTS, rounds: int = ROUNDS) -> tuple[dict[str, Figures], list[breakdown.Trail]]:
    """All rounds: Ringside, then the others, on one Asterisk."""
    with floor(agents) as place:
        load = SipLoad(place.system.settings.sip_port)
        bench = Bench(place, load)
        try:
            for number in range(rounds):
                async with place.ringside():
                    if not number:
                        await place.register(load)
                        await until_reachable(place)
                        place.add_the_others()
                        await load.steady(bench.numbers[RINGSIDE], 10, 1, LIGHT_TALK)  # everything was run once
                    await bench.ringside()
                await bench.others()
                rates = ", ".join(f"{name} {figures.rates[-1]:.0f}" for name, figures in bench.figures.items())
                say(f"  round {number + 1} of {rounds}: calls/s {rates}")
            trails = await bench.traced()
        finally:
            await load.close()
    return bench.figures, trails


def table(figures: dict[str, Figures], trails: Sequence[breakdown.Trail]) -> list[Row]:
    """The figures against their targets."""
    own, peer, queue, dial = (figures[name] for name in (RINGSIDE, THE_PEER, APP_QUEUE, DIAL))
    delivered = {name: percentile(one.delivered, 0.5) for name, one in figures.items()}
    gap = {name: percentile(one.gaps, 0.99) for name, one in figures.items() if one.gaps}
    lost = sum(one.lost for one in figures.values())
    rows = [
        Row("calls/s, all of Ringside", own.rate, "1/s", ">= the peer", own.rate >= peer.rate,
            f"peer {peer.rate:.0f}, app_queue {queue.rate:.0f}, Dial() {dial.rate:.0f}"),
        Row("agent free -> next INVITE, p50", percentile(own.gaps, 0.5), "ms",
            peer=f"app_queue {percentile(queue.gaps, 0.5):.0f}, peer {percentile(peer.gaps, 0.5):.1f}"),
        Row("agent free -> next INVITE, p99", gap[RINGSIDE], "ms", "<= app_queue / 10",
            gap[RINGSIDE] <= gap[APP_QUEUE] / 10, f"app_queue {gap[APP_QUEUE]:.0f}, peer {gap[THE_PEER]:.1f}"),
        Row("caller's INVITE -> agent's, p50", delivered[RINGSIDE], "ms", "<= app_queue + 10",
            delivered[RINGSIDE] <= delivered[APP_QUEUE] + 10,
            f"app_queue {delivered[APP_QUEUE]:.1f}, peer {delivered[THE_PEER]:.1f}, Dial() {delivered[DIAL]:.1f}"),
        Row("caller's INVITE -> agent's, p95", percentile(own.delivered, 0.95), "ms",
            peer=f"app_queue {percentile(queue.delivered, 0.95):.1f}, peer {percentile(peer.delivered, 0.95):.1f}"),
        Row("processor time a call, all of Ringside", whole_ms(own), "ms",
            peer=f"peer {whole_ms(peer):.1f}, app_queue {whole_ms(queue):.1f}, Dial() {whole_ms(dial):.1f}"),
        Row("  of it Asterisk", statistics.median(own.asterisk), "ms",
            peer=f"peer {statistics.median(peer.asterisk):.1f}"),
        Row("calls not served to their end", own.lost, "", "0", own.lost == 0,
            f"of {own.calls}; the others {lost - own.lost} of {peer.calls + queue.calls + dial.calls}"),
    ]  # fmt: skip
    return rows + parts(trails)


def parts(trails: Sequence[breakdown.Trail]) -> list[Row]:
    """Where Ringside's time to the agent's INVITE goes."""
    if not trails:
        return [Row("  breakdown: calls seen from end to end", 0, "", "> 0", False)]
    return [
        Row(f"  {name}, p50", value, "ms", peer=f"{len(trails)} calls") for name, value in breakdown.medians(trails)
    ]


def rows() -> list[Row]:
    """Two rounds and the breakdown, about 2 minutes and a half."""
    return table(*asyncio.run(measure()))
