"""What the shapes need of a running system: their own queues, seats, lines and numbers, and the robots' phones.

The two numbers outside are carriers of their own on other loopback addresses, so that no phone of ours is taken for a
line's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

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
from api.bootstrap import open_database, open_log
from api.gateway import submit
from api.shapes.cells import Robot
from api.shapes.stage import TONES, Names
from directory import changes, service
from directory.dialling import DirectoryDialPlans
from directory.model import DialClass, EntryPoint, OutboundCode, Trunk
from directory.plans import DirectoryPlans
from softphone.process import PhoneProcess
from storage.bus import UnixClient
from storage.settings import Secrets, Settings, load_secrets

FIRST, SECOND_QUEUE = "shapes-first", "shapes-second"
RESTING = "shapes_resting"
RING_TIME = 4 * SECOND
CARRIERS: Mapping[Robot, str] = {Robot.OUT: "127.0.0.2", Robot.FAR: "127.0.0.3"}
FAR_CODE = "92"

NAMES = Names(
    entry="7701",
    second_queue=SECOND_QUEUE,
    second_entry="7702",
    seats={Robot.AMY: "shapes-amy", Robot.BOB: "shapes-bob", Robot.SUP: "shapes-sup"},
    extensions={Robot.AMY: "7711", Robot.BOB: "7712", Robot.SUP: "7713", Robot.DESK: "7714"},
    numbers={Robot.OUT: "0223456789", Robot.FAR: f"{FAR_CODE}0223456780"},
    resting=RESTING,
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the two carriers listen."""

    out: int
    far: int


def free_ports() -> Ports:
    """Two of the upper ones; the carriers have addresses of their own, so hardly anybody is there."""
    chance = random.SystemRandom()
    return Ports(*chance.sample(range(41_000, 48_000, 10), 2))


def write_directory(session: Session, ports: Ports, key: bytes) -> None:
    """Queues, seats, extensions, lines, numbers. On a directory that has the basics."""
    wrap_up = WrapUpRule(WrapUpEnding.BY_HAND)
    names = (("zh-TW", "待命"), ("zh-CN", "待命"), ("en", "For colleagues"))
    service.put_status(session, StatusDef(RESTING, Presence.VOICE, names, False, True, True, True))
    for queue in (FIRST, SECOND_QUEUE):
        service.put_queue(session, QueueDef(queue, queue, ring_time=RING_TIME, wrap_up=wrap_up))
    for trunk, robot, port in (("shapes-out", Robot.OUT, ports.out), ("shapes-far", Robot.FAR, ports.far)):
        changes.put_trunk(session, Trunk(trunk, trunk, f"{CARRIERS[robot]}:{port}", number="+886233330000"), key)
    changes.put_code(session, OutboundCode("91", "first line", "shapes-out", queue=FIRST, default=True))
    changes.put_code(session, OutboundCode(FAR_CODE, "second line", "shapes-far", queue=FIRST))
    changes.put_dial_class(session, DialClass("shapes", "shapes", allow=("TW",)))
    for extension in NAMES.extensions.values():
        service.create_extension(session, extension)
    for robot, seat in NAMES.seats.items():
        queue = FIRST if robot is Robot.AMY else SECOND_QUEUE
        profile = SeatProfile(seat, NAMES.extensions[robot], (SeatQueue(queue),))
        service.create_seat(session, profile, seat.removeprefix("shapes-").title())
        service.set_dial_class(session, seat, "shapes")
    service.put_entry_point(session, EntryPoint(NAMES.entry, "shapes", FIRST))
    service.put_entry_point(session, EntryPoint(NAMES.second_entry, "shapes second", SECOND_QUEUE))


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
async def robots(
    settings: Settings, ports: Ports, folder: Path | None = None
) -> AsyncIterator[Mapping[Robot, PhoneProcess]]:
    """Every robot's phone, registered where it has an extension; what each hears goes into `folder`."""
    server = f"{settings.sip_host}:{settings.sip_port}"
    known = await asyncio.to_thread(phone_passwords, settings, load_secrets(settings))
    async with AsyncExitStack() as stack:

        async def start(robot: Robot) -> PhoneProcess:
            record = folder / f"{robot}.wav" if folder is not None else None
            phone = await _phone(robot, server, known, ports, record)
            return await stack.enter_async_context(phone)

        phones = await asyncio.gather(*(start(robot) for robot in Robot))
        yield dict(zip(Robot, phones, strict=True))


def _phone(
    robot: Robot, server: str, known: Mapping[str, str], ports: Ports, record: Path | None
) -> Awaitable[PhoneProcess]:
    tone = TONES[robot]
    if robot in CARRIERS:
        port = ports.out if robot is Robot.OUT else ports.far
        return PhoneProcess.start(
            robot, register=False, tone=tone, record=record, address=CARRIERS[robot], local_port=port
        )
    if robot is Robot.CUSTOMER:
        return PhoneProcess.start("0912345678", server=server, register=False, tone=tone, record=record)
    extension = NAMES.extensions[robot]
    return PhoneProcess.start(extension, server=server, password=known[extension], tone=tone, record=record)


async def sign_in(ground: RunningSystem, until: Callable[[Callable[[], bool], str], Awaitable[None]]) -> None:
    """Amy takes calls, the others only what colleagues give; waits until each phone is known."""
    for robot, seat in NAMES.seats.items():
        await until(lambda seat=seat: ground.state().seats[seat].reachable, f"{seat}'s phone is known")  # type: ignore[misc]
        status = NAMES.ready if robot is Robot.AMY else NAMES.resting
        for given in (SeatSignedIn(seat, "robot"), StatusChosen(seat, Presence.VOICE, status)):
            reply = await ground.submit(given, seat, "phone")
            assert not isinstance(reply, Refused), f"{seat}: {reply.say}"
