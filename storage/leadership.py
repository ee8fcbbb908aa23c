"""Who may decide: a file lock on one machine, a session's advisory lock on PostgreSQL (acd.ports.Leadership).

Both are held by a living thing, a process or a connection, never by time; the log's primary key is the fence behind
them (design.md §5.2).
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

ADVISORY_KEY = 0x52_49_4E_47  # "RING": one engine a database
GONE_AFTER_MS = 5000  # a peer that acknowledges nothing for so long is gone; the lock's own end notices it as fast


class FileLeadership:
    """flock on a file beside the SQLite databases. The kernel frees it with the process, kill -9 included.

    The folder must be on a local disk, as SQLite's WAL demands anyway.
    """

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._path = path
        self._held: int | None = None

    def acquire(self) -> bool:
        """Try to become leader; False when another process or object is."""
        if self._held is not None:
            return self.still_held()
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._held = handle
        if not self.still_held():  # the file was replaced between open and flock
            self.release()
            return False
        os.truncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())  # for people who look; nothing reads it
        return True

    def still_held(self) -> bool:
        """False when released, or when the file was removed: another engine could lock a new one."""
        if self._held is None:
            return False
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._held)
        return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Let another engine lead. Again: harmless."""
        if self._held is not None:
            os.close(self._held)
            self._held = None


class PostgresLeadership:
    """A session-level advisory lock on a connection of its own. It ends with the connection."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet. `url` names the log's database: who appends there holds this lock."""
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={
                "connect_timeout": 5,
                "application_name": "ringside-leader",
                "keepalives_idle": 2,
                "keepalives_interval": 1,
                "keepalives_count": 3,
                "tcp_user_timeout": GONE_AFTER_MS,
            },
        )
        self._connection: Connection | None = None
        self._lock = threading.Lock()  # asked from the runtime's threads

    def acquire(self) -> bool:
        """Try to become leader; False when somebody else is, or when the server cannot be reached."""
        with self._lock:
            if self._connection is not None and self._holds(self._connection):
                return True
            self._drop()
            try:
                connection = self._connection = self._engine.connect()
                taken = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_KEY})
            except SQLAlchemyError:
                self._drop()
                return False
            if not taken:
                self._drop()
            return bool(taken)

    def still_held(self) -> bool:
        """False once the connection is gone, or the server does not list the lock as this connection's."""
        with self._lock:
            return self._connection is not None and self._holds(self._connection)

    def release(self) -> None:
        """Let another engine lead. Again: harmless."""
        with self._lock:
            self._drop()

    def _holds(self, connection: Connection) -> bool:
        mine = text(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = :key"
            " AND classid = 0 AND pid = pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
        try:
            return bool(connection.scalar(mine, {"key": ADVISORY_KEY}))
        except SQLAlchemyError:
            return False

    def _drop(self) -> None:
        """Close the connection for real; a lock goes with it."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
