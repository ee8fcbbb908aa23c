"""Who would serve, in directories whose menus lead to one another."""

from __future__ import annotations

import time

import pytest

from acd.core.model import Destination, Menu, MenuOption, State, Way
from directory.checks import KEYS
from directory.dry_run import MOST_STEPS, Step, who_serves
from directory.model import EntryPoint, Snapshot
from directory.plans import CallerKnown


def _crossed(size: int) -> Snapshot:
    """So many menus, each with a key to every other."""
    ids = [f"m{number}" for number in range(size)]
    end = Destination(Way.HANG_UP)
    menus = tuple(
        Menu(
            id=one,
            prompt="x",
            options=tuple(
                MenuOption(KEYS[place], Destination(Way.MENU, to)) for place, to in enumerate(ids) if to != one
            ),
            default=end,
        )
        for one in ids
    )
    start = Destination(Way.MENU, "m0")
    return Snapshot(menus=menus, entries=(EntryPoint(id="81", name="", queue="q", start=start),))


def _steps(step: Step) -> list[Step]:
    return [step, *(found for branch in step.branches for found in _steps(branch.step))]


@pytest.mark.parametrize("size", [4, 9, 12])
def test_menus_that_lead_to_one_another_are_told_in_bounded_time(size: int) -> None:
    begun = time.process_time()
    step = who_serves(_crossed(size), State(), "81", CallerKnown(), 0, "TW").step
    assert time.process_time() - begun < 5
    assert step is not None
    told = _steps(step)
    assert len(told) < MOST_STEPS * (size + 2)
    assert {one.id for one in told if one.kind == "menu"} == {f"m{number}" for number in range(size)}
    if size == 4:
        menus = [one for one in told if one.kind == "menu"]
        assert len(menus) == 1 + 3 + 3 * 2 + 3 * 2 * 1, "every way is told where there are few"
