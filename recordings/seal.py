"""Files that only we can read and nobody can change unseen: AES-256-GCM in chunks, each file with a key of its own.

A sealed file is a header of 16 bytes (magic, chunk size, size of the content) and chunks of 64 KiB + 16 bytes tag. A
chunk's nonce is its number (a key seals one file once, so no nonce comes twice); the header and the recording's name
are authenticated with every chunk. So any place can be read without what is before it, and a changed bit, a chunk in
another place, a cut end or another recording's file are all found out. The file's key is wrapped (AES-256-GCM too) by a
master key, which has an id so that it can be replaced.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"RSR1"
HEADER = struct.Struct(">4sIQ")
CHUNK = 1 << 16
TAG = 16
KEY = 32
NONCE = 12


class Damaged(Exception):
    """The file or its key is not what was sealed: a fault of the disk, or somebody's hand."""


class KeyGone(Exception):
    """The key was wiped (the recording is erased), or its master key is not among the secrets."""


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """Master keys by id; `current` wraps new ones. Its text form shows nothing."""

    keys: Mapping[str, bytes]
    current: str

    def __repr__(self) -> str:
        return "Keyring(…)"

    @classmethod
    def read(cls, text: str) -> Keyring:
        """From storage.settings.Secrets.recording_keys. Raises ValueError, telling nothing of it."""
        try:
            pairs = [part.split(":") for part in text.split()]
            keys = {name: bytes.fromhex(key) for name, key in pairs}
            current = pairs[-1][0]
        except (ValueError, IndexError):
            keys, current = {}, ""
        if not keys or any(len(key) != KEY for key in keys.values()):
            raise ValueError("recording_keys in secrets.json are damaged: restore the file")
        return cls(keys, current)

    def wrap(self, key: bytes, recording: str) -> tuple[str, str]:
        """(id of the master key, the wrapped key as text)."""
        nonce = secrets.token_bytes(NONCE)
        wrapped = nonce + AESGCM(self.keys[self.current]).encrypt(nonce, key, _key_of(recording))
        return self.current, base64.b64encode(wrapped).decode()

    def unwrap(self, key_id: str, wrapped: str, recording: str) -> bytes:
        """The file's key. Raises KeyGone, Damaged."""
        master = self.keys.get(key_id)
        if not wrapped or master is None:
            raise KeyGone(f"master key {key_id or '(none)'} of {recording} is not here")
        try:
            raw = base64.b64decode(wrapped, validate=True)
            return AESGCM(master).decrypt(raw[:NONCE], raw[NONCE:], _key_of(recording))
        except (binascii.Error, ValueError, InvalidTag) as error:
            raise Damaged(f"the key of {recording} was changed") from error


def new_key() -> bytes:
    """A file's own key."""
    return secrets.token_bytes(KEY)


def sealed_size(size: int) -> int:
    """Bytes on the disk for so many bytes of content."""
    return HEADER.size + size + TAG * -(-size // CHUNK)


def seal(content: BinaryIO, size: int, target: BinaryIO, key: bytes, recording: str) -> None:
    """Write `size` bytes of content, from where it stands, sealed. Raises OSError."""
    header = HEADER.pack(MAGIC, CHUNK, size)
    target.write(header)
    cipher, known = AESGCM(key), header + recording.encode()
    left, number = size, 0
    while left:
        plain = _exactly(content, min(CHUNK, left))
        target.write(cipher.encrypt(_nonce(number), plain, known))
        left -= len(plain)
        number += 1


class Unsealed(io.RawIOBase):
    """The content of a sealed file, for reading at any place. Takes the descriptor over and closes it.

    Raises Damaged at opening and at any read that meets a changed chunk; the last one stays in `failure`, since
    libraries that read through callbacks swallow it.
    """

    def __init__(self, descriptor: int, key: bytes, recording: str) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._at = 0
        self._number, self._chunk = -1, b""
        self.failure: Damaged | None = None
        try:
            self.size, self._known = self._read_header(recording)
            self._cipher = AESGCM(key)
            if self.size:
                self._load(0)
        except BaseException:
            self.close()
            raise

    def _read_header(self, recording: str) -> tuple[int, bytes]:
        header = os.pread(self._descriptor, HEADER.size, 0)
        if len(header) < HEADER.size:
            raise Damaged(f"the file of {recording} is cut off")
        magic, chunk, size = HEADER.unpack(header)
        if magic != MAGIC or chunk != CHUNK or os.fstat(self._descriptor).st_size != sealed_size(size):
            raise Damaged(f"the file of {recording} has another size or head than was written")
        return size, header + recording.encode()

    def _load(self, number: int) -> None:
        length = min(CHUNK, self.size - number * CHUNK) + TAG
        sealed = os.pread(self._descriptor, length, HEADER.size + number * (CHUNK + TAG))
        try:
            self._chunk = self._cipher.decrypt(_nonce(number), sealed, self._known)
        except (InvalidTag, ValueError) as error:
            self.failure = Damaged(f"chunk {number} was changed")
            raise self.failure from error
        self._number = number

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """The place of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As any file's."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """As much as one chunk holds. Raises Damaged."""
        if self._at >= self.size:
            return 0
        number, offset = divmod(self._at, CHUNK)
        if number != self._number:
            self._load(number)
        part = self._chunk[offset : offset + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def close(self) -> None:
        """Give the descriptor back."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _exactly(content: BinaryIO, wanted: int) -> bytes:
    found = b""
    while len(found) < wanted:
        part = content.read(wanted - len(found))
        if not part:
            raise OSError(f"the content ends {wanted - len(found)} bytes too early")
        found += part
    return found


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE, "big")


def _key_of(recording: str) -> bytes:
    return b"key of " + recording.encode()
