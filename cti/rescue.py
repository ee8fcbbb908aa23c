"""Rescue: when the engine is silent, hand the waiting callers to the dialplan's fall-back, longest first.

A process of its own, without a database: it knows the manager interface and how to ask the engine whether it lives.
A caller waits when he bears RINGSIDE_WAITING (the dialplan sets it at entry, the app keeps it at the queue's order and
empties it when he talks) and no other party is with him in a bridge. Who talks is never touched.

    asyncio.run(Rescue(settings, ping, starts_failed).run())
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from cti.ami import Ami, AmiError, AmiGone, Message
from cti.config import AsteriskSettings
from cti.dialplan import RESCUE, WAITING_VARIABLE

log = structlog.get_logger()

# Often enough that an engine which restarts twice within 5 s is seen alive in between.
PING_EVERY_S = 0.25
SILENT_LIMIT_S = 5.0
FAILED_STARTS = 3
# An engine that accepts and never answers is as silent as a dead one.
PING_LIMIT_S = 0.9
# How often and how long to look whether a redirect has taken effect: 0.3 s, since a channel held in AGI stays longer.
REDIRECT_LOOKS = 60
LOOK_EVERY_S = 0.005
_HOLDING = "holding_bridge"
_LAST = 1 << 62

Ping = Callable[[], bool]
"""Blocking, at most PING_LIMIT_S by itself: does the engine answer? May raise OSError, which means no."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A caller who waits. `order` is the queue's key (microseconds UTC less priority); lower has waited longer."""

    channel: str
    leg: str
    order: int


def order_of(text: str) -> int | None:
    """The order in a RINGSIDE_WAITING value; None when it is empty; what is no number comes last."""
    if not text:
        return None
    try:
        return int(text[:24])
    except ValueError:
        return _LAST


def may_be_waiting(channels: Sequence[Message], bridges: Sequence[Message]) -> list[Message]:
    """The channels that talk to nobody: in no bridge, in a holding bridge, or alone in theirs."""
    holding = {row.get("BridgeUniqueid") for row in bridges if row.get("BridgeTechnology") == _HOLDING}
    members = Counter(row.get("BridgeId") for row in channels if row.get("BridgeId"))

    def alone(row: Message) -> bool:
        bridge = row.get("BridgeId")
        return not bridge or bridge in holding or members[bridge] == 1

    return [row for row in channels if alone(row)]


async def waiting_callers(ami: Ami) -> list[Waiting]:
    """Who waits now, longest first. Raises AmiGone."""
    found = []
    for row in may_be_waiting(await ami.channels(), await ami.bridges()):
        try:
            order = order_of(await ami.variable(row.get("Channel"), WAITING_VARIABLE))
        except AmiError:  # hung up meanwhile
            continue
        if order is not None:
            found.append(Waiting(row.get("Channel"), row.get("Uniqueid"), order))
    return sorted(found, key=lambda waiting: (waiting.order, waiting.leg))


async def rescue_waiting(ami: Ami) -> list[Waiting]:
    """Redirect everybody who waits to the fall-back, longest first; gives those redirected. Raises AmiGone."""
    done = []
    for waiting in await waiting_callers(ami):
        try:
            await ami.redirect(waiting.channel, RESCUE, "s")
        except AmiError as error:  # hung up meanwhile
            log.info("rescue_missed", leg=waiting.leg, error=str(error))
            continue
        done.append(waiting)
        await _has_gone(ami, waiting)
    return done


async def _has_gone(ami: Ami, waiting: Waiting) -> None:
    """Wait until he is in the fall-back: a redirect takes effect in the channel's own thread, and order is kept."""
    with contextlib.suppress(AmiError):  # hung up meanwhile
        for _ in range(REDIRECT_LOOKS):
            if not await ami.variable(waiting.channel, WAITING_VARIABLE):
                return
            await asyncio.sleep(LOOK_EVERY_S)


class Rescue:
    """Watches the engine. `rescued` counts the callers handed over since the start."""

    def __init__(
        self,
        given: AsteriskSettings,
        ping: Ping,
        starts_failed: Callable[[], int] = lambda: 0,
        end_engine: Callable[[], None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`starts_failed`: how often in a row the engine failed to start (the supervisor knows). `end_engine`: kill
        a silent one; a channel that waits in AGI for a stopped process leaves only when its connection closes."""
        self._given, self._ping, self._starts_failed, self._clock = given, ping, starts_failed, clock
        self._end_engine = end_engine
        self._heard_at = clock()
        self.rescued = 0
        self.acting = False

    async def run(self) -> None:
        """Watch until cancelled. Nothing that fails here ends it."""
        while True:
            began = self._clock()
            await self.look()
            await asyncio.sleep(max(0.0, PING_EVERY_S - (self._clock() - began)))

    async def look(self) -> list[Waiting]:
        """One look: ask the engine and, when it is gone, hand over who waits. Gives those handed over."""
        if await self._answers():
            if self.acting:
                log.warning("rescue_engine_is_back", rescued=self.rescued)
            self.acting = False
            self._heard_at = self._clock()
            return []
        silent_s = self._clock() - self._heard_at
        failed = self._starts_failed()
        if silent_s < SILENT_LIMIT_S and failed < FAILED_STARTS:
            return []
        if not self.acting:
            log.error("rescue_engine_is_silent", seconds=round(silent_s, 1), failed_starts=failed)
            self._end_engine()
        self.acting = True
        try:
            async with Ami(self._given) as ami:
                done = await rescue_waiting(ami)
        except (AmiGone, AmiError) as error:
            log.error("rescue_cannot_reach_asterisk", error=str(error))
            return []
        self.rescued += len(done)
        for waiting in done:
            log.warning("rescue_caller_handed_over", leg=waiting.leg)
        return done

    async def _answers(self) -> bool:
        try:
            return await asyncio.wait_for(asyncio.to_thread(self._ping), PING_LIMIT_S)
        except (OSError, TimeoutError):
            return False
