"""The watch on one-way sound, with statistics that are made up: whom it puts in again, and what it counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from acd.core.inputs import Input
from acd.core.model import SECOND
from acd.core.reply import Reply
from cti.ari import Ari, AriError
from cti.lanes import Lanes
from cti.legs import Join, Leg, Legs, Role
from cti.means import Manager, Means
from cti.places import Places
from cti.sound_watch import MOST_LOOKS, SoundWatch
from tests.support.stage import Script, Seats

NOW = 100 * SECOND


class Statistics:
    """cti.ari.Ari as far as it is asked here: sources and counts by leg, and who was put in again."""

    def __init__(self, told: Mapping[str, tuple[int, int]]) -> None:
        self.told = dict(told)
        self.asked: list[str] = []
        self.moved: list[str] = []

    async def call(self, method: str, uri: str, body: object = None, **query: object) -> Any:
        leg = str(query.get("channel") or uri.split("/")[1])
        if method == "POST":
            self.moved.append(leg)
            return None
        self.asked.append(leg)
        if leg not in self.told:
            raise AriError(404, "Channel not found", uri)
        source, packets = self.told[leg]
        return {"remote_ssrc": source, "rxcount": packets}


class Bench:
    """A watch on two who talk, c1 and o1."""

    def __init__(self, *legs: Leg) -> None:
        self.ari = Statistics({"c1": (1, 5000), "o1": (2, 5000)})
        self.legs = Legs(Seats(Script()))
        for leg in legs or (Leg("c1", Role.CUSTOMER, "i1"), Leg("o1", Role.SEAT, "i1", "amy", answered=True)):
            self.legs.put(leg)
        self.legs.join(Join("b", "i1", "amy", tuple(self.legs.by_id)))
        self.lanes = Lanes("test")
        self.counted: list[str] = []
        means = Means(
            cast(Ari, self.ari), "app", self.legs, self.lanes, cast(Manager, None), Path(), self._submit, lambda: NOW
        )
        self.watch = SoundWatch(means, Places(means), self._count)

    async def _submit(self, given: Input) -> Reply | None:
        raise AssertionError(given)

    async def _count(self, leg: str) -> None:
        self.counted.append(leg)

    async def look(self) -> tuple[list[str], list[str]]:
        """Who was put in again in this round, who was counted."""
        self.ari.moved, self.counted = [], []
        await self.watch.look()
        await self.lanes.idle()
        return self.ari.moved, self.counted


@pytest.mark.asyncio
async def test_a_new_source_is_put_in_again_once_and_counted() -> None:
    bench = Bench()
    assert await bench.look() == ([], [])
    assert await bench.look() == ([], [])
    bench.ari.told["c1"] = (9, 10)
    assert await bench.look() == (["c1"], ["c1"])
    assert await bench.look() == ([], [])


@pytest.mark.asyncio
async def test_who_has_no_sound_is_left_alone() -> None:
    bench = Bench()
    bench.ari.told = {"c1": (0, 0)}  # nothing received yet; o1 is gone
    assert await bench.look() == ([], [])
    bench.ari.told = {"c1": (7, 10)}
    assert await bench.look() == ([], [])  # his first source


@pytest.mark.asyncio
async def test_a_phone_that_renegotiated_is_put_in_again_and_not_counted() -> None:
    bench = Bench()
    await bench.look()
    bench.watch.excuse("o1")
    bench.ari.told["o1"] = (9, 10)
    assert await bench.look() == (["o1"], [])
    bench.ari.told["o1"] = (10, 10)
    assert await bench.look() == (["o1"], ["o1"])


@pytest.mark.asyncio
async def test_a_source_that_began_after_its_leg_came_in_is_no_fault_but_made_sure_of() -> None:
    bench = Bench()
    bench.legs.change("c1", entered_at=NOW - 4 * SECOND)
    bench.ari.told["c1"] = (1, 100)  # 2 s of sound in 4 s: another source may have been there before
    assert await bench.look() == (["c1"], [])
    assert await bench.look() == ([], [])


@pytest.mark.asyncio
async def test_who_was_on_hold_begins_anew() -> None:
    bench = Bench()
    await bench.look()
    bench.legs.part("c1")
    await bench.look()
    bench.ari.told["c1"] = (9, 5000)
    bench.legs.enter("c1", "b", "i1")
    assert await bench.look() == ([], [])


@pytest.mark.asyncio
async def test_many_legs_take_turns() -> None:
    legs = [Leg(f"l{number:03}", Role.CUSTOMER, "i1") for number in range(MOST_LOOKS + 50)]
    bench = Bench(*legs)
    await bench.look()
    await bench.look()
    assert len(bench.ari.asked) == 2 * MOST_LOOKS
    assert set(bench.ari.asked) == {leg.id for leg in legs}
