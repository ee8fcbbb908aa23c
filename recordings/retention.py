"""How long a recording is kept, and its end: the key is wiped, the files go, the row stays and says so.

By queue or by default; a legal hold wins over both and over everybody. Without its key a copy of the file in some
backup is noise.
"""

from __future__ import annotations

from collections.abc import Collection

import structlog
from sqlalchemy import ColumnElement, literal, select, text, update
from sqlalchemy.orm import Session

from acd.core.model import SECOND, Micros
from recordings import capture, chain, index, store
from recordings.capture import NotTaken
from recordings.model import State, StoredFile
from recordings.seal import Damaged
from storage import tables
from storage.session import Database
from storage.settings import Settings

log = structlog.get_logger(__name__)

DAY: Micros = 86_400 * SECOND
ERASABLE = (State.RAW.value, State.WAITING.value, State.STORED.value)
BATCH = 100
_row = tables.recordings.c


class Refused(Exception):
    """It may not be done. `code` is stable: held, live, erased, unknown."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code


def days(settings: Settings, queue: str) -> int:
    """How long recordings of a queue are kept; 0 = for ever."""
    return settings.recordings_queue_days.get(queue, settings.recordings_days)


def expiry(settings: Settings, queue: str, started_at: Micros) -> Micros:
    """When such a recording ends; 0 = never."""
    kept = days(settings, queue)
    return started_at + kept * DAY if kept else 0


def plan(session: Session, settings: Settings) -> int:
    """Bring every expiry in line with the settings in force. How many rows changed."""
    own = settings.recordings_queue_days
    count = _plan(session, _row.queue.not_in(list(own)), settings.recordings_days)
    return count + sum(_plan(session, _row.queue == queue, kept) for queue, kept in own.items())


def _plan(session: Session, mine: ColumnElement[bool], kept: int) -> int:
    wanted: ColumnElement[int] = _row.started_at + kept * DAY if kept else literal(0)
    rows = update(tables.recordings).where(mine, _row.state.in_(ERASABLE), _row.ended_at > 0)
    changed = rows.where(_row.expires_at != wanted).values(expires_at=wanted).returning(_row.recording)
    return len(session.execute(changed).all())


def expired(session: Session, now: Micros, limit: int, besides: Collection[str] = ()) -> list[str]:
    """Recordings whose time is over and that nobody holds, the oldest first, without those of `besides`."""
    chosen = select(_row.recording).where(
        _row.expires_at > 0, _row.expires_at <= now, _row.legal_hold.is_(False), _row.state.in_(ERASABLE)
    )
    chosen = chosen.where(_row.ended_at > 0).order_by(_row.expires_at).limit(limit + len(besides))
    return [recording for recording in session.scalars(chosen) if recording not in besides][:limit]


def run(database: Database, settings: Settings, link_key: str, now: Micros) -> int:
    """The daily run: what is over is erased. How many. Safe to repeat. One that cannot be erased, or was put under
    legal hold a moment ago, does not keep the others waiting: it is told, and tried again by the next run."""
    with database.write() as session:
        plan(session, settings)
    count, failed = 0, list[str]()
    while True:
        with database.read() as session:
            over = expired(session, now, BATCH, besides=failed)
        if not over:
            break
        for recording in over:
            try:
                erase(database, settings, link_key, recording, now=now, by="system", via="retention")
                count += 1
            except (OSError, Refused, NotTaken, Damaged) as error:
                failed.append(recording)
                log.error("recording_not_erased", recording=recording, say=str(error))
    if failed:
        log.error("recordings_not_erased", count=len(failed), erased=count)
    return count


def erase(
    database: Database, settings: Settings, link_key: str, recording: str, *, now: Micros, by: str, via: str
) -> None:
    """Erase one for good. Raises Refused: held, still being recorded, unknown; erased before is no error. Raises
    OSError, NotTaken, Damaged as `clear` does: the row is erased and the key wiped by then."""
    with database.write() as session:
        _wipe_pages(session, database)
        newly = _claim(session, recording, via)
        file, link = index.stored_file(session, recording), None
        if newly:
            own = update(tables.recording_files).where(tables.recording_files.c.recording == recording)
            session.execute(own.values(wrapped_key="", key_id="", peaks="", checks=""))
            index.note(session, recording, "erased", now, by=by, via=via)
            sha256 = file.sha256 if file else ""
            link = chain.append(session, chain.chain_key(link_key), recording, chain.ERASED, now, sha256)
    if link is not None:
        chain.write_head(settings.store_dir, link)
    clear(database, settings, file or StoredFile(recording, "", "", 0, 0, "", "", ""))


def _claim(session: Session, recording: str, reason: str) -> bool:
    """Mark the row erased; False where it was before. Looking and marking are one statement, so that a legal hold that
    comes at the same time is either seen here or refused there. Raises Refused."""
    mine = (_row.recording == recording, _row.legal_hold.is_(False), _row.ended_at > 0)
    changed = update(tables.recordings).where(*mine, _row.state != State.ERASED.value)
    if session.execute(
        changed.values(state=State.ERASED.value, reason=reason, retry_at=0).returning(_row.recording)
    ).first():
        return True
    row, kept = index.get(session, recording), index.kept(session, recording)
    if row is None or kept is None:
        raise Refused("unknown", f"there is no recording {recording}")
    if kept.legal_hold:
        raise Refused("held", f"{recording} is under legal hold: release it first")
    if not row.ended_at:
        raise Refused("live", f"{recording} is still being recorded")
    return False


def left_behind(session: Session, limit: int) -> list[StoredFile]:
    """Files of erased recordings that are still named: removing them was interrupted."""
    files = tables.recording_files
    joined = files.join(tables.recordings, _row.recording == files.c.recording)
    chosen = select(files).select_from(joined).where(_row.state == State.ERASED.value, files.c.file != "")
    return [StoredFile(**row) for row in session.execute(chosen.limit(limit)).mappings()]


def clear(database: Database, settings: Settings, file: StoredFile) -> None:
    """Remove the files of an erased recording, then forget their name. Raises OSError: the next sweep does it;
    NotTaken, Damaged: a name in the index that was never ours, which a person has to look at."""
    capture.remove(settings.raw_dir, file.recording)
    if not file.file:
        return
    store.discard(settings.store_dir, file.file)
    for other in store.others(settings.store_dir, file.file):
        store.discard(settings.store_dir, other)
    own = tables.recording_files.c.recording == file.recording
    with database.write() as session:
        session.execute(update(tables.recording_files).where(own).values(file=""))


def hold(database: Database, recording: str, on: bool, *, now: Micros, by: str, via: str, why: str = "") -> None:
    """Put under legal hold or release. Raises Refused: unknown, erased."""
    with database.write() as session:
        mine = update(tables.recordings).where(_row.recording == recording, _row.state != State.ERASED.value)
        if session.execute(mine.values(legal_hold=on).returning(_row.recording)).first() is None:
            if index.kept(session, recording) is None:
                raise Refused("unknown", f"there is no recording {recording}")
            raise Refused("erased", f"{recording} is erased: nothing is left to hold")
        index.note(session, recording, "held" if on else "released", now, by=by, via=via, detail=why)


def _wipe_pages(session: Session, database: Database) -> None:
    """SQLite leaves what was overwritten in free pages unless told otherwise."""
    if not database.on_postgres:
        session.execute(text("PRAGMA secure_delete = ON"))
