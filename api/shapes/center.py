"""What the shapes need of a running system: their own queues, seats, lines and numbers, and the robots' phones.

The two numbers outside are carriers of their own on other loopback addresses, so that no phone of ours is taken for a
line's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from acd.core.inputs import Input, SeatSignedIn, StatusChosen
from acd.core.model import (
    SECOND,
    EntryPlan,
    Presence,
    QueueDef,
    Route,
    SeatProfile,
    SeatQueue,
    State,
    StatusDef,
    WrapUpEnding,
    WrapUpRule,
)
from acd.core.reply import Refused, Reply
from acd.ports import DialRefused
from acd.replica import Replica
from api.bootstrap import asterisk_settings, open_database, open_log, read_part
from api.gateway import submit
from api.shapes.cells import Robot
from api.shapes.stage import TONES, Names
from cti.ami import Ami
from cti.trunks import states
from directory import changes, service
from directory.dialling import DirectoryDialPlans
from directory.model import DialClass, EntryPoint, OutboundCode, Trunk
from directory.plans import DirectoryPlans
from softphone.process import PhoneProcess
from storage.bus import UnixClient
from storage.settings import Secrets, Settings, load_secrets

RESTING = "shapes_resting"
RING_TIME = 8 * SECOND
"""Longer than an engine takes to come back (2.7 s at worst), short enough to wait for its end."""
CARRIERS = (Robot.OUT, Robot.FAR)
QUALIFY_S = 2
"""A line whose carrier did not answer at the start is not called until it does."""


@dataclass(frozen=True, slots=True)
class Cast:
    """One set of robots with their own part of the directory; several may play beside one another."""

    number: int
    ports: Mapping[Robot, int]

    @property
    def names(self) -> Names:
        """What they are called."""
        mark, tens = f"shapes{self.number}", 7700 + 20 * self.number
        return Names(
            entry=str(tens + 1),
            second_queue=f"{mark}-second",
            second_entry=str(tens + 2),
            seats={Robot.AMY: f"{mark}-amy", Robot.BOB: f"{mark}-bob", Robot.SUP: f"{mark}-sup"},
            extensions={
                Robot.AMY: str(tens + 11),
                Robot.BOB: str(tens + 12),
                Robot.SUP: str(tens + 13),
                Robot.DESK: str(tens + 14),
            },
            numbers={robot: f"{self.code(robot)}022345678{self.number}" for robot in CARRIERS},
            resting=RESTING,
        )

    @property
    def first_queue(self) -> str:
        return f"shapes{self.number}-first"

    def address(self, robot: Robot) -> str:
        """A carrier's own loopback address."""
        return f"127.0.{1 + self.number}.{2 + CARRIERS.index(robot)}"

    def code(self, robot: Robot) -> str:
        """The outbound code of a carrier's line."""
        return f"9{2 * self.number + CARRIERS.index(robot)}"

    def trunk(self, robot: Robot) -> str:
        """The id of a carrier's line."""
        return f"shapes{self.number}-{robot}"


def casts(count: int = 1) -> list[Cast]:
    """So many casts. Their carriers' ports are upper ones at addresses of their own, so hardly anybody is there."""
    ports = random.SystemRandom().sample(range(41_000, 48_000, 10), 2 * count)
    return [Cast(n, dict(zip(CARRIERS, ports[2 * n : 2 * n + 2], strict=True))) for n in range(count)]


def write_directory(session: Session, wanted: Sequence[Cast], key: bytes) -> None:
    """Queues, seats, extensions, lines, numbers. On a directory that has the basics."""
    names = (("zh-TW", "待命"), ("zh-CN", "待命"), ("en", "For colleagues"))
    service.put_status(session, StatusDef(RESTING, Presence.VOICE, names, False, True, True, True))
    changes.put_dial_class(session, DialClass("shapes", "shapes", allow=("TW",)))
    for cast in wanted:
        _write_cast(session, cast, key)


def _write_cast(session: Session, cast: Cast, key: bytes) -> None:
    called, wrap_up = cast.names, WrapUpRule(WrapUpEnding.BY_HAND)
    for queue in (cast.first_queue, called.second_queue):
        service.put_queue(session, QueueDef(queue, queue, ring_time=RING_TIME, wrap_up=wrap_up))
    for robot in CARRIERS:
        trunk, address = cast.trunk(robot), f"{cast.address(robot)}:{cast.ports[robot]}"
        changes.put_trunk(session, Trunk(trunk, trunk, address, number="+886233330000", qualify_s=QUALIFY_S), key)
        changes.put_code(session, OutboundCode(cast.code(robot), trunk, trunk, queue=cast.first_queue))
    for extension in called.extensions.values():
        service.create_extension(session, extension)
    for robot, seat in called.seats.items():
        queue = cast.first_queue if robot is Robot.AMY else called.second_queue
        service.create_seat(session, SeatProfile(seat, called.extensions[robot], (SeatQueue(queue),)), seat.title())
        service.set_dial_class(session, seat, "shapes")
    service.put_entry_point(session, EntryPoint(called.entry, called.entry, cast.first_queue))
    service.put_entry_point(session, EntryPoint(called.second_entry, called.second_entry, called.second_queue))


class RunningSystem:
    """api.shapes.stage.Ground on a system that is up: its socket, its log, its tables."""

    def __init__(self, settings: Settings, bus: UnixClient) -> None:
        self._bus = bus
        self._replica = Replica(open_log(settings))
        database = open_database(settings)
        region = settings.default_region
        self._plans = DirectoryPlans(database, region=region)
        self._dial = DirectoryDialPlans(database, region=region, emergency=settings.emergency_numbers)

    async def submit(self, given: Input, by: str, via: str) -> Reply:
        """Give the engine an input."""
        return (await submit(self._bus, given, by=by, via=via)).reply

    def state(self) -> State:
        """The state of what is durable now."""
        self._replica.catch_up()
        return self._replica.state

    async def route(self, seat: str, dialled: str) -> Route:
        """The way to a number outside; AssertionError with the refusal's words."""
        found = await asyncio.to_thread(self._dial.route, seat, dialled)
        if isinstance(found, DialRefused):
            raise AssertionError(f"{dialled} may not be called: {found.say}")
        return replace(found, ring_time=RING_TIME)  # a minute, as numbers outside are rung, is long to wait for

    async def plan(self, entry: str) -> EntryPlan:
        """An entry point's plan for nobody in particular."""
        found = await asyncio.to_thread(self._plans.plan_of, entry, "")
        assert found is not None, f"there is no entry point {entry}"
        return found


def phone_passwords(settings: Settings, secrets: Secrets) -> Mapping[str, str]:
    """Extension -> SIP password. Blocking."""
    database = open_database(settings)
    try:
        with database.read() as session:
            pool = service.list_extensions(session)
    finally:
        database.close()
    return {one.number: secrets.phone_password(one.number, one.generation) for one in pool}


@asynccontextmanager
async def robots(settings: Settings, cast: Cast) -> AsyncIterator[Mapping[Robot, PhoneProcess]]:
    """Every robot's phone, registered where it has an extension."""
    server = f"{settings.sip_host}:{settings.sip_port}"
    known = await asyncio.to_thread(phone_passwords, settings, load_secrets(settings))
    async with AsyncExitStack() as stack:

        async def start(robot: Robot) -> PhoneProcess:
            return await stack.enter_async_context(await _phone(robot, cast, server, known))

        phones = await asyncio.gather(*(start(robot) for robot in Robot))
        yield dict(zip(Robot, phones, strict=True))


def _phone(robot: Robot, cast: Cast, server: str, known: Mapping[str, str]) -> Awaitable[PhoneProcess]:
    tone = TONES[robot]
    if robot in CARRIERS:
        address, port = cast.address(robot), cast.ports[robot]
        return PhoneProcess.start(robot, register=False, tone=tone, address=address, local_port=port)
    if robot is Robot.CUSTOMER:
        return PhoneProcess.start(f"091234567{cast.number}", server=server, register=False, tone=tone)
    extension = cast.names.extensions[robot]
    return PhoneProcess.start(extension, server=server, password=known[extension], tone=tone)


async def lines_up(settings: Settings, cast: Cast) -> bool:
    """Whether Asterisk knows that both carriers answer: one that was not asked yet may still turn out not to."""
    database = open_database(settings)
    try:
        secrets = load_secrets(settings)
        part = await asyncio.to_thread(read_part, database, settings, secrets)
    finally:
        database.close()
    mine = [trunk for trunk in part.trunks if trunk.name in {cast.trunk(robot) for robot in CARRIERS}]
    async with Ami(asterisk_settings(settings, secrets, part)) as ami:
        return all(state.answers for state in (await states(ami, mine)).values())


async def sign_in(
    ground: RunningSystem, called: Names, until: Callable[[Callable[[], bool], str], Awaitable[None]]
) -> None:
    """Amy takes calls, the others only what colleagues give; waits until each phone is known."""
    for robot, seat in called.seats.items():
        await until(lambda seat=seat: ground.state().seats[seat].reachable, f"{seat}'s phone is known")  # type: ignore[misc]
        status = called.ready if robot is Robot.AMY else called.resting
        for given in (SeatSignedIn(seat, "robot"), StatusChosen(seat, Presence.VOICE, status)):
            reply = await ground.submit(given, seat, "phone")
            assert not isinstance(reply, Refused), f"{seat}: {reply.say}"
