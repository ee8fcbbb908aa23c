"""Databases that many tests begin with: each is made once in a process, and copied."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session

from directory.seed import seed_demo
from storage import tables
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings


@functools.cache
def _folder() -> Path:
    made = Path(tempfile.mkdtemp(prefix="copies-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def demo_database(folder: Path) -> Database:
    """The tables with the demo's directory, in a file of the test's own."""
    shutil.copy(_demo(), folder / "ringside.db")
    return Database(f"sqlite:///{folder}/ringside.db")


@functools.cache
def _demo() -> Path:
    file = _folder() / "demo.db"
    database = Database(f"sqlite:///{file}")
    with database.write() as session:
        tables.metadata.create_all(session.connection())
        seed_demo(session)
    database.close()
    return file


def migrated(settings: Settings, fill: Callable[[Session], object]) -> Database:
    """The tables of an installation as its migrations make them, filled by that function."""
    made = _migrated(fill)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(made, settings.data_dir / made.name)
    return Database(settings.main_url)


@functools.cache
def _migrated(fill: Callable[[Session], object]) -> Path:
    settings = Settings(data_dir=Path(tempfile.mkdtemp(dir=_folder())))
    migrate(settings)
    database = Database(settings.main_url)
    with database.write() as session:
        fill(session)
    database.close()
    return settings.data_dir / "ringside.db"
