"""Is everything still what was stored? The chain is made again link by link, and every file is read and compared."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from recordings import chain, index, store
from recordings.model import Problem, State, StoredFile
from recordings.seal import Damaged, KeyGone, Keyring
from storage import tables
from storage.session import Database
from storage.settings import Secrets, Settings, load_secrets

BATCH = 200


class Wrong(StrEnum):
    """What verifying can find."""

    LINK_BROKEN = "link_broken"  # a link of the chain was changed, or one before it removed
    CHAIN_CUT = "chain_cut"  # the newest links are gone
    ROW_REMOVED = "row_removed"  # the chain names a recording that the index does not
    ROW_CHANGED = "row_changed"  # the chain says that it is stored, the index that it is not
    NOT_CHAINED = "not_chained"  # the index names a file that the chain does not
    FILE_MISSING = "file_missing"
    FILE_CHANGED = "file_changed"
    KEY_GONE = "key_gone"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong."""

    wrong: Wrong
    recording: str
    say: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """`links` and `files` were looked at; all is well where there are no findings."""

    links: int
    files: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is compared, as it was at one moment: a stored file, its newest link, the master keys."""

    file: StoredFile
    link: chain.Link | None
    keys: Keyring


Progress = Callable[[int, int], None]
"""(files done, files in all)."""


def verify(database: Database, settings: Settings, secrets: Secrets, progress: Progress | None = None) -> Verified:
    """Everything, or as far as it can be read. Blocking: as long as reading all files takes. Recordings may be stored,
    erased and wrapped by another key meanwhile."""
    with database.read() as session:
        links, last, findings = _chain(session, settings, secrets)
        findings += _not_kept(session, last)
        total = index.count_states(session)[State.STORED.value]
    keys = Keyring.read(secrets.recording_keys)
    done = 0
    for file in _files(database):
        findings += _verify(database, settings, _Seen(file, last.get(file.recording), keys))
        done += 1
        if progress is not None:
            progress(done, total)
    return Verified(links, done, tuple(findings))


def _verify(database: Database, settings: Settings, seen: _Seen) -> list[Finding]:
    """What is wrong with one recording; it is marked in the index. Nothing is said of what changed while it was read:
    that is compared again as it is now, until it stands still; what is no longer kept is left out."""
    found = _compare(settings, seen)
    while found:
        now = _look(database, settings, seen.file.recording)
        if now is None:
            return []
        if now == seen:
            break
        seen, found = now, _compare(settings, now)
    _mark(database, seen.file.recording, damaged=any(one.wrong is not Wrong.NOT_CHAINED for one in found))
    return found


def _look(database: Database, settings: Settings, recording: str) -> _Seen | None:
    """As it is now; None: no longer stored. The keys come last, since a new one is there before it wraps anything."""
    with database.read() as session:
        kept, file = index.kept(session, recording), index.stored_file(session, recording)
        link = chain.newest(session, recording)
    if kept is None or kept.state is not State.STORED or file is None:
        return None
    return _Seen(file, link, Keyring.read(load_secrets(settings).recording_keys))


def _compare(settings: Settings, seen: _Seen) -> list[Finding]:
    link, file = seen.link, seen.file
    chained = link is not None and link.what == chain.STORED and link.sha256 == file.sha256
    found = [] if chained else [Finding(Wrong.NOT_CHAINED, file.recording)]
    damage = verify_file(settings, file, seen.keys)
    return [*found, damage] if damage is not None else found


def verify_file(settings: Settings, file: StoredFile, keys: Keyring) -> Finding | None:
    """One file, read whole: each chunk's tag and the content's hash. None: it is what was stored."""
    try:
        digest = hashlib.sha256()
        with store.unsealed(settings.store_dir, file, keys) as content:
            while piece := content.read(1 << 16):
                digest.update(piece)
    except FileNotFoundError:
        return Finding(Wrong.FILE_MISSING, file.recording, file.file)
    except KeyGone as error:
        return Finding(Wrong.KEY_GONE, file.recording, str(error))
    except (Damaged, OSError) as error:
        return Finding(Wrong.FILE_CHANGED, file.recording, str(error))
    if digest.hexdigest() != file.sha256:
        return Finding(Wrong.FILE_CHANGED, file.recording, Problem.DAMAGED.value)
    return None


def _mark(database: Database, recording: str, *, damaged: bool) -> None:
    with database.read() as session:
        kept = index.kept(session, recording)
    if kept is None or damaged == (Problem.DAMAGED in kept.problems):
        return
    with database.write() as session:
        (index.mark_damaged if damaged else index.mark_sound)(session, recording)


def _not_kept(session: Session, last: Mapping[str, chain.Link]) -> Iterator[Finding]:
    """What the chain says is stored, but not the index; read as one state of both, as they are written together."""
    chosen = select(tables.recordings.c.recording, tables.recordings.c.state)
    states: dict[str, str] = {row.recording: row.state for row in session.execute(chosen)}
    filed = set(session.scalars(select(tables.recording_files.c.recording)))
    for recording, link in sorted(last.items()):
        state = State(states[recording]) if recording in states else None
        if state is None:
            yield Finding(Wrong.ROW_REMOVED, recording)
        elif link.what == chain.STORED and (state is not State.STORED or recording not in filed):
            yield Finding(Wrong.ROW_CHANGED, recording, f"the index says {state.value}, the chain stored")


def _chain(session: Session, settings: Settings, secrets: Secrets) -> tuple[int, dict[str, chain.Link], list[Finding]]:
    """How many links, the last one of each recording, and what is wrong with them."""
    findings: list[Finding] = []
    last: dict[str, chain.Link] = {}
    by_seq: dict[int, str] = {}
    head = chain.read_head(settings.store_dir)
    count, end = 0, 0
    for link, broken in chain.broken(chain.links(session), chain.chain_key(secrets.link_key)):
        count, end = count + 1, link.seq
        last[link.recording] = link
        if head is not None and link.seq == head[0]:
            by_seq[link.seq] = link.link
        if broken is not None:
            findings.append(Finding(Wrong.LINK_BROKEN, link.recording, f"link {link.seq}"))
    if head is not None and by_seq.get(head[0]) != head[1]:
        findings.append(Finding(Wrong.CHAIN_CUT, "", f"link {head[0]} was there, the chain ends at {end}"))
    return count, last, findings


def _files(database: Database) -> Iterator[StoredFile]:
    """The stored files, in batches, so that no transaction stays open while a file is read."""
    files, row = tables.recording_files, tables.recordings.c
    after = ""
    while True:
        joined = files.join(tables.recordings, row.recording == files.c.recording)
        chosen = select(files).select_from(joined).where(row.state == State.STORED.value, files.c.recording > after)
        with database.read() as session:
            batch = session.execute(chosen.order_by(files.c.recording).limit(BATCH)).mappings().all()
        if not batch:
            return
        for found in batch:
            yield StoredFile(**found)
        after = batch[-1]["recording"]
