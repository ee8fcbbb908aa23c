"""What API and command line both read from a person: a moment, a number; and the dry run they both ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from acd.core.model import SECOND, Micros, State
from directory import callers
from directory.calendar import moment_of
from directory.definitions import read_snapshot
from directory.dial_rules import e164_of
from directory.dry_run import Answer, who_serves
from directory.model import DirectoryError
from directory.plans import DirectoryPlans
from storage.session import Database

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class NotAMoment(ValueError):
    """This cannot be read as a time; the text says what can."""


def moment_asked(text: str, now: Micros, zone: ZoneInfo) -> Micros:
    """A moment in the organisation's zone: "" is now, "20:05" today, "Sun 20:05" the next such day (today counts),
    "2026-12-25 20:05" that one. Raises NotAMoment."""
    if not text.strip():
        return now
    today = datetime.fromtimestamp(now / SECOND, UTC).astimezone(zone).date()
    words = text.strip().lower().split()
    try:
        if len(words) == 1 and len(words[0]) == 5:
            return moment_of(today, words[0], zone)
        if len(words) == 2 and words[0][:3] in DAYS:
            ahead = (DAYS.index(words[0][:3]) - today.weekday()) % 7
            return moment_of(today + timedelta(days=ahead), words[1], zone)
        whole = datetime.fromisoformat(text.strip())
        if whole.tzinfo is None:
            return moment_of(whole.date(), f"{whole:%H:%M}", zone) + whole.second * SECOND
        return int(whole.timestamp()) * SECOND
    except (ValueError, OverflowError):
        raise NotAMoment(f"{text[:40]!r} is no time like 20:05, Sun 20:05 or 2026-12-25T20:05") from None


def number_asked(session: Session, number: str, region: str) -> str:
    """The address id of a number that a person wrote; kept where it is new. Raises DirectoryError bad_number."""
    whole = e164_of(number, region)
    if not whole:
        raise DirectoryError("bad_number", f"{number[:40]!r} is no telephone number of any country")
    return callers.keep_number(session, number.strip(), whole).id


def ask(database: Database, state: State, entry: str, caller: str, at: Micros, region: str, keys: str | None) -> Answer:
    """The dry run for a caller. Blocking. Raises KeyError for an entry point that does not exist."""
    plans = DirectoryPlans(database, region=region)
    with database.read() as session:
        given = read_snapshot(session)
        known = plans.known(session, caller, e164_of(caller, region), at)
    chosen = None if keys is None else "".join(keys.split(","))
    return who_serves(given, state, entry, known, at, region, chosen)
