"""The ways out of a queue: closed, overflown, empty or retired, none of them endless and none a dead end."""

from __future__ import annotations

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import leading
from acd.core import model as m
from acd.core.decide import Core
from acd.core.model import SECOND, Outcome, Party, Phase, Way
from acd.core.reply import Code
from tests.support.led import FAR, centre, outcome
from tests.support.scene import Scene, queue, to

OUT = to(Way.OUTSIDE, route=FAR)


def decline(scene: Scene) -> None:
    """The number outside that is rung now is busy."""
    scene.done(i.OfferRefused(scene.facts(f.Invited)[-1].leg, m.OfferResult.REJECTED, 486, 17))


# --- outside ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("D6")
def test_a_closed_queue_rings_its_number_outside_once() -> None:
    """Nobody is there: he waits at his old place, and the number is not rung for ever."""
    scene = centre(queue("service", closed=OUT))
    item = scene.call("service")
    order = scene.state.items[item].order
    scene.done(i.QueueOpenChanged("service", False))
    decline(scene)
    assert (scene.phase(item), scene.state.items[item].order) == (Phase.WAITING, order)
    scene.wait(3600)
    assert len(scene.facts(f.Invited)) == 1


@pytest.mark.feature("D6")
def test_a_closed_queue_behind_a_closed_queue_rings_its_number_outside_once() -> None:
    """Nor is he hung up because the other queue would end him: he waits where he was."""
    scene = centre(queue("service", closed=to(Way.QUEUE, "sales")), queue("sales", closed=OUT))
    item = scene.call("service")
    scene.done(i.QueueOpenChanged("sales", False))
    scene.done(i.QueueOpenChanged("service", False))
    decline(scene)
    scene.wait(3600)
    assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "service")
    assert len(scene.facts(f.Invited)) == 1


@pytest.mark.feature("D6", "V7")
def test_an_agents_failed_transfer_still_leads_out_of_a_closed_queue() -> None:
    """No rule has tried the number outside yet: it is tried once."""
    scene = centre(queue("service", closed=OUT))
    scene.choose("a", "ready")
    item = scene.call("service")
    scene.answer(item)
    scene.done(i.QueueOpenChanged("service", False))
    scene.done(i.TransferAsked("a", item, m.Target(m.TargetKind.EXTENSION, "555")))
    scene.choose("a", "meal")
    decline(scene)
    assert scene.facts(f.Invited)[-1].route == FAR
    decline(scene)
    scene.wait(3600)
    assert len(scene.facts(f.Invited)) == 2
    assert scene.phase(item) is Phase.WAITING


@pytest.mark.feature("D6")
def test_a_menu_behind_a_closed_queue_rings_its_number_outside_once() -> None:
    """However often he is silent in the menu. By his own key he may try it again."""
    scene = centre(queue("service", closed=to(Way.MENU, "night")))
    scene.define(m.Menu("night", "words", (m.MenuOption("1", OUT),), OUT, tries=1))
    scene.done(i.QueueOpenChanged("service", False))
    item = scene.call("service")
    scene.wait(130)
    assert scene.facts(f.Invited)[0].route == FAR
    decline(scene)
    scene.wait(600)
    assert (scene.phase(item), len(scene.facts(f.Invited))) == (Phase.MENU, 1)
    scene.press(item, "1")
    decline(scene)
    scene.wait(600)
    assert (scene.phase(item), len(scene.facts(f.Invited))) == (Phase.MENU, 2)


@pytest.mark.feature("D6")
def test_who_waits_may_be_led_outside_again_by_his_own_key() -> None:
    """Nobody was there the first time; he asks for it himself."""
    scene = centre(queue("service", keys=(m.MenuOption("1", OUT),)))
    item = scene.call("service")
    for _ in range(2):
        scene.press(item, "1")
        decline(scene)
    assert (scene.phase(item), len(scene.facts(f.Invited))) == (Phase.WAITING, 2)


@pytest.mark.feature("D6")
def test_a_longest_wait_leads_outside_once_and_then_ends() -> None:
    """Nobody was there: he waits at his old place as long again, and then has no way out left."""
    scene = centre(queue("service", max_wait=30 * SECOND, overflow=OUT))
    item = scene.call("service")
    order = scene.state.items[item].order
    scene.wait(31)
    decline(scene)
    assert (scene.phase(item), scene.state.items[item].order) == (Phase.WAITING, order)
    scene.wait(30)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)
    assert (len(scene.facts(f.Invited)), scene.facts(f.LineOverflowed)) == (1, [])


@pytest.mark.feature("D6")
def test_another_number_outside_is_tried_where_nobody_was_at_the_first() -> None:
    """The menu's, then the queue's, each once."""
    other = m.Route("a-8", "carrier")
    overflow = to(Way.OUTSIDE, route=other)
    scene = centre(queue("service", max_wait=30 * SECOND, overflow=overflow, keys=(m.MenuOption("1", OUT),)))
    item = scene.call("service")
    scene.press(item, "1")
    decline(scene)
    scene.wait(31)
    decline(scene)
    assert [one.route for one in scene.facts(f.Invited)] == [FAR, other]
    scene.wait(31)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


@pytest.mark.feature("D6")
def test_who_was_with_a_seat_is_led_outside_anew() -> None:
    """What nobody answered before says nothing of what follows a conversation."""
    scene = centre(queue("service", max_wait=30 * SECOND, overflow=OUT))
    item = scene.call("service")
    scene.wait(31)
    decline(scene)
    scene.choose("a", "ready")
    scene.answer(item)
    scene.choose("a", "meal")
    lose_agent(scene, item)
    scene.wait(31)
    assert [one.route for one in scene.facts(f.Invited)] == [FAR, FAR]


def waiting_for_a_line() -> tuple[Scene, str, str]:
    """A caller whose longest wait is over while the line out is taken; gives who has the line, and the caller."""
    scene = centre(queue("service", max_wait=30 * SECOND, overflow=OUT), queue("sales"))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    on_line = scene.enter(m.EntryPlan("e", 1, "sales", trunk="carrier"))
    item = scene.call("service")
    scene.wait(31)
    assert scene.phase(item) is Phase.WAITING
    return scene, on_line, item


@pytest.mark.feature("V15")
def test_who_found_the_line_out_full_is_led_out_when_it_has_room() -> None:
    """At once, and he is counted as one call over the cap however long that takes."""
    scene, on_line, item = waiting_for_a_line()
    scene.wait(300)
    assert scene.facts(f.LineOverflowed) == [f.LineOverflowed("carrier", "")]
    scene.hang_up(on_line)
    assert [one.item for one in scene.facts(f.Invited)] == [item]


@pytest.mark.feature("V15")
@pytest.mark.parametrize("room", ["one goes", "a higher cap", "no cap"])
def test_who_wait_for_the_line_out_go_in_their_order_whenever_it_has_room(room: str) -> None:
    """Whoever of them was looked at last."""
    scene, on_line, first = waiting_for_a_line()
    scene.wait(1)
    second = scene.call("service")
    scene.wait(45)
    assert (scene.phase(first), scene.phase(second)) == (Phase.WAITING, Phase.WAITING)
    if room == "one goes":
        scene.hang_up(on_line)
    else:
        scene.done(i.TrunkDefined(m.TrunkDef("carrier", 2 if room == "a higher cap" else 0)))
    expected = [first, second] if room == "no cap" else [first]
    assert [one.item for one in scene.facts(f.Invited)] == expected
    decline(scene)
    assert [one.item for one in scene.facts(f.Invited)] == [first, second]


@pytest.mark.feature("V15", "V17")
def test_who_waits_for_the_line_out_goes_before_a_callback() -> None:
    """An agent is free for the callback; he has been on the line longer."""
    scene, on_line, item = waiting_for_a_line()
    plan = m.EntryPlan("e", 1, "sales", address="a-2", callback=m.Route("a-2", "carrier"))
    task = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", plan)).item
    scene.hang_up(on_line)
    scene.seat("b", "sales")
    assert [one.item for one in scene.facts(f.Invited)] == [item]
    assert scene.offered_to(task) == ""
    decline(scene)
    assert scene.offered_to(task) == "b"


def test_a_line_without_room_costs_no_look_at_each_who_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And one that has room costs a look at as many as it has room for, and one more."""
    scene, on_line, first = waiting_for_a_line()
    others = [scene.call("service") for _ in range(20)]
    scene.wait(31)
    looked: list[str] = []
    real = leading.lead

    def lead(core: Core, item: m.WorkItem, way: m.Destination) -> bool:
        looked.append(item.id)
        return real(core, item, way)

    monkeypatch.setattr(leading, "lead", lead)
    scene.call("sales")
    assert looked == []
    scene.hang_up(on_line)
    assert looked == [first, others[0]]


@pytest.mark.feature("V15")
def test_who_finds_the_line_out_full_again_is_counted_again() -> None:
    """He was with an agent in between, whose phone died: his longest wait began anew."""
    scene, _, item = waiting_for_a_line()
    scene.seat("b", "service")
    scene.answer(item)
    scene.choose("b", "meal")
    lose_agent(scene, item)
    scene.wait(31)
    assert scene.phase(item) is Phase.WAITING
    assert len(scene.facts(f.LineOverflowed)) == 2


def test_who_is_rung_for_when_the_line_is_tried_again_leaves_when_that_came_to_nothing() -> None:
    """Nobody is torn away from an agent's ringing phone."""
    scene, on_line, item = waiting_for_a_line()
    scene.wait(28)
    scene.seat("b", "service")
    scene.hang_up(on_line)
    scene.wait(3)
    assert (scene.offered_to(item), scene.facts(f.Invited)) == ("b", [])
    scene.wait(20)
    assert scene.facts(f.Invited)[0].item == item


def test_who_is_rung_for_before_his_line_is_looked_at_again_leaves_when_that_came_to_nothing() -> None:
    """The line had room when the agent declined, long before its next look."""
    scene, on_line, item = waiting_for_a_line()
    scene.seat("b", "service")
    scene.hang_up(on_line)
    scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 486, 17))
    assert scene.facts(f.Invited)[0].item == item


def test_a_longest_wait_whose_line_out_does_not_exist_ends() -> None:
    """It will not come back by itself: the timeout holds, at the first try or a later one."""
    scene = centre(queue("service", max_wait=30 * SECOND, overflow=OUT))
    scene.done(i.TrunkRetired("carrier"))
    item = scene.call("service")
    scene.wait(31)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)
    scene, _, item = waiting_for_a_line()
    scene.done(i.TrunkRetired("carrier"))
    scene.wait(31)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


# --- retired ---------------------------------------------------------------------------------------------------------


def lose_agent(scene: Scene, item: str) -> None:
    """The agent's phone dies: the customer waits again."""
    leg = scene.state.seats[scene.state.items[item].seat].handlings[item].offer
    scene.done(i.PartyLeft(leg, hung_up=False))


def talking(*queues: str) -> tuple[Scene, str]:
    """A customer of queue q talks; an agent is free in the last queue."""
    scene = Scene(*(queue(name) for name in queues))
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    scene.seat("b", queues[-1])
    return scene, item


def test_who_comes_back_to_a_retired_queue_goes_where_its_callers_went() -> None:
    """From one to the next, to the one that is there."""
    scene, item = talking("q", "r", "s")
    scene.done(i.QueueRetired("q", "r"))
    scene.done(i.QueueRetired("r", "s"))
    lose_agent(scene, item)
    assert (scene.state.items[item].queue, scene.offered_to(item)) == ("s", "b")


def test_queues_retired_in_a_circle_keep_who_comes_back() -> None:
    """No queue is left to go to: he waits at his old place."""
    scene, item = talking("q", "r")
    scene.done(i.QueueDefined(queue("q", retired=True, moved_to="r")))
    scene.done(i.QueueDefined(queue("r", retired=True, moved_to="q")))
    scene.choose("a", "meal")
    lose_agent(scene, item)
    assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "q")


def test_a_queue_that_drained_may_be_moved_later() -> None:
    """Whoever comes back to it after that is moved too; the same word again changes nothing."""
    scene, item = talking("q", "r")
    scene.done(i.QueueRetired("q"))
    scene.done(i.QueueRetired("q", "r"))
    assert scene.give(i.QueueRetired("q", "r")).facts == ()
    lose_agent(scene, item)
    assert (scene.state.items[item].queue, scene.offered_to(item)) == ("r", "b")


def test_a_message_for_a_queue_that_was_moved_comes_to_the_other() -> None:
    """It was retired while he spoke."""
    scene = centre(queue("service"), queue("sales"), queue("third"))
    item = scene.enter(m.EntryPlan("e", 1, "service", start=to(Way.VOICEMAIL, "service")))
    scene.done(i.QueueRetired("service", "sales"))
    scene.done(i.QueueRetired("sales", "third"))
    scene.hang_up(item)
    assert scene.state.items[scene.facts(f.VoicemailLeft)[0].task].queue == "third"


# --- nobody there ----------------------------------------------------------------------------------------------------


def transferred(empty: m.Destination, *more: m.QueueDef) -> tuple[Scene, str, Code | None]:
    """A customer is transferred to a queue that nobody serves; what the agent is told."""
    scene = Scene(queue("q"), queue("r", empty=empty), *more)
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    reply = scene.give(i.TransferAsked("a", item, m.Target(m.TargetKind.QUEUE, "r"))).reply
    return scene, item, getattr(reply, "code", None)


@pytest.mark.feature("V7")
@pytest.mark.parametrize("way", [Way.VOICEMAIL, Way.CALLBACK, Way.OUTSIDE])
def test_a_queue_nobody_serves_takes_whom_it_cannot_lead_on(way: Way) -> None:
    """Its rule for that has no way here, so he waits there, and the transfer is not refused."""
    scene, item, code = transferred(to(way))
    assert code is None
    assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "r")


@pytest.mark.feature("V7")
def test_a_transfer_that_would_be_hung_up_is_refused() -> None:
    """By the rule of the queue that nobody serves, or by the one it leads to."""
    _, _, by_itself = transferred(to(Way.HANG_UP))
    full = queue("s", max_length=1)
    scene = Scene(queue("q"), queue("r", empty=to(Way.QUEUE, "s")), full)
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    scene.call("s")
    behind = scene.refused(i.TransferAsked("a", item, m.Target(m.TargetKind.QUEUE, "r")))
    assert (by_itself, behind.code) == (Code.QUEUE_CLOSED, Code.QUEUE_CLOSED)
    assert scene.phase(item) is Phase.ACTIVE
