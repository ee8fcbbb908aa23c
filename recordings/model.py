"""What the index knows of one recording, as plain data. Field names are column names (storage.tables).

All times are integer microseconds UTC; 0 means that it has not happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from acd.core.model import Micros, WatchMode

RATE = 8000
"""Samples a second and side, as Asterisk writes them."""
SIDES = 2
"""Left is what the customer says, right is what he hears."""
FRAME_BYTES = 2 * SIDES


class RecordingKind(StrEnum):
    """What was recorded."""

    CALL = "call"
    VOICEMAIL = "voicemail"


class State(StrEnum):
    """Where a recording's sound is."""

    RAW = "raw"  # being written, or not yet taken up
    WAITING = "waiting"  # storing failed and is tried again; the raw file is safe
    STORED = "stored"
    MISSING = "missing"  # nothing was recorded
    ERASED = "erased"


class Problem(StrEnum):
    """What is wrong with a recording's sound; WORDS says it to a person."""

    MISSING = "missing"
    EMPTY = "empty"
    SHORT = "short"
    SILENT = "silent"
    ONE_SIDED = "one_sided"
    CLIPPED = "clipped"
    GAP = "gap"
    SOUND_IN_PAUSE = "sound_in_pause"
    UNANNOUNCED = "unannounced"
    DAMAGED = "damaged"


WORDS: Mapping[Problem, tuple[str, str, str]] = {
    Problem.MISSING: ("找不到錄音檔", "找不到录音文件", "There is no sound file"),
    Problem.EMPTY: ("錄音檔是空的", "录音文件是空的", "The sound file is empty"),
    Problem.SHORT: ("錄音不到一秒", "录音不到一秒", "It is shorter than a second"),
    Problem.SILENT: ("雙方皆無聲", "双方均无声", "Neither side can be heard"),
    Problem.ONE_SIDED: ("只有一方有聲", "只有一方有声", "Only one side can be heard"),
    Problem.CLIPPED: ("音量過大失真", "音量过大失真", "It is distorted: too loud"),
    Problem.GAP: ("錄音有缺漏", "录音有缺漏", "A part of the call is not in it"),
    Problem.SOUND_IN_PAUSE: ("暫停期間仍有聲音", "暂停期间仍有声音", "There is sound in a paused stretch"),
    Problem.UNANNOUNCED: (
        "沒有錄音開始的紀錄",
        "没有录音开始的记录",
        "Its beginning is not in the log: the engine was down then",
    ),
    Problem.DAMAGED: ("檔案損毀或遭竄改", "文件损坏或遭篡改", "The file was damaged or tampered with"),
}
"""zh-TW, zh-CN, en."""


def say(problem: Problem, language: str = "en") -> str:
    """The problem in one language."""
    return WORDS[problem][{"zh-TW": 0, "zh-CN": 1}.get(language, 2)]


@dataclass(frozen=True, slots=True)
class Pause:
    """A stretch in which silence was written on purpose. `due`: when it would have ended by itself; `how` it ended."""

    began_at: Micros
    ended_at: Micros = 0
    by: str = ""
    via: str = ""
    due: Micros = 0
    how: str = ""


UNOBSERVED = "unobserved"


@dataclass(frozen=True, slots=True)
class Break:
    """A stretch in which nothing was written because recording had failed; UNOBSERVED: nobody saw whether, since the
    contact ended somewhere in it."""

    began_at: Micros
    ended_at: Micros = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """A supervisor at a conversation. `answered` False: his phone still rings."""

    seat: str
    mode: WatchMode
    answered: bool = False

    @property
    def heard(self) -> bool:
        """Whether the customer hears him: not while he listens or whispers."""
        return self.answered and self.mode is WatchMode.JOIN


@dataclass(slots=True)
class Recording:
    """One row of the index: what facts say (the consumer writes it) ..."""

    recording: str
    item: str
    kind: RecordingKind
    started_at: Micros
    direction: str = ""
    queue: str = ""
    entry: str = ""
    address: str = ""
    task: str = ""  # the work item a voice message became
    outcome: str = ""
    ended_at: Micros = 0
    seats: tuple[str, ...] = ()
    pauses: tuple[Pause, ...] = ()
    breaks: tuple[Break, ...] = ()
    last_seq: int = 0


@dataclass(frozen=True, slots=True)
class Kept:
    """... and what became of its sound (the keeper writes it). `length` is in microseconds."""

    state: State = State.RAW
    reason: str = ""
    length: Micros = 0
    problems: tuple[Problem, ...] = ()
    tries: int = 0
    retry_at: Micros = 0
    legal_hold: bool = False
    expires_at: Micros = 0


@dataclass(frozen=True, slots=True)
class StoredFile:
    """The encrypted file. `sha256` and `size` are those of the sound as it is heard and exported; `wrapped_key` is the
    file's own key, wrapped by master key `key_id`: without it nobody can hear the file any more."""

    recording: str
    file: str
    codec: str
    frames: int
    size: int
    sha256: str
    key_id: str
    wrapped_key: str
    checks: str = ""
    peaks: str = ""
    stored_at: Micros = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was done to a recording: link, played, exported, held, released, erased."""

    at: Micros
    what: str
    by: str
    via: str
    detail: str = ""


def write_list(parts: Sequence[Pause] | Sequence[Break] | Sequence[Watch]) -> str:
    """Pauses, breaks or watches as a column; empty for none."""
    return json.dumps([asdict(part) for part in parts], separators=(",", ":")) if parts else ""


def read_pauses(text: str) -> tuple[Pause, ...]:
    """The pauses of a column."""
    return tuple(Pause(**part) for part in json.loads(text)) if text else ()


def read_breaks(text: str) -> tuple[Break, ...]:
    """The breaks of a column."""
    return tuple(Break(**part) for part in json.loads(text)) if text else ()


def read_watches(text: str) -> tuple[Watch, ...]:
    """The watches of a column. A seat alone is one that is rung to join, as it was written before modes were kept."""
    if not text.startswith("["):
        return (Watch(text, WatchMode.JOIN),) if text else ()
    return tuple(Watch(part["seat"], WatchMode(part["mode"]), part["answered"]) for part in json.loads(text))
