"""What an agent's handset dials: a colleague or another extension here, or a number outside.

A call inside is two direct calls of the core, one for each seat, so that both are busy; the second is named after the
first: "<channel>-to". A call outside is asked of the core like any other work (OutboundAsked): the handset's channel is
the seat's, and all that follows comes back as effects. Numbers that help (110, 119) never come here: the dialplan
serves them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from acd.core.effects import WantedLeg
from acd.core.inputs import DirectCallAnswered, DirectCallEnded, DirectCallStarted, OutboundAsked
from acd.core.model import DirectKind, Outcome, Party
from acd.core.reply import Code, Refused
from acd.ports import DialPlans, DialRefused
from cti.ari import AriError, AriLost, path
from cti.calls import Calls, Means
from cti.commands import quietly
from cti.legs import Join, Leg, Role
from cti.resync import BridgeSeen, ChannelSeen
from cti.translate import Gone

log = structlog.get_logger(__name__)

RING_LIMIT = 30
"""Seconds a colleague's phone rings."""

_NUMBER = re.compile(r"\+?[0-9*#]{1,24}")
_EXTENSION = re.compile(r"[0-9]{2,12}")

BUSY, REFUSED, NO_ROUTE, CONGESTION = 17, 21, 3, 34  # Q.850
TOLD_ON = frozenset({BUSY, REFUSED, 1, 18, 19, 20, CONGESTION})
"""Causes of the far end that the caller's phone is told."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a handset hears before it is hung up, and the cause it is told."""

    media: str
    q850: int


NOT_ALLOWED = Refusal("sound:cannot-complete-as-dialed", REFUSED)
LINES_FULL = Refusal("sound:all-circuits-busy-now", CONGESTION)
REFUSALS: Mapping[Code, Refusal] = {Code.LINE_CAP: LINES_FULL, Code.UNKNOWN_TRUNK: LINES_FULL}
"""Of the core's refusals; any other is NOT_ALLOWED."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Who wants to reach whom inside: `to` is the seat dialled, "" for an extension that belongs to nobody."""

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
    """Carries out what handsets dial. Everything runs in the lane of the caller's channel."""

    def __init__(self, means: Means, calls: Calls, dial_plans: DialPlans) -> None:
        self._m = means
        self._calls = calls
        self._plans = dial_plans
        self._by_leg: dict[str, Wish] = {}  # by either leg
        self._asking: set[str] = set()  # handsets whose call is being looked into or refused
        self._given_up: dict[str, tuple[str, int]] = {}  # prompt token -> leg hung up after it, and the cause

    def renew(
        self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen]
    ) -> None:
        """After a start: find the other end of each call in Asterisk, and join those who answered meanwhile.

        A handset whose call has no other end (its refusal was playing, or nobody was rung yet) is hung up: nobody is
        left to tell it anything, and its seat would stay busy until the agent gives up.
        """
        self._by_leg.clear()
        self._asking.clear()
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
        return frozenset(self._by_leg) | frozenset(self._asking)

    def dialled(self, leg: str, extension: str, number: str, *, found: bool = False) -> None:
        """An agent's phone dialled. `found`: nobody told us, the reconcile loop saw it."""
        seat = self._m.legs.seats.seat_of(extension)
        if not seat or not _NUMBER.fullmatch(number):
            self._m.lanes.put(leg, lambda: self._calls.hang_up(leg, REFUSED))
            return
        self._asking.add(leg)
        self._m.legs.known(leg, Role.DIRECT, seat=seat, extension=extension)
        self._m.lanes.put(leg, lambda: self._look_into(Wish(leg, seat, number, ""), found))

    async def _look_into(self, wish: Wish, found: bool) -> None:
        try:
            to = self._m.legs.seats.seat_of(wish.number)
            if to or await self.is_extension(wish.number):
                await self._start(Wish(wish.leg, wish.seat, wish.number, to), found)
                self._asking.discard(wish.leg)
            else:
                await self._go_out(wish)
        except BaseException:
            self._asking.discard(wish.leg)
            raise

    async def is_extension(self, number: str) -> bool:
        """Whether Asterisk has a phone of that number; an endpoint whose name is digits is an extension."""
        if not _EXTENSION.fullmatch(number):
            return False
        try:
            await self._m.ari.call("GET", path("endpoints", "PJSIP", number))
        except (AriError, AriLost):
            return False
        return True

    # --- to the outside ------------------------------------------------------------------------------------------

    async def _go_out(self, wish: Wish) -> None:
        """Ask the directory for a way and the core for the call."""
        way = await asyncio.to_thread(self._plans.route, wish.seat, wish.number)
        if self._m.legs.get(wish.leg) is None:
            self._asking.discard(wish.leg)  # he hung up meanwhile
            return
        if isinstance(way, DialRefused):
            log.info("number_refused", seat=wish.seat, code=way.code)
            await self._refuse(wish.leg, NOT_ALLOWED)
            return
        # As the seat's own leg it is up from the start: the agent is there, whatever becomes of the far end.
        self._m.legs.change(wish.leg, role=Role.SEAT, answered=True)
        reply = await self._m.submit(OutboundAsked(wish.seat, way, wish.leg))
        if reply is None or isinstance(reply, Refused):
            code = reply.code if isinstance(reply, Refused) else Code.BAD_INPUT
            log.info("outbound_refused", seat=wish.seat, code=code)
            self._m.legs.change(wish.leg, role=Role.DIRECT, answered=False)
            await self._refuse(wish.leg, REFUSALS.get(code, NOT_ALLOWED))
            return
        self._m.legs.change(wish.leg, item=reply.item)
        self._asking.discard(wish.leg)

    async def _refuse(self, leg: str, how: Refusal) -> None:
        """Say it as early sound, which costs nobody anything, then hang up (`prompt_over`)."""
        token = f"{leg}-refused"
        self._given_up[token] = (leg, how.q850)
        await quietly(self._m.ari, "POST", path("channels", leg, "progress"))
        try:
            await self._m.ari.call("POST", path("channels", leg, "play", token), None, media=how.media)
        except (AriError, AriLost):
            self.prompt_over(token)

    def prompt_over(self, token: str) -> None:
        """A prompt ended; where it was our refusal, the call ends with it."""
        leg, q850 = self._given_up.pop(token, ("", 0))
        if leg:
            self._m.lanes.put(leg, lambda: self._calls.hang_up(leg, q850))

    # --- inside --------------------------------------------------------------------------------------------------

    async def _start(self, wish: Wish, found: bool) -> None:
        self._by_leg[wish.leg] = wish
        given = DirectCallStarted(wish.leg, wish.seat, DirectKind.INTERNAL, wish.leg, wish.to, found)
        reply = await self._m.submit(given)
        if not reply or isinstance(reply, Refused) or wish.to == wish.seat:
            await self._calls.hang_up(wish.leg, REFUSED)
        elif wish.to:
            await self._to_seat(wish)
        else:
            await self._reach(wish, wish.number)

    async def _to_seat(self, wish: Wish) -> None:
        reply = await self._m.submit(
            DirectCallStarted(wish.other, wish.to, DirectKind.INTERNAL, wish.other, wish.seat, called=True)
        )
        if not reply or isinstance(reply, Refused):
            await self._calls.hang_up(wish.leg, BUSY)
            return
        if not await self._reach(wish, self._m.legs.seats.extension_of(wish.to)):
            await self._m.submit(DirectCallEnded(wish.other, Outcome.UNREACHABLE, Party.SYSTEM))

    async def _reach(self, wish: Wish, extension: str) -> bool:
        """Let the other end ring, with ring-back for the caller; on failure the caller hears why."""
        leg = Leg(wish.other, Role.DIRECT, seat=wish.to, extension=extension, peer=wish.leg)
        self._by_leg[wish.other] = wish
        self._m.legs.put(leg)
        self._m.legs.change(wish.leg, peer=wish.other)
        variables: Mapping[str, str] = {"RINGSIDE_SEAT": wish.to}
        words = f"direct,{wish.leg}"
        if await self._calls.reach(leg, f"PJSIP/{extension}", words, wish.leg, variables, RING_LIMIT):
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
            self._m.lanes.put(wish.leg, lambda: quietly(self._m.ari, "POST", path("channels", wish.leg, "ring")))

    def answered(self, leg: str) -> None:
        """The other end answered: join them."""
        wish = self._by_leg.get(leg)
        if wish is None or leg != wish.other:
            return
        self._m.legs.join(Join(wish.bridge, "", wish.seat, (wish.leg, wish.other)))
        self._m.legs.change(wish.leg, answered=True)
        self._m.lanes.put(wish.leg, lambda: self._join(wish))

    async def _join(self, wish: Wish) -> None:
        await quietly(self._m.ari, "POST", path("channels", wish.leg, "answer"))
        await self._calls.bridge(wish.bridge, (wish.leg, wish.other))
        await self._m.submit(DirectCallAnswered(wish.leg))
        if wish.to:
            await self._m.submit(DirectCallAnswered(wish.other))

    def far_end(self, leg: str) -> str:
        """The other channel of that one's call inside, "" where there is none."""
        wish = self._by_leg.get(leg)
        if wish is None:
            return ""
        return wish.leg if leg == wish.other else wish.other

    def release(self, leg: str) -> None:
        """The ends of this call have parted: from now on the end of one ends nothing else. Its bridge goes."""
        wish = self._by_leg.pop(leg, None)
        if wish is None:
            return
        self._by_leg.pop(wish.leg, None)
        self._by_leg.pop(wish.other, None)
        self._m.legs.joins.pop(wish.bridge, None)
        self._m.lanes.put(wish.leg, lambda: self._calls.drop_bridge(wish.bridge))

    def gone(self, gone: Gone) -> None:
        """One end is gone: the other one and the bridge go too. Busy and the like are told to the caller."""
        self._asking.discard(gone.leg)
        wish = self._by_leg.pop(gone.leg, None)
        if wish is None:
            return
        other = wish.leg if gone.leg == wish.other else wish.other
        self._m.legs.joins.pop(wish.bridge, None)
        code = gone.q850 if gone.leg == wish.other and gone.q850 in TOLD_ON else 16
        self._m.lanes.put(wish.leg, lambda: self._end(wish, other, code))

    async def _end(self, wish: Wish, other: str, code: int) -> None:
        await self._calls.hang_up(other, code)
        await self._calls.drop_bridge(wish.bridge)
