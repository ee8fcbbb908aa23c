"""The worker's part: takes up what Asterisk finished, keeps it, and clears away what a crash left behind.

Order is everything: the sealed file is on the disk and read back before the index names it, and the index names it
before the raw file goes. A crash between any two steps is finished by the next run: nothing lost, nothing doubled.
A storage that is full or away costs time only: the raw file stays and is tried again.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from acd.core.model import SECOND, Micros
from recordings import capture, chain, index, retention, store
from recordings.capture import NotTaken
from recordings.check import Told
from recordings.model import RATE, Problem, Recording, State
from recordings.seal import Damaged, KeyGone, Keyring
from recordings.space import MEGABYTE
from recordings.store import Stored, StoreFailed
from storage.session import Database
from storage.settings import Secrets, Settings, load_secrets

log = structlog.get_logger(__name__)

SETTLED: Micros = SECOND
"""After the end of a contact, before its file is looked for."""
GRACE: Micros = 10 * SECOND
"""After that, a file that is still not there never will be. Asterisk makes it with the first packet."""
UNANNOUNCED_AFTER: Micros = 60 * SECOND
UNKNOWN_AFTER: Micros = 3600 * SECOND
"""How long a file that no fact speaks of must be quiet: its contact known to be over, or not known at all."""
BACK_OFF_FIRST: Micros = 2 * SECOND
BACK_OFF_MOST: Micros = 300 * SECOND
SWEEP_EVERY: Micros = 60 * SECOND
CLEAR_EVERY: Micros = 86_400 * SECOND
UNFINISHED_AFTER: Micros = 3600 * SECOND
AT_ONCE = 20
CHUNK = 500


@dataclass(slots=True)
class Done:
    """What one run did."""

    stored: int = 0
    missing: int = 0
    waiting: int = 0
    swept: int = 0


@dataclass(slots=True)
class Keeper:
    """One worker's hands. `now` is the wall clock: file times are its."""

    settings: Settings
    secrets: Secrets
    database: Database
    now: Callable[[], Micros]
    _chain_key: bytes = field(init=False, repr=False)
    stopping: bool = False  # set from another thread: what is in hand is finished, nothing more is begun
    _swept_at: Micros = 0
    _cleared_at: Micros = 0

    def __post_init__(self) -> None:
        self._chain_key = chain.chain_key(self.secrets.link_key)

    @property
    def keys(self) -> Keyring:
        """The master keys, read anew each time: `ringside recordings rekey` may have added one."""
        return Keyring.read(load_secrets(self.settings).recording_keys)

    @property
    def raws(self) -> Path:
        """Where Asterisk writes."""
        return self.settings.raw_dir

    @property
    def folder(self) -> Path:
        """Where sealed files are."""
        return self.settings.store_dir

    def run_once(self) -> Done:
        """Take up what is due. Blocking: reading, encoding and writing; about 2.5 s an hour of sound."""
        done, now = Done(), self.now()
        if abs(now - self._swept_at) >= SWEEP_EVERY:
            self._swept_at = now
            done.swept = self.sweep()
        if abs(now - self._cleared_at) >= CLEAR_EVERY:
            self._cleared_at = now
            done.swept += self.clear()
        with self.database.read() as session:
            due = index.due(session, now - SETTLED, now, AT_ONCE)
        for row in due:
            if self.stopping:
                break
            self._take(row, done)
        return done

    def _take(self, row: Recording, done: Done) -> None:
        try:
            self._keep(row, done)
        except (StoreFailed, NotTaken) as error:
            self._wait(row, error.code, str(error))
            done.waiting += 1
        except (OSError, Damaged) as error:
            self._wait(row, "storage", str(error))
            done.waiting += 1
        except SQLAlchemyError:
            raise
        except Exception as error:  # one recording that cannot be taken must not keep the others waiting
            log.exception("recording_fault", recording=row.recording)
            self._wait(row, "fault", str(error))
            done.waiting += 1

    def _keep(self, row: Recording, done: Done) -> None:
        now = self.now()
        seen = capture.look(self.raws, row.recording)
        if seen is None:
            if not self.raws.is_dir():
                raise StoreFailed("storage", f"{self.raws} is away")
            if now - row.ended_at >= GRACE:
                self._miss(row, Problem.MISSING)
                done.missing += 1
            return
        if not seen.quiet(now) or capture.being_written(self.raws, row.recording):
            return
        if not seen.frames:
            self._miss(row, Problem.EMPTY)
            capture.remove(self.raws, row.recording)
            done.missing += 1
            return
        with capture.opened(self.raws, row.recording, self.settings.recordings_max_mb * MEGABYTE) as raw:
            told = Told(row.kind, row.started_at, row.ended_at, row.pauses, row.breaks, announced=row.last_seq > 0)
            kept = store.store(
                raw,
                row.recording,
                told,
                keys=self.keys,
                folder=self.folder,
                spool=self.raws,
                codec=self.settings.recordings_codec,
                now=now,
            )
        self._index(row, kept)
        done.stored += 1

    def _index(self, row: Recording, kept: Stored) -> None:
        """Name the file in the index; only then does the raw one go."""
        expires_at = retention.expiry(self.settings, row.queue, row.started_at)
        link = None
        with self.database.write() as session:
            if index.mark_stored(session, kept.file, kept.checks.length, kept.problems, expires_at):
                link = chain.append(
                    session, self._chain_key, row.recording, chain.STORED, kept.file.stored_at, kept.file.sha256
                )
        if link is None:  # another worker kept it, or it was erased: the next sweep deals with the raw file
            store.discard(self.folder, kept.file.file)
            return
        self._tidy(kept.file.file)
        capture.remove(self.raws, row.recording)
        chain.write_head(self.folder, link)
        if kept.problems:
            found = [one.value for one in kept.problems]
            log.warning("recording_has_problems", recording=row.recording, problems=found)

    def _tidy(self, kept: str) -> None:
        for left in store.others(self.folder, kept):
            store.discard(self.folder, left)

    def _miss(self, row: Recording, problem: Problem) -> None:
        reason = next((part.reason for part in reversed(row.breaks)), "")
        with self.database.write() as session:
            index.mark_missing(session, row.recording, problem, reason)
        log.warning("recording_missing", recording=row.recording, problem=problem.value, reason=reason)

    def _wait(self, row: Recording, code: str, say: str) -> None:
        """Nothing is lost: told, counted, tried again."""
        with self.database.write() as session:
            known = index.kept(session, row.recording)
            tries = known.tries if known else 0
            back_off = min(BACK_OFF_FIRST << min(tries, 16), BACK_OFF_MOST)
            index.mark_waiting(session, row.recording, code, self.now() + back_off)
        log.error(
            "recording_not_stored",
            recording=row.recording,
            reason=code,
            say=say,
            tries=tries + 1,
            again_in_s=back_off // SECOND,
            alarm=self.now() - row.ended_at >= self.settings.recordings_alarm_s * SECOND,
        )

    def sweep(self) -> int:
        """The raw folder: finish what a crash left, take up files that no fact speaks of. How many files."""
        count = 0
        found = capture.names(self.raws)
        for start in range(0, len(found), CHUNK):
            part = found[start : start + CHUNK]
            with self.database.read() as session:
                known = index.states(session, part)
            for recording in part:
                count += self._sweep_raw(recording, known.get(recording))
        return count

    def clear(self) -> int:
        """The store: remove what was half written, and what erasing left. How many files. Reads every folder."""
        with self.database.read() as session:
            left = retention.left_behind(session, CHUNK)
        count = 0
        for file in left:
            try:
                retention.clear(self.database, self.settings, file)
                count += 1
            except (OSError, NotTaken, Damaged) as error:
                log.error("recording_not_cleared", recording=file.recording, say=str(error))
        return count + store.clear_unfinished(self.folder, (self.now() - UNFINISHED_AFTER) / SECOND)

    def _sweep_raw(self, recording: str, state: State | None) -> int:
        try:
            seen = capture.look(self.raws, recording)
            if seen is None or not seen.quiet(self.now()) or capture.being_written(self.raws, recording):
                return 0
            match state:
                case None:
                    return self._adopt(recording, seen)
                case State.STORED:
                    return self._compare(recording)
                case State.MISSING:
                    with self.database.write() as session:
                        index.mark_due(session, recording)
                    return 1
                case State.ERASED:
                    capture.remove(self.raws, recording)
                    return 1
                case State.RAW | State.WAITING:
                    return 0
        except (OSError, NotTaken, Damaged, KeyGone) as error:
            log.error("recording_not_swept", recording=recording, say=str(error))
            return 0

    def _adopt(self, recording: str, seen: capture.Look) -> int:
        """A file without a fact: the engine died between the recorder's start and the log."""
        quiet = abs(self.now() - seen.written_at)
        with self.database.write() as session:
            over = index.contact_over(session, recording)
            if over is False or quiet < (UNANNOUNCED_AFTER if over else UNKNOWN_AFTER):
                return 0
            length = seen.frames * SECOND // RATE
            adopted = index.adopt(session, recording, seen.written_at - length, seen.written_at)
        if adopted:
            log.warning("recording_adopted", recording=recording)
        return int(adopted)

    def _compare(self, recording: str) -> int:
        """A raw file beside a stored recording: the same sound (we died before removing it), or more of it."""
        with self.database.read() as session:
            file = index.stored_file(session, recording)
        if file is None:
            return 0
        with capture.opened(self.raws, recording, self.settings.recordings_max_mb * MEGABYTE) as raw:
            have = hashlib.sha256()
            for block in raw.blocks():
                have.update(block.tobytes())
        kept = hashlib.sha256()
        with store.unsealed(self.folder, file, self.keys) as content:
            for block in store.decoded(content):
                kept.update(block.tobytes())
        if have.digest() == kept.digest():
            self._tidy(file.file)
            capture.remove(self.raws, recording)
            return 1
        later = f"{recording}.{secrets.token_hex(4)}"
        (self.raws / capture.file_name(recording)).rename(self.raws / capture.file_name(later))
        log.warning("recording_goes_on", recording=recording, kept_as=later)
        return 1
