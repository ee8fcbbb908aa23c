"""Reading what Asterisk wrote: raw files in one folder, named by the core, taken up when nobody writes them any more.

What lies in the folder is not trusted: a name is bounded and of harmless letters, links are not followed, anything but
a regular file is refused, and no more is read than the size that was looked at first.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acd.core.model import SECOND, Micros
from recordings.model import FRAME_BYTES, SIDES

SUFFIX = ".raw"
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,150}")
BLOCK_FRAMES = 1 << 16
"""Read at once: 8 s, 256 KiB."""
QUIET: Micros = 3 * SECOND
"""A file not written for so long is complete. Asterisk writes once a second (32 KiB at a time), and after a hang-up at
once. Where the file system tells who has a file open, that is asked too."""

F_SETSIG = 10  # of Linux; Python's fcntl has no name for it

Sound = NDArray[np.int16]
"""Frames x sides."""


class NotTaken(Exception):
    """What lies under this name is no raw recording, or is larger than allowed. `code` is stable."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code


@dataclass(frozen=True, slots=True)
class Look:
    """A file at one moment. `written_at` is its last writing by the wall clock; a torn last frame does not count."""

    size: int
    written_at: Micros

    @property
    def frames(self) -> int:
        """Whole frames."""
        return self.size // FRAME_BYTES

    def quiet(self, now: Micros) -> bool:
        """Nobody has written it for QUIET. A clock that was set back must not hold it for ever."""
        return abs(now - self.written_at) >= QUIET


def file_name(recording: str) -> str:
    """The raw file's name. Raises NotTaken for a recording that no file may be named after."""
    if not NAME.fullmatch(recording):
        raise NotTaken("bad_name", "a recording is named by 1 to 151 letters, digits, dots, _ and -")
    return recording + SUFFIX


def look(folder: Path, recording: str) -> Look | None:
    """The file as it is now, None where there is none. Raises NotTaken, OSError."""
    try:
        found = (folder / file_name(recording)).lstat()
    except FileNotFoundError:
        return None
    return _regular(found)


def names(folder: Path) -> list[str]:
    """The recordings that lie in the folder, sorted; what has another kind of name is left out."""
    try:
        with os.scandir(folder) as found:
            stems = [entry.name.removesuffix(SUFFIX) for entry in found if entry.name.endswith(SUFFIX)]
    except FileNotFoundError:
        return []
    return sorted(stem for stem in stems if NAME.fullmatch(stem))


@contextmanager
def opened(folder: Path, recording: str, most: int) -> Iterator[RawFile]:
    """The file for reading, at most `most` bytes large. Raises NotTaken, FileNotFoundError, OSError."""
    descriptor = os.open(folder / file_name(recording), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = _regular(os.fstat(descriptor))
        if found.size > most:
            raise NotTaken("too_large", f"{found.size} bytes; recordings_max_mb allows {most}")
        yield RawFile(descriptor, found)
    finally:
        os.close(descriptor)


class RawFile:
    """An open raw file of a size that stands."""

    def __init__(self, descriptor: int, found: Look) -> None:
        self._descriptor = descriptor
        self.look = found

    def being_written(self) -> bool:
        """Whether some process has it open for writing; False where the file system cannot tell (NFS).

        A read lease is granted only where nobody has (fcntl(2)); it is given back at once. Should somebody open the
        file in between, the kernel tells us by SIGURG, which does nothing.
        """
        try:
            fcntl.fcntl(self._descriptor, F_SETSIG, signal.SIGURG)
            fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            return error.errno == errno.EAGAIN
        fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def blocks(self) -> Iterator[Sound]:
        """Its frames from the start, in blocks; may be called again. Raises OSError when less comes than was there."""
        at, end = 0, self.look.frames * FRAME_BYTES
        while at < end:
            raw = os.pread(self._descriptor, min(BLOCK_FRAMES * FRAME_BYTES, end - at), at)
            whole = len(raw) - len(raw) % FRAME_BYTES
            if not whole:
                raise OSError(f"the raw file became shorter while it was read: {at} of {end} bytes")
            at += whole
            yield np.frombuffer(raw[:whole], dtype="<i2").astype(np.int16, copy=False).reshape(-1, SIDES)


def being_written(folder: Path, recording: str) -> bool:
    """As RawFile.being_written, of a file by its name; False where there is none."""
    try:
        with opened(folder, recording, sys.maxsize) as raw:
            return raw.being_written()
    except FileNotFoundError:
        return False


def remove(folder: Path, recording: str) -> None:
    """Remove the raw file, for good on the disk; no file is no error."""
    try:
        (folder / file_name(recording)).unlink()
    except FileNotFoundError:
        return
    sync_folder(folder)


def sync_folder(folder: Path) -> None:
    """What was made, renamed or removed in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _regular(found: os.stat_result) -> Look:
    if not stat.S_ISREG(found.st_mode):
        raise NotTaken("not_a_file", "this is a link, a folder or a device, not a recording")
    return Look(found.st_size, found.st_mtime_ns // 1000)
