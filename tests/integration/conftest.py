"""A recordings' store on migrated files, for the tests that need no running system."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.migrations import migrate
from storage.settings import Settings
from tests.support.recordings import Tape, taping


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the databases, brought up once a module."""
    folder = tmp_path_factory.mktemp("files")
    migrate(Settings(data_dir=folder))
    return folder


@pytest.fixture
def tape(migrated: Path, tmp_path: Path) -> Iterator[Tape]:
    """The store over a copy of those files."""
    with taping(migrated, tmp_path) as made:
        yield made
