"""Facts to rows, pure: what one fact changes in the cases it is about.

A case is wholly in its rows, so facts may come in pieces of any size; a fact that a case has seen (by `last_seq`) is
passed over, so they may come twice. What a conversation changes is in records.talks.
"""

from __future__ import annotations

from collections.abc import MutableMapping

from acd.core import facts as f
from acd.core.model import Kind, Micros, Outcome, Party
from acd.core.shapes import Shape
from records import parts, talks
from records.model import Case, Interaction, LegRole, MarkKind, Stretch, TransferKind
from records.opening import Rules, open_case
from records.settling import record_of, settle, wants_record
from records.talks import TalkFact

PHONE_KINDS = frozenset({Kind.CALL, Kind.CALLBACK})

WaitFact = (
    f.Entered
    | f.OutboundStarted
    | f.Arrived
    | f.GreetingStarted
    | f.MenuStarted
    | f.MenuListened
    | f.MenuChose
    | f.SayingStarted
    | f.VoicemailStarted
    | f.VoicemailListened
    | f.VoicemailLeft
    | f.CallbackTaken
    | f.PlaceKept
    | f.Announced
    | f.LongestWaitOver
    | f.PlanReplaced
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
)
"""Facts about where a contact is led."""

ServedFact = (
    f.Offered
    | f.RingStarted
    | f.OfferEnded
    | f.Accepted
    | f.MediaUp
    | f.HandlingEnded
    | f.WrapUpStarted
    | f.WrapUpTimed
    | f.WrapUpDisposed
    | f.WrapUpLeft
)
"""Facts about the seats that are offered a contact or serve it."""

ItemFact = WaitFact | ServedFact | TalkFact
"""Facts about a contact that the core dispatches."""

DirectFact = f.DirectStarted | f.DirectAnswered | f.DirectEnded

STRETCHES_OF_WAITING = (Stretch.IVR, Stretch.QUEUE, Stretch.VOICEMAIL)


def case_id(fact: f.Fact) -> str:
    """The case a fact is about; empty for facts about seats, configuration and the engine."""
    if isinstance(fact, ItemFact):
        return fact.item
    if isinstance(fact, DirectFact):
        return fact.call
    return ""


def case_ids(fact: f.Fact) -> tuple[str, ...]:
    """Every case a fact changes: its own, and the task that came of it."""
    mine = case_id(fact)
    if isinstance(fact, f.VoicemailLeft | f.CallbackTaken) and fact.task:
        return mine, fact.task
    return (mine,) if mine else ()


def fold(case: Case | None, recorded: f.Recorded, rules: Rules) -> Case | None:
    """The case after this fact. None where the fact is about nothing known: its beginning was never stored."""
    fact = recorded.fact
    if case is not None and recorded.seq <= case.interaction.last_seq:
        return case
    if case is None:
        case = open_case(fact, recorded.at, rules)
    if case is None:
        return None
    if case.interaction.item == case_id(fact):
        _apply(case, recorded)
        settle(case)
    elif isinstance(fact, f.VoicemailLeft | f.CallbackTaken):
        _descends(case.interaction, fact)
    case.interaction.last_seq = recorded.seq
    return case


def fold_into(cases: MutableMapping[str, Case], recorded: f.Recorded, rules: Rules) -> None:
    """Bring every case the fact is about up to it; `cases` are by item."""
    for item in case_ids(recorded.fact):
        case = fold(cases.get(item), recorded, rules)
        if case is not None:
            cases[item] = case


def _descends(task: Interaction, fact: f.VoicemailLeft | f.CallbackTaken) -> None:
    """The task names the contact it came from; a callback that is open already keeps the first."""
    task.origin = task.origin or fact.item
    if isinstance(fact, f.VoicemailLeft):
        task.recording = task.recording or fact.recording


def _apply(case: Case, recorded: f.Recorded) -> None:
    fact = recorded.fact
    if isinstance(fact, WaitFact):
        _apply_wait(case, fact, recorded.at)
    elif isinstance(fact, ServedFact):
        _apply_served(case, fact, recorded.at)
    elif isinstance(fact, TalkFact):
        talks.apply_talk(case, fact, recorded)
    elif isinstance(fact, DirectFact):
        _apply_direct(case, fact, recorded.at)


# --- where a contact is led ----------------------------------------------------------------------------------------


def _apply_wait(case: Case, fact: WaitFact, at: Micros) -> None:
    item = case.interaction
    match fact:
        case f.Arrived():
            item.arrived_at = at
            parts.leg_answered(case, item.leg, at)
            parts.begin(case, Stretch.IVR, at)
        case f.GreetingStarted():
            item.phase = "greeting"
            _in_menu(case, at, "")
        case f.MenuStarted():
            item.phase = "menu"
            _in_menu(case, at, "menu")
        case f.MenuChose():
            parts.mark(case, MarkKind.KEY, at, fact.menu, fact.digit)
        case f.SayingStarted():
            item.phase = "saying"
            _in_menu(case, at, fact.outcome)
        case f.VoicemailStarted():
            item.phase, item.queue = "voicemail", fact.queue
            _finish_waiting(case, at, Outcome.VOICEMAIL)
            parts.begin(case, Stretch.VOICEMAIL, at, fact.queue)
        case f.VoicemailListened():
            item.recording = fact.recording
        case f.VoicemailLeft():
            parts.mark(case, MarkKind.VOICEMAIL, at, fact.task, fact.recording)
        case f.CallbackTaken():
            parts.mark(case, MarkKind.CALLBACK, at, fact.task)
        case f.Announced():
            position = str(fact.position) if fact.position else ""
            parts.mark(case, MarkKind.ANNOUNCED, at, fact.queue, position, fact.wait)
        case f.LongestWaitOver():
            if not any(one.kind == MarkKind.LONGEST_WAIT and one.subject == fact.queue for one in case.marks):
                parts.mark(case, MarkKind.LONGEST_WAIT, at, fact.queue)
        case f.PlanReplaced():
            parts.mark(case, MarkKind.ENTRY, at, fact.plan.entry)
            talks.led_on(case, at, TransferKind.ENTRY, fact.plan.entry)
            _in_menu(case, at, "transferred", fact.plan.entry)
        case f.Queued():
            item.queued_at = item.queued_at or at
            talks.led_on(case, at, TransferKind.QUEUE, fact.queue)
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
            talks.talk_over(case, at, "diverted")
        case f.FallbackCallServed():
            _fallback_served(case, fact)
        case _:
            pass  # what they say is in the case they opened, or changes who may serve and no row of a contact


def _in_menu(case: Case, at: Micros, left: str, entry: str = "") -> None:
    """He hears prompts: in no queue any more, in a stretch of the menu's."""
    parts.finish(case, Stretch.QUEUE, at, left)
    case.interaction.shape = Shape.NONE
    if not parts.is_open(case, Stretch.IVR):
        parts.begin(case, Stretch.IVR, at, subject=entry)


def _finish_waiting(case: Case, at: Micros, result: str) -> None:
    for stretch in STRETCHES_OF_WAITING:
        parts.finish(case, stretch, at, result)


def _wait(case: Case, queue: str, at: Micros, left: str = "") -> None:
    item = case.interaction
    parts.finish(case, Stretch.IVR, at)
    parts.finish(case, Stretch.QUEUE, at, left)
    item.phase, item.queue, item.seat = "waiting", queue, ""
    item.shape = Shape.NONE
    parts.begin(case, Stretch.QUEUE, at, queue)


def _message(item: Interaction, side: Party) -> None:
    if side is Party.CUSTOMER:
        item.messages_customer += 1
    elif side is Party.SEAT:
        item.messages_seat += 1


def _ended(case: Case, fact: f.Ended, at: Micros) -> None:
    item = case.interaction
    _over(case, at, fact.outcome, fact.who, fact.sip or item.sip, fact.q850 or item.q850)
    item.not_before = fact.not_before or item.not_before
    item.exact = not item.not_before


def _over(case: Case, at: Micros, outcome: Outcome, who: Party, sip: int = 0, q850: int = 0) -> None:
    item = case.interaction
    item.phase, item.ended_at, item.outcome, item.ended_by = "ended", at, outcome, who
    item.sip, item.q850, item.paused = sip, q850, False
    _finish_waiting(case, at, outcome)
    talks.talk_over(case, at, outcome)
    parts.leg_gone(case, item.leg, at, sip, q850)
    for leg in case.legs:
        leg.ended_at = leg.ended_at or at


def _fallback_served(case: Case, fact: f.FallbackCallServed) -> None:
    """The dialplan's plain queue had the call, from the start or after we lost it; the times are its own, by
    another clock: none comes before what we saw ourselves."""
    item = case.interaction
    item.fallback, item.exact = True, fact.exact
    waits = [one for one in case.segments if one.kind == Stretch.QUEUE]
    seen = [max(one.started_at, one.ended_at) for one in waits]
    began = max(item.entered_at, *seen, 0 if parts.is_open(case, Stretch.QUEUE) else fact.entered_at)
    item.queued_at = item.queued_at or began
    answered_at = max(fact.answered_at, began)
    ended_at = max(fact.ended_at, answered_at if fact.answered_at else began)
    if not parts.is_open(case, Stretch.QUEUE):
        parts.finish(case, Stretch.IVR, began)
        parts.begin(case, Stretch.QUEUE, began, item.queue)
    if fact.answered_at:
        parts.finish(case, Stretch.QUEUE, answered_at, "accepted")
        met_at = max(answered_at, *(part.ended_at for part in case.handlings), 0)
        ended_at = max(ended_at, met_at)
        part = talks.begin_part(case, fact.seat, met_at, offer="", queue=item.queue, media_up_at=met_at)
        item.media_up_at = item.media_up_at or met_at
        talks.reshape(case, Shape.TALK, met_at)
        talks.end_part(case, part, ended_at, Party.SYSTEM)
    _over(case, ended_at, fact.outcome, Party.SYSTEM)


# --- who serves it ---------------------------------------------------------------------------------------------------


def _apply_served(case: Case, fact: ServedFact, at: Micros) -> None:
    item = case.interaction
    match fact:
        case f.Offered():
            item.phase, item.queue = "offered", fact.queue
            item.offered_at = item.offered_at or at
            item.offers += 1
            parts.begin(case, Stretch.OFFER, at, fact.queue, fact.seat, fact.offer)
        case f.RingStarted():
            if not talks.rang(case, fact.offer, at):
                parts.of_offer(case, fact.offer, lambda segment: parts.ring(segment, at))
                parts.add_leg(case, fact.offer, LegRole.SEAT, at, fact.seat)
        case f.OfferEnded():
            item.phase = "waiting"
            parts.of_offer(case, fact.offer, lambda segment: parts.close(segment, at, fact.result))
            if fact.sip or fact.q850:  # refused before it rang: the codes are kept all the same
                parts.add_leg(case, fact.offer, LegRole.SEAT, at, fact.seat)
            parts.leg_gone(case, fact.offer, at, fact.sip, fact.q850)
        case f.Accepted():
            _accepted(case, fact, at)
        case f.MediaUp():
            item.media_up_at = item.media_up_at or at
            part = parts.handling_of(case, fact.seat, parts.talks)
            if part is not None:
                part.media_up_at = at
        case f.HandlingEnded():
            talks.handling_ended(case, fact, at)
        case f.WrapUpStarted():
            part = parts.handling_of(case, fact.seat, parts.is_past)
            if part is not None:
                part.wrap_up_at = at
            parts.begin(case, Stretch.WRAP_UP, at, fact.queue, fact.seat)
        case f.WrapUpTimed():
            part = parts.handling_of(case, fact.seat, parts.wraps_up)
            if part is not None:
                part.finished_at = at
        case f.WrapUpDisposed():
            part = parts.handling_of(case, fact.seat, parts.wraps_up)
            part = part or parts.handling_of(case, fact.seat, parts.talks)
            if part is not None:
                part.disposed_at = at
        case f.WrapUpLeft():
            _wrap_up_left(case, fact, at)


def _accepted(case: Case, fact: f.Accepted, at: Micros) -> None:
    """The seat has the customer, or, of a callback whose customer is not on the line, will have him called first."""
    item = case.interaction
    virtual = item.kind == Kind.CALLBACK and not item.leg and bool(fact.bridge)
    item.recording = fact.recording or item.recording
    parts.of_offer(case, fact.offer, lambda segment: parts.close(segment, at, "accepted"))
    parts.finish(case, Stretch.QUEUE, at, "accepted")
    if item.kind in PHONE_KINDS:
        parts.add_leg(case, fact.offer, LegRole.SEAT, at, fact.seat)
        parts.leg_answered(case, fact.offer, at)
    talks.begin_part(case, fact.seat, at, offer=fact.offer, queue=fact.queue, medium=fact.medium)
    talks.reshape(case, Shape.DIALLING if virtual else Shape.TALK, at)


def _wrap_up_left(case: Case, fact: f.WrapUpLeft, at: Micros) -> None:
    part = parts.handling_of(case, fact.seat, parts.wraps_up)
    if part is not None:
        part.wrap_up_ended_at, part.wrap_up_how = at, fact.how
    for segment in case.segments:
        if segment.kind == Stretch.WRAP_UP and segment.seat == fact.seat and not segment.ended_at:
            parts.close(segment, at, fact.how)


# --- calls no queue gave -------------------------------------------------------------------------------------------


def _apply_direct(case: Case, fact: DirectFact, at: Micros) -> None:
    item = case.interaction
    match fact:
        case f.DirectStarted():
            pass  # what it says is in the case it opened
        case f.DirectAnswered():
            talks.begin_part(case, fact.seat, at, offer=fact.call, media_up_at=at)
            item.media_up_at = item.media_up_at or at
            talks.reshape(case, Shape.TALK, at)
            parts.leg_answered(case, item.leg, at)
        case f.DirectEnded():
            part = parts.handling_of(case, fact.seat, parts.talks)
            if part is not None:
                talks.end_part(case, part, at, fact.who)
            _over(case, at, fact.outcome, fact.who, fact.sip, fact.q850)


__all__ = [
    "DirectFact",
    "ItemFact",
    "Rules",
    "case_id",
    "case_ids",
    "fold",
    "fold_into",
    "record_of",
    "settle",
    "wants_record",
]
