"""Seats: sign-in, status, phone, wrap-up by hand, direct calls, shifts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import dialling, offering
from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import (
    DirectKind,
    OfferResult,
    Outcome,
    Party,
    Presence,
    Seat,
    State,
    WrapUp,
    WrapUpEnding,
)
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.seats import DIRECT_MEDIUM, block_by_hand

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")


def _unknown(core: Core, seat_id: str) -> Refused:
    return core.refuse(Code.UNKNOWN_SEAT, f"seat {seat_id} does not exist; see `ringside seat list`")


def seat_signed_in(core: Core, given: i.SeatSignedIn) -> Reply:
    """Sign in; again is a no-op, so that a reload changes no idle time and no history."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return _unknown(core, given.seat)
    if seat.signed_in_at:
        return LATE
    voice, text = (_status_after_login(core.state, presence) for presence in (Presence.VOICE, Presence.TEXT))
    core.record(f.SignedIn(given.seat, given.device, voice, text, _total_to_join_at(core.state, seat), core.state.day))
    return Done()


def _status_after_login(state: State, presence: Presence) -> str:
    of_presence = [one for one in state.statuses.values() if one.presence is presence and not one.retired]
    chosen = [status for status in of_presence if status.after_login]
    quiet = [status for status in of_presence if not status.auto_offer]
    return next((status.id for status in (*chosen, *quiet)), "")


def _total_to_join_at(state: State, seat: Seat) -> int:
    """Who was here today goes on counting; who joins late starts at the mean of those present, rounded down."""
    if seat.total_day == state.day and seat.total:
        return seat.total
    return state.online_total // state.online if state.online else 0


def seat_signed_out(core: Core, given: i.SeatSignedOut) -> Reply:
    """Sign out: refused while something is held; an open offer goes to the next seat. Forced: it goes when it holds
    nothing any more, and nothing new is given to it."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return _unknown(core, given.seat)
    if not seat.signed_in_at:
        return LATE
    busy = seat.handlings or seat.directs or seat.watching
    if busy and given.forced:
        return _go_later(core, seat)
    if busy:
        return core.refuse(Code.SEAT_BUSY, "finish or hand over what the seat is serving first")
    if not given.forced and any(_must_dispose(done) for done in seat.wrap_ups.values()):
        return core.refuse(Code.DISPOSITION_REQUIRED, "save the disposition of the last contact first")
    go(core, seat)
    return Done()


def _go_later(core: Core, seat: Seat) -> Reply:
    if not seat.leaving:
        core.record(f.SignOutPended(seat.profile.id))
    return Done(note="pending")


def go(core: Core, seat: Seat) -> None:
    """The seat is out: what rings there goes on to the next, its wrap-up is over."""
    seat_id = seat.profile.id
    for offer_id in list(seat.offers):
        offering.take_back(core, offer_id, OfferResult.REJECTED, Party.SEAT)
    for item_id in list(seat.wrap_ups):
        core.record(f.WrapUpLeft(item_id, seat_id, "signed_out"))
    offering.release_held_for(core, seat_id)
    core.record(f.SignedOut(seat_id))
    _go_if_retiring(core, seat)


def holds_nothing(core: Core, seat: Seat) -> None:
    """What was to be done once the seat holds nothing: a forced sign-out (wrap-up does not stop it), a status chosen
    meanwhile, and the end of a seat that was taken out of use."""
    if seat.leaving and not (seat.handlings or seat.directs or seat.watching):
        go(core, seat)
        return
    if seat.signed_in_at:
        offering.apply_pending(core, seat.profile.id)
    _go_if_retiring(core, seat)


def in_use(seat: Seat) -> bool:
    """Somebody sits there, or a call goes on there."""
    return bool(seat.signed_in_at or seat.handlings or seat.directs or seat.offers or seat.wrap_ups or seat.watching)


def _go_if_retiring(core: Core, seat: Seat) -> None:
    if seat.retiring and not in_use(seat):
        core.record(f.SeatGone(seat.profile.id))


def phone_changed(core: Core, given: i.PhoneChanged) -> Reply:
    """The phone came or went. Without it the seat is not offered calls, and what rings there goes on to the next."""
    seat = core.state.seats.get(given.seat)
    if seat is None or seat.reachable == given.reachable:
        return LATE
    if given.reachable:
        core.record(f.PhoneReached(given.seat, True, given.reason))
    else:
        phone_lost(core, given.seat, given.reason)
    return Done()


def phone_lost(core: Core, seat_id: str, reason: str) -> None:
    """The seat's phone is there no more. The seat is known and was reachable."""
    core.record(f.PhoneReached(seat_id, False, reason))
    offers = core.state.seats[seat_id].offers
    for offer_id in [offer for offer, medium in offers.items() if core.state.media[medium].needs_phone]:
        offering.take_back(core, offer_id, OfferResult.UNREACHABLE, Party.SYSTEM)


def phone_replaced(core: Core, seat_id: str) -> None:
    """The seat has another phone from now on: what rings at the old one rings for nobody, and ends. (How that ended for
    a phone that is merely gone, the telephone side tells.) Calls that go on there go on."""
    phone_lost(core, seat_id, "another_extension")
    seat = core.state.seats[seat_id]
    for item in [core.state.items[one] for one in seat.handlings]:
        if item.seat_rings:
            dialling.give_up(core, item, Outcome.CANCELLED, Party.SYSTEM)
    for leg, item_id in list(seat.watching.items()):
        if not core.state.items[item_id].watchers[leg].answered_at:
            core.record(f.WatchEnded(item_id, seat_id, leg, str(OfferResult.UNREACHABLE)))


def status_chosen(core: Core, given: i.StatusChosen) -> Reply:
    """A status chosen by hand: at once where the seat is free, after the call where it is not (S1).

    In wrap-up it ends wrap-up (V4), unless the disposition is still to be saved.
    """
    seat = core.state.seats.get(given.seat)
    status = core.state.statuses.get(given.status)
    if seat is None:
        return _unknown(core, given.seat)
    if status is None or status.presence is not given.presence or status.retired:
        return core.refuse(Code.UNKNOWN_STATUS, f"there is no {given.presence} status {given.status}")
    if not seat.signed_in_at:
        return core.refuse(Code.SIGNED_OUT, "sign in first")
    if given.presence is Presence.TEXT:
        core.record(f.StatusSet(given.seat, given.presence, given.status))
        return Done()
    return _choose_voice(core, seat, given)


def _choose_voice(core: Core, seat: Seat, given: i.StatusChosen) -> Reply:
    media = core.state.media
    held = [own.medium for own in seat.handlings.values()] + list(seat.offers.values())
    if seat.directs or any(media[medium].presence is Presence.VOICE for medium in held):
        core.record(f.StatusPended(given.seat, given.presence, given.status))
        return Done(note="pending")
    wrapping = [done for done in seat.wrap_ups.values() if media[done.medium].presence is Presence.VOICE]
    if any(_must_dispose(done) for done in wrapping):
        return core.refuse(Code.DISPOSITION_REQUIRED, "save the disposition first; the form is open")
    for done in wrapping:
        core.record(f.WrapUpLeft(done.item, given.seat, "by_hand"))
    core.record(f.StatusSet(given.seat, given.presence, given.status))
    return Done()


def _must_dispose(done: WrapUp) -> bool:
    return done.rule.forced and not done.disposition_saved


def wrap_up_ended(core: Core, given: i.WrapUpEnded) -> Reply:
    """V4: by hand, at any time, unless the rule is forced and the disposition is not saved (R3)."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return _unknown(core, given.seat)
    wanted = [done for done in seat.wrap_ups.values() if given.item in ("", done.item)]
    if not wanted:
        return core.refuse(Code.NOT_IN_WRAP_UP, "the seat is not in wrap-up")
    if any(_must_dispose(done) for done in wanted):
        return core.refuse(Code.DISPOSITION_REQUIRED, "save the disposition first; the form is open")
    for done in wanted:
        offering.leave_wrap_up(core, given.seat, done.item, "by_hand")
    return Done()


def service_ended(core: Core, given: i.ServiceEnded) -> Reply:
    """V3: the service is finished and the workspace left; after the rule's time the seat is ready again."""
    done = _wrap_up_of(core.state, given.seat, given.item)
    if done is None:
        return core.refuse(Code.NOT_IN_WRAP_UP, "the conversation is not over, or wrap-up already is")
    if done.service_ended:
        return LATE
    timed = done.rule.ending is WrapUpEnding.SERVICE_TIMER
    core.record(f.WrapUpTimed(given.item, given.seat, core.now + done.rule.after if timed else done.ends_at))
    return Done(item=given.item)


def disposition_saved(core: Core, given: i.DispositionSaved) -> Reply:
    """The disposition is saved, during the call or after it; it may be what ends wrap-up."""
    seat = core.state.seats.get(given.seat)
    done = _wrap_up_of(core.state, given.seat, given.item)
    if seat is None or (done is None and given.item not in seat.handlings):
        return LATE
    core.record(f.WrapUpDisposed(given.item, given.seat))
    if done is not None and done.rule.ending is WrapUpEnding.DISPOSITION:
        offering.leave_wrap_up(core, given.seat, given.item, "disposition")
    return Done(item=given.item)


def _wrap_up_of(state: State, seat_id: str, item_id: str) -> WrapUp | None:
    seat = state.seats.get(seat_id)
    return seat.wrap_ups.get(item_id) if seat else None


def wrap_up_due(core: Core, subject: str) -> None:
    """The wrap-up timer ran out. Item ids hold no colon, seat ids may."""
    seat_id, _, item_id = subject.rpartition(":")
    done = core.state.seats[seat_id].wrap_ups[item_id]
    offering.leave_wrap_up(core, seat_id, item_id, str(done.rule.ending))


def back_off_due(core: Core, subject: str) -> None:
    """The seat may be offered to again."""
    seat_id, _, presence = subject.rpartition(":")
    core.record(f.BackOffEnded(seat_id, Presence(presence)))


def direct_call_started(core: Core, given: i.DirectCallStarted) -> Reply:
    """A call no queue gave makes the seat busy; what was ringing there goes on to the next seat."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return _unknown(core, given.seat)
    if given.call in core.state.directs:
        return LATE
    refusal = None if given.found else _forbidden(core, seat, given)
    if refusal is not None:
        return refusal
    for offer_id in [offer for offer, medium in seat.offers.items() if core.state.media[medium].needs_phone]:
        offering.take_back(core, offer_id, OfferResult.WITHDRAWN, Party.SEAT)
    core.record(f.DirectStarted(given.call, given.seat, given.kind, given.leg, given.peer))
    return Done()


def _forbidden(core: Core, seat: Seat, given: i.DirectCallStarted) -> Refused | None:
    """The status's flags decide (decided 2); a seat that is signed out may still call inside."""
    status = core.state.statuses.get(seat.voice.status)
    medium = core.state.media.get(DIRECT_MEDIUM)
    if given.kind is DirectKind.OUTBOUND and not (status and status.outbound_allowed):
        return core.refuse(Code.OUTBOUND_NOT_ALLOWED, "this status allows no outbound calls")
    if given.kind is not DirectKind.DIRECT and not given.called:
        return None
    if status is not None and not status.accept_direct:
        return core.refuse(Code.DIRECT_NOT_ACCEPTED, "the seat takes no direct calls now")
    if seat.directs:
        return core.refuse(Code.SEAT_BUSY, "the seat is busy")
    if medium and seat.signed_in_at and block_by_hand(core.state, seat, medium) is not None:
        return core.refuse(Code.SEAT_BUSY, "the seat is busy")
    return None


def direct_call_answered(core: Core, given: i.DirectCallAnswered) -> Reply:
    """The other end of a direct call answered."""
    seat_id = core.state.directs.get(given.call)
    if seat_id is None or core.state.seats[seat_id].directs[given.call].answered_at:
        return LATE
    core.record(f.DirectAnswered(given.call, seat_id))
    return Done()


def direct_call_ended(core: Core, given: i.DirectCallEnded) -> Reply:
    """A direct call is over; a status chosen meanwhile holds now."""
    seat_id = core.state.directs.get(given.call)
    if seat_id is None:
        return LATE
    kind = core.state.seats[seat_id].directs[given.call].kind
    policy = core.state.policy
    resets = policy.idle_reset_outbound if kind is DirectKind.OUTBOUND else policy.idle_reset_direct
    core.record(
        f.DirectEnded(given.call, seat_id, kind, given.outcome, given.who, resets, given.sip, given.q850),
    )
    offering.apply_pending(core, seat_id)
    _go_if_retiring(core, core.state.seats[seat_id])
    return Done()


def shift_changed(core: Core, given: i.ShiftChanged) -> Reply:
    """S9: an off-shift seat gets neither dispatch nor notification."""
    seat = core.state.seats.get(given.seat)
    if seat is None:
        return _unknown(core, given.seat)
    if seat.on_shift != given.on_shift:
        core.record(f.ShiftSet(given.seat, given.on_shift))
    return Done()
