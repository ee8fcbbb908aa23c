"""A callback that was promised: kept whatever becomes of the caller's line, given up only for a reason, never twice."""

from __future__ import annotations

from collections.abc import ValuesView

import pytest

from acd import why
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.match import Index
from acd.core.model import SECOND, Outcome, Party, Phase
from acd.core.reply import Code
from records.fold import Rules, fold_into
from records.model import Case, MarkKind
from tests.support.led import PLAN, ROUTE, centre, outcome
from tests.support.scene import Scene, key, queue

WORDS = key("2", m.Way.CALLBACK, prompt="we call")


def promised() -> tuple[Scene, str, str]:
    """A caller who hears that he will be called back; gives his item and his callback, which begins when he has
    gone."""
    scene = centre(queue("service", keys=(WORDS,)), queue("sales"), queue("third"))
    item = scene.enter(PLAN)
    scene.press(item, "2")
    task = scene.facts(f.CallbackTaken)[0].task
    assert (scene.phase(item), scene.phase(task)) == (Phase.SAYING, Phase.ENTERED)
    return scene, item, task


def served(scene: Scene, leg: str, *, answered: bool, plan: m.EntryPlan = PLAN) -> None:
    """The dialplan's plain queue tells how a call ended there."""
    answered_at = scene.now if answered else 0
    scene.done(i.FallbackServed(leg, plan, scene.now - 1, answered_at, scene.now, "", True))


def leg_of(scene: Scene, item: str) -> str:
    return scene.state.items[item].leg


# --- kept ------------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V17")
def test_a_promise_holds_where_nobody_saw_the_caller_go() -> None:
    """He hung up during the last words while the engine was away: he is called back from his place."""
    scene, item, task = promised()
    scene.done(i.PartyLeft(leg_of(scene, item), observed=False, not_before=scene.now))
    assert outcome(scene, item)[0] is Outcome.UNOBSERVED
    assert (scene.phase(task), scene.state.items[task].queue) == (Phase.WAITING, "service")


@pytest.mark.feature("V17")
def test_a_promise_begins_only_when_the_plain_queue_has_let_him_go() -> None:
    """There his phone is busy, and he is called once; however it ended there unanswered, he is called."""
    for told in (True, False):
        scene, item, task = promised()
        leg = leg_of(scene, item)
        scene.done(i.FallbackTook(leg))
        assert (scene.phase(item), scene.phase(task)) == (Phase.PARKED, Phase.ENTERED)
        if told:
            served(scene, leg, answered=False)
        else:
            scene.done(i.PartyLeft(leg))
        assert scene.phase(task) is Phase.WAITING


@pytest.mark.feature("V17")
def test_a_promise_holds_where_the_plain_queue_had_him_and_we_heard_of_it_late() -> None:
    """No word that it took him, only how it ended: nobody answered."""
    scene, item, task = promised()
    served(scene, leg_of(scene, item), answered=False)
    assert scene.phase(task) is Phase.WAITING


@pytest.mark.feature("V17")
def test_a_place_is_kept_in_the_queue_that_took_over_from_another() -> None:
    """His queue was moved to another, and that one to a third, while he heard the last words."""
    scene, item, task = promised()
    scene.done(i.QueueRetired("service", "sales"))
    scene.done(i.QueueRetired("sales", "third"))
    scene.hang_up(item)
    assert (scene.phase(task), scene.state.items[task].queue) == (Phase.WAITING, "third")


@pytest.mark.feature("V17")
@pytest.mark.parametrize("gone", ["before", "after"])
def test_a_promise_is_kept_in_a_queue_that_was_archived_and_has_no_successor(gone: str) -> None:
    """Whether he hung up a moment before or after: it waits there like the others, and is served."""
    scene, item, task = promised()
    place = scene.state.items[task].order
    if gone == "before":
        scene.hang_up(item)
    scene.done(i.QueueRetired("service"))
    if gone == "after":
        scene.hang_up(item)
    known = scene.state.items[task]
    assert (known.phase, known.queue, known.order) == (Phase.WAITING, "service", place)
    scene.choose("a", "ready")
    assert scene.offered_to(task) == "a"


# --- settled ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V17")
@pytest.mark.parametrize("took", [True, False])
def test_who_was_answered_in_the_plain_queue_is_not_called_back(took: bool) -> None:
    """He had his person."""
    scene, item, task = promised()
    leg = leg_of(scene, item)
    if took:
        scene.done(i.FallbackTook(leg))
    served(scene, leg, answered=True)
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)


@pytest.mark.feature("V17")
def test_a_waiting_callback_is_settled_by_a_later_call_that_was_answered_without_us() -> None:
    """Only by a later one, and only this customer's."""
    scene, item, task = promised()
    scene.hang_up(item)
    early = i.FallbackServed("old", PLAN, 1, 2, 3, "", True)
    other = m.EntryPlan("e", 1, "service", address="a-2")
    scene.done(early)
    served(scene, "elsewhere", answered=True, plan=other)
    served(scene, "unknown", answered=True, plan=m.EntryPlan("e", 1, "service"))
    assert scene.phase(task) is Phase.WAITING
    served(scene, "new", answered=True)
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)


@pytest.mark.feature("V17")
def test_who_waits_on_another_call_is_not_called_back_when_the_first_ends() -> None:
    """Two calls of his: the first heard the promise, the second waits."""
    scene, item, task = promised()
    again = scene.enter(PLAN)
    scene.choose("a", "ready")
    assert scene.offered_to(again) == "a"
    scene.hang_up(item)
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert scene.phase(again) is Phase.OFFERED


@pytest.mark.feature("V17")
@pytest.mark.parametrize("before", [False, True], ids=["called again after the promise", "on two calls at once"])
def test_who_waits_on_another_call_has_the_place_that_was_promised(before: bool) -> None:
    """He waited ten minutes for it, and is served before those who came meanwhile; the second call of two that he waits
    on stays where it is."""
    scene = centre(queue("service", keys=(WORDS,)), queue("sales"))
    item = scene.enter(PLAN)
    scene.wait(300)
    others = [scene.call("service")]
    again = scene.enter(PLAN) if before else ""
    scene.wait(300)
    place = scene.state.items[item].order
    scene.press(item, "2")
    others.append(scene.call("service"))
    again = again or scene.enter(PLAN)
    third = scene.enter(PLAN)
    scene.hang_up(item)
    assert outcome(scene, scene.facts(f.CallbackTaken)[0].task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert scene.state.items[again].order == place < scene.state.items[third].order
    scene.choose("a", "ready")
    assert scene.offered_to(again) == "a"
    scene.hang_up(again)
    assert scene.offers()[1][0] == others[0]


@pytest.mark.feature("V17")
def test_a_call_that_waits_longer_than_its_callback_keeps_its_own_place() -> None:
    """The promise was made on the later of two calls."""
    scene = centre(queue("service", keys=(WORDS,)), queue("sales"))
    early = scene.enter(PLAN)
    scene.wait(60)
    item = scene.enter(PLAN)
    place = scene.state.items[early].order
    scene.press(item, "2")
    scene.hang_up(item)
    assert scene.state.items[early].order == place
    assert scene.phase(scene.facts(f.CallbackTaken)[0].task) is None


@pytest.mark.feature("V17")
def test_who_called_while_his_callback_rang_at_an_agent_has_its_place_when_that_came_to_nothing() -> None:
    scene, item, task = promised()
    place = scene.state.items[task].order
    scene.hang_up(item)
    scene.wait(60)
    scene.seat("b", "service")
    assert scene.offered_to(task) == "b"
    again = scene.enter(PLAN)
    assert scene.state.items[again].order > place
    scene.done(i.OfferRefused(scene.state.items[task].offer, m.OfferResult.REJECTED, 486, 17))
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert scene.state.items[again].order == place


class Contacts(dict[str, m.WorkItem]):
    """The open contacts, and how often all of them were looked at."""

    looks = 0

    def values(self) -> ValuesView[m.WorkItem]:  # type: ignore[override]
        """As a dict's, counted."""
        self.looks += 1
        return super().values()


def test_only_for_a_callback_is_looked_whether_its_customer_waits_himself() -> None:
    """All contacts are looked at for that: a declined chat costs nothing of it."""
    for kind, looks in ((m.Kind.CHAT, 0), (m.Kind.CALLBACK, 1)):
        scene = Scene(queue())
        medium = "chat" if kind is m.Kind.CHAT else "voice"
        plan = m.EntryPlan("e", 1, "q", medium, address="a-1", callback=ROUTE)
        scene.seat("a", "q")
        item = scene.done(i.ItemArrived(kind, "web", plan)).item
        scene.state.items = contacts = Contacts(scene.state.items)
        scene.world.core.decide(i.OfferRefused(contacts[item].offer, m.OfferResult.REJECTED), i.Stamp(scene.now))
        assert (contacts[item].phase, contacts.looks) == (Phase.WAITING, looks)


@pytest.mark.feature("V17")
def test_a_callback_whose_agent_is_lost_is_dropped_where_the_customer_waits_himself() -> None:
    """His phone was being rung when he called; the agent's phone died before he picked up."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.choose("a", "ready")
    scene.answer(task)
    assert scene.phase(task) is Phase.DIALLING
    again = scene.enter(PLAN)
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert again in scene.state.items


@pytest.mark.feature("V17")
@pytest.mark.parametrize("by", ["another call", "the plain queue"])
def test_who_was_called_back_and_waits_on_the_line_is_not_hung_up(by: str) -> None:
    """Another call from his number, a switchboard's, takes a callback's place, not a person's on the line."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.choose("a", "ready")
    scene.answer(task)
    scene.done(i.OfferAnswered(leg_of(scene, task)))
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    assert scene.phase(task) is Phase.WAITING
    if by == "another call":
        scene.enter(PLAN)
    else:
        served(scene, "new", answered=True)
    assert scene.phase(task) is Phase.WAITING


# --- its line --------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V17")
def test_a_callback_without_its_line_ends_instead_of_ringing_for_ever() -> None:
    """The line was taken out of the configuration: one agent is rung once, and is free at once."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.done(i.TrunkRetired("carrier"))
    scene.choose("a", "ready")
    scene.answer(task)
    assert outcome(scene, task) == (Outcome.UNREACHABLE, Party.SYSTEM)
    scene.wait(60)
    assert len(scene.offers()) == 1
    assert scene.seen("a") is m.SeatState.READY


@pytest.mark.feature("V15", "V17")
def test_a_callback_keeps_its_place_while_its_line_is_full() -> None:
    """That passes: he is called as soon as the line has room."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    on_line = scene.enter(m.EntryPlan("e", 1, "third", greeting="hello", trunk="carrier"))
    scene.choose("a", "ready")
    assert {one.refused for one in why.seats_for(scene.state, task).seats} == {why.Rule.LINE_FULL}
    assert scene.offered_to(task) == ""
    scene.hang_up(on_line)
    scene.answer(task)
    assert scene.phase(task) is Phase.DIALLING


@pytest.mark.feature("D13", "V15", "V17")
def test_a_callback_is_not_picked_up_by_hand_while_its_line_is_full() -> None:
    """By name it is refused and counted, as a call by hand is; without a name there is none to take."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    on_line = scene.enter(m.EntryPlan("e", 1, "third", greeting="hello", trunk="carrier"))
    assert scene.refused(i.ItemPicked("a", task)).code is Code.LINE_CAP
    assert scene.refused(i.ItemPicked("a")).code is Code.NOT_WAITING
    assert (scene.facts(f.LineOverflowed), scene.offers()) == ([f.LineOverflowed("carrier", "a")], [])
    scene.hang_up(on_line)
    scene.done(i.ItemPicked("a", task))
    scene.answer(task)
    assert scene.phase(task) is Phase.DIALLING


@pytest.mark.feature("V15", "V17")
def test_of_two_callbacks_for_one_line_the_second_waits_for_it() -> None:
    """Both rang; the first agent to answer has the line, and the other is rung again only when it is free."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    plan = m.EntryPlan("e", 1, "service", address="a-2", callback=ROUTE)
    second = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", plan)).item
    scene.choose("a", "ready")
    scene.seat("b", "service")
    scene.answer(task)
    assert scene.done(i.OfferAnswered(scene.state.items[second].offer)).note == "line_cap"
    scene.wait(30)
    assert len([one for one in scene.offers() if one[0] == second]) == 1
    scene.done(i.OfferRefused(leg_of(scene, task), m.OfferResult.REJECTED, 486, 17))
    assert scene.offered_to(second)


@pytest.mark.feature("V15", "V17")
def test_a_line_that_is_free_again_is_free_for_all_who_wait_for_it() -> None:
    """The one whose agent was lost comes back to the queue in the same step as the line becomes free."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    plan = m.EntryPlan("e", 1, "service", address="a-2", callback=ROUTE)
    scene.choose("a", "ready")
    scene.answer(task)
    second = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", plan)).item
    scene.seat("b", "service")
    scene.seat("c", "service")
    assert scene.offered_to(second) == ""
    own = scene.state.seats["a"].handlings[task].offer
    scene.give(i.PartyLeft(own, hung_up=False))
    assert {scene.offered_to(task), scene.offered_to(second)} == {"b", "c"}


@pytest.mark.feature("V15", "V17")
def test_a_line_that_turns_full_and_free_costs_no_look_at_each_who_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thousand may wait for one line, and it turns with every call on it."""
    scene = centre(queue("service"), queue("third"))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    for number in range(50):
        plan = m.EntryPlan("e", 1, "service", address=f"a-{number}", callback=ROUTE)
        scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", plan))
    looked: list[str] = []
    real = Index.item_changed

    def item_changed(index: Index, item: str) -> None:
        looked.append(item)
        real(index, item)

    monkeypatch.setattr(Index, "item_changed", item_changed)
    on_line = scene.enter(m.EntryPlan("e", 1, "third", greeting="hello", trunk="carrier"))
    scene.hang_up(on_line)
    assert set(looked) == {on_line}
    scene.choose("a", "ready")
    assert scene.offers() == [(scene.facts(f.Entered)[0].item, "a")]


@pytest.mark.feature("D2", "V17")
def test_a_callback_kept_for_its_last_agent_rings_there_when_its_line_is_free_again() -> None:
    """The agent is free all the while; only the line keeps him."""
    scene = centre(queue("service", last_agent_first=True, last_agent_wait=60 * SECOND), queue("third"))
    scene.choose("a", "ready")
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    on_line = scene.enter(m.EntryPlan("e", 1, "third", greeting="hello", trunk="carrier"))
    plan = m.EntryPlan("e", 1, "service", address="a-2", callback=ROUTE, last_seat="a")
    task = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", plan)).item
    assert (scene.offered_to(task), scene.state.items[task].sticky_seat) == ("", "a")
    scene.hang_up(on_line)
    assert scene.offered_to(task) == "a"


# --- its record ------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V17", "R2")
def test_a_try_whose_agent_was_lost_is_no_end_of_the_conversation() -> None:
    """The second try succeeds: the conversation has its own length, not one from the end of the first try. The try
    stays visible: its leg has its end, and the case the mark."""
    scene, item, task = promised()
    scene.hang_up(item)
    scene.choose("a", "ready")
    scene.answer(task)
    first = leg_of(scene, task)
    scene.wait(3)
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    scene.wait(60)
    scene.choose("a", "ready")
    scene.answer(task)
    scene.done(i.OfferAnswered(leg_of(scene, task)))
    scene.wait(120)
    scene.hang_up(task)
    cases: dict[str, Case] = {}
    for recorded in scene.world.log:
        fold_into(cases, recorded, Rules())
    case = cases[task]
    assert case.record is not None
    assert (case.record.conversation_end_at - case.record.service_start_at) // SECOND == 120
    assert case.interaction.left_at == 0
    assert [one.leg for one in case.legs if one.leg == first and one.ended_at] == [first]
    assert [(one.kind, one.subject) for one in case.marks if one.kind == MarkKind.LEFT] == [(MarkKind.LEFT, first)]
