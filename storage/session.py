"""Engines and sessions: one transaction a request, on SQLite and PostgreSQL alike.

Blocking on purpose: every database call runs in a thread (asyncio.to_thread), so there is one style for requests,
consumers, migrations and the command line. Services get a Session and never commit.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.orm import Session, sessionmaker

BUSY_TIMEOUT_MS = 5000  # writers take turns; the longest one, a consumer's batch, takes 10-20 ms
BEGIN = "ringside_begin"
READ = "BEGIN"
WRITE = "BEGIN IMMEDIATE"  # take the write lock first: a later upgrade of a read lock fails at once with SQLITE_BUSY


def make_engine(url: str, *, pool_size: int = 8) -> Engine:
    """An engine with the rules both databases need; connections open when they are first used.

    SQLite: WAL, synchronous=FULL (an acknowledged commit survives a power cut), foreign keys, explicit BEGIN; what is
    not begun with `execution_options(**{BEGIN: WRITE})` can only read. In memory is refused.
    PostgreSQL: psycopg 3, synchronous_commit on, times in UTC.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=8,
        pool_pre_ping=True,
        hide_parameters=True,  # an error is logged, and what callers and agents are called stays out of it
        connect_args={
            "connect_timeout": 5,
            "options": "-c synchronous_commit=on -c timezone=UTC -c lock_timeout=10s",
            "application_name": "ringside",
        },
    )


def _sqlite_engine(url: str, pool_size: int) -> Engine:
    file = make_url(url).database
    if not file or file == ":memory:":
        raise ValueError("SQLite needs a file: in memory each connection would have a database of its own")
    Path(file).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(url, pool_size=pool_size, max_overflow=8, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the sqlite3 module must not begin or commit by itself
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "journal_size_limit=67108864",  # 64 MiB: a WAL grown by one long reader is given back
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        begin = connection.get_execution_options().get(BEGIN, READ)
        if connection.info.get(BEGIN) != begin:  # each statement counts: a call is ten transactions
            connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if begin == WRITE else 'ON'}")
            connection.info[BEGIN] = begin
        connection.exec_driver_sql(begin)

    return engine


class Database:
    """The main database: `read()` and `write()` give a session that is one transaction."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        """Nothing is opened yet. The schema must be there: storage.migrations.migrate."""
        self.engine = make_engine(url, pool_size=pool_size)
        self.on_postgres = self.engine.dialect.name == "postgresql"
        # On PostgreSQL a report's several queries see one state of the tables, as they do on SQLite.
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True} if self.on_postgres else {}
        reader = self.engine.execution_options(**{BEGIN: READ}, **snapshot)
        writer = self.engine.execution_options(**{BEGIN: WRITE})
        self._reader = sessionmaker(reader, expire_on_commit=False, autoflush=False)
        self._writer = sessionmaker(writer, expire_on_commit=False)

    @contextmanager
    def read(self) -> Generator[Session]:
        """A session that sees one state of the tables. It always ends in a rollback; a write in it is an error."""
        with self._reader() as session:
            yield session

    @contextmanager
    def write(self) -> Generator[Session]:
        """One transaction: committed when the block ends, rolled back by any exception. On SQLite writers queue."""
        with self._writer() as session, session.begin():
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()
