"""A directory of 0.1.0 after the upgrade: the menu inside an entry point is a menu of its own."""

from __future__ import annotations

import json
from pathlib import Path

from alembic import command
from sqlalchemy import text

from acd.core.inputs import MenuDefined
from acd.core.model import SECOND, Destination, Way
from directory.definitions import DirectoryConfiguration, problems, read_snapshot
from storage import migrations
from storage.session import BEGIN, WRITE, Database, make_engine
from storage.settings import Settings

MENU = {
    "prompt": "vm-press",
    "options": [{"digit": "1", "queue": "service"}, {"digit": "2", "queue": "sales"}],
    "default": "service",
    "timeout": 4_000_000,
    "tries": 1,
}
PLAIN = {"medium": "voice", "greeting": "hello", "priority": 0, "needs": []}
ENTRIES = {
    "81": {"id": "81", "name": "客服專線", "queue": "service", "menu": MENU, **PLAIN},
    "82": {"id": "82", "name": "銷售專線", "queue": "sales", "menu": None, **PLAIN},
}
QUEUES = {"service": {"id": "service", "name": "客服"}, "sales": {"id": "sales", "name": "銷售"}}


def _as_0_1_0(settings: Settings) -> None:
    """The tables at the revision before, with a menu in an entry point."""
    engine = make_engine(settings.main_url)
    with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
        config = migrations._config("main")
        config.attributes["connection"] = connection
        command.upgrade(config, "main_0002")
        connection.execute(text("INSERT INTO directory_state (id, revision, policy) VALUES (1, 7, '{}')"))
        medium = json.dumps({"id": "voice", "presence": "voice", "limit": 1, "ceiling": 1})
        rows = [("media", "voice", medium)]
        rows += [("queues", name, json.dumps(body)) for name, body in QUEUES.items()]
        rows += [("entry_points", name, json.dumps(body)) for name, body in ENTRIES.items()]
        for table, name, body in rows:
            put = text(f"INSERT INTO {table} (id, definition) VALUES (:id, :body)")
            connection.execute(put, {"id": name, "body": body})
    engine.dispose()


def test_the_menu_of_an_entry_point_becomes_a_menu_of_its_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    settings.prepare()
    _as_0_1_0(settings)
    migrations.migrate(settings)
    database = Database(settings.main_url)
    with database.read() as session:
        given = read_snapshot(session)
    assert problems(given) == []
    assert given.revision == 8, "the engine takes up what has changed"
    entries = {entry.id: entry for entry in given.entries}
    assert entries["81"].start == Destination(Way.MENU, "entry-81")
    assert (entries["82"].start, entries["82"].greeting) == (None, "hello")
    menu = given.menu("entry-81")
    assert menu is not None
    assert (menu.prompt, menu.timeout, menu.tries) == ("vm-press", 4 * SECOND, 1)
    ways = [(option.digit, option.to) for option in menu.options]
    assert ways == [("1", Destination(Way.QUEUE, "service")), ("2", Destination(Way.QUEUE, "sales"))]
    assert menu.default == Destination(Way.QUEUE, "service")
    assert MenuDefined(menu) in DirectoryConfiguration(database).definitions()
    database.close()
