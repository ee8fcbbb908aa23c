"""A stored recording as bytes to be heard, from any place: as it was encoded, or as WAV."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from recordings import store
from recordings.model import FRAME_BYTES, RATE, SIDES, StoredFile
from recordings.seal import Damaged, Keyring, Unsealed

MEDIA = {"flac": "audio/flac", "wav": "audio/wav"}
PIECE = 1 << 16
WAV_HEADER = 44
RANGE = re.compile(r"bytes=(\d{0,15})-(\d{0,15})")


class NoSuchForm(Exception):
    """It is kept in another form, and only WAV is made of any."""


class OutOfRange(Exception):
    """The range asked for begins behind the end."""


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `start` up to, not including, `end`. `whole`: no range was asked for."""

    start: int
    end: int
    whole: bool

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.end - self.start


def part_of(header: str, size: int) -> Part:
    """What a Range header asks for. Anything but one range of bytes means the whole (RFC 9110, 14.2). Raises
    OutOfRange."""
    asked = RANGE.fullmatch(header.strip())
    first, last = (asked[1], asked[2]) if asked else ("", "")
    if not first and not last:
        return Part(0, size, True)
    if not first:
        length = min(int(last), size)
        if not length:
            raise OutOfRange
        return Part(size - length, size, False)
    start, end = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return Part(0, size, True)
    if start >= size:
        raise OutOfRange
    return Part(start, end, False)


class Playable:
    """An open recording in one form. Close it, or read a part to the end."""

    def __init__(self, folder: Path, file: StoredFile, keys: Keyring, kind: str) -> None:
        """Raises NoSuchForm, Damaged, KeyGone, FileNotFoundError, OSError."""
        if kind not in {file.codec, "wav"} or kind not in MEDIA:
            raise NoSuchForm(kind)
        self.media = MEDIA[kind]
        self._content = store.unsealed(folder, file, keys)
        self._plain = kind == file.codec
        self.size = self._content.size if self._plain else WAV_HEADER + file.frames * FRAME_BYTES
        self._frames = file.frames

    def close(self) -> None:
        """Give the file back."""
        self._content.close()

    def read(self, part: Part) -> Iterator[bytes]:
        """The bytes of a part, in pieces, then closed. Raises Damaged at a changed chunk: what comes before it was
        right."""
        with self._content as content:
            yield from self._plain_bytes(content, part) if self._plain else self._wav_bytes(content, part)

    def _plain_bytes(self, content: Unsealed, part: Part) -> Iterator[bytes]:
        content.seek(part.start)
        left = part.size
        while left:
            piece = content.read(min(PIECE, left))
            if not piece:
                raise Damaged("the content ends too early")
            left -= len(piece)
            yield piece

    def _wav_bytes(self, content: Unsealed, part: Part) -> Iterator[bytes]:
        if part.start < WAV_HEADER:
            yield wav_header(self._frames)[part.start : part.end]
        begin, end = max(0, part.start - WAV_HEADER), max(0, part.end - WAV_HEADER)
        if begin >= end:
            return
        frame, skip = divmod(begin, FRAME_BYTES)
        left = end - begin
        with store.opened_sound(content) as sound:
            sound.seek(frame)
            while left:
                block = store.read_block(sound, content)
                if not len(block):
                    raise Damaged("the sound ends too early")
                piece = np.ascontiguousarray(block, dtype="<i2").tobytes()[skip : skip + left]
                skip = 0
                left -= len(piece)
                yield piece


def wav_header(frames: int) -> bytes:
    """The head of a WAV file of so many frames; longer than 37 hours its size fields say "unknown"."""
    size = min(frames * FRAME_BYTES, 0xFFFFFFFF - WAV_HEADER)
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, SIDES, RATE,
                       RATE * FRAME_BYTES, FRAME_BYTES, 16)  # fmt: skip
    return head + struct.pack("<4sI", b"data", size)


def export(folder: Path, file: StoredFile, keys: Keyring, kind: str, target: BinaryIO) -> int:
    """Write the whole recording; its bytes. Raises as Playable does."""
    playable = Playable(folder, file, keys, kind)
    written = 0
    for piece in playable.read(Part(0, playable.size, True)):
        target.write(piece)
        written += len(piece)
    return written
