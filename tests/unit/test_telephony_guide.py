"""The documents that the guide shows: they can be applied, and what docs/guide/telephony.md says of its own is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from acd.core.model import State
from api.asking import ask
from directory import document, seed
from directory.definitions import read_snapshot
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings
from tools.say import ROOT

KEY = b"k" * 32
PAGE = ROOT / "docs/guide/telephony.md"
SUNDAY_EVENING, TUESDAY_MORNING = 1_795_349_100_000_000, 1_795_485_600_000_000


def shown(page: Path = PAGE) -> dict[str, Any]:
    """Every part of a page's document, each section once."""
    found: dict[str, Any] = {}
    for part in re.findall(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        sections = json.loads(part)
        assert not found.keys() & sections.keys()
        found |= sections
    return found


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    settings = Settings(data_dir=tmp_path)
    settings.prepare()
    migrate(settings)
    made = Database(settings.main_url)
    with made.write() as session:
        seed.seed_basics(session, "TW")
    yield made
    made.close()


def applied(database: Database) -> list[document.Change]:
    with database.write() as session:
        return document.apply(session, shown(), key=KEY, region="TW")


def test_the_page_shows_every_section_of_telephony() -> None:
    assert shown().keys() == set(document.SECTIONS) - {"policy", "outbound_record", "skills", "media", "statuses"}


def test_the_document_is_taken_with_as_many_changes_as_the_page_says(database: Database) -> None:
    told = re.search(r"^(\d+) changes; nothing was changed$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert told is not None
    assert len(applied(database)) == int(told[1])
    assert applied(database) == [document.Change("trunks", "carrier", "password")]


def test_what_is_written_out_has_every_section_and_no_password(database: Database) -> None:
    applied(database)
    with database.read() as session:
        written = document.export(session)
    assert written.keys() == set(document.SECTIONS)
    assert "not-a-real-one" not in json.dumps(written)


@pytest.mark.parametrize(
    ("at", "keys", "opening", "ways"),
    [
        (SUNDAY_EVENING, None, "closed", ["voicemail service"]),
        (TUESDAY_MORNING, "2,1", "open", ["menu main", "menu more", "queue sales"]),
    ],
)
def test_the_dry_run_of_the_page(database: Database, at: int, keys: str | None, opening: str, ways: list[str]) -> None:
    applied(database)
    answer = ask(database, State(), "81", "0912345678", at, "TW", keys)
    assert answer.opening == opening
    step, found = answer.step, []
    while step is not None:
        found.append(f"{step.kind} {step.id}")
        step = step.branches[0].step if step.branches and step.kind == "menu" else None
    assert found == ways


def test_nobody_is_asked_for_who_comes_to_a_closed_queue(database: Database) -> None:
    applied(database)
    step = ask(database, State(), "82", "0912345678", SUNDAY_EVENING, "TW", None).step
    assert step is not None
    assert (step.kind, step.opening, step.seats) == ("queue", "closed", ())
    assert [(branch.by, branch.step.kind, branch.step.id) for branch in step.branches] == [
        ("closed", "hang_up", "closed")
    ]


def test_fields_named_in_the_tables_of_the_page_exist(database: Database) -> None:
    applied(database)
    with database.read() as session:
        given = read_snapshot(session)
    named = set(re.findall(r"`([a-z_]+)`", PAGE.read_text(encoding="utf-8")))
    trunk = set(given.trunks[0].__slots__) - {"id", "name"}
    assert trunk <= named


def test_the_document_of_the_quick_start_serves_a_caller(database: Database) -> None:
    with database.write() as session:
        document.apply(session, shown(ROOT / "docs/guide/quick-start.md"), key=KEY, region="TW")
        given = read_snapshot(session)
    assert [(seat.id, seat.extension) for seat in given.seats] == [("mei", "8001")]
    answer = ask(database, State(), "85", "", SUNDAY_EVENING, "TW", None)
    assert answer.step is not None
    assert (answer.step.kind, answer.step.id) == ("queue", "help")
