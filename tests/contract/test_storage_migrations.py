"""The schema that the migrations make is the schema that the code uses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from storage.factlog import SqlFactLog
from storage.migrations import LINES, DatabaseTooNew, migrate, newest, revision
from storage.session import BEGIN, WRITE, Database, make_engine
from storage.settings import Settings
from tests.contract.stored import stored

ROOT = Path(__file__).resolve().parent.parent.parent


def url_of(settings: Settings, line: str) -> str:
    return {"main": settings.main_url, "log": settings.log_url}[line]


def other_default(_context: object, _found: object, _column: object, found: str | None, _own: object, own: str) -> bool:
    """Whether a default differs; the databases write the same one in their own ways: '0', 0, '0'::bigint, false."""
    return plain(found) != plain(own)


def plain(default: str | None) -> str:
    bare = (default or "").split("::")[0].strip("()'")
    return {"true": "1", "false": "0"}.get(bare, bare)


@pytest.mark.parametrize("line", ["main", "log"])
def test_an_empty_database_comes_to_the_schema_of_the_code(empty_settings: Settings, line: str) -> None:
    engine = make_engine(url_of(empty_settings, line))
    assert revision(engine, line) == ""
    migrate(empty_settings)
    assert revision(engine, line) == newest(line) != ""
    other = {name for name in LINES if name != line}
    ours = set(LINES[line].tables)
    with engine.connect() as connection:

        def include(thing: object, name: str | None, kind: str, reflected: bool, compare_to: object) -> bool:
            of_other = {f"alembic_{found}" for found in LINES} | {t for found in other for t in LINES[found].tables}
            return not (kind == "table" and name in of_other - ours)

        options = {"compare_type": True, "compare_server_default": other_default, "include_object": include}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, LINES[line]) == []
    engine.dispose()


def test_migrating_again_changes_nothing(empty_settings: Settings) -> None:
    migrate(empty_settings)
    database = Database(empty_settings.main_url)
    with database.write() as session:
        session.execute(text("INSERT INTO contacts (id, name) VALUES ('c1', '王小明')"))
    migrate(empty_settings)
    with database.read() as session:
        assert session.scalar(text("SELECT name FROM contacts")) == "王小明"
    database.close()


def test_processes_that_migrate_at_once_do_not_disturb_each_other(empty_settings: Settings) -> None:
    code = (
        "import sys; from storage.settings import Settings; from storage.migrations import migrate;"
        "migrate(Settings(data_dir=sys.argv[1], database_url=sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(empty_settings.data_dir), empty_settings.database_url]
    running = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [(process.communicate(timeout=60)[1], process.returncode) for process in running]
    assert [code for _, code in ends] == [0, 0, 0], ends
    engine = make_engine(empty_settings.main_url)
    assert revision(engine, "main") == newest("main")
    engine.dispose()


@pytest.mark.parametrize("line", ["main", "log"])
def test_a_database_of_a_newer_ringside_is_left_alone(settings: Settings, line: str) -> None:
    engine = make_engine(url_of(settings, line))
    with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
        connection.execute(text(f"UPDATE alembic_{line} SET version_num = 'from_the_future'"))
    with pytest.raises(DatabaseTooNew, match="newer Ringside"):
        migrate(settings)
    assert revision(engine, line) == "from_the_future"
    engine.dispose()


def test_after_an_older_main_database_was_put_back_inbox_ids_go_on_above_the_logs(
    settings: Settings, database: Database, fact_log: SqlFactLog
) -> None:
    from storage.inbox import SqlInbox

    fact_log.append([stored(1, inbox=41)])
    migrate(settings)
    with database.write() as session:
        assert SqlInbox.put(session, "SeatSignedOut", "{}", "p1", "api") == 42
    migrate(settings)
    with database.write() as session:
        assert SqlInbox.put(session, "SeatSignedOut", "{}", "p1", "api") == 43
