"""What `ringside doctor` says of emergency numbers and sounds; its call and ports are tested on a real Asterisk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from api import cli
from api.bootstrap import open_database, seed, sounds_folder
from directory import changes, service
from directory.definitions import read_snapshot
from directory.model import Trunk
from storage.migrations import migrate
from storage.settings import Settings

LINE = Trunk("carrier", "First carrier", "192.0.2.1")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data_dir=tmp_path)
    migrate(made)
    seed(made, demo=True)
    return made


def put_line(settings: Settings, line: Trunk) -> None:
    database = open_database(settings)
    with database.write() as session:
        changes.put_trunk(session, line, bytes(32))
    database.close()


def greet(settings: Settings, greeting: str) -> None:
    database = open_database(settings)
    with database.write() as session:
        entry = read_snapshot(session).entries[0]
        service.put_entry_point(session, replace(entry, greeting=greeting))
    database.close()


def say(settings: Settings, capsys: pytest.CaptureFixture[str], check: str) -> list[tuple[str, str]]:
    """(mark, words) of the findings of one check."""
    cli.main(["doctor", "--no-call", "--json", "--data-dir", str(settings.data_dir), "--lang", "en"])
    told = json.loads(capsys.readouterr().out)
    return [(row["mark"], row["say"]) for row in told if row["check"] == check]


@pytest.mark.parametrize(("line", "warned"), [(None, True), (replace(LINE, direction="in"), True), (LINE, False)])
def test_emergency_numbers_that_go_nowhere_are_told(
    settings: Settings, capsys: pytest.CaptureFixture[str], line: Trunk | None, warned: bool
) -> None:
    if line:
        put_line(settings, line)
    found = say(settings, capsys, "emergency")
    assert [mark for mark, _ in found] == ["warning"] * warned
    assert all("110, 119, 112, 120 go nowhere" in words for _, words in found)


def test_a_place_for_emergency_calls_is_enough(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGSIDE_EMERGENCY_DIAL", "PJSIP/8099")
    assert say(settings, capsys, "emergency") == []


def test_sounds_that_are_nowhere_are_told(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    greet(settings, "not-there")
    assert say(settings, capsys, "sounds") == [], "before the first start nobody knows what there is"
    library = sounds_folder(settings) / "en"
    library.mkdir(parents=True)
    for name in ("vm-press", "hello"):
        (library / f"{name}.gsm").write_bytes(bytes(33))
    ((mark, words),) = say(settings, capsys, "sounds")
    assert mark == "warning"
    assert "not-there" in words
    greet(settings, "")
    assert say(settings, capsys, "sounds") == []
