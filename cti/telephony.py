"""The telephone side of the dispatcher: one Asterisk, events in, effects out (design.md §3, §5, §6).

It keeps no truth of its own. Whenever the connection is made it asks the engine what it wants and Asterisk what there
is, brings both into line, and only then lets new work through; once a second it compares them again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog

from acd.core.effects import Connect, Effect, WantedLeg
from acd.core.inputs import (
    CallEntered,
    DigitPressed,
    DirectCallEnded,
    DirectCallStarted,
    Input,
    LegArrived,
    MoveMade,
    OfferAnswered,
    OfferRefused,
    OutboundAsked,
    PartyLeft,
    PhoneChanged,
)
from acd.core.model import SECOND, DirectKind, Micros, OfferResult, Party
from acd.core.reply import Code, Done, Refused, Reply
from acd.ports import AddressSeen, DialPlans, Engine, EntryPlans, Fenced
from cti.ari import Ari, AriAddress, AriError, AriHooks, AriLost, Event, path
from cti.calls import Calls
from cti.config import AsteriskSettings
from cti.direct import DirectCalls
from cti.lanes import Lanes
from cti.legs import Legs, Role, Seats
from cti.manager import AmiManager
from cti.means import Manager, Means
from cti.numbers import caller_number
from cti.outside import Outside
from cti.reconcile import Reconciler
from cti.recorders import STORAGE_LIMIT
from cti.referring import Referring
from cti.resync import ChannelSeen, ContactSeen, Kind, resume
from cti.sound_watch import SoundWatch
from cti.speech import Speech
from cti.translate import (
    EVENTS,
    Answered,
    CallerCame,
    Dialled,
    EarlyMedia,
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
    Referred,
    Strayed,
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

KEYS = re.compile(r"[0-9*#A-D]{1,32}")

UNALLOCATED = 1  # Q.850


class AsteriskTelephony:
    """Implements acd.ports.Telephony. `start` returns once belief and Asterisk agree (or Asterisk is not there)."""

    def __init__(
        self,
        settings: AsteriskSettings,
        engine: Engine,
        plans: EntryPlans,
        seats: Seats,
        dial_plans: DialPlans,
        *,
        on_replaced: Callable[[], None] = lambda: None,
        manager: Manager | None = None,
        room: Callable[[], bool] = lambda: True,
    ) -> None:
        """`on_replaced` is called when another engine took the application over: this one must stand down. `room` says
        whether there is space for another recording."""
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
            room=room,
        )
        self._calls = Calls(means)
        self._direct = DirectCalls(means, self._calls, dial_plans)
        self._outside = Outside(means, self._calls, dial_plans, lambda: self.settings)
        self._referring = Referring(means, self._direct, dial_plans, plans, lambda: self.settings, self._by_phone)
        self._calls.take_over({**self._outside.rows, **Speech(means).rows})
        self._reconciler = Reconciler(
            settings,
            engine,
            plans,
            means,
            self._calls,
            self._direct,
            self._inputs,
            submit=self._submit,
            note=self._note,
            heard_at=lambda: self._heard_at,
        )
        self._sound = SoundWatch(means, self._calls.places, partial(self._reconciler.count, Kind.DEAF_LEG))
        self._buffer: list[Event] | None = []
        self._held: list[Effect] = []
        self._refusals = 0
        self._heard_at: Micros = 0
        self._deaf_from: Micros = 0
        self._connection = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._settled = asyncio.Event()

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
        self._reconciler.began(max(0, since - TOLD_WITHIN))
        with contextlib.suppress(OSError):  # where it cannot be made, each recording says so; TimeoutError is one
            make = partial(self.settings.recordings.mkdir, parents=True, exist_ok=True)
            await asyncio.wait_for(asyncio.to_thread(make), STORAGE_LIMIT)
        self._tasks = [
            asyncio.create_task(self.ari.run(), name="ari"),
            asyncio.create_task(self._compare_often(), name="reconcile"),
            asyncio.create_task(self._sound.run(lambda: self.ready), name="sound"),
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
        self._calls.recorders.close()
        await self._commands.close()
        await self._inputs.close()
        await self._own_manager.close()

    def take_up(self, settings: AsteriskSettings) -> None:
        """Lines, entry numbers and short codes that changed while calls go on; addresses and passwords stay."""
        self.settings = settings

    async def look_at_phones(self) -> None:
        """Extensions changed hands: tell the core which seats' phones are there by now. What cannot be seen now the
        next comparison or connection tells."""
        with contextlib.suppress(AriError, AriLost):
            _, _, contacts = await self._reconciler.look()
            await self._tell([one for one in contacts if not self._inputs.busy(one.seat)])

    async def _tell(self, contacts: Iterable[ContactSeen]) -> None:
        for contact in contacts:
            if contact.reachable is not contact.believed:
                await self._submit(PhoneChanged(contact.seat, contact.reachable, "listed"), via="reconcile")

    def perform(self, effects: Sequence[Effect]) -> None:
        """Take effects from the engine. Without a settled connection they wait, or are derived again later."""
        if self.ready:
            self._calls.perform(effects)
        else:
            self._held.extend(effects)

    async def send_keys(self, leg: str, digits: str) -> None:
        """Tones for a customer's channel, as its keypad would make them: nothing of them is logged or kept.

        Raises ValueError for what is not 1 to 32 of 0-9 * # A-D, AriError or AriLost when Asterisk does not take them.
        """
        if not KEYS.fullmatch(digits):
            raise ValueError("keys: 1 to 32 of 0-9, *, #, A-D")
        await self.ari.call("POST", path("channels", leg, "dtmf"), None, dtmf=digits)

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
                    await self._submit(self._reconciler.lost(want), via="reconcile")
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
        channels, bridges, contacts = await self._reconciler.look()
        self.legs.renew(wanted)
        self._direct.renew(wanted, channels, bridges)
        self._outside.renew(wanted, channels)
        self._reconciler.renew(bridges, channels)
        await self._tell(contacts)
        self._reconciler.deaf(self._deaf_from, self._engine.now())
        await self._reconciler.read_fallback(wanted, channels)
        inputs, effects = resume(wanted, channels, bridges)
        for given in inputs:
            await self._submit(given, via="reconcile")
        await self._calls.take_up(wanted)
        heard = (meaning for event in self._buffer or () for meaning in translate(event, self.legs))
        await self._referring.turn_down(wanted, {one.leg for one in heard if isinstance(one, Referred)})
        self._calls.perform(effects)
        moving = frozenset(
            leg for effect in effects if isinstance(effect, Connect) for leg in (effect.leg, effect.seat_leg)
        )
        await self._reconciler.heal(wanted, channels, bridges, [], at_once=True, passing=moving)
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
                self._outside.rang(note.leg)
            case EarlyMedia():
                self._outside.early(note.leg)
            case Answered():
                self.legs.change(note.leg, answered=True)
                self._direct.answered(note.leg)
                self._outside.answered(note.leg)
            case HungUp():
                self.legs.change(note.leg, hung=note.by)
            case Gone():
                self._leg_gone(note)
            case HeldByPhone():
                self._sound.excuse(note.leg)
                work = partial(self._calls.conversations.held_by_phone, note.leg, on=note.on)
                self._inputs.put(note.leg, work)
            case Flowed():
                self.legs.change(note.leg, flowed=True)
            case PromptOver():
                self.legs.prompts.pop(note.token, None)
                self._direct.prompt_over(note.token)
            case Referred():
                self._referring.asked(note)
            case LeftApp():
                self._reconciler.away.add(note.leg)

    def _leg_gone(self, note: Gone) -> None:
        leg = self.legs.gone(note.leg)
        self._reconciler.away.discard(note.leg)
        self._direct.gone(note)
        self._outside.gone(note.leg)
        self._referring.gone(note.leg)
        if leg is not None and (leg.hold or leg.snoop):
            self._commands.put(note.leg, lambda: self._calls.places.left(leg))

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
        if note.item:  # the dialplan marked him as waiting when it let us plan his call
            self.legs.change(note.leg, waiting=True)
        else:
            await self._calls.places.mark_waiting(note.leg, came)
        if note.leg in self._reconciler.away:  # he was with us before: the fall-back gave him back
            self._reconciler.away.discard(note.leg)
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
        await self._calls.places.set_variable(note.leg, "RINGSIDE_ITEM", reply.item)
        return await self._submit(LegArrived(note.leg), by="customer", via="asterisk")

    async def _continue(self, leg: str) -> None:
        """Let a caller who came back go on where he was."""
        with contextlib.suppress(AriError, AriLost):
            channels, bridges, _ = await self._reconciler.look()
            wanted = [want for want in await self._engine.wanted() if want.leg == leg]
            self.legs.change(leg, hold="")
            _, effects = resume(wanted, channels, bridges)
            self._calls.perform(effects)

    # --- comparing ---------------------------------------------------------------------------------------------------

    @property
    def repairs(self) -> dict[str, int]:
        """Repairs counted by this engine, by kind."""
        return self._reconciler.repairs

    async def _compare_often(self) -> None:
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
        """One comparison of belief and Asterisk."""
        connection = self._connection
        await self._reconciler.compare(lambda: self.ready and connection == self._connection)

    # --- the core ------------------------------------------------------------------------------------------------

    async def _by_phone(self, given: Input, seat: str) -> Reply | None:
        """What an agent did on his phone."""
        return await self._submit(given, by=seat, via="phone")

    async def _submit(self, given: Input, *, by: str = "system", via: str = "asterisk") -> Reply | None:
        """Give the core an input; None when the engine stepped down (this process is about to end)."""
        if isinstance(given, DirectCallStarted) and not given.found and given.kind is not DirectKind.DIRECT:
            by, via = given.seat, "phone"
        if isinstance(given, OutboundAsked | MoveMade):
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
