"""Opening hours: open, in a break or closed at a moment, and when that changes next. Exact over daylight saving.

A time of day that the clock jumps over is the moment of the jump; one that comes twice is the first of the two.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

import holidays

from acd.core.model import SECOND, Micros
from directory.model import Hours, Stretch, WeekDay

LONGEST_LOOK_DAYS = 400
"""Whoever is closed longer than over a year with its holidays does not open again."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES = 24 * 60
Span = tuple[Micros, Micros]


class Opening(StrEnum):
    """What the hours say."""

    OPEN = "open"
    BREAK = "break"
    CLOSED = "closed"


def opening(hours: Hours, at: Micros) -> Opening:
    """What holds at this moment."""
    today = _local(hours, at).date()
    # Near midnight a jump of the clock may move an edge into the neighbouring date.
    days = [_spans(hours, today + timedelta(days=step)) for step in (-1, 0, 1)]
    if not any(begins <= at < ends for open_spans, _ in days for begins, ends in open_spans):
        return Opening.CLOSED
    in_break = any(begins <= at < ends for _, breaks in days for begins, ends in breaks)
    return Opening.BREAK if in_break else Opening.OPEN


def is_open(hours: Hours, at: Micros) -> bool:
    """Whether it is open at this moment; a break is not."""
    return opening(hours, at) is Opening.OPEN


def next_change(hours: Hours, at: Micros) -> Micros:
    """The first moment after `at` when `opening` says something else, 0 when it never will."""
    now = opening(hours, at)
    return next((edge for edge in _edges(hours, at) if opening(hours, edge) is not now), 0)


def _edges(hours: Hours, after: Micros) -> Iterator[Micros]:
    """Every begin and end after that moment, in order."""
    first = _local(hours, after).date() - timedelta(days=1)
    for step in range(LONGEST_LOOK_DAYS):
        open_spans, breaks = _spans(hours, first + timedelta(days=step))
        yield from sorted({edge for span in (*open_spans, *breaks) for edge in span if edge > after})


@functools.lru_cache(maxsize=4096)
def _spans(hours: Hours, day: date) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The open stretches and the breaks of a date as moments."""
    opened, breaks = times_of(hours, day)
    zone = ZoneInfo(hours.zone)
    return _moments(opened, day, zone), _moments(breaks, day, zone)


def _moments(stretches: Sequence[Stretch], day: date, zone: ZoneInfo) -> tuple[Span, ...]:
    return tuple((moment_of(day, one.begins, zone), moment_of(day, one.ends, zone)) for one in stretches)


def times_of(hours: Hours, day: date) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...]]:
    """(open, breaks) of a date by the rule that holds for it."""
    for special in hours.special:
        if special.date == day.isoformat():
            return special.open, special.breaks
    if hours.holidays:
        free, worked = country_days(hours.holidays, day.year)
        if day in worked and hours.make_up_day >= 0:
            return _weekday(hours.week, hours.make_up_day)
        if day in free:
            return (), ()
    return _weekday(hours.week, day.weekday())


def _weekday(week: Sequence[WeekDay], day: int) -> tuple[tuple[Stretch, ...], tuple[Stretch, ...]]:
    return next(((one.open, one.breaks) for one in week if one.day == day), ((), ()))


@functools.lru_cache(maxsize=64)
def country_days(country: str, year: int) -> tuple[frozenset[date], frozenset[date]]:
    """(public holidays, weekend days that are worked) of a country in a year. Raises ValueError for a country that
    python-holidays does not know, a name of something else in it (a TypeError of its own) included."""
    try:
        found = holidays.country_holidays(country, years=year)
    except (NotImplementedError, TypeError):
        raise ValueError(f"no holidays are known for {country[:10]!r}") from None
    return frozenset(found), frozenset(found.weekend_workdays)


def minutes_of(text: str) -> int:
    """A time of day as minutes, "24:00" included. Raises ValueError."""
    hour, colon, minute = text.partition(":")
    if not (colon and len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()):
        raise ValueError(f"{text[:10]!r} is not a time like 09:00")
    value = int(hour) * 60 + int(minute)
    if int(minute) > 59 or value > _MINUTES:
        raise ValueError(f"{text[:10]!r} is not a time of day")
    return value


def moment_of(day: date, text: str, zone: ZoneInfo) -> Micros:
    """When the clocks of that zone show this time of that date."""
    begin = datetime(day.year, day.month, day.day)
    local = begin + timedelta(minutes=minutes_of(text))
    early, late = (_utc(local.replace(tzinfo=zone, fold=fold)) for fold in (1, 0))
    shown = datetime.fromtimestamp(late / SECOND, UTC).astimezone(zone).replace(tzinfo=None)
    if shown == local:
        return late
    return _jump(zone, early, late)


def _jump(zone: ZoneInfo, early: Micros, late: Micros) -> Micros:
    """The moment between the two when the zone's offset changes, to the second."""
    low, high = early // SECOND, late // SECOND
    before = _offset(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high * SECOND


def _offset(zone: ZoneInfo, second: int) -> timedelta | None:
    return datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()


def _utc(at: datetime) -> Micros:
    return (at.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)


def _local(hours: Hours, at: Micros) -> datetime:
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(hours.zone))
