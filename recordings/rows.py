"""The consumer's rows: contacts that go on and the facts' half of the index, loaded and saved for a batch of facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.orm import Session

from recordings.fold import Case, Contact
from recordings.model import Recording, RecordingKind, read_breaks, read_pauses, read_watches, write_list
from storage import tables

CHUNK = 500
"""Items in one IN list, as in records.cases."""
COLUMNS = tuple(tables.recordings.c[one.name] for one in fields(Recording))


def load(session: Session, items: Sequence[str]) -> dict[str, Case]:
    """A case for each of these items, empty where nothing is known."""
    cases = {item: Case(item) for item in items}
    for start in range(0, len(items), CHUNK):
        part = items[start : start + CHUNK]
        chosen = select(tables.recording_contacts).where(tables.recording_contacts.c.item.in_(part))
        for row in session.execute(chosen).mappings():
            cases[row["item"]].contact = _read_contact(row)
        own = select(*COLUMNS).where(tables.recordings.c.item.in_(part)).order_by(tables.recordings.c.started_at)
        for row in session.execute(own).mappings():
            cases[row["item"]].recordings[row["recording"]] = read_row(row)
    return cases


def _read_contact(row: RowMapping) -> Contact:
    return Contact(**{**row, "seats": tuple(row["seats"].split()), "joining": read_watches(row["joining"])})


def _write_contact(contact: Contact) -> dict[str, Any]:
    return {**asdict(contact), "seats": " ".join(contact.seats), "joining": write_list(contact.joining)}


def read_row(row: RowMapping) -> Recording:
    """The facts' half of a row."""
    values: dict[str, Any] = {one.name: row[one.name] for one in fields(Recording)}
    values["kind"] = RecordingKind(values["kind"])
    values["seats"] = tuple(values["seats"].split())
    values["pauses"] = read_pauses(values["pauses"])
    values["breaks"] = read_breaks(values["breaks"])
    return Recording(**values)


def write_row(row: Recording) -> dict[str, Any]:
    """The facts' half of a row as columns."""
    values = {one.name: getattr(row, one.name) for one in fields(Recording)}
    values |= {"kind": row.kind.value, "outcome": str(row.outcome), "seats": " ".join(row.seats)}
    return values | {"pauses": write_list(row.pauses), "breaks": write_list(row.breaks)}


def save(session: Session, cases: Iterable[Case], known: Mapping[str, frozenset[str]]) -> None:
    """Write the cases back; `known` are the names of the recordings that had rows, by item. Never commits."""
    changed = list(cases)
    items = [case.item for case in changed]
    for start in range(0, len(items), CHUNK):
        gone = tables.recording_contacts.c.item.in_(items[start : start + CHUNK])
        session.execute(delete(tables.recording_contacts).where(gone))
    contacts = [case.contact for case in changed if case.contact is not None]
    if contacts:
        session.execute(insert(tables.recording_contacts), [_write_contact(one) for one in contacts])
    for case in changed:
        there = known.get(case.item, frozenset())
        for row in case.recordings.values():
            _save_row(session, row, row.recording in there)


def _save_row(session: Session, row: Recording, there: bool) -> None:
    values = write_row(row)
    if there:
        mine = tables.recordings.c.recording == row.recording
        session.execute(update(tables.recordings).where(mine).values(**values))
    else:
        session.execute(insert(tables.recordings).values(**values))
    own = tables.recording_seats.c.recording == row.recording
    seats = session.scalars(select(tables.recording_seats.c.seat).where(own)).all() if there else []
    more = [seat for seat in row.seats if seat not in seats]
    if more:
        session.execute(
            insert(tables.recording_seats),
            [{"recording": row.recording, "seat": seat, "started_at": row.started_at} for seat in more],
        )
