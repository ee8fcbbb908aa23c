"""Reading contacts and records: newest first, page by page, each with its record or its one reason (V13)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from acd.core.model import Kind, Micros
from records import cases
from records.explain import Explanation, explain
from records.model import Case, Interaction, ServiceRecord
from storage import tables

PAGE = 50
MOST = 500
"""Rows a page may have: a listing of 500 contacts is some 300 kB of JSON."""


class BadCursor(ValueError):
    """The cursor was not given out by this listing: begin without one."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """What to list; empty fields filter nothing. `kinds` empty: every kind of contact. `since` <= entered < `until`."""

    kinds: tuple[str, ...] = (Kind.CALL,)
    queue: str = ""
    seat: str = ""
    direction: str = ""
    medium: str = ""
    outcome: str = ""
    reason: str = ""
    number: str = ""  # as dialled or in E.164
    recorded: bool | None = None
    live: bool | None = None
    since: Micros = 0
    until: Micros = 0


@dataclass(frozen=True, slots=True)
class CallView:
    """A contact as listed: its row, the customer's number (empty when hidden or erased), and its record or reason."""

    interaction: Interaction
    number: str
    explanation: Explanation
    record: ServiceRecord | None = None


@dataclass(frozen=True, slots=True)
class CallPage:
    """`next` is the cursor of the page after this one; empty at the end."""

    calls: tuple[CallView, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class RecordPage:
    records: tuple[ServiceRecord, ...]
    next: str = ""


@dataclass(frozen=True, slots=True)
class CallDetail:
    """A contact with all its rows."""

    view: CallView
    case: Case


def list_calls(
    session: Session,
    wanted: CallFilter | None = None,
    *,
    after: str = "",
    limit: int = PAGE,
    behind: int = 0,
) -> CallPage:
    """Contacts, newest first. `after` is the `next` of the page before; `behind` is the records consumer's lag in
    facts, which explain() needs. Raises BadCursor."""
    limit = max(1, min(limit, MOST))
    item = tables.interactions.c
    query = _calls().where(*_conditions(wanted or CallFilter()))
    if after:
        query = query.where(_older(item.entered_at, item.item, after))
    found = session.execute(query.order_by(item.entered_at.desc(), item.item.desc()).limit(limit + 1)).all()
    views = tuple(_view(row, behind) for row in found[:limit])
    if len(found) <= limit:
        return CallPage(views)
    last = views[-1].interaction
    return CallPage(views, _cursor(last.entered_at, last.item))


def get_call(session: Session, item: str, *, behind: int = 0) -> CallDetail | None:
    """One contact with its segments, legs, handlings and record; None where records does not know it."""
    row = session.execute(_calls().where(tables.interactions.c.item == item)).one_or_none()
    if row is None:
        return None
    return CallDetail(_view(row, behind), cases.load(session, [item])[item])


def list_records(
    session: Session,
    *,
    seat: str = "",
    queue: str = "",
    since: Micros = 0,
    until: Micros = 0,
    after: str = "",
    limit: int = PAGE,
) -> RecordPage:
    """Service records by contact time, newest first. Raises BadCursor."""
    limit = max(1, min(limit, MOST))
    record = tables.service_records.c
    query = select(*(record[one.name] for one in fields(ServiceRecord)))
    if seat:
        query = query.where(record.seat == seat)
    if queue:
        query = query.where(record.queue == queue)
    if since:
        query = query.where(record.contact_at >= since)
    if until:
        query = query.where(record.contact_at < until)
    if after:
        query = query.where(_older(record.contact_at, record.id, after))
    rows = session.execute(query.order_by(record.contact_at.desc(), record.id.desc()).limit(limit + 1)).mappings()
    found = [ServiceRecord(**row) for row in rows]
    following = _cursor(found[limit - 1].contact_at, found[limit - 1].id) if len(found) > limit else ""
    return RecordPage(tuple(found[:limit]), following)


def get_record(session: Session, record: str) -> ServiceRecord | None:
    """One service record by its id."""
    columns = (tables.service_records.c[one.name] for one in fields(ServiceRecord))
    found = session.execute(select(*columns).where(tables.service_records.c.id == record)).mappings().one_or_none()
    return None if found is None else ServiceRecord(**found)


def count_reasons(session: Session) -> dict[str, int]:
    """How many contacts have a record (key "") and how many none, by reason: with every contact in exactly one."""
    item = tables.interactions.c
    found = select(item.reason, func.count()).group_by(item.reason).order_by(item.reason)
    return dict(session.execute(found).all())


def _calls() -> Select[tuple[object, ...]]:
    items, records, addresses = tables.interactions, tables.service_records, tables.addresses
    return (
        select(
            *(items.c[one.name] for one in fields(Interaction)),
            *(records.c[one.name].label(f"r_{one.name}") for one in fields(ServiceRecord)),
            addresses.c.raw.label("a_raw"),
            addresses.c.e164.label("a_e164"),
            addresses.c.erased_at.label("a_erased_at"),
        )
        .outerjoin(records, records.c.item == items.c.item)
        .outerjoin(addresses, addresses.c.id == items.c.address)
    )


def _conditions(wanted: CallFilter) -> list[ColumnElement[bool]]:
    item, address = tables.interactions.c, tables.addresses.c
    equal = {
        item.queue: wanted.queue,
        item.seat: wanted.seat,
        item.direction: wanted.direction,
        item.medium: wanted.medium,
        item.outcome: wanted.outcome,
        item.reason: wanted.reason,
    }
    conditions: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value]
    if wanted.kinds:
        conditions.append(item.kind.in_(list(wanted.kinds)))
    if wanted.number:
        conditions.append(or_(address.raw == wanted.number, address.e164 == wanted.number))
    if wanted.recorded is not None:
        conditions.append((item.reason == "") if wanted.recorded else (item.reason != ""))
    if wanted.live is not None:
        conditions.append((item.ended_at == 0) if wanted.live else (item.ended_at != 0))
    if wanted.since:
        conditions.append(item.entered_at >= wanted.since)
    if wanted.until:
        conditions.append(item.entered_at < wanted.until)
    return conditions


def _view(row: Row[tuple[object, ...]], behind: int) -> CallView:
    values = row._mapping
    interaction = Interaction(**{one.name: values[one.name] for one in fields(Interaction)})
    record = None
    if values["r_id"] is not None:
        record = ServiceRecord(**{one.name: values[f"r_{one.name}"] for one in fields(ServiceRecord)})
    number = "" if values["a_erased_at"] else values["a_e164"] or values["a_raw"] or ""
    return CallView(interaction, number, explain(interaction, record.id if record else "", behind), record)


def _cursor(at: Micros, last: str) -> str:
    return f"{at}~{last}"


def _older(at: ColumnElement[int], last: ColumnElement[str], cursor: str) -> ColumnElement[bool]:
    when, mark, name = cursor.partition("~")
    if not (mark and name and when.isascii() and when.isdigit() and len(when) <= 18):
        raise BadCursor("this cursor is not one of ours; leave it out to begin at the newest")
    return or_(at < int(when), and_(at == int(when), last < name))
