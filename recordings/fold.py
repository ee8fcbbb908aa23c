"""Facts to rows of the index, pure: what one fact changes in the recordings of its contact.

What is known of a contact is kept while it goes on (Contact), since most of what a recording is found by was said
before it began. A row that has seen a fact (by `last_seq`) passes it over, so facts may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from acd.core import facts as f
from acd.core.model import Micros
from acd.core.shapes import Shape
from recordings.model import UNOBSERVED, Break, Pause, Recording, RecordingKind, Watch

INBOUND, OUTBOUND = "inbound", "outbound"


@dataclass(slots=True)
class Contact:
    """A contact that is not over. `seats`: who was with the customer; `other`: a colleague who is not yet; `joining`:
    its supervisors, whether they join or not."""

    item: str
    direction: str = INBOUND
    entry: str = ""
    address: str = ""
    queue: str = ""
    seats: tuple[str, ...] = ()
    other: str = ""
    joining: tuple[Watch, ...] = ()
    last_seq: int = 0


@dataclass(slots=True)
class Case:
    """A contact and its recordings by name. `contact` None: over, or never heard of."""

    item: str
    contact: Contact | None = None
    recordings: dict[str, Recording] = field(default_factory=dict)


def item_of(fact: f.Fact) -> str:
    """The contact a fact is about; empty where it says nothing to recordings."""
    return str(getattr(fact, "item", "")) if type(fact) in HANDLERS else ""


def fold(case: Case, recorded: f.Recorded) -> None:
    """What this fact changes in the case it is about."""
    handler = HANDLERS.get(type(recorded.fact))
    seen = max((row.last_seq for row in case.recordings.values()), default=0)
    if handler is None or (case.contact is None and seen >= recorded.seq):
        return
    if case.contact is not None and case.contact.last_seq >= recorded.seq:
        return
    handler(case, recorded.fact, recorded)
    if case.contact is not None:
        case.contact.last_seq = recorded.seq
    for row in case.recordings.values():
        row.last_seq = max(row.last_seq, recorded.seq)


def _entered(case: Case, fact: f.Entered, _recorded: f.Recorded) -> None:
    plan = fact.plan
    case.contact = Contact(case.item, INBOUND, plan.entry, plan.address, plan.queue)


def _outbound(case: Case, fact: f.OutboundStarted, _recorded: f.Recorded) -> None:
    address = fact.route.address or fact.plan.address
    case.contact = Contact(case.item, OUTBOUND, fact.plan.entry, address, fact.plan.queue, (fact.seat,))


def _queue(case: Case, fact: f.Queued | f.Moved, _recorded: f.Recorded) -> None:
    if case.contact is not None:
        case.contact.queue = fact.queue


def _accepted(case: Case, fact: f.Accepted | f.TookOver, _recorded: f.Recorded) -> None:
    _talks(case, fact.seat)
    if case.contact is not None and fact.queue:
        case.contact.queue = fact.queue
        for row in _open(case, RecordingKind.CALL):
            row.queue = fact.queue


def _other(case: Case, fact: f.OtherAnswered, _recorded: f.Recorded) -> None:
    """A colleague is there; he is heard by the customer only once the shape says so."""
    if case.contact is not None:
        case.contact.other = fact.seat


def _shape(case: Case, fact: f.ShapeChanged, _recorded: f.Recorded) -> None:
    if case.contact is not None and fact.shape is Shape.THREE_WAY:
        _talks(case, case.contact.other)


def _watch_began(case: Case, fact: f.WatchStarted, _recorded: f.Recorded) -> None:
    _watches(case, Watch(fact.seat, fact.mode))


def _watch_answered(case: Case, fact: f.WatchAnswered, _recorded: f.Recorded) -> None:
    known = _watch_of(case, fact.seat)
    if known is not None:
        _watches(case, replace(known, answered=True))


def _watch_changed(case: Case, fact: f.WatchChanged, _recorded: f.Recorded) -> None:
    """It may come while his phone still rings."""
    known = _watch_of(case, fact.seat)
    if known is not None:
        _watches(case, replace(known, mode=fact.mode))


def _watch_ended(case: Case, fact: f.WatchEnded, _recorded: f.Recorded) -> None:
    if case.contact is not None:
        case.contact.joining = tuple(one for one in case.contact.joining if one.seat != fact.seat)


def _began(case: Case, fact: f.RecordingBegan, recorded: f.Recorded) -> None:
    row = _row(case, fact.recording, RecordingKind.CALL, recorded.at)
    row.breaks = tuple(part if part.ended_at else replace(part, ended_at=recorded.at) for part in row.breaks)


def _failed(case: Case, fact: f.RecordingFailed, recorded: f.Recorded) -> None:
    row = _row(case, fact.recording, RecordingKind.CALL, recorded.at)
    if all(part.ended_at for part in row.breaks):
        row.breaks = (*row.breaks, Break(recorded.at, 0, fact.reason))


def _paused(case: Case, fact: f.RecordingPaused, recorded: f.Recorded) -> None:
    """Again while paused moves the limit. It may come before Asterisk has said that it writes."""
    row = _row(case, fact.recording, RecordingKind.CALL, recorded.at)
    if all(pause.ended_at for pause in row.pauses):
        row.pauses = (*row.pauses, Pause(recorded.at, 0, recorded.by, recorded.via, fact.resume_at))
    else:
        row.pauses = (*row.pauses[:-1], replace(row.pauses[-1], due=fact.resume_at))


def _resumed(case: Case, fact: f.RecordingResumed, recorded: f.Recorded) -> None:
    row = case.recordings.get(fact.recording)
    if row is not None:
        row.pauses = _closed_pauses(row.pauses, recorded.at, fact.how)


def _listened(case: Case, fact: f.VoicemailListened, recorded: f.Recorded) -> None:
    """The message is written by a recorder of its own: that of the call stops."""
    for row in _open(case, RecordingKind.CALL):
        _end(row, recorded.at)
    _row(case, fact.recording, RecordingKind.VOICEMAIL, recorded.at)


def _left_message(case: Case, fact: f.VoicemailLeft, recorded: f.Recorded) -> None:
    row = case.recordings.get(fact.recording)
    if row is not None:
        row.task = fact.task
        _end(row, recorded.at)


def _mailbox(case: Case, fact: f.VoicemailStarted, _recorded: f.Recorded) -> None:
    if case.contact is not None:
        case.contact.queue = fact.queue or case.contact.queue


def _customer_left(case: Case, fact: f.CustomerLeft, recorded: f.Recorded) -> None:
    """His channel is gone, and with it what was recorded on it."""
    for row in case.recordings.values():
        _end(row, recorded.at, fact.not_before)


def _ended(case: Case, fact: f.Ended, recorded: f.Recorded) -> None:
    for row in case.recordings.values():
        row.outcome = fact.outcome
        _end(row, recorded.at, fact.not_before)
    case.contact = None


def _fallback(case: Case, fact: f.FallbackCallServed, recorded: f.Recorded) -> None:
    _talks(case, fact.seat)
    for row in case.recordings.values():
        row.outcome = fact.outcome
        _end(row, fact.ended_at or recorded.at)
    case.contact = None


def _watch_of(case: Case, seat: str) -> Watch | None:
    joining = case.contact.joining if case.contact is not None else ()
    return next((one for one in joining if one.seat == seat), None)


def _watches(case: Case, watch: Watch) -> None:
    """How a supervisor is at the conversation from now on: once he is heard, the recording bears his name."""
    contact = case.contact
    if contact is None:
        return
    contact.joining = (*(one for one in contact.joining if one.seat != watch.seat), watch)
    if watch.heard:
        _talks(case, watch.seat)


def _talks(case: Case, seat: str) -> None:
    contact = case.contact
    if contact is None or not seat:
        return
    if contact.other == seat:
        contact.other = ""
    if seat not in contact.seats:
        contact.seats = (*contact.seats, seat)
    for row in _open(case, RecordingKind.CALL):
        if seat not in row.seats:
            row.seats = (*row.seats, seat)


def _row(case: Case, recording: str, kind: RecordingKind, at: Micros) -> Recording:
    found = case.recordings.get(recording)
    if found is None:
        known = case.contact or Contact(case.item)
        seats = known.seats if kind is RecordingKind.CALL else ()
        found = case.recordings[recording] = Recording(
            recording, case.item, kind, at, known.direction, known.queue, known.entry, known.address, seats=seats
        )
    return found


def _open(case: Case, kind: RecordingKind) -> list[Recording]:
    return [row for row in case.recordings.values() if row.kind is kind and not row.ended_at]


def _end(row: Recording, at: Micros, not_before: Micros = 0) -> None:
    """`not_before`: nobody saw the end, which fell between that and `at`."""
    if row.ended_at:
        return
    if not_before:
        row.breaks = (*row.breaks, Break(max(not_before, row.started_at), at, UNOBSERVED))
    row.ended_at = at
    row.pauses = _closed_pauses(row.pauses, at, "ended")
    row.breaks = tuple(part if part.ended_at else replace(part, ended_at=at) for part in row.breaks)


def _closed_pauses(pauses: tuple[Pause, ...], at: Micros, how: str) -> tuple[Pause, ...]:
    return tuple(pause if pause.ended_at else replace(pause, ended_at=at, how=how) for pause in pauses)


HANDLERS: Mapping[type, Callable[[Case, Any, f.Recorded], None]] = {
    f.Entered: _entered,
    f.OutboundStarted: _outbound,
    f.Queued: _queue,
    f.Moved: _queue,
    f.Accepted: _accepted,
    f.TookOver: _accepted,
    f.OtherAnswered: _other,
    f.ShapeChanged: _shape,
    f.WatchStarted: _watch_began,
    f.WatchAnswered: _watch_answered,
    f.WatchChanged: _watch_changed,
    f.WatchEnded: _watch_ended,
    f.RecordingBegan: _began,
    f.RecordingFailed: _failed,
    f.RecordingPaused: _paused,
    f.RecordingResumed: _resumed,
    f.VoicemailStarted: _mailbox,
    f.VoicemailListened: _listened,
    f.VoicemailLeft: _left_message,
    f.CustomerLeft: _customer_left,
    f.Ended: _ended,
    f.FallbackCallServed: _fallback,
}
"""What is said by each fact that recordings listen to; every other one changes nothing."""
