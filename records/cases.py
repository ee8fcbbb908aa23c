"""Cases between rows and plain data: loaded whole for the facts of a batch, written back whole."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Column, Table, bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from records.model import Case, Handling, Interaction, Leg, Mark, Segment, ServiceRecord, Supervision, Transfer
from storage import tables

AnyRow = Interaction | Segment | Leg | Handling | Transfer | Supervision | Mark | ServiceRecord
Row = TypeVar("Row", Interaction, Segment, Leg, Handling, Transfer, Supervision, Mark, ServiceRecord)

PARTS: tuple[Table, ...] = (
    tables.segments,
    tables.legs,
    tables.handlings,
    tables.transfers,
    tables.supervisions,
    tables.marks,
)
"""What goes with a contact, written back whole."""

CHUNK = 500
"""Items in one IN list: SQLite takes 32,766 variables, PostgreSQL 65,535; this stays far below both."""


def load(session: Session, items: Sequence[str]) -> dict[str, Case]:
    """The cases of these items, as far as they exist."""
    cases: dict[str, Case] = {}
    for start in range(0, len(items), CHUNK):
        cases.update(_load(session, items[start : start + CHUNK]))
    return cases


def load_to_write(session: Session, items: Sequence[str]) -> dict[str, Case]:
    """As `load`, and until the transaction ends nobody else writes them: a case goes back whole, so of two writers
    the later would undo the earlier. SQLite has one writer anyway."""
    mine = tables.interactions.c.item
    for start in range(0, len(items), CHUNK):
        chosen = select(mine).where(mine.in_(items[start : start + CHUNK])).order_by(mine).with_for_update()
        session.execute(chosen).all()
    return load(session, items)


def _load(session: Session, items: Sequence[str]) -> dict[str, Case]:
    cases = {row.item: Case(row) for row in _rows(session, tables.interactions, Interaction, items)}
    for segment in _rows(session, tables.segments, Segment, items):
        cases[segment.item].segments.append(segment)
    for leg in _rows(session, tables.legs, Leg, items):
        cases[leg.item].legs.append(leg)
    for handling in _rows(session, tables.handlings, Handling, items):
        cases[handling.item].handlings.append(handling)
    for transfer in _rows(session, tables.transfers, Transfer, items):
        cases[transfer.item].transfers.append(transfer)
    for watched in _rows(session, tables.supervisions, Supervision, items):
        cases[watched.item].supervisions.append(watched)
    for mark in _rows(session, tables.marks, Mark, items):
        cases[mark.item].marks.append(mark)
    for record in _rows(session, tables.service_records, ServiceRecord, items):
        cases[record.item].record = record
    return cases


def _rows(session: Session, table: Table, kind: type[Row], items: Sequence[str]) -> list[Row]:
    columns = [table.c[one.name] for one in fields(kind)]
    found = select(*columns).where(table.c.item.in_(items)).order_by(*table.primary_key.columns)
    return [kind(**row) for row in session.execute(found).mappings()]


def save(session: Session, cases: Iterable[Case], known: frozenset[str]) -> None:
    """Write the cases back; `known` are the items that had rows before. Never commits."""
    changed = list(cases)
    old = [case for case in changed if case.interaction.item in known]
    new = [case for case in changed if case.interaction.item not in known]
    items = [case.interaction.item for case in old]
    for table in PARTS:
        for start in range(0, len(items), CHUNK):
            session.execute(delete(table).where(table.c.item.in_(items[start : start + CHUNK])))
    _insert(session, tables.interactions, [_values(case.interaction) for case in new])
    _update(session, tables.interactions, tables.interactions.c.item, [_values(case.interaction) for case in old])
    _insert(session, tables.segments, [_values(one) for case in changed for one in case.segments])
    _insert(session, tables.handlings, [_values(one) for case in changed for one in case.handlings])
    _insert(session, tables.legs, [_values(one) for case in changed for one in case.legs])
    _insert(session, tables.transfers, [_values(one) for case in changed for one in case.transfers])
    _insert(session, tables.supervisions, [_values(one) for case in changed for one in case.supervisions])
    _insert(session, tables.marks, [_values(one) for case in changed for one in case.marks])
    _save_records(session, [case.record for case in changed if case.record is not None])


def _values(row: AnyRow) -> dict[str, Any]:
    """The row's columns; enums as their values, since drivers differ in what they make of an enum.

    Columns hold plain values, so nothing is copied in depth: `asdict` was a third of the time of a batch.
    """
    parts = ((one.name, getattr(row, one.name)) for one in fields(row))
    return {name: part.value if isinstance(part, Enum) else part for name, part in parts}


def _update(session: Session, table: Table, key: Column[Any], rows: list[dict[str, Any]]) -> None:
    """One statement for all, made ready once: with their values in it each would be put together anew."""
    if rows:
        mine = update(table).where(key == bindparam("of_key"))
        session.execute(mine, [{**row, "of_key": row[key.name]} for row in rows])


def _insert(session: Session, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _save_records(session: Session, records: list[ServiceRecord]) -> None:
    """Insert or update, never delete: what an agent has written into a record stays."""
    ids = [record.id for record in records]
    there: set[str] = set()
    for start in range(0, len(ids), CHUNK):
        chosen = select(tables.service_records.c.id).where(tables.service_records.c.id.in_(ids[start : start + CHUNK]))
        there.update(session.scalars(chosen))
    _insert(session, tables.service_records, [_values(record) for record in records if record.id not in there])
    known = [_values(record) for record in records if record.id in there]
    _update(session, tables.service_records, tables.service_records.c.id, known)
