"""The directory as the core's inputs (acd.ports.Configuration), checked before anybody relies on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from acd.core.codec import dump, read
from acd.core.inputs import (
    ConfigurationApplied,
    Input,
    MediumDefined,
    PolicySet,
    QueueDefined,
    QueueRetired,
    SeatProfileSet,
    SeatRetired,
    StatusDefined,
)
from acd.core.model import (
    MediumDef,
    MediumLimit,
    Menu,
    Policy,
    Presence,
    QueueDef,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    StatusDef,
)
from storage import tables
from storage.session import Database

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """What is dialled or written to, and what happens then. Its id is R2's channel account: the number, the page, the
    mailbox. `greeting` and the menu's prompt are names of sound files."""

    id: str
    name: str
    queue: str
    medium: str = "voice"
    greeting: str = ""
    menu: Menu | None = None
    priority: int = 0
    needs: tuple[SkillLevel, ...] = ()


@dataclass(frozen=True, slots=True)
class RetiredQueue:
    """A queue taken out of use; `move_to` takes those who wait there, empty means it drains."""

    queue: str
    move_to: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole directory at one revision."""

    revision: int = 0
    policy: Policy = Policy()
    outbound_record: bool = True  # V2
    media: tuple[MediumDef, ...] = ()
    statuses: tuple[StatusDef, ...] = ()
    skills: tuple[str, ...] = ()
    queues: tuple[QueueDef, ...] = ()
    retired_queues: tuple[RetiredQueue, ...] = ()
    seats: tuple[SeatProfile, ...] = ()
    retired_seats: tuple[str, ...] = ()
    entries: tuple[EntryPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in the directory that cannot be applied. `code` is stable, `say` tells what to do."""

    code: str
    say: str


class DirectoryError(ValueError):
    """A change that the directory refuses. `code` is stable and part of the API, `say` tells what to do."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code
        self.say = say


# --- checks ----------------------------------------------------------------------------------------------------


def _twice(values: Iterable[str]) -> Iterator[str]:
    """Each value that occurs again, in order."""
    seen: dict[str, bool] = {}
    for value in values:
        if value in seen:
            yield value
        seen[value] = True


def _extension_problems(given: Snapshot) -> Iterator[Problem]:
    for number in _twice(seat.extension for seat in given.seats if seat.extension):
        yield Problem("extension_taken", f"extension {number} belongs to two seats: release it from one of them")


def _seat_problems(given: Snapshot) -> Iterator[Problem]:
    queues = {queue.id for queue in given.queues}
    media = {medium.id: medium for medium in given.media}
    for seat in given.seats:
        for joined in seat.queues:
            if joined.queue not in queues:
                yield Problem("unknown_queue", f"seat {seat.id} serves queue {joined.queue}, which does not exist")
        yield from _skill_problems(f"seat {seat.id}", seat.skills, given)
        for limit in seat.limits:
            if limit.medium not in media:
                yield Problem("unknown_medium", f"seat {seat.id} has a limit for {limit.medium}, which does not exist")
            elif not 0 <= limit.limit <= media[limit.medium].ceiling:
                ceiling = media[limit.medium].ceiling
                yield Problem(
                    "over_ceiling", f"seat {seat.id}: {limit.medium} limit {limit.limit} is not within 0..{ceiling}"
                )


def _skill_problems(who: str, needs: Sequence[SkillLevel], given: Snapshot) -> Iterator[Problem]:
    for need in needs:
        if need.skill not in given.skills:
            yield Problem("unknown_skill", f"{who} names skill {need.skill}, which does not exist")
        if need.level < 1:
            yield Problem("bad_level", f"{who}: the level of skill {need.skill} must be 1 or more")


def _queue_problems(given: Snapshot) -> Iterator[Problem]:
    for queue in given.queues:
        yield from _skill_problems(f"queue {queue.id}", queue.needs, given)
        for ring in queue.rings:
            yield from _skill_problems(f"queue {queue.id}, relaxed", ring.needs, given)
        if queue.ring_time <= 0 or queue.sl_threshold <= 0:
            yield Problem("bad_time", f"queue {queue.id}: ring time and service level threshold must be above 0")
        afters = [ring.after for ring in queue.rings]
        if afters != sorted(afters) or any(after <= 0 for after in afters):
            yield Problem("bad_time", f"queue {queue.id}: the rings of relaxation must come one after another")
    known = {queue.id for queue in given.queues}
    for retired in given.retired_queues:
        if retired.move_to and retired.move_to not in known:
            yield Problem("unknown_queue", f"queue {retired.queue} moves to {retired.move_to}, which does not exist")


def _entry_problems(given: Snapshot) -> Iterator[Problem]:
    queues = {queue.id for queue in given.queues}
    media = {medium.id for medium in given.media}
    for entry in given.entries:
        if entry.queue not in queues:
            yield Problem("unknown_queue", f"entry point {entry.id} leads to queue {entry.queue}, which does not exist")
        if entry.medium not in media:
            yield Problem("unknown_medium", f"entry point {entry.id} is of medium {entry.medium}, which does not exist")
        yield from _skill_problems(f"entry point {entry.id}", entry.needs, given)
        if entry.menu is not None:
            yield from _menu_problems(entry.id, entry.menu, queues)


def _menu_problems(entry: str, menu: Menu, queues: set[str]) -> Iterator[Problem]:
    targets = [(option.digit, option.queue) for option in menu.options] + [("no key", menu.default)]
    for digit, queue in targets:
        if queue not in queues:
            yield Problem(
                "unknown_queue", f"the menu of entry point {entry} leads on {digit} to {queue}, which does not exist"
            )
    for option in menu.options:
        if len(option.digit) != 1 or option.digit not in "0123456789*#":
            yield Problem("bad_digit", f"the menu of entry point {entry}: {option.digit!r} is not a key of a phone")
    for digit in _twice(option.digit for option in menu.options):
        yield Problem("digit_twice", f"the menu of entry point {entry} has key {digit} twice")
    if not menu.options or menu.tries < 1 or menu.timeout <= 0:
        yield Problem("bad_menu", f"the menu of entry point {entry} needs a key, a try and a time-out above 0")


def _status_problems(given: Snapshot) -> Iterator[Problem]:
    for presence in Presence:
        offered = [status for status in given.statuses if status.presence is presence]
        first = [status.id for status in offered if status.after_login]
        if offered and len(first) != 1:
            yield Problem("status_after_login", f"exactly one {presence} status must hold after log-in, not {first}")


def _medium_problems(given: Snapshot) -> Iterator[Problem]:
    known = {medium.id for medium in given.media} | {"*"}
    for medium in given.media:
        if not 0 <= medium.limit <= medium.ceiling:
            yield Problem("over_ceiling", f"medium {medium.id}: limit {medium.limit} is not within 0..{medium.ceiling}")
        for other in medium.excludes + medium.wrap_up_blocks:
            if other not in known:
                yield Problem("unknown_medium", f"medium {medium.id} keeps away {other}, which does not exist")


CHECKS: tuple[Callable[[Snapshot], Iterator[Problem]], ...] = (
    _medium_problems,
    _status_problems,
    _queue_problems,
    _extension_problems,
    _seat_problems,
    _entry_problems,
)


def problems(given: Snapshot) -> list[Problem]:
    """Everything that keeps this directory from being applied; empty when it is sound."""
    return [problem for check in CHECKS for problem in check(given)]


# --- the core's inputs -----------------------------------------------------------------------------------------


def inputs(given: Snapshot, before: Snapshot | None = None) -> list[Input]:
    """The definitions in an order that can be applied: what is named comes before what names it; who goes frees his
    extension before another takes it, and so do those who changed theirs since `before`. Last ConfigurationApplied."""
    ordered: list[Input] = [PolicySet(given.policy)]
    ordered += [MediumDefined(medium) for medium in given.media]
    ordered += [StatusDefined(status) for status in given.statuses]
    ordered += [QueueDefined(queue) for queue in given.queues]
    ordered += [QueueRetired(gone.queue, gone.move_to) for gone in given.retired_queues]
    ordered += [SeatProfileSet(seat) for seat in _emptied(given, before)]
    ordered += [SeatRetired(seat) for seat in given.retired_seats]
    ordered += [SeatProfileSet(seat) for seat in given.seats]
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
    people_gone = select(tables.people.c.id).where(tables.people.c.archived.is_(True)).order_by(tables.people.c.id)
    return Snapshot(
        revision=state["revision"],
        policy=read(Policy, json.loads(state["policy"])),
        outbound_record=state["outbound_record"],
        media=_defined(session, tables.media, MediumDef),
        statuses=_defined(session, tables.statuses, StatusDef),
        skills=tuple(session.scalars(select(tables.skills.c.id).order_by(tables.skills.c.id))),
        queues=_defined(session, tables.queues, QueueDef),
        retired_queues=tuple(RetiredQueue(*row) for row in session.execute(retired.order_by(tables.queues.c.id))),
        seats=_seats(session),
        retired_seats=tuple(session.scalars(people_gone)),
        entries=_defined(session, tables.entry_points, EntryPoint),
    )


def _defined(session: Session, table: Table, kind: type[T]) -> tuple[T, ...]:
    chosen = select(table.c.definition).where(table.c.archived.is_(False)).order_by(table.c.position, table.c.id)
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


def to_row(definition: MediumDef | StatusDef | QueueDef | EntryPoint) -> dict[str, object]:
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
