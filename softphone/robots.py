"""Robots that call and robots that answer, each a phone process of its own, and what they found out.

A robot plays a tone of its own and listens for the tones of others, so "connected" means: the other's tone came
through, live and in the recording. They need no sound device and, as callers, no account.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from softphone import tones
from softphone.process import CommandRefused, NotSaid, PhoneGone, PhoneProcess, Said

__all__ = [
    "AgentPlan",
    "AgentRobot",
    "CallerPlan",
    "CallerResult",
    "CallerRobot",
    "CommandRefused",
    "HandledCall",
    "NotSaid",
    "PhoneGone",
    "PhoneProcess",
    "Said",
]

END_LIMIT_S = 6.0
"""From our hanging up to the far end's agreement; a BYE that is lost is sent again after 0.5, 1, 2 s."""
PATIENT_S = 30.0
Who = Literal["us", "them", "nobody"]


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """What a caller does.

    He calls ``to`` at ``server`` as ``caller`` with ``display_name`` (any text), playing ``tone_hz``. Once answered
    he presses ``keys``: when ``keys_after_hz`` is heard, or ``keys_after_s`` after the answer. He waits
    ``patience_s`` from dialling for one of ``person_tones`` (empty: the answer itself is enough) and hangs up
    without it. With it, he hangs up after ``talk_s``; None leaves that to the far end, at most ``talk_limit_s``.
    """

    server: str
    to: str
    caller: str = "anonymous"
    display_name: str = ""
    tone_hz: int = 440
    person_tones: frozenset[int] = frozenset()
    patience_s: float = PATIENT_S
    talk_s: float | None = 2.0
    talk_limit_s: float = 60.0
    keys: str = ""
    keys_after_hz: int | None = None
    keys_after_s: float = 0.5


@dataclass(frozen=True, slots=True)
class CallerResult:
    """What happened to a caller.

    ``answered``: the SIP call was. ``connected``: a person's tone was heard (or the answer was enough).
    Seconds count from dialling, None where it never came. ``ended_by`` "nobody": no end was seen.
    ``heard`` is all that was heard live, ``recorded`` what the recording holds (None without an answer).
    """

    answered: bool
    connected: bool
    gave_up: bool
    seconds_to_answer: float | None
    seconds_to_person: float | None
    seconds_talked: float
    ended_by: Who
    code: int
    reason: str
    heard: frozenset[int]
    recorded: tones.Measured | None


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """What an agent's phone does with each call: decline it with ``decline_code`` after ``answer_after_s``, or
    answer it then; ``answer_after_s`` None lets it ring. It talks ``talk_s``, then hangs up; None leaves that to
    the far end, at most ``talk_limit_s``. A call that comes while another is up rings until that one ends."""

    server: str
    extension: str
    password: str
    tone_hz: int = 660
    answer_after_s: float | None = 0.3
    decline_code: int | None = None
    talk_s: float | None = None
    talk_limit_s: float = 120.0


@dataclass(frozen=True, slots=True)
class HandledCall:
    """One call that came to an agent: who called, whether it was answered, what was heard, how it ended."""

    number: int
    remote: str
    at: float
    answered: bool
    seconds_rung: float
    seconds_talked: float
    ended_by: Who
    code: int
    reason: str
    heard: frozenset[int]
    recorded: tones.Measured | None


def _of(call: int) -> Callable[[Said], bool]:
    return lambda said: said.data.get("call") == call


def _tones_of(said: Said) -> frozenset[int]:
    return frozenset(int(hz) for hz in said["tones"])


def _heard(phone: PhoneProcess, call: int) -> frozenset[int]:
    return frozenset().union(*(_tones_of(said) for said in phone.said("heard") if said.call == call))


async def _measured(phone: PhoneProcess, call: int, known: Collection[int]) -> tones.Measured | None:
    """The recording of a call that ended, measured outside the loop's thread; None when there is none."""
    done = await phone.first_of({"recorded": _of(call)}, since=0, within=1.0)
    return await asyncio.to_thread(tones.measure, done["file"], sorted(known)) if done else None


class CallerRobot:
    """One caller, one call: ``result = await CallerRobot(plan).run()``. Cancelling hangs up."""

    def __init__(self, plan: CallerPlan, record: Path | None = None) -> None:
        self.plan, self._record = plan, record
        extra = {plan.keys_after_hz} - {None}
        self._known = frozenset(tones.KNOWN) | plan.person_tones | {hz for hz in extra if hz is not None}

    async def run(self) -> CallerResult:
        """Place the call and see it through. Raises PhoneGone when the phone itself dies, CommandRefused when
        the server's name is unknown."""
        plan = self.plan
        with tempfile.TemporaryDirectory(prefix="ringside-caller-") as folder:
            async with await PhoneProcess.start(
                plan.caller,
                server=plan.server,
                register=False,
                display_name=plan.display_name,
                tone=plan.tone_hz,
                record=self._record or Path(folder) / "call.wav",
                listen=True,
                tones=sorted(self._known),
            ) as phone:
                return await self._call(phone)

    async def _call(self, phone: PhoneProcess) -> CallerResult:
        plan = self.plan
        loop = asyncio.get_running_loop()
        began, since = loop.time(), phone.mark()
        call = await phone.call(plan.to)
        ended = {"ended": _of(call)}

        def patience() -> float:
            return max(0.0, began + plan.patience_s - loop.time())

        step = await phone.first_of({"answered": _of(call), **ended}, since=since, within=patience())
        answered = step if step and step.event == "answered" else None
        person: Said | None = None
        if answered:
            keys = asyncio.create_task(self._press(phone, call, since))
            try:
                person = answered if not plan.person_tones else await self._person(phone, call, since, patience())
                talk = plan.talk_limit_s if plan.talk_s is None else plan.talk_s
                if person is not None:
                    await phone.first_of(ended, since=since, within=talk)
            finally:
                keys.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await keys
        end = await _finish(phone, call, since)
        dialled = (await phone.expect("calling", call=call)).at
        return CallerResult(
            answered=answered is not None,
            connected=person is not None,
            gave_up=person is None and _by(end) == "us",
            seconds_to_answer=round(answered.at - dialled, 3) if answered else None,
            seconds_to_person=round(person.at - dialled, 3) if person else None,
            seconds_talked=round(end.at - person.at, 3) if person and end else 0.0,
            ended_by=_by(end),
            code=int(end["code"]) if end else 0,
            reason=str(end["reason"]) if end else "",
            heard=_heard(phone, call),
            recorded=await _measured(phone, call, self._known) if answered else None,
        )

    async def _person(self, phone: PhoneProcess, call: int, since: int, patience: float) -> Said | None:
        def person(said: Said) -> bool:
            return said.call == call and bool(_tones_of(said) & self.plan.person_tones)

        said = await phone.first_of({"heard": person, "ended": _of(call)}, since=since, within=patience)
        return said if said and said.event == "heard" else None

    async def _press(self, phone: PhoneProcess, call: int, since: int) -> None:
        plan = self.plan
        if not plan.keys:
            return
        if plan.keys_after_hz is None:
            await asyncio.sleep(plan.keys_after_s)
        else:
            hz = plan.keys_after_hz
            await phone.first_of(
                {"heard": lambda said: said.call == call and hz in _tones_of(said)}, since=since, within=None
            )
        with contextlib.suppress(CommandRefused):  # the call is over: nobody is left to hear the keys
            await phone.dtmf(plan.keys, call)


def _by(end: Said | None) -> Who:
    if end is None:
        return "nobody"
    return "us" if end["by"] == "us" else "them"


async def _finish(phone: PhoneProcess, call: int, since: int) -> Said | None:
    """Hang up unless that is done already; the end of the call."""
    ended = {"ended": _of(call)}
    if await phone.first_of(ended, since=since, within=0) is None:
        with contextlib.suppress(CommandRefused):  # it ended in this very moment
            await phone.hang_up(call)
    return await phone.first_of(ended, since=since, within=END_LIMIT_S)


class AgentRobot:
    """A registered phone that treats call after call as its plan says.

    ``plan`` may be replaced at any time and counts from the next call on. ``handled`` grows by one for each call
    that has ended. Use it in ``async with await AgentRobot.start(plan)``.
    """

    def __init__(self, plan: AgentPlan, phone: PhoneProcess, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.plan, self.phone = plan, phone
        self.handled: list[HandledCall] = []
        self._folder = folder
        self._changed = asyncio.Condition()
        self._talking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._watch = asyncio.create_task(self._serve())

    @classmethod
    async def start(cls, plan: AgentPlan, record: Path | None = None) -> Self:
        """Register. Raises PhoneGone with code 3 for a wrong password, 4 for a dead server. ``record`` is where
        the first call is recorded, call N beside it as ``NAME-N.wav``; otherwise recordings are not kept."""
        folder = tempfile.TemporaryDirectory(prefix="ringside-agent-")
        try:
            phone = await PhoneProcess.start(
                plan.extension,
                server=plan.server,
                password=plan.password,
                tone=plan.tone_hz,
                record=record or Path(folder.name) / "call.wav",
                listen=True,
            )
        except BaseException:
            folder.cleanup()
            raise
        return cls(plan, phone, folder)

    async def until_handled(self, count: int, within: float = 30.0) -> list[HandledCall]:
        """Wait until ``count`` calls have ended here; all of them. Raises NotSaid, PhoneGone."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within), self._changed:
                while len(self.handled) < count:
                    if not self.phone.alive:
                        raise PhoneGone(None, f"the phone of agent {self.plan.extension} is gone")
                    await self._changed.wait()
                return list(self.handled)
        raise NotSaid(f"agent {self.plan.extension}: {len(self.handled)} of {count} calls within {within:g} s")

    async def close(self) -> None:
        """End what is up, unregister, and end the phone."""
        for task in [self._watch, *self._tasks]:
            task.cancel()
        await asyncio.gather(self._watch, *self._tasks, return_exceptions=True)
        await self.phone.close()
        self._folder.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _serve(self) -> None:
        """A task for each call that comes in, until the phone ends."""
        since = 0
        with contextlib.suppress(PhoneGone):
            for _ in itertools.count():
                said = await self.phone.first_of({"incoming": lambda _: True}, since=since, within=None)
                if said is None:
                    break
                since = said.index + 1
                task = asyncio.create_task(self._handle(said, self.plan))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        async with self._changed:
            self._changed.notify_all()

    async def _handle(self, incoming: Said, plan: AgentPlan) -> None:
        with contextlib.suppress(PhoneGone):
            call, since = incoming.call, incoming.index
            await self._treat(call, since, plan)
            end = await self.phone.first_of({"ended": _of(call)}, since=since, within=END_LIMIT_S)
            up = await self.phone.first_of({"answered": _of(call)}, since=since, within=0)
            rung = up or end
            result = HandledCall(
                number=call,
                remote=str(incoming["remote"]),
                at=incoming.at,
                answered=up is not None,
                seconds_rung=round(rung.at - incoming.at, 3) if rung else 0.0,
                seconds_talked=float(end["seconds"]) if end else 0.0,
                ended_by=_by(end),
                code=int(end["code"]) if end else 0,
                reason=str(end["reason"]) if end else "",
                heard=_heard(self.phone, call),
                recorded=await _measured(self.phone, call, tones.KNOWN) if up else None,
            )
            async with self._changed:
                self.handled.append(result)
                self._changed.notify_all()

    async def _treat(self, call: int, since: int, plan: AgentPlan) -> None:
        """Let it ring, then decline or answer and talk; returns when the call has ended or is being ended."""
        ended = {"ended": _of(call)}
        if await self.phone.first_of(ended, since=since, within=plan.answer_after_s):
            return
        if plan.decline_code is not None:
            with contextlib.suppress(CommandRefused):  # it ended in this very moment
                await self.phone.decline(plan.decline_code, call)
            return
        async with self._talking:
            await self._talk(call, since, plan)

    async def _talk(self, call: int, since: int, plan: AgentPlan) -> None:
        ended = {"ended": _of(call)}
        with contextlib.suppress(CommandRefused):  # it ended while it waited
            await self.phone.answer(call)
        talk = plan.talk_limit_s if plan.talk_s is None else plan.talk_s
        step = await self.phone.first_of({"answered": _of(call), **ended}, since=since, within=END_LIMIT_S)
        if step and step.event == "answered" and not await self.phone.first_of(ended, since=since, within=talk):
            await _finish(self.phone, call, since)
