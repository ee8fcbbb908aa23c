"""The pool of extensions and the names of their SIP passwords. Nothing here checks the directory or raises its
revision: directory.service does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, insert, or_, select, update
from sqlalchemy.orm import Session

from acd.core.codec import dump
from acd.core.model import Policy
from directory.model import DirectoryError
from storage import tables

EXTENSION_KINDS = ("softphone", "desk", "browser")
DESK = "desk"
"""A hardphone, 一般分機."""
DOCTOR = "90043"
"""The extension of `ringside doctor`: nobody's, in no pool; its password is derived like any other."""


@dataclass(frozen=True, slots=True)
class Extension:
    """A number of the pool and the seat it belongs to, if any. `generation` names its SIP password, which is derived
    (storage.settings.Secrets.phone_password) and lies in no table. No generation is ever given twice."""

    number: str
    kind: str = "softphone"
    person: str = ""
    generation: int = 1
    short_code: str = ""


def list_extensions(session: Session, *where: ColumnElement[bool]) -> list[Extension]:
    """The pool, by number; those of it that fulfil all conditions."""
    columns = tables.extensions.c
    found = select(columns.number, columns.kind, columns.person_id, columns.generation, columns.short_code)
    rows = session.execute(found.where(*where).order_by(columns.number))
    return [
        Extension(number, kind, person or "", generation, short) for number, kind, person, generation, short in rows
    ]


def extension(session: Session, number: str) -> Extension | None:
    """One of the pool."""
    return next(iter(list_extensions(session, tables.extensions.c.number == number)), None)


def extensions_of(session: Session, seat: str) -> list[Extension]:
    """What a seat has."""
    return list_extensions(session, tables.extensions.c.person_id == seat)


def meaning(session: Session, dialled: str, besides: str = "") -> Extension | None:
    """The extension that these digits reach, as its number or its short code; `besides` this one."""
    columns = tables.extensions.c
    reached = or_(columns.number == dialled, columns.short_code == dialled)
    return next(iter(list_extensions(session, reached, columns.number != besides)), None)


def check_kind(kind: str) -> None:
    """Raises DirectoryError bad_extension for a kind of phone that there is not."""
    if kind not in EXTENSION_KINDS:
        raise DirectoryError("bad_extension", f"an extension is one of {', '.join(EXTENSION_KINDS)}, not {kind[:20]!r}")


def clashes(session: Session, emergency: Collection[str] = ()) -> frozenset[tuple[str, str]]:
    """(number, words) for each extension and short code that means something else too: an emergency number, the
    doctor's own, an entry point, an outbound code. `emergency`: the installation's emergency numbers."""
    inside = {name for one in list_extensions(session) for name in (one.number, one.short_code) if name}
    kinds = (("an entry point", tables.entry_points), ("an outbound code", tables.outbound_codes))
    found = {(number, "an emergency number") for number in inside & set(emergency)}
    found |= {(number, "the number of `ringside doctor`") for number in inside & {DOCTOR}}
    for what, table in kinds:
        rows = session.scalars(select(table.c.id).where(table.c.archived.is_(False), table.c.id.in_(sorted(inside))))
        found |= {(number, what) for number in rows}
    return frozenset(found)


def refuse_clash(found: Collection[tuple[str, str]]) -> None:
    """Raises DirectoryError number_taken for the first of these clashes."""
    for number, what in sorted(found):
        raise DirectoryError("number_taken", f"{number} cannot be an extension or its short code and {what} as well")


def ensure_state(session: Session) -> None:
    """The one row of the directory itself is there."""
    if session.execute(select(tables.directory_state.c.id)).scalar() is None:
        first = {"id": 1, "revision": 0, "policy": dump(Policy()), "outbound_record": True}
        session.execute(insert(tables.directory_state).values(**first))


def wait_turn(session: Session) -> None:
    """Nobody else changes the directory from here to our end.

    Every change raises the revision, in the one row of the directory. On PostgreSQL rows are locked as they are
    written: if one took that row first and an extension then, another the extension first, each would wait for the
    other. So everybody takes it first, before any other row; that holds for `next_generation` as well.
    """
    ensure_state(session)
    session.execute(select(tables.directory_state.c.id).with_for_update())


def next_generation(session: Session) -> int:
    """A generation no extension ever had, those that were deleted included. Whoever asks next waits for our end."""
    ensure_state(session)
    state = tables.directory_state
    raised = update(state).values(generations=state.c.generations + 1).returning(state.c.generations)
    return int(session.execute(raised).scalar_one())


def free(session: Session, extension: Extension) -> int:
    """Nobody has it any more. The generation of its other password, 0 where it keeps the one it has."""
    wait_turn(session)
    of_number = update(tables.extensions).where(tables.extensions.c.number == extension.number)
    session.execute(of_number.values(person_id=None))
    return end_password(session, extension)


def end_password(session: Session, had: Extension) -> int:
    """What follows when its holder has it no more: a desk phone's password stays with the phone on its desk; that of
    any other went with whoever had it and ends here. The generation of the one that holds now, 0 for the same."""
    if not had.person or had.kind == DESK:
        return 0
    generation = next_generation(session)
    of_number = update(tables.extensions).where(tables.extensions.c.number == had.number)
    session.execute(of_number.values(generation=generation))
    return generation
