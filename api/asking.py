"""What API and command line both read from a person: a moment, a number, an extension; and the dry run they both ask
for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from acd.core.model import SECOND, Micros, State
from directory import callers
from directory.calendar import moment_of
from directory.definitions import read_snapshot
from directory.dial_rules import e164_of
from directory.dry_run import Answer, Path, SeatAnswer, Seats, path_of, seats_of, with_seats
from directory.model import DirectoryError
from directory.plans import DirectoryPlans
from directory.service import list_extensions
from storage.session import Database

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
FIRST_YEAR, LAST_YEAR = 1970, 2200
"""Hours can be told of these: they look a year ahead, and no clock goes further than the year 9999."""


class NotAMoment(ValueError):
    """This cannot be read as a time; the text says what can."""


def moment_asked(text: str, now: Micros, zone: ZoneInfo) -> Micros:
    """A moment in the organisation's zone: "" is now, "20:05" today, "Sun 20:05" the next such day (today counts),
    "2026-12-25 20:05" that one. Raises NotAMoment, for years before FIRST_YEAR and after LAST_YEAR too."""
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
        return _moment_written(datetime.fromisoformat(text.strip()), zone)
    except NotAMoment:
        raise
    except ValueError:
        raise NotAMoment(f"{text[:40]!r} is no time like 20:05, Sun 20:05 or 2026-12-25T20:05") from None


def _moment_written(whole: datetime, zone: ZoneInfo) -> Micros:
    """A date with its time, in that zone where it names none. Raises NotAMoment."""
    if not FIRST_YEAR <= whole.year <= LAST_YEAR:
        raise NotAMoment(f"a time is in the years {FIRST_YEAR} to {LAST_YEAR}, not in {whole.year}")
    if whole.tzinfo is None:
        return moment_of(whole.date(), f"{whole:%H:%M}", zone) + whole.second * SECOND
    return int(whole.timestamp()) * SECOND


def number_asked(session: Session, number: str, region: str) -> str:
    """The address id of a number that a person wrote; kept where it is new. Raises DirectoryError bad_number."""
    whole = e164_of(number, region)
    if not whole:
        raise DirectoryError("bad_number", f"{number[:40]!r} is no telephone number of any country")
    return callers.keep_number(session, number.strip(), whole).id


@dataclass(frozen=True, slots=True)
class Asking:
    """A dry run that was asked for. The way and what is made of the answer are worked out in a thread, the seats in the
    thread of the state, which goes on changing."""

    path: Path

    def answer(self, state: State) -> Answer:
        """The seats in one go, of a state that nobody changes."""
        answer = self.path.answer
        return with_seats(answer, {queue.id: seats_of(state, answer, queue) for queue in self.path.queues})

    async def seats(self, state: State) -> Seats:
        """Those of a live state, in its loop: after each queue calls go on, since a thousand seats of a hundred queues
        take a second."""
        found: dict[str, tuple[SeatAnswer, ...]] = {}
        for queue in self.path.queues:
            found[queue.id] = seats_of(state, self.path.answer, queue)
            await asyncio.sleep(0)
        return found


def asking(database: Database, entry: str, caller: str, at: Micros, region: str, keys: str | None) -> Asking:
    """The way of this caller by the directory as it is now. Blocking. Raises KeyError: no such entry point."""
    plans = DirectoryPlans(database, region=region)
    with database.read() as session:
        known, given = plans.known(session, caller, e164_of(caller, region), at), read_snapshot(session)
    chosen = None if keys is None else "".join(keys.split(","))
    return Asking(path_of(given, entry, known, at, region, chosen))


def ask(database: Database, state: State, entry: str, caller: str, at: Micros, region: str, keys: str | None) -> Answer:
    """Both in one go, on a state that nobody changes. Blocking. Raises KeyError: no such entry point."""
    return asking(database, entry, caller, at, region, keys).answer(state)


def in_pool(database: Database, number: str) -> bool:
    """Whether the directory has that extension; what it has not is never rung, whatever Asterisk knows. Blocking."""
    with database.read() as session:
        return any(one.number == number for one in list_extensions(session))
