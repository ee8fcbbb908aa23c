"""Voicemail and callback: what a caller leaves instead of waiting, and the work items that come of it."""

from __future__ import annotations

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, Outcome, Party, Phase, Way
from tests.support.led import MESSAGES, PLAN, ROUTE, at_start, centre, kinds, outcome, said
from tests.support.scene import Scene, key, queue, to

# --- voicemail --------------------------------------------------------------------------------------------------------


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
    assert scene.give(i.PromptEnded(item, "")).facts == (), "no prompt is playing that could end"
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
    """Nobody is asked for a message that nobody would hear: without the medium, or for a queue that is gone, he
    waits."""
    scene = Scene(queue("service"), queue("sales"))
    item = scene.enter(m.EntryPlan("e", 1, "service", start=to(Way.VOICEMAIL, prompt="speak")))
    assert scene.phase(item) is Phase.WAITING
    scene.done(i.MediumDefined(MESSAGES))
    item = scene.enter(m.EntryPlan("e", 1, "service", start=to(Way.VOICEMAIL, "gone", prompt="speak")))
    assert scene.phase(item) is Phase.WAITING


@pytest.mark.parametrize("prompt", ["leave", ""])
def test_a_message_left_while_the_recording_is_paused_is_heard(prompt: str) -> None:
    """His agent paused for a card number and was lost: the pause ends before the message is written."""
    scene = centre(queue("service", keys=(key("5", Way.VOICEMAIL, prompt=prompt),)), queue("sales"))
    scene.choose("a", "ready")
    item = scene.call("service")
    scene.answer(item)
    scene.done(i.PauseAsked(item, 1800 * SECOND))
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    scene.done(i.SeatSignedOut("a"))
    decision = scene.press(item, "5")
    if prompt:
        assert scene.state.items[item].paused, "the words before the tone are still of the call"
        decision = scene.prompt_over(item)
    leg = scene.state.items[item].leg
    assert scene.facts(f.RecordingResumed) == [f.RecordingResumed(item, f"{item}-r", "message")]
    wanted = (e.PauseRecording, e.StopRecording, e.StartRecording)
    assert [one for one in decision.effects if isinstance(one, wanted)] == [
        e.PauseRecording(item, leg, f"{item}-r", False),
        e.StopRecording(item, leg),
        e.StartRecording(item, leg, f"{item}-v"),
    ]
    assert not scene.state.items[item].paused
    assert f"pause:{item}" not in scene.state.timers


def test_a_message_closed_by_the_system_is_complete() -> None:
    """ItemClosed is an end like any other: what was said is kept."""
    scene = centre()
    item = listening(scene)
    scene.done(i.ItemClosed(item, Party.SYSTEM))
    assert outcome(scene, item) == (Outcome.VOICEMAIL, Party.SYSTEM)
    assert scene.facts(f.VoicemailLeft)[0].task in scene.state.items


# --- callback ---------------------------------------------------------------------------------------------------------

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


def test_who_was_called_back_and_waits_again_is_a_caller_like_any_other() -> None:
    """His agent's phone died: he waits on the line, may go on to another queue, and is not called back twice."""
    scene = centre(queue("service", keys=(*BACK, key("5", Way.QUEUE, "sales"))), queue("sales"))
    item = scene.enter(PLAN)
    scene.press(item, "3")
    task = scene.facts(f.CallbackTaken)[0].task
    scene.choose("a", "ready")
    scene.answer(task)
    scene.done(i.OfferAnswered(scene.state.items[task].leg))
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(scene.facts(f.Accepted)[0].offer, hung_up=False))
    assert scene.phase(task) is Phase.WAITING
    assert scene.press(task, "3").facts == ()
    scene.press(task, "5")
    assert scene.state.items[task].queue == "sales"


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
    assert scene.phase(task) is Phase.ENTERED  # his phone is busy with the last words
    scene.done(i.PromptEnded(item, scene.state.items[item].token))
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
