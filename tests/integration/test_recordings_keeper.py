"""From Asterisk's raw file to a sealed, indexed one: exactly once, whatever is in the folder, full or killed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, update

from acd.core import facts as f
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party
from recordings import index, search, space, store
from recordings.capture import RawFile
from recordings.keeper import BACK_OFF_MOST, SWEEP_EVERY, Done, Keeper
from recordings.model import Problem, State, StoredFile
from recordings.seal import Damaged
from recordings.search import Detail, Wanted
from recordings.verify import Wrong
from storage import tables
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings, load_secrets
from tests.support.recordings import Tape, conversation, noise, raw_bytes, silence, stereo, tone

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    migrate(Settings(data_dir=folder))
    return folder


@pytest.fixture
def tape(migrated: Path, tmp_path: Path) -> Iterator[Tape]:
    shutil.copy(migrated / "ringside.db", tmp_path)
    settings = Settings(data_dir=tmp_path)
    database = Database(settings.main_url)
    yield Tape.at(settings, database)
    database.close()


def detail(tape: Tape, recording: str) -> Detail:
    with tape.database.read() as session:
        found = search.get(session, recording)
    assert found is not None
    return found


def file_of(tape: Tape, recording: str) -> StoredFile:
    found = detail(tape, recording).file
    assert found is not None
    return found


def heard(tape: Tape, recording: str) -> bytes:
    """The sound as it can be heard again."""
    with store.unsealed(tape.settings.store_dir, file_of(tape, recording), tape.keeper.keys) as content:
        return b"".join(block.astype("<i2").tobytes() for block in store.decoded(content))


def raws(tape: Tape) -> list[str]:
    return sorted(path.name for path in tape.settings.raw_dir.glob("*.raw"))


def sealed(tape: Tape) -> list[Path]:
    return sorted(tape.settings.store_dir.glob("*/*/*"))


# --- the straight way --------------------------------------------------------------------------------------------


def test_a_call_is_kept_indexed_and_its_raw_file_gone(tape: Tape) -> None:
    sound = conversation(12)
    recording = tape.call("i1", sound, queue="sales", seat="amy")
    assert tape.keeper.run_once().stored == 1
    found = detail(tape, recording)
    row, kept = found.view.row, found.view.kept
    assert (row.item, row.queue, row.entry, row.seats, row.outcome) == ("i1", "sales", "82", ("amy",), "answered")
    assert (kept.state, kept.length, kept.problems) == (State.STORED, 12 * SECOND, ())
    assert kept.expires_at == row.started_at + 365 * 86_400 * SECOND
    assert json.loads(file_of(tape, recording).checks)["expected"] == 12 * SECOND
    assert heard(tape, recording) == raw_bytes(sound)
    assert raws(tape) == []
    assert tape.contacts("i1") == 0
    (file,) = sealed(tape)
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"fLaC" not in file.read_bytes()
    assert tape.keeper.run_once().stored == 0
    assert tape.verified().findings == ()


def test_a_torn_last_frame_is_cut_and_the_rest_kept(tape: Tape) -> None:
    sound = raw_bytes(conversation(3))
    recording = tape.call("i1", sound + b"\x01\x02\x03", seconds=3)
    tape.keeper.run_once()
    assert heard(tape, recording) == sound


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
    kept = detail(tape, recording).view.kept
    assert (kept.state, kept.problems) == (State.MISSING, (problem,))
    assert raws(tape) == []
    assert tape.verified().findings == ()


def test_a_file_that_comes_late_is_kept_after_all(tape: Tape) -> None:
    recording = tape.call("i1", None, seconds=20)
    tape.clock.at += 10 * SECOND
    assert tape.keeper.run_once().missing == 1
    tape.put(recording, conversation(20))
    tape.clock.at += SWEEP_EVERY
    assert tape.keeper.run_once().stored == 1
    kept = detail(tape, recording).view.kept
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
    good, bad = detail(tape, "i1-r").view, detail(tape, "i2-r").view
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
    found = detail(tape, "i1-v").view
    assert (found.row.kind, found.row.queue, found.row.task, found.row.seats) == ("voicemail", "night", "i2", ())
    assert (found.row.outcome, found.kept.state, found.kept.problems) == ("voicemail", State.STORED, ())


def test_a_long_recording_passes_through_blocks(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """And through an unnamed file instead of memory."""
    monkeypatch.setattr(store, "IN_MEMORY", 1 << 16)
    sound = np.concatenate([stereo(noise(40), noise(40, seed=2)), conversation(20)])
    recording = tape.call("i1", sound)
    assert tape.keeper.run_once().stored == 1
    assert heard(tape, recording) == raw_bytes(sound)
    assert len(sealed(tape)) == 1


def test_wav_can_be_chosen(migrated: Path, tmp_path: Path) -> None:
    shutil.copy(migrated / "ringside.db", tmp_path)
    settings = Settings(data_dir=tmp_path, recordings_codec="wav", recordings_store=tmp_path / "else" / "where")
    database = Database(settings.main_url)
    tape = Tape.at(settings, database)
    recording = tape.call("i1", conversation(3))
    assert tape.keeper.run_once().stored == 1
    assert heard(tape, recording) == raw_bytes(conversation(3))
    assert next(iter(sealed(tape))).is_relative_to(tmp_path / "else" / "where")
    database.close()


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
    assert {detail(tape, name).view.kept.reason for name in (recording, folder)} == {"not_a_file"}
    assert sealed(tape) == []


def test_a_file_larger_than_allowed_waits_for_a_person(migrated: Path, tmp_path: Path) -> None:
    shutil.copy(migrated / "ringside.db", tmp_path)
    settings = Settings(data_dir=tmp_path, recordings_max_mb=1)
    database = Database(settings.main_url)
    tape = Tape.at(settings, database)
    recording = tape.call("i1", conversation(40))
    assert tape.keeper.run_once().waiting == 1
    assert detail(tape, recording).view.kept.reason == "too_large"
    assert raws(tape) == ["i1-r.raw"]
    database.close()


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
        session.execute(tables.handlings.insert().values(item="i7", ordinal=1, seat="bob"))
    tape.put("i7-r", conversation(10), quiet_for=59 * SECOND)
    tape.put("i8-r", conversation(10), quiet_for=3599 * SECOND)
    tape.put("strange", conversation(10), quiet_for=9999 * SECOND)
    assert tape.keeper.run_once().swept == 0
    tape.clock.at += SWEEP_EVERY
    done = tape.keeper.run_once()
    assert (done.swept, done.stored) == (2, 2)
    view = detail(tape, "i7-r").view
    assert (view.row.queue, view.row.seats, view.row.outcome) == ("sales", ("bob",), "answered")
    assert view.kept.problems == (Problem.UNANNOUNCED,)
    assert raws(tape) == ["strange.raw"]


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
    assert detail(tape, "i1-r").view.kept.reason == "fault"
    assert raws(tape) == ["i1-r.raw"]


# --- full, away, slow --------------------------------------------------------------------------------------------


def test_a_storage_that_fails_loses_nothing_and_is_tried_again(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is a file where a folder should be: as a mount that is away."""
    recording = tape.call("i1", conversation(5))
    tape.settings.store_dir.write_text("not a folder")
    at = []
    for _ in range(12):
        assert tape.keeper.run_once().waiting == 1
        kept = detail(tape, recording).view.kept
        assert (kept.state, kept.reason) == (State.WAITING, "storage")
        at.append(kept.retry_at - tape.clock.at)
        assert tape.keeper.run_once().waiting == 0  # not before its time
        tape.clock.at = kept.retry_at
    assert at[:4] == [2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND]
    assert at[-1] == BACK_OFF_MOST
    assert raws(tape) == ["i1-r.raw"]
    tape.settings.store_dir.unlink()
    assert tape.keeper.run_once().stored == 1
    assert heard(tape, recording) == raw_bytes(conversation(5))
    assert detail(tape, recording).view.kept.reason == ""


WORK = """
import resource, signal, sys
from pathlib import Path
from acd.core.model import SECOND
from recordings.keeper import Keeper
from storage.session import Database
from storage.settings import Settings, load_secrets
settings = Settings(data_dir=Path(sys.argv[1]), recordings_store=Path(sys.argv[2]))
database = Database(settings.main_url)
keeper = Keeper(settings, load_secrets(settings), database, lambda: int(sys.argv[3]))
"""
LIMITED = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
"""


def worker(tape: Tape, *more: str, code: str, store_dir: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WORK + code, str(tape.settings.data_dir)]
    command += [str(store_dir or tape.settings.store_dir), str(tape.clock.at), *more]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("most", [0, 1000, 100_000, 1_000_000])
def test_no_room_at_any_place_of_the_file_leaves_the_raw_one_and_nothing_else(tape: Tape, most: int) -> None:
    """A limit of the process stops writing after so many bytes; noise of 40 s needs some 1.2 MB."""
    sound = stereo(noise(40), noise(40, seed=2))
    recording = tape.call("i1", sound)
    code = LIMITED + (
        "from recordings import store; store.IN_MEMORY = 1 << 26 if int(sys.argv[4]) % 1000 == 0 else 1\n"
        "from recordings.capture import opened\nfrom recordings.check import Told\n"
        "try:\n"
        "    with opened(settings.raw_dir, 'i1-r', 1 << 30) as raw:\n"
        "        store.store(raw, 'i1-r', Told(), keys=keeper.keys, folder=settings.store_dir,\n"
        "            spool=settings.raw_dir, now=keeper.now())\n"
        "except store.StoreFailed as error:\n"
        "    print(error.code)\n"
    )
    for limit in (most, most + 1):  # through memory, and through an unnamed file
        run = worker(tape, str(limit), code=code)
        assert run.stdout.strip() == "no_space", run.stderr
        assert "Traceback" not in run.stderr
        assert [path for path in tape.settings.store_dir.rglob("*") if path.is_file()] == []
    assert raws(tape) == ["i1-r.raw"]
    assert tape.keeper.run_once().stored == 1
    assert heard(tape, recording) == raw_bytes(sound)


def test_a_full_file_system_makes_it_wait_and_room_makes_it_go_on(tape: Tape, tmp_path: Path) -> None:
    """A private tmpfs of 1 MiB in a mount namespace of its own, filled and then emptied."""
    sound = stereo(noise(20), noise(20, seed=2))
    recording = tape.call("i1", sound)
    small = tmp_path / "small"
    small.mkdir()
    code = (
        "import subprocess\n"
        "full = settings.store_dir / 'other'\n"
        "subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'none', str(settings.store_dir)], check=True)\n"
        "full.write_bytes(b'x' * 600_000)\n"
        "from recordings import index\n"
        "from recordings.space import enough\n"
        "print(keeper.run_once().waiting, enough(settings.store_dir, settings))\n"
        "with database.read() as session: print(index.kept(session, 'i1-r').reason)\n"
        "print(sorted(path.name for path in settings.store_dir.rglob('*') if path.is_file()))\n"
        "full.unlink()\n"
        "keeper.now = lambda: int(sys.argv[3]) + 60 * SECOND\n"
        "print(keeper.run_once().stored)\n"
    )
    inner = [sys.executable, "-c", WORK + code, str(tape.settings.data_dir), str(small), str(tape.clock.at)]
    run = subprocess.run(["unshare", "-rm", *inner], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in run.stdout.splitlines() if not line.startswith(("{", "20"))]
    assert lines[:4] == ["1 False", "no_space", "['other']", "1"], run.stdout + run.stderr
    assert raws(tape) == []
    assert detail(tape, recording).view.kept.state is State.STORED


def test_room_is_told_before_it_is_full(tape: Tape, tmp_path: Path) -> None:
    found = space.room(tmp_path / "not" / "there" / "yet")
    assert found is not None
    assert 0 < found.free <= found.whole
    most = found.free // space.MEGABYTE
    assert space.enough(tmp_path, Settings(data_dir=tmp_path, recordings_min_free_mb=max(1, most // 2)))
    assert not space.enough(tmp_path, Settings(data_dir=tmp_path, recordings_min_free_mb=most * 2 + 1))
    assert not space.enough(Path("/proc/1/root/nothing") / ("x" * 300), tape.settings)


def test_a_storage_that_hangs_is_told_in_a_moment_and_costs_one_thread(
    tape: Tape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, asked = threading.Event(), []

    def hang(place: object) -> os.statvfs_result:
        asked.append(place)
        answer.wait(30)
        return real(str(place))

    real = os.statvfs
    with monkeypatch.context() as patched:
        patched.setattr("os.statvfs", hang)
        began = time.monotonic()
        for _ in range(4):
            assert not space.enough(tmp_path, tape.settings)
        assert time.monotonic() - began < 4 * space.PATIENCE_S + 1
        assert len(asked) == 1
        answer.set()
    deadline = time.monotonic() + 5
    while space.room(tmp_path) is None:
        assert time.monotonic() < deadline


# --- killed ------------------------------------------------------------------------------------------------------

STEPS = {
    "while encoding": ("recordings.store", "_hash"),
    "before sealing": ("recordings.store", "_write"),
    "before renaming": ("pathlib.Path", "rename"),
    "before reading back": ("recordings.store", "_verify"),
    "before the index": ("recordings.index", "mark_stored"),
    "before the chain": ("recordings.chain", "append"),
    "before removing": ("recordings.keeper", "Keeper._tidy"),
    "before unlinking": ("recordings.capture", "remove"),
    "before the note of the chain": ("recordings.chain", "write_head"),
}
KILLED = """
import importlib, os
module, name = sys.argv[4], sys.argv[5]
if module == "pathlib.Path":
    owner, name = Path, name
else:
    owner = importlib.import_module(module)
    if "." in name:
        first, name = name.split(".")
        owner = getattr(owner, first)
def die(*_args, **_more):
    os.kill(os.getpid(), 9)
setattr(owner, name, die)
keeper.run_once()
"""


@pytest.mark.parametrize("step", sorted(STEPS))
def test_killed_between_any_two_steps_nothing_is_lost_and_nothing_doubled(tape: Tape, step: str) -> None:
    sound = conversation(6)
    recording = tape.call("i1", sound)
    run = worker(tape, *STEPS[step], code=KILLED)
    assert run.returncode == -signal.SIGKILL, run.stdout + run.stderr
    for _ in range(3):
        tape.keeper.run_once()
        tape.clock.at += SWEEP_EVERY
    assert heard(tape, recording) == raw_bytes(sound)
    assert raws(tape) == []
    whole = [path for path in sealed(tape) if not path.name.endswith(".part")]
    assert len(whole) == 1
    with tape.database.read() as session:
        assert index.count_states(session)["stored"] == 1
        assert len(session.execute(select(tables.recording_chain)).all()) == 1
    tape.clock.at += 2 * 3600 * SECOND + 400 * 86_400 * SECOND  # what was half written is cleared by its age
    tape.keeper.clear()
    assert [path.name for path in sealed(tape) if path.name.endswith(".part")] == []
    assert tape.verified().findings == ()


def test_two_workers_at_once_keep_it_once(tape: Tape) -> None:
    """The second one has read the list of what is due before the first one is done."""
    sound = conversation(6)
    recording = tape.call("i1", sound)
    with tape.database.read() as session:
        (row,) = index.due(session, tape.clock.at, tape.clock.at, 10)
    other = Keeper(tape.settings, load_secrets(tape.settings), tape.database, tape.clock.now)
    path = tape.settings.raw_dir / f"{recording}.raw"
    copy = path.read_bytes()
    assert other.run_once().stored == 1
    tape.put(recording, copy)  # as if it were not yet removed
    tape.keeper._keep(row, Done())
    assert heard(tape, recording) == raw_bytes(sound)
    assert len(sealed(tape)) == 1
    tape.clock.at += SWEEP_EVERY
    tape.keeper.run_once()
    assert raws(tape) == []
    assert tape.verified().findings == ()


def test_sound_that_comes_after_storing_becomes_a_recording_of_its_own(tape: Tape) -> None:
    recording = tape.call("i1", conversation(6))
    tape.keeper.run_once()
    tape.put(recording, conversation(9), quiet_for=7200 * SECOND)
    for _ in range(2):
        tape.clock.at += SWEEP_EVERY
        tape.keeper.run_once()
    with tape.database.read() as session:
        found = search.find(session, Wanted(item="i1")).views
    assert sorted(view.kept.length for view in found) == [6 * SECOND, 9 * SECOND]
    assert raws(tape) == []


# --- tampering ---------------------------------------------------------------------------------------------------


def test_one_changed_bit_of_a_stored_file_is_found_wherever_it_is(tape: Tape) -> None:
    """200 places of a real recording, each by `verify` and each when it is played."""
    recording = tape.call("i1", conversation(20))
    tape.keeper.run_once()
    (path,) = sealed(tape)
    whole = path.read_bytes()
    chance = np.random.default_rng(3)
    places = [int(place) for place in chance.integers(0, len(whole) * 8, 200)]
    for place in places:
        raw = bytearray(whole)
        raw[place // 8] ^= 1 << place % 8
        path.write_bytes(raw)
        assert [finding.wrong for finding in tape.verified().findings] == [Wrong.FILE_CHANGED]
        with pytest.raises(Damaged):
            heard(tape, recording)
    path.write_bytes(whole)
    assert detail(tape, recording).view.kept.problems == (Problem.DAMAGED,)
    assert tape.verified().findings == ()  # put back from a copy, say
    assert detail(tape, recording).view.kept.problems == ()
    path.unlink()
    assert [finding.wrong for finding in tape.verified().findings] == [Wrong.FILE_MISSING]
    assert detail(tape, recording).view.kept.problems == (Problem.DAMAGED,)


def wrong(tape: Tape) -> list[tuple[str, str]]:
    return [(finding.wrong.value, finding.recording) for finding in tape.verified().findings]


def test_removed_and_changed_rows_are_seen(tape: Tape) -> None:
    for number in range(4):
        tape.call(f"i{number}", conversation(2), seconds=2)
        tape.keeper.run_once()
    assert wrong(tape) == []

    def gone(name: str) -> None:
        with tape.database.write() as session:
            for table in (tables.recording_files, tables.recording_seats, tables.recording_problems, tables.recordings):
                session.execute(table.delete().where(table.c.recording == name))

    gone("i1-r")
    assert wrong(tape) == [("row_removed", "i1-r")]
    with tape.database.write() as session:
        session.execute(tables.recording_chain.delete().where(tables.recording_chain.c.recording == "i1-r"))
    assert wrong(tape) == [("link_broken", "i2-r")]
    gone("i3-r")
    with tape.database.write() as session:
        session.execute(tables.recording_chain.delete().where(tables.recording_chain.c.recording == "i3-r"))
    assert [found for found, _ in wrong(tape)] == ["link_broken", "chain_cut"]
    with tape.database.write() as session:
        session.execute(
            update(tables.recording_files)
            .where(tables.recording_files.c.recording == "i0-r")
            .values(sha256=hashlib.sha256(b"another").hexdigest())
        )
    assert ("not_chained", "i0-r") in wrong(tape)
    (tape.settings.store_dir / "chain.json").write_text("{}")
    assert "chain_cut" in [found for found, _ in wrong(tape)]
