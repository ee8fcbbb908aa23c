"""Reading the channel event log: times to the microsecond, hostile fields, half a line, who was served."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cti.cel import CelEvent, FallbackCall, fallback_calls, read_cel
from cti.configuration import CEL_FIELDS


def line(at: str, kind: str, leg: str, *, mark: str = "", linked: str = "", extra: str = "", data: str = "") -> str:
    values = {
        "eventtime": at,
        "eventenum": kind,
        "userdeftype": mark,
        "uniqueid": leg,
        "linkedid": linked or leg,
        "appdata": data,
        "eventextra": extra,
    }
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([values.get(name, "") for name in CEL_FIELDS])
    return out.getvalue()


def test_times_are_exact_and_reading_goes_on_where_it_ended(tmp_path: Path) -> None:
    file = tmp_path / "ringside.csv"
    assert read_cel(file) == ([], 0)
    file.write_text(
        line("1795254928.000001", "CHAN_START", "1.0") + line("1795254928.500000", "ANSWER", "1.0") + '"179525'
    )
    events, offset = read_cel(file)
    assert [event.at for event in events] == [1795254928000001, 1795254928500000]
    with file.open("a") as more:
        more.write('4929.1","cut short\n' + line("1795254930.000000", "HANGUP", "1.0"))
    events, _ = read_cel(file, offset)
    assert [(event.at, event.kind) for event in events] == [(1795254930000000, "HANGUP")]


def test_a_log_that_was_rotated_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "ringside.csv"
    file.write_text(line("1.000000", "CHAN_START", "1.0") + line("2.000000", "HANGUP", "1.0"))
    _, offset = read_cel(file)
    file.rename(tmp_path / "ringside.csv.1")
    assert read_cel(file, offset) == ([], offset)
    file.write_text(line("3.000000", "CHAN_START", "2.0"))
    events, offset = read_cel(file, offset)
    assert [event.leg for event in events] == ["2.0"]
    assert read_cel(file, offset) == ([], offset)


def test_hostile_fields_stay_in_their_field(tmp_path: Path) -> None:
    file = tmp_path / "ringside.csv"
    nasty = 'x","HANGUP\n"9.000000","USER_DEFINED'
    file.write_text(
        line("1.000000", "APP_START", "1.0", data=nasty) + line("2.000000", "USER_DEFINED", "1.0", extra="not json")
    )
    with file.open("ab") as more:
        more.write(b'"\xff","\xfe"\n')
    events, _ = read_cel(file)
    assert [(event.kind, event.data) for event in events] == [("APP_START", nasty)]


def marks(tmp_path: Path, text: str) -> list[CelEvent]:
    file = tmp_path / "ringside.csv"
    file.write_text(text)
    return read_cel(file)[0]


def test_who_was_served_who_was_not_and_who_is_still_there(tmp_path: Path) -> None:
    def entered(at: str, leg: str, entry: str) -> str:
        return line(at, "USER_DEFINED", leg, mark="RINGSIDE_FALLBACK", extra=f'{{"extra":"{entry}"}}')

    events = marks(
        tmp_path,
        entered("10.000000", "a", "81 0912345678")
        + entered("11.000000", "b", "82 ")
        + entered("12.000000", "c", "81")
        + line("13.500000", "USER_DEFINED", "x", mark="RINGSIDE_SERVED", linked="a", extra='{"extra":"ann"}')
        + line("14.000000", "HANGUP", "b")
        + line("15.000000", "HANGUP", "x", linked="a")
        + line("15.250000", "HANGUP", "a"),
    )
    assert fallback_calls(events) == [
        FallbackCall("a", "81", 10_000_000, 13_500_000, 15_250_000, "ann", "0912345678"),
        FallbackCall("b", "82", 11_000_000, 0, 14_000_000, ""),
        FallbackCall("c", "81", 12_000_000, 0, 0, ""),
    ]
