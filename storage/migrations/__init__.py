"""Brings both databases to the present schema, at every start, before anything else opens them.

Alembic with no ini file: the main database and the log have each their own line of revisions and version table, so
they may lie in one PostgreSQL database or in two files. A revision is written and checked by hand, works on SQLite and
PostgreSQL, and is never changed once released. There is no way down: put the backup back.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, func, inspect, select, text

from storage.factlog import inbox_table, log_metadata
from storage.session import BEGIN, WRITE, make_engine
from storage.settings import Settings
from storage.tables import metadata

HERE = Path(__file__).parent
LOCK = 0x52_49_4D_47  # one process migrates at a time
LINES: dict[str, MetaData] = {"main": metadata, "log": log_metadata}
"""A line of revisions (its folder under versions/ and its version table are named after it) and the schema it makes."""


class DatabaseTooNew(Exception):
    """A newer Ringside wrote this database; start that version, or put the backup back."""


def migrate(settings: Settings) -> None:
    """Bring both databases to the present schema. Several processes may call it at once; again: harmless.

    Raises DatabaseTooNew, and what the database raises when it cannot be reached or written.
    """
    settings.prepare()
    upgrade(settings.main_url, "main")
    upgrade(settings.log_url, "log")
    _lift_inbox_ids(settings)


def upgrade(url: str, line: str) -> None:
    """Bring one database to the newest revision of a line ("main" or "log"), in one transaction."""
    engine = make_engine(url, pool_size=1)
    try:
        with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
            _wait_for_turn(connection)
            config = _config(line)
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                where = engine.url.render_as_string(hide_password=True)
                raise DatabaseTooNew(f"{where} was written by a newer Ringside: start that version") from error
    finally:
        engine.dispose()


def revision(engine: Engine, line: str) -> str:
    """The revision a database stands at, empty before the first."""
    table = f"alembic_{line}"
    if not inspect(engine).has_table(table):
        return ""
    with engine.connect() as connection:
        return str(connection.scalar(text(f"SELECT version_num FROM {table}")) or "")  # noqa: S608 - no outside text


def newest(line: str) -> str:
    """The revision this version of Ringside works with."""
    return str(ScriptDirectory.from_config(_config(line)).get_current_head())


def _config(line: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", str(HERE / "versions" / line).replace("%", "%%"))
    config.attributes["line"] = line
    return config


def _wait_for_turn(connection: Connection) -> None:
    """On SQLite the write lock is already ours; PostgreSQL needs one made for it."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _lift_inbox_ids(settings: Settings) -> None:
    """Let new inbox ids begin above those in the log. After an older main database was put back they would come again,
    and the engine would take a fresh command for one that it has already handled."""
    log_engine, engine = make_engine(settings.log_url, pool_size=1), make_engine(settings.main_url, pool_size=1)
    try:
        with log_engine.connect() as connection:
            highest = connection.scalar(select(func.max(inbox_table.c.inbox))) or 0
        if highest:
            with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
                for statement in LIFT[engine.dialect.name]:
                    connection.execute(text(statement), {"highest": highest})
    finally:
        log_engine.dispose()
        engine.dispose()


LIFT: dict[str, tuple[str, ...]] = {
    "sqlite": (
        "INSERT INTO sqlite_sequence (name, seq) SELECT 'inbox', 0"
        " WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'inbox')",
        "UPDATE sqlite_sequence SET seq = :highest WHERE name = 'inbox' AND seq < :highest",
    ),
    "postgresql": (
        "SELECT setval(pg_get_serial_sequence('inbox', 'id'), :highest)"
        " WHERE (SELECT last_value FROM inbox_id_seq) < :highest",
    ),
}
