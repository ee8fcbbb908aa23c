"""Figures of what no queue gave: calls out, callbacks, full lines, messages, supervision."""

from __future__ import annotations

from acd.core.model import DirectKind, Kind, Micros
from dashboards.formulas import Scope, contacts_in, directs_in
from dashboards.rows import Contact, Dialled, Direct, History


def dialled_in(history: History, scope: Scope) -> list[Dialled]:
    """Calls of seats to the outside that were dialled in the interval."""
    return [
        one
        for one in history.dialled.values()
        if one.dialled_at
        and scope.has(one.dialled_at)
        and scope.seat in ("", one.seat)
        and scope.prefix in ("", one.prefix)
        and scope.trunk in ("", one.trunk)
    ]


def handset_in(history: History, scope: Scope) -> list[Direct]:
    """Outbound calls that were only seen at the phone; they name no outbound code and no line."""
    return [] if scope.prefix or scope.trunk else directs_in(history, scope, DirectKind.OUTBOUND)


def outbound_dialled(history: History, scope: Scope) -> int:
    return len(dialled_in(history, scope)) + len(handset_in(history, scope))


def outbound_connected(history: History, scope: Scope) -> int:
    answered = [one.answered_at for one in dialled_in(history, scope)]
    answered += [one.answered_at for one in handset_in(history, scope)]
    return sum(bool(at) for at in answered)


def outbound_talk(history: History, scope: Scope) -> Micros:
    """Talk with the customer in the outbound calls dialled in the interval, of everybody who had part in them."""
    items = {one.item for one in dialled_in(history, scope)}
    return sum(part.talk for part in history.handled if part.item in items)


def callbacks_in(history: History, scope: Scope) -> list[Contact]:
    """Callbacks that were asked for in the interval, of the queue that keeps the place."""
    return [
        one
        for one in contacts_in(history, scope)
        if one.kind is Kind.CALLBACK and not one.leg and scope.queue in ("", one.queue)
    ]


def overflows(history: History, scope: Scope) -> dict[str, int]:
    """Calls refused above the cap, by line (V15)."""
    found: dict[str, int] = {}
    for one in history.overflows:
        if scope.has(one.at) and scope.trunk in ("", one.trunk) and scope.seat in ("", one.seat):
            found[one.trunk] = found.get(one.trunk, 0) + 1
    return found


def voicemails(history: History, scope: Scope) -> int:
    return sum(
        scope.has(one.at) and scope.queue in ("", one.queue) and scope.entry in ("", one.entry)
        for one in history.messages
    )


def watching(history: History, scope: Scope) -> Micros:
    """Time inside the interval in which supervisors were in conversations; it is nobody's talk."""
    now = min(scope.end, history.until)
    return sum(
        max(0, min(one.ended_at or now, scope.end) - max(one.started_at, scope.start))
        for one in history.watched
        if scope.seat in ("", one.seat)
    )
