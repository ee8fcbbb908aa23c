"""The telephone side of the dispatcher: one Asterisk, events in, effects out (design.md §3, §5, §6).

It keeps no truth of its own. Whenever the connection is made it asks the engine what it wants and Asterisk what there
is, brings both into line, and only then lets new work through; once a second it compares them again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from acd.core.effects import Effect, WantedLeg
from acd.core.inputs import (
    CallEntered,
    DigitPressed,
    DirectCallEnded,
    DirectCallStarted,
    Input,
    LegArrived,
    OfferAnswered,
    OfferRefused,
    PartyLeft,
    PhoneChanged,
    RepairMade,
)
from acd.core.model import SECOND, DirectKind, Micros, OfferResult, Outcome, Party
from acd.core.reply import Code, Done, Refused, Reply
from acd.ports import AddressSeen, Engine, EntryPlans, Fenced
from cti.ami import Ami, AmiError, AmiGone
from cti.ari import Ari, AriAddress, AriError, AriHooks, AriLost, Event, path
from cti.calls import Calls, Manager, ManagerFailed, Means
from cti.cel import FallbackCall
from cti.config import AsteriskSettings
from cti.direct import DirectCalls
from cti.fallback import FallbackReader, served
from cti.lanes import Lanes
from cti.legs import Leg, Legs, Role, Seats
from cti.numbers import caller_number
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
    resume,
)
from cti.translate import (
    EVENTS,
    Answered,
    CallerCame,
    Dialled,
    Flowed,
    Gone,
    HeldByPhone,
    HungUp,
    LeftApp,
    LegReady,
    Meaning,
    Note,
    PromptOver,
    Rang,
    Strayed,
    TransferAsked,
    id_of,
    part_of,
    translate,
)

log = structlog.get_logger(__name__)

COMPARE_EVERY = 1.0
"""Seconds between two comparisons of belief and Asterisk; a difference is healed at the second sight, so within 2 s."""

DEAD_AFTER = 3
"""Refused connections in a row after which Asterisk counts as dead: nobody has listened for about 0.8 s."""

TOLD_WITHIN: Micros = 60 * SECOND
"""An engine tells the core of what the dialplan did within two seconds; what is older than this was told."""

BUFFER = 100_000
"""Events kept while we bring ourselves into line; a busy Asterisk sends about 10 a call."""

UNALLOCATED = 1  # Q.850


class AmiManager:
    """What only AMI can do. MixMonitor: raw, both sides apart, appended, on the customer's channel (shapes.md §1)."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self._ami = Ami(settings)
        self._lock = asyncio.Lock()

    async def _connected(self) -> Ami:
        async with self._lock:
            if not self._ami.connected:
                await self._ami.connect()
        return self._ami

    async def record(self, leg: str, file: Path) -> None:
        """Begin writing."""
        try:
            await asyncio.to_thread(file.parent.mkdir, parents=True, exist_ok=True)
            await (await self._connected()).start_recording(leg, str(file), "Da")
        except (AmiError, AmiGone, OSError, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def recording(self, leg: str) -> bool:
        """Asterisk's own list; the variable MIXMONITOR_FILENAME stays when a recorder was stopped."""
        try:
            lines = await (await self._connected()).command(f"mixmonitor list {leg}")
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error
        return any(line.startswith("0x") for line in lines)

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        """Send a channel somewhere else in the dialplan."""
        try:
            await (await self._connected()).redirect(channel, context, exten)
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def close(self) -> None:
        """Log off."""
        await self._ami.close()


class AsteriskTelephony:
    """Implements acd.ports.Telephony. `start` returns once belief and Asterisk agree (or Asterisk is not there)."""

    def __init__(
        self,
        settings: AsteriskSettings,
        engine: Engine,
        plans: EntryPlans,
        seats: Seats,
        *,
        on_replaced: Callable[[], None] = lambda: None,
        manager: Manager | None = None,
    ) -> None:
        """`on_replaced` is called when another engine took the ARI application over: this one must stand down."""
        self.settings = settings
        self._engine, self._plans, self._seats = engine, plans, seats
        self._on_replaced = on_replaced
        self._own_manager = AmiManager(settings)
        self._manager: Manager = manager or self._own_manager
        self.legs = Legs(seats)
        self._commands = Lanes("commands")
        self._inputs = Lanes("inputs")
        address = AriAddress(
            settings.http_host, settings.http_port, settings.ari_user, settings.ari_password, settings.app
        )
        hooks = AriHooks(self._up, self._event, self._down, self._replaced)
        self.ari = Ari(address, hooks, EVENTS, ("endpoint:PJSIP",))
        means = Means(
            ari=self.ari,
            app=settings.app,
            legs=self.legs,
            lanes=self._commands,
            manager=self._manager,
            recordings=settings.recordings,
            submit=self._submit,
            now=engine.now,
        )
        self._calls = Calls(means)
        self._direct = DirectCalls(means, self._calls, settings.trunks)
        self._fallback = FallbackReader(settings.cel_file)
        self._watch = Watch()
        self._empty: frozenset[str] = frozenset()
        self._over: frozenset[str] = frozenset()
        self._buffer: list[Event] | None = []
        self._held: list[Effect] = []
        self._refusals = 0
        self._heard_at: Micros = 0
        self._deaf_from: Micros = 0
        self._connection = 0
        self._away: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._settled = asyncio.Event()
        self.repairs: dict[str, int] = {kind.value: 0 for kind in Kind}

    # --- life ----------------------------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether belief and Asterisk were brought into line on the present connection."""
        return self._buffer is None

    async def start(self, limit_s: float = 10.0, since: Micros = 0) -> None:
        """Connect and come into line. After `limit_s` without Asterisk it goes on trying in the background.

        `since`: the engine before us was alive at that time (its last fact's); 0 where there was none.
        """
        self._heard_at = since or self._engine.now()
        self._deaf_from = self._heard_at - TOLD_WITHIN if since else self._heard_at  # a new log has no past
        self._fallback = FallbackReader(self.settings.cel_file, max(0, since - TOLD_WITHIN))
        self._tasks = [
            asyncio.create_task(self.ari.run(), name="ari"),
            asyncio.create_task(self._reconcile(), name="reconcile"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), limit_s)

    async def stop(self) -> None:
        """Let go of Asterisk. Channels and bridges stay as they are."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._commands.close()
        await self._inputs.close()
        await self._own_manager.close()

    def perform(self, effects: Sequence[Effect]) -> None:
        """Take effects from the engine. Without a settled connection they wait, or are derived again later."""
        if self.ready:
            self._calls.perform(effects)
        else:
            self._held.extend(effects)

    # --- the connection ------------------------------------------------------------------------------------------

    def _down(self, refused: bool) -> None:
        if self._buffer is None:
            self._deaf_from = self._heard_at
        self._connection += 1
        self._buffer, self._held = [], []
        self._refusals = self._refusals + 1 if refused else 0
        if self._refusals == DEAD_AFTER:
            self._spawn(self._asterisk_is_dead())

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Without these two the engine would live on, deaf: better that the next one takes over."""
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("telephony_ended", task=task.get_name(), error=repr(error))
            self._on_replaced()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks = [known for known in self._tasks if not known.done()] + [task]

    def _replaced(self) -> None:
        log.error("ari_application_replaced", app=self.settings.app)
        self._on_replaced()

    async def _asterisk_is_dead(self) -> None:
        """Nobody listens any more: every leg is gone, and no phone can be reached."""
        log.error("asterisk_is_dead")
        with contextlib.suppress(Fenced):
            for want in await self._engine.wanted():
                if want.leg:
                    await self._submit(self._lost(want), via="reconcile")
            for extension in self._seats.extensions():
                await self._submit(PhoneChanged(self._seats.seat_of(extension), False, "asterisk_dead"))

    async def _up(self) -> None:
        """The order of design.md §5.5: subscribed already; buffer, list, compare, drain, then new work."""
        self._refusals = 0
        self._buffer = [] if self._buffer is None else self._buffer
        await self._commands.idle()  # what was under way on the old connection has failed by now
        await self._inputs.idle()
        self._held = []  # effects up to here are in what the engine wants now
        wanted = await self._engine.wanted()
        channels, bridges, contacts = await self._look()
        self.legs.renew(wanted)
        self._direct.renew(wanted, channels, bridges)
        self._away.clear()
        self._note_holding(bridges)
        for contact in contacts:
            await self._submit(PhoneChanged(contact.seat, contact.reachable, "listed"), via="reconcile")
        self._fallback.deaf(self._deaf_from, self._engine.now())
        await self._read_fallback(wanted, channels)
        inputs, effects = resume(wanted, channels, bridges)
        for given in inputs:
            await self._submit(given, via="reconcile")
        self._calls.perform(effects)
        self._watch = Watch()
        await self._heal(wanted, channels, bridges, [], at_once=True)
        buffered, self._buffer = self._buffer, None
        for event in buffered:
            self._take(event)
        self._welcome(wanted, channels, buffered)
        held, self._held = self._held, []
        self._calls.perform(held)
        self._settled.set()
        log.info("asterisk_in_line", channels=len(channels), bridges=len(bridges), resumed=len(inputs) + len(effects))

    def _welcome(self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen], buffered: Sequence[Event]) -> None:
        """Take up callers who came to the application while nobody listened. No fault, so not counted."""
        known = {want.leg for want in wanted}
        known |= {id_of(part_of(event, "channel")) for event in buffered if event.get("type") == "StasisStart"}
        for seen in channels:
            if seen.words[:1] == ("entry",) and not seen.item and seen.id not in known:
                self._note(CallerCame(seen.id, seen.words[1], seen.number, seen.caller_name, ""))

    def _note_holding(self, bridges: Sequence[BridgeSeen]) -> None:
        for bridge in bridges:
            if bridge.type == "holding":
                for leg in bridge.members:
                    self.legs.change(leg, hold=bridge.id)

    async def _look(self) -> tuple[list[ChannelSeen], list[BridgeSeen], list[ContactSeen]]:
        """Everything Asterisk has (2.6 ms for 17 channels and 8 bridges in the lab)."""
        channels = channels_seen(await self.ari.call("GET", "channels"), self.settings.app)
        bridges = bridges_seen(await self.ari.call("GET", "bridges"))
        endpoints = await self.ari.call("GET", path("endpoints", "PJSIP"))
        rows: list[Mapping[str, Any]] = endpoints if isinstance(endpoints, list) else []
        online = {str(row.get("resource")) for row in rows if row.get("state") == "online"}
        contacts = []
        for extension in self._seats.extensions():
            if seat := self._seats.seat_of(extension):
                contacts.append(ContactSeen(seat, extension, extension in online, self._seats.reachable(seat)))
        return channels, bridges, contacts

    # --- events --------------------------------------------------------------------------------------------------

    def _event(self, event: Event) -> None:
        if self._buffer is None:
            self._take(event)
        elif len(self._buffer) < BUFFER:
            self._buffer.append(event)
        elif len(self._buffer) == BUFFER:
            self._buffer.append(event)
            log.error("too_many_events_while_coming_into_line")
            self._spawn(self.ari.cut())

    def _take(self, event: Event) -> None:
        """Take an event up. One that breaks us is logged and left: the reconcile loop sees what it meant."""
        try:
            self._understand(event)
        except Exception:
            log.exception("event_failed", type=event.get("type"))

    def _understand(self, event: Event) -> None:
        self._heard_at = self._engine.now()
        meanings = translate(event, self.legs)
        authors = [self._author(meaning) for meaning in meanings]  # before a note takes the leg out of the book
        for meaning, (by, via) in zip(meanings, authors, strict=True):
            if isinstance(meaning, Note):
                self._note(meaning)
            else:
                self._later(meaning, by, via)

    def _later(self, given: Input, by: str, via: str) -> None:
        self._inputs.put(key_of(given), lambda: self._submit(given, by=by, via=via))

    def _author(self, meaning: Meaning) -> tuple[str, str]:
        """Who caused it: the customer, the seat's person by the phone, or nobody."""
        match meaning:
            case DigitPressed():
                return "customer", "phone"
            case OfferAnswered() | OfferRefused(result=OfferResult.REJECTED) | DirectCallEnded(who=Party.SEAT):
                leg = self.legs.get(key_of(meaning))
                return (leg.seat if leg else "") or "system", "phone"
            case PartyLeft(leg=name, hung_up=True) if (left := self.legs.get(name)) is not None:
                return ("customer" if left.role is Role.CUSTOMER else left.seat or "system"), "phone"
        return "system", "asterisk"

    def _note(self, note: Note) -> None:
        """Remember, and do what is ours to do."""
        match note:
            case CallerCame():
                self.legs.known(note.leg, Role.CUSTOMER, note.item)
                self._inputs.put(note.leg, lambda: self._caller_came(note))
            case Dialled():
                self._direct.dialled(note.leg, note.extension, note.number)
            case LegReady():
                self._calls.ready(note.leg)
            case Strayed():
                self._commands.put(note.leg, lambda: self._calls.hang_up(note.leg))
            case Rang():
                self.legs.change(note.leg, rung=True)
                self._direct.rang(note.leg)
            case Answered():
                self.legs.change(note.leg, answered=True)
                self._direct.answered(note.leg)
            case HungUp():
                self.legs.change(note.leg, hung=note.by)
            case Gone():
                self._leg_gone(note)
            case HeldByPhone():
                self._held_by_phone(note)
            case Flowed():
                self.legs.flowed(note.bridge)
            case PromptOver():
                self.legs.prompts.pop(note.token, None)
                self._direct.prompt_over(note.token)
            case TransferAsked():
                self._commands.put(note.leg, lambda: self._calls.refuse_transfer(note.leg))
            case LeftApp():
                self._away.add(note.leg)

    def _leg_gone(self, note: Gone) -> None:
        leg = self.legs.gone(note.leg)
        self._away.discard(note.leg)
        self._direct.gone(note)
        if leg is not None and leg.hold:
            hold = leg.hold
            self._commands.put(note.leg, lambda: self._calls.drop_bridge(hold))

    def _held_by_phone(self, note: HeldByPhone) -> None:
        leg = self.legs.get(note.leg)
        if leg is not None and leg.peer:
            peer = leg.peer
            self._commands.put(peer, lambda: self._calls.music(peer, on=note.on))

    # --- callers -------------------------------------------------------------------------------------------------

    async def _caller_came(self, note: CallerCame) -> None:
        """The caller is in our hands. Where the entry script could not plan the call, plan it now."""
        reply = await self._submit(LegArrived(note.leg), by="customer", via="asterisk") if note.item else None
        if reply is None or isinstance(reply, Refused):
            reply = await self._plan(note)
        if isinstance(reply, Refused) and reply.code is Code.CALL_OVER:
            await self._calls.hang_up(note.leg)  # decided by an engine that died before it could do it
            return
        if not isinstance(reply, Done):
            await self._calls.give_back(note.leg)
            return
        came = self._engine.now()
        self.legs.change(note.leg, order=came)
        await self._calls.mark_waiting(note.leg, came)
        if note.leg in self._away:  # he was with us before: the fall-back gave him back
            self._away.discard(note.leg)
            await self._continue(note.leg)

    async def _plan(self, note: CallerCame) -> Reply | None:
        caller = caller_number(note.number, note.name, self.settings.default_region)
        seen = AddressSeen(entry=note.entry, caller=caller, called=note.entry)
        plan = await asyncio.to_thread(self._plans.plan, seen)
        if plan is None:
            log.warning("no_such_entry", entry=note.entry)
            return None
        reply = await self._submit(CallEntered(note.leg, plan), by="customer", via="asterisk")
        if not isinstance(reply, Done):
            return reply
        self.legs.known(note.leg, Role.CUSTOMER, reply.item)
        await self._calls.set_variable(note.leg, "RINGSIDE_ITEM", reply.item)
        return await self._submit(LegArrived(note.leg), by="customer", via="asterisk")

    async def _continue(self, leg: str) -> None:
        """Let a caller who came back go on where he was."""
        with contextlib.suppress(AriError, AriLost):
            channels, bridges, _ = await self._look()
            wanted = [want for want in await self._engine.wanted() if want.leg == leg]
            self.legs.change(leg, hold="")
            _, effects = resume(wanted, channels, bridges)
            self._calls.perform(effects)

    # --- the reconcile loop --------------------------------------------------------------------------------------

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(COMPARE_EVERY)
            if self.ready:
                try:
                    await self.compare()
                except (AriError, AriLost, Fenced) as error:
                    log.info("not_compared", error=str(error))
                except Exception:
                    log.exception("comparison_failed")

    async def compare(self) -> None:
        """One comparison. Only what the engine wants before and after the look is held against Asterisk."""
        connection = self._connection
        before = await self._engine.wanted()
        channels, bridges, contacts = await self._look()
        after = {want.leg: want for want in await self._engine.wanted()}
        wanted = [want for want in before if after.get(want.leg) == want]
        passing = frozenset(want.leg for want in (*before, *after.values()) if after.get(want.leg) != want)
        passing |= frozenset(want.leg for want in after.values() if want not in before)
        if self.ready and connection == self._connection:
            await self._read_fallback(wanted, channels)
            await self._seats_phoning(after.values(), channels)
            await self._heal(wanted, channels, bridges, contacts, passing=passing)
            await self._sweep(after.values(), channels, bridges)

    async def _heal(
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
        under_way = {leg for leg in legs if self._commands.busy(leg) or self._inputs.busy(leg)}
        busy_seats = {contact.seat for contact in contacts if self._inputs.busy(contact.seat)}
        arriving = passing | under_way | (self._direct.active() - {want.leg for want in wanted})
        phones = [contact for contact in contacts if contact.seat not in busy_seats]
        recordings = await self._recorded(wanted)
        found = compare(wanted, channels, bridges, phones, recordings, arriving=arriving)
        for difference, first in self._watch.due(found, at_once=at_once):
            log.warning("difference", kind=difference.kind, subject=difference.subject, first=first)
            await self._repair(difference)
            if first:
                self.repairs[difference.kind] += 1
                await self._submit(RepairMade(difference.kind, difference.subject), via="reconcile")

    async def _recorded(self, wanted: Sequence[WantedLeg]) -> frozenset[str]:
        """Which talking legs are being recorded; where it cannot be told, they are taken to be."""
        legs = [want.leg for want in wanted if want.doing == "talking" and want.recording]
        try:
            return frozenset([leg for leg in legs if await self._manager.recording(leg)])
        except ManagerFailed as error:
            log.warning("recordings_not_listed", error=str(error))
            return frozenset(legs)

    async def _repair(self, difference: Difference) -> None:
        """Bring one difference into line."""
        want, seen, contact = difference.want, difference.seen, difference.contact
        match difference.kind:
            case Kind.CHANNEL_GONE if want is not None:
                self.legs.gone(want.leg)
                self._direct.gone(Gone(want.leg, 0, 0))
                await self._submit(self._lost(want), via="reconcile")
            case Kind.GHOST_CHANNEL | Kind.TWO_CHANNELS_FOR_ONE_OFFER if seen is not None:
                await self._calls.hang_up(seen.id)
            case Kind.BRIDGE_WITHOUT_MEMBER if want is not None:
                await self._calls.rejoin(want.bridge, want.leg)
            case Kind.UNKNOWN_CALL_ON_AGENT if seen is not None:
                await self._found_call(seen)
            case Kind.CONTACT_GONE if contact is not None:
                await self._submit(PhoneChanged(contact.seat, contact.reachable, "reconciled"), via="reconcile")
            case Kind.UNKNOWN_WAITING_CALLER if seen is not None:
                entry = seen.words[1] if len(seen.words) > 1 else ""
                item = want.item if want is not None else ""
                self._note(CallerCame(seen.id, entry, seen.number, seen.caller_name, item))
            case Kind.MISSING_RECORDING if want is not None:
                await self._calls.record(want.item, want.leg, want.recording)

    async def _seats_phoning(self, wanted: Iterable[WantedLeg], channels: Sequence[ChannelSeen]) -> None:
        """Calls that our own dialplan serves without us (emergency, echo) make the seat busy; they are no fault."""
        known = {want.leg for want in wanted}
        for channel in channels:
            if channel.id not in known and channel.plain and self._seats.seat_of(channel.extension):
                await self._found_call(channel)

    async def _found_call(self, seen: ChannelSeen) -> None:
        """A call on an agent's phone that nobody told us of: the seat is busy."""
        if seen.words[:1] == ("dial",):
            number = seen.words[1] if len(seen.words) > 1 else ""
            self._direct.dialled(seen.id, seen.extension, number, found=True)
            return
        seat = self._seats.seat_of(seen.extension)
        self.legs.put(Leg(seen.id, Role.DIRECT, seat=seat, extension=seen.extension, answered=seen.state == "Up"))
        given = DirectCallStarted(seen.id, seat, DirectKind.OUTBOUND, seen.id, found=True)
        await self._submit(given, via="reconcile")

    def _lost(self, want: WantedLeg) -> Input:
        """What is said of a wanted leg that is not there."""
        if want.role == Role.DIRECT:
            return DirectCallEnded(want.subject, Outcome.UNOBSERVED, Party.SYSTEM)
        if want.role == Role.SEAT and want.doing == "ringing":
            return OfferRefused(want.leg, OfferResult.UNREACHABLE)
        return PartyLeft(want.leg, observed=False, not_before=self._heard_at)

    async def _sweep(
        self, wanted: Iterable[WantedLeg], channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen]
    ) -> None:
        """What was over twice in a row goes: empty bridges that nothing wants, and our own notes on legs long gone.

        Neither holds anybody, so neither is a fault.
        """
        wanted = list(wanted)
        alive = {want.leg for want in wanted} | {channel.id for channel in channels}
        over = frozenset(self.legs.by_id) - alive
        for leg in over & self._over:
            self.legs.gone(leg)
        self._over = over
        kept = {want.bridge for want in wanted} | set(self.legs.joins)
        kept |= {leg.hold for leg in self.legs.by_id.values()}
        empty = frozenset(bridge.actual for bridge in bridges if not bridge.members and bridge.id not in kept)
        for bridge in empty & self._empty:
            await self._calls.drop_bridge(bridge)
        self._empty = empty - self._empty

    # --- the fall-back -------------------------------------------------------------------------------------------

    async def _read_fallback(self, wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen]) -> None:
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
        caller = caller_number(call.number, region=self.settings.default_region)
        plan = await asyncio.to_thread(self._plans.plan, AddressSeen(call.entry, caller))
        if plan is not None:
            await self._submit(served(call, plan, self._engine.now()), via="reconcile")
        self._fallback.told(call)

    async def _fetch_back(self, call: FallbackCall, channel: ChannelSeen) -> None:
        """He waits in the plain queue, but has his place with us: back to the entry, where he is known."""
        try:
            await self._manager.redirect(channel.name, "entry", call.entry)
        except ManagerFailed as error:
            log.warning("caller_not_fetched_back", leg=call.leg, error=str(error))
        else:
            self._away.add(call.leg)
            self._fallback.told(call)

    # --- the core ------------------------------------------------------------------------------------------------

    async def _submit(self, given: Input, *, by: str = "system", via: str = "asterisk") -> Reply | None:
        """Give the core an input; None when the engine stepped down (this process is about to end)."""
        if isinstance(given, DirectCallStarted) and not given.found and given.kind is not DirectKind.DIRECT:
            by, via = given.seat, "phone"
        try:
            return await self._engine.submit(given, by=by, via=via)
        except Fenced:
            log.warning("engine_stepped_down", given=type(given).__name__)
            return None


def key_of(given: Input) -> str:
    """The lane an input belongs into: its leg (an offer is one), else its seat or item."""
    for name in ("leg", "offer", "call", "seat", "item"):
        if value := getattr(given, name, ""):
            return str(value)
    return ""


__all__ = ["AmiManager", "AsteriskTelephony", "key_of"]
