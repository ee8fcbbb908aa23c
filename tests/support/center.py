"""A small center for tests: a real Asterisk, a real runtime over a log in memory, signalling-only phones.

Two seats, amy (8001) and bob (8002), and three entries: 81 straight into the queue, 82 with a greeting and a menu,
83 into a queue that rings one second and records nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import (
    SECOND,
    Destination,
    EntryPlan,
    MediumDef,
    Menu,
    MenuOption,
    Presence,
    QueueDef,
    SeatProfile,
    SeatQueue,
    StatusDef,
    TrunkDef,
    Way,
)
from acd.core.reply import Done
from acd.ports import AddressSeen
from acd.replica import recorded
from acd.runtime import Runtime
from api.engine import SeatBook
from cti.agi import AgiServer
from cti.ami import Ami, AmiError
from cti.asterisk import AsteriskProcess
from cti.provisioning import Extension, Provisioning, http_call
from cti.telephony import AsteriskTelephony
from tests.support.memory import MemoryLog
from tests.support.sipua import Call, SipUa
from tests.support.switch import CARRIER, Numbers

T = TypeVar("T")
F = TypeVar("F")
SEATS = {"amy": "8001", "bob": "8002"}
PASSWORD = "test-password-0123456"
IN_Q, IN_QUIET = Destination(Way.QUEUE, "q"), Destination(Way.QUEUE, "quiet")
MENU = Menu("m", "ringside/menu", (MenuOption("1", IN_Q), MenuOption("2", IN_QUIET)), IN_Q, timeout=2 * SECOND, tries=1)
PLANS = {
    "81": EntryPlan("81", 1, "q"),
    "82": EntryPlan("82", 1, "q", greeting="ringside/greeting", start=Destination(Way.MENU, "m")),
    "83": EntryPlan("83", 1, "quiet"),
}
STATUSES = (
    StatusDef("ready", Presence.VOICE, (), True, True, True, True, after_login=True),
    StatusDef("break", Presence.VOICE, (), False, False, False, True),
)


class Plans:
    """acd.ports.EntryPlans over a table; remembers whom it was asked about."""

    def __init__(self) -> None:
        self.asked: list[AddressSeen] = []

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        self.asked.append(seen)
        return PLANS.get(seen.entry)


What = str | Callable[[], str]
"""What is waited for, in words; a function is asked only when it did not come."""


async def until(look: Callable[[], T], what: What, limit_s: float = 6.0) -> T:
    """What `look` gives once it is true."""

    async def ask() -> T:
        return look()

    return await until_told(ask, what, limit_s)


async def until_told(ask: Callable[[], Awaitable[T]], what: What, limit_s: float = 6.0) -> T:
    """What `ask` gives once it is true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + limit_s
    while True:
        if value := await ask():
            return value
        assert loop.time() < end, f"not within {limit_s:g} s: {what if isinstance(what, str) else what()}"
        await asyncio.sleep(0.02)


@dataclass
class Center:
    """What a test holds in its hands."""

    box: AsteriskProcess
    runtime: Runtime
    telephony: AsteriskTelephony
    ua: SipUa
    seats: SeatBook
    plans: Plans
    log: MemoryLog
    incoming: list[Call] = field(default_factory=list)

    def facts(self, kind: type[F]) -> list[F]:
        """Every committed fact of that kind."""
        found = (recorded(row).fact for row in self.log.rows if row.kind == kind.__name__)
        return [fact for fact in found if isinstance(fact, kind)]

    async def fact(self, kind: type[F], count: int = 1, limit_s: float = 6.0) -> F:
        """The `count`-th fact of that kind, as soon as it is there."""
        rows = await until(
            lambda: self.facts(kind)[count - 1 :], lambda: f"{kind.__name__} no. {count}; {self.told()}", limit_s
        )
        return rows[0]

    def told(self) -> str:
        return " ".join(row.kind for row in self.log.rows[-30:])

    async def rings(self, extension: str, count: int = 1) -> Call:
        """The `count`-th call that came to that phone."""
        rows = await until(
            lambda: [call for call in self.incoming if call.user == extension][count - 1 :],
            lambda: f"call no. {count} at {extension}; {self.told()}",
        )
        return rows[0]

    async def register(self, extension: str) -> None:
        assert await self.ua.register(extension, PASSWORD) == 200

    async def unregister(self, extension: str) -> None:
        assert await self.ua.register(extension, PASSWORD, expires=0) == 200

    async def ready(self, *seats: str) -> None:
        """Sign in and register these seats, and wait until the core knows that their phones can be reached."""
        for seat in seats:
            assert isinstance(await self.runtime.submit(i.SeatSignedIn(seat)), Done)
            await self.register(SEATS[seat])
        await until(lambda: all(self.seats.reachable(seat) for seat in seats), f"{seats} reachable")

    async def talk(self, entry: str = "81", seat: str = "amy") -> tuple[Call, Call]:
        """A caller and a seat, joined: (caller's call, seat's call)."""
        before = len(self.facts(f.MediaUp))
        caller = self.ua.call(entry, "0912345678", "Lin")
        ring = await self.rings(SEATS[seat], len([call for call in self.incoming if call.user == SEATS[seat]]) + 1)
        ring.answer()
        await self.fact(f.MediaUp, before + 1)
        return caller, ring

    async def ari(self, method: str, uri: str, body: dict[str, object] | None = None, **query: object) -> Any:
        return await self.telephony.ari.call(method, uri, body, **query)

    async def channels(self) -> list[dict[str, Any]]:
        return list(await self.ari("GET", "channels"))

    def repairs(self) -> dict[str, int]:
        """Counted repairs by kind, from the log."""
        counts: dict[str, int] = {}
        for fact in self.facts(f.Repaired):
            counts[fact.kind] = counts.get(fact.kind, 0) + 1
        return counts

    async def empty(self) -> None:
        """No channel and no bridge is left in Asterisk."""

        async def gone() -> bool:
            return not await self.channels() and not await self.ari("GET", "bridges")

        await until_told(gone, "no channels and bridges left")


async def define(runtime: Runtime) -> None:
    """Medium, statuses, queues, seats."""
    queues = tuple(SeatQueue(name) for name in ("q", "quiet"))
    definitions: tuple[i.Input, ...] = (
        i.MediumDefined(MediumDef("voice", Presence.VOICE, 1, 1, ("*",), ("voice",), needs_phone=True)),
        *(i.StatusDefined(status) for status in STATUSES),
        i.QueueDefined(QueueDef("q", "Q", ring_time=15 * SECOND, decline_back_off=60 * SECOND)),
        i.QueueDefined(
            QueueDef("quiet", "Quiet", ring_time=SECOND, no_answer_back_off=60 * SECOND, record_calls=False)
        ),
        i.MenuDefined(MENU),
        i.TrunkDefined(TrunkDef(CARRIER, cap=2)),
        *(i.SeatProfileSet(SeatProfile(seat, number, queues)) for seat, number in SEATS.items()),
    )
    for given in definitions:
        assert isinstance(await runtime.submit(given), Done)


@asynccontextmanager
async def engine(
    box: AsteriskProcess, log: MemoryLog, plans: Plans, *, agi: bool = True, fresh: bool = True
) -> AsyncIterator[tuple[Runtime, AsteriskTelephony, SeatBook]]:
    """An engine on that Asterisk and that log, as bootstrap wires it; stopped on leaving, calls stay up."""
    runtime, seats = Runtime(log), SeatBook()
    await runtime.start()
    if fresh:
        await define(runtime)
    await runtime.query(seats.load)
    runtime.on_commit(seats.take)
    telephony = AsteriskTelephony(box.settings, runtime, plans, seats, Numbers())
    runtime.attach(telephony)
    server = AgiServer(box.settings, runtime, plans)
    if agi:
        await server.start()
    await telephony.start()
    loops = asyncio.create_task(runtime.run())
    try:
        yield runtime, telephony, seats
    finally:
        await telephony.stop()
        if agi:
            await server.stop()
        loops.cancel()
        await asyncio.gather(loops, return_exceptions=True)
        await runtime.stop()


@asynccontextmanager
async def phones(box: AsteriskProcess) -> AsyncIterator[tuple[SipUa, list[Call]]]:
    """The seats' extensions in Asterisk, and a bank of phones."""
    incoming: list[Call] = []
    provisioning = Provisioning(http_call(box.settings), qualify_s=0)
    for number in SEATS.values():
        await provisioning.put(Extension(number, password=PASSWORD))
    ua = await SipUa.open(box.settings.sip_port, incoming.append)
    try:
        yield ua, incoming
    finally:
        for number in SEATS.values():
            await ua.register(number, PASSWORD, expires=0)
        ua.close()
        await hang_up_all(box)


async def hang_up_all(box: AsteriskProcess) -> None:
    """Leave the Asterisk empty for the next test."""
    async with Ami(box.settings) as ami:
        for row in await ami.channels():
            with contextlib.suppress(AmiError):  # it hung up by itself in this very moment
                await ami.action("Hangup", Channel=row.get("Channel"))

        async def gone() -> bool:
            return not await ami.channels()

        await until_told(gone, "no channels left after the test")


@asynccontextmanager
async def center(box: AsteriskProcess, *, agi: bool = True) -> AsyncIterator[Center]:
    """Everything at once."""
    log, plans = MemoryLog(), Plans()
    async with phones(box) as (ua, incoming), engine(box, log, plans, agi=agi) as (runtime, telephony, seats):
        yield Center(box, runtime, telephony, ua, seats, plans, log, incoming)
