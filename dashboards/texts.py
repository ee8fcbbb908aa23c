"""Figures of text contacts: how long a customer waits for an answer, and who wrote at all."""

from __future__ import annotations

from acd.core.model import Micros, Party
from dashboards.formulas import Scope, contacts_in
from dashboards.rows import Contact, History, Said


def replies_to(contact: Contact) -> list[Micros]:
    """How long each run of customer messages waited for an answer; the system's messages answer nothing."""
    waiting: Micros = 0
    found: list[Micros] = []
    for said in contact.said:
        if said.side is Party.CUSTOMER:
            waiting = waiting or said.at
        elif said.side is Party.SEAT and waiting:
            found.append(said.at - waiting)
            waiting = 0
    return found


def said_by(contact: Contact, side: Party) -> list[Said]:
    return [one for one in contact.said if one.side is side]


def first_replies(history: History, scope: Scope) -> list[Micros]:
    """From the contact's arrival to the seat's first message."""
    first = [(one, said_by(one, Party.SEAT)) for one in contacts_in(history, scope)]
    return [said[0].at - one.entered_at for one, said in first if said]


def open_time(history: History, queue: str, start: Micros, end: Micros) -> Micros:
    """How much of [start, end) the queue was open."""
    shut = history.closed.get(queue, ())
    return end - start - sum(max(0, min(until or end, end) - max(begun, start)) for begun, until in shut)


def first_replies_open(history: History, scope: Scope) -> list[Micros]:
    """As `first_replies`, without the time in which the contact's queue was closed."""
    first = [(one, said_by(one, Party.SEAT)) for one in contacts_in(history, scope)]
    return [open_time(history, one.queue, one.entered_at, said[0].at) for one, said in first if said]


def next_replies(history: History, scope: Scope) -> list[Micros]:
    return [wait for one in contacts_in(history, scope) for wait in replies_to(one)[1:]]


def text_contacts(history: History, scope: Scope) -> list[Contact]:
    return [one for one in contacts_in(history, scope) if one.medium not in {"voice", "callback"}]


def valid_both_spoke(history: History, scope: Scope) -> int:
    """CK: both sides sent something"""
    return sum(
        bool(said_by(one, Party.CUSTOMER)) and bool(said_by(one, Party.SEAT)) for one in text_contacts(history, scope)
    )


def valid_visitor_spoke(history: History, scope: Scope) -> int:
    """SN: the visitor sent something"""
    return sum(bool(said_by(one, Party.CUSTOMER)) for one in text_contacts(history, scope))
