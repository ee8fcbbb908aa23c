"""Recordings when things go wrong: full, away, hanging, killed, tampered with. Nothing is lost and nothing unseen."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select, update

from acd.core.model import SECOND
from recordings import index, retention, search, space, verify
from recordings.keeper import BACK_OFF_MOST, SWEEP_EVERY, Done, Keeper
from recordings.model import Problem, State, StoredFile
from recordings.rekey import rekey
from recordings.seal import Damaged, Keyring
from recordings.search import Wanted
from recordings.verify import Wrong
from storage import tables
from storage.settings import Settings, add_recording_key, load_secrets
from tests.support.recordings import Tape, conversation, noise, raw_bytes, stereo

ROOT = Path(__file__).resolve().parents[2]


# --- full, away, slow --------------------------------------------------------------------------------------------


def test_a_storage_that_fails_loses_nothing_and_is_tried_again(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is a file where a folder should be: as a mount that is away."""
    recording = tape.call("i1", conversation(5))
    tape.settings.store_dir.write_text("not a folder")
    at = []
    for _ in range(12):
        assert tape.keeper.run_once().waiting == 1
        kept = tape.detail(recording).view.kept
        assert (kept.state, kept.reason) == (State.WAITING, "storage")
        at.append(kept.retry_at - tape.clock.at)
        assert tape.keeper.run_once().waiting == 0  # not before its time
        tape.clock.at = kept.retry_at
    assert at[:4] == [2 * SECOND, 4 * SECOND, 8 * SECOND, 16 * SECOND]
    assert at[-1] == BACK_OFF_MOST
    assert tape.raws() == ["i1-r.raw"]
    tape.settings.store_dir.unlink()
    assert tape.keeper.run_once().stored == 1
    assert tape.heard(recording) == raw_bytes(conversation(5))
    assert tape.detail(recording).view.kept.reason == ""


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
    assert tape.raws() == ["i1-r.raw"]
    assert tape.keeper.run_once().stored == 1
    assert tape.heard(recording) == raw_bytes(sound)


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
    own = ["-m"] if os.geteuid() == 0 else ["-rm"]  # a user namespace cannot be made inside a chroot
    run = subprocess.run(["unshare", *own, *inner], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    lines = [line for line in run.stdout.splitlines() if not line.startswith(("{", "20"))]
    assert lines[:4] == ["1 False", "no_space", "['other']", "1"], run.stdout + run.stderr
    assert tape.raws() == []
    assert tape.detail(recording).view.kept.state is State.STORED


def test_room_is_told_before_it_is_full(tape: Tape, tmp_path: Path) -> None:
    found = space.room(tmp_path / "not" / "there" / "yet")
    assert found is not None
    assert 0 < found.free <= found.whole
    most = found.free // space.MEGABYTE
    assert space.enough(tmp_path, Settings(data_dir=tmp_path, recordings_min_free_mb=max(1, most // 2)))
    assert not space.enough(tmp_path, Settings(data_dir=tmp_path, recordings_min_free_mb=most * 2 + 1))
    (tmp_path / "file").touch()
    assert not space.enough(tmp_path / "file" / "below", tape.settings)  # nobody can tell


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
    assert tape.heard(recording) == raw_bytes(sound)
    assert tape.raws() == []
    whole = [path for path in tape.sealed() if not path.name.endswith(".part")]
    assert len(whole) == 1
    with tape.database.read() as session:
        assert index.count_states(session)["stored"] == 1
        assert len(session.execute(select(tables.recording_chain)).all()) == 1
    tape.clock.at += 2 * 3600 * SECOND + 400 * 86_400 * SECOND  # what was half written is cleared by its age
    tape.keeper.clear()
    assert [path.name for path in tape.sealed() if path.name.endswith(".part")] == []
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
    assert tape.heard(recording) == raw_bytes(sound)
    assert len(tape.sealed()) == 1
    tape.clock.at += SWEEP_EVERY
    tape.keeper.run_once()
    assert tape.raws() == []
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
    assert tape.raws() == []


# --- tampering ---------------------------------------------------------------------------------------------------


def test_one_changed_bit_of_a_stored_file_is_found_wherever_it_is(tape: Tape) -> None:
    """200 places of a real recording, each by `verify` and each when it is played."""
    recording = tape.call("i1", conversation(20))
    tape.keeper.run_once()
    (path,) = tape.sealed()
    whole = path.read_bytes()
    chance = np.random.default_rng(3)
    places = [int(place) for place in chance.integers(0, len(whole) * 8, 200)]
    for place in places:
        raw = bytearray(whole)
        raw[place // 8] ^= 1 << place % 8
        path.write_bytes(raw)
        assert [finding.wrong for finding in tape.verified().findings] == [Wrong.FILE_CHANGED]
        with pytest.raises(Damaged):
            tape.heard(recording)
    path.write_bytes(whole)
    assert tape.detail(recording).view.kept.problems == (Problem.DAMAGED,)
    assert tape.verified().findings == ()  # put back from a copy, say
    assert tape.detail(recording).view.kept.problems == ()
    path.unlink()
    assert [finding.wrong for finding in tape.verified().findings] == [Wrong.FILE_MISSING]
    assert tape.detail(recording).view.kept.problems == (Problem.DAMAGED,)


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

    def state_of(name: str, state: State) -> None:
        with tape.database.write() as session:
            mine = update(tables.recordings).where(tables.recordings.c.recording == name)
            session.execute(mine.values(state=state.value))

    for state in (State.ERASED, State.MISSING, State.RAW):
        state_of("i1-r", state)
        assert wrong(tape) == [("row_changed", "i1-r")]
    state_of("i1-r", State.STORED)
    assert wrong(tape) == []
    with tape.database.write() as session:
        session.execute(tables.recording_files.delete().where(tables.recording_files.c.recording == "i2-r"))
    assert wrong(tape) == [("row_changed", "i2-r")]
    gone("i2-r")
    assert wrong(tape) == [("row_removed", "i2-r")]
    gone("i1-r")
    assert wrong(tape) == [("row_removed", "i1-r"), ("row_removed", "i2-r")]
    with tape.database.write() as session:
        session.execute(tables.recording_chain.delete().where(tables.recording_chain.c.recording == "i1-r"))
    assert wrong(tape) == [("link_broken", "i2-r"), ("row_removed", "i2-r")]
    gone("i3-r")
    with tape.database.write() as session:
        session.execute(tables.recording_chain.delete().where(tables.recording_chain.c.recording == "i3-r"))
    assert [found for found, _ in wrong(tape)] == ["link_broken", "chain_cut", "row_removed"]
    with tape.database.write() as session:
        session.execute(
            update(tables.recording_files)
            .where(tables.recording_files.c.recording == "i0-r")
            .values(sha256=hashlib.sha256(b"another").hexdigest())
        )
    assert ("not_chained", "i0-r") in wrong(tape)
    (tape.settings.store_dir / "chain.json").write_text("{}")
    assert "chain_cut" in [found for found, _ in wrong(tape)]


# --- verifying while others work ---------------------------------------------------------------------------------


def while_verifying(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Once, when the chain, the keys and the first batch of files were read, and before any file is."""
    real, open_still = verify.verify_file, [happens]

    def meanwhile(settings: Settings, file: StoredFile, keys: Keyring) -> verify.Finding | None:
        if open_still:
            open_still.pop()()
        return real(settings, file, keys)

    monkeypatch.setattr(verify, "verify_file", meanwhile)


def two_kept(tape: Tape) -> None:
    for item in ("i1", "i2"):
        tape.call(item, conversation(2), seconds=2)
    assert tape.keeper.run_once().stored == 2


def problems_of(tape: Tape) -> list[tuple[Problem, ...]]:
    return [tape.detail(f"{item}-r").view.kept.problems for item in ("i1", "i2")]


def erase(tape: Tape, recording: str) -> None:
    key = load_secrets(tape.settings).link_key
    retention.erase(tape.database, tape.settings, key, recording, now=1, by="t", via="t")


@pytest.mark.parametrize("forged", [False, True])
def test_a_recording_stored_while_verifying_is_compared_with_its_link(
    tape: Tape, monkeypatch: pytest.MonkeyPatch, forged: bool
) -> None:
    """It comes with the next batch, and its link came after the chain was read."""
    two_kept(tape)
    recording = tape.call("i3", conversation(2), seconds=2)
    monkeypatch.setattr(verify, "BATCH", 1)

    def store() -> None:
        assert tape.keeper.run_once().stored == 1
        links = tables.recording_chain
        with tape.database.write() as session:
            if forged:
                session.execute(update(links).where(links.c.recording == recording).values(sha256="0" * 64))

    while_verifying(monkeypatch, store)
    found = tape.verified()
    assert found.files == 3
    assert [(one.wrong.value, one.recording) for one in found.findings] == [("not_chained", recording)] * forged


def test_a_key_replaced_while_verifying_is_no_damage(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    two_kept(tape)
    monkeypatch.setattr(verify, "BATCH", 1)

    def replace() -> None:
        assert rekey(tape.database, Keyring.read(add_recording_key(tape.settings).recording_keys)) == 2

    while_verifying(monkeypatch, replace)
    assert wrong(tape) == []
    assert problems_of(tape) == [(), ()]


def test_a_recording_erased_while_verifying_is_neither_found_nor_marked(
    tape: Tape, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_kept(tape)
    while_verifying(monkeypatch, lambda: erase(tape, "i1-r"))
    assert wrong(tape) == []
    assert problems_of(tape) == [(), ()]
    assert tape.detail("i1-r").view.kept.state is State.ERASED


def test_a_file_taken_away_while_verifying_is_found_all_the_same(tape: Tape, monkeypatch: pytest.MonkeyPatch) -> None:
    two_kept(tape)
    (path,) = (path for path in tape.sealed() if path.name.startswith("i2-r"))
    while_verifying(monkeypatch, path.unlink)
    assert wrong(tape) == [("file_missing", "i2-r")]
    assert problems_of(tape) == [(), (Problem.DAMAGED,)]


def test_only_what_is_kept_can_be_damaged(tape: Tape) -> None:
    """A player may meet the missing file of one that was erased since it asked for it."""
    two_kept(tape)
    erase(tape, "i1-r")
    with tape.database.write() as session:
        for recording in ("i1-r", "i2-r"):
            index.mark_damaged(session, recording)
    assert problems_of(tape) == [(), (Problem.DAMAGED,)]
