"""Facts of conversations to rows: who is with whom and for how long, transfers, supervision, recording. Pure.

Times come from one table: for each shape, what a stretch of the owner and of the third seat is. A seat has at most one
such stretch at a time, so its talk, hold and consultation never overlap (pain P3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from acd.core import facts as f
from acd.core.model import Micros, Party
from acd.core.shapes import Shape
from records import parts
from records.model import (
    Case,
    Handling,
    LegRole,
    MarkKind,
    Role,
    Segment,
    Stretch,
    Supervision,
    Transfer,
    TransferKind,
)

TalkFact = (
    f.ShapeChanged
    | f.Invited
    | f.InviteEnded
    | f.OtherAnswered
    | f.OtherLeft
    | f.TookOver
    | f.CustomerLeft
    | f.CustomerMoved
    | f.WatchStarted
    | f.WatchAnswered
    | f.WatchChanged
    | f.WatchEnded
    | f.RecordingBegan
    | f.RecordingPaused
    | f.RecordingResumed
    | f.RecordingFailed
    | f.SeatReached
    | f.SeatMuted
    | f.CustomerDialled
    | f.CustomerRang
    | f.CustomerAnswered
)
"""Facts about a conversation and what is around it."""

STRETCHES: Mapping[Shape, tuple[Stretch | None, Stretch | None]] = {
    Shape.NONE: (None, None),
    Shape.DIALLING: (Stretch.DIAL, None),
    Shape.TALK: (Stretch.TALK, None),
    Shape.HELD: (Stretch.HOLD, None),
    Shape.RINGING: (Stretch.HOLD, None),
    Shape.CONSULT: (Stretch.CONSULT, Stretch.CONSULT),
    Shape.SWAPPED: (Stretch.TALK, Stretch.ASIDE),
    Shape.THREE_WAY: (Stretch.TALK, Stretch.TALK),
    Shape.COACHED: (Stretch.TALK, Stretch.COACH),
    Shape.BLIND: (None, None),
    Shape.HANDED_OVER: (None, None),
    Shape.PRIVATE: (Stretch.CONSULT, Stretch.CONSULT),
}
"""What the owner does in each shape, and what the third party does who has a seat."""

PLACED = frozenset(stretch for pair in STRETCHES.values() for stretch in pair if stretch is not None)

COUNTED: Mapping[str, str] = {Stretch.TALK: "talk", Stretch.HOLD: "hold", Stretch.CONSULT: "consult"}
"""The stretches whose times are summed up in a seat's part."""


# --- stretches by shape --------------------------------------------------------------------------------------------


def place(case: Case, at: Micros, result: str = "") -> None:
    """Every seat's stretch is what the shape says: others end (by `result`), new ones begin."""
    owner, other = STRETCHES[Shape(case.interaction.shape)]
    for part in case.handlings:
        if part.ended_at:
            continue
        mine = owner if part.offer == case.interaction.owner else None if part.owned_at else other
        _keep(case, part, mine, at, result)


def _keep(case: Case, part: Handling, wanted: Stretch | None, at: Micros, result: str) -> None:
    now = next((one for one in case.segments if _is_placed(one, part)), None)
    if now is not None and now.kind == wanted:
        return
    if now is not None and now.started_at == at and now is case.segments[-1]:
        case.segments.pop()  # it was of no length, and nothing came after it: it never was
    elif now is not None:
        end_stretch(part, now, at, result)
    if wanted is None:
        return
    parts.begin(case, wanted, at, part.queue, part.seat, part.offer)
    if wanted is Stretch.TALK and not part.met_at:
        _meet(case, part, at)


def _is_placed(segment: Segment, part: Handling) -> bool:
    return not segment.ended_at and segment.subject == part.offer and segment.kind in PLACED


def end_stretch(part: Handling, segment: Segment, at: Micros, result: str) -> None:
    """The stretch is over and counts."""
    parts.close(segment, at, result)
    counted = COUNTED.get(segment.kind)
    if counted:
        setattr(part, counted, getattr(part, counted) + at - segment.started_at)


def _meet(case: Case, part: Handling, at: Micros) -> None:
    """The seat is with the customer for the first time; the contact is connected (接通)."""
    part.met_at = at
    case.interaction.accepted_at = case.interaction.accepted_at or at


def begin_part(
    case: Case,
    seat: str,
    at: Micros,
    *,
    offer: str,
    queue: str = "",
    medium: str = "",
    media_up_at: Micros = 0,
    role: Role = Role.OWNER,
) -> Handling:
    """A seat's part begins; an owner's and a supervisor's is the conversation's owner at once."""
    item = case.interaction
    part = Handling(
        item=item.item,
        ordinal=len(case.handlings),
        seat=seat,
        queue=queue,
        medium=medium or item.medium,
        offer=offer,
        accepted_at=at,
        media_up_at=media_up_at,
        role=role,
    )
    case.handlings.append(part)
    if role is not Role.COLLEAGUE:
        own(case, part, at)
    return part


def own(case: Case, part: Handling, at: Micros) -> None:
    """The contact is this seat's now."""
    item = case.interaction
    part.owned_at = part.owned_at or at
    item.phase, item.seat, item.owner = "active", part.seat, part.offer


def end_part(case: Case, part: Handling, at: Micros, who: str, how: str = "") -> None:
    """A seat's part is over; its leg is gone or about to be."""
    for segment in [one for one in case.segments if _is_placed(one, part)]:
        end_stretch(part, segment, at, who)
    part.ended_at, part.ended_by, part.how = at, who, how
    if case.interaction.owner == part.offer:
        case.interaction.owner = ""
    parts.leg_gone(case, part.offer, at)


def reshape(case: Case, shape: Shape, at: Micros) -> None:
    """The conversation has this shape."""
    case.interaction.shape = shape
    place(case, at)


# --- one fact ------------------------------------------------------------------------------------------------------


def apply_talk(case: Case, fact: TalkFact, recorded: f.Recorded) -> None:
    """Change the case by one fact about its conversation."""
    item, at = case.interaction, recorded.at
    match fact:
        case f.ShapeChanged():
            _shape_changed(case, fact, at)
        case f.Invited():
            _invited(case, fact, at)
        case f.InviteEnded():
            _transfer_over(case, fact.leg, at, fact.result, fact.sip, fact.q850)
            parts.leg_gone(case, fact.leg, at, fact.sip, fact.q850)
        case f.OtherAnswered():
            _other_answered(case, fact, at)
        case f.OtherLeft():
            _transfer_over(case, fact.leg, at, "cancelled" if fact.who is Party.SEAT else "left", fact.sip, fact.q850)
            parts.leg_gone(case, fact.leg, at, fact.sip, fact.q850)
        case f.TookOver():
            _took_over(case, fact, recorded)
        case f.CustomerLeft():
            if fact.gone:  # a callback's try that its agent did not live to hear answered is no end: he is called anew
                item.left_at, item.sip, item.q850 = at, fact.sip, fact.q850
                item.not_before, item.exact = fact.not_before, not fact.not_before
            parts.leg_gone(case, fact.leg, at, fact.sip, fact.q850)
            parts.mark(case, MarkKind.LEFT, at, fact.leg, fact.who)
        case f.CustomerMoved():
            parts.leg_gone(case, fact.leg, at)
            parts.mark(case, MarkKind.MOVED, at, fact.to)
        case f.SeatMuted():
            parts.mark(case, MarkKind.MUTED, at, fact.seat, "on" if fact.on else "off")
        case f.WatchStarted() | f.WatchAnswered() | f.WatchChanged() | f.WatchEnded():
            _watched(case, fact, recorded)
        case f.RecordingBegan() | f.RecordingPaused() | f.RecordingResumed() | f.RecordingFailed():
            _recording(case, fact, at)
        case f.SeatReached():
            parts.leg_answered(case, item.owner, at)
            parts.mark(case, MarkKind.SEAT_REACHED, at, fact.seat)
        case f.CustomerDialled():
            _customer_dialled(case, fact, at)
        case f.CustomerRang():
            for segment in case.segments:
                if segment.kind == Stretch.DIAL and not segment.ended_at:
                    parts.ring(segment, at)
        case f.CustomerAnswered():
            _customer_answered(case, fact, at)
        case _:
            assert_never(fact)


def _shape_changed(case: Case, fact: f.ShapeChanged, at: Micros) -> None:
    item = case.interaction
    for stretch in (Stretch.IVR, Stretch.QUEUE):  # led outside from a menu or a queue
        parts.finish(case, stretch, at, fact.how)
    item.phase = "active"
    reshape(case, fact.shape, at)
    now = _open_transfer(case)
    if now is None:
        return
    if fact.shape is Shape.BLIND and now.kind == TransferKind.CONSULT:
        now.kind = TransferKind.BLIND
    elif fact.shape is Shape.HANDED_OVER:
        now.result, now.ended_at = "completed", at


def _invited(case: Case, fact: f.Invited, at: Micros) -> None:
    trunk = fact.route.trunk if fact.route is not None else ""
    case.transfers.append(
        Transfer(
            item=fact.item,
            ordinal=len(case.transfers),
            kind=_kind_of(fact),
            from_seat=fact.by_seat,
            asked_at=at,
            to_kind=fact.target.kind,
            to_id=fact.target.id,
            leg=fact.leg,
            trunk=trunk,
        )
    )
    parts.add_leg(case, fact.leg, LegRole.SEAT if fact.seat else LegRole.OTHER, at, fact.seat)


def _kind_of(fact: f.Invited) -> TransferKind:
    if not fact.by_seat:
        return TransferKind.OVERFLOW
    if fact.seat == fact.by_seat:
        return TransferKind.RECALL
    return TransferKind.BLIND if fact.blind else TransferKind.CONSULT


def _open_transfer(case: Case, leg: str = "") -> Transfer | None:
    """The last one that is not over; with `leg`, the one to that leg."""
    return next((one for one in reversed(case.transfers) if not one.ended_at and leg in ("", one.leg)), None)


def _transfer_over(case: Case, leg: str, at: Micros, result: str, sip: int = 0, q850: int = 0) -> None:
    now = _open_transfer(case, leg)
    if now is not None:
        now.result, now.ended_at, now.sip, now.q850 = result, at, sip, q850


def rang(case: Case, leg: str, at: Micros) -> bool:
    """The third party's phone rings; False where the leg is no third party's."""
    now = _open_transfer(case, leg)
    if now is not None:
        now.rung_at = now.rung_at or at
    return now is not None


def _other_answered(case: Case, fact: f.OtherAnswered, at: Micros) -> None:
    now = _open_transfer(case, fact.leg)
    if now is not None:
        now.answered_at = at
    parts.leg_answered(case, fact.leg, at)
    if fact.seat:
        begin_part(case, fact.seat, at, offer=fact.leg, queue=fact.queue, medium=fact.medium, role=Role.COLLEAGUE)
        place(case, at)


def _took_over(case: Case, fact: f.TookOver, recorded: f.Recorded) -> None:
    at, part = recorded.at, parts.open_part(case, fact.leg)
    _transfer_over(case, fact.leg, at, "completed")
    if part is None:
        _end_watch(case, fact.leg, recorded, "took_over")
        begin_part(case, fact.seat, at, offer=fact.leg, queue=fact.queue, medium=fact.medium, role=Role.SUPERVISOR)
    else:
        own(case, part, at)
    place(case, at, "taken_over" if part is None else "transferred")


def handling_ended(case: Case, fact: f.HandlingEnded, at: Micros) -> None:
    """A seat's part is over. An owner who gave the contact to a queue or an entry point has no other one to name: where
    it goes is said by what follows (`led_on`)."""
    item, part = case.interaction, parts.open_part(case, fact.offer)
    if part is None:
        return
    owned = item.owner == part.offer
    end_part(case, part, at, fact.who, fact.how)
    _transfer_over(case, fact.offer, at, fact.how or "left")
    if owned and item.shape not in (Shape.BLIND, Shape.HANDED_OVER):
        item.shape = Shape.NONE
        if fact.how == "transferred":
            case.transfers.append(Transfer(item.item, len(case.transfers), TransferKind.QUEUE, part.seat, at))


def led_on(case: Case, at: Micros, kind: TransferKind, to: str) -> None:
    """Where a contact that a seat gave away has gone."""
    now = _open_transfer(case)
    if now is not None and now.kind == TransferKind.QUEUE and not now.to_id:
        now.kind, now.to_kind, now.to_id = kind, kind.value, to
        now.result, now.ended_at = "completed", at


def talk_over(case: Case, at: Micros, result: str) -> None:
    """Nobody is in the conversation any more."""
    case.interaction.shape, case.interaction.owner = Shape.NONE, ""
    for one in case.transfers:
        if not one.ended_at:
            one.result, one.ended_at = result, at


# --- supervision (V10) ---------------------------------------------------------------------------------------------


def _watched(
    case: Case, fact: f.WatchStarted | f.WatchAnswered | f.WatchChanged | f.WatchEnded, recorded: f.Recorded
) -> None:
    at = recorded.at
    now = _open_watch(case, fact.leg)
    match fact:
        case f.WatchStarted():
            parts.add_leg(case, fact.leg, LegRole.SUPERVISOR, at, fact.seat)
            _watch(case, fact.leg, fact.seat, fact.agent, fact.mode, recorded)
        case f.WatchAnswered():
            parts.leg_answered(case, fact.leg, at)
            if now is not None:
                now.answered_at = at
        case f.WatchChanged():
            _end_watch(case, fact.leg, recorded, "changed")
            agent, answered = (now.agent, now.answered_at) if now is not None else ("", 0)
            following = _watch(case, fact.leg, fact.seat, agent, fact.mode, recorded)
            following.answered_at = at if answered else 0
        case f.WatchEnded():
            _end_watch(case, fact.leg, recorded, fact.reason)
            parts.leg_gone(case, fact.leg, at)


def _watch(case: Case, leg: str, seat: str, agent: str, mode: str, recorded: f.Recorded) -> Supervision:
    made = Supervision(
        item=case.interaction.item,
        ordinal=len(case.supervisions),
        leg=leg,
        seat=seat,
        agent=agent,
        mode=mode,
        started_at=recorded.at,
        by=recorded.by,
        via=recorded.via,
    )
    case.supervisions.append(made)
    return made


def _open_watch(case: Case, leg: str) -> Supervision | None:
    return next((one for one in reversed(case.supervisions) if one.leg == leg and not one.ended_at), None)


def _end_watch(case: Case, leg: str, recorded: f.Recorded, reason: str) -> None:
    now = _open_watch(case, leg)
    if now is not None:
        now.ended_at, now.reason, now.ended_by, now.ended_via = recorded.at, reason, recorded.by, recorded.via


# --- recording -----------------------------------------------------------------------------------------------------


def _recording(
    case: Case, fact: f.RecordingBegan | f.RecordingPaused | f.RecordingResumed | f.RecordingFailed, at: Micros
) -> None:
    item = case.interaction
    match fact:
        case f.RecordingBegan():
            item.recording = fact.recording
            said = "began"
        case f.RecordingPaused():
            item.paused = True
            said = "paused"
        case f.RecordingResumed():
            item.paused = False
            said = f"resumed {fact.how}"
        case f.RecordingFailed():
            said = f"failed {fact.reason}"
        case _:
            assert_never(fact)
    parts.mark(case, MarkKind.RECORDING, at, fact.recording, said)


# --- outbound ------------------------------------------------------------------------------------------------------


def _customer_dialled(case: Case, fact: f.CustomerDialled, at: Micros) -> None:
    item = case.interaction
    item.dialled_at = item.dialled_at or at
    item.leg, item.phase, item.trunk = fact.leg, "dialling", fact.route.trunk
    item.prefix = item.prefix or fact.route.prefix
    parts.add_leg(case, fact.leg, LegRole.CUSTOMER, at)
    reshape(case, Shape.DIALLING, at)


def _customer_answered(case: Case, fact: f.CustomerAnswered, at: Micros) -> None:
    item = case.interaction
    item.phase, item.recording = "active", fact.recording or item.recording
    item.media_up_at = item.media_up_at or at
    parts.leg_answered(case, fact.leg, at)
    part = parts.open_part(case, item.owner)
    if part is not None:
        part.media_up_at = at
    reshape(case, Shape.TALK, at)


__all__ = [
    "COUNTED",
    "PLACED",
    "STRETCHES",
    "TalkFact",
    "apply_talk",
    "begin_part",
    "end_part",
    "handling_ended",
    "led_on",
    "place",
    "rang",
    "reshape",
    "talk_over",
]
