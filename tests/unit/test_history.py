"""Figures of calls that the dialplan's plain queue served: booked where the caller waited, as records has them."""

from __future__ import annotations

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from dashboards.history import VisitEnd, read_history
from records.fold import Rules, fold
from records.model import Case
from tests.support.scene import Scene, key, queue, to

MENU = m.Menu("menu", "choose", (key("1", m.Way.QUEUE, "sales"),), to(m.Way.QUEUE, "vip"), 5 * SECOND, 2)


def served_by_the_fallback(scene: Scene, talked_before: bool) -> str:
    """A caller who chose sales in the menu; the engine went, the plain queue gave him to seat a."""
    scene.define(MENU)
    plan = m.EntryPlan("e", 1, "", start=to(m.Way.MENU, "menu"))
    item = scene.done(i.CallEntered("leg", plan)).item
    scene.done(i.LegArrived("leg"))
    scene.seat("a", "sales", ready=talked_before)
    scene.done(i.DigitPressed("leg", "1"))
    if talked_before:
        scene.answer(item)
        scene.wait(5)
    gone = scene.now
    scene.done(i.FallbackTook("leg"))
    scene.wait(60)
    times = (gone + SECOND, gone + 2 * SECOND, gone + 30 * SECOND)
    scene.done(i.FallbackServed("leg", plan, *times, "a"))
    return item


@pytest.mark.parametrize("talked_before", [False, True])
def test_what_the_fallback_served_counts_for_the_queue_the_caller_chose(talked_before: bool) -> None:
    """Visit and handling stand in the same queue in figures and in records; one end, answered, 28 s of talk."""
    scene = Scene(queue("sales"), queue("vip"))
    item = served_by_the_fallback(scene, talked_before)
    history = read_history(scene.world.log, scene.now)
    parts = 2 if talked_before else 1
    assert [visit.queue for visit in history.visits] == ["sales"] * parts
    assert [visit.end for visit in history.visits] == [VisitEnd.ANSWERED] * parts
    assert [part.queue for part in history.handled] == ["sales"] * parts
    assert history.handled[-1].talk == 28 * SECOND

    case: Case | None = None
    for recorded in scene.world.log:
        if getattr(recorded.fact, "item", "") == item:
            case = fold(case, recorded, Rules())
    assert case is not None
    assert case.record is not None
    assert [handling.queue for handling in case.handlings] == ["sales"] * parts
    assert case.record.queue == "sales"
    ended_at = scene.facts(f.FallbackCallServed)[0].ended_at
    assert (case.interaction.phase, case.interaction.ended_at) == ("ended", ended_at)
    assert all(segment.ended_at >= segment.started_at for segment in case.segments)


def test_times_of_another_clock_come_after_what_was_seen() -> None:
    """The switch's clock runs behind: an answer told from before the call was queued counts from when it was."""
    scene = Scene(queue("sales"))
    item = scene.call("sales")
    leg, queued = scene.state.items[item].leg, scene.state.items[item].queued_at
    scene.wait(10)
    early = queued - 20 * SECOND
    times = (early, early + SECOND, early + 2 * SECOND)
    scene.done(i.FallbackServed(leg, m.EntryPlan("e", 1, "sales"), *times, "a"))
    case: Case | None = None
    for recorded in scene.world.log:
        if getattr(recorded.fact, "item", "") == item:
            case = fold(case, recorded, Rules())
    assert case is not None
    assert case.record is not None
    assert case.record.contact_at == case.record.service_start_at == case.record.conversation_end_at == queued
    assert all(segment.ended_at >= segment.started_at for segment in case.segments)
