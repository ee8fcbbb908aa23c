"""A sound that a definition names and that is nowhere: refused, or said until somebody records it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import soundfile
import structlog
from sqlalchemy.orm import Session

from api.bootstrap import open_database, place_prompts, seed, sounds_folder
from api.changing import change
from api.sounds import StandIns, missing_sounds
from directory import document, prompts, service
from directory.definitions import read_snapshot
from directory.model import DirectoryError
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings, load_secrets


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The demo beside an Asterisk that has two sounds."""
    made = Settings(data_dir=tmp_path)
    migrate(made)
    seed(made, demo=True)
    library = sounds_folder(made) / "en"
    library.mkdir(parents=True)
    for name in ("vm-press", "hello"):
        (library / f"{name}.gsm").write_bytes(bytes(33))
    return made


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    found = open_database(settings)
    yield found
    found.close()


def _greet(database: Database, settings: Settings, greeting: str) -> None:
    """Entry point 82 greets with this."""
    secrets = load_secrets(settings)
    with database.read() as session:
        told = json.loads(json.dumps(document.export(session)))
    next(row for row in told["entries"] if row["id"] == "82")["greeting"] = greeting

    def work(session: Session) -> object:
        return document.apply(session, told, key=secrets.sealing_key(), region="TW")

    change(database, settings, secrets, work)


def _greeting(database: Database) -> str:
    with database.read() as session:
        return next(one.greeting for one in read_snapshot(session).entries if one.id == "82")


def test_a_new_sound_that_is_nowhere_is_refused_with_the_way_to_get_one(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "speaker", lambda: "")
    with pytest.raises(DirectoryError, match=r"closed-today.*ringside prompt add.*ringside prompt say") as refused:
        _greet(database, settings, "hello&closed-today")
    assert refused.value.code == "missing_sound"
    assert _greeting(database) == "hello"
    _greet(database, settings, "vm-press&hello&tone:ring")
    assert _greeting(database) == "vm-press&hello&tone:ring"


def test_what_was_missing_before_keeps_nobody_from_other_changes(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "speaker", lambda: "")
    with database.write() as session:
        entry = next(one for one in read_snapshot(session).entries if one.id == "83")
        service.put_entry_point(session, replace(entry, greeting="gone-since"))
    _greet(database, settings, "vm-press")
    with database.read() as session:
        assert missing_sounds(session, sounds_folder(settings)) == ("gone-since",)


def test_an_upload_counts_before_asterisk_has_it(database: Database, settings: Settings) -> None:
    out = io.BytesIO()
    soundfile.write(out, [0.3, -0.3] * 4000, 8000, format="WAV")
    with database.write() as session:
        made = prompts.add(session, settings.data_dir / "prompts", prompts.ready(out.getvalue(), "x"), at=1, by="t")
    _greet(database, settings, made.plays)
    assert _greeting(database) == made.plays
    with pytest.raises(DirectoryError) as refused:
        _greet(database, settings, "ringside/p-000000000000")
    assert refused.value.code == "missing_sound", "an upload that is gone is not said by its id"


def test_a_missing_sound_is_said_until_there_is_one(database: Database, settings: Settings) -> None:
    _greet(database, settings, "acme/closed-today")
    assert place_prompts(database, settings, StandIns()) == 1
    wave, rate = soundfile.read(sounds_folder(settings) / "acme/closed-today.wav")
    assert rate == 8000
    assert len(wave) > 0.5 * rate
    with database.read() as session:
        assert missing_sounds(session, sounds_folder(settings)) == ()
    assert place_prompts(database, settings, StandIns()) == 0


def test_nothing_is_said_into_the_folder_of_asterisks_own_sounds(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    sounds, own = sounds_folder(settings), tmp_path / "asterisks-own"
    own.mkdir()
    (sounds / "fr").symlink_to(own)
    with database.write() as session:
        entry = next(one for one in read_snapshot(session).entries if one.id == "83")
        service.put_entry_point(session, replace(entry, greeting="fr/closed&en/closed"))
    assert place_prompts(database, settings, StandIns()) == 0
    assert list(own.iterdir()) == []
    assert sorted(path.name for path in (sounds / "en").iterdir()) == ["hello.gsm", "vm-press.gsm"]


def test_what_cannot_be_said_is_tried_again_only_when_another_sound_is_missing(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, tried = io.BytesIO(), list[str]()
    soundfile.write(out, [0.3, -0.3] * 4000, 8000, format="WAV")

    def spoken(words: str, _language: str) -> bytes:
        tried.append(words)
        if words == "mute":
            raise DirectoryError("no_speaker", "espeak-ng could not say that")
        return out.getvalue()

    monkeypatch.setattr(prompts, "speaker", lambda: "/usr/bin/espeak-ng")
    monkeypatch.setattr(prompts, "spoken", spoken)
    kept = StandIns()
    _greet(database, settings, "mute&first")
    with structlog.testing.capture_logs() as told:
        assert [place_prompts(database, settings, kept) for _ in range(4)] == [1, 0, 0, 0]
    assert tried == ["first", "mute"]
    assert [one["sound"] for one in told if one["event"] == "sound_not_said"] == ["mute"], "once, not at every look"
    _greet(database, settings, "mute&first&second")
    assert [place_prompts(database, settings, kept) for _ in range(3)] == [1, 0, 0]
    assert tried[2:] == ["mute", "second"]
    place_prompts(database, settings, StandIns())
    assert tried[4:] == ["mute"], "the next process tries it again"
