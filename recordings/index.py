"""The keeper's half of the index: what became of the sound. Each function is a step of a transaction; none commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from acd.core.model import Micros
from recordings.model import Kept, Note, Problem, Recording, RecordingKind, State, StoredFile
from recordings.rows import COLUMNS, read_row, write_row
from storage import tables

OPEN = (State.RAW.value, State.WAITING.value)
NAMED = re.compile(r"(?P<item>.+)-(?P<kind>[rv])(\.[0-9a-f]{8})?")
KINDS = {"r": RecordingKind.CALL, "v": RecordingKind.VOICEMAIL}
_row = tables.recordings.c


def due(session: Session, ended_before: Micros, now: Micros, limit: int) -> list[Recording]:
    """Recordings whose contact was over by then and whose sound is not kept yet, those that waited longest first."""
    chosen = (
        select(*COLUMNS)
        .where(_row.state.in_(OPEN), _row.ended_at > 0, _row.ended_at <= ended_before, _row.retry_at <= now)
        .order_by(_row.retry_at, _row.ended_at)
        .limit(limit)
    )
    return [read_row(row) for row in session.execute(chosen).mappings()]


def states(session: Session, recordings: Sequence[str]) -> dict[str, State]:
    """The state of those that have a row."""
    chosen = select(_row.recording, _row.state).where(_row.recording.in_(recordings))
    return {name: State(state) for name, state in session.execute(chosen)}


def kept(session: Session, recording: str) -> Kept | None:
    """The keeper's half of a row."""
    row = session.execute(select(tables.recordings).where(_row.recording == recording)).mappings().one_or_none()
    if row is None:
        return None
    problems = tuple(Problem(name) for name in row["problems"].split())
    return Kept(
        State(row["state"]),
        row["reason"],
        row["length"],
        problems,
        row["tries"],
        row["retry_at"],
        row["legal_hold"],
        row["expires_at"],
    )


def get(session: Session, recording: str) -> Recording | None:
    """The facts' half of a row."""
    row = session.execute(select(*COLUMNS).where(_row.recording == recording)).mappings().one_or_none()
    return None if row is None else read_row(row)


def stored_file(session: Session, recording: str) -> StoredFile | None:
    """Where the sound is, None where nothing was ever stored."""
    mine = select(tables.recording_files).where(tables.recording_files.c.recording == recording)
    row = session.execute(mine).mappings().one_or_none()
    return None if row is None else StoredFile(**row)


def mark_stored(
    session: Session, file: StoredFile, length: Micros, problems: Sequence[Problem], expires_at: Micros
) -> bool:
    """The sound is kept. False where somebody else was faster, or it was erased meanwhile: drop the file."""
    mine = update(tables.recordings).where(_row.recording == file.recording, _row.state.in_(OPEN))
    changed = session.execute(
        mine.values(
            state=State.STORED.value,
            reason="",
            length=length,
            problems=" ".join(problems),
            retry_at=0,
            expires_at=expires_at,
        ).returning(_row.recording)
    ).first()
    if changed is None:
        return False
    session.execute(delete(tables.recording_files).where(tables.recording_files.c.recording == file.recording))
    session.execute(insert(tables.recording_files).values(**asdict(file)))
    _set_problems(session, file.recording, problems)
    return True


def mark_missing(session: Session, recording: str, problem: Problem, reason: str) -> None:
    """There is no sound, and why."""
    mine = update(tables.recordings).where(_row.recording == recording, _row.state.in_(OPEN))
    session.execute(mine.values(state=State.MISSING.value, reason=reason, problems=problem.value, retry_at=0))
    _set_problems(session, recording, [problem])


def mark_waiting(session: Session, recording: str, reason: str, retry_at: Micros) -> None:
    """Storing failed; again at `retry_at`."""
    mine = update(tables.recordings).where(_row.recording == recording, _row.state.in_(OPEN))
    session.execute(mine.values(state=State.WAITING.value, reason=reason, tries=_row.tries + 1, retry_at=retry_at))


def mark_due(session: Session, recording: str) -> None:
    """A file that was missing is there after all."""
    mine = update(tables.recordings).where(_row.recording == recording, _row.state == State.MISSING.value)
    session.execute(mine.values(state=State.RAW.value, reason="", problems="", retry_at=0))
    _set_problems(session, recording, [])


def mark_damaged(session: Session, recording: str) -> None:
    """Playing or verifying met a changed or missing file; said once, and only of what is kept: the file of one that was
    erased meanwhile is gone by right."""
    mine = (_row.recording == recording, _row.state == State.STORED.value)
    problems = session.scalar(select(_row.problems).where(*mine).with_for_update())
    if problems is None or Problem.DAMAGED in problems.split():
        return
    more = [*(Problem(name) for name in problems.split()), Problem.DAMAGED]
    session.execute(update(tables.recordings).where(*mine).values(problems=" ".join(more)))
    _set_problems(session, recording, more)


def mark_sound(session: Session, recording: str) -> None:
    """Verifying found it as it was stored: what was called damaged is there again."""
    problems = (session.scalar(select(_row.problems).where(_row.recording == recording)) or "").split()
    if Problem.DAMAGED in problems:
        left = [Problem(name) for name in problems if name != Problem.DAMAGED]
        session.execute(update(tables.recordings).where(_row.recording == recording).values(problems=" ".join(left)))
        _set_problems(session, recording, left)


def adopt(session: Session, recording: str, began_at: Micros, ended_at: Micros) -> bool:
    """A row for a file that no fact speaks of, filled with what records knows of the contact. False: it has one, or
    its name is none of ours."""
    named = NAMED.fullmatch(recording)
    if named is None or states(session, [recording]):
        return False
    item = named["item"]
    known = tables.interactions.c
    said = select(known.direction, known.queue, known.account, known.address, known.outcome)
    of_item = session.execute(said.where(known.item == item)).mappings().one_or_none()
    row = Recording(recording, item, KINDS[named["kind"]], began_at, ended_at=ended_at)
    if of_item is not None:
        row.direction, row.queue, row.entry = of_item["direction"], of_item["queue"], of_item["account"]
        row.address, row.outcome = of_item["address"], of_item["outcome"]
        part = tables.handlings.c  # of those who rang or were asked and never met the customer nothing is heard
        talked = select(part.seat).where(part.item == item, part.met_at != 0).distinct()
        row.seats = tuple(sorted(session.scalars(talked)))
    session.execute(insert(tables.recordings).values(**write_row(row)))
    for seat in row.seats:
        own = insert(tables.recording_seats)
        session.execute(own.values(recording=recording, seat=seat, started_at=row.started_at))
    return True


def contact_over(session: Session, recording: str) -> bool | None:
    """Whether the contact of an unannounced file is over, as far as records knows; None: it knows nothing."""
    named = NAMED.fullmatch(recording)
    chosen = select(tables.interactions.c.ended_at).where(
        tables.interactions.c.item == (named["item"] if named else "")
    )
    ended = session.scalar(chosen)
    return None if ended is None else bool(ended)


def note(session: Session, recording: str, what: str, at: Micros, *, by: str, via: str, detail: str = "") -> None:
    """Who did what to a recording: heard, took out, held, erased."""
    session.execute(
        insert(tables.recording_log).values(recording=recording, what=what, at=at, by=by, via=via, detail=detail)
    )


def noted(session: Session, recording: str, what: str, by: str, detail: str) -> bool:
    """Whether exactly this was noted before."""
    table = tables.recording_log.c
    mine = (table.recording == recording, table.what == what, table.by == by, table.detail == detail)
    return session.execute(select(table.id).where(*mine).limit(1)).first() is not None


def notes(session: Session, recording: str) -> tuple[Note, ...]:
    """What was done to it, oldest first."""
    table = tables.recording_log.c
    chosen = select(table.at, table.what, table.by, table.via, table.detail).where(table.recording == recording)
    return tuple(Note(*row) for row in session.execute(chosen.order_by(table.id)))


def count_states(session: Session) -> dict[str, int]:
    """How many recordings are in each state."""
    counted = session.execute(select(_row.state, func.count()).group_by(_row.state))
    found = {row[0]: row[1] for row in counted}
    return {state.value: found.get(state.value, 0) for state in State}


def oldest_open(session: Session) -> Micros:
    """When the contact ended that has waited longest to be stored; 0 for none."""
    chosen = select(func.min(_row.ended_at)).where(_row.state.in_(OPEN), _row.ended_at > 0)
    return session.scalar(chosen) or 0


def _set_problems(session: Session, recording: str, problems: Sequence[Problem]) -> None:
    table = tables.recording_problems
    session.execute(delete(table).where(table.c.recording == recording))
    if problems:
        started = session.scalar(select(_row.started_at).where(_row.recording == recording)) or 0
        session.execute(
            insert(table),
            [{"recording": recording, "problem": one.value, "started_at": started} for one in problems],
        )
