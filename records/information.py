"""Call information (V12): all that is known of one call, from its rows and, while it goes on, the engine's state. Pure.

Codes are given as codes; their words are the telephone side's (GET /sip-codes).
"""

from __future__ import annotations

from dataclasses import dataclass

from acd.core.model import Micros, OfferResult, WorkItem
from records.model import (
    Case,
    Handling,
    LegRole,
    MarkKind,
    Segment,
    Stretch,
    Supervision,
    Transfer,
)
from records.talks import PLACED


@dataclass(frozen=True, slots=True)
class Key:
    """A key pressed in a menu ("" = while waiting in a queue); digit "" = the default after silence."""

    menu: str
    digit: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Wait:
    """A stay in a queue; `result` is how it ended, "" while it goes on. `seconds` so far or whole."""

    queue: str
    began_at: Micros
    ended_at: Micros
    result: str
    seconds: float


@dataclass(frozen=True, slots=True)
class OfferMade:
    """A seat that was offered the call."""

    seat: str
    queue: str
    offered_at: Micros
    rung_at: Micros
    ended_at: Micros
    result: str
    sip: int
    q850: int


@dataclass(frozen=True, slots=True)
class PartyTimes:
    """Somebody who had part in the call. `role`: customer, owner, colleague, supervisor, other. Times of conversation
    are microseconds; `doing` is what a seat does now (talk, hold, consult, ...), "" when its part is over."""

    role: str
    seat: str
    leg: str
    began_at: Micros
    answered_at: Micros
    ended_at: Micros
    sip: int
    q850: int
    talk: Micros = 0
    hold: Micros = 0
    consult: Micros = 0
    wrap_up: Micros = 0
    how: str = ""
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The customer was on hold."""

    seat: str
    began_at: Micros
    ended_at: Micros


@dataclass(frozen=True, slots=True)
class RecordingEvent:
    """Recording began, paused, resumed (by_hand, limit, message) or failed (why): from there on sound is missing."""

    recording: str
    what: str
    at: Micros


@dataclass(frozen=True, slots=True)
class Information:
    """The facts and flags of one call. `entry` is the DN it came by, or the outbound code; `entries` those it was
    transferred to. `hung_up_by` is who ended it, with the codes that were seen."""

    item: str
    live: bool
    direction: str
    kind: str
    entry: str
    entries: tuple[str, ...]
    trunk: str
    prefix: str
    priority: int
    last_agent: str
    queue: str
    phase: str
    shape: str
    entered_at: Micros
    connected_at: Micros
    ended_at: Micros
    keys: tuple[Key, ...]
    waits: tuple[Wait, ...]
    offers: tuple[OfferMade, ...]
    parties: tuple[PartyTimes, ...]
    holds: tuple[Hold, ...]
    transfers: tuple[Transfer, ...]
    supervisions: tuple[Supervision, ...]
    recording: str
    recording_on: bool
    recording_paused: bool
    recording_events: tuple[RecordingEvent, ...]
    outcome: str
    hung_up_by: str
    sip: int
    q850: int
    record: str
    reason: str
    origin: str
    exact: bool


def information(case: Case, state: WorkItem | None = None, *, now: Micros = 0) -> Information:
    """What is known of the case's call. `state` is its item in the engine while it goes on (records may be a moment
    behind); `now` counts the waits and times that go on."""
    item = case.interaction
    paused = state.paused if state is not None else item.paused
    recording = (state.recording if state is not None else "") or item.recording
    live = state is not None or not item.ended_at
    events = tuple(
        RecordingEvent(one.subject, one.detail, one.at) for one in case.marks if one.kind == MarkKind.RECORDING
    )
    failed = bool(events) and events[-1].what.startswith("failed")
    return Information(
        item=item.item,
        live=live,
        direction=item.direction,
        kind=item.kind,
        entry=item.account,
        entries=tuple(one.subject for one in case.marks if one.kind == MarkKind.ENTRY),
        trunk=item.trunk,
        prefix=item.prefix,
        priority=item.priority,
        last_agent=item.last_seat,
        queue=state.queue if state is not None and state.queue else item.queue,
        phase=state.phase if state is not None else item.phase,
        shape=state.shape if state is not None else item.shape,
        entered_at=item.entered_at,
        connected_at=item.accepted_at,
        ended_at=item.ended_at,
        keys=tuple(Key(one.subject, one.detail, one.at) for one in case.marks if one.kind == MarkKind.KEY),
        waits=tuple(_wait(one, now) for one in case.segments if one.kind == Stretch.QUEUE),
        offers=tuple(_offer(case, one) for one in case.segments if one.kind == Stretch.OFFER),
        parties=tuple(_parties(case, now)),
        holds=tuple(Hold(one.seat, one.started_at, one.ended_at) for one in case.segments if one.kind == Stretch.HOLD),
        transfers=tuple(case.transfers),
        supervisions=tuple(case.supervisions),
        recording=recording,
        recording_on=live and bool(recording) and not paused and not failed,
        recording_paused=paused,
        recording_events=events,
        outcome=item.outcome,
        hung_up_by=item.ended_by,
        sip=item.sip,
        q850=item.q850,
        record=case.record.id if case.record is not None else "",
        reason=item.reason,
        origin=item.origin,
        exact=item.exact,
    )


def _wait(segment: Segment, now: Micros) -> Wait:
    until = segment.ended_at or max(now, segment.started_at)
    seconds = (until - segment.started_at) / 1_000_000
    return Wait(segment.queue, segment.started_at, segment.ended_at, segment.result, seconds)


def _offer(case: Case, segment: Segment) -> OfferMade:
    """The codes of an offer that was not accepted are those of its leg."""
    leg = next((one for one in case.legs if one.leg == segment.subject), None)
    refused = leg is not None and segment.result != OfferResult.ACCEPTED
    sip, q850 = (leg.sip, leg.q850) if leg is not None and refused else (0, 0)
    times = segment.started_at, segment.rung_at, segment.ended_at
    return OfferMade(segment.seat, segment.queue, *times, segment.result, sip, q850)


def _parties(case: Case, now: Micros) -> list[PartyTimes]:
    """Customer, seats with their times, others, supervisors; a seat that was only rung is among the offers."""
    parts = {part.offer: part for part in case.handlings}
    found: list[PartyTimes] = []
    for leg in case.legs:
        part = parts.pop(leg.leg, None)
        if part is not None:
            found.append(_seat(case, part, now, leg.sip, leg.q850))
        elif leg.role != LegRole.SEAT:
            found.append(
                PartyTimes(
                    leg.role, leg.seat, leg.leg, leg.started_at, leg.answered_at, leg.ended_at, leg.sip, leg.q850
                )
            )
    return found + [_seat(case, part, now, 0, 0) for part in parts.values()]  # text, direct and fall-back: no legs


def _seat(case: Case, part: Handling, now: Micros, sip: int, q850: int) -> PartyTimes:
    open_one = next(
        (one for one in case.segments if one.subject == part.offer and one.kind in PLACED and not one.ended_at), None
    )
    times = {"talk": part.talk, "hold": part.hold, "consult": part.consult}
    if open_one is not None and open_one.kind in times:
        times[open_one.kind] += max(0, now - open_one.started_at) if now else 0
    wrapped = part.wrap_up_ended_at - part.wrap_up_at if part.wrap_up_ended_at else 0
    return PartyTimes(
        role=part.role,
        seat=part.seat,
        leg=part.offer,
        began_at=part.accepted_at,
        answered_at=part.met_at,
        ended_at=part.ended_at,
        sip=sip,
        q850=q850,
        wrap_up=wrapped,
        how=part.how,
        doing=open_one.kind if open_one is not None else "",
        **times,
    )


__all__ = [
    "Hold",
    "Information",
    "Key",
    "OfferMade",
    "PartyTimes",
    "RecordingEvent",
    "Wait",
    "information",
]
