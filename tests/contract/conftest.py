"""Where contract tests keep their data: SQLite files or a real PostgreSQL, both brought up by the migrations."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.factlog import SqlFactLog
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings
from tests.support.postgres import Postgres, running_postgres

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with the schema, to be copied."""
    name = postgres.new_database()
    migrate(Settings(data_dir=tmp_path_factory.mktemp("pg"), database_url=postgres.url(name)))
    return name


@pytest.fixture(scope="session")
def migrated_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the schema, to be copied."""
    folder = tmp_path_factory.mktemp("files")
    migrate(Settings(data_dir=folder))
    return folder


@pytest.fixture(params=BOTH)
def empty_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Databases without any table, on each of the two."""
    if request.param == "sqlite":
        yield Settings(data_dir=tmp_path)
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database()
    yield Settings(data_dir=tmp_path, database_url=server.url(name))
    server.drop_database(name)


@pytest.fixture(params=BOTH)
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """Databases with the schema and no rows, on each of the two."""
    if request.param == "sqlite":
        files: Path = request.getfixturevalue("migrated_files")
        for file in files.glob("*.db*"):
            shutil.copy(file, tmp_path)
        yield Settings(data_dir=tmp_path)
        return
    template: str = request.getfixturevalue("migrated_postgres")
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database(template)
    yield Settings(data_dir=tmp_path, database_url=server.url(name))
    server.drop_database(name)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The main database."""
    opened = Database(settings.main_url)
    yield opened
    opened.close()


@pytest.fixture
def fact_log(settings: Settings) -> Iterator[SqlFactLog]:
    """The fact log."""
    opened = SqlFactLog(settings.log_url)
    yield opened
    opened.close()
