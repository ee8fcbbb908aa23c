"""The licences of the pool on both databases: two who add at once are counted one after another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from directory.model import DirectoryError
from directory.service import create_extension, list_extensions
from storage.session import Database


def test_two_who_add_at_once_do_not_pass_the_licences(database: Database) -> None:
    with database.write() as session:
        create_extension(session, "8001", licences=2)

    def add_another() -> str:
        try:
            with database.write() as session:
                create_extension(session, "8003", licences=2)
        except DirectoryError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            create_extension(session, "8002", licences=2)
            second = other.submit(add_another)
            with pytest.raises(TimeoutError):
                second.result(timeout=1)
        assert second.result(timeout=30) == "no_licence"
    with database.read() as session:
        assert [one.number for one in list_extensions(session)] == ["8001", "8002"]
