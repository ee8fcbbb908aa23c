"""`ringside up --demo`: six agents who answer and callers who call, each a real SIP phone with a tone of its own.

A call counts as answered when the caller heard the agent's tone and the agent heard the caller's.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from acd.core.inputs import Input, SeatSignedIn, StatusChosen
from acd.core.model import Presence
from acd.core.reply import Refused
from api.bootstrap import open_database
from api.gateway import submit
from api.supervisor import Center
from directory.seed import AGENTS
from directory.service import list_extensions
from softphone.robots import AgentPlan, AgentRobot, CallerPlan, CallerResult, CallerRobot, HandledCall, PhoneGone
from storage.bus import CallFailed, EngineAway, UnixClient
from storage.settings import Settings, load_secrets

AGENT_TONES = (1540, 1760, 1980, 2200, 2420, 2640)
"""High: the words of a greeting hold much of what is below 1.5 kHz, and would be taken for an agent."""
CALLER_TONES = (660, 880, 1100, 1320)
"""As many callers at once: each tone is one caller, so an agent's recording tells whom he heard."""
NUMBERS = ("81", "82", "83")
BETWEEN_CALLS_S = (2.0, 5.0)
PATIENCE_S = 30.0
EVERY_NTH_GIVES_UP = 5
SHORT_PATIENCE_S = 1.2
TALK_S = (3.0, 7.0)
ANSWER_AFTER_S = (0.5, 2.5)
AGENT_SAW_S = 15.0
"""From the caller's end until the agent's phone has ended and measured its recording."""
WANTED = 3
NAMES = ("王小明", "林美惠", "陳大文", "Ann Lee", "O'Brien", "張 三")


@dataclass(slots=True)
class Outcomes:
    """What became of the calls."""

    placed: int = 0
    both_heard: int = 0
    one_sided: int = 0
    gave_up: int = 0
    not_answered: int = 0


def passwords(settings: Settings) -> Mapping[str, str]:
    """Extension -> SIP password of the pool. Blocking."""
    secrets = load_secrets(settings)
    database = open_database(settings)
    try:
        with database.read() as session:
            pool = list_extensions(session)
    finally:
        database.close()
    return {one.number: secrets.phone_password(one.number, one.generation) for one in pool}


class Demo:
    """One run of the demo beside the supervisor."""

    def __init__(self, center: Center) -> None:
        self._center = center
        self._words = center.words
        self._server = f"{center.settings.sip_host}:{center.settings.sip_port}"
        self._agents: dict[int, tuple[str, AgentRobot]] = {}  # by tone
        self._matched: set[tuple[int, int]] = set()
        self._chance = random.Random()
        self.outcomes = Outcomes()

    async def run(self) -> int:
        """Until the center stops; 0 when at least three calls were answered with both tones heard."""
        try:
            await self._start_agents()
            await self._call_and_call()
        finally:
            await asyncio.gather(*(robot.close() for _, robot in self._agents.values()), return_exceptions=True)
        return self._summary()

    # --- agents ------------------------------------------------------------------------------------------------------

    async def _start_agents(self) -> None:
        known = await asyncio.to_thread(passwords, self._center.settings)
        pairs = list(zip(AGENTS, AGENT_TONES, strict=True))
        await asyncio.gather(*(self._start_agent(a.id, a.extension, known[a.extension], tone) for a, tone in pairs))
        async with UnixClient(self._center.settings.socket_path) as bus:
            for agent in AGENTS:
                await self._tell(bus, agent.id, SeatSignedIn(agent.id, "demo"))
                await self._tell(bus, agent.id, StatusChosen(agent.id, Presence.VOICE, "ready"))
        self._center.say(self._words("demo.agents", count=len(self._agents)))

    async def _start_agent(self, seat: str, extension: str, password: str, tone: int) -> None:
        after = self._chance.uniform(*ANSWER_AFTER_S)
        plan = AgentPlan(self._server, extension, password, tone_hz=tone, answer_after_s=after)
        self._agents[tone] = (seat, await AgentRobot.start(plan))

    async def _tell(self, bus: UnixClient, seat: str, given: Input) -> None:
        answer = await submit(bus, given, by=seat, via="phone")
        if isinstance(answer.reply, Refused):
            self._center.say(f"{seat}: {answer.reply.say}")

    # --- callers -----------------------------------------------------------------------------------------------------

    async def _call_and_call(self) -> None:
        free: asyncio.Queue[int] = asyncio.Queue()
        for tone in CALLER_TONES:
            free.put_nowait(tone)
        calls: set[asyncio.Task[None]] = set()
        stopping = asyncio.create_task(self._center.stopping.wait())
        try:
            for number in itertools.count(1):
                getting = asyncio.create_task(free.get())
                await asyncio.wait([getting, stopping], return_when=asyncio.FIRST_COMPLETED)
                if stopping.done():
                    getting.cancel()
                    return
                task = asyncio.create_task(self._one_call(number, getting.result(), free))
                calls.add(task)
                task.add_done_callback(calls.discard)
                await asyncio.wait({stopping}, timeout=self._chance.uniform(*BETWEEN_CALLS_S))
        finally:
            stopping.cancel()
            for task in calls:
                task.cancel()
            await asyncio.gather(*calls, return_exceptions=True)

    async def _one_call(self, number: int, tone: int, free: asyncio.Queue[int]) -> None:
        try:
            plan = self._plan(number, tone)
            self.outcomes.placed += 1
            result = await CallerRobot(plan).run()
            await self._judge(plan, result)
        except PhoneGone as error:
            self._center.say(self._words("demo.phone_gone", why=error))
        finally:
            free.put_nowait(tone)

    def _plan(self, number: int, tone: int) -> CallerPlan:
        to = NUMBERS[number % len(NUMBERS)]
        gives_up = number % EVERY_NTH_GIVES_UP == 0
        return CallerPlan(
            self._server,
            to,
            caller=f"+8869{self._chance.randrange(10**8):08d}",
            display_name=self._chance.choice(NAMES),
            tone_hz=tone,
            person_tones=frozenset(AGENT_TONES),
            patience_s=SHORT_PATIENCE_S if gives_up else PATIENCE_S,
            talk_s=self._chance.uniform(*TALK_S),
            keys=self._chance.choice("12") if to == "81" else "",
            keys_after_s=3.0,
        )

    async def _judge(self, plan: CallerPlan, result: CallerResult) -> None:
        """Count the call and say what it came to."""
        heard = self._heard_by_caller(result)
        if heard is None:
            self.outcomes.gave_up += result.gave_up
            self.outcomes.not_answered += not result.gave_up
            key = "demo.gave_up" if result.gave_up else "demo.not_answered"
            self._center.say(self._words(key, number=plan.to, code=result.code, reason=result.reason))
            return
        seat, robot = self._agents[heard]
        handled = await self._handled_by(heard, robot, plan.tone_hz)
        self.outcomes.both_heard += handled is not None
        self.outcomes.one_sided += handled is None
        key = "demo.answered" if handled is not None else "demo.one_sided"
        wait = f"{result.seconds_to_person:.1f}" if result.seconds_to_person is not None else "?"
        talked = f"{result.seconds_talked:.1f}"
        self._center.say(self._words(key, number=plan.to, seat=seat, wait=wait, talked=talked))

    def _heard_by_caller(self, result: CallerResult) -> int | None:
        """The agent's tone in the caller's recording: what he heard live may be a beep of the menu."""
        recorded = result.recorded
        if not result.connected or recorded is None:
            return None
        heard = [tone for tone in AGENT_TONES if tone in recorded.heard]
        return max(heard, key=lambda tone: recorded.tones[tone].share, default=None)

    async def _handled_by(self, tone: int, robot: AgentRobot, caller_tone: int) -> HandledCall | None:
        """The agent's side of the same call, once it has ended there: the one in which the caller's tone was heard."""
        loop = asyncio.get_running_loop()
        until = loop.time() + AGENT_SAW_S
        seen = 0
        while True:
            for call in robot.handled[seen:]:
                key = (tone, call.number)
                seen += 1
                if key not in self._matched and call.recorded is not None and caller_tone in call.recorded.heard:
                    self._matched.add(key)
                    return call
            try:
                await robot.until_handled(seen + 1, max(0.01, until - loop.time()))
            except AssertionError:  # softphone's NotSaid
                return None

    # --- the end -----------------------------------------------------------------------------------------------------

    def _summary(self) -> int:
        found, words = self.outcomes, self._words
        rows: Sequence[tuple[str, int]] = (
            ("demo.placed", found.placed),
            ("demo.both_heard", found.both_heard),
            ("demo.heard_one_sided", found.one_sided),
            ("demo.left", found.gave_up),
            ("demo.without_answer", found.not_answered),
            ("demo.cut", found.placed - found.both_heard - found.one_sided - found.gave_up - found.not_answered),
        )
        for key, count in rows:
            self._center.say(f"  {count:4d}  {words(key)}")
        good = found.both_heard >= WANTED and not found.one_sided
        self._center.say(words("demo.good" if good else "demo.bad", wanted=WANTED))
        return 0 if good else 1


async def run_demo(center: Center) -> int:
    """api.supervisor.Job."""
    try:
        return await Demo(center).run()
    except (EngineAway, CallFailed, PhoneGone) as error:
        center.say(center.words("demo.failed", why=error))
        return 1
