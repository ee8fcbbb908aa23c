"""Prompts: what is uploaded is checked, converted and kept under names of our own."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from acd.core.model import SECOND, QueueDef
from directory import prompts
from directory.model import DirectoryError, EntryPoint
from directory.prompts import RATE, converted, resampled
from directory.service import put_entry_point, put_queue
from storage.session import Database
from tests.support.copies import demo_database


def sound(rate: int = 44_100, seconds: float = 1.0, *, form: str = "WAV", loud: float = 0.3) -> bytes:
    """A tone of 1000 Hz in that form, two channels."""
    times = np.arange(int(rate * seconds)) / rate
    wave = (loud * np.sin(2 * np.pi * 1000 * times)).astype(np.float32)
    out = io.BytesIO()
    subtype = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}[form]
    soundfile.write(out, np.stack([wave, wave], axis=1), rate, format=form, subtype=subtype)
    return out.getvalue()


def heard(raw: bytes) -> tuple[np.ndarray, int]:
    wave, rate = soundfile.read(io.BytesIO(raw), dtype="float32")
    return wave, rate


def strength(wave: np.ndarray, hertz: float) -> float:
    """How much of that tone is in it, as an amplitude."""
    times = np.arange(len(wave)) / RATE
    return float(2 * abs(np.mean(wave * np.exp(-2j * np.pi * hertz * times))))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
def test_each_form_becomes_what_asterisk_plays(form: str, rate: int) -> None:
    raw = converted(sound(rate, form=form))
    wave, given = heard(raw)
    info = soundfile.info(io.BytesIO(raw))
    assert (given, info.channels, info.subtype, info.format) == (RATE, 1, "PCM_16", "WAV")
    assert len(wave) == pytest.approx(RATE, abs=RATE * 0.1)  # MP3 adds a frame or two at its ends
    assert strength(wave[800:7200], 1000) == pytest.approx(0.14, abs=0.02)  # -20 dBFS root mean square
    assert np.sqrt(np.mean(wave[800:7200] ** 2)) == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize("rate", [11_025, 22_050, 44_100, 48_000, 96_000])
def test_what_a_telephone_cannot_carry_is_gone_and_nothing_comes_in_its_place(rate: int) -> None:
    kept = resampled(_wave(rate, 1000), rate)
    lost = resampled(_wave(rate, 5000), rate)
    assert strength(kept[800:7200], 1000) == pytest.approx(1.0, abs=0.02)
    assert float(np.abs(lost[800:7200]).max()) < 0.01  # the alias would be at 3000 Hz


def _wave(rate: int, hertz: float) -> np.ndarray:
    return np.sin(2 * np.pi * hertz * np.arange(rate) / rate).astype(np.float32)


@pytest.mark.parametrize(
    ("code", "raw"),
    [
        ("bad_sound", b""),
        ("bad_sound", b"RIFF" + bytes(100)),
        ("bad_sound", b"#!/bin/sh\nrm -rf /\n"),
        ("too_short", sound()[:60]),
        ("too_large", bytes(prompts.LARGEST + 1)),
        ("too_long", sound(8000, 181)),
        ("too_short", sound(8000, 0.05)),
        ("too_quiet", sound(loud=0.005)),
        ("bad_sound", sound(4000)),
    ],
    ids=["empty", "header", "script", "cut", "large", "long", "short", "quiet", "slow"],
)
def test_what_cannot_be_played_is_refused(code: str, raw: bytes) -> None:
    with pytest.raises(DirectoryError) as refused:
        converted(raw)
    assert refused.value.code == code


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    found = demo_database(tmp_path)
    yield found
    found.close()


def test_hostile_names_touch_no_file(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "prompts"
    with database.write() as session:
        made = prompts.add(session, folder, prompts.ready(sound(), "../../etc/passwd\n\x00; rm"), at=1, by="amy")
        tune = prompts.add(session, folder, prompts.ready(sound(), "tune", "jazz"), at=1, by="amy")
        classes = prompts.music_classes(session, folder)
    assert [path.name for path in folder.glob("*.wav")] == [f"{made.id}.wav"]
    assert made.plays == f"ringside/{made.id}"
    assert made.name == "../../etc/passwd; rm"
    assert made.length == pytest.approx(SECOND, rel=0.01)
    assert classes == (("jazz", str(folder / "music/jazz")),)
    assert prompts.file_of(folder, tune).is_file()
    for name, music, code in (("\x00", "", "bad_name"), ("x", "../etc", "bad_music")):
        with pytest.raises(DirectoryError) as refused:
            prompts.ready(sound(), name, music)
        assert refused.value.code == code


def test_a_prompt_is_placed_where_asterisk_looks_and_goes_when_nothing_plays_it(
    database: Database, tmp_path: Path
) -> None:
    folder, sounds = tmp_path / "prompts", tmp_path / "sounds/ringside"
    with database.write() as session:
        made = prompts.add(session, folder, prompts.ready(sound(), "welcome"), at=1, by="amy")
        put_entry_point(session, EntryPoint("84", "八四", "sales", greeting=f"beep&{made.plays}"))
        assert prompts.place(session, folder, sounds) == 1
        assert prompts.place(session, folder, sounds) == 0
    assert (sounds / f"{made.id}.wav").read_bytes() == (folder / f"{made.id}.wav").read_bytes()
    with pytest.raises(DirectoryError) as used, database.write() as session:
        prompts.remove(session, folder, made.id)
    assert used.value.code == "prompt_in_use"
    with database.write() as session:
        put_entry_point(session, EntryPoint("84", "八四", "sales"))
        prompts.remove(session, folder, made.id)
        prompts.place(session, folder, sounds)
    assert list(sounds.glob("*.wav")) == []
    with pytest.raises(DirectoryError), database.write() as session:
        prompts.remove(session, folder, made.id)


def _remove(database: Database, folder: Path, prompt: str) -> str:
    """The code of the refusal, "" without one."""
    try:
        with database.write() as session:
            prompts.remove(session, folder, prompt)
    except DirectoryError as error:
        return error.code
    return ""


def test_a_prompt_is_in_use_however_its_name_is_written(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        made = prompts.add(session, tmp_path, prompts.ready(sound(), "welcome"), at=1, by="amy")
        put_entry_point(session, EntryPoint("84", "八四", "sales", greeting=f"beep&sound:{made.plays}"))
    assert _remove(database, tmp_path, made.id) == "prompt_in_use"


def test_the_last_sound_of_a_music_class_stays_while_a_queue_plays_it(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        one, other = (
            prompts.add(session, tmp_path, prompts.ready(sound(), name, "jazz"), at=1, by="amy") for name in "ab"
        )
        put_queue(session, QueueDef("slow", "Slow", music="jazz"))
    assert _remove(database, tmp_path, one.id) == ""
    assert _remove(database, tmp_path, other.id) == "prompt_in_use"
    with database.write() as session:
        put_queue(session, QueueDef("slow", "Slow"))
    assert _remove(database, tmp_path, other.id) == ""


@pytest.mark.parametrize(("text", "language"), [("您好,歡迎來電", "zh"), ("-f /etc/passwd; ls", "en")])
def test_a_text_is_spoken(text: str, language: str) -> None:
    wave, rate = heard(converted(prompts.spoken(text, language)))
    assert rate == RATE
    assert 0.5 < len(wave) / RATE < 10


def test_a_missing_speaker_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(DirectoryError) as refused:
        prompts.spoken("hello", "en")
    assert refused.value.code == "no_speaker"


def test_the_library_lists_sounds_as_definitions_write_them(tmp_path: Path) -> None:
    for name in ("hello.gsm", "hello.wav", "digits/1.gsm", "LICENSE txt.x", ".hidden.gsm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert prompts.library(tmp_path) == ["digits/1", "hello"]


def _silence(seconds: int, channels: int = 8, rate: int = 192_000) -> bytes:
    """FLAC that packs to a thousandth of what it becomes; it begins with a tone, so that there is something to hear."""
    out = io.BytesIO()
    with soundfile.SoundFile(out, "w", rate, channels, "PCM_16", format="FLAC") as file:
        tone = (0.3 * np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)).astype(np.float32)
        file.write(np.repeat(tone[:, None], channels, axis=1))
        for _ in range(seconds):
            file.write(np.zeros((rate, channels), np.int16))
    return out.getvalue()


def test_a_small_upload_cannot_become_more_samples_than_the_memory_holds() -> None:
    raw = _silence(70)
    assert len(raw) < 400_000
    with pytest.raises(DirectoryError) as refused:
        converted(raw)
    assert refused.value.code == "too_large"


def test_channels_are_never_in_memory_together() -> None:
    raw = _silence(30)
    tracemalloc.start()
    try:
        wave, rate = prompts._decoded(raw, 180)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(wave), rate) == (int(30.5 * 192_000), 192_000)
    assert peak < 100_000_000, "all channels at once are 187 MB, mono is 23"


def test_a_sound_that_is_longer_than_its_header_says_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = sound(8000, 3.0)
    monkeypatch.setattr(prompts, "_bounds", lambda *_: None)
    with pytest.raises(DirectoryError) as refused:
        prompts._decoded(raw, 1)
    assert refused.value.code == "too_long"


def test_a_removal_that_is_not_committed_keeps_the_file(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        made = prompts.add(session, tmp_path, prompts.ready(sound(), "x"), at=1, by="t")
    file = prompts.file_of(tmp_path, made)
    with database.write() as session:
        prompts.remove(session, tmp_path, made.id)
        session.rollback()
    assert file.exists()
    with database.write() as session:
        prompts.remove(session, tmp_path, made.id)
        assert file.exists()
    assert not file.exists()
