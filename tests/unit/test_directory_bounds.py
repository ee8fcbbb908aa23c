"""No number of a definition overflows a column of the records or the clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from acd.core.model import (
    SECOND,
    Destination,
    MediumDef,
    MediumLimit,
    Menu,
    Policy,
    Presence,
    QueueDef,
    Ring,
    SeatProfile,
    SeatQueue,
    SkillLevel,
    Speech,
    StatusDef,
    Way,
    WrapUpEnding,
    WrapUpRule,
)
from directory.bounds import number_problems
from directory.checks import problems
from directory.model import EntryPoint, Snapshot

TOO_LONG = 367 * 24 * 3600 * SECOND
MANY = 1_000_001
GIVEN = Snapshot(
    media=(MediumDef("voice", Presence.VOICE, 1, 1),),
    statuses=(StatusDef("ready", Presence.VOICE, (), True, True, True, True),),
    queues=(QueueDef("sales", "Sales", speech=Speech(), wrap_up=WrapUpRule(WrapUpEnding.BY_HAND)),),
    menus=(Menu("main", "hello", (), Destination(Way.QUEUE, "sales")),),
    seats=(SeatProfile("amy", queues=(SeatQueue("sales"),)),),
    entries=(EntryPoint("81", "Sales", "sales"),),
)


def test_what_is_usual_is_within_bounds() -> None:
    assert list(number_problems(GIVEN)) == []


@pytest.mark.parametrize(
    ("code", "section", "wrong"),
    [
        ("bad_priority", "entries", {"priority": 9_999_999_999}),
        ("bad_priority", "entries", {"priority": -MANY}),
        ("bad_level", "entries", {"needs": (SkillLevel("vip", MANY),)}),
        ("bad_count", "seats", {"total_limit": MANY}),
        ("bad_count", "seats", {"total_limit": -1}),
        ("bad_count", "seats", {"queues": (SeatQueue("sales", -MANY),)}),
        ("bad_level", "seats", {"skills": (SkillLevel("vip", MANY),)}),
        ("over_ceiling", "seats", {"limits": (MediumLimit("voice", MANY),)}),
        ("bad_count", "media", {"ceiling": MANY}),
        ("bad_time", "statuses", {"limit": TOO_LONG}),
        ("bad_count", "menus", {"tries": MANY}),
        ("bad_time", "menus", {"timeout": TOO_LONG}),
        ("bad_time", "queues", {"ring_time": TOO_LONG}),
        ("bad_time", "queues", {"sl_threshold": 0}),
        ("bad_time", "queues", {"last_agent_wait": TOO_LONG}),
        ("bad_time", "queues", {"no_answer_back_off": TOO_LONG}),
        ("bad_time", "queues", {"decline_back_off": -1}),
        ("bad_time", "queues", {"max_wait": 24 * 3600 * SECOND + 1}),
        ("bad_time", "queues", {"max_length": MANY}),
        ("bad_time", "queues", {"wrap_up": WrapUpRule(WrapUpEnding.TIMER, TOO_LONG)}),
        ("bad_time", "queues", {"rings": (Ring(TOO_LONG, ()),)}),
        ("bad_level", "queues", {"rings": (Ring(1, (SkillLevel("vip", MANY),)),)}),
        ("bad_time", "queues", {"speech": Speech(first=TOO_LONG)}),
        ("bad_time", "queues", {"speech": Speech(every=0)}),
    ],
)
def test_a_number_out_of_its_bounds_is_refused(code: str, section: str, wrong: dict[str, object]) -> None:
    (definition,) = getattr(GIVEN, section)
    changed: dict[str, Any] = {section: (replace(definition, **wrong),)}
    given = replace(GIVEN, **changed)
    assert [problem.code for problem in number_problems(given)] == [code]
    assert problems(given)[0].code == code


def test_so_is_one_of_the_policy() -> None:
    given = replace(GIVEN, policy=Policy(priority_weight=TOO_LONG))
    assert [problem.code for problem in number_problems(given)] == ["bad_time"]
    assert problems(given)[0].code == "bad_time"
