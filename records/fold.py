"""Facts to rows, pure: what one fact changes in the case it is about.

A case is wholly in its rows, so facts may come in pieces of any size; a fact that a case has seen (by `last_seq`) is
passed over, so they may come twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acd.core import facts as f
from acd.core.model import DirectKind, Kind, Micros, Outcome, Party
from directory.catalog import CHANNEL_CLASSES
from records.explain import reason_of
from records.model import Case, Direction, Handling, Interaction, Leg, LegRole, Segment, ServiceRecord, Stretch

DIRECT_MEDIUM = "voice"

DIRECTIONS: dict[DirectKind, Direction] = {
    DirectKind.DIRECT: Direction.INBOUND,
    DirectKind.INTERNAL: Direction.INTERNAL,
    DirectKind.OUTBOUND: Direction.OUTBOUND,
}

PHONE_KINDS = frozenset({Kind.CALL, Kind.CALLBACK})

ItemFact = (
    f.Entered
    | f.Arrived
    | f.GreetingStarted
    | f.MenuStarted
    | f.MenuListened
    | f.MenuChose
    | f.Queued
    | f.Moved
    | f.LastAgentWaited
    | f.LastAgentReleased
    | f.Relaxed
    | f.MessagePassed
    | f.Requeued
    | f.Ended
    | f.Diverted
    | f.FallbackCallServed
    | f.Offered
    | f.RingStarted
    | f.OfferEnded
    | f.Accepted
    | f.MediaUp
    | f.RecordingBegan
    | f.HandlingEnded
    | f.WrapUpStarted
    | f.WrapUpTimed
    | f.WrapUpDisposed
    | f.WrapUpLeft
)
"""Facts about a contact that the core dispatches."""

DirectFact = f.DirectStarted | f.DirectAnswered | f.DirectEnded


@dataclass(frozen=True, slots=True)
class Rules:
    """What a fold needs from the directory: V2's switch."""

    outbound_record: bool = True


def case_id(fact: f.Fact) -> str:
    """The case a fact is about; empty for facts about seats, configuration and the engine."""
    if isinstance(fact, ItemFact):
        return fact.item
    if isinstance(fact, DirectFact):
        return fact.call
    return ""


def fold(case: Case | None, recorded: f.Recorded, rules: Rules) -> Case | None:
    """The case after this fact. None where the fact is about nothing known: its beginning was never stored."""
    fact = recorded.fact
    if case is not None and recorded.seq <= case.interaction.last_seq:
        return case
    if case is None:
        case = _open(fact, recorded.at, rules)
    if case is None:
        return None
    _apply(case, fact, recorded.at)
    settle(case)
    case.interaction.last_seq = recorded.seq
    return case


def _open(fact: f.Fact, at: Micros, rules: Rules) -> Case | None:
    match fact:
        case f.Entered():
            return _enter(fact, at)
        case f.FallbackCallServed():
            return _fallback(fact)
        case f.DirectStarted():
            return _direct(fact, at, rules)
        case _:
            return None


def _enter(fact: f.Entered, at: Micros) -> Case:
    interaction = Interaction(
        item=fact.item,
        number=fact.number,
        kind=fact.kind,
        medium=fact.medium,
        record=fact.record,
        direction=Direction.INBOUND,
        account=fact.plan.entry,
        queue=fact.plan.queue,
        address=fact.plan.address,
        contact=fact.plan.contact,
        leg=fact.leg,
        entered_at=at,
    )
    legs = [Leg(fact.item, fact.leg, LegRole.CUSTOMER, at)] if fact.leg else []
    return Case(interaction, legs=legs)


def _fallback(fact: f.FallbackCallServed) -> Case:
    interaction = Interaction(
        item=fact.item,
        number=fact.number,
        kind=Kind.CALL,
        medium=fact.plan.medium,
        record=fact.record,
        direction=Direction.INBOUND,
        account=fact.plan.entry,
        queue=fact.plan.queue,
        address=fact.plan.address,
        contact=fact.plan.contact,
        leg=fact.leg,
        entered_at=fact.entered_at,
    )
    return Case(interaction, legs=[Leg(fact.item, fact.leg, LegRole.CUSTOMER, fact.entered_at)])


def _direct(fact: f.DirectStarted, at: Micros, rules: Rules) -> Case:
    direction = DIRECTIONS[fact.kind]
    interaction = Interaction(
        item=fact.call,
        number=0,
        kind=Kind.CALL,
        medium=DIRECT_MEDIUM,
        record=f"r-{fact.call}",
        direction=direction,
        account="",
        queue="",
        address="" if direction is Direction.INTERNAL else fact.peer,
        contact="",
        leg=fact.leg,
        entered_at=at,
        phase="offered",
        seat=fact.seat,
        recorded_outbound=rules.outbound_record,
    )
    return Case(interaction, legs=[Leg(fact.call, fact.leg, LegRole.SEAT, at, seat=fact.seat)])


# --- one fact ----------------------------------------------------------------------------------------------------


def _apply(case: Case, fact: f.Fact, at: Micros) -> None:
    item = case.interaction
    match fact:
        case f.Entered() | f.DirectStarted():
            pass  # what they say is in the case they opened
        case f.Arrived():
            item.arrived_at = at
            _leg(case, item.leg, lambda leg: _answered(leg, at))
            _begin(case, Stretch.IVR, at)
        case f.GreetingStarted():
            item.phase = "greeting"
        case f.MenuStarted() | f.MenuListened() | f.MenuChose():
            item.phase = "menu"
        case f.Queued():
            item.queued_at = item.queued_at or at
            _wait(case, fact.queue, at)
        case f.Moved():
            _wait(case, fact.queue, at, left="moved")
        case f.Requeued():
            item.requeues += 1
            _wait(case, fact.queue, at)
        case f.MessagePassed():
            _message(item, fact.side)
        case f.Ended():
            _ended(case, fact, at)
        case f.Diverted():
            item.phase = "diverted"
        case f.FallbackCallServed():
            _fallback_served(case, fact)
        case f.RecordingBegan():
            item.recording = fact.recording
        case f.DirectAnswered():
            _answer(case, fact.seat, at, offer=fact.call, media_up_at=at)
        case f.DirectEnded():
            _direct_ended(case, fact, at)
        case _:
            _apply_offer(case, fact, at)


def _apply_offer(case: Case, fact: f.Fact, at: Micros) -> None:
    item = case.interaction
    match fact:
        case f.Offered():
            item.phase, item.queue = "offered", fact.queue
            item.offered_at = item.offered_at or at
            item.offers += 1
            case.segments.append(
                Segment(item.item, len(case.segments), Stretch.OFFER, at, fact.queue, fact.seat, fact.offer)
            )
        case f.RingStarted():
            _offer_segment(case, fact.offer, lambda segment: _ring(segment, at))
            _seat_leg(case, fact.offer, fact.seat, at)
        case f.OfferEnded():
            _offer_ended(case, fact, at)
        case f.Accepted():
            item.recording = fact.recording or item.recording
            _offer_segment(case, fact.offer, lambda segment: _close(segment, at, "accepted"))
            _finish(case, Stretch.QUEUE, at, "accepted")
            _answer(case, fact.seat, at, offer=fact.offer, queue=fact.queue, medium=fact.medium)
        case f.MediaUp():
            item.media_up_at = item.media_up_at or at
            _change(_handling(case, fact.seat, _talks), "media_up_at", at)
        case f.HandlingEnded():
            _handling_ended(case, _handling(case, fact.seat, _talks), at, fact.who)
        case f.WrapUpStarted():
            _change(_handling(case, fact.seat, _is_past), "wrap_up_at", at)
            case.segments.append(Segment(item.item, len(case.segments), Stretch.WRAP_UP, at, fact.queue, fact.seat))
        case f.WrapUpTimed():
            _change(_handling(case, fact.seat, _wraps_up), "finished_at", at)
        case f.WrapUpDisposed():
            _change(_handling(case, fact.seat, _wraps_up) or _handling(case, fact.seat, _talks), "disposed_at", at)
        case f.WrapUpLeft():
            _wrap_up_left(case, fact, at)
        case _:
            pass  # LastAgentWaited, LastAgentReleased, Relaxed: they change who may serve, no row of a contact


def _wait(case: Case, queue: str, at: Micros, left: str = "") -> None:
    item = case.interaction
    _finish(case, Stretch.IVR, at)
    _finish(case, Stretch.QUEUE, at, left)
    item.phase, item.queue, item.seat = "waiting", queue, ""
    case.segments.append(Segment(item.item, len(case.segments), Stretch.QUEUE, at, queue))


def _begin(case: Case, kind: Stretch, at: Micros) -> None:
    case.segments.append(Segment(case.interaction.item, len(case.segments), kind, at))


def _message(item: Interaction, side: Party) -> None:
    if side is Party.CUSTOMER:
        item.messages_customer += 1
    elif side is Party.SEAT:
        item.messages_seat += 1


def _answer(
    case: Case, seat: str, at: Micros, *, offer: str, queue: str = "", medium: str = "", media_up_at: Micros = 0
) -> None:
    """A seat is with the customer: its handling, its talk and, for a phone, its leg."""
    item = case.interaction
    item.phase, item.seat = "active", seat
    item.accepted_at = item.accepted_at or at
    item.media_up_at = item.media_up_at or media_up_at
    case.handlings.append(
        Handling(
            item=item.item,
            ordinal=len(case.handlings),
            seat=seat,
            queue=queue,
            medium=medium or item.medium,
            offer=offer,
            accepted_at=at,
            media_up_at=media_up_at,
        )
    )
    case.segments.append(Segment(item.item, len(case.segments), Stretch.TALK, at, queue, seat, offer))
    if offer != item.item and item.kind in PHONE_KINDS:
        _seat_leg(case, offer, seat, at)
        _leg(case, offer, lambda leg: _answered(leg, at))
    elif offer == item.item:
        _leg(case, item.leg, lambda leg: _answered(leg, at))


def _handling_ended(case: Case, handling: Handling | None, at: Micros, who: str) -> None:
    if handling is None:
        return
    handling.ended_at, handling.ended_by = at, who
    for segment in case.segments:
        if segment.kind == Stretch.TALK and segment.subject == handling.offer and not segment.ended_at:
            _close(segment, at, who)
    _leg(case, handling.offer, lambda leg: _gone(leg, at))


def _offer_ended(case: Case, fact: f.OfferEnded, at: Micros) -> None:
    case.interaction.phase = "waiting"
    _offer_segment(case, fact.offer, lambda segment: _close(segment, at, fact.result))
    _leg(case, fact.offer, lambda leg: _gone(leg, at, fact.sip, fact.q850))


def _wrap_up_left(case: Case, fact: f.WrapUpLeft, at: Micros) -> None:
    handling = _handling(case, fact.seat, _wraps_up)
    if handling is not None:
        handling.wrap_up_ended_at, handling.wrap_up_how = at, fact.how
    for segment in case.segments:
        if segment.kind == Stretch.WRAP_UP and segment.seat == fact.seat and not segment.ended_at:
            _close(segment, at, fact.how)


def _ended(case: Case, fact: f.Ended, at: Micros) -> None:
    _over(case, at, fact.outcome, fact.who, fact.sip, fact.q850)
    case.interaction.not_before = fact.not_before
    case.interaction.exact = not fact.not_before


def _over(case: Case, at: Micros, outcome: Outcome, who: Party, sip: int = 0, q850: int = 0) -> None:
    item = case.interaction
    item.phase, item.ended_at, item.outcome, item.ended_by = "ended", at, outcome, who
    item.sip, item.q850 = sip, q850
    for stretch in (Stretch.IVR, Stretch.QUEUE):
        _finish(case, stretch, at, outcome)
    _leg(case, item.leg, lambda leg: _gone(leg, at, sip, q850))


def _direct_ended(case: Case, fact: f.DirectEnded, at: Micros) -> None:
    _handling_ended(case, _handling(case, fact.seat, _talks), at, fact.who)
    _over(case, at, fact.outcome, fact.who, fact.sip, fact.q850)


def _fallback_served(case: Case, fact: f.FallbackCallServed) -> None:
    """The dialplan's plain queue had the call, from the start or after we lost it; the times are its own, by
    another clock: none comes before what we saw ourselves."""
    item = case.interaction
    item.fallback, item.exact = True, fact.exact
    began = max(fact.entered_at, item.entered_at)
    item.queued_at = item.queued_at or began
    answered_at = max(fact.answered_at, began, item.queued_at)
    ended_at = max(fact.ended_at, answered_at if fact.answered_at else item.queued_at)
    if not any(segment.kind == Stretch.QUEUE and not segment.ended_at for segment in case.segments):
        _finish(case, Stretch.IVR, began)
        case.segments.append(Segment(item.item, len(case.segments), Stretch.QUEUE, began, item.queue))
    if fact.answered_at:
        _finish(case, Stretch.QUEUE, answered_at, "accepted")
        _answer(case, fact.seat, answered_at, offer="", queue=item.queue, media_up_at=answered_at)
        _handling_ended(case, case.handlings[-1], ended_at, Party.SYSTEM)
    _over(case, ended_at, fact.outcome, Party.SYSTEM)


# --- parts ---------------------------------------------------------------------------------------------------------


def _close(segment: Segment, at: Micros, result: str = "") -> None:
    segment.ended_at, segment.result = at, result


def _ring(segment: Segment, at: Micros) -> None:
    segment.rung_at = segment.rung_at or at


def _finish(case: Case, kind: Stretch, at: Micros, result: str = "") -> None:
    for segment in case.segments:
        if segment.kind == kind and not segment.ended_at:
            _close(segment, at, result)


def _offer_segment(case: Case, offer: str, change: Callable[[Segment], None]) -> None:
    for segment in case.segments:
        if segment.kind == Stretch.OFFER and segment.subject == offer:
            change(segment)


def _handling(case: Case, seat: str, test: Callable[[Handling], bool]) -> Handling | None:
    """The seat's last handling that is in that stage."""
    return next((one for one in reversed(case.handlings) if one.seat == seat and test(one)), None)


def _talks(handling: Handling) -> bool:
    return not handling.ended_at


def _is_past(handling: Handling) -> bool:
    return bool(handling.ended_at) and not handling.wrap_up_at


def _wraps_up(handling: Handling) -> bool:
    return bool(handling.wrap_up_at) and not handling.wrap_up_ended_at


def _change(handling: Handling | None, what: str, at: Micros) -> None:
    """Set a time of the handling that is not set yet."""
    if handling is not None and not getattr(handling, what):
        setattr(handling, what, at)


def _seat_leg(case: Case, offer: str, seat: str, at: Micros) -> None:
    item = case.interaction
    if offer and not any(leg.leg == offer for leg in case.legs):
        case.legs.append(Leg(item.item, offer, LegRole.SEAT, at, seat=seat))


def _leg(case: Case, name: str, change: Callable[[Leg], None]) -> None:
    for leg in case.legs:
        if leg.leg == name:
            change(leg)


def _answered(leg: Leg, at: Micros) -> None:
    leg.answered_at = leg.answered_at or at


def _gone(leg: Leg, at: Micros, sip: int = 0, q850: int = 0) -> None:
    if not leg.ended_at:
        leg.ended_at, leg.sip, leg.q850 = at, sip, q850


# --- the service record --------------------------------------------------------------------------------------------


def wants_record(item: Interaction) -> bool:
    """Whether a connected contact opens a service record by itself: all do, but calls between seats are no contact
    with a customer, and V2's switch holds for outbound calls."""
    if item.direction == Direction.OUTBOUND:
        return item.recorded_outbound
    return item.direction != Direction.INTERNAL


def settle(case: Case) -> None:
    """Bring the service record and the reason up to the rest of the case."""
    item = case.interaction
    if case.handlings and (case.record is not None or wants_record(item)):
        case.record = record_of(case)
    item.reason = "" if case.record is not None else reason_of(item)


def record_of(case: Case) -> ServiceRecord:
    """The service record of a connected contact, from its handlings (R2)."""
    item, handlings = case.interaction, case.handlings
    last = handlings[-1]
    over = bool(item.ended_at) and all(handling.ended_at for handling in handlings)
    ends = [handling.finished_at or handling.over_at for handling in handlings]
    return ServiceRecord(
        id=item.record,
        item=item.item,
        seat=last.seat,
        queue=last.queue,
        direction=item.direction,
        channel_class=CHANNEL_CLASSES.get(item.medium, item.medium),
        channel=item.medium,
        account=item.account,
        address=item.address,
        contact=item.contact,
        contact_at=item.queued_at or item.entered_at,
        service_start_at=handlings[0].started_at,
        conversation_end_at=max(handling.ended_at for handling in handlings) if over else 0,
        service_end_at=max(ends) if over and all(ends) else 0,
        disposed_at=max(handling.disposed_at for handling in handlings),
    )
