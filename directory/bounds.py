"""The bounds of the numbers in definitions, as one table: none of them overflows a column of the records or the clock,
whatever a document says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from acd.core.model import (
    SECOND,
    MediumDef,
    MediumLimit,
    Menu,
    Policy,
    QueueDef,
    Ring,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    Speech,
    StatusDef,
    WrapUpRule,
)
from directory.callers import HIGHEST_PRIORITY
from directory.model import EntryPoint, Problem, Snapshot

MOST = 1_000_000
"""Of anything counted; a column of the database holds two thousand times as many."""
Named = MediumDef | StatusDef | QueueDef | Menu | SeatProfile | EntryPoint
DAY = 24 * 3600 * SECOND


@dataclass(frozen=True, slots=True)
class Bound:
    """From `low` to `high`, both included; `say` tells it to a person, `code` is the problem's."""

    code: str
    low: int
    high: int
    say: str


COUNT = Bound("bad_count", 0, MOST, f"0 to {MOST}")
RANK = Bound("bad_count", -MOST, MOST, f"-{MOST} to {MOST}")
LEVEL = Bound("bad_level", 1, MOST, f"1 to {MOST}")
PRIORITY = Bound("bad_priority", -HIGHEST_PRIORITY, HIGHEST_PRIORITY, f"-{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}")
TIME = Bound("bad_time", 0, 366 * DAY, "0 seconds to 366 days")
SOME_TIME = Bound("bad_time", 1, 366 * DAY, "above 0 seconds and at most 366 days")
WAIT = Bound("bad_time", 0, DAY, "0 to 24 hours")
LENGTH = Bound("bad_time", 0, MOST, f"0 to {MOST}")  # codes are stable: it has always been this one
LIMIT = Bound("over_ceiling", 0, MOST, f"0 to {MOST}")
BOUNDS: Mapping[type, Mapping[str, Bound]] = {
    Policy: {"priority_weight": TIME},
    MediumDef: {"ceiling": COUNT},
    StatusDef: {"limit": TIME},
    SkillLevel: {"level": LEVEL},
    QueueDef: {
        "last_agent_wait": TIME,
        "ring_time": SOME_TIME,
        "no_answer_back_off": TIME,
        "decline_back_off": TIME,
        "sl_threshold": SOME_TIME,
        "max_wait": WAIT,
        "max_length": LENGTH,
    },
    Ring: {"after": SOME_TIME},
    WrapUpRule: {"after": TIME},
    Speech: {"first": SOME_TIME, "every": SOME_TIME},
    Menu: {"timeout": TIME, "tries": COUNT},
    SeatProfile: {"total_limit": COUNT},
    SeatQueue: {"rank": RANK},
    MediumLimit: {"limit": LIMIT},
    EntryPoint: {"priority": PRIORITY},
}
"""A line's numbers are bounded with it (directory.line_checks, cti.config), a medium's limit by its ceiling."""
PARTS: Mapping[type, tuple[str, ...]] = {
    QueueDef: ("needs", "rings", "wrap_up", "speech"),
    Ring: ("needs",),
    SeatProfile: ("queues", "skills", "limits"),
    EntryPoint: ("needs",),
}
"""The fields that hold further numbers: a tuple of definitions, one, or None."""


def number_problems(given: Snapshot) -> Iterator[Problem]:
    """Every number of the directory that is out of its bounds."""
    yield from out_of_bounds("the policy", given.policy)
    sections: tuple[tuple[str, Sequence[Named]], ...] = (
        ("medium", given.media),
        ("status", given.statuses),
        ("queue", given.queues),
        ("menu", given.menus),
        ("seat", given.seats),
        ("entry point", given.entries),
    )
    for what, definitions in sections:
        for one in definitions:
            yield from out_of_bounds(f"{what} {one.id}", one)


def out_of_bounds(who: str, definition: object) -> Iterator[Problem]:
    """Every number of one definition and its parts that is out of its bounds."""
    for field, bound in BOUNDS.get(type(definition), {}).items():
        if not bound.low <= getattr(definition, field) <= bound.high:
            yield Problem(bound.code, f"{who}: {field} is {bound.say}")
    for field in PARTS.get(type(definition), ()):
        held = getattr(definition, field)
        for part in held if isinstance(held, tuple) else (held,):
            yield from out_of_bounds(who, part)
