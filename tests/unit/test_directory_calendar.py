"""Opening hours: weeks, breaks, holidays, special days; exact over daylight saving, against a plain reference."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.core.model import SECOND, Flow, QueueDef, State
from api.asking import NotAMoment, moment_asked
from api.hours import believed, following, wanted
from directory.calendar import Opening, country_days, is_open, minutes_of, moment_of, next_change, opening
from directory.model import Hours, QueueHours, Snapshot, SpecialDay, Stretch, WeekDay

TAIPEI = ZoneInfo("Asia/Taipei")
NEW_YORK = ZoneInfo("America/New_York")
NINE_TO_SIX = (Stretch("09:00", "18:00"),)
LUNCH = (Stretch("12:00", "13:00"),)
OFFICE = Hours("office", "辦公時間", week=tuple(WeekDay(day, NINE_TO_SIX, LUNCH) for day in range(5)))


def at(text: str, zone: ZoneInfo = TAIPEI) -> int:
    """A moment by that zone's clock."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("2026-11-23T08:59:59", Opening.CLOSED),
        ("2026-11-23T09:00:00", Opening.OPEN),
        ("2026-11-23T11:59:59", Opening.OPEN),
        ("2026-11-23T12:00:00", Opening.BREAK),
        ("2026-11-23T13:00:00", Opening.OPEN),
        ("2026-11-23T17:59:59", Opening.OPEN),
        ("2026-11-23T18:00:00", Opening.CLOSED),
        ("2026-11-22T10:00:00", Opening.CLOSED),  # a Sunday
    ],
)
def test_the_week_holds_to_the_second(when: str, expected: Opening) -> None:
    assert opening(OFFICE, at(when)) is expected


def test_the_next_change_is_the_second_it_changes() -> None:
    changes, now = [], at("2026-11-20T17:00:00")  # a Friday
    for _ in range(5):
        now = next_change(OFFICE, now)
        changes.append(datetime.fromtimestamp(now / SECOND, TAIPEI).strftime("%a %H:%M:%S"))
    assert changes == ["Fri 18:00:00", "Mon 09:00:00", "Mon 12:00:00", "Mon 13:00:00", "Mon 18:00:00"]


def test_what_goes_on_at_midnight_is_no_change() -> None:
    whole = (Stretch("00:00", "24:00"),)
    always = replace(OFFICE, week=tuple(WeekDay(day, whole) for day in range(7)))
    assert opening(always, at("2026-11-23T00:00:00")) is Opening.OPEN
    assert next_change(always, at("2026-11-23T12:00:00")) == 0
    assert next_change(replace(OFFICE, week=()), at("2026-11-23T12:00:00")) == 0


def test_holidays_close_and_make_up_days_open_in_taiwan_and_china() -> None:
    taiwan, china = replace(OFFICE, holidays="TW"), replace(OFFICE, holidays="CN")
    assert opening(taiwan, at("2026-10-09T10:00:00")) is Opening.CLOSED  # National Day is a Saturday; Friday is free
    assert opening(OFFICE, at("2026-10-09T10:00:00")) is Opening.OPEN
    assert opening(taiwan, at("2026-02-17T10:00:00")) is Opening.CLOSED  # Lunar New Year
    assert opening(china, at("2025-10-01T10:00:00")) is Opening.CLOSED
    worked = at("2025-09-28T10:00:00")  # a Sunday that is worked before the National Day week
    assert opening(china, worked) is Opening.OPEN
    assert opening(replace(china, make_up_day=-1), worked) is Opening.CLOSED
    assert opening(OFFICE, worked) is Opening.CLOSED
    assert date(2025, 9, 28) in country_days("CN", 2025)[1]


def test_a_special_day_beats_the_holiday_and_the_week() -> None:
    special = (SpecialDay("2026-02-17", (Stretch("10:00", "12:00"),)), SpecialDay("2026-11-23"))
    hours = replace(OFFICE, holidays="TW", special=special)
    assert opening(hours, at("2026-02-17T11:00:00")) is Opening.OPEN
    assert opening(hours, at("2026-11-23T11:00:00")) is Opening.CLOSED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02:30", datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),  # jumped over: the moment of the jump
        ("03:00", datetime(2026, 3, 8, 7, 0, tzinfo=UTC)),
        ("01:59", datetime(2026, 3, 8, 6, 59, tzinfo=UTC)),
        ("24:00", datetime(2026, 3, 9, 4, 0, tzinfo=UTC)),
    ],
)
def test_a_time_that_the_clock_jumps_over(text: str, expected: datetime) -> None:
    assert moment_of(date(2026, 3, 8), text, NEW_YORK) == int(expected.timestamp()) * SECOND


def test_a_time_that_comes_twice_is_the_first() -> None:
    assert moment_of(date(2026, 11, 1), "01:30", NEW_YORK) == at("2026-11-01T01:30:00", NEW_YORK)
    night = Hours("n", "N", "America/New_York", (WeekDay(6, (Stretch("00:30", "01:30"),)),))
    opens = moment_of(date(2026, 11, 1), "00:30", NEW_YORK)
    assert [is_open(night, opens + minutes * 60 * SECOND) for minutes in (0, 59, 60, 120)] == [True, True, False, False]


def _plainly(hours: Hours, moment: int) -> bool:
    """The reference: look at the clock on the wall (right away from the hours in which it is set)."""
    local = datetime.fromtimestamp(moment / SECOND, ZoneInfo(hours.zone))
    minute = local.hour * 60 + local.minute
    today = next((day for day in hours.week if day.day == local.weekday()), WeekDay(0))
    within = [minutes_of(one.begins) <= minute < minutes_of(one.ends) for one in today.open]
    pausing = [minutes_of(one.begins) <= minute < minutes_of(one.ends) for one in today.breaks]
    return any(within) and not any(pausing)


ZONES = st.sampled_from(["Asia/Taipei", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
MOMENTS = st.integers(at("2026-01-01T00:00:00") // SECOND, at("2027-01-01T00:00:00") // SECOND)


@given(ZONES, MOMENTS)
@settings(deadline=None)
def test_hours_agree_with_the_clock_on_the_wall(zone: str, second: int) -> None:
    hours = replace(OFFICE, zone=zone)
    assert is_open(hours, second * SECOND) is _plainly(hours, second * SECOND)


@given(ZONES, MOMENTS)
@settings(deadline=None)
def test_nothing_changes_before_the_next_change(zone: str, second: int) -> None:
    hours, now = replace(OFFICE, zone=zone), second * SECOND
    change = next_change(hours, now)
    assert change > now
    assert opening(hours, change) is not opening(hours, now)
    assert opening(hours, change - 1) is opening(hours, now)
    middle = (now + change) // 2
    assert opening(hours, middle) is opening(hours, now)


# --- what the engine tells the core ------------------------------------------------------------------------------


def test_queues_follow_their_hours_and_others_are_open() -> None:
    snapshot = Snapshot(
        hours=(OFFICE,), queues=(QueueDef("a", "A"), QueueDef("b", "B")), queue_hours=(QueueHours("a", "office"),)
    )
    sunday, monday = at("2026-11-22T10:00:00"), at("2026-11-23T09:00:00")
    assert wanted(snapshot, sunday) == {"a": False, "b": True}
    assert following(snapshot, sunday) == monday
    assert wanted(snapshot, monday) == {"a": True, "b": True}
    state = State(queues={"a": QueueDef("a", "A"), "b": QueueDef("b", "B")}, flows={"a": Flow(open=False)})
    assert believed(state) == {"a": False, "b": True}


# --- times a person writes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "2026-11-21T20:00:00"),
        ("20:05", "2026-11-21T20:05:00"),
        ("Sun 20:05", "2026-11-22T20:05:00"),
        ("sat 08:00", "2026-11-21T08:00:00"),
        ("Friday 08:00", "2026-11-27T08:00:00"),
        ("2026-12-25T20:05", "2026-12-25T20:05:00"),
        ("2026-12-25 20:05:07", "2026-12-25T20:05:07"),
    ],
)
def test_a_moment_is_read(text: str, expected: str) -> None:
    assert moment_asked(text, at("2026-11-21T20:00:00"), TAIPEI) == at(expected)  # a Saturday


@pytest.mark.parametrize(
    "text",
    [
        *("tomorrow", "25:00", "Sun", "Sun 8", "2026-02-30T10:00", "x" * 500),
        *("9999-12-31T20:05", "0001-01-01T09:00", "0001-01-01T09:00Z", "2201-01-01T00:00", "1969-12-31T23:59"),
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(NotAMoment):
        moment_asked(text, at("2026-11-21T20:00:00"), TAIPEI)


def test_holidays_of_two_years_meet_at_new_year() -> None:
    hours = replace(OFFICE, holidays="TW")
    assert next_change(hours, at("2025-12-31T19:00:00")) == at("2026-01-02T09:00:00")
    assert timedelta(microseconds=next_change(hours, 0)) > timedelta(0)
