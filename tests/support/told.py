"""Logs of a driven core, for those who read facts: every kind of contact, as the rules of the seeded driver make it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from acd.core import inputs as i
from acd.core.codec import dump, kind_of
from acd.core.facts import Recorded
from acd.core.model import SECOND
from acd.ports import StoredFact
from tests.support import rules
from tests.support.choose import Choose, Seeded
from tests.support.world import World


def told(seed: int, steps: int, *, drained: bool = True) -> list[Recorded]:
    """The facts of a run of `steps` inputs; `drained`: in the end everybody has left."""
    choose = Seeded(seed)
    world = World()
    rules.set_up(world, choose)
    for _ in range(steps):
        given = _next(world, choose)
        if given is not None:
            world.give(given)
        world.wait(choose.below(3) * SECOND)
    if drained:
        world.drain()
    return world.log


def stored(log: list[Recorded]) -> list[StoredFact]:
    """The facts as rows of a log."""
    return [
        StoredFact(one.seq, one.at, one.step, one.by, one.via, one.inbox, kind_of(one.fact), one.fact.V, dump(one.fact))
        for one in log
    ]


def _next(world: World, choose: Choose) -> i.Input | None:
    turn = choose.below(10)
    if turn < 4:
        seat = rules.subject_seat(choose)
        return _weighed(rules.ABOUT_SEATS, choose)(world, choose, seat)
    if turn < 7 and world.state.items:
        item = rules.subject_item(world, choose)
        return _weighed(rules.ABOUT_ITEMS, choose)(world, choose, item)
    return _weighed(rules.ABOUT_NEITHER, choose)(world, choose)


def _weighed(
    table: Mapping[str, tuple[Callable[..., i.Input | None], int]], choose: Choose
) -> Callable[..., i.Input | None]:
    place = choose.below(sum(weight for _, weight in table.values()))
    for maker, weight in table.values():
        place -= weight
        if place < 0:
            return maker
    raise AssertionError("weights are positive")
