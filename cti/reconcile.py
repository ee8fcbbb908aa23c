"""The reconcile loop: once a second belief is held against Asterisk, and what differs twice in a row is healed.

Also what the dialplan's fall-back did in our absence comes to the core here (cti.fallback).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from acd.core.effects import AnswerLeg, WantedLeg
from acd.core.inputs import (
    DirectCallEnded,
    DirectCallStarted,
    Input,
    OfferRefused,
    PartyLeft,
    PhoneChanged,
    RepairMade,
)
from acd.core.model import DirectKind, Micros, OfferResult, Outcome, Party
from acd.core.reply import Reply
from acd.ports import AddressSeen, Engine, EntryPlans
from cti.ari import path
from cti.calls import Calls
from cti.cel import FallbackCall
from cti.config import AsteriskSettings
from cti.direct import DirectCalls
from cti.fallback import FallbackReader, served
from cti.lanes import Lanes
from cti.legs import Leg, Role
from cti.means import ManagerFailed, Means
from cti.numbers import caller_number
from cti.places import coaching_bridge
from cti.resync import (
    BridgeSeen,
    ChannelSeen,
    ContactSeen,
    Difference,
    Kind,
    Watch,
    bridges_seen,
    channels_seen,
    compare,
    placed,
)
from cti.translate import CallerCame, Gone, Note

log = structlog.get_logger(__name__)


class Submit(Protocol):
    """Give the core an input, saying who caused it."""

    def __call__(self, given: Input, *, by: str = "system", via: str = "asterisk") -> Awaitable[Reply | None]: ...


class Reconciler:
    """Compares and heals. `away` are callers out of our application, in the dialplan's hands."""

    def __init__(
        self,
        settings: AsteriskSettings,
        engine: Engine,
        plans: EntryPlans,
        means: Means,
        calls: Calls,
        direct: DirectCalls,
        inputs: Lanes,
        submit: Submit,
        note: Callable[[Note], None],
        heard_at: Callable[[], Micros],
    ) -> None:
        """`note`: what is seen is taken up as if its event had come. `heard_at`: when Asterisk was last heard."""
        self._settings, self._engine, self._plans = settings, engine, plans
        self._m, self._calls, self._direct, self._inputs = means, calls, direct, inputs
        self._submit, self._note, self._heard_at = submit, note, heard_at
        self._fallback = FallbackReader(settings.cel_file)
        self._watch = Watch()
        self._empty: frozenset[str] = frozenset()
        self._over: frozenset[str] = frozenset()
        self.away: set[str] = set()
        self.repairs: dict[str, int] = {kind.value: 0 for kind in Kind}

    def began(self, since: Micros) -> None:
        """An engine began: what the dialplan did before `since` was told by an earlier one."""
        self._fallback = FallbackReader(self._settings.cel_file, since)

    def deaf(self, since: Micros, until: Micros) -> None:
        """Nobody listened to the application in that time."""
        self._fallback.deaf(since, until)

    def renew(self, bridges: Sequence[BridgeSeen], channels: Sequence[ChannelSeen]) -> None:
        """After a start: nothing is being watched yet, and where channels are is read from Asterisk."""
        self._watch = Watch()
        self.away.clear()
        for bridge in bridges:
            for leg in bridge.members if bridge.type == "holding" else ():
                self._m.legs.change(leg, hold=bridge.actual)
            if bridge.actual != bridge.id:
                self._m.legs.made_again(bridge.id, bridge.actual)
        for channel in channels:
            if channel.snoops:
                self._m.legs.change(channel.coach, snoop=channel.id, ear=channel.ear)

    async def look(self) -> tuple[list[ChannelSeen], list[BridgeSeen], list[ContactSeen]]:
        """Everything Asterisk has (2.6 ms for 17 channels and 8 bridges in the lab)."""
        channels = channels_seen(await self._m.ari.call("GET", "channels"), self._settings.app)
        bridges = bridges_seen(await self._m.ari.call("GET", "bridges"))
        endpoints = await self._m.ari.call("GET", path("endpoints", "PJSIP"))
        rows: list[Mapping[str, Any]] = endpoints if isinstance(endpoints, list) else []
        online = {str(row.get("resource")) for row in rows if row.get("state") == "online"}
        contacts = []
        seats = self._m.legs.seats
        for extension in seats.extensions():
            if seat := seats.seat_of(extension):
                believed = seats.reachable(seat)
                seen = extension in online if seats.settled(extension) else believed
                contacts.append(ContactSeen(seat, extension, seen, believed))
        return channels, bridges, contacts

    async def compare(self, current: Callable[[], bool]) -> None:
        """One comparison, given up where `current` says that the connection is another one by now.

        Only what the engine wants before and after the look is held against Asterisk.
        """
        before = await self._engine.wanted()
        channels, bridges, contacts = await self.look()
        after = {want.leg: want for want in await self._engine.wanted()}
        wanted = [want for want in before if after.get(want.leg) == want]
        passing = frozenset(want.leg for want in (*before, *after.values()) if after.get(want.leg) != want)
        passing |= frozenset(want.leg for want in after.values() if want not in before)
        if current():
            await self.read_fallback(wanted, channels)
            await self._seats_phoning(after.values(), channels)
            await self.heal(wanted, channels, bridges, contacts, passing=passing)
            await self._sweep(after.values(), channels, bridges)

    async def heal(
        self,
        wanted: Sequence[WantedLeg],
        channels: Sequence[ChannelSeen],
        bridges: Sequence[BridgeSeen],
        contacts: Sequence[ContactSeen],
        *,
        at_once: bool = False,
        passing: frozenset[str] = frozenset(),
    ) -> None:
        legs = {want.leg for want in wanted} | {channel.id for channel in channels}
        under_way = {leg for leg in legs if self._m.lanes.busy(leg) or self._inputs.busy(leg)}
        busy_seats = {contact.seat for contact in contacts if self._inputs.busy(contact.seat)}
        arriving = passing | under_way | (self._direct.active() - {want.leg for want in wanted})
        phones = [contact for contact in contacts if contact.seat not in busy_seats]
        self._calls.recorders.keep_silence(wanted)
        self._calls.keep_microphones([want for want in wanted if want.leg not in arriving])
        recordings = await self._calls.recorders.running(wanted)
        found = compare(wanted, channels, bridges, phones, recordings, arriving=arriving)
        for difference, first in self._watch.due(found, at_once=at_once):
            log.warning("difference", kind=difference.kind, subject=difference.subject, first=first)
            await self._repair(difference)
            if first:
                await self.count(difference.kind, difference.subject)

    async def count(self, kind: Kind, subject: str) -> None:
        """A difference was healed."""
        self.repairs[kind] += 1
        await self._submit(RepairMade(kind, subject), via="reconcile")

    async def _repair(self, difference: Difference) -> None:
        """Bring one difference into line."""
        want, seen, contact = difference.want, difference.seen, difference.contact
        match difference.kind:
            case Kind.CHANNEL_GONE if want is not None:
                self._m.legs.gone(want.leg)
                self._direct.gone(Gone(want.leg, 0, 0))
                await self._submit(self.lost(want), via="reconcile")
            case Kind.GHOST_CHANNEL | Kind.TWO_CHANNELS_FOR_ONE_OFFER if seen is not None:
                await self._calls.hang_up(seen.id)
            case Kind.NOT_ON_HOLD if want is not None:
                self._m.legs.change(want.leg, hold="")  # an empty holding bridge is silent for good; the sweep takes it
                self._calls.perform((placed(want),))
            case Kind.BRIDGE_WITHOUT_MEMBER | Kind.NOT_COACHING if want is not None:
                self._calls.perform((placed(want),))
            case Kind.UNKNOWN_CALL_ON_AGENT if seen is not None:
                await self._found_call(seen)
            case Kind.CONTACT_GONE if contact is not None:
                await self._submit(PhoneChanged(contact.seat, contact.reachable, "reconciled"), via="reconcile")
            case Kind.UNKNOWN_WAITING_CALLER if seen is not None:
                entry = seen.words[1] if len(seen.words) > 1 else ""
                item = want.item if want is not None else ""
                self._note(CallerCame(seen.id, entry, seen.number, seen.caller_name, item))
            case Kind.NOT_ANSWERED if want is not None:
                self._calls.perform((AnswerLeg(want.item, want.leg),))
            case Kind.MISSING_RECORDING if want is not None:
                self._calls.recorders.again(want)

    async def _seats_phoning(self, wanted: Iterable[WantedLeg], channels: Sequence[ChannelSeen]) -> None:
        """Calls that our own dialplan serves without us (emergency, echo) make the seat busy; they are no fault."""
        known = {want.leg for want in wanted}
        for channel in channels:
            if channel.id not in known and channel.plain and self._m.legs.seats.seat_of(channel.extension):
                await self._found_call(channel)

    async def _found_call(self, seen: ChannelSeen) -> None:
        """A call on an agent's phone that nobody told us of: the seat is busy."""
        if seen.words[:1] == ("dial",):
            number = seen.words[1] if len(seen.words) > 1 else ""
            self._direct.dialled(seen.id, seen.extension, number, found=True)
            return
        seat = self._m.legs.seats.seat_of(seen.extension)
        self._m.legs.put(Leg(seen.id, Role.DIRECT, seat=seat, extension=seen.extension, answered=seen.state == "Up"))
        given = DirectCallStarted(seen.id, seat, DirectKind.OUTBOUND, seen.id, found=True)
        await self._submit(given, via="reconcile")

    def lost(self, want: WantedLeg) -> Input:
        """What is said of a wanted leg that is not there."""
        if want.role == Role.DIRECT:
            return DirectCallEnded(want.subject, Outcome.UNOBSERVED, Party.SYSTEM)
        if want.doing == "ringing":
            return OfferRefused(want.leg, OfferResult.UNREACHABLE)
        return PartyLeft(want.leg, observed=False, not_before=self._heard_at())

    async def _sweep(
        self, wanted: Iterable[WantedLeg], channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen]
    ) -> None:
        """What was over twice in a row goes: empty bridges that nothing wants, and our own notes on legs long gone.

        Neither holds anybody, so neither is a fault.
        """
        wanted = list(wanted)
        alive = {want.leg for want in wanted} | {channel.id for channel in channels}
        over = frozenset(self._m.legs.by_id) - alive
        for leg in over & self._over:
            self._m.legs.gone(leg)
        self._over = over
        kept = {want.bridge for want in wanted}
        kept |= {coaching_bridge(leg.snoop) for leg in self._m.legs.by_id.values() if leg.snoop}
        for bridge, join in list(self._m.legs.joins.items()):
            if bridge not in kept and not join.legs:
                del self._m.legs.joins[bridge]
        kept |= set(self._m.legs.joins)
        kept |= {leg.hold for leg in self._m.legs.by_id.values()}
        empty = frozenset(seen.actual for seen in bridges if not seen.members and seen.id not in kept)
        for actual in empty & self._empty:
            await self._calls.drop_bridge(actual)
        self._empty = empty - self._empty

    # --- the fall-back -------------------------------------------------------------------------------------------

    async def read_fallback(self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen]) -> None:
        """Tell the core what the dialplan's plain queue served, and fetch back those of ours who still wait there."""
        alive = {channel.id: channel for channel in channels}
        ours = {want.leg for want in wanted if want.role == Role.CUSTOMER}
        stays = await asyncio.to_thread(self._fallback.look, set(alive))
        for call in stays.over:
            await self._tell_served(call)
        for call in stays.missed:
            if call.leg in ours or self._inputs.busy(call.leg):
                self._fallback.told(call)  # the core knows him, and learns of his end as of any other's
            else:
                await self._tell_served(call)
        for call in stays.there:
            if call.leg in ours and not alive[call.leg].ours:
                if call.answered_at:
                    await self._tell_served(call)
                else:
                    await self._fetch_back(call, alive[call.leg])

    async def _tell_served(self, call: FallbackCall) -> None:
        caller = caller_number(call.number, region=self._settings.default_region)
        plan = await asyncio.to_thread(self._plans.plan, AddressSeen(call.entry, caller))
        if plan is not None:
            await self._submit(served(call, plan, self._engine.now()), via="reconcile")
        self._fallback.told(call)

    async def _fetch_back(self, call: FallbackCall, channel: ChannelSeen) -> None:
        """He waits in the plain queue, but has his place with us: back to the entry, where he is known."""
        try:
            await self._m.manager.redirect(channel.name, "entry", call.entry)
        except ManagerFailed as error:
            log.warning("caller_not_fetched_back", leg=call.leg, error=str(error))
        else:
            self.away.add(call.leg)
            self._fallback.told(call)
