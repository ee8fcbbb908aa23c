"""Log lines: JSON, with where a fault happened and never what the variables held."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from api.logs import configure
from storage.session import Database

CALLER = "+886912345678"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_fault_is_told_without_the_variables_and_the_parameters_of_the_database(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("info")
    log = structlog.get_logger("test")
    database = Database(f"sqlite:///{tmp_path / 'some.db'}")

    def broken(number: str) -> None:
        with database.read() as session:
            session.execute(text("INSERT INTO nothing VALUES (:number)"), {"number": number})

    try:
        broken(CALLER)
    except SQLAlchemyError:
        log.exception("it_failed")
        logging.getLogger("other").exception("it failed")
    finally:
        database.close()
    told = capsys.readouterr().err
    assert CALLER not in told
    lines = [json.loads(line) for line in told.splitlines()]
    assert [line["event"] for line in lines] == ["it_failed", "it failed"]
    assert all("in broken" in line["exception"] for line in lines)


def test_a_line_of_a_caller_stays_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("info")
    structlog.get_logger("test").info("seen", what='a\n{"event": "forged"}\x1b[2J')
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1
    assert "\x1b" not in told
