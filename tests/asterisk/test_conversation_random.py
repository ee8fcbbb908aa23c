"""Random conversations with a real core on a real Asterisk, engines dying in between: nothing is ever left behind."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import Presence, Target, TargetKind, WatchMode
from acd.core.shapes import INVITES, MOVES
from cti.asterisk import AsteriskProcess
from tests.support.center import Center, Plans, engine, phones, until, until_told
from tests.support.memory import MemoryLog
from tests.support.sipua import Call

FEW = 8
MANY = int(os.environ.get("RINGSIDE_RANDOM_SHAPES", "100"))
LONGEST = 20
NEVER = 0.0
SEATS = ("amy", "bob")
PAUSE_S = 0.12
"""At most so long between two doings: often shorter than what the last one sets off."""


@dataclass
class Play:
    """One random conversation at a time on a center whose engine may be replaced by the next one."""

    c: Center
    choose: random.Random
    renew: Callable[[], Awaitable[None]]
    dying: float
    item: str = ""
    caller: Call | None = None
    did: list[str] = field(default_factory=list)

    async def run(self, length: int) -> None:
        """The caller with amy; then anything, by anybody, at any time."""
        self.did.clear()
        await self._ready()
        self.caller, _ = await self.c.talk()
        self.item = self.c.facts(f.Accepted)[-1].item
        await self.c.runtime.submit(i.StatusChosen("bob", Presence.VOICE, "ready"))
        doings = (self._move, self._move, self._move, self._watch, self._desk, self._phones, self._phones)
        for _ in range(length):
            await self.choose.choice(doings)()
            if self.choose.random() < self.dying:
                self.did.append("engine died")
                await self.renew()
            if self.choose.random() < 0.6:
                await asyncio.sleep(self.choose.random() * PAUSE_S)  # any moment is as good: this is the random part
        await self._over()

    async def _ready(self) -> None:
        for seat in SEATS:
            await self.c.runtime.submit(i.WrapUpEnded(seat))
            await self.c.runtime.submit(i.StatusChosen(seat, Presence.VOICE, "ready" if seat == "amy" else "break"))

    async def _give(self, given: i.Input) -> None:
        reply = await self.c.runtime.submit(given)
        self.did.append(f"{given} -> {type(reply).__name__}")

    async def _move(self) -> None:
        """What the owner may do now."""
        now = await self.c.runtime.query(lambda state: state.items.get(self.item))
        if now is None or not now.seat:
            return
        other = Target(TargetKind.SEAT, SEATS[now.seat == "amy"])
        legal: list[i.Input] = [i.MoveMade(now.seat, now.id, move) for shape, move in MOVES if shape is now.shape]
        if now.shape in INVITES:
            legal += [i.ConsultAsked(now.seat, now.id, other)] * 2 + [i.TransferAsked(now.seat, now.id, other)]
        if legal:
            await self._give(self.choose.choice(legal))

    async def _watch(self) -> None:
        await self._give(i.WatchAsked(self.choose.choice(SEATS), self.item, self.choose.choice(list(WatchMode))))

    async def _desk(self) -> None:
        """Anything, allowed or not."""
        seat = self.choose.choice(SEATS)
        anything: list[i.Input] = [
            i.PauseAsked(self.item),
            i.ResumeAsked(self.item),
            i.WatchLeft(seat, self.item),
            i.CallHungUp(seat, self.item),
            i.TransferAsked(seat, self.item, Target(TargetKind.QUEUE, "q")),
        ]
        await self._give(self.choose.choice(anything))

    async def _phones(self) -> None:
        """A phone that rings is answered or declined; seldom somebody hangs up."""
        ringing = [call for call in self._open() if not call.answered.is_set()]
        if ringing:
            call = self.choose.choice(ringing)
            self.did.append(f"phone {call.user}")
            (call.decline if self.choose.random() < 0.25 else call.answer)()
        elif (there := self._open()) and self.choose.random() < 0.15:
            call = self.choose.choice(there)
            self.did.append(f"{call.user} hangs up")
            call.hang_up()

    def _open(self) -> list[Call]:
        calls = [*self.c.incoming, *([self.caller] if self.caller is not None else [])]
        return [call for call in calls if not call.ended.is_set()]

    async def _over(self) -> None:
        """Everybody hangs up, whoever is rung meanwhile too; then nothing may be left."""

        async def nothing() -> bool:
            for call in self._open():
                call.hang_up()
            items = await self.c.runtime.query(lambda state: len(state.items))
            return not (items or await self.c.channels() or await self.c.ari("GET", "bridges"))

        await until_told(nothing, lambda: f"nothing left; {self.did}; {self.c.told()}", 10)
        legs = self.c.telephony.legs
        await until(lambda: not legs.by_id and not legs.joins, lambda: f"{legs.by_id} {legs.joins} {self.did}")
        self.c.incoming.clear()


@asynccontextmanager
async def playing(box: AsteriskProcess, seed: int, dying: float) -> AsyncIterator[Play]:
    log, plans = MemoryLog(), Plans()
    async with phones(box) as (ua, incoming):
        living: list[AbstractAsyncContextManager[object]] = []

        async def begin(*, fresh: bool) -> Center:
            context = engine(box, log, plans, fresh=fresh)
            runtime, telephony, seats = await context.__aenter__()
            living.append(context)
            return Center(box, runtime, telephony, ua, seats, plans, log, incoming)

        async def renew() -> None:
            await living.pop().__aexit__(None, None, None)
            play.c = await begin(fresh=False)

        play = Play(await begin(fresh=True), random.Random(seed), renew, dying)
        try:
            await play.c.ready(*SEATS)
            yield play
        finally:
            await living.pop().__aexit__(None, None, None)


@pytest.mark.asyncio
async def test_random_conversations_leave_nothing_behind_and_need_no_repair(asterisk: AsteriskProcess) -> None:
    async with playing(asterisk, 7, NEVER) as play:
        for _ in range(FEW):
            await play.run(play.choose.randrange(3, LONGEST))
        assert play.c.repairs() == {}


@pytest.mark.proof
@pytest.mark.parametrize("dying", [NEVER, 0.1])
@pytest.mark.asyncio
async def test_many_random_conversations_leave_nothing_behind(asterisk: AsteriskProcess, dying: float) -> None:
    async with playing(asterisk, 11, dying) as play:
        for _ in range(MANY):
            await play.run(play.choose.randrange(3, LONGEST))
        assert dying or play.c.repairs() == {}
