"""Changes of menus, hours, lines, outbound codes and dial classes. As in directory.service: each works in the session
it is given, never commits, checks the whole directory and raises its revision."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Table, delete, select, update
from sqlalchemy.orm import Session

from acd.core.model import Menu
from directory.definitions import Definition, read_snapshot
from directory.model import DialClass, DirectoryError, Hours, OutboundCode, Trunk
from directory.pool import wait_turn
from directory.sealing import opened, seal
from directory.service import changed, check_id, keep, keep_number
from storage import tables

REMOVABLE: Mapping[str, Table] = {
    "menu": tables.menus,
    "hours": tables.hours,
    "trunk": tables.trunks,
    "outbound code": tables.outbound_codes,
    "dial class": tables.dial_classes,
    "entry point": tables.entry_points,
}
"""What can be taken out of use by its id, and come again later. Seats are archived for good; a queue comes again by a
document alone, with what was told of it before."""
LONGEST_PASSWORD = 80


def put_menu(session: Session, menu: Menu) -> None:
    """A new menu, or a new definition of one."""
    _put(session, tables.menus, menu)


def put_hours(session: Session, hours: Hours) -> None:
    """New opening hours, or a new definition of some."""
    _put(session, tables.hours, hours)


def put_code(session: Session, code: OutboundCode) -> None:
    """A new outbound code, or a new definition of one (V14). Raises DirectoryError number_taken for a new one that an
    extension has."""
    keep_number(session, tables.outbound_codes, code)
    changed(session)


def put_dial_class(session: Session, dial_class: DialClass) -> None:
    """A new dial class, or a new definition of one."""
    _put(session, tables.dial_classes, dial_class)


def put_trunk(session: Session, trunk: Trunk, key: bytes, password: str | None = None) -> None:
    """A new line, or a new definition of one. `password` None keeps the one there is; `key` seals it."""
    check_id(trunk.id)
    keep(session, tables.trunks, trunk)
    if password is not None:
        keep_password(session, trunk.id, key, password)
    changed(session)


def set_queue_hours(session: Session, queue: str, hours: str) -> None:
    """The hours a queue is open in; "" = always. Raises DirectoryError unknown_queue, unknown_hours."""
    wait_turn(session)
    of_queue = update(tables.queues).where(tables.queues.c.id == queue, tables.queues.c.archived.is_(False))
    if session.execute(of_queue.values(hours=hours).returning(tables.queues.c.id)).scalar() is None:
        raise DirectoryError("unknown_queue", f"there is no queue {queue}")
    changed(session)


def remove(session: Session, kind: str, thing: str) -> None:
    """Take one of REMOVABLE out of use. Raises DirectoryError unknown_KIND, or what the check says where something
    still leads to it."""
    take_out(session, REMOVABLE[kind], kind, thing)
    changed(session)


def take_out(session: Session, table: Table, kind: str, thing: str) -> None:
    """Archive a row; the directory is not checked yet."""
    wait_turn(session)
    gone = update(table).where(table.c.id == thing, table.c.archived.is_(False)).values(archived=True)
    if session.execute(gone.returning(table.c.id)).scalar() is None:
        raise DirectoryError(f"unknown_{kind.replace(' ', '_')}", f"there is no {kind} {thing[:64]}")


def remove_skill(session: Session, skill: str) -> None:
    """Forget a skill nobody has who is still here. The directory is not checked yet."""
    have, people = tables.person_skills, tables.people.c
    has = select(have.c.person_id).join(tables.people, people.id == have.c.person_id)
    holder = session.execute(has.where(have.c.skill_id == skill, people.archived.is_(False)).limit(1)).scalar()
    if holder is not None:
        raise DirectoryError("skill_in_use", f"skill {skill} belongs to seat {holder}")
    session.execute(delete(have).where(have.c.skill_id == skill))
    session.execute(delete(tables.skills).where(tables.skills.c.id == skill))


def keep_password(session: Session, trunk: str, key: bytes, password: str) -> None:
    """Seal a carrier's password into its row. Raises DirectoryError bad_password."""
    if len(password) > LONGEST_PASSWORD or any(not "!" <= letter <= "~" for letter in password):
        raise DirectoryError("bad_password", f"at most {LONGEST_PASSWORD} printable ASCII characters without spaces")
    sealed = seal(password, key, trunk)
    session.execute(update(tables.trunks).where(tables.trunks.c.id == trunk).values(password=sealed))


def trunks_with_passwords(session: Session, key: bytes) -> list[tuple[Trunk, str]]:
    """Every line in use with its password, for Asterisk's configuration alone. Raises sealing.CannotOpen."""
    kept = select(tables.trunks.c.id, tables.trunks.c.password)
    sealed = {row.id: row.password for row in session.execute(kept)}
    return [(trunk, opened(sealed[trunk.id], key, trunk.id)) for trunk in read_snapshot(session).trunks]


def _put(session: Session, table: Table, definition: Definition) -> None:
    check_id(definition.id)
    keep(session, table, definition)
    changed(session)
