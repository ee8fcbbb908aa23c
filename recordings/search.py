"""Finding a recording: by who called, who served, when, which queue, how long, how it ended, what is wrong with it.

Newest first, page by page; each filter has an index that ends in the time, so a page costs the same among a hundred or
a million rows.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, Row, Select, and_, or_, select
from sqlalchemy.orm import Session

from acd.core.model import Micros
from recordings import index
from recordings.model import Kept, Note, Problem, Recording, State, StoredFile
from recordings.rows import COLUMNS, read_row
from storage import tables

PAGE = 50
MOST = 500
NUMBERS_MOST = 200
"""Address rows of one number: a caller is seen with a few spellings of it."""
_row = tables.recordings.c


class BadCursor(ValueError):
    """The cursor was not given out by this listing: begin without one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to list; empty fields filter nothing. `since` <= started < `until`; lengths in microseconds."""

    number: str = ""  # as dialled or in E.164
    seat: str = ""
    queue: str = ""
    since: Micros = 0
    until: Micros = 0
    shortest: Micros = 0
    longest: Micros = 0
    outcome: str = ""
    problem: str = ""
    state: str = ""
    kind: str = ""
    item: str = ""
    held: bool | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A recording as listed. `number` is empty when hidden or erased."""

    row: Recording
    kept: Kept
    number: str


@dataclass(frozen=True, slots=True)
class Page:
    """`next` is the cursor of the page after this one; empty at the end."""

    views: tuple[View, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Detail:
    """One recording with its file and what was done to it."""

    view: View
    file: StoredFile | None
    notes: tuple[Note, ...]


def find(session: Session, wanted: Wanted | None = None, *, after: str = "", limit: int = PAGE) -> Page:
    """Recordings, newest first. `after` is the `next` of the page before. Raises BadCursor."""
    limit = max(1, min(limit, MOST))
    given = wanted or Wanted()
    addresses = _addresses(session, given.number) if given.number else []
    if given.number and not addresses:
        return Page(())
    source, at, name = _source(given)
    query = _columns(source).where(*_conditions(given, addresses, at))
    if after:
        query = query.where(_older(at, name, after))
    found = session.execute(query.order_by(at.desc(), name.desc()).limit(limit + 1)).all()
    views = tuple(_view(row) for row in found[:limit])
    if len(found) <= limit:
        return Page(views)
    last = views[-1].row
    return Page(views, f"{last.started_at}~{last.recording}")


def get(session: Session, recording: str) -> Detail | None:
    """One recording; None where there is none of that name."""
    found = session.execute(_columns(tables.recordings).where(_row.recording == recording)).one_or_none()
    if found is None:
        return None
    return Detail(_view(found), index.stored_file(session, recording), index.notes(session, recording))


def _addresses(session: Session, number: str) -> list[str]:
    """First, and in a query of its own: the planner must not walk through all recordings for it."""
    address = tables.addresses.c
    mine = select(address.id).where(or_(address.raw == number, address.e164 == number), address.erased_at == 0)
    return list(session.scalars(mine.limit(NUMBERS_MOST)))


def _source(given: Wanted) -> tuple[FromClause, ColumnElement[int], ColumnElement[str]]:
    """Where to begin: at the table whose index is in the listing's order for the filter given."""
    for table, value in ((tables.recording_seats, given.seat), (tables.recording_problems, given.problem)):
        if value:
            joined = table.join(tables.recordings, _row.recording == table.c.recording)
            return joined, table.c.started_at, table.c.recording
    return tables.recordings, _row.started_at, _row.recording


def _columns(source: FromClause) -> Select[tuple[object, ...]]:
    addresses = tables.addresses
    kept = (_row.state, _row.reason, _row.length, _row.problems, _row.tries, _row.retry_at, _row.legal_hold)
    return select(
        *COLUMNS,
        *kept,
        _row.expires_at,
        addresses.c.raw.label("a_raw"),
        addresses.c.e164.label("a_e164"),
        addresses.c.erased_at.label("a_erased_at"),
    ).select_from(source.outerjoin(addresses, addresses.c.id == _row.address))


def _conditions(given: Wanted, addresses: list[str], at: ColumnElement[int]) -> list[ColumnElement[bool]]:
    equal: dict[ColumnElement[str], str] = {
        tables.recording_seats.c.seat: given.seat,
        _row.queue: given.queue,
        _row.outcome: given.outcome,
        _row.state: given.state,
        _row.kind: given.kind,
        _row.item: given.item,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value]
    problem = tables.recording_problems.c
    if given.problem and given.seat:
        mine = select(problem.recording).where(problem.recording == _row.recording, problem.problem == given.problem)
        conditions.append(mine.exists())
    elif given.problem:
        conditions.append(problem.problem == given.problem)
    if addresses:
        conditions.append(_row.address.in_(addresses))
    if given.since:
        conditions.append(at >= given.since)
    if given.until:
        conditions.append(at < given.until)
    if given.shortest:
        conditions.append(_row.length >= given.shortest)
    if given.longest:
        conditions.append(_row.length <= given.longest)
    if given.held is not None:
        conditions.append(_row.legal_hold.is_(given.held))
    return conditions


def _view(found: Row[tuple[object, ...]]) -> View:
    values = found._mapping
    kept = Kept(
        State(values["state"]),
        values["reason"],
        values["length"],
        tuple(Problem(name) for name in values["problems"].split()),
        values["tries"],
        values["retry_at"],
        values["legal_hold"],
        values["expires_at"],
    )
    number = "" if values["a_erased_at"] else values["a_e164"] or values["a_raw"] or ""
    return View(read_row(values), kept, number)


def _older(at: ColumnElement[int], name: ColumnElement[str], cursor: str) -> ColumnElement[bool]:
    when, mark, last = cursor.partition("~")
    if not (mark and last and when.isascii() and when.isdigit() and len(when) <= 18):
        raise BadCursor("this cursor is not one of ours; leave it out to begin at the newest")
    return or_(at < int(when), and_(at == int(when), name < last))
