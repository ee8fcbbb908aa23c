"""The directory as the core's inputs (acd.ports.Configuration), read from its tables."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from acd.core.codec import dump, read
from acd.core.inputs import (
    ConfigurationApplied,
    Input,
    MediumDefined,
    MenuDefined,
    PolicySet,
    QueueDefined,
    QueueRetired,
    SeatProfileSet,
    SeatRetired,
    StatusDefined,
    TrunkDefined,
    TrunkRetired,
)
from acd.core.model import (
    MediumDef,
    MediumLimit,
    Menu,
    Policy,
    QueueDef,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    StatusDef,
    TrunkDef,
)
from directory.checks import problems
from directory.model import (
    DialClass,
    DirectoryError,
    EntryPoint,
    Hours,
    OutboundCode,
    Problem,
    QueueHours,
    RetiredQueue,
    SeatClass,
    Snapshot,
    Trunk,
)
from directory.routes import settled_menu, settled_queue
from storage import tables
from storage.session import Database

__all__ = [
    "Definition",
    "DirectoryConfiguration",
    "DirectoryError",
    "EntryPoint",
    "Problem",
    "RetiredQueue",
    "Snapshot",
    "inputs",
    "problems",
    "read_revision",
    "read_snapshot",
    "to_row",
]

T = TypeVar("T")
Definition = MediumDef | StatusDef | QueueDef | Menu | EntryPoint | Hours | Trunk | OutboundCode | DialClass
"""What a table of definitions holds a row of."""

# --- the core's inputs -----------------------------------------------------------------------------------------


def inputs(given: Snapshot, before: Snapshot | None = None) -> list[Input]:
    """The definitions in an order that can be applied: what is named comes before what names it; who goes frees his
    extension before another takes it, and so do those who changed theirs since `before`. Last ConfigurationApplied."""
    ordered: list[Input] = [PolicySet(given.policy)]
    ordered += [MediumDefined(medium) for medium in given.media]
    ordered += [StatusDefined(replace(status, retired=True)) for status in given.retired_statuses]
    ordered += [StatusDefined(status) for status in given.statuses]
    ordered += [TrunkDefined(TrunkDef(trunk.id, trunk.cap)) for trunk in given.trunks]
    ordered += [QueueDefined(settled_queue(given, queue)) for queue in given.queues]
    ordered += [MenuDefined(settled_menu(given, menu)) for menu in given.menus]
    ordered += [QueueRetired(gone.queue, gone.move_to) for gone in given.retired_queues]
    ordered += [SeatProfileSet(seat) for seat in _emptied(given, before)]
    ordered += [SeatRetired(seat) for seat in given.retired_seats]
    ordered += [SeatProfileSet(seat) for seat in given.seats]
    ordered += [TrunkRetired(trunk) for trunk in given.retired_trunks]
    ordered.append(ConfigurationApplied(given.revision))
    return ordered


def _emptied(given: Snapshot, before: Snapshot | None) -> list[SeatProfile]:
    """What must let go of its extension first: seats that have another one now, and seats that go. The latter leave
    their queues too, since the core keeps a seat that is signed in until it is not."""
    if before is None:
        return []
    now = {seat.id: seat for seat in given.seats}
    going = frozenset(given.retired_seats)
    moved = [now[old.id] for old in before.seats if old.id in now and old.extension not in ("", now[old.id].extension)]
    gone = [SeatProfile(old.id) for old in before.seats if old.id in going]
    return [*(replace(seat, extension="") for seat in moved), *gone]


# --- reading the tables ----------------------------------------------------------------------------------------


def read_revision(session: Session) -> int:
    """The directory's revision, 0 before the first change."""
    return session.execute(select(tables.directory_state.c.revision)).scalar() or 0


def read_snapshot(session: Session) -> Snapshot:
    """The whole directory, each kind in the order of its ids, so that the same tables give the same inputs."""
    state = session.execute(select(tables.directory_state)).mappings().one_or_none()
    if state is None:
        return Snapshot()
    retired = select(tables.queues.c.id, tables.queues.c.move_to).where(tables.queues.c.archived.is_(True))
    hours = select(tables.queues.c.id, tables.queues.c.hours).where(tables.queues.c.archived.is_(False))
    classes = select(tables.people.c.id, tables.people.c.dial_class).where(tables.people.c.archived.is_(False))
    return Snapshot(
        revision=state["revision"],
        policy=read(Policy, json.loads(state["policy"])),
        outbound_record=state["outbound_record"],
        media=_defined(session, tables.media, MediumDef),
        statuses=_defined(session, tables.statuses, StatusDef),
        retired_statuses=_defined(session, tables.statuses, StatusDef, archived=True),
        skills=tuple(session.scalars(select(tables.skills.c.id).order_by(tables.skills.c.id))),
        hours=_defined(session, tables.hours, Hours),
        queues=_defined(session, tables.queues, QueueDef),
        queue_hours=tuple(QueueHours(*row) for row in session.execute(hours.order_by(tables.queues.c.id)) if row.hours),
        retired_queues=tuple(RetiredQueue(*row) for row in session.execute(retired.order_by(tables.queues.c.id))),
        menus=_defined(session, tables.menus, Menu),
        trunks=_defined(session, tables.trunks, Trunk),
        retired_trunks=_gone(session, tables.trunks),
        codes=_defined(session, tables.outbound_codes, OutboundCode),
        dial_classes=_defined(session, tables.dial_classes, DialClass),
        seats=_seats(session),
        classes=tuple(
            SeatClass(*row) for row in session.execute(classes.order_by(tables.people.c.id)) if row.dial_class
        ),
        retired_seats=_gone(session, tables.people),
        entries=_defined(session, tables.entry_points, EntryPoint),
    )


def _gone(session: Session, table: Table) -> tuple[str, ...]:
    return tuple(session.scalars(select(table.c.id).where(table.c.archived.is_(True)).order_by(table.c.id)))


def _defined(session: Session, table: Table, kind: type[T], *, archived: bool = False) -> tuple[T, ...]:
    chosen = select(table.c.definition).where(table.c.archived.is_(archived)).order_by(table.c.position, table.c.id)
    return tuple(read(kind, json.loads(body)) for body in session.scalars(chosen))


def _seats(session: Session) -> tuple[SeatProfile, ...]:
    extensions = tables.extensions
    joined = _grouped(session, tables.person_queues, ("queue_id", "rank"), SeatQueue)
    skills = _grouped(session, tables.person_skills, ("skill_id", "level"), SkillLevel)
    limits = _grouped(session, tables.person_limits, ("medium_id", "limit"), MediumLimit)
    given = select(extensions.c.person_id, extensions.c.number).where(extensions.c.person_id.is_not(None))
    numbers: dict[str, str] = {row.person_id: row.number for row in session.execute(given)}
    people = select(tables.people).where(tables.people.c.archived.is_(False)).order_by(tables.people.c.id)
    return tuple(
        SeatProfile(
            id=row["id"],
            extension=numbers.get(row["id"], ""),
            queues=joined.get(row["id"], ()),
            skills=skills.get(row["id"], ()),
            limits=limits.get(row["id"], ()),
            total_limit=row["total_limit"],
            one_open_case=row["one_open_case"],
        )
        for row in session.execute(people).mappings()
    )


def _grouped(
    session: Session, table: Table, columns: tuple[str, str], build: Callable[[str, int], T]
) -> dict[str, tuple[T, ...]]:
    """The rows of a table of (person, thing, number), built and gathered by person."""
    thing, number = (table.c[name] for name in columns)
    found: dict[str, tuple[T, ...]] = {}
    for person, what, much in session.execute(select(table.c.person_id, thing, number).order_by(thing)):
        found[person] = (*found.get(person, ()), build(what, much))
    return found


def to_row(definition: Definition) -> dict[str, object]:
    """The columns of a table of definitions."""
    return {"id": definition.id, "definition": dump(definition), "archived": False}


class DirectoryConfiguration:
    """acd.ports.Configuration on the directory's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._given: Snapshot | None = None

    def revision(self) -> int:
        """Grows with every change of the directory; one small query."""
        with self._database.read() as session:
            return read_revision(session)

    def definitions(self) -> list[Input]:
        """Everything the core must know. Raises DirectoryError where the tables hold what cannot be applied."""
        with self._database.read() as session:
            given = read_snapshot(session)
        for problem in problems(given):
            raise DirectoryError(problem.code, problem.say)
        before, self._given = self._given, given
        return inputs(given, before)
