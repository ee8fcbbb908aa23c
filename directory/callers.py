"""What is kept of callers' addresses: the address itself, the blacklist (C8, D24) and VIP priority. All by address id,
so that erasing the address leaves nothing that points at a number."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from acd.core.model import SECOND, Micros
from acd.ports import CallerNumber
from directory.model import DirectoryError
from storage import tables

PHONE = "phone"
RAW_LENGTH = 64
NAME_LENGTH = 100
REASON_LENGTH = 200
AGENT_TERM: Micros = 24 * 3600 * SECOND
"""C8: an agent's entry frees itself after 24 hours, to the microsecond."""
HIGHEST_PRIORITY = 1_000_000


@dataclass(frozen=True, slots=True)
class KnownAddress:
    """An address of a customer: its opaque id, which facts hold, and the contact it belongs to, if known."""

    id: str
    contact: str = ""


@dataclass(frozen=True, slots=True)
class CallerFound:
    """All that is kept of a number that calls: its address if any, its last seat, whether refused, and its points.
    `revision` is the directory's."""

    address: KnownAddress | None
    last_seat: str
    blocked: bool
    vip: int
    revision: int


@dataclass(frozen=True, slots=True)
class Blacklisted:
    """An entry of the blacklist. `until` 0 = for good. `number` is what can be shown of the address now."""

    address: str
    number: str
    at: Micros
    until: Micros
    by: str
    via: str
    reason: str


@dataclass(frozen=True, slots=True)
class Vip:
    """An address whose callers stand `priority` points higher (D19)."""

    address: str
    number: str
    priority: int
    at: Micros
    by: str


# --- addresses -------------------------------------------------------------------------------------------------------


def keep_address(session: Session, caller: CallerNumber, kind: str = PHONE) -> KnownAddress:
    """The address of this number, kept at its first sight. The same raw and E.164 form is the same address; a caller
    who shows no number has none (an empty id), so two of them are never taken for one person."""
    raw, e164 = printable(caller.raw, RAW_LENGTH), printable(caller.e164, RAW_LENGTH)
    if not raw and not e164:
        return KnownAddress("")
    made = KnownAddress(f"a-{secrets.token_hex(8)}")
    name = printable(caller.name, NAME_LENGTH)
    row = {"id": made.id, "kind": kind, "raw": raw, "e164": e164, "name": name, "contact": ""}
    if session.execute(_NEW_ADDRESS[session.get_bind().dialect.name], row).first() is not None:
        return made
    return find_address(session, kind, raw, e164) or made


_NEW_ADDRESS = {
    "sqlite": sqlite.insert(tables.addresses).on_conflict_do_nothing().returning(tables.addresses.c.id),
    "postgresql": postgresql.insert(tables.addresses).on_conflict_do_nothing().returning(tables.addresses.c.id),
}
"""Keep it unless it is there: one statement, where a look, a savepoint and the insert took three times as long."""


def find_address(session: Session, kind: str, raw: str, e164: str) -> KnownAddress | None:
    """The address kept for this number, if any."""
    table = tables.addresses.c
    found = select(table.id, table.contact).where(table.kind == kind, table.raw == raw, table.e164 == e164)
    row = session.execute(found).one_or_none()
    return None if row is None else KnownAddress(row.id, row.contact)


def find_caller(session: Session, kind: str, raw: str, e164: str, at: Micros) -> CallerFound:
    """What find_address, last_seat, is_blocked, vip_priority and read_revision say of this number, in one statement."""
    given = {"kind": kind, "raw": raw, "e164": e164, "at": at}
    row = session.execute(_WITH_NUMBER if e164 else _WITHOUT_NUMBER, given).one()
    address = None if row.id is None else KnownAddress(row.id, row.contact)
    return CallerFound(address, row.seat or "", bool(row.blocked), row.priority or 0, row.revision or 0)


def _caller_statement(*, by_number: bool) -> Select[Any]:
    """One row whatever is kept. The address of the very spelling is its first part, everything else hangs on its id."""
    mine, other = tables.addresses.alias("mine"), tables.addresses.c
    kept = (mine.c.kind == bindparam("kind"), mine.c.raw == bindparam("raw"), mine.c.e164 == bindparam("e164"))
    address = select(mine.c.id).where(*kept).scalar_subquery()
    same = or_(other.id == address, other.e164 == bindparam("e164")) if by_number else other.id == address
    seats, listed, vips_ = tables.last_seats.c, tables.blacklist.c, tables.vips.c
    alive = or_(listed.until == 0, listed.until > bindparam("at"))
    blocked = select(func.count()).select_from(tables.blacklist.join(tables.addresses, other.id == listed.address))
    points = select(func.max(vips_.priority)).select_from(tables.vips.join(tables.addresses, other.id == vips_.address))
    return select(
        address.label("id"),
        select(mine.c.contact).where(*kept).scalar_subquery().label("contact"),
        select(seats.seat).where(seats.address == address).scalar_subquery().label("seat"),
        blocked.where(alive, same).scalar_subquery().label("blocked"),
        points.where(same).scalar_subquery().label("priority"),
        select(tables.directory_state.c.revision).scalar_subquery().label("revision"),
    )


def keep_number(session: Session, raw: str, e164: str) -> KnownAddress:
    """The address of a number we call or name ourselves: one already known by its E.164 form, however it was written
    then, else a new one."""
    table = tables.addresses.c
    if e164:
        found = select(table.id, table.contact).where(table.kind == PHONE, table.e164 == printable(e164, RAW_LENGTH))
        row = session.execute(found.order_by(table.id).limit(1)).one_or_none()
        if row is not None:
            return KnownAddress(row.id, row.contact)
    return keep_address(session, CallerNumber(raw, e164))


def number_of(session: Session, address: str) -> str:
    """What to dial for an address id: E.164 where it is known, else as it was seen; "" when it was erased."""
    table = tables.addresses.c
    found = select(table.e164, table.raw).where(table.id == address, table.kind == PHONE, table.erased_at == 0)
    row = session.execute(found).one_or_none()
    return "" if row is None else row.e164 or row.raw


def contact_of(session: Session, address: str) -> KnownAddress:
    """The address with its contact."""
    found = select(tables.addresses.c.contact).where(tables.addresses.c.id == address)
    return KnownAddress(address, session.execute(found).scalar() or "")


def address_of_call(session: Session, call: str) -> str:
    """The customer's address of a contact, as the records have it; "" when there is none."""
    found = select(tables.interactions.c.address).where(tables.interactions.c.item == call)
    return session.execute(found).scalar() or ""


def last_seat(session: Session, address: str) -> str:
    """Who served this address last, as the records consumer keeps it; empty when nobody did."""
    if not address:
        return ""
    kept = select(tables.last_seats.c.seat).where(tables.last_seats.c.address == address)
    return session.execute(kept).scalar() or ""


def printable(given: str, length: int) -> str:
    """Bounded and without control characters, whatever came in from the network."""
    return "".join(letter for letter in given[: 4 * length] if letter.isprintable())[:length]


# --- the blacklist -------------------------------------------------------------------------------------------------


def block(
    session: Session, address: str, *, at: Micros, by: str, via: str, reason: str = "", for_good: bool = False
) -> Blacklisted:
    """Put the number of an address on the blacklist, for 24 hours or for good, as its one entry. An entry of any
    spelling of it that lasts longer is not shortened.

    Raises DirectoryError no_number for an address that is not kept, or was erased.
    """
    number = number_of(session, address)
    if not number:
        raise DirectoryError("no_number", f"there is no number for address {address[:64]}")
    spellings = _spellings(session, address)
    forget_expired(session, at)
    until = 0 if for_good else at + AGENT_TERM
    for before in _entries(session, spellings):
        if before.until == 0 or (until and before.until > until):
            return before
    entry = {"at": at, "until": until, "by": by, "via": via, "reason": printable(reason, REASON_LENGTH)}
    _take_off(session, tables.blacklist, spellings)
    _put(session, tables.blacklist, address, entry)
    return Blacklisted(address, number, at, until, by, via, printable(reason, REASON_LENGTH))


def unblock(session: Session, address: str) -> None:
    """Take the number of an address off, whatever spelling of it is on. Raises DirectoryError not_listed."""
    if not _take_off(session, tables.blacklist, _spellings(session, address)):
        raise DirectoryError("not_listed", f"address {address[:64]} is not on the blacklist")


def is_blocked(session: Session, address: str, e164: str, at: Micros) -> bool:
    """Whether calls of this number are refused at this moment: it, or another address of the same number, is on."""
    table = tables.blacklist.c
    alive = or_(table.until == 0, table.until > at)
    found = select(table.address).join(tables.addresses, tables.addresses.c.id == table.address)
    return session.execute(found.where(alive, _same(address, e164)).limit(1)).first() is not None


def blacklisted(session: Session, at: Micros) -> list[Blacklisted]:
    """Every entry that holds at this moment, newest first."""
    table = tables.blacklist
    rows = session.execute(
        select(table).where(or_(table.c.until == 0, table.c.until > at)).order_by(table.c.at.desc(), table.c.address)
    ).mappings()
    return [Blacklisted(number=number_of(session, row["address"]), **row) for row in rows]


def forget_expired(session: Session, at: Micros) -> int:
    """Remove entries that are over; how many. They hold no longer whether they are removed or not."""
    table = tables.blacklist
    over = delete(table).where(table.c.until != 0, table.c.until <= at).returning(table.c.address)
    return len(session.execute(over).all())


def _entries(session: Session, addresses: Collection[str]) -> list[Blacklisted]:
    """The entries of these addresses, the one that lasts longest first."""
    table = tables.blacklist
    lasting = select(table).where(table.c.address.in_(addresses)).order_by(table.c.until != 0, table.c.until.desc())
    rows = session.execute(lasting).mappings().all()
    return [Blacklisted(number=number_of(session, row["address"]), **row) for row in rows]


# --- VIP -----------------------------------------------------------------------------------------------------------


def set_vip(session: Session, address: str, priority: int, *, at: Micros, by: str) -> None:
    """Callers of this address's number stand that many points higher, whatever its other spellings had; 0 takes it
    off. Raises DirectoryError no_number, bad_priority."""
    if not 0 <= priority <= HIGHEST_PRIORITY:
        raise DirectoryError("bad_priority", f"a priority is 0 to {HIGHEST_PRIORITY} points")
    if priority and not number_of(session, address):
        raise DirectoryError("no_number", f"there is no number for address {address[:64]}")
    _take_off(session, tables.vips, _spellings(session, address))
    if priority:
        _put(session, tables.vips, address, {"priority": priority, "at": at, "by": by})


def vip_priority(session: Session, address: str, e164: str) -> int:
    """The points of this number's address, the most of its addresses, 0 for none."""
    table = tables.vips.c
    found = select(table.priority).join(tables.addresses, tables.addresses.c.id == table.address)
    return max(session.scalars(found.where(_same(address, e164))), default=0)


def vips(session: Session) -> Iterator[Vip]:
    """Every one, by address id."""
    rows = session.execute(select(tables.vips).order_by(tables.vips.c.address)).mappings().all()
    return (Vip(number=number_of(session, row["address"]), **row) for row in rows)


def _same(address: str, e164: str) -> ColumnElement[bool]:
    """An address and whatever else is the same number in another spelling."""
    table = tables.addresses.c
    return or_(table.id == address, table.e164 == e164) if e164 else table.id == address


def _spellings(session: Session, address: str) -> set[str]:
    """The ids of an address and of whatever else is the same number. Nobody else changes what hangs on them from here
    to our end, so what is read of them still holds when it is written."""
    table = tables.addresses.c
    e164 = session.execute(select(table.e164).where(table.id == address)).scalar() or ""
    locked = select(table.id).where(_same(address, e164)).order_by(table.id).with_for_update()
    return {address, *session.scalars(locked)}


def _take_off(session: Session, table: Table, addresses: Collection[str]) -> bool:
    """Whether one of them was in it."""
    gone = delete(table).where(table.c.address.in_(addresses)).returning(table.c.address)
    return bool(session.execute(gone).all())


def _put(session: Session, table: Table, address: str, values: dict[str, object]) -> None:
    """The row of this address, a new one or the one that somebody made at the same moment."""
    given = _INSERT[session.get_bind().dialect.name](table).values(address=address, **values)
    session.execute(given.on_conflict_do_update(index_elements=[table.c.address], set_=values))


_INSERT: dict[str, type[sqlite.Insert] | type[postgresql.Insert]] = {
    "sqlite": sqlite.Insert,
    "postgresql": postgresql.Insert,
}


_WITH_NUMBER = _caller_statement(by_number=True)
_WITHOUT_NUMBER = _caller_statement(by_number=False)
