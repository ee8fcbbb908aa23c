"""Who talks, holds and consults for how long: each seat's part of each conversation, from facts.

One table says what a seat does in each shape; its parts follow the facts, so that no second is booked twice (pain P3).
"""

from __future__ import annotations

from collections.abc import Mapping

from acd.core import facts as f
from acd.core.model import Kind, Micros, Party
from acd.core.shapes import Shape
from dashboards.rows import Dialled, Given, Handled, History, Talk, Visit, Watched

DOES: Mapping[Shape, tuple[str, str]] = {
    Shape.NONE: ("", ""),
    Shape.DIALLING: ("", ""),
    Shape.TALK: ("talk", ""),
    Shape.HELD: ("hold", ""),
    Shape.RINGING: ("hold", ""),
    Shape.CONSULT: ("consult", "consult"),
    Shape.SWAPPED: ("talk", ""),
    Shape.THREE_WAY: ("talk", "talk"),
    Shape.COACHED: ("talk", ""),
    Shape.BLIND: ("", ""),
    Shape.HANDED_OVER: ("", ""),
    Shape.PRIVATE: ("consult", "consult"),
}
"""What the owner and the colleague do: talk with the customer, keep him on hold, talk without him, or nothing."""

ON_HOLD = frozenset({Shape.HELD, Shape.RINGING})


def take_talk(history: History, fact: f.Fact, at: Micros) -> None:
    """Take up a fact about a conversation; others change nothing."""
    match fact:
        case f.Accepted():
            _accepted(history, fact, at)
        case f.OutboundStarted():
            _outbound(history, fact, at)
        case f.OtherAnswered() if fact.seat:
            _begin(history, fact.item, fact.seat, fact.queue, fact.medium, fact.leg, at, owned=False)
        case f.TookOver():
            _took_over(history, fact, at)
        case f.ShapeChanged():
            _reshape(history, fact.item, fact.shape, at)
        case f.CustomerDialled():
            _customer_dialled(history, fact, at)
        case f.CustomerRang() if fact.item in history.contacts:
            history.contacts[fact.item].rang_at = at
        case f.CustomerAnswered():
            _customer_answered(history, fact, at)
        case f.HandlingEnded():
            _handling_ended(history, fact, at)
        case f.WatchAnswered():
            history.watched.append(Watched(fact.item, fact.seat, fact.leg, at))
        case f.WatchEnded():
            _watch_over(history, fact.leg, at)
        case _:
            pass  # nobody's time is changed by it


# --- parts -----------------------------------------------------------------------------------------------------------


def add_part(history: History, part: Handled) -> Handled:
    """A seat's part in a contact."""
    history.handled.append(part)
    history.by_item.setdefault(part.item, []).append(part)
    return part


def _begin(
    history: History,
    item: str,
    seat: str,
    queue: str,
    medium: str,
    offer: str,
    at: Micros,
    *,
    owned: bool = True,
    outbound: bool = False,
) -> Handled:
    contact = history.contacts.get(item)
    entry = contact.entry if contact else ""
    part = Handled(item, seat, queue, entry, medium, at, offer, outbound, owned=owned)
    if owned:
        _talk_of(history, item).owner = part
    return add_part(history, part)


def _talk_of(history: History, item: str) -> Talk:
    return history.talks.setdefault(item, Talk())


def _reshape(history: History, item: str, shape: Shape, at: Micros) -> None:
    talk = _talk_of(history, item)
    talk.shape = shape
    _place(history, item, talk, at)


def _place(history: History, item: str, talk: Talk, at: Micros) -> None:
    """Everybody does what the shape says from now on."""
    owner, other = DOES[talk.shape]
    for part in history.by_item.get(item, ()):
        if part.ended_at:
            continue
        _do(part, owner if part is talk.owner else "" if part.owned else other, at)


def _do(part: Handled, doing: str, at: Micros) -> None:
    if part.doing == doing:
        return
    _stop(part, at)
    part.doing, part.since = doing, at
    if doing == "talk":
        part.met_at = part.met_at or at


def _stop(part: Handled, at: Micros) -> None:
    if part.doing:
        setattr(part, part.doing, getattr(part, part.doing) + at - part.since)
    part.doing = ""


def _accepted(history: History, fact: f.Accepted, at: Micros) -> None:
    contact, visit = history.contacts.get(fact.item), history.last_item.get(fact.item)
    part = _begin(history, fact.item, fact.seat, fact.queue, fact.medium, fact.offer, at)
    part.received = visit is not None and _answers(visit, at) and visit.transferred
    virtual = contact is not None and contact.kind is Kind.CALLBACK and not contact.leg and not contact.answered_at
    if virtual and fact.bridge:
        _reshape(history, fact.item, Shape.DIALLING, at)
        return
    if contact is not None:
        contact.answered_at = contact.answered_at or at
    _reshape(history, fact.item, Shape.TALK, at)


def _answers(visit: Visit, at: Micros) -> bool:
    return visit.left_at in (0, at)


def _took_over(history: History, fact: f.TookOver, at: Micros) -> None:
    _watch_over(history, fact.leg, at)
    known = [one for one in history.by_item.get(fact.item, ()) if one.offer == fact.leg and not one.ended_at]
    if known:
        part, talk = known[0], _talk_of(history, fact.item)
        part.owned, part.received, talk.owner = True, True, part
    else:
        _begin(history, fact.item, fact.seat, fact.queue, fact.medium, fact.leg, at)
    _place(history, fact.item, _talk_of(history, fact.item), at)


def _handling_ended(history: History, fact: f.HandlingEnded, at: Micros) -> None:
    talk = _talk_of(history, fact.item)
    for part in history.by_item.get(fact.item, ()):
        if part.offer != fact.offer or part.ended_at:
            continue
        part.left_on_hold = part is talk.owner and fact.who is Party.CUSTOMER and talk.shape in ON_HOLD
        _stop(part, at)
        part.ended_at = at
        if fact.how == "transferred":
            part.given = _given(talk, part)
        if part.given is Given.QUEUE:
            history.given.add(fact.item)
        if part is talk.owner:
            talk.owner = None
            talk.shape = talk.shape if talk.shape in (Shape.BLIND, Shape.HANDED_OVER) else Shape.NONE


def _given(talk: Talk, part: Handled) -> Given:
    if talk.shape is Shape.BLIND:
        return Given.BLIND
    if talk.shape is Shape.HANDED_OVER or part is not talk.owner:
        return Given.CONSULT
    return Given.QUEUE


# --- outbound and callbacks ----------------------------------------------------------------------------------------


def _outbound(history: History, fact: f.OutboundStarted, at: Micros) -> None:
    history.dialled[fact.item] = Dialled(fact.item, fact.seat, fact.route.prefix, fact.route.trunk, at)
    _begin(history, fact.item, fact.seat, "", fact.medium, fact.leg, at, outbound=True)
    _reshape(history, fact.item, Shape.DIALLING, at)


def _customer_dialled(history: History, fact: f.CustomerDialled, at: Micros) -> None:
    called = history.dialled.get(fact.item) or history.contacts.get(fact.item)
    if called is not None:
        called.dialled_at = called.dialled_at or at
    _reshape(history, fact.item, Shape.DIALLING, at)


def _customer_answered(history: History, fact: f.CustomerAnswered, at: Micros) -> None:
    called = history.dialled.get(fact.item) or history.contacts.get(fact.item)
    if called is not None:
        called.answered_at = called.answered_at or at
    _reshape(history, fact.item, Shape.TALK, at)


# --- supervision -----------------------------------------------------------------------------------------------------


def _watch_over(history: History, leg: str, at: Micros) -> None:
    for one in reversed(history.watched):
        if one.leg == leg and not one.ended_at:
            one.ended_at = at
            return
