"""What was stored and erased, link by link: whoever removes or changes a row of the past breaks the chain.

A link is an HMAC over the link before it and the row's content, with a key that lies in no table: who has the database
alone cannot make one. The newest link is also kept in a small file beside the recordings, so that rows cut off at the
end are missed too.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from acd.core.model import Micros
from recordings.capture import sync_folder
from storage import tables

STORED, ERASED = "stored", "erased"
HEAD = "chain.json"
BATCH = 1000


@dataclass(frozen=True, slots=True)
class Link:
    """One row of the chain."""

    seq: int
    recording: str
    what: str
    at: Micros
    sha256: str
    link: str


@dataclass(frozen=True, slots=True)
class Broken:
    """A link that does not hold: a row before it or it itself was changed or removed."""

    seq: int
    recording: str


def chain_key(link_key: str) -> bytes:
    """The chain's key, from storage.settings.Secrets.link_key."""
    return hmac.new(link_key.encode(), b"chain of recordings", hashlib.sha256).digest()


def append(session: Session, key: bytes, recording: str, what: str, at: Micros, sha256: str) -> Link:
    """The next link. Writers take turns: whoever comes second waits for the first one's commit, so append last."""
    if session.get_bind().dialect.name == "postgresql":  # on SQLite there is one writer at a time
        session.execute(text("LOCK TABLE recording_chain IN SHARE ROW EXCLUSIVE MODE"))
    last = newest(session)
    seq, before = (last.seq + 1, last.link) if last else (1, "")
    link = Link(seq, recording, what, at, sha256, _link(key, before, seq, recording, what, at, sha256))
    session.execute(
        insert(tables.recording_chain).values(
            seq=seq, recording=recording, what=what, at=at, sha256=sha256, link=link.link
        )
    )
    return link


def newest(session: Session, recording: str = "") -> Link | None:
    """The last link, of one recording where it is named."""
    chosen = select(tables.recording_chain)
    if recording:
        chosen = chosen.where(tables.recording_chain.c.recording == recording)
    row = session.execute(chosen.order_by(tables.recording_chain.c.seq.desc()).limit(1))
    found = row.mappings().one_or_none()
    return Link(**found) if found else None


def links(session: Session) -> Iterator[Link]:
    """Every link in order, read in batches."""
    after = 0
    while True:
        chosen = select(tables.recording_chain).where(tables.recording_chain.c.seq > after)
        batch = session.execute(chosen.order_by(tables.recording_chain.c.seq).limit(BATCH)).mappings().all()
        if not batch:
            return
        for row in batch:
            yield Link(**row)
        after = batch[-1]["seq"]


def broken(found: Iterator[Link], key: bytes) -> Iterator[tuple[Link, Broken | None]]:
    """Each link, and whether it is broken. One wrong row breaks its own link only: the next is checked against what
    stands there."""
    before, expected = "", 1
    for link in found:
        right = _link(key, before, link.seq, link.recording, link.what, link.at, link.sha256)
        holds = link.seq == expected and hmac.compare_digest(right, link.link)
        yield link, None if holds else Broken(link.seq, link.recording)
        before, expected = link.link, link.seq + 1


def write_head(folder: Path, link: Link) -> None:
    """Note the newest link beside the files; an older one never replaces a newer one. Raises OSError."""
    known = read_head(folder)
    if known is not None and known[0] >= link.seq:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f".{HEAD}.{secrets.token_hex(4)}.part"
    try:
        with part.open("w") as file:
            json.dump({"seq": link.seq, "link": link.link}, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / HEAD)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    sync_folder(folder)


def read_head(folder: Path) -> tuple[int, str] | None:
    """(seq, link) that the chain must still hold; None where there is no note of it."""
    try:
        found = json.loads((folder / HEAD).read_text())
        return int(found["seq"]), str(found["link"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return 1 << 62, ""  # a damaged note must not pass for none


def _link(key: bytes, before: str, seq: int, recording: str, what: str, at: Micros, sha256: str) -> str:
    content = json.dumps([before, seq, recording, what, at, sha256], separators=(",", ":"))
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
