"""Where a caller is led: menus of any depth, outside, hours and limits of queues, keys while waiting."""

from __future__ import annotations

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, Outcome, Party, Phase, Way
from acd.core.reply import Done
from acd.core.shapes import Shape
from tests.support.led import FAR, at_start, centre, kinds, outcome, said
from tests.support.scene import Scene, key, queue, to

# --- menus ------------------------------------------------------------------------------------------------------------


def tree() -> Scene:
    """A menu in a menu in a menu, and the ways out of it."""
    scene = centre()
    scene.define(
        m.Menu("top", "p-top", (key("1", Way.MENU, "mid"), key("9", Way.CALLBACK)), to(Way.QUEUE, "sales")),
        m.Menu("mid", "p-mid", (key("2", Way.MENU, "low"), key("0", Way.MENU, "top")), to(Way.MENU, "low")),
        m.Menu(
            "low",
            "p-low",
            (
                key("1", Way.QUEUE, "sales"),
                key("2", Way.QUEUE),
                key("3", Way.HANG_UP, prompt="bye", outcome=Outcome.CANCELLED),
                key("4", Way.HANG_UP),
                key("5", Way.MENU, "nowhere"),
            ),
            to(Way.HANG_UP, outcome=Outcome.ABANDONED_IVR),
            tries=1,
        ),
    )
    return scene


@pytest.mark.parametrize(
    ("keys", "heard", "where"),
    [
        ("121", ["p-top", "p-mid", "p-low"], "sales"),
        ("122", ["p-top", "p-mid", "p-low"], "service"),
        ("10121", ["p-top", "p-mid", "p-top", "p-mid", "p-low"], "sales"),
        ("125", ["p-top", "p-mid", "p-low"], "service"),
    ],
)
def test_menus_of_any_depth_lead_to_a_queue(keys: str, heard: list[str], where: str) -> None:
    """Each key leads one level on, back, or into a queue; "" and a menu that is no more mean the plan's queue."""
    scene = tree()
    item = scene.enter(at_start(to(Way.MENU, "top")))
    for digit in keys:
        stopped = scene.state.items[item].token
        decision = scene.press(item, digit)
        assert [one.token for one in decision.effects if isinstance(one, e.StopPrompt)] == [stopped]
    assert [one.prompt for one in scene.facts(f.MenuStarted)] == heard
    assert [one.digit for one in scene.facts(f.MenuChose)] == list(keys)
    assert scene.facts(f.MenuChose)[0].menu == "top"
    assert scene.state.items[item].queue == where
    assert scene.phase(item) is Phase.WAITING
    assert not scene.state.items[item].menu


def test_last_words_are_said_before_the_end() -> None:
    """With a prompt: played first, then booked as the option says; without: at once. Hanging up is no other end."""
    scene = tree()
    first, second, third = (scene.enter(at_start(to(Way.MENU, "low"))) for _ in range(3))
    decision = scene.press(first, "3")
    assert kinds(decision, e.StopPrompt, e.Play, e.HangUpLeg) == [e.StopPrompt, e.Play]
    said(scene, first)
    assert outcome(scene, first) == (Outcome.CANCELLED, Party.SYSTEM)
    assert kinds(scene.press(second, "4"), e.HangUpLeg) == [e.HangUpLeg]
    assert outcome(scene, second) == (Outcome.CLOSED, Party.SYSTEM)
    scene.press(third, "3")
    scene.hang_up(third)
    assert outcome(scene, third) == (Outcome.CANCELLED, Party.CUSTOMER)


def test_last_words_nobody_ends_are_over_by_their_guard() -> None:
    """No contact waits for ever for a PromptEnded that never comes."""
    scene = tree()
    item = scene.enter(at_start(to(Way.HANG_UP, prompt="bye", outcome=Outcome.CLOSED)))
    scene.wait(121)
    assert outcome(scene, item) == (Outcome.CLOSED, Party.SYSTEM)


def test_silence_and_impossible_keys_use_up_the_tries() -> None:
    """A callback nobody can give back (no route) is no option: the menu again, then its default."""
    scene = tree()
    item = scene.enter(m.EntryPlan("e", 1, "service", start=to(Way.MENU, "top")))
    scene.press(item, "9")
    assert scene.state.items[item].tries == 2
    said(scene, item)
    scene.wait(5.1)
    assert scene.state.items[item].queue == "sales"


def test_a_menu_taken_out_of_use_leads_into_the_plans_queue() -> None:
    """As the very start, too."""
    scene = tree()
    item = scene.enter(at_start(to(Way.MENU, "nowhere")))
    assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "service")


def test_a_start_that_cannot_be_is_the_plans_queue() -> None:
    """A callback without a route, a number outside without one: he just waits."""
    scene = centre()
    for start in (to(Way.CALLBACK), to(Way.OUTSIDE)):
        item = scene.enter(m.EntryPlan("e", 1, "sales", start=start))
        assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "sales")


# --- outside ----------------------------------------------------------------------------------------------------------


def test_a_menu_leads_outside_and_back_where_nobody_is_there() -> None:
    """The number is rung while he waits with music; declined, he waits in his plan's queue."""
    scene = centre()
    item = scene.enter(at_start(to(Way.OUTSIDE, route=FAR)))
    invited = scene.facts(f.Invited)[0]
    assert (invited.item, invited.route) == (item, FAR)
    scene.done(i.OfferRefused(invited.leg, m.OfferResult.REJECTED, 603, 21))
    assert (scene.phase(item), scene.state.items[item].queue) == (Phase.WAITING, "service")


def test_a_full_queue_that_leads_outside_does_not_ring_for_ever() -> None:
    """The number outside was tried once; then the queue's own refusal holds."""
    scene = centre(queue("service", max_length=1, overflow=to(Way.OUTSIDE, route=FAR)))
    scene.call("service")
    item = scene.call("service")
    leg = scene.facts(f.Invited)[0].leg
    scene.done(i.OfferRefused(leg, m.OfferResult.REJECTED, 603, 21))
    assert outcome(scene, item) == (Outcome.QUEUE_FULL, Party.SYSTEM)
    assert len(scene.facts(f.Invited)) == 1


def test_from_outside_he_may_come_to_a_menu() -> None:
    """Nobody answered out there and his plan's queue has nobody: he hears what that queue has for this case."""
    scene = centre(queue("service", empty=to(Way.MENU, "stay")))
    scene.define(m.Menu("stay", "still?", (), to(Way.HANG_UP)))
    scene.done(i.SeatSignedOut("a"))
    item = scene.enter(at_start(to(Way.OUTSIDE, route=FAR)))
    scene.wait(61)
    assert (scene.phase(item), scene.state.items[item].shape) == (Phase.MENU, Shape.NONE)


def test_from_a_menu_of_a_queue_outside_and_back_he_has_his_old_place() -> None:
    """The line is at its cap, so the key comes to nothing: he waits where he was, and no menu goes on."""
    scene = centre(queue("service", keys=(key("9", Way.MENU, "stay"),)))
    scene.define(m.Menu("stay", "still?", (key("1", Way.OUTSIDE, route=FAR),), to(Way.HANG_UP)))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    scene.enter(m.EntryPlan("e", 1, "service", trunk="carrier"))
    item = scene.call("service")
    order = scene.state.items[item].order
    scene.press(item, "9")
    scene.press(item, "1")
    assert (scene.phase(item), scene.state.items[item].order) == (Phase.WAITING, order)
    scene.wait(300)
    assert scene.phase(item) is Phase.WAITING


def test_a_line_at_its_cap_takes_nobody_outside() -> None:
    """The overflow cannot be dialled: QUEUE_FULL at once, and the attempt is counted."""
    scene = centre(queue("service", max_length=1, overflow=to(Way.OUTSIDE, route=FAR)))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    scene.enter(m.EntryPlan("e", 1, "service", trunk="carrier"))
    item = scene.call("service")
    assert outcome(scene, item) == (Outcome.QUEUE_FULL, Party.SYSTEM)
    assert scene.facts(f.LineOverflowed) == [f.LineOverflowed("carrier", "")]


# --- hours and limits -------------------------------------------------------------------------------------------------


def test_a_closed_queue_ends_or_leads_who_comes() -> None:
    """CLOSED by the system; or the words it has for that; or another queue."""
    scene = centre(
        queue("service"),
        queue("sales", closed=to(Way.HANG_UP, prompt="night")),
        queue("day", closed=to(Way.QUEUE, "night")),
        queue("night"),
    )
    for name in ("service", "sales", "day"):
        scene.done(i.QueueOpenChanged(name, False))
    plain, worded, moved = (scene.call(name) for name in ("service", "sales", "day"))
    assert outcome(scene, plain) == (Outcome.CLOSED, Party.SYSTEM)
    assert scene.phase(worded) is Phase.SAYING
    assert scene.state.items[moved].queue == "night"
    scene.done(i.QueueOpenChanged("service", True))
    assert scene.phase(scene.call("service")) is Phase.WAITING


def test_hours_and_limits_hold_for_callers_alone() -> None:
    """A mail that comes at night waits for the morning."""
    scene = centre(queue("service", max_length=1, max_wait=SECOND, greeting="hi", speech=m.Speech()))
    scene.done(i.QueueOpenChanged("service", False))
    mails = [scene.text("service", "mail") for _ in range(2)]
    scene.wait(300)
    assert [scene.phase(item) for item in mails] == [Phase.WAITING, Phase.WAITING]
    assert scene.facts(f.Announced) == []


def test_a_full_queue_overflows_or_refuses() -> None:
    """Waiting and rung for count; the one with a seat does not."""
    scene = centre(queue("service", max_length=2), queue("sales", max_length=1, overflow=to(Way.QUEUE, "service")))
    scene.choose("a", "ready")
    served = scene.call("service")
    scene.answer(served)
    kept = [scene.call("sales") for _ in range(3)]
    assert [scene.state.items[item].queue for item in kept] == ["sales", "service", "service"]
    assert outcome(scene, scene.call("service")) == (Outcome.QUEUE_FULL, Party.SYSTEM)
    assert outcome(scene, scene.call("sales")) == (Outcome.QUEUE_FULL, Party.SYSTEM)
    scene.hang_up(kept[1])
    assert scene.phase(scene.call("service")) is Phase.WAITING


def test_who_is_being_rung_for_still_counts() -> None:
    """One may wait; he is offered, and the next one finds the queue full."""
    scene = centre(queue("service", max_length=1))
    scene.choose("a", "ready")
    assert scene.offered_to(scene.call("service")) == "a"
    assert outcome(scene, scene.call("service")) == (Outcome.QUEUE_FULL, Party.SYSTEM)


def test_a_queue_nobody_is_signed_in_for_leads_on() -> None:
    """Not ready is signed in; with nobody at all the way for that holds, and without such a way he waits."""
    scene = centre(queue("service", empty=to(Way.HANG_UP, outcome=Outcome.NO_AGENT)), queue("sales"))
    assert scene.phase(scene.call("service")) is Phase.WAITING
    scene.done(i.SeatSignedOut("a"))
    assert outcome(scene, scene.call("service")) == (Outcome.NO_AGENT, Party.SYSTEM)
    assert scene.phase(scene.call("sales")) is Phase.WAITING


def test_queues_that_lead_in_a_circle_end() -> None:
    """Closed queues that name one another: CLOSED after a bounded number of hops."""
    scene = centre(
        queue("service", closed=to(Way.QUEUE, "sales")),
        queue("sales", closed=to(Way.QUEUE, "service")),
    )
    for name in ("service", "sales"):
        scene.done(i.QueueOpenChanged(name, False))
    assert outcome(scene, scene.call("service")) == (Outcome.CLOSED, Party.SYSTEM)


def test_when_a_queue_closes_those_who_wait_are_led() -> None:
    """In their order, and each keeps it; who is being rung for stays, and follows when that comes to nothing."""
    scene = centre(queue("service", closed=to(Way.QUEUE, "sales")), queue("sales"))
    scene.seat("b", "service")
    ringing, *waiting = (scene.call("service") for _ in range(3))
    assert scene.offered_to(ringing) == "b"
    orders = [scene.state.items[item].order for item in waiting]
    scene.done(i.QueueOpenChanged("service", False))
    assert [one.item for one in scene.facts(f.Moved)] == waiting
    assert [scene.state.items[item].order for item in waiting] == orders
    assert scene.offered_to(ringing) == "b"
    scene.done(i.OfferRefused(scene.state.items[ringing].offer, m.OfferResult.REJECTED, 486, 17))
    assert scene.state.items[ringing].queue == "sales"
    assert scene.give(i.QueueOpenChanged("service", False)).facts == (), "closed is closed"


def test_the_last_words_of_a_queue_that_closes_stop_what_it_was_saying() -> None:
    """No two voices at once."""
    scene = centre(queue("service", greeting="hi", closed=to(Way.HANG_UP, prompt="night")))
    item = scene.call("service")
    scene.wait(1)
    token = scene.facts(f.Announced)[0].token
    decision = scene.give(i.QueueOpenChanged("service", False))
    assert [one.token for one in decision.effects if isinstance(one, e.StopPrompt)] == [token]
    assert scene.phase(item) is Phase.SAYING


def test_when_a_queue_closes_that_says_nothing_those_who_wait_are_served() -> None:
    """Closing keeps newcomers out; who was in time is served."""
    scene = centre()
    item = scene.call("service")
    scene.done(i.QueueOpenChanged("service", False))
    scene.choose("a", "ready")
    assert scene.answer(item) == "a"


def test_hours_of_a_queue_that_does_not_exist_are_a_no_op() -> None:
    """Unknown ids are never errors."""
    decision = centre().give(i.QueueOpenChanged("nothing", False))
    assert (decision.facts, type(decision.reply)) == ((), Done)


# --- the longest wait -------------------------------------------------------------------------------------------------


def test_the_longest_wait_ends_in_the_overflow_or_in_a_timeout() -> None:
    """A flow-out to the other queue at the same place; there, its own longest wait holds."""
    scene = centre(
        queue("service", max_wait=60 * SECOND, overflow=to(Way.QUEUE, "sales")),
        queue("sales", max_wait=30 * SECOND),
    )
    item = scene.call("service")
    order = scene.state.items[item].order
    scene.wait(59)
    assert scene.state.items[item].queue == "service"
    scene.wait(1.1)
    assert (scene.state.items[item].queue, scene.state.items[item].order) == ("sales", order)
    scene.wait(30.1)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


def test_an_overflow_into_his_own_queue_is_none() -> None:
    """It would never end: the timeout holds."""
    scene = centre(queue("service", max_wait=60 * SECOND, overflow=to(Way.QUEUE)))
    item = scene.call("service")
    scene.wait(60.1)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


@pytest.mark.parametrize("answered", [True, False])
def test_who_is_being_rung_for_is_not_torn_away(answered: bool) -> None:
    """His wait is over while a seat rings: answered, he is served; else he leaves when the offer ends."""
    scene = centre(queue("service", max_wait=10 * SECOND, ring_time=20 * SECOND))
    item = scene.call("service")
    scene.wait(5)
    scene.choose("a", "ready")
    scene.wait(6)
    assert scene.offered_to(item) == "a"
    assert scene.facts(f.LongestWaitOver) == [f.LongestWaitOver(item, "service")]
    if answered:
        scene.answer(item)
        scene.wait(60)
        assert scene.phase(item) is Phase.ACTIVE
    else:
        scene.wait(14.1)
        assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


def test_a_failed_offer_before_the_longest_wait_changes_nothing() -> None:
    """He waits on until it is over."""
    scene = centre(queue("service", max_wait=40 * SECOND, ring_time=20 * SECOND))
    scene.choose("a", "ready")
    item = scene.call("service")
    scene.wait(20.1)
    assert scene.phase(item) is Phase.WAITING
    scene.wait(20)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


def test_a_longest_wait_defined_later_counts_from_the_entry() -> None:
    """An offer that fails before it is over leaves him where he is, one after it does not."""
    scene = centre(queue("service"))
    item = scene.call("service")
    scene.done(i.QueueDefined(queue("service", max_wait=60 * SECOND)))
    for seconds, phase in ((10, Phase.WAITING), (60, None)):
        scene.wait(seconds)
        scene.choose("a", "ready")
        scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 486, 17))
        assert scene.phase(item) is phase
        scene.choose("a", "meal")


def test_a_customer_who_comes_back_to_his_place_has_the_longest_wait_anew() -> None:
    """The agent's phone died after an hour of talk: he is not thrown out for that."""
    scene = centre(queue("service", max_wait=60 * SECOND))
    scene.choose("a", "ready")
    item = scene.call("service")
    scene.answer(item)
    scene.wait(3600)
    offer = scene.facts(f.Accepted)[0].offer
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(offer, hung_up=False))
    scene.choose("a", "ready")
    scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 486, 17))
    scene.choose("a", "meal")
    scene.wait(59)
    assert scene.phase(item) is Phase.WAITING
    scene.wait(2)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


# --- keys while waiting -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
def test_the_exit_key_works_at_any_time(ready: bool) -> None:
    """While a seat is rung, which stops, and while the queue speaks (pain P8), which stops too."""
    scene = centre(queue("service", greeting="hi", keys=(key("0", Way.HANG_UP, outcome=Outcome.EXIT_KEY),)))
    scene.choose("a", "ready" if ready else "meal")
    item = scene.call("service")
    scene.wait(1)
    token = scene.facts(f.Announced)[0].token
    decision = scene.press(item, "0")
    assert [one.token for one in decision.effects if isinstance(one, e.StopPrompt)] == [token]
    assert kinds(decision, e.WithdrawOffer) == ([e.WithdrawOffer] if ready else [])
    assert scene.facts(f.MenuChose)[0] == f.MenuChose(item, "0", "")
    assert outcome(scene, item) == (Outcome.EXIT_KEY, Party.SYSTEM)


def test_a_key_that_means_nothing_does_nothing() -> None:
    """Neither an unknown one, nor one that leads where he is; what rings goes on."""
    scene = centre(queue("service", keys=(key("1", Way.QUEUE), key("2", Way.MENU, "gone"))))
    scene.choose("a", "ready")
    item = scene.call("service")
    for digit in ("1", "2", "3"):
        assert scene.press(item, digit).facts == ()
    assert scene.offered_to(item) == "a"


def test_a_look_into_a_menu_costs_no_place() -> None:
    """Key, menu, back: before those who came meanwhile (OfficeDocs #9902 of pain P7)."""
    scene = centre(queue("service", greeting="hi", keys=(key("9", Way.MENU, "stay"),)), queue("sales"))
    scene.define(m.Menu("stay", "still?", (key("1", Way.QUEUE, "service"),), to(Way.HANG_UP)))
    item = scene.call("service")
    scene.wait(1)
    order = scene.state.items[item].order
    decision = scene.press(item, "9")
    assert kinds(decision, e.Gather) == [e.Gather]
    later = scene.call("service")
    scene.press(item, "1")
    assert scene.state.items[item].order == order
    scene.choose("a", "ready")
    assert (scene.offered_to(item), scene.offered_to(later)) == ("a", "")


def test_a_key_leads_into_another_queue_at_the_same_place() -> None:
    """A flow-out, not a new wait."""
    scene = centre(queue("service", keys=(key("1", Way.QUEUE, "sales"),)), queue("sales"))
    item = scene.call("service")
    order = scene.state.items[item].order
    scene.press(item, "1")
    moved = scene.facts(f.Moved)[0]
    assert (moved.item, moved.from_queue, moved.queue, moved.order) == (item, "service", "sales", order)
    assert scene.facts(f.MenuChose)[0].queue == "sales"


# --- lines and definitions --------------------------------------------------------------------------------------------


def test_a_line_at_its_cap_refuses_the_next_caller() -> None:
    """V15's cap for calls that come in: counted, no greeting, congestion; free again when one is over."""
    scene = centre()
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 1)))
    plan = m.EntryPlan("e", 1, "service", greeting="hello", trunk="carrier")
    first, second = scene.enter(plan), scene.enter(plan)
    assert scene.phase(first) is Phase.GREETING
    assert outcome(scene, second) == (Outcome.LINE_CAP, Party.SYSTEM)
    assert scene.facts(f.LineOverflowed) == [f.LineOverflowed("carrier", "")]
    scene.hang_up(first)
    assert scene.phase(scene.enter(plan)) is Phase.GREETING
    refused = m.EntryPlan("e", 1, "service", trunk="carrier", refuse=Outcome.BLACKLISTED)
    blocked = scene.enter(refused)
    assert outcome(scene, blocked) == (Outcome.BLACKLISTED, Party.SYSTEM)
    answered = {fact.item for fact in scene.facts(f.Arrived)}
    assert not answered & {second, blocked}  # the cause reaches the line as a refusal, not as the end of a paid call


def test_the_same_definition_again_changes_nothing() -> None:
    """Menus and lines; a line that is not there is retired without a word."""
    scene = centre()
    menu = m.Menu("one", "p", (), to(Way.QUEUE))
    for given in (i.MenuDefined(menu), i.TrunkDefined(m.TrunkDef("two", 3)), i.TrunkRetired("two")):
        assert len(scene.give(given).facts) == 1
        assert scene.give(given).facts == ()
    assert (scene.state.menus, scene.state.trunks.get("two")) == ({"one": menu}, None)
