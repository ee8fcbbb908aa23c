"""Made sound, and an installation whose recordings it becomes."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from acd.core import facts as f
from acd.core.codec import dump, kind_of
from acd.core.facts import Fact
from acd.core.model import SECOND, EntryPlan, Kind, Micros, Outcome, Party
from acd.ports import StoredFact
from recordings import search
from recordings.consumer import RecordingsConsumer
from recordings.index import stored_file
from recordings.keeper import Keeper
from recordings.model import RATE
from recordings.rows import load
from recordings.seal import Keyring
from recordings.search import Detail
from recordings.store import decoded, unsealed
from recordings.verify import Verified, verify
from storage.cursors import catch_up
from storage.session import Database
from storage.settings import Settings, load_secrets
from tests.support.memory import HandClock, MemoryLog

Side = NDArray[np.int16]
START: Micros = 1_795_000_000 * SECOND


def tone(hertz: float, seconds: float, level: float = 0.2) -> Side:
    """A sine; `level` 1 is full scale."""
    at = np.arange(round(seconds * RATE)) / RATE
    return (32767 * level * np.sin(2 * np.pi * hertz * at)).astype(np.int16)


def silence(seconds: float) -> Side:
    """Digital silence."""
    return np.zeros(round(seconds * RATE), np.int16)


def noise(seconds: float, level: float = 0.1, seed: int = 1) -> Side:
    """White noise: it does not compress, as the worst call does not."""
    drawn = np.random.default_rng(seed).normal(0, 32767 * level, round(seconds * RATE))
    return np.clip(drawn, -32768, 32767).astype(np.int16)


def stereo(left: Side, right: Side) -> NDArray[np.int16]:
    """Both sides; the shorter one is filled up with silence."""
    both = np.zeros((max(len(left), len(right)), 2), np.int16)
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    return both


def conversation(seconds: float) -> NDArray[np.int16]:
    """The customer speaks, then the agent, in turns of a second."""
    turn = np.arange(round(seconds * RATE)) // RATE % 2
    return stereo(
        (tone(440, seconds) * (turn == 0)).astype(np.int16), (tone(660, seconds) * (turn == 1)).astype(np.int16)
    )


def raw_bytes(sound: NDArray[np.int16]) -> bytes:
    """As Asterisk writes it."""
    return np.ascontiguousarray(sound, dtype="<i2").tobytes()


def as_written(path: Path, limit_s: float = 10.0) -> bytes:
    """What Asterisk wrote into this raw file of an installation, also after its worker has stored and removed it."""
    settings = Settings(data_dir=path.parent.parent)
    keys = Keyring.read(load_secrets(settings).recording_keys)
    end = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        database = Database(settings.main_url)
        with database.read() as session:
            file = stored_file(session, path.stem)
        database.close()
        if file is not None:
            with unsealed(settings.store_dir, file, keys) as content:
                return b"".join(raw_bytes(block) for block in decoded(content))
        assert time.monotonic() < end, f"{path.stem} is neither raw nor stored"
        time.sleep(0.05)


@dataclass
class Tape:
    """An installation: facts are told, raw files put, and a keeper works on them by a clock moved by hand."""

    settings: Settings
    database: Database
    clock: HandClock
    log: MemoryLog
    keeper: Keeper

    @classmethod
    def at(cls, settings: Settings, database: Database, clock: HandClock | None = None) -> Tape:
        """On databases that have the schema."""
        clock = clock or HandClock(START)
        settings.raw_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        keeper = Keeper(settings, load_secrets(settings), database, clock.now)
        return cls(settings, database, clock, MemoryLog(), keeper)

    def tell(self, *facts: Fact, by: str = "system", via: str = "engine") -> None:
        """Facts of this moment, taken up by the consumer."""
        for fact in facts:
            seq = self.log.last_seq() + 1
            self.log.rows.append(StoredFact(seq, self.clock.at, seq, by, via, 0, kind_of(fact), fact.V, dump(fact)))
        catch_up(self.database, self.log, RecordingsConsumer())

    def put(self, recording: str, sound: NDArray[np.int16] | bytes, *, quiet_for: Micros = 5 * SECOND) -> Path:
        """A raw file that nobody has written for so long."""
        path = self.settings.raw_dir / f"{recording}.raw"
        path.write_bytes(sound if isinstance(sound, bytes) else raw_bytes(sound))
        written = (self.clock.at - quiet_for) * 1000
        os.utime(path, ns=(written, written))
        return path

    def call(
        self,
        item: str,
        sound: NDArray[np.int16] | bytes | None,
        *,
        queue: str = "sales",
        seat: str = "amy",
        address: str = "",
        seconds: float = 0,
        outcome: Outcome = Outcome.ANSWERED,
    ) -> str:
        """A whole recorded call of `seconds` (else as long as its sound); the clock stands 5 s after its end."""
        recording = f"{item}-r"
        plan = EntryPlan("82", 1, queue, address=address)
        self.tell(f.Entered(item, 1, Kind.CALL, "voice", f"rec-{item}", plan))
        self.tell(f.Queued(item, queue, 0, ()))
        self.tell(f.Accepted(f"o-{item}", item, seat, "voice", queue, "b", recording))
        self.tell(f.RecordingBegan(item, recording))
        if not seconds and sound is not None:
            seconds = len(sound) / 4 / RATE if isinstance(sound, bytes) else len(sound) / RATE
        self.clock.at += round(seconds * SECOND)
        self.tell(f.Ended(item, outcome, Party.CUSTOMER, "voice", queue=queue, seat=seat, gone=True))
        self.clock.at += 5 * SECOND
        if sound is not None:
            self.put(recording, sound, quiet_for=4 * SECOND)
        return recording

    def verified(self) -> Verified:
        """All files and the chain."""
        return verify(self.database, self.settings, load_secrets(self.settings))

    def contacts(self, *items: str) -> int:
        """How many of these contacts are kept while they go on."""
        with self.database.read() as session:
            return sum(case.contact is not None for case in load(session, items).values())

    # --- what became of it ---------------------------------------------------------------------------------------

    def detail(self, recording: str) -> Detail:
        """The whole row."""
        with self.database.read() as session:
            found = search.get(session, recording)
        assert found is not None
        return found

    def heard(self, recording: str) -> bytes:
        """The sound as it can be heard again."""
        file = self.detail(recording).file
        assert file is not None
        with unsealed(self.settings.store_dir, file, self.keeper.keys) as content:
            return b"".join(raw_bytes(block) for block in decoded(content))

    def raws(self) -> list[str]:
        """What still lies in the raw folder."""
        return sorted(path.name for path in self.settings.raw_dir.glob("*.raw"))

    def sealed(self) -> list[Path]:
        """What lies in the store."""
        return sorted(self.settings.store_dir.glob("*/*/*"))


@contextmanager
def taping(migrated: Path, folder: Path, **settings: Any) -> Iterator[Tape]:
    """An installation in this folder; `migrated` has the databases to copy."""
    shutil.copy(migrated / "ringside.db", folder)
    chosen = Settings(data_dir=folder, **settings)
    database = Database(chosen.main_url)
    try:
        yield Tape.at(chosen, database)
    finally:
        database.close()
