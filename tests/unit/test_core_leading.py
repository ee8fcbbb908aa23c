"""Where a caller is led: menus of any depth, voicemail, callback, outside, hours and limits of queues, keys while
waiting."""

from __future__ import annotations

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Decision
from acd.core.model import SECOND, Outcome, Party, Phase, Way
from acd.core.reply import Done
from tests.support.scene import Scene, key, queue, to

ROUTE = m.Route("a-1", "carrier")
FAR = m.Route("a-9", "carrier")
PLAN = m.EntryPlan("e", 1, "service", address="a-1", contact="c-1", callback=ROUTE)
MESSAGES = m.MediumDef("voicemail", m.Presence.TEXT, 5, 15)


def at_start(destination: m.Destination) -> m.EntryPlan:
    """The plan of an entry point that begins with this."""
    return m.EntryPlan("e", 1, "service", start=destination, address="a-1", contact="c-1", priority=7, callback=ROUTE)


def centre(*queues: m.QueueDef) -> Scene:
    """Two queues and a seat for both that is not ready, a line, and the medium of messages."""
    scene = Scene(*(queues or (queue("service"), queue("sales"))))
    scene.done(i.MediumDefined(MESSAGES))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier")))
    scene.seat("a", *scene.state.queues)
    scene.choose("a", "meal")
    scene.choose("a", "away")
    return scene


def outcome(scene: Scene, item: str) -> tuple[Outcome, Party]:
    """How the contact ended, and by whom."""
    return next((one.outcome, one.who) for one in scene.facts(f.Ended) if one.item == item)


def kinds(decision: Decision, *wanted: type[e.Effect]) -> list[type[e.Effect]]:
    """The effects of those types, in order."""
    return [type(one) for one in decision.effects if isinstance(one, wanted)]


def said(scene: Scene, item: str) -> None:
    """The words to him are over."""
    scene.prompt_over(item)


# --- menus -------------------------------------------------------------------------------------------------------


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


# --- voicemail ---------------------------------------------------------------------------------------------------


def listening(scene: Scene, to_queue: str = "sales") -> str:
    """A caller who has heard the tone."""
    item = scene.enter(at_start(to(Way.VOICEMAIL, to_queue, prompt="leave")))
    assert scene.phase(item) is Phase.VOICEMAIL
    decision = scene.prompt_over(item)
    assert [one.recording for one in decision.effects if isinstance(one, e.StartRecording)] == [f"{item}-v"]
    return item


def end_by_key(scene: Scene, item: str) -> None:
    scene.press(item, "1")
    assert scene.phase(item) is Phase.VOICEMAIL, "only # ends a message"
    scene.press(item, "#")


def end_by_time(scene: Scene, item: str) -> None:
    scene.wait(179)
    assert scene.phase(item) is Phase.VOICEMAIL
    scene.wait(1.1)


@pytest.mark.parametrize(
    ("end", "who"),
    [(end_by_key, Party.CUSTOMER), (end_by_time, Party.SYSTEM), (Scene.hang_up, Party.CUSTOMER)],
)
def test_a_message_becomes_a_work_item(end: object, who: Party) -> None:
    """By #, by 180 s or by hang-up: a voicemail item with the caller's plan waits in the queue and is offered."""
    scene = centre()
    item = listening(scene)
    assert callable(end)
    end(scene, item)
    assert outcome(scene, item) == (Outcome.VOICEMAIL, who)
    left = scene.facts(f.VoicemailLeft)[0]
    assert (left.item, left.recording) == (item, f"{item}-v")
    task = scene.state.items[left.task]
    assert (task.kind, task.medium, task.queue, task.leg) == (m.Kind.VOICEMAIL, "voicemail", "sales", "")
    assert (task.plan.address, task.plan.contact, task.plan.priority) == ("a-1", "c-1", 7)
    assert task.recording == f"{item}-v"
    scene.choose("a", "text_ready")
    assert scene.answer(left.task) == "a"


def test_who_hangs_up_before_the_tone_leaves_no_message() -> None:
    """From a menu he abandoned there, from a queue there."""
    scene = centre(queue("service", keys=(key("5", Way.VOICEMAIL, prompt="leave"),)), queue("sales"))
    early = scene.enter(at_start(to(Way.VOICEMAIL, "sales", prompt="leave")))
    scene.press(early, "#")
    scene.hang_up(early)
    assert outcome(scene, early) == (Outcome.ABANDONED_IVR, Party.CUSTOMER)
    waiting = scene.call("service")
    scene.press(waiting, "5")
    assert scene.facts(f.VoicemailStarted)[-1].queue == "service"
    scene.hang_up(waiting)
    assert outcome(scene, waiting) == (Outcome.ABANDONED_QUEUE, Party.CUSTOMER)
    assert scene.facts(f.VoicemailLeft) == []


def test_a_message_without_a_prompt_is_recorded_at_once() -> None:
    """No word is played, and its key ends it."""
    scene = centre()
    scene.legs += 1
    item = scene.done(i.CallEntered("leg1", at_start(to(Way.VOICEMAIL)))).item
    decision = scene.give(i.LegArrived("leg1"))
    assert kinds(decision, e.Play, e.StartRecording) == [e.StartRecording]
    scene.press(item, "#")
    assert scene.state.items[scene.facts(f.VoicemailLeft)[0].task].queue == "service"


def test_a_prompt_before_the_tone_that_nobody_ends_is_over_by_its_guard() -> None:
    """The tone sounds all the same."""
    scene = centre()
    item = scene.enter(at_start(to(Way.VOICEMAIL, prompt="leave")))
    scene.wait(121)
    assert scene.facts(f.VoicemailListened)[0].item == item


def test_a_message_is_kept_where_no_medium_or_queue_is_for_it() -> None:
    """Without the medium there is no work item; from a queue that is gone it goes to the plan's, at any hour."""
    scene = Scene(queue("service"), queue("sales"))
    item = listening(scene)
    scene.press(item, "#")
    assert scene.facts(f.VoicemailLeft)[0] == f.VoicemailLeft(item, f"{item}-v", "")
    scene.done(i.MediumDefined(MESSAGES))
    scene.done(i.QueueOpenChanged("service", False))
    item = listening(scene, "gone")
    scene.press(item, "#")
    assert scene.state.items[scene.facts(f.VoicemailLeft)[-1].task].queue == "service"


def test_a_message_closed_by_the_system_is_complete() -> None:
    """ItemClosed is an end like any other: what was said is kept."""
    scene = centre()
    item = listening(scene)
    scene.done(i.ItemClosed(item, Party.SYSTEM))
    assert outcome(scene, item) == (Outcome.VOICEMAIL, Party.SYSTEM)
    assert scene.facts(f.VoicemailLeft)[0].task in scene.state.items


# --- callback ----------------------------------------------------------------------------------------------------

BACK = (key("2", Way.CALLBACK, prompt="we call"), key("3", Way.CALLBACK))


def with_callback() -> Scene:
    """A queue where key 2 asks to be called back, and key 3 does so without a word."""
    return centre(queue("service", keys=BACK), queue("sales"))


def test_a_callback_keeps_the_place() -> None:
    """The caller may go; his virtual item is served before all who came after him (pain P7), words or none."""
    scene = with_callback()
    first = scene.call("service")
    item = scene.enter(PLAN)
    later = scene.call("service")
    order = scene.state.items[item].order
    decision = scene.press(item, "2")
    assert kinds(decision, e.StopPrompt, e.Play, e.HangUpLeg) == [e.Play]
    task = scene.facts(f.CallbackTaken)[0].task
    known = scene.state.items[task]
    assert (known.kind, known.order, known.queue, known.leg) == (m.Kind.CALLBACK, order, "service", "")
    assert (known.medium, known.plan.callback, known.key) == ("voice", ROUTE, "callback:a-1")
    said(scene, item)
    assert outcome(scene, item) == (Outcome.CALLBACK_TAKEN, Party.SYSTEM)
    scene.hang_up(first)
    scene.choose("a", "ready")
    assert (scene.offered_to(task), scene.offered_to(later)) == ("a", "")


def test_a_callback_without_words_ends_the_call_at_once_and_with_words_a_hang_up_does() -> None:
    """Either way it is booked as taken."""
    scene = with_callback()
    silent = scene.enter(PLAN)
    scene.press(silent, "3")
    assert outcome(scene, silent) == (Outcome.CALLBACK_TAKEN, Party.SYSTEM)
    other = scene.enter(m.EntryPlan("e", 1, "service", address="a-2", callback=ROUTE))
    scene.press(other, "2")
    scene.hang_up(other)
    assert outcome(scene, other) == (Outcome.CALLBACK_TAKEN, Party.CUSTOMER)
    assert len(scene.state.items) == 2


def test_one_callback_a_customer() -> None:
    """Asked for again while the first is on its way: that one goes on, and no second is made."""
    scene = with_callback()
    item = scene.enter(PLAN)
    scene.press(item, "3")
    task = scene.facts(f.CallbackTaken)[0].task
    scene.choose("a", "ready")
    assert scene.offered_to(task) == "a"
    again = scene.enter(PLAN)
    assert task in scene.state.items, "a callback that is on its way to a seat stays"
    scene.press(again, "3")
    assert [one.task for one in scene.facts(f.CallbackTaken)] == [task, task]
    assert [one.kind for one in scene.facts(f.Entered)].count(m.Kind.CALLBACK) == 1


def test_a_callback_that_nobody_took_is_dropped_where_he_waits_himself() -> None:
    """It was being rung when he called, so it stayed; the seat did not answer, and his call is there."""
    scene = with_callback()
    item = scene.enter(PLAN)
    scene.press(item, "3")
    task = scene.facts(f.CallbackTaken)[0].task
    scene.choose("a", "ready")
    again, other = scene.enter(PLAN), scene.call("service")
    scene.wait(20.1)
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert [scene.phase(one) for one in (again, other)] == [Phase.WAITING, Phase.WAITING]


def test_a_callback_that_nobody_took_waits_on_where_he_does_not() -> None:
    """Another customer's call is none of its business."""
    scene = with_callback()
    item = scene.enter(PLAN)
    scene.press(item, "3")
    scene.choose("a", "ready")
    scene.call("service")
    scene.wait(20.1)
    assert scene.phase(scene.facts(f.CallbackTaken)[0].task) is Phase.WAITING


def test_who_calls_again_takes_the_place_of_his_callback() -> None:
    """The waiting callback is cancelled by him, and he is served before those who came in between."""
    scene = with_callback()
    item = scene.enter(PLAN)
    order = scene.state.items[item].order
    scene.press(item, "3")
    between = scene.call("service")
    task = scene.facts(f.CallbackTaken)[0].task
    again = scene.enter(PLAN)
    assert outcome(scene, task) == (Outcome.CANCELLED, Party.CUSTOMER)
    assert scene.state.items[again].order == order
    scene.choose("a", "ready")
    assert (scene.offered_to(again), scene.offered_to(between)) == ("a", "")


def test_a_callback_needs_a_way_back() -> None:
    """Without a route or an address the key does nothing: he stays where he is, and what rings goes on ringing."""
    scene = with_callback()
    scene.choose("a", "ready")
    item = scene.call("service")
    assert scene.press(item, "2").facts == ()
    assert scene.offered_to(item) == "a"


def test_a_callback_from_a_closed_queue_waits_there() -> None:
    """Hours keep callers out, not what was promised to them."""
    scene = centre(queue("service", closed=to(Way.CALLBACK, prompt="we call")))
    scene.done(i.QueueOpenChanged("service", False))
    item = scene.enter(PLAN)
    assert scene.phase(item) is Phase.SAYING
    task = scene.facts(f.CallbackTaken)[0].task
    assert (scene.phase(task), scene.state.items[task].queue) == (Phase.WAITING, "service")


@pytest.mark.parametrize("way", [Way.VOICEMAIL, Way.CALLBACK])
def test_a_way_that_names_no_queue_means_the_one_he_was_to_come_into(way: Way) -> None:
    """Sales is closed: the message or the callback is for sales, though his entry point's queue is another."""
    scene = centre(queue("service"), queue("sales", closed=to(way)))
    scene.done(i.QueueOpenChanged("sales", False))
    item = scene.enter(at_start(to(Way.QUEUE, "sales")))
    if way is Way.VOICEMAIL:
        scene.press(item, "#")
    tasks = list(scene.state.items.values())
    assert [(one.queue, one.plan.queue, one.phase) for one in tasks] == [("sales", "sales", Phase.WAITING)]


# --- outside -----------------------------------------------------------------------------------------------------


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
    assert (scene.phase(item), scene.state.items[item].shape) == (Phase.MENU, m.Shape.NONE)


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


# --- hours and limits --------------------------------------------------------------------------------------------


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


# --- the longest wait --------------------------------------------------------------------------------------------


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
    scene.wait(59)
    assert scene.phase(item) is Phase.WAITING
    scene.wait(2)
    assert outcome(scene, item) == (Outcome.TIMEOUT_QUEUE, Party.SYSTEM)


# --- keys while waiting ------------------------------------------------------------------------------------------


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


# --- lines and definitions ---------------------------------------------------------------------------------------


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
    assert outcome(scene, scene.enter(refused)) == (Outcome.BLACKLISTED, Party.SYSTEM)


def test_the_same_definition_again_changes_nothing() -> None:
    """Menus and lines; a line that is not there is retired without a word."""
    scene = centre()
    menu = m.Menu("one", "p", (), to(Way.QUEUE))
    for given in (i.MenuDefined(menu), i.TrunkDefined(m.TrunkDef("two", 3)), i.TrunkRetired("two")):
        assert len(scene.give(given).facts) == 1
        assert scene.give(given).facts == ()
    assert (scene.state.menus, scene.state.trunks.get("two")) == ({"one": menu}, None)
