"""Keeping a finished recording: checked, encoded without loss, sealed, on the disk, read back and compared.

Whatever goes wrong leaves the raw file where it is and nothing of ours behind. A file's name is never used twice, so
two workers that take up the same recording cannot harm each other's file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import soundfile

from acd.core.model import SECOND, Micros
from recordings import seal
from recordings.capture import BLOCK_FRAMES, RawFile, Sound, sync_folder
from recordings.check import Checker, Checks, Told, problems
from recordings.model import RATE, SIDES, Problem, StoredFile
from recordings.seal import Damaged, Keyring, Unsealed

FILE = re.compile(r"\d{4}-\d{2}/[0-9a-f]{2}/[A-Za-z0-9_-][A-Za-z0-9_.-]{0,150}\.[0-9a-f]{16}\.rsr")
"""Month of the call, one of 256 folders by its name: 100,000 calls a month are 400 files a folder."""
FORMATS = {"flac": "FLAC", "wav": "WAV"}
IN_MEMORY = 32 << 20
"""Bytes of encoded sound kept in memory, some 25 minutes; longer ones pass through an unnamed file."""


class StoreFailed(Exception):
    """It could not be kept; the raw file is untouched. `code` is stable: no_space, storage, verify, encode."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept recording: what goes into the index."""

    file: StoredFile
    checks: Checks
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Encoded:
    size: int
    sha256: str
    pcm: str


def store(
    raw: RawFile,
    recording: str,
    told: Told,
    *,
    keys: Keyring,
    folder: Path,
    spool: Path,
    codec: str = "flac",
    now: Micros,
) -> Stored:
    """Keep the raw file's sound under `folder`. What is not yet sealed is written to `spool` at most, which is as safe
    as the raw files are. Raises StoreFailed, Damaged."""
    checker = Checker(raw.look.frames, told)
    key = seal.new_key()
    key_id, wrapped = keys.wrap(key, recording)
    name = _new_name(recording, told.started_at or now)
    with _failing(), _spool(spool) as content:
        encoded = _encode(raw, checker, codec, content)
        content.seek(0)
        _write(folder / name, content, encoded.size, key, recording)
    try:
        _verify(folder / name, key, recording, encoded)
    except BaseException:
        discard(folder, name)
        raise
    checks = checker.checks()
    file = StoredFile(
        recording,
        name,
        codec,
        checks.frames,
        encoded.size,
        encoded.sha256,
        key_id,
        wrapped,
        checks.dump(),
        checker.peaks(),
        now,
    )
    return Stored(file, checks, problems(checks, told))


def place(folder: Path, file: str) -> Path:
    """Where a file of the index lies. Raises Damaged for a name that was never ours."""
    if not FILE.fullmatch(file):
        raise Damaged("the index names a file that cannot be one of ours")
    return folder / file


def unsealed(folder: Path, file: StoredFile, keys: Keyring) -> Unsealed:
    """The sound as it was encoded, for reading at any place. Raises Damaged, KeyGone, FileNotFoundError, OSError."""
    key = keys.unwrap(file.key_id, file.wrapped_key, file.recording)
    descriptor = os.open(place(folder, file.file), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    return Unsealed(descriptor, key, file.recording)


def decoded(content: Unsealed) -> Iterator[Sound]:
    """The sound's frames, in blocks. Raises Damaged."""
    with opened_sound(content) as sound:
        while len(block := read_block(sound, content)):
            yield block


def read_block(sound: soundfile.SoundFile, content: Unsealed) -> Sound:
    """The next frames, none at the end. Raises Damaged."""
    try:
        block: Sound = sound.read(BLOCK_FRAMES, dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise content.failure or Damaged("the sound cannot be decoded") from error
    if content.failure is not None:
        raise content.failure
    return block


@contextmanager
def opened_sound(content: Unsealed) -> Iterator[soundfile.SoundFile]:
    """soundfile's view of it. Raises Damaged where the content is no sound."""
    try:
        sound = soundfile.SoundFile(_Source(content))
    except (soundfile.SoundFileError, Damaged) as error:
        raise content.failure or Damaged("the content is no sound file") from error
    with sound:
        yield sound


def discard(folder: Path, file: str) -> None:
    """Remove a stored file, for good on the disk; no file is no error. Raises Damaged, OSError."""
    path = place(folder, file)
    try:
        path.unlink()
    except FileNotFoundError:
        return
    sync_folder(path.parent)


def others(folder: Path, kept: str) -> list[str]:
    """Files of the same recording besides this one: a process died between writing and telling the index. They lie
    in the same folder, since month and folder depend on the recording alone."""
    stem = place(folder, kept).name.rsplit(".", 2)[0]
    own = re.compile(rf"{re.escape(stem)}\.[0-9a-f]{{16}}\.rsr")
    here = Path(kept).parent
    try:
        with os.scandir(folder / here) as found:
            names = [f"{here}/{entry.name}" for entry in found if own.fullmatch(entry.name)]
    except FileNotFoundError:
        return []
    return sorted(name for name in names if name != kept)


def clear_unfinished(folder: Path, older_than: float) -> int:
    """Remove what died half written before that time (seconds of the wall clock). How many."""
    count = 0
    for path in folder.glob("????-??/??/.*.part"):
        with contextlib.suppress(FileNotFoundError):
            if path.lstat().st_mtime < older_than:
                path.unlink()
                count += 1
    return count


def _new_name(recording: str, at: Micros) -> str:
    month = datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m")
    shelf = hashlib.sha256(recording.encode()).hexdigest()[:2]
    return f"{month}/{shelf}/{recording}.{secrets.token_hex(8)}.rsr"


@contextmanager
def _failing() -> Iterator[None]:
    """The storage's errors as ours."""
    try:
        yield
    except soundfile.SoundFileError as error:
        raise StoreFailed("encode", f"the encoder failed: {error}") from error
    except OSError as error:
        full = error.errno in _FULL
        raise StoreFailed("no_space" if full else "storage", error.strerror or str(error)) from error


_FULL = {28, 27, 122}  # ENOSPC, EFBIG (a limit of the process), EDQUOT


@contextmanager
def _spool(folder: Path) -> Iterator[BinaryIO]:
    with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(folder)) as content:
        yield cast(BinaryIO, content)


class _Sink:
    """A file that soundfile writes through callbacks, which swallow errors: the first one is kept."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.failure = self.failure or error
            return 0

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class _Source:
    """A sealed file's content for soundfile: a damaged chunk reads as the end, and `content.failure` tells."""

    def __init__(self, content: Unsealed) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        found = bytearray()
        try:
            while size < 0 or len(found) < size:
                part = self._content.read(size - len(found) if size >= 0 else seal.CHUNK)
                if not part:
                    break
                found += part
        except Damaged:
            return b""
        return bytes(found)

    def readinto(self, buffer: Any) -> int:
        part = self.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


def _encode(raw: RawFile, checker: Checker, codec: str, content: BinaryIO) -> _Encoded:
    pcm, sink = hashlib.sha256(), _Sink(content)
    try:
        with soundfile.SoundFile(sink, "w", RATE, SIDES, "PCM_16", format=FORMATS[codec]) as sound:
            for block in raw.blocks():
                pcm.update(_pcm(block))
                checker.feed(block)
                sound.write(block)
                if sink.failure is not None:
                    raise sink.failure
    finally:
        if sink.failure is not None:
            raise sink.failure
    return _Encoded(content.seek(0, os.SEEK_END), _hash(content), pcm.hexdigest())


def _pcm(block: Sound) -> bytes:
    return np.ascontiguousarray(block, dtype="<i2").tobytes()


def _hash(content: BinaryIO) -> str:
    content.seek(0)
    digest = hashlib.sha256()
    while part := content.read(1 << 20):
        digest.update(part)
    return digest.hexdigest()


def _write(path: Path, content: BinaryIO, size: int, key: bytes, recording: str) -> None:
    """Whole or not at all: under a name of its own, to the disk, then renamed."""
    if not path.parent.is_dir():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for above in path.parents[1:4]:
            sync_folder(above)
    part = path.parent / f".{path.name}.part"
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            seal.seal(content, size, target, key, recording)
            target.flush()
            os.fsync(target.fileno())
        part.rename(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(path.parent)


def _verify(path: Path, key: bytes, recording: str, encoded: _Encoded) -> None:
    """Read it back as a listener would, from the disk's own pages where the system allows it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with contextlib.suppress(OSError):
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    pcm = hashlib.sha256()
    try:
        with Unsealed(descriptor, key, recording) as content:
            same = _hash(cast(BinaryIO, content)) == encoded.sha256
            content.seek(0)
            for block in decoded(content):
                pcm.update(_pcm(block))
    except (Damaged, OSError) as error:
        raise StoreFailed("verify", f"what was written cannot be read back: {error}") from error
    if not same or pcm.hexdigest() != encoded.pcm:
        raise StoreFailed("verify", "what was written reads back differently")
