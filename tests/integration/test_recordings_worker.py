"""The real worker process on real files: killed again and again at work, it keeps every recording exactly once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from acd.core import facts as f
from acd.core.codec import dump, kind_of
from acd.core.model import SECOND, EntryPlan, Kind, Outcome, Party
from acd.ports import StoredFact
from recordings import store
from recordings.index import count_states, stored_file
from recordings.keeper import Keeper
from recordings.seal import Keyring
from recordings.verify import verify
from storage import tables
from storage.factlog import SqlFactLog
from storage.migrations import migrate
from storage.session import Database
from storage.settings import Settings, load_secrets
from tests.support.recordings import noise, raw_bytes, stereo

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20


def tell(settings: Settings, count: int) -> dict[str, bytes]:
    """Calls that ended a while ago, and their raw files."""
    log = SqlFactLog(settings.log_url)
    settings.raw_dir.mkdir(mode=0o700)
    began = time.time_ns() // 1000 - 3600 * SECOND
    sounds, seq = {}, 0
    for number in range(count):
        item, recording = f"i{number}", f"i{number}-r"
        sounds[recording] = raw_bytes(stereo(noise(SECONDS, seed=number), noise(SECONDS, seed=number + 1000)))
        path = settings.raw_dir / f"{recording}.raw"
        path.write_bytes(sounds[recording])
        os.utime(path, ns=((began + 60 * SECOND) * 1000,) * 2)
        facts: tuple[tuple[int, f.Fact], ...] = (
            (0, f.Entered(item, number + 1, Kind.CALL, "voice", f"rec{number}", EntryPlan("82", 1, "sales"))),
            (0, f.RecordingBegan(item, recording)),
            (SECONDS, f.Ended(item, Outcome.ANSWERED, Party.CUSTOMER, "voice")),
        )
        for after, fact in facts:
            seq += 1
            at = began + after * SECOND
            log.append([StoredFact(seq, at, seq, "t", "t", 0, kind_of(fact), fact.V, dump(fact))])
    log.close()
    return sounds


@pytest.mark.timeout(400)
@pytest.mark.parametrize("count", [10, pytest.param(100, marks=pytest.mark.proof)])
def test_killed_again_and_again_the_worker_keeps_each_recording_once(tmp_path: Path, count: int) -> None:
    settings = Settings(data_dir=tmp_path)
    migrate(settings)
    secrets = load_secrets(settings)
    sounds = tell(settings, count)
    database = Database(settings.main_url)
    chance = random.Random(20261121)
    environment = {**os.environ, "RINGSIDE_DATA_DIR": str(tmp_path)}
    kills, end = 0, time.monotonic() + 60 + 3 * count

    def stored() -> int:
        with database.read() as session:
            return count_states(session)["stored"]

    while stored() < count:
        assert time.monotonic() < end, (kills, stored())
        worker = subprocess.Popen(
            [sys.executable, "-m", "api", "process", "worker"], cwd=ROOT, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            assert worker.stdout is not None
            worker.stdout.readline()  # it says that it is ready
            already = stored()
            while stored() == already and time.monotonic() < end:
                time.sleep(0.005)
            time.sleep(chance.random() * 0.02)  # not long: a batch of recordings is soon stored
            worker.send_signal(signal.SIGKILL)
            kills += 1
        finally:
            worker.kill()
            worker.communicate(timeout=10)
    assert kills >= min(3, count // 5)
    keys = Keyring.read(secrets.recording_keys)
    for recording, sound in sounds.items():
        with database.read() as session:
            file = stored_file(session, recording)
        assert file is not None
        with store.unsealed(settings.store_dir, file, keys) as content:
            assert b"".join(block.tobytes() for block in store.decoded(content)) == sound
    keeper = Keeper(settings, secrets, database, lambda: time.time_ns() // 1000)
    keeper.sweep()
    assert list(settings.raw_dir.glob("*.raw")) == []
    assert len(list(settings.store_dir.glob("*/*/*.rsr"))) == count
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(tables.recording_chain)) == count
    assert verify(database, settings, secrets).findings == ()
    print(f"{kills} kills, {count} recordings kept once each")
    database.close()
