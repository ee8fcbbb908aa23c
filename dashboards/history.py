"""What figures are computed from: queue visits, offers, handlings, direct calls and seat states, built from facts.

A visit is one stay in one queue: it begins with Queued, Moved or Requeued and ends answered, abandoned or flowed out.
Built from any subset of facts without failing, so that a figure can be checked to need only the facts it names.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from acd.core import facts as f
from acd.core.model import DirectKind, Micros, OfferResult, Outcome, Party, Presence, SeatState


class VisitEnd(StrEnum):
    """How a visit ended: A, B and F of terms.md; OPEN has not."""

    OPEN = "open"
    ANSWERED = "answered"
    ABANDONED = "abandoned"
    FLOWED_OUT = "flowed_out"


@dataclass(slots=True)
class Ring:
    """One offer of a visit. `rung_at` 0: the device never rang."""

    offer: str
    item: str
    seat: str
    queue: str
    offered_at: Micros
    rung_at: Micros = 0
    ended_at: Micros = 0
    result: OfferResult | None = None
    caller_left: bool = False

    @property
    def ring_time(self) -> Micros:
        """How long it rang at the agent; 0 while it rings or where it never did."""
        return self.ended_at - self.rung_at if self.rung_at and self.ended_at else 0


@dataclass(slots=True)
class Visit:
    """One stay in one queue."""

    item: str
    queue: str
    queued_at: Micros
    entry: str = ""
    medium: str = ""
    left_at: Micros = 0
    end: VisitEnd = VisitEnd.OPEN
    outcome: Outcome | None = None
    rings: list[Ring] = field(default_factory=list)

    @property
    def wait(self) -> Micros:
        """How long it waited until it left the queue; 0 while it waits."""
        return self.left_at - self.queued_at if self.left_at else 0


@dataclass(slots=True)
class Handled:
    """A seat's part in a contact, wrap-up included."""

    item: str
    seat: str
    queue: str
    entry: str
    medium: str
    accepted_at: Micros
    ended_at: Micros = 0
    wrap_up_at: Micros = 0
    wrap_up_ended_at: Micros = 0
    messages: int = 0

    @property
    def talk(self) -> Micros:
        """From accept to leave; 0 while it goes on."""
        return self.ended_at - self.accepted_at if self.ended_at else 0

    @property
    def wrap_up(self) -> Micros:
        """Wrap-up; 0 where there was none or it goes on."""
        return self.wrap_up_ended_at - self.wrap_up_at if self.wrap_up_ended_at else 0

    @property
    def finished(self) -> bool:
        """Conversation and wrap-up are over."""
        return bool(self.ended_at) and bool(self.wrap_up_ended_at or not self.wrap_up_at)


@dataclass(slots=True)
class Direct:
    """A call that no queue gave."""

    call: str
    seat: str
    kind: DirectKind
    started_at: Micros
    answered_at: Micros = 0
    ended_at: Micros = 0


@dataclass(slots=True)
class Said:
    """A message of a contact; the system's are not people's."""

    side: Party
    at: Micros


@dataclass(slots=True)
class Contact:
    """A whole contact."""

    item: str
    entry: str
    medium: str
    address: str
    entered_at: Micros
    answered_at: Micros = 0
    ended_at: Micros = 0
    outcome: Outcome | None = None
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch in which a seat was seen in one state."""

    seat: str
    presence: Presence
    state: SeatState
    status: str
    start: Micros
    end: Micros


@dataclass(slots=True)
class History:
    """Everything, up to `until`."""

    until: Micros
    contacts: dict[str, Contact] = field(default_factory=dict)
    visits: list[Visit] = field(default_factory=list)
    handled: list[Handled] = field(default_factory=list)
    directs: dict[str, Direct] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)  # seat -> its queues
    entry_queues: dict[str, tuple[str, ...]] = field(default_factory=dict)  # entry point -> queues it leads to
    productive: dict[str, bool] = field(default_factory=dict)  # status -> flag
    last_item: dict[str, Visit] = field(default_factory=dict)  # item -> its visit, the last one
    by_item: dict[str, list[Handled]] = field(default_factory=dict)
    last_seen: dict[tuple[str, Presence], f.Recorded] = field(default_factory=dict)

    @property
    def rings(self) -> list[Ring]:
        """Every offer."""
        return [ring for visit in self.visits for ring in visit.rings]


def read_history(log: Iterable[f.Recorded], until: Micros) -> History:
    """The history as the facts tell it, in their order."""
    history = History(until)
    for recorded in log:
        _take(history, recorded)
    for seen in list(history.last_seen.values()):
        _close_span(history, seen, until)
    return history


def _take(history: History, recorded: f.Recorded) -> None:
    fact, at = recorded.fact, recorded.at
    match fact:
        case f.Entered():
            _entered(history, fact, at)
        case f.Queued() | f.Requeued():
            _queue(history, fact.item, fact.queue, at)
        case f.Moved():
            _leave(history, fact.item, at, VisitEnd.FLOWED_OUT, Outcome.DIVERTED)
            _queue(history, fact.item, fact.queue, at)
        case f.Ended():
            _ended(history, fact, at)
        case f.FallbackCallServed():
            _fallback(history, fact)
        case f.MessagePassed():
            _message(history, fact, at)
        case f.Offered():
            visit = history.last_item.get(fact.item)
            if visit is not None:
                visit.rings.append(Ring(fact.offer, fact.item, fact.seat, fact.queue, at))
        case f.RingStarted():
            for ring in _rings(history, fact.item, fact.offer):
                ring.rung_at = at
        case f.OfferEnded():
            for ring in _rings(history, fact.item, fact.offer):
                ring.ended_at, ring.result = at, fact.result
                ring.caller_left = fact.who is Party.CUSTOMER
        case f.Accepted():
            _accepted(history, fact, at)
        case f.HandlingEnded():
            for part in _parts(history, fact.item, fact.seat)[:1]:
                part.ended_at = part.ended_at or at
        case f.WrapUpStarted():
            for part in _parts(history, fact.item, fact.seat)[:1]:
                part.wrap_up_at = at
        case f.WrapUpLeft():
            for part in [one for one in _parts(history, fact.item, fact.seat) if one.wrap_up_at][:1]:
                part.wrap_up_ended_at = at
        case f.DirectStarted():
            history.directs[fact.call] = Direct(fact.call, fact.seat, fact.kind, at)
        case f.DirectAnswered() if fact.call in history.directs:
            history.directs[fact.call].answered_at = at
        case f.DirectEnded() if fact.call in history.directs:
            history.directs[fact.call].ended_at = at
        case f.SeatChanged():
            before = history.last_seen.get((fact.seat, fact.presence))
            if before is not None:
                _close_span(history, before, at)
            history.last_seen[fact.seat, fact.presence] = recorded
        case f.SeatProfileChanged():
            history.members[fact.profile.id] = tuple(joined.queue for joined in fact.profile.queues)
        case f.StatusChanged():
            history.productive[fact.status.id] = fact.status.productive
        case _:
            pass  # no figure is made of it


def _entered(history: History, fact: f.Entered, at: Micros) -> None:
    plan = fact.plan
    history.contacts[fact.item] = Contact(fact.item, plan.entry, fact.medium, plan.address, at)
    targets = [option.queue for option in plan.menu.options] + [plan.menu.default] if plan.menu else [plan.queue]
    known = history.entry_queues.get(plan.entry, ())
    history.entry_queues[plan.entry] = tuple(dict.fromkeys((*known, *targets)))


def _queue(history: History, item: str, queue: str, at: Micros) -> None:
    contact = history.contacts.get(item)
    visit = Visit(item, queue, at, contact.entry if contact else "", contact.medium if contact else "")
    history.visits.append(visit)
    history.last_item[item] = visit


def _leave(history: History, item: str, at: Micros, end: VisitEnd, outcome: Outcome | None = None) -> None:
    visit = history.last_item.get(item)
    if visit is not None and visit.end is VisitEnd.OPEN:
        visit.left_at, visit.end, visit.outcome = at, end, outcome


ABANDONS = frozenset({Outcome.ABANDONED_QUEUE, Outcome.ABANDONED_RING, Outcome.UNOBSERVED})
"""The caller went while he waited. UNOBSERVED: he was gone when somebody looked again."""


def _ended(history: History, fact: f.Ended, at: Micros) -> None:
    gave_up = fact.outcome in ABANDONS and fact.who is Party.CUSTOMER
    _leave(history, fact.item, at, VisitEnd.ABANDONED if gave_up else VisitEnd.FLOWED_OUT, fact.outcome)
    contact = history.contacts.get(fact.item)
    if contact is not None:
        contact.ended_at, contact.outcome = at, fact.outcome


def _fallback(history: History, fact: f.FallbackCallServed) -> None:
    """The plain queue's part is a visit like any other; it stands at the times that queue gave."""
    plan = fact.plan
    contact = history.contacts.setdefault(
        fact.item, Contact(fact.item, plan.entry, plan.medium, plan.address, fact.entered_at)
    )
    visit = history.last_item.get(fact.item)
    if visit is None or visit.end is not VisitEnd.OPEN:
        _queue(history, fact.item, visit.queue if visit else plan.queue, fact.entered_at)
    waited = history.last_item[fact.item]  # its queue is where the caller waited; the plan of a menu names none
    # Asterisk's clock and ours may differ by a moment: nothing of the plain queue's ends before it began here.
    ended = max(fact.ended_at, waited.queued_at)
    contact.ended_at, contact.outcome = ended, fact.outcome
    if not fact.answered_at:
        _leave(history, fact.item, ended, VisitEnd.ABANDONED, fact.outcome)
        return
    answered = min(max(fact.answered_at, waited.queued_at), ended)
    _leave(history, fact.item, answered, VisitEnd.ANSWERED, fact.outcome)
    contact.answered_at = contact.answered_at or answered
    times, queue = (answered, ended), waited.queue
    _handle(history, Handled(fact.item, fact.seat, queue, plan.entry, plan.medium, *times))


def _accepted(history: History, fact: f.Accepted, at: Micros) -> None:
    for ring in _rings(history, fact.item, fact.offer):
        ring.ended_at, ring.result = at, OfferResult.ACCEPTED
    _leave(history, fact.item, at, VisitEnd.ANSWERED)
    contact = history.contacts.get(fact.item)
    if contact is not None:
        contact.answered_at = contact.answered_at or at
    entry = contact.entry if contact else ""
    _handle(history, Handled(fact.item, fact.seat, fact.queue, entry, fact.medium, at))


def _handle(history: History, part: Handled) -> None:
    history.handled.append(part)
    history.by_item.setdefault(part.item, []).append(part)


def _message(history: History, fact: f.MessagePassed, at: Micros) -> None:
    contact = history.contacts.get(fact.item)
    if contact is not None:
        contact.said.append(Said(fact.side, at))
    now = [one for one in history.by_item.get(fact.item, ()) if not one.ended_at]
    if fact.side is Party.SEAT and now:
        now[0].messages += 1


def _rings(history: History, item: str, offer: str) -> list[Ring]:
    visit = history.last_item.get(item)
    return [ring for ring in visit.rings if ring.offer == offer] if visit else []


def _parts(history: History, item: str, seat: str) -> list[Handled]:
    """The seat's parts in the contact, the last one first."""
    return [one for one in reversed(history.by_item.get(item, ())) if one.seat == seat]


def _close_span(history: History, seen: f.Recorded, end: Micros) -> None:
    fact = seen.fact
    if isinstance(fact, f.SeatChanged) and end > seen.at:
        history.spans.append(Span(fact.seat, fact.presence, fact.state, fact.status, seen.at, end))
