"""acd.why: each refusal has its rule, and a decision that the rules would not have made is reported."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd import why
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from tests.support.scene import Scene, queue, skill


def waiting() -> tuple[Scene, str]:
    """Seat "a" at a meal, and a caller who waits."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.choose("a", "meal")
    return scene, scene.call("q")


def refused(scene: Scene, item: str) -> why.Rule | None:
    """Why "a" does not get it."""
    return next(one.refused for one in why.seats_for(scene.state, item).seats if one.seat == "a")


def test_every_rule_of_refusal() -> None:
    """One story through all the rules, each named in turn."""
    scene, item = waiting()
    seen = {refused(scene, item)}
    for given in (
        i.ShiftChanged("a", False),
        i.SeatSignedOut("a"),
        i.ShiftChanged("a", True),
        i.SeatSignedIn("a"),
        i.StatusChosen("a", m.Presence.VOICE, "ready"),
    ):
        scene.done(given)
        seen.add(refused(scene, item))
    scene.wait(21)
    seen.add(refused(scene, item))
    scene.done(i.PhoneChanged("a", False))
    scene.done(i.StatusChosen("a", m.Presence.VOICE, "ready"))
    seen.add(refused(scene, item))
    scene.done(i.PhoneChanged("a", True))
    scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 603, 21))
    seen.add(refused(scene, item))
    scene.wait(6)
    second = scene.call("q")
    seen.add(refused(scene, second))
    scene.done(i.QueueDefined(queue(wrap_up=m.WrapUpRule(m.WrapUpEnding.BY_HAND))))
    scene.answer(item)
    chat = scene.text("q")
    seen.add(refused(scene, chat))
    scene.hang_up(item)
    seen.add(refused(scene, second))
    seen.add(refused(scene, scene.text("q", needs=(skill("zh"),))))
    scene.done(i.QueueDefined(queue("other")))
    seen.add(refused(scene, scene.text("other")))
    scene.done(i.DirectCallStarted("d", "a", m.DirectKind.DIRECT, "d", found=True))
    scene.done(i.SeatSignedOut("a", forced=True))
    seen.add(refused(scene, scene.text("q")))
    assert seen >= set(why.Rule) - {why.Rule.ONE_CASE, why.Rule.LAST_AGENT, why.Rule.CAPACITY, why.Rule.LINE_FULL}

    scene = Scene(queue(last_agent_first=True, last_agent_wait=9 * SECOND))
    scene.seat("b", "q", limits=(m.MediumLimit("chat", 1),))
    scene.answer(scene.text("q"))
    scene.seat("a", "q", one_open_case=True)
    kept = scene.text("q", last_seat="b")
    seen.add(refused(scene, kept))
    case = scene.text("q")
    scene.answer(case)
    scene.done(i.MessageNoted(case, m.Party.SEAT))
    seen.add(refused(scene, scene.text("q")))
    scene.done(i.SeatProfileSet(replace(scene.state.seats["a"].profile, one_open_case=False, total_limit=1)))
    seen.add(refused(scene, scene.text("q")))
    assert seen >= set(why.Rule) - {why.Rule.LINE_FULL}  # of callbacks alone: test_core_callback_promises


def test_a_seats_view_lists_what_it_may_get_in_its_order() -> None:
    """Best first; what it may not get is named with its rule."""
    scene, first = waiting()
    urgent = scene.call("q", priority=1000)
    skilled = scene.call("q", needs=(skill("zh"),))
    scene.done(i.SeatProfileSet(m.SeatProfile("b", "", (m.SeatQueue("q"),))))
    scene.sign_in("b")
    view = why.items_for(scene.state, "b")
    assert dict(view.refused) == {first: why.Rule.STATUS, urgent: why.Rule.STATUS, skilled: why.Rule.SKILL}
    scene.world.state.seats["b"].voice.status = "ready"  # as if the agent chose now, to look before anything is offered
    view = why.items_for(scene.state, "b")
    assert [one.item for one in view.items] == [urgent, first]
    assert view.best == urgent
    assert dict(view.refused) == {skilled: why.Rule.SKILL}


def a_log() -> list[f.Recorded]:
    """Some decisions of every rule."""
    scene = Scene(queue(last_agent_first=True))
    for name in "ab":
        scene.seat(name, "q")
        scene.wait(1)
    calls = [scene.call("q", last_seat="b" if number == 1 else "") for number in range(4)]
    for item in calls[:2]:
        scene.answer(item)
        scene.hang_up(item)
    scene.choose("a", "away")
    scene.choose("b", "away")
    chat = scene.text("q")
    scene.refused(i.ItemPicked("a", chat))
    for item in calls[2:]:
        scene.hang_up(item)
    scene.done(i.ItemPicked("a", chat))
    return scene.world.log


def test_a_correct_log_is_recomputed_equal() -> None:
    """Each rule occurs and each decision agrees."""
    report = why.recompute(a_log())
    assert report.holds
    assert report.decisions == report.equal >= 5
    assert set(report.by_rule) == {"seat_for_item", "item_for_seat", "last_agent", "pickup"}


@pytest.mark.parametrize(
    "change",
    [
        {"seat": "b"},
        {"score": (1,)},
        {"candidates": 7},
        {"relaxed": True},
        {"strategy": m.Strategy.EQUAL_LOAD},
        {"revision": 99},
    ],
)
def test_a_forged_decision_is_found(change: dict[str, object]) -> None:
    """Another seat, score, count, mode or revision than the rules give is a difference with words."""
    log = a_log()
    at = next(n for n, one in enumerate(log) if isinstance(one.fact, f.Offered))
    offered = log[at].fact
    assert isinstance(offered, f.Offered)
    assert offered.seat == "a"
    forged = replace(log[at], fact=replace(offered, **change))  # type: ignore[arg-type]
    report = why.recompute([*log[:at], forged])
    assert not report.holds
    assert report.differences[0].problem
