"""What figures are computed from: queue visits, offers, handlings, direct calls and seat states, built from facts.

A visit is one stay in one queue: it begins with Queued, Moved or Requeued and ends answered, abandoned or flowed out.
Who waits again (his seat was lost, a blind transfer came to nothing) begins a new visit: the one before was answered,
or flowed out when he was led outside, so each visit has one beginning and one end and nobody is counted twice.
Built from any subset of facts without failing, so that a figure can be checked to need only the facts it names.
"""

from __future__ import annotations

from collections.abc import Iterable

from acd.core import facts as f
from acd.core.model import Micros, OfferResult, Outcome, Party, Way
from acd.core.shapes import Shape
from dashboards.rows import (
    Contact,
    Dialled,
    Direct,
    Given,
    Handled,
    History,
    Message,
    Overflow,
    Ring,
    Said,
    Span,
    Visit,
    VisitEnd,
    Watched,
)
from dashboards.talks import add_part, take_talk


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
    _take_visit(history, fact, at)
    take_talk(history, fact, at)
    match fact:
        case f.WrapUpStarted():
            for part in [one for one in _parts(history, fact.item, fact.seat) if one.ended_at][:1]:
                part.wrap_up_at = at
        case f.WrapUpLeft():
            for part in [one for one in _parts(history, fact.item, fact.seat) if one.wrap_up_at][:1]:
                part.wrap_up_ended_at = at
        case f.MessagePassed():
            _message(history, fact, at)
        case f.DirectStarted():
            history.directs[fact.call] = Direct(fact.call, fact.seat, fact.kind, at)
        case f.DirectAnswered() if fact.call in history.directs:
            history.directs[fact.call].answered_at = at
        case f.DirectEnded() if fact.call in history.directs:
            history.directs[fact.call].ended_at = at
        case f.LineOverflowed():
            history.overflows.append(Overflow(fact.trunk, fact.seat, at))
        case f.SeatChanged():
            before = history.last_seen.get((fact.seat, fact.presence))
            if before is not None:
                _close_span(history, before, at)
            history.last_seen[fact.seat, fact.presence] = recorded
        case f.SeatProfileChanged():
            history.members[fact.profile.id] = tuple(joined.queue for joined in fact.profile.queues)
        case f.StatusChanged():
            history.productive[fact.status.id] = fact.status.productive
        case f.QueueOpened():
            _opened(history, fact, at)
        case _:
            pass  # no figure is made of it


def _take_visit(history: History, fact: f.Fact, at: Micros) -> None:
    """What a fact says of contacts, visits and offers."""
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
            for ring in _rings(history, fact.item, fact.offer):
                ring.ended_at, ring.result = at, OfferResult.ACCEPTED
            _leave(history, fact.item, at, VisitEnd.ANSWERED)
        case f.MenuStarted():
            _leave(history, fact.item, at, VisitEnd.FLOWED_OUT, Outcome.EXIT_KEY)
        case f.SayingStarted():
            _leave(history, fact.item, at, VisitEnd.FLOWED_OUT, fact.outcome)
        case f.VoicemailStarted():
            _leave(history, fact.item, at, VisitEnd.FLOWED_OUT, Outcome.VOICEMAIL)
            history.moving[fact.item] = fact.queue
        case f.VoicemailLeft():
            contact = history.contacts.get(fact.item)
            entry = contact.entry if contact else ""
            history.messages.append(Message(fact.item, history.moving.pop(fact.item, ""), entry, at))
        case f.ShapeChanged() if fact.shape is Shape.BLIND:
            _leave(history, fact.item, at, VisitEnd.FLOWED_OUT, Outcome.DIVERTED)
        case _:
            pass


def _entered(history: History, fact: f.Entered, at: Micros) -> None:
    plan = fact.plan
    contact = Contact(fact.item, plan.entry, fact.medium, plan.address, at, fact.kind, fact.leg)
    history.contacts[fact.item] = contact
    start = plan.start
    if start is None or start.way is Way.QUEUE:
        _leads_to(history, plan.entry, (start.to if start is not None else "") or plan.queue)


def _leads_to(history: History, entry: str, queue: str) -> None:
    """An entry point leads where its callers came to; what a menu might lead to is known when somebody went there."""
    known = history.entry_queues.get(entry, ())
    if queue and queue not in known:
        history.entry_queues[entry] = (*known, queue)


def _queue(history: History, item: str, queue: str, at: Micros) -> None:
    _leave(history, item, at, VisitEnd.FLOWED_OUT, Outcome.DIVERTED)
    contact = history.contacts.get(item)
    visit = Visit(item, queue, at, contact.entry if contact else "", contact.medium if contact else "")
    visit.transferred = item in history.given
    history.given.discard(item)
    if contact is not None:
        contact.queue = contact.queue or queue
        _leads_to(history, contact.entry, queue)
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
    ended = history.dialled.get(fact.item) or history.contacts.get(fact.item)
    if ended is not None:
        ended.ended_at, ended.outcome = at, fact.outcome


def _fallback(history: History, fact: f.FallbackCallServed) -> None:
    """The plain queue's part is a visit like any other; it stands at the times that queue gave, by another clock: none
    comes before what was seen here."""
    plan, item = fact.plan, fact.item
    contact = history.contacts.setdefault(item, Contact(item, plan.entry, plan.medium, plan.address, fact.entered_at))
    visit = history.last_item.get(item)
    seen = max(contact.entered_at, visit.left_at if visit else 0)
    if visit is None or visit.end is not VisitEnd.OPEN:
        _queue(history, item, visit.queue if visit else plan.queue, max(fact.entered_at, seen))
    waited = history.last_item[item]  # its queue is where the caller waited; the plan of a menu names none
    began = max(waited.queued_at, seen)
    answered = max(fact.answered_at, began)
    ended = max(fact.ended_at, answered if fact.answered_at else began)
    contact.ended_at, contact.outcome = ended, fact.outcome
    if not fact.answered_at:
        _leave(history, item, ended, VisitEnd.ABANDONED, fact.outcome)
        return
    _leave(history, item, answered, VisitEnd.ANSWERED, fact.outcome)
    contact.answered_at = contact.answered_at or answered
    began = max(answered, *(one.ended_at for one in history.by_item.get(item, ())), 0)
    part = Handled(item, fact.seat, waited.queue, plan.entry, plan.medium, began)
    part.ended_at, part.met_at, part.talk = max(ended, began), began, max(ended, began) - began
    add_part(history, part)


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


def _opened(history: History, fact: f.QueueOpened, at: Micros) -> None:
    closed = history.closed.setdefault(fact.queue, [])
    if closed and not closed[-1][1]:
        closed[-1] = closed[-1][0], at
    if not fact.open:
        closed.append((at, 0))


__all__ = [
    "Contact",
    "Dialled",
    "Direct",
    "Given",
    "Handled",
    "History",
    "Message",
    "Overflow",
    "Ring",
    "Said",
    "Span",
    "Visit",
    "VisitEnd",
    "Watched",
    "read_history",
]
