"""The decider: an input comes in, facts and a reply go out; effects follow from the facts.

`Core.decide` changes the state only by recording facts, so a decision may build on the one before it in the same
step. After each input `settle` works off whoever may now find something, so that nobody waits while an eligible seat
is free (I4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from acd.core import (
    conference,
    configuring,
    contacts,
    dialling,
    leading,
    leaving,
    offering,
    recording,
    sitting,
    speaking,
    watching,
)
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.codec import kind_of
from acd.core.effects import Effect
from acd.core.effects_of import effects_of
from acd.core.evolve import evolve
from acd.core.match import Index
from acd.core.model import Micros, OfferRule, Presence, State, WorkItem
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.seats import seen_state
from acd.core.timers import TimerWheel

_REBUILDS = (f.PolicyChanged, f.MediumChanged, f.StatusChanged, f.QueueChanged)


@dataclass(frozen=True, slots=True)
class Decision:
    """What one input led to. Facts are not yet durable: nothing of this may be shown or done before they are."""

    facts: tuple[f.Recorded, ...]
    reply: Reply
    effects: tuple[Effect, ...]


class Core:
    """State, index and the recording of facts. One instance, one writer, no clock."""

    def __init__(self, state: State, seq: int = 0, step: int = 0) -> None:
        self.timers = state.timers = TimerWheel(state.timers)
        self.state = state
        self.seq = seq
        self.step = step
        self.index = Index(state)
        self.stamp = i.Stamp(0)
        self._facts: list[f.Recorded] = []
        self._effects: list[Effect] = []
        self._seats: dict[str, None] = {}
        self._unseen: dict[str, None] = {}
        self._items: dict[str, None] = {}
        self._profiles: dict[str, None] = {}
        self._unoffered: dict[str, None] = {}
        self._rebuild = False

    @property
    def now(self) -> Micros:
        """The time of the input being decided."""
        return self.stamp.at

    def decide(self, given: i.Input, stamp: i.Stamp) -> Decision:
        """Decide one input.

        An exception may leave the state half-changed: the caller must throw this core away and build another from
        the facts. Refusals and no-ops record nothing, except that an input from an
        inbox row always leaves a fact, so that the row is never handled twice.
        """
        self.stamp = stamp
        self.step += 1
        self._facts, self._effects = [], []
        reply = handle(self, given)
        self._let_go()
        self._look_again()
        self.settle()
        self._see_seats()
        if stamp.inbox and not self._facts:
            self.record(f.InputNoted(kind_of(given), reply.code if isinstance(reply, Refused) else ""))
        return Decision(tuple(self._facts), reply, tuple(self._effects))

    def reject(self, kind: str, error: str, timer: str = "") -> tuple[f.Recorded, ...]:
        """Record that an input could not be taken, on a core that is whole; a timer that failed is not due again."""
        self._facts, self._effects = [], []
        self.record(f.InputRejected(kind, error, timer))
        return tuple(self._facts)

    def record(self, fact: f.Fact) -> None:
        """Decide this: change the state by it, keep it for the log, derive its effects."""
        self.seq += 1
        stamp = self.stamp
        recorded = f.Recorded(self.seq, stamp.at, self.step, stamp.by, stamp.via, stamp.inbox, fact)
        evolve(self.state, recorded)
        self._facts.append(recorded)
        self._effects.extend(effects_of(self.state, fact))
        self._touch(fact)

    def refuse(self, code: Code, say: str) -> Refused:
        """A refusal. Handlers refuse before they record anything."""
        return Refused(code, say)

    def touch_seat(self, seat_id: str) -> None:
        """Something about the seat changed by a fact that does not name it."""
        self._seats[seat_id] = None

    def new_id(self, letter: str) -> str:
        """An id never used before in this log; facts that carry one make the counter go on."""
        return f"{self.state.epoch}-{letter}{self.state.next_id}"

    # --- matching ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Lead out who waits for a line that has room, then offer until nobody waits while an eligible seat is free."""
        self._flush()
        if leading.lead_out(self):
            self._flush()
        while True:
            while self.index.dirty_seats:
                self._settle_seat(next(iter(self.index.dirty_seats)))
            item_id = self.index.next_item()
            if not item_id:
                return
            self._settle_item(item_id)

    def _let_go(self) -> None:
        """What waited until a seat holds nothing: a chosen status, a forced sign-out, its end."""
        for seat_id in list(self._seats):
            if seat_id in self.state.seats:
                sitting.holds_nothing(self, self.state.seats[seat_id])

    def _look_again(self) -> None:
        """Those whose offer came to nothing: they may have to leave their queue by now."""
        unoffered, self._unoffered = self._unoffered, {}
        for item_id in unoffered:
            leading.offer_over(self, item_id)

    def _settle_item(self, item_id: str) -> None:
        pick = self.index.best_seat(item_id)
        if pick is not None:
            offering.offer(self, item_id, pick.id, OfferRule.SEAT_FOR_ITEM, pick.score, pick.candidates)
            self._flush()

    def _settle_seat(self, seat_id: str) -> None:
        """Give the seat its next item, or rather give that item to the seat it suits best.

        Several seats may have become free at once: follow item → its best seat → that seat's best item until the two
        agree. With queue ranks this may go round in a circle; then the seat the circle closed at takes its item.
        """
        pick = self.index.best_item(seat_id)
        if pick is None:
            del self.index.dirty_seats[seat_id]
            return
        at, seen = seat_id, {seat_id: None}
        while (better := self.index.best_seat(pick.id)) is not None and better.id not in seen:
            following = self.index.best_item(better.id)
            if following is None:
                break
            at, pick = better.id, following
            seen[at] = None
        held = self.state.items[pick.id].sticky_seat
        rule = OfferRule.LAST_AGENT if held else OfferRule.ITEM_FOR_SEAT
        offering.offer(self, pick.id, at, rule, pick.score, pick.candidates)
        self._flush()

    # --- upkeep --------------------------------------------------------------------------------------------

    def _touch(self, fact: f.Fact) -> None:
        seat, item = getattr(fact, "seat", ""), getattr(fact, "item", "")
        if seat:
            self._seats[seat] = None
        if item:
            self._items[item] = None
        if isinstance(fact, f.SeatProfileChanged):
            self._profiles[fact.profile.id] = None
            self._seats[fact.profile.id] = None
        elif isinstance(fact, f.OfferEnded):
            self._unoffered[fact.item] = None
        elif isinstance(fact, f.SeatGone):
            self._profiles[fact.seat] = None
        elif isinstance(fact, f.DayBegan):
            self._seats.update(dict.fromkeys(self.state.seats))
        elif isinstance(fact, _REBUILDS):
            self._rebuild = True

    def _flush(self) -> None:
        """Bring the index up to the facts recorded so far."""
        if self._rebuild:
            self._seats.update(dict.fromkeys(self.state.seats))
            self.index.rebuild()
            self._rebuild = False
            self._profiles.clear()
        for seat_id in self._profiles:
            self.index.profile_changed(seat_id)
        for item_id in self._items:
            self.index.item_changed(item_id)
        self.index.lines_changed()
        for seat_id in self._seats:
            self.index.seat_changed(seat_id)
        self._unseen.update(self._seats)
        self._profiles.clear()
        self._items.clear()
        self._seats.clear()

    def _see_seats(self) -> None:
        """Record what is seen of every seat this step touched, where it differs from before."""
        for seat_id in list(self._unseen):
            seat = self.state.seats.get(seat_id)
            if seat is None:
                continue
            for presence in Presence:
                seen = seen_state(self.state, seat, presence)
                own = seat.presence(presence)
                if seen is not own.seen:
                    self.record(f.SeatChanged(seat_id, presence, seen, own.status))
        self._unseen.clear()
        self._seats.clear()

    def item(self, item_id: str) -> WorkItem | None:
        """The open item of that id; None for unknown and ended ones."""
        return self.state.items.get(item_id)


def handle(core: Core, given: i.Input) -> Reply:
    """Every input has its handler; which file holds it says what it is about."""
    match given:
        case i.CallEntered():
            return contacts.call_entered(core, given)
        case i.LegArrived():
            return contacts.leg_arrived(core, given)
        case i.ItemArrived():
            return contacts.item_arrived(core, given)
        case i.PromptEnded():
            return contacts.prompt_ended(core, given)
        case i.DigitPressed():
            return contacts.digit_pressed(core, given)
        case i.PartyLeft():
            return leaving.party_left(core, given)
        case i.ItemClosed():
            return contacts.item_closed(core, given)
        case i.MessageNoted():
            return contacts.message_noted(core, given)
        case i.FallbackTook():
            return contacts.fallback_took(core, given)
        case i.FallbackServed():
            return contacts.fallback_served(core, given)
        case i.RecordingStarted():
            return recording.recording_started(core, given)
        case i.RingSeen():
            return offering.ring_seen(core, given)
        case i.OfferAnswered():
            return offering.offer_answered(core, given)
        case i.OfferRefused():
            return offering.offer_refused(core, given)
        case i.MediaFlowed():
            return offering.media_flowed(core, given)
        case i.ItemPicked():
            return offering.item_picked(core, given)
        case i.MoveMade():
            return conference.move_made(core, given)
        case i.ConsultAsked():
            return conference.consult_asked(core, given)
        case i.TransferAsked():
            return conference.transfer_asked(core, given)
        case i.PhonesJoined():
            return conference.phones_joined(core, given)
        case i.CallHungUp():
            return conference.call_hung_up(core, given)
        case i.MuteAsked():
            return conference.mute_asked(core, given)
        case i.WatchAsked():
            return watching.watch_asked(core, given)
        case i.WatchLeft():
            return watching.watch_left(core, given)
        case i.PauseAsked():
            return recording.pause_asked(core, given)
        case i.ResumeAsked():
            return recording.resume_asked(core, given)
        case i.RecordingStopped():
            return recording.recording_stopped(core, given)
        case i.OutboundAsked():
            return dialling.outbound_asked(core, given)
        case i.SeatSignedIn():
            return sitting.seat_signed_in(core, given)
        case i.SeatSignedOut():
            return sitting.seat_signed_out(core, given)
        case i.PhoneChanged():
            return sitting.phone_changed(core, given)
        case i.StatusChosen():
            return sitting.status_chosen(core, given)
        case i.WrapUpEnded():
            return sitting.wrap_up_ended(core, given)
        case i.ServiceEnded():
            return sitting.service_ended(core, given)
        case i.DispositionSaved():
            return sitting.disposition_saved(core, given)
        case i.DirectCallStarted():
            return sitting.direct_call_started(core, given)
        case i.DirectCallAnswered():
            return sitting.direct_call_answered(core, given)
        case i.DirectCallEnded():
            return sitting.direct_call_ended(core, given)
        case i.ShiftChanged():
            return sitting.shift_changed(core, given)
        case i.TimerDue():
            return _timer_due(core, given)
        case i.RepairMade():
            core.record(f.Repaired(given.kind, given.subject))
            return Done()
        case i.EngineStarted():
            core.record(f.EngineTookOver(core.state.epoch or given.epoch, given.version))
            return Done()
        case _:
            return _handle_configuration(core, given)


def _handle_configuration(
    core: Core,
    given: i.PolicySet
    | i.MediumDefined
    | i.StatusDefined
    | i.QueueDefined
    | i.QueueRetired
    | i.QueueOpenChanged
    | i.MenuDefined
    | i.TrunkDefined
    | i.TrunkRetired
    | i.SeatProfileSet
    | i.SeatRetired
    | i.ConfigurationApplied
    | i.DayStarted,
) -> Reply:
    match given:
        case i.PolicySet():
            return configuring.policy_set(core, given)
        case i.MediumDefined():
            return configuring.medium_defined(core, given)
        case i.StatusDefined():
            return configuring.status_defined(core, given)
        case i.QueueDefined():
            return configuring.queue_defined(core, given)
        case i.QueueRetired():
            return configuring.queue_retired(core, given)
        case i.QueueOpenChanged():
            return configuring.queue_open_changed(core, given)
        case i.MenuDefined():
            return configuring.menu_defined(core, given)
        case i.TrunkDefined():
            return configuring.trunk_defined(core, given)
        case i.TrunkRetired():
            return configuring.trunk_retired(core, given)
        case i.SeatProfileSet():
            return configuring.seat_profile_set(core, given)
        case i.SeatRetired():
            return configuring.seat_retired(core, given)
        case i.ConfigurationApplied():
            if given.revision != core.state.revision:
                core.record(f.ConfigurationTaken(given.revision))
            return Done()
        case i.DayStarted():
            if given.day > core.state.day:
                core.record(f.DayBegan(given.day))
            return Done()
        case _:
            assert_never(given)


TIMERS = {
    "guard": contacts.guard_due,
    "menu": contacts.menu_due,
    "relax": contacts.relax_due,
    "say": speaking.say_due,
    "leave": leading.leave_due,
    "sticky": offering.last_agent_due,
    "offer": offering.offer_due,
    "invite": conference.invite_due,
    "dial": dialling.dial_due,
    "watch": watching.watch_due,
    "pause": recording.pause_due,
    "wrap": sitting.wrap_up_due,
    "back": sitting.back_off_due,
}
"""Timer kinds, the part of a timer's key before the first colon, and what happens when it is due."""


def _timer_due(core: Core, given: i.TimerDue) -> Reply:
    due = core.state.timers.get(given.key)
    if due is None or due != given.due or due > core.now:
        return Done(note="late")
    kind, _, subject = given.key.partition(":")
    TIMERS[kind](core, subject)
    return Done()
