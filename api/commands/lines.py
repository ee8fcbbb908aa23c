"""`ringside lines`: whether the carriers can be reached, and how many calls each line has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from api.bootstrap import open_database
from api.commands.common import Context, Exit, asterisk_tells
from api.lines import Line, lines_defined, lines_now

HEADS = ("line", "name", "usable", "registered", "answers", "round_trip", "calls", "cap", "say")


def run(context: Context) -> int:
    """Every line of the directory, as Asterisk has it now."""
    found = lines_of(context)
    rows = [_row(context, line) for line in found]
    context.table([f"head.{head}" for head in HEADS], rows, [asdict(line) for line in found])
    return Exit.OK


def lines_of(context: Context) -> Sequence[Line]:
    """Every line of the directory; nothing is known of them while the engine or Asterisk does not answer."""
    database = open_database(context.settings)
    try:
        defined = lines_defined(database)
    finally:
        database.close()
    return lines_now(defined, asterisk_tells(context, "lines") if defined else {})


def _row(context: Context, line: Line) -> Sequence[str]:
    said = [_yes_no(context, value) for value in (line.usable, line.registered, line.answers)]
    trip = "-" if line.round_trip_ms is None else f"{line.round_trip_ms:.1f}"
    calls = "-" if line.calls is None else str(line.calls)
    return (line.id, line.name, *said, trip, calls, str(line.cap or "-"), line.say or "-")


def _yes_no(context: Context, value: bool | None) -> str:
    return "-" if value is None else context.words("yes" if value else "no")
