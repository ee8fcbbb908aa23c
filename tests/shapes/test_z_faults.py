"""Z8 and Z16 of the bugs contact centers really had: a dispatcher that dies silently, events that are lost on reconnect
(reference/performance-reliability.md §4.2). The engine runs in the test, so that it can be broken; Asterisk is real."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.effects import Effect
from acd.core.model import EntryPlan, SeatState
from acd.core.reply import Code, Refused
from acd.core.shapes import Move
from cti.asterisk import AsteriskProcess
from tests.support.asterisk import free_port, running_asterisk
from tests.support.center import SEATS, Center, Plans, engine, phones, until, until_told
from tests.support.memory import MemoryLog
from tests.support.sipua import Call

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio]
RIGHT_S = 5.0
HOST = "127.0.0.1"


@dataclass
class Proxy:
    """Stands between the engine and Asterisk's HTTP port. While `shut` every connection is closed at once: what the
    engine sees of a network that is gone for a moment."""

    port: int
    to: int
    shut: bool = False
    open_ones: set[asyncio.StreamWriter] = field(default_factory=set)
    turned_away: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the engine's."""
        if self.shut:
            self.turned_away += 1
            writer.close()
            return
        there, out = await asyncio.open_connection(HOST, self.to)
        pair = {writer, out}
        self.open_ones |= pair
        try:
            await asyncio.gather(_copy(reader, out), _copy(there, writer))
        finally:
            self.open_ones -= pair
            for one in pair:
                one.close()

    def cut(self) -> None:
        """From now on nothing comes through; what was under way is lost."""
        self.shut = True
        for one in list(self.open_ones):
            one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def center_behind_a_proxy(box: AsteriskProcess) -> AsyncIterator[tuple[Center, Proxy]]:
    """A center whose engine reaches ARI through a proxy; phones, AGI and AMI are direct."""
    proxy = Proxy(free_port(), box.settings.http_port)
    server = await asyncio.start_server(proxy.serve, HOST, proxy.port)
    through = copy.copy(box)
    through.settings = replace(box.settings, http_port=proxy.port)
    log, plans = MemoryLog(), Plans()
    async with server, phones(box) as (ua, incoming), engine(through, log, plans) as (runtime, telephony, seats):
        yield Center(box, runtime, telephony, ua, seats, plans, log, incoming), proxy


@pytest.fixture(scope="module")
def box(asterisk_root: Path) -> Iterator[AsteriskProcess]:
    with running_asterisk(asterisk_root) as running:
        yield running


async def seen(c: Center, seat: str, state: SeatState) -> None:
    """The seat is seen so within the time promised."""

    async def is_so() -> bool:
        found: SeatState = await c.runtime.query(lambda now: now.seats[seat].voice.seen)
        return found is state

    await until_told(is_so, f"{seat} is {state}; {c.told()}", RIGHT_S)


async def open_items(c: Center) -> int:
    return await c.runtime.query(lambda now: len(now.items))


@dataclass
class Cut:
    """Three callers: amy talks with the first, bob rings for the second, the third waits; then nothing comes."""

    c: Center
    proxy: Proxy
    callers: list[Call]
    items: list[str]
    amys: Call
    bobs: Call

    async def back(self) -> None:
        """Connections are let through again, once the engine has tried in vain."""
        await until(lambda: self.proxy.turned_away >= 2, "the engine has tried to come back")
        assert self.c.facts(f.Ended) == []
        self.proxy.shut = False

    async def heard(self, item: str, count: int = 1) -> None:
        def up() -> bool:
            return [fact.item for fact in self.c.facts(f.MediaUp)].count(item) >= count

        await until(up, lambda: f"{item} is heard; {self.c.told()}", RIGHT_S)

    async def end(self) -> None:
        """All callers go: each contact ends once, both seats are free, nothing is left."""
        for caller in self.callers:
            caller.hang_up()
        await self.c.fact(f.Ended, 3)
        for seat in SEATS:
            await seen(self.c, seat, SeatState.READY)
        assert sorted(fact.item for fact in self.c.facts(f.Ended)) == sorted(self.items)
        accepted = sorted(fact.item for fact in self.c.facts(f.Accepted))
        assert sorted(fact.item for fact in self.c.facts(f.HandlingEnded)) == accepted
        assert await open_items(self.c) == 0
        await self.c.empty()


@asynccontextmanager
async def cut(box: AsteriskProcess) -> AsyncIterator[Cut]:
    async with center_behind_a_proxy(box) as (c, proxy):
        await c.ready("amy", "bob")
        talking, amys = await c.talk()
        rung = c.ua.call("81")
        bobs = await c.rings(SEATS["bob"])
        waiting = c.ua.call("81")
        await c.fact(f.Queued, 3)
        items = [fact.item for fact in c.facts(f.Queued)]
        proxy.cut()
        await until(lambda: not c.telephony.ready, "the cut is noticed")
        yield Cut(c, proxy, [talking, rung, waiting], items, amys, bobs)


async def test_z16_events_lost_on_reconnect_change_nothing(box: AsteriskProcess) -> None:
    """Meanwhile the first caller hangs up and bob answers."""
    async with cut(box) as m:
        m.callers[0].hang_up()
        m.bobs.answer()
        await m.back()
        ended = await m.c.fact(f.Ended, limit_s=RIGHT_S)
        assert ended.item == m.items[0]
        await m.heard(m.items[1])
        again = await m.c.rings(SEATS["amy"], 2)
        assert m.amys.ended.is_set()
        again.answer()
        await m.heard(m.items[2])
        for seat in SEATS:
            await seen(m.c, seat, SeatState.BUSY)
        assert [fact.item for fact in m.c.facts(f.Accepted)] == m.items
        await m.end()


async def test_z16_an_agent_who_hung_up_unseen_strands_nobody(box: AsteriskProcess) -> None:
    """His phone may as well have died: the caller keeps his place and is offered again."""
    async with cut(box) as m:
        m.amys.hang_up()
        m.callers[1].hang_up()
        await m.back()
        ended = await m.c.fact(f.Ended, limit_s=RIGHT_S)
        assert ended.item == m.items[1]
        requeued = await m.c.fact(f.Requeued, limit_s=RIGHT_S)
        assert requeued.item == m.items[0]
        both = [m.items[0], m.items[2]]
        await until(lambda: {fact.item for fact in m.c.facts(f.Offered)[2:]} == set(both), "both are offered")
        for extension in SEATS.values():
            (await m.c.rings(extension, 2)).answer()
        await m.heard(both[0], 2)
        await m.heard(both[1])
        await m.end()


async def served(c: Center, count: int, seat: str = "amy") -> None:
    """A caller is rung, answered and gone; the seat is free for the next."""
    talking, _ = await c.talk(seat=seat)
    talking.hang_up()
    await c.fact(f.Ended, count)
    await seen(c, seat, SeatState.READY)


POISON: tuple[i.Input, ...] = (
    i.CallEntered("leg", cast(EntryPlan, None)),
    i.MoveMade("amy", cast(str, ["no", "text"]), Move.HOLD),
    i.SeatSignedIn(cast(str, {"no": "seat"})),
)


async def test_z08_dispatch_never_dies_silently_of_a_poison_input(box: AsteriskProcess) -> None:
    async with center_behind_a_proxy(box) as (c, _):
        await c.ready("amy")
        for count, given in enumerate(POISON, 1):
            reply = await c.runtime.submit(given)
            assert isinstance(reply, Refused)
            assert reply.code is Code.BAD_INPUT
            assert len(c.facts(f.InputRejected)) == count
            await served(c, count)
        await c.empty()


async def test_z08_dispatch_never_dies_silently_of_a_performer(
    box: AsteriskProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes the effects fails once for a ring, once for a talk: the next seat is rung, the talk is made good."""
    async with center_behind_a_proxy(box) as (c, _):
        await c.ready("amy", "bob")
        perform, broken = c.telephony.perform, list[str]()

        def fails_once(effects: Sequence[Effect]) -> None:
            for effect in effects:
                name = type(effect).__name__
                if name in ("RingSeat", "Connect") and name not in broken:
                    broken.append(name)
                    raise RuntimeError(name)
            perform(effects)

        monkeypatch.setattr(c.telephony, "perform", fails_once)
        caller = c.ua.call("81")
        missed = await c.fact(f.OfferEnded, limit_s=RIGHT_S)
        (other,) = set(SEATS) - {missed.seat}
        ring = await c.rings(SEATS[other])
        ring.answer()
        await c.fact(f.MediaUp, limit_s=RIGHT_S)
        await asyncio.wait_for(caller.answered.wait(), RIGHT_S)  # his AnswerLeg was lost with the ring's
        assert broken == ["RingSeat", "Connect"]
        caller.hang_up()
        handled = await c.fact(f.HandlingEnded)
        assert (handled.item, handled.seat) == (missed.item, other)
        await c.fact(f.Ended)
        await served(c, 2, other)
        await c.empty()
