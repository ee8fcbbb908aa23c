"""Numbers outside (acd.ports.DialPlans) on the directory's tables."""

from __future__ import annotations

import threading

from sqlalchemy.orm import Session

from acd.core.model import Route
from acd.ports import DialRefused
from directory import callers
from directory.definitions import read_revision, read_snapshot
from directory.dial_rules import Called, e164_of, forward_route, line_refusal, read_dialled, refusal
from directory.model import DirectoryError, Snapshot
from directory.routes import route_of
from storage.session import Database


def decide(
    given: Snapshot, seat: str, dialled: str, region: str, emergency: tuple[str, ...]
) -> tuple[Called, bool] | DialRefused:
    """The number, and whether it is an emergency call, or why this seat may not call it. Pure."""
    if seat not in {one.id for one in given.seats}:
        return DialRefused("unknown_seat", f"There is no seat {seat[:64]}.")
    read = read_dialled(given, dialled, region, emergency)
    if isinstance(read, DialRefused):
        return read
    called, urgent = read
    refused = None if urgent else refusal(given.dial_class(given.class_of(seat)), called)
    refused = refused or line_refusal(given, called.code)
    return refused or (called, urgent)


def outside(session: Session, given: Snapshot, number: str, code: str, region: str) -> Route:
    """The route of a menu's or queue's number outside; keeps the number's address.

    Raises DirectoryError with the dial rules' code.
    """
    route = forward_route(given, code, number, "", region)
    if isinstance(route, DialRefused):
        raise DirectoryError(route.code, route.say)
    whole = e164_of(number, region)
    found = given.code(code)
    assert found is not None, "forward_route has found it"
    return route_of(given, found, callers.keep_number(session, number, whole).id)


class DirectoryDialPlans:
    """acd.ports.DialPlans. Safe to call from several threads."""

    def __init__(self, database: Database, *, region: str, emergency: tuple[str, ...]) -> None:
        self._database, self._region, self._emergency = database, region, emergency
        self._lock = threading.Lock()
        self._cached = Snapshot()

    def route(self, seat: str, dialled: str) -> Route | DialRefused:
        """The route of what a seat dialled, outbound code and all. Keeps the number's address. Blocking."""
        with self._database.read() as session:
            given = self._snapshot(session)
        found = decide(given, seat, dialled, self._region, self._emergency)
        if isinstance(found, DialRefused):
            return found
        called, urgent = found
        with self._database.write() as session:
            address = callers.keep_number(session, called.raw, called.e164).id
        return route_of(given, called.code, address, emergency=urgent)

    def number_of(self, address: str) -> str:
        """What to dial for an address id; "" when it was erased. Blocking."""
        with self._database.read() as session:
            return callers.number_of(session, address)

    def _snapshot(self, session: Session) -> Snapshot:
        revision = read_revision(session)
        with self._lock:
            if self._cached.revision != revision:
                self._cached = read_snapshot(session)
            return self._cached
