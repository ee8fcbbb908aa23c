"""Recordings that a real Asterisk wrote: taken up only when it has closed them, and checked without a false alarm."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party
from cti.asterisk import AsteriskProcess
from recordings import search
from recordings.check import PAUSE_MOST
from recordings.model import Problem, State
from recordings.search import Detail
from softphone import tones
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings
from tests.support.asterisk import running_asterisk
from tests.support.memory import HandClock
from tests.support.recordings import Tape
from tests.support.stage import AMY, CUSTOMER, MUSIC, stage

pytestmark = [pytest.mark.softphone, pytest.mark.asyncio]


@pytest.fixture(scope="module")
def box(asterisk_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsteriskProcess]:
    """An Asterisk whose music on hold is a tone."""
    music = tmp_path_factory.mktemp("music")
    tones.write_tone(music / "music.wav", MUSIC, 60)
    with running_asterisk(asterisk_root, music_dir=str(music)) as running:
        yield running


@pytest.fixture
def tape(box: AsteriskProcess, tmp_path: Path) -> Iterator[Tape]:
    """An installation whose raw folder is Asterisk's."""
    settings = Settings(data_dir=tmp_path)
    migrate(settings)
    settings.raw_dir.symlink_to(box.settings.recordings)
    database = Database(settings.main_url)
    yield Tape.at(settings, database, HandClock(now()))
    database.close()


def now() -> int:
    return time.time_ns() // 1000


def tell(tape: Tape, *facts: f.Fact) -> None:
    """At this very moment."""
    tape.clock.at = now()
    tape.tell(*facts, by="amy", via="desk")


def detail(tape: Tape, recording: str = "i1-r") -> Detail:
    with tape.database.read() as session:
        found = search.get(session, recording)
    assert found is not None
    return found


async def test_hold_pause_and_digits_leave_a_recording_without_a_problem(box: AsteriskProcess, tape: Tape) -> None:
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        tell(tape, f.Entered("i1", 1, Kind.CALL, "voice", "r", EntryPlan("81", 1, "q")), f.RecordingBegan("i1", "i1-r"))
        await asyncio.sleep(2)  # sound for the recording
        tell(tape, f.RecordingPaused("i1", "i1-r", now() + 300 * SECOND))
        s.do(e.PauseRecording("i1", s.customer, "i1-r", True))
        await s["customer"].dtmf("4539", s.calls["customer"])
        await asyncio.sleep(3)
        tell(tape, f.RecordingResumed("i1", "i1-r", "by_hand"))
        s.do(e.PauseRecording("i1", s.customer, "i1-r", False))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        s.do(e.Hold("i1", s.customer))
        await s.hear(customer=[MUSIC])
        s.do(e.Join("i1", s.customer, "o1-b"))
        await s.hear(customer=[AMY], amy=[CUSTOMER])
        tell(tape, f.Ended("i1", Outcome.ANSWERED, Party.CUSTOMER, "voice", seat="amy"))
        for _ in range(3):  # the core says it is over; Asterisk still writes
            tape.clock.at += 20 * SECOND
            done = tape.keeper.run_once()
            assert (done.stored, done.missing, done.waiting) == (0, 0, 0)
        await s.over()
    tape.clock.at = now() + 5 * SECOND
    assert tape.keeper.run_once().stored == 1
    found = detail(tape)
    assert found.file is not None
    checks = json.loads(found.file.checks)
    print(checks)
    assert (found.view.kept.state, found.view.kept.problems) == (State.STORED, ())
    assert checks["pause_peak"] <= PAUSE_MOST
    assert abs(checks["gap"]) < SECOND
    assert found.view.row.pauses[0].ended_at > found.view.row.pauses[0].began_at
    assert not s.recording().exists()
    assert tape.verified().findings == ()


async def test_a_pause_that_did_not_happen_is_found(box: AsteriskProcess, tape: Tape) -> None:
    """The facts say paused, Asterisk was not told."""
    async with stage(box, "amy") as s:
        await s.talk(recorded=True)
        tell(tape, f.Entered("i1", 1, Kind.CALL, "voice", "r", EntryPlan("81", 1, "q")), f.RecordingBegan("i1", "i1-r"))
        await asyncio.sleep(1)  # sound for the recording
        tell(tape, f.RecordingPaused("i1", "i1-r", now() + 300 * SECOND))
        await asyncio.sleep(2)
        tell(tape, f.RecordingResumed("i1", "i1-r", "by_hand"))
        await s.over()
        tell(tape, f.Ended("i1", Outcome.ANSWERED, Party.CUSTOMER, "voice", seat="amy"))
    tape.clock.at = now() + 5 * SECOND
    assert tape.keeper.run_once().stored == 1
    assert detail(tape).view.kept.problems == (Problem.SOUND_IN_PAUSE,)
