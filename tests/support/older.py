"""A database of an older Ringside, to be migrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from sqlalchemy import Connection

from storage import migrations
from storage.session import BEGIN, WRITE, make_engine
from storage.settings import Settings


@contextmanager
def at_revision(settings: Settings, revision: str) -> Iterator[Connection]:
    """The main tables at a revision, in one transaction to fill them."""
    engine = make_engine(settings.main_url)
    with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
        config = migrations._config("main")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        yield connection
    engine.dispose()
