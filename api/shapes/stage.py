"""Play a cell of the matrix with real phones: do its steps, and listen at every phone after each."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from acd.core.inputs import (
    CallHungUp,
    ConsultAsked,
    Input,
    MoveMade,
    OutboundAsked,
    StatusChosen,
    TransferAsked,
    WatchAsked,
    WatchLeft,
    WrapUpEnded,
)
from acd.core.model import EntryPlan, Phase, Presence, Route, State, Target, TargetKind, WatchMode, WorkItem
from acd.core.reply import Refused, Reply
from acd.core.shapes import Shape
from api.shapes.cells import (
    INVITED,
    LEAVE_STEPS,
    MOVE_STEPS,
    SEATS,
    Cell,
    Heard,
    Robot,
    Scene,
    Sound,
    Step,
    after,
    hearing,
)
from softphone.process import CommandRefused, PhoneProcess

TONES: Mapping[Robot, int] = {
    Robot.CUSTOMER: 880,
    Robot.OUT: 1100,
    Robot.DESK: 1320,
    Robot.AMY: 1540,
    Robot.FAR: 1760,
    Robot.BOB: 1980,
    Robot.SUP: 2200,
}
"""Each robot's voice; 440 and 660 Hz are left to ringing and menus."""

ROBOT_OF: Mapping[int, Robot] = {hz: robot for robot, hz in TONES.items()}
MUSIC_LOUD = 0.004
"""RMS of music, at least; a silent line is under 0.001."""
STEP_LIMIT_S = 10.0
SOUND_LIMIT_S = 6.0
LOOK_EVERY_S = 0.02
TALK_S = 0.5
"""How long everybody goes on after a step: a recording tells a voice by some windows of 0.1 s."""

MODES: Mapping[Step, WatchMode] = {
    Step.LISTEN: WatchMode.LISTEN,
    Step.WHISPER: WatchMode.WHISPER,
    Step.JOIN: WatchMode.JOIN,
    Step.TAKE_OVER: WatchMode.TAKE_OVER,
}
OUTSIDE = frozenset({Robot.OUT, Robot.FAR})


class StageFailed(AssertionError):
    """A step did not lead where it should, or somebody heard what he should not; the text says which."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the robots are called in the directory. `numbers` are those of the outside robots, as amy dials them."""

    entry: str
    second_queue: str
    second_entry: str
    seats: Mapping[Robot, str]
    extensions: Mapping[Robot, str]
    numbers: Mapping[Robot, str]
    ready: str = "ready"
    resting: str = "desk_only"


class Ground(Protocol):
    """The running system a stage stands on."""

    async def submit(self, given: Input, by: str, via: str) -> Reply:
        """Give the engine an input."""
        ...

    def state(self) -> State:
        """The state of what is durable now."""
        ...

    async def route(self, seat: str, dialled: str) -> Route:
        """The way to a number outside."""
        ...

    async def plan(self, entry: str) -> EntryPlan:
        """An entry point's plan."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """What was heard after one step: robot -> tones and music."""

    step: Step
    shape: Shape
    heard: Mapping[Robot, Heard]


@dataclass(slots=True)
class Played:
    """A cell that was played. `item` is the contact; times are the wall clock's, in seconds."""

    cell: Cell
    item: str
    began: float
    lines: list[Line] = field(default_factory=list)
    ended: float = 0.0


class Stage:
    """Robots at a running system. One cell at a time; `clear` after each."""

    def __init__(
        self,
        ground: Ground,
        robots: Mapping[Robot, PhoneProcess],
        names: Names,
        *,
        kill: Callable[[], Awaitable[None]] | None = None,
        talk_s: float = TALK_S,
    ) -> None:
        """`kill` kills the engine and comes back when the next one is in line; without it no cell may have KILL."""
        self._ground, self._robots, self._names = ground, robots, names
        self._kill, self._talk_s = kill, talk_s
        self._item = ""
        self._scene = Scene()
        self._marks: dict[Robot, int] = {}

    async def play(self, cell: Cell, told: Callable[[Line], None] = lambda _: None) -> Played:
        """Do every step and listen after each. Raises StageFailed."""
        self._item, self._scene = "", Scene()
        self._marks = {robot: phone.mark() for robot, phone in self._robots.items()}
        played = Played(cell, "", time.time())
        for step in cell.steps:
            wanted = after(self._scene, step)
            try:
                await self._do(step)
                self._scene = wanted
                await self._arrived(wanted)
                heard = await self._listen(wanted)
            except (AssertionError, TimeoutError) as error:
                raise StageFailed(f"{cell.id}: at «{step}» (wanted {wanted}): {error}") from error
            await asyncio.sleep(self._talk_s if heard else 0)
            played.item = self._item
            played.lines.append(Line(step, wanted.shape, heard))
            told(played.lines[-1])
        played.ended = time.time()
        return played

    # --- steps ---------------------------------------------------------------------------------------------------

    async def _do(self, step: Step) -> None:
        if step in MOVE_STEPS:
            await self._submit(MoveMade(self._owner, self._item, MOVE_STEPS[step]))
        elif step in INVITED and step is not Step.PHONE_BLIND:
            await self._invite(step)
        elif step in MODES:
            await self._watch(step)
        elif step in LEAVE_STEPS:
            await self._leave(step)
        else:
            await self._rows()[step]()

    def _rows(self) -> Mapping[Step, Callable[[], Awaitable[None]]]:
        return {
            Step.CALL: self._call,
            Step.DIAL: self._dial,
            Step.DIAL_RING: self._dial_ring,
            Step.PHONE_HOLD: lambda: self._phone(self._scene.owner).hold(),
            Step.PHONE_RESUME: lambda: self._phone(self._scene.owner).resume(),
            Step.PHONE_BLIND: self._phone_blind,
            Step.PHONE_ATTENDED: self._phone_attended,
            Step.BLIND_QUEUE: lambda: self._to_second(TargetKind.QUEUE, self._names.second_queue),
            Step.BLIND_ENTRY: lambda: self._to_second(TargetKind.ENTRY, self._names.second_entry),
            Step.ANSWER: self._answer,
            Step.DECLINE: self._decline,
            Step.IGNORE: self._ignore,
            Step.AGAIN: self._again,
            Step.UNWATCH: self._unwatch,
            Step.KILL: self._die,
        }

    @property
    def _owner(self) -> str:
        return self._names.seats[self._scene.owner] if self._scene.owner else ""

    def _phone(self, robot: Robot | None) -> PhoneProcess:
        assert robot is not None, "nobody is there for this step"
        return self._robots[robot]

    async def _submit(self, given: Input, via: str = "desk") -> Reply:
        reply = await self._ground.submit(given, self._owner or "system", via)
        assert not isinstance(reply, Refused), f"{type(given).__name__} refused: {reply.code} {reply.say}"
        return reply

    async def _rung(self, robot: Robot) -> None:
        await self._phone(robot).expect("incoming", within=STEP_LIMIT_S)

    async def _call(self) -> None:
        known = set(self._ground.state().items)
        await self._phone(Robot.CUSTOMER).call(self._names.entry)
        await self._rung(Robot.AMY)
        await self._phone(Robot.AMY).answer()
        amy = self._names.seats[Robot.AMY]
        self._item = await self._until(lambda: self._new_item(known, amy), "the call is with the agent")

    def _new_item(self, known: set[str], seat: str) -> str:
        found = self._ground.state().items.items()
        return next((name for name, item in found if name not in known and item.seat == seat), "")

    async def _dial_ring(self) -> None:
        amy = self._names.seats[Robot.AMY]
        route = await self._ground.route(amy, self._names.numbers[Robot.OUT])
        reply = await self._ground.submit(OutboundAsked(amy, route), amy, "desk")
        assert not isinstance(reply, Refused), f"not dialled: {reply.say}"
        self._item = reply.item
        await self._rung(Robot.AMY)
        await self._phone(Robot.AMY).answer()
        await self._rung(Robot.OUT)

    async def _dial(self) -> None:
        await self._dial_ring()
        await self._phone(Robot.OUT).answer()

    async def _invite(self, step: Step) -> None:
        robot, shape = INVITED[step]
        target, route = await self._target(robot)
        kind = TransferAsked if shape is Shape.BLIND else ConsultAsked
        await self._submit(kind(self._owner, self._item, target, route))
        await self._rung(robot)

    async def _target(self, robot: Robot) -> tuple[Target, Route | None]:
        if robot in OUTSIDE:
            route = await self._ground.route(self._owner, self._names.numbers[robot])
            return Target(TargetKind.OUTSIDE, route.address), route
        if robot in SEATS:
            return Target(TargetKind.SEAT, self._names.seats[robot]), None
        return Target(TargetKind.EXTENSION, self._names.extensions[robot]), None

    async def _to_second(self, kind: TargetKind, where: str) -> None:
        bob = self._names.seats[Robot.BOB]
        await self._ground.submit(StatusChosen(bob, Presence.VOICE, self._names.ready), bob, "desk")
        plan = await self._ground.plan(where) if kind is TargetKind.ENTRY else None
        await self._submit(TransferAsked(self._owner, self._item, Target(kind, where), plan=plan))
        await self._rung(Robot.BOB)

    async def _phone_blind(self) -> None:
        await self._phone(self._scene.owner).transfer(self._names.extensions[Robot.BOB])
        await self._rung(Robot.BOB)

    async def _phone_attended(self) -> None:
        phone, bob = self._phone(self._scene.owner), self._phone(Robot.BOB)
        first = (await phone.do("calls"))["calls"][0]
        await phone.hold(first)
        second = await phone.call(self._names.extensions[Robot.BOB])
        await self._rung(Robot.BOB)
        await bob.answer()
        await phone.until_hears(TONES[Robot.BOB], call=second, within=SOUND_LIMIT_S)
        await phone.do("join", call=first, other=second)

    def _rings(self) -> Robot:
        robot = self._scene.rung or self._scene.other
        assert robot is not None, "nobody is rung"
        return robot

    async def _answer(self) -> None:
        await self._phone(self._rings()).answer()

    async def _decline(self) -> None:
        await self._phone(self._rings()).decline(486)

    async def _ignore(self) -> None:
        """Nothing is done: the ring timer says when it is over."""
        await self._phone(self._rings()).expect("ended", within=2 * STEP_LIMIT_S)

    async def _again(self) -> None:
        amy = self._names.seats[Robot.AMY]
        await self._ground.submit(WrapUpEnded(amy), amy, "desk")
        await self._rung(Robot.AMY)
        await self._phone(Robot.AMY).answer()

    async def _watch(self, step: Step) -> None:
        sup = self._names.seats[Robot.SUP]
        reply = await self._ground.submit(WatchAsked(sup, self._item, MODES[step]), sup, "desk")
        assert not isinstance(reply, Refused), f"not supervised: {reply.say}"
        if self._scene.watching is None:
            await self._rung(Robot.SUP)
            await self._phone(Robot.SUP).answer()

    async def _unwatch(self) -> None:
        sup = self._names.seats[Robot.SUP]
        await self._ground.submit(WatchLeft(sup, self._item), sup, "desk")
        await self._phone(Robot.SUP).expect("ended", within=STEP_LIMIT_S)

    async def _die(self) -> None:
        assert self._kill is not None, "this stage kills nothing"
        await self._kill()

    async def _leave(self, step: Step) -> None:
        robot = {
            Step.CUSTOMER_LEAVES: self._scene.customer,
            Step.SEAT_LEAVES: self._scene.owner,
            Step.OTHER_LEAVES: self._scene.other,
        }[step]
        phone = self._phone(robot)
        if (await phone.do("calls"))["waiting"]:
            await phone.decline(486)
        else:
            await phone.hang_up()

    # --- where it led ----------------------------------------------------------------------------------------------

    async def _arrived(self, wanted: Scene) -> None:
        if wanted.customer is None and wanted.shape is Shape.NONE:
            await self._until(lambda: self._item not in self._ground.state().items, "the contact is over")
            return
        await self._until(lambda: self._is(wanted), f"the conversation is {wanted.shape}")

    def _is(self, wanted: Scene) -> bool:
        item = self._ground.state().items.get(self._item)
        if item is None or item.shape is not wanted.shape:
            return False
        owner = self._names.seats[wanted.owner] if wanted.owner else ""
        return item.seat == owner and _watched(item, wanted)

    async def _until(self, look: Callable[[], object], what: str) -> str:
        end = time.monotonic() + STEP_LIMIT_S
        while True:
            if found := look():
                return str(found)
            if time.monotonic() > end:
                raise StageFailed(f"not within {STEP_LIMIT_S:g} s: {what}; it is {self._told()}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _told(self) -> str:
        item = self._ground.state().items.get(self._item)
        return f"{item.phase} {item.shape} with {item.seat or 'nobody'}" if item else "over"

    # --- who hears whom --------------------------------------------------------------------------------------------

    async def _listen(self, scene: Scene) -> Mapping[Robot, Heard]:
        wanted = hearing(scene)
        heard = await asyncio.gather(*(self._hears(robot, sounds) for robot, sounds in wanted.items()))
        return dict(zip(wanted, heard, strict=True))

    async def _hears(self, robot: Robot, wanted: Heard) -> Heard:
        """Wait until the robot hears just this; StageFailed with what it heard at last."""
        phone, end = self._phone(robot), time.monotonic() + SOUND_LIMIT_S
        while True:
            heard = await _sounds(phone)
            if heard == wanted or (not wanted and heard <= {Sound.MUSIC}):
                return heard & wanted
            if time.monotonic() > end:
                raise StageFailed(f"{robot} hears {_shown(heard)}, should hear {_shown(wanted)}")
            await asyncio.sleep(LOOK_EVERY_S)

    # --- after a cell ------------------------------------------------------------------------------------------------

    async def clear(self) -> None:
        """Whatever is left is hung up, wrap-ups are ended, statuses are as at the beginning."""
        item = self._ground.state().items.get(self._item)
        if item is not None and item.phase in (Phase.ACTIVE, Phase.DIALLING):
            await self._ground.submit(CallHungUp(item.seat, item.id, whole=True), "system", "desk")
        for phone in self._robots.values():
            calls = await phone.do("calls")
            for call in calls["calls"]:
                with contextlib.suppress(CommandRefused):  # it ended by itself meanwhile
                    await (phone.decline(486, call) if call in calls["waiting"] else phone.hang_up(call))
        for robot in self._robots:
            await self._quiet(robot)
        await self._until(lambda: self._item not in self._ground.state().items, "the contact is over")
        for robot, seat in self._names.seats.items():
            if self._ground.state().seats[seat].wrap_ups:
                await self._ground.submit(WrapUpEnded(seat), seat, "desk")
            status = self._names.ready if robot is Robot.AMY else self._names.resting
            await self._ground.submit(StatusChosen(seat, Presence.VOICE, status), seat, "desk")

    async def _quiet(self, robot: Robot) -> None:
        end = time.monotonic() + STEP_LIMIT_S
        while (await self._phone(robot).do("calls"))["calls"]:
            if time.monotonic() > end:
                raise StageFailed(f"{robot}'s phone is still in a call")
            await asyncio.sleep(LOOK_EVERY_S)


def _watched(item: WorkItem, wanted: Scene) -> bool:
    there = [watcher.mode for watcher in item.watchers.values() if watcher.answered_at]
    return there == ([MODES[wanted.watching]] if wanted.watching is not None else [])


async def _sounds(phone: PhoneProcess) -> Heard:
    """Whose voices a phone hears now; music where it hears something else. Of two calls the one that is not on hold."""
    calls = (await phone.do("calls"))["up"]
    if not calls:
        return frozenset()
    said = await phone.do("hears", call=calls[-1])
    voices = frozenset(ROBOT_OF[int(hz)] for hz in said["tones"] if int(hz) in ROBOT_OF)
    loud = float(said["loudness"]) > MUSIC_LOUD
    return voices or (frozenset({Sound.MUSIC}) if loud else frozenset())


def _shown(heard: Heard) -> str:
    return ", ".join(sorted(heard)) or "nothing"
