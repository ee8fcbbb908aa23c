"""Calls that no queue gave: dialled from an agent's phone, to a colleague or outside.

The caller's channel and the one we create for the other end are two direct calls of the core, one for each seat, so
that both are busy; the second is named after the first: "<channel>-to".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from acd.core.effects import WantedLeg
from acd.core.inputs import DirectCallAnswered, DirectCallEnded, DirectCallStarted
from acd.core.model import DirectKind, Outcome, Party
from acd.core.reply import Refused
from cti.ari import AriError, AriLost, path
from cti.calls import Calls, Means
from cti.config import Trunk
from cti.legs import Join, Leg, Role
from cti.resync import BridgeSeen, ChannelSeen
from cti.translate import Gone

log = structlog.get_logger(__name__)

RING_LIMIT = 30
"""Seconds a colleague's phone rings."""

NO_LINE_PROMPT = "sound:cannot-complete-as-dialed"
_NUMBER = re.compile(r"\+?[0-9*#]{1,24}")

BUSY, REFUSED, NO_ROUTE = 17, 21, 3  # Q.850


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to reach whom: `to` is the seat dialled, "" for a number outside."""

    leg: str
    seat: str
    number: str
    to: str

    @property
    def other(self) -> str:
        """The id of the channel to the other end."""
        return f"{self.leg}-to"

    @property
    def bridge(self) -> str:
        return f"direct-{self.leg}"


class DirectCalls:
    """Carries out handset-dialled calls. Everything runs in the lane of the caller's channel."""

    def __init__(self, means: Means, calls: Calls, trunks: tuple[Trunk, ...]) -> None:
        self._m = means
        self._calls = calls
        self._trunk = trunks[0].name if trunks else ""
        self._by_leg: dict[str, Wish] = {}  # by either leg
        self._given_up: dict[str, str] = {}  # prompt token -> leg that is hung up after it

    def renew(
        self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen]
    ) -> None:
        """After a start: find the other end of each call in Asterisk, and join those who answered meanwhile.

        A handset whose call has no other end (its refusal was playing, or nobody was rung yet) is hung up: nobody is
        left to tell it anything, and its seat would stay busy until the agent gives up.
        """
        self._by_leg.clear()
        self._given_up.clear()
        seen = {channel.id: channel for channel in channels}
        seats = {want.leg: want.seat for want in wanted if want.role == Role.DIRECT}
        for leg, seat in seats.items():
            other = seen.get(f"{leg}-to")
            if other is None or leg not in seen:
                continue
            wish = Wish(leg, seat, other.extension, seats.get(other.id, ""))
            self._by_leg[leg] = self._by_leg[other.id] = wish
            self._m.legs.known(other.id, Role.DIRECT, seat=wish.to, extension=other.extension)
            self._m.legs.change(other.id, answered=other.state == "Up", peer=leg)
            self._m.legs.change(leg, answered=other.state == "Up", peer=other.id)
            if other.state == "Up" and wish.bridge not in {bridge.id for bridge in bridges}:
                self.answered(other.id)
            elif other.state == "Up":
                self._m.legs.join(Join(wish.bridge, "", seat, (leg, other.id), flowed=True))
        for leg in seats:
            here = seen.get(leg)
            if leg not in self._by_leg and here is not None and here.words[:1] == ("dial",):
                self._m.lanes.put(leg, partial(self._calls.hang_up, leg, REFUSED))

    def active(self) -> frozenset[str]:
        """Every channel these calls have or are about to have."""
        return frozenset(self._by_leg)

    def dialled(self, leg: str, extension: str, number: str, *, found: bool = False) -> None:
        """An agent's phone dialled. `found`: nobody told us, the reconcile loop saw it."""
        seat = self._m.legs.seats.seat_of(extension)
        wish = Wish(leg, seat, number, self._m.legs.seats.seat_of(number))
        if not seat or not _NUMBER.fullmatch(number):
            self._m.lanes.put(leg, lambda: self._calls.hang_up(leg, REFUSED))
            return
        self._by_leg[leg] = wish
        self._m.legs.known(leg, Role.DIRECT, seat=seat, extension=extension)
        self._m.lanes.put(leg, lambda: self._start(wish, found))

    async def _start(self, wish: Wish, found: bool) -> None:
        kind = DirectKind.INTERNAL if wish.to else DirectKind.OUTBOUND
        reply = await self._m.submit(DirectCallStarted(wish.leg, wish.seat, kind, wish.leg, wish.to, found))
        if not reply or isinstance(reply, Refused) or wish.to == wish.seat:
            await self._calls.hang_up(wish.leg, REFUSED)
        elif wish.to:
            await self._to_seat(wish)
        elif self._trunk:
            await self._reach(wish, f"PJSIP/{wish.number}@{self._trunk}", "")
        else:
            await self._no_line(wish)

    async def _no_line(self, wish: Wish) -> None:
        """No way out exists: say so, then hang up (`prompt_over`)."""
        token = f"{wish.leg}-no-line"
        self._given_up[token] = wish.leg
        try:
            await self._m.ari.call("POST", path("channels", wish.leg, "play", token), None, media=NO_LINE_PROMPT)
        except (AriError, AriLost):
            self.prompt_over(token)

    def prompt_over(self, token: str) -> None:
        """A prompt ended; where it was our refusal, the call ends with it."""
        leg = self._given_up.pop(token, "")
        if leg:
            self._m.lanes.put(leg, lambda: self._calls.hang_up(leg, REFUSED))

    async def _to_seat(self, wish: Wish) -> None:
        reply = await self._m.submit(
            DirectCallStarted(wish.other, wish.to, DirectKind.INTERNAL, wish.other, wish.seat, called=True)
        )
        if not reply or isinstance(reply, Refused):
            await self._calls.hang_up(wish.leg, BUSY)
            return
        extension = self._m.legs.seats.extension_of(wish.to)
        if not await self._reach(wish, f"PJSIP/{extension}", extension):
            await self._m.submit(DirectCallEnded(wish.other, Outcome.UNREACHABLE, Party.SYSTEM))

    async def _reach(self, wish: Wish, endpoint: str, extension: str) -> bool:
        """Let the other end ring, with ring-back for the caller; on failure the caller hears why."""
        leg = Leg(wish.other, Role.DIRECT, seat=wish.to, extension=extension, peer=wish.leg)
        self._by_leg[wish.other] = wish
        self._m.legs.put(leg)
        self._m.legs.change(wish.leg, peer=wish.other)
        variables: Mapping[str, str] = {"RINGSIDE_SEAT": wish.to}
        if await self._calls.reach(leg, endpoint, f"direct,{wish.leg}", wish.leg, variables, RING_LIMIT):
            return True
        self._by_leg.pop(wish.other, None)
        self._m.legs.gone(wish.other)
        await self._calls.hang_up(wish.other)
        await self._calls.hang_up(wish.leg, NO_ROUTE)
        return False

    def rang(self, leg: str) -> None:
        """The other end rings: let the caller hear it."""
        wish = self._by_leg.get(leg)
        if wish is not None and leg == wish.other:
            self._m.lanes.put(wish.leg, lambda: self._ring_back(wish))

    async def _ring_back(self, wish: Wish) -> None:
        try:
            await self._m.ari.call("POST", path("channels", wish.leg, "ring"))
        except (AriError, AriLost) as error:
            log.info("no_ring_back", leg=wish.leg, error=str(error))

    def answered(self, leg: str) -> None:
        """The other end answered: join them."""
        wish = self._by_leg.get(leg)
        if wish is None or leg != wish.other:
            return
        self._m.legs.join(Join(wish.bridge, "", wish.seat, (wish.leg, wish.other)))
        self._m.legs.change(wish.leg, answered=True)
        self._m.lanes.put(wish.leg, lambda: self._join(wish))

    async def _join(self, wish: Wish) -> None:
        try:
            await self._m.ari.call("POST", path("channels", wish.leg, "answer"))
        except (AriError, AriLost) as error:
            log.info("caller_not_answered", leg=wish.leg, error=str(error))
        await self._calls.bridge(wish.bridge, (wish.leg, wish.other))
        await self._m.submit(DirectCallAnswered(wish.leg))
        if wish.to:
            await self._m.submit(DirectCallAnswered(wish.other))

    def gone(self, gone: Gone) -> None:
        """One end is gone: the other one and the bridge go too. Busy and the like are told to the caller."""
        wish = self._by_leg.pop(gone.leg, None)
        if wish is None:
            return
        other = wish.leg if gone.leg == wish.other else wish.other
        self._m.legs.joins.pop(wish.bridge, None)
        code = gone.q850 if gone.leg == wish.other and gone.q850 in (BUSY, REFUSED, 1, 18, 19, 20, 34) else 16
        self._m.lanes.put(wish.leg, lambda: self._end(wish, other, code))

    async def _end(self, wish: Wish, other: str, code: int) -> None:
        await self._calls.hang_up(other, code)
        await self._calls.drop_bridge(wish.bridge)
