"""What an entry point does with one caller (acd.ports.EntryPlans): three small queries, the definitions cached."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from acd.core.model import EntryPlan
from acd.ports import AddressSeen, CallerNumber
from directory.definitions import EntryPoint, Snapshot, read_revision, read_snapshot
from storage import tables
from storage.session import Database

PHONE = "phone"
RAW_LENGTH = 64
NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """An address of a customer: its opaque id, which facts hold, and the contact it belongs to, if known."""

    id: str
    contact: str = ""


def plan_for(entry: EntryPoint, revision: int, address: KnownAddress, last_seat: str) -> EntryPlan:
    """The plan of an entry point for one address. Pure."""
    return EntryPlan(
        entry=entry.id,
        revision=revision,
        queue=entry.queue,
        medium=entry.medium,
        greeting=entry.greeting,
        menu=entry.menu,
        priority=entry.priority,
        needs=entry.needs,
        address=address.id,
        contact=address.contact,
        last_seat=last_seat,
    )


def keep_address(session: Session, caller: CallerNumber, kind: str = PHONE) -> KnownAddress:
    """The address of this number, kept at its first sight. The same raw and E.164 form is the same address; a caller
    who shows no number has none (an empty id), so two of them are never taken for one person."""
    raw, e164 = _printable(caller.raw, RAW_LENGTH), _printable(caller.e164, RAW_LENGTH)
    if not raw and not e164:
        return KnownAddress("")
    known = find_address(session, kind, raw, e164)
    if known is not None:
        return known
    made = KnownAddress(f"a-{secrets.token_hex(8)}")
    name = _printable(caller.name, NAME_LENGTH)
    row = {"id": made.id, "kind": kind, "raw": raw, "e164": e164, "name": name, "contact": ""}
    try:
        with session.begin_nested():
            session.execute(insert(tables.addresses).values(**row))
    except IntegrityError:  # somebody else kept it between the look and the insert
        return find_address(session, kind, raw, e164) or made
    return made


def find_address(session: Session, kind: str, raw: str, e164: str) -> KnownAddress | None:
    """The address kept for this number, if any."""
    table = tables.addresses.c
    found = select(table.id, table.contact).where(table.kind == kind, table.raw == raw, table.e164 == e164)
    row = session.execute(found).one_or_none()
    return None if row is None else KnownAddress(row.id, row.contact)


def last_seat(session: Session, address: str) -> str:
    """Who served this address last, as the records consumer keeps it; empty when nobody did."""
    if not address:
        return ""
    kept = select(tables.last_seats.c.seat).where(tables.last_seats.c.address == address)
    return session.execute(kept).scalar() or ""


def _printable(given: str, length: int) -> str:
    """Bounded and without control characters, whatever came in from the network."""
    return "".join(letter for letter in given[: 4 * length] if letter.isprintable())[:length]


class DirectoryPlans:
    """acd.ports.EntryPlans on the directory's tables. Safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cached = Snapshot()
        self._entries: dict[str, EntryPoint] = {}

    def plan(self, seen: AddressSeen) -> EntryPlan | None:
        """The plan, or None for an entry point that does not exist. Keeps the address and gives its id in it."""
        with self._database.read() as session:
            entry, revision = self._entry(session, seen.entry)
            raw, e164 = _printable(seen.caller.raw, RAW_LENGTH), _printable(seen.caller.e164, RAW_LENGTH)
            address = find_address(session, PHONE, raw, e164) if entry is not None else None
            seat = last_seat(session, address.id) if address is not None else ""
        if entry is None:
            return None
        if address is None:
            with self._database.write() as session:
                address = keep_address(session, seen.caller)
        return plan_for(entry, revision, address, seat)

    def _entry(self, session: Session, entry: str) -> tuple[EntryPoint | None, int]:
        revision = read_revision(session)
        with self._lock:
            if self._cached.revision != revision:
                self._cached = read_snapshot(session)
                self._entries = {one.id: one for one in self._cached.entries}
            return self._entries.get(entry), self._cached.revision
