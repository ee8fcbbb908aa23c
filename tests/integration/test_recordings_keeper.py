"""From Asterisk's raw file to a sealed, indexed one: exactly once, whatever lies in the folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acd.core import facts as f
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party
from recordings import search, store
from recordings.capture import RawFile
from recordings.keeper import SWEEP_EVERY
from recordings.model import Problem, State
from recordings.search import Wanted
from storage import tables
from tests.support.recordings import Tape, conversation, noise, raw_bytes, silence, stereo, taping, tone


def checks_of(tape: Tape, recording: str) -> str:
    file = tape.detail(recording).file
    assert file is not None
    return file.checks


# --- the straight way --------------------------------------------------------------------------------------------


@pytest.mark.feature("V19")
def test_a_call_is_kept_indexed_and_its_raw_file_gone(tape: Tape) -> None:
    sound = conversation(12)
    recording = tape.call("i1", sound, queue="sales", seat="amy")
    assert tape.keeper.run_once().stored == 1
    found = tape.detail(recording)
    row, kept = found.view.row, found.view.kept
    assert (row.item, row.queue, row.entry, row.seats, row.outcome) == ("i1", "sales", "82", ("amy",), "answered")
    assert (kept.state, kept.length, kept.problems) == (State.STORED, 12 * SECOND, ())
    assert kept.expires_at == row.started_at + 365 * 86_400 * SECOND
    assert json.loads(checks_of(tape, recording))["expected"] == 12 * SECOND
    assert tape.heard(recording) == raw_bytes(sound)
    assert tape.raws() == []
    assert tape.contacts("i1") == 0
    (file,) = tape.sealed()
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"fLaC" not in file.read_bytes()
    assert tape.keeper.run_once().stored == 0
    assert tape.verified().findings == ()


def test_a_torn_last_frame_is_cut_and_the_rest_kept(tape: Tape) -> None:
    sound = raw_bytes(conversation(3))
    recording = tape.call("i1", sound + b"\x01\x02\x03", seconds=3)
    tape.keeper.run_once()
    assert tape.heard(recording) == sound


def test_a_contact_that_goes_on_or_a_file_that_grows_is_left_alone(tape: Tape) -> None:
    tape.tell(f.Entered("i1", 1, Kind.CALL, "voice", "r", EntryPlan("82", 1, "sales")), f.RecordingBegan("i1", "i1-r"))
    path = tape.put("i1-r", conversation(3))
    tape.clock.at += 60 * SECOND
    assert tape.keeper.run_once().stored == 0
    tape.tell(f.Ended("i1", Outcome.ANSWERED, Party.SEAT, "voice"))
    assert tape.keeper.run_once().stored == 0  # over for less than a second
    tape.clock.at += 2 * SECOND
    os.utime(path, ns=((tape.clock.at - SECOND // 2) * 1000,) * 2)
    assert tape.keeper.run_once().stored == 0  # still written
    tape.clock.at += 3 * SECOND
    with path.open("ab"):
        assert tape.keeper.run_once().stored == 0  # Asterisk has it open
    with path.open("rb"):
        assert tape.keeper.run_once().stored == 1


@pytest.mark.parametrize(("sound", "problem"), [(None, Problem.MISSING), (b"", Problem.EMPTY), (b"abc", Problem.EMPTY)])
def test_no_file_or_an_empty_one_means_no_recording(tape: Tape, sound: bytes | None, problem: Problem) -> None:
    recording = tape.call("i1", sound, seconds=20)
    tape.keeper.run_once()
    tape.clock.at += 10 * SECOND
    tape.keeper.run_once()
    kept = tape.detail(recording).view.kept
    assert (kept.state, kept.problems) == (State.MISSING, (problem,))
    assert tape.raws() == []
    assert tape.verified().findings == ()


def test_a_file_that_comes_late_is_kept_after_all(tape: Tape) -> None:
    recording = tape.call("i1", None, seconds=20)
    tape.clock.at += 10 * SECOND
    assert tape.keeper.run_once().missing == 1
    tape.put(recording, conversation(20))
    tape.clock.at += SWEEP_EVERY
    assert tape.keeper.run_once().stored == 1
    kept = tape.detail(recording).view.kept
    assert (kept.state, kept.problems) == (State.STORED, ())


def test_problems_are_found_and_can_be_searched(tape: Tape) -> None:
    tape.call("good", conversation(10))
    tape.call("one", stereo(tone(440, 10), silence(10)))
    tape.call("gap", conversation(10), seconds=15)
    tape.keeper.run_once()
    with tape.database.read() as session:
        one = search.find(session, Wanted(problem="one_sided"))
        gap = search.find(session, Wanted(problem="gap", seat="amy"))
        none = search.find(session, Wanted(problem="clipped"))
    assert [[view.row.item for view in page.views] for page in (one, gap, none)] == [["one"], ["gap"], []]


def test_pauses_are_marked_and_a_tone_in_one_is_a_problem(tape: Tape) -> None:
    quiet = conversation(20)
    quiet[8 * 8000 : 12 * 8000] = 0
    for item, sound in (("i1", quiet), ("i2", conversation(20))):
        plan = EntryPlan("82", 1, "sales")
        tape.tell(f.Entered(item, 1, Kind.CALL, "voice", "r", plan), f.RecordingBegan(item, f"{item}-r"))
        tape.clock.at += 8 * SECOND
        tape.tell(f.RecordingPaused(item, f"{item}-r", tape.clock.at + 300 * SECOND), by="amy", via="desk")
        tape.clock.at += 4 * SECOND
        tape.tell(f.RecordingResumed(item, f"{item}-r", "by_hand"), by="amy", via="desk")
        tape.clock.at += 8 * SECOND
        tape.tell(f.Ended(item, Outcome.ANSWERED, Party.SEAT, "voice"))
        tape.clock.at += 5 * SECOND
        tape.put(f"{item}-r", sound, quiet_for=4 * SECOND)
    tape.keeper.run_once()
    good, bad = tape.detail("i1-r").view, tape.detail("i2-r").view
    assert (good.kept.problems, bad.kept.problems) == ((), (Problem.SOUND_IN_PAUSE,))
    (pause,) = good.row.pauses
    assert (pause.ended_at - pause.began_at, pause.by, pause.via, pause.how) == (4 * SECOND, "amy", "desk", "by_hand")


def test_a_voice_message_goes_the_same_way_before_its_call_is_over(tape: Tape) -> None:
    plan = EntryPlan("82", 1, "sales")
    tape.tell(f.Entered("i1", 1, Kind.CALL, "voice", "r", plan), f.VoicemailStarted("i1", "night", "p", "t", 0))
    tape.tell(f.VoicemailListened("i1", "i1-v", 0))
    tape.clock.at += 9 * SECOND
    tape.tell(f.VoicemailLeft("i1", "i1-v", "i2"))
    tape.clock.at += 5 * SECOND
    tape.put("i1-v", stereo(tone(440, 9), silence(9)), quiet_for=4 * SECOND)
    assert tape.keeper.run_once().stored == 1
    tape.tell(f.Ended("i1", Outcome.VOICEMAIL, Party.CUSTOMER, "voice"))
    found = tape.detail("i1-v").view
    assert (found.row.kind, found.row.queue, found.row.task, found.row.seats) == ("voicemail", "night", "i2", ())
    assert (found.row.outcome, found.kept.state, found.kept.problems) == ("voicemail", State.STORED, ())


def test_a_long_recording_passes_through_blocks(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """And through an unnamed file instead of memory."""
    monkeypatch.setattr(store, "IN_MEMORY", 1 << 16)
    sound = np.concatenate([stereo(noise(40), noise(40, seed=2)), conversation(20)])
    recording = tape.call("i1", sound)
    assert tape.keeper.run_once().stored == 1
    assert tape.heard(recording) == raw_bytes(sound)
    assert len(tape.sealed()) == 1


def test_wav_can_be_chosen(migrated: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "else" / "where"
    with taping(migrated, tmp_path, recordings_codec="wav", recordings_store=elsewhere) as tape:
        recording = tape.call("i1", conversation(3))
        assert tape.keeper.run_once().stored == 1
        assert tape.heard(recording) == raw_bytes(conversation(3))
        assert tape.sealed()[0].is_relative_to(elsewhere)


# --- what lies in the folder is not trusted ----------------------------------------------------------------------


def test_links_folders_and_strange_names_are_not_taken(tape: Tape, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 4000)
    recording = tape.call("i1", None, seconds=1)
    (tape.settings.raw_dir / f"{recording}.raw").symlink_to(secret)
    folder = tape.call("i2", None, seconds=1)
    (tape.settings.raw_dir / f"{folder}.raw").mkdir()
    for name in (".hidden-r.raw", "a b-r.raw", "../up-r.raw", "x" * 200 + ".raw"):
        if "/" not in name:
            (tape.settings.raw_dir / name).write_bytes(b"1234" * 100)
    done = tape.keeper.run_once()
    assert (done.stored, done.waiting) == (0, 2)
    assert {tape.detail(name).view.kept.reason for name in (recording, folder)} == {"not_a_file"}
    assert tape.sealed() == []


def test_a_file_larger_than_allowed_waits_for_a_person(migrated: Path, tmp_path: Path) -> None:
    with taping(migrated, tmp_path, recordings_max_mb=1) as tape:
        recording = tape.call("i1", conversation(40))
        assert tape.keeper.run_once().waiting == 1
        assert tape.detail(recording).view.kept.reason == "too_large"
        assert tape.raws() == ["i1-r.raw"]


def test_a_name_that_is_no_name_never_becomes_a_path(tape: Tape) -> None:
    for name in ("../../etc/passwd", "a/b", "", ".", "..", "a\0b", "a\nb", "-" * 200):
        tape.tell(f.Entered("i9", 1, Kind.CALL, "voice", "r", EntryPlan("82", 1, "q")), f.RecordingBegan("i9", name))
        tape.tell(f.Ended("i9", Outcome.ANSWERED, Party.SEAT, "voice"))
    tape.clock.at += 60 * SECOND
    done = tape.keeper.run_once()
    assert done.stored == 0
    assert done.waiting + done.missing == 8


def test_a_file_without_a_fact_is_taken_up_with_what_records_knows(tape: Tape) -> None:
    with tape.database.write() as session:
        session.execute(
            tables.interactions.insert().values(
                item="i7", number=1, account="82", queue="sales", direction="inbound", ended_at=5, outcome="answered"
            )
        )
        session.execute(tables.handlings.insert().values(item="i7", ordinal=1, seat="bob", met_at=2))
        session.execute(tables.handlings.insert().values(item="i7", ordinal=2, seat="eve", met_at=0))
    tape.put("i7-r", conversation(10), quiet_for=59 * SECOND)
    tape.put("i8-r", conversation(10), quiet_for=3599 * SECOND)
    tape.put("strange", conversation(10), quiet_for=9999 * SECOND)
    assert tape.keeper.run_once().swept == 0
    tape.clock.at += SWEEP_EVERY
    done = tape.keeper.run_once()
    assert (done.swept, done.stored) == (2, 2)
    view = tape.detail("i7-r").view
    assert (view.row.queue, view.row.seats, view.row.outcome) == ("sales", ("bob",), "answered")
    assert view.kept.problems == (Problem.UNANNOUNCED,)
    assert tape.raws() == ["strange.raw"]


def test_one_that_cannot_be_taken_does_not_keep_the_others_waiting(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    tape.call("i1", conversation(2))
    tape.call("i2", conversation(3))
    real = store.store

    def fault(raw: RawFile, recording: str, *given: Any, **more: Any) -> store.Stored:
        if recording == "i1-r":
            raise ValueError("a fault of ours")
        return real(raw, recording, *given, **more)

    monkeypatch.setattr(store, "store", fault)
    done = tape.keeper.run_once()
    assert (done.stored, done.waiting) == (1, 1)
    assert tape.detail("i1-r").view.kept.reason == "fault"
    assert tape.raws() == ["i1-r.raw"]
