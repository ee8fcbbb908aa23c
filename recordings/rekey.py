"""Replacing the master key: each file's own key is wrapped anew, the files themselves stay as they are."""

from __future__ import annotations

from sqlalchemy import select, update

from recordings.seal import Keyring
from storage import tables
from storage.session import Database

BATCH = 200


def rekey(database: Database, keys: Keyring) -> int:
    """Wrap every key that an older master key wraps by the newest one. How many. An interrupted run is gone on with by
    the next; until then both master keys are needed. Raises KeyGone, Damaged."""
    files, count = tables.recording_files, 0
    while True:
        with database.write() as session:
            older = select(files.c.recording, files.c.key_id, files.c.wrapped_key)
            older = older.where(files.c.key_id != keys.current, files.c.wrapped_key != "").limit(BATCH)
            found = session.execute(older.with_for_update()).all()
            for recording, key_id, wrapped in found:
                name, text = keys.wrap(keys.unwrap(key_id, wrapped, recording), recording)
                mine = update(files).where(files.c.recording == recording)
                session.execute(mine.values(key_id=name, wrapped_key=text))
        if not found:
            return count
        count += len(found)
