"""The words of the SIP code page (V11): cti/words holds them, a file a language with the same keys, names.json the
official names (RFC 3261 §21 and the RFC of a later code; ITU-T Q.850 §2.2).

Keys: sip.CODE and q850.CODE what a code means, detail.DETAIL how a leg ended, do.DETAIL what one can do about it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from acd.core.model import Outcome, Party
from cti.causes import BY_Q850, BY_SIP, OTHER_SIP, OUTCOMES, Detail, Direction, Ending, detail_of

LANGUAGES = ("en", "zh-TW", "zh-CN")
_FOLDER = Path(__file__).resolve().parent / "words"


class Kind(StrEnum):
    """Whose code it is."""

    SIP = "sip"
    Q850 = "q850"


class Case(StrEnum):
    """For whom and when a code is read; the same code means another thing on another leg."""

    CALLER = "caller"  # a customer called us
    SEAT = "seat"  # an agent's phone did not ring
    SEAT_RANG = "seat_rang"  # an agent's phone rang
    OUT = "out"  # we called outside, it did not ring
    OUT_RANG = "out_rang"  # we called outside and it rang


_CASES: Mapping[Case, tuple[Direction, Party, bool]] = {
    Case.CALLER: (Direction.CALLER, Party.SYSTEM, False),
    Case.SEAT: (Direction.SEAT, Party.SEAT, False),
    Case.SEAT_RANG: (Direction.SEAT, Party.SEAT, True),
    Case.OUT: (Direction.OUT, Party.SYSTEM, False),
    Case.OUT_RANG: (Direction.OUT, Party.SYSTEM, True),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a code is on one kind of leg: the detail kept in the record, the outcome, in words, and what to do."""

    case: Case
    detail: Detail
    outcome: Outcome
    says: str
    do: str


@dataclass(frozen=True, slots=True)
class CodeRow:
    """A line of the page. `q850` are the causes Asterisk gives a SIP code (none for a Q.850 row)."""

    kind: Kind
    code: int
    name: str
    means: str
    q850: tuple[int, ...]
    readings: tuple[Reading, ...]


@functools.cache
def _texts(name: str) -> Mapping[str, str]:
    found: dict[str, str] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found


def codes() -> tuple[tuple[Kind, int], ...]:
    """Every code of the page in its order: SIP, then Q.850."""
    sip = sorted({*BY_SIP, *OTHER_SIP})
    return (*((Kind.SIP, code) for code in sip), *((Kind.Q850, code) for code in sorted(BY_Q850)))


@functools.cache
def page(language: str) -> tuple[CodeRow, ...]:
    """The whole table in one of LANGUAGES. Raises KeyError for another."""
    if language not in LANGUAGES:
        raise KeyError(language)
    words, names = _texts(language), _texts("names")
    return tuple(_row(kind, code, words, names) for kind, code in codes())


def _row(kind: Kind, code: int, words: Mapping[str, str], names: Mapping[str, str]) -> CodeRow:
    key = f"{kind}.{code}"
    row = BY_SIP.get(code) if kind is Kind.SIP else None
    readings = tuple(_reading(case, kind, code, words) for case in Case)
    return CodeRow(kind, code, names[key], words[key], row.asterisk if row else (), readings)


def _reading(case: Case, kind: Kind, code: int, words: Mapping[str, str]) -> Reading:
    direction, acted, rang = _CASES[case]
    sip, q850 = (code, 0) if kind is Kind.SIP else (0, code)
    detail = detail_of(Ending(direction, acted, rang=rang, sip=sip, q850=q850))
    return Reading(case, detail, OUTCOMES[detail], words[f"detail.{detail}"], words[f"do.{detail}"])
