"""Seat states, statuses, shifts and wrap-up: S1, S9, V3, V4, V20 and what the core owes S2, S3, R3."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, SeatState
from acd.core.reply import Code
from acd.core.seats import CHANGED_BY_HAND, GETS_OFFERS
from tests.support.scene import PAUSES, TEXT, VOICE, Scene, queue, skill

BY_HAND = m.WrapUpRule(m.WrapUpEnding.BY_HAND)


def in_state(wanted: SeatState) -> Scene:
    """A scene whose seat "a" is seen in that state under its phone's switcher."""
    scene = Scene(queue(wrap_up=BY_HAND))
    scene.seat("a", "q", ready=False)
    if wanted is SeatState.LOGGED_OUT:
        return scene
    scene.done(i.SeatSignedIn("a", "desk"))
    if wanted is SeatState.LOGGING_IN:
        return scene
    scene.done(i.PhoneChanged("a", True))
    if wanted is SeatState.NOT_READY:
        return scene
    scene.choose("a", "ready")
    if wanted is SeatState.READY:
        return scene
    if wanted is SeatState.UNREACHABLE:
        scene.done(i.PhoneChanged("a", False))
        return scene
    item = scene.call("q")
    if wanted is SeatState.ASSIGNED:
        return scene
    if wanted is SeatState.NO_ANSWER:
        scene.wait(20)
        return scene
    scene.answer(item)
    if wanted is SeatState.WRAP_UP:
        scene.hang_up(item)
    return scene


@pytest.mark.feature("S1")
@pytest.mark.parametrize("state", list(SeatState))
def test_each_state_receives_or_not_and_changes_by_hand_or_not(state: SeatState) -> None:
    """S1's two flags, state by state: only Ready receives, Assigned and Busy cannot be changed by hand."""
    scene = in_state(state)
    assert scene.seen("a") is state
    already = len(scene.offers())
    scene.call("q")
    received = len(scene.offers()) > already
    assert received == GETS_OFFERS[state] == (state is SeatState.READY)

    scene = in_state(state)
    reply = scene.give(i.StatusChosen("a", VOICE, "meal")).reply
    if state is SeatState.LOGGED_OUT:
        assert getattr(reply, "code", None) is Code.SIGNED_OUT
    changed = scene.state.seats["a"].voice.status == "meal"
    assert (
        changed == CHANGED_BY_HAND[state] == (state not in (SeatState.LOGGED_OUT, SeatState.ASSIGNED, SeatState.BUSY))
    )


@pytest.mark.feature("S1")
def test_right_after_login_the_seat_is_not_ready_and_only_its_agent_makes_it_ready() -> None:
    """登入中 until the phone is there, then 未就緒; 就緒 comes by hand only."""
    scene = Scene(queue())
    scene.seat("a", "q", ready=False)
    scene.call("q")
    assert scene.seen("a") is SeatState.LOGGED_OUT
    scene.done(i.SeatSignedIn("a", "desk"))
    assert scene.seen("a") is SeatState.LOGGING_IN
    scene.done(i.PhoneChanged("a", True))
    assert scene.seen("a") is SeatState.NOT_READY
    scene.wait(3600)
    assert scene.seen("a") is SeatState.NOT_READY
    assert scene.offers() == []
    scene.choose("a", "ready")
    assert scene.seen("a") is SeatState.ASSIGNED


@pytest.mark.feature("S1")
@pytest.mark.parametrize("pause", PAUSES)
def test_meal_break_restroom_clerical_and_training_take_nothing(pause: str) -> None:
    """用餐 休息 洗手間 文書 訓練: chosen statuses, each named on the time line, none receives."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.choose("a", pause)
    item = scene.call("q")
    assert scene.offered_to(item) == ""
    assert scene.seen("a") is SeatState.NOT_READY
    last = [fact for fact in scene.facts(f.SeatChanged) if fact.presence is VOICE][-1]
    assert (last.state, last.status) == (SeatState.NOT_READY, pause)
    scene.choose("a", "ready")
    assert scene.offered_to(item) == "a"


@pytest.mark.feature("S1")
def test_no_answer_is_ringing_until_the_timeout_while_the_agent_did_nothing() -> None:
    """未接聽: at the timeout, not before; gone when the agent chooses again; a declined offer is not it."""
    scene = Scene(queue(ring_time=20 * SECOND))
    scene.seat("a", "q")
    item = scene.call("q")
    scene.wait(19)
    assert scene.seen("a") is SeatState.ASSIGNED
    scene.wait(1.1)
    assert scene.seen("a") is SeatState.NO_ANSWER
    assert scene.facts(f.OfferEnded)[-1].result is m.OfferResult.TIMEOUT
    assert scene.state.seats["a"].voice.no_answer_count == 1
    scene.choose("a", "ready")
    assert scene.offered_to(item) == "a"
    scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 603, 21))
    assert scene.seen("a") is SeatState.READY


def test_a_status_chosen_during_a_call_holds_after_it() -> None:
    """The pending status: recorded at once, in force when the call and its wrap-up are over."""
    scene = Scene(queue())
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    assert scene.choose("a", "meal").note == "pending"
    assert scene.seen("a") is SeatState.BUSY
    assert scene.state.seats["a"].voice.pending == "meal"
    scene.hang_up(item)
    assert scene.seen("a") is SeatState.NOT_READY
    assert scene.state.seats["a"].voice.status == "meal"
    assert scene.state.seats["a"].voice.pending == ""


def test_a_status_that_is_retired_during_a_call_does_not_hold_after_it() -> None:
    scene = Scene(queue())
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    scene.choose("a", "meal")
    scene.done(i.StatusDefined(replace(scene.state.statuses["meal"], retired=True)))
    scene.hang_up(item)
    assert scene.seen("a") is SeatState.READY
    assert (scene.state.seats["a"].voice.status, scene.state.seats["a"].voice.pending) == ("ready", "")


@pytest.mark.feature("S2")
def test_the_text_state_is_separate_from_the_phone_state() -> None:
    """Each switcher moves alone: ready for text while at a meal for the phone, and the other way round."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.choose("a", "meal")
    assert scene.seen("a", VOICE) is SeatState.NOT_READY
    assert scene.seen("a", TEXT) is SeatState.READY
    call, chat = scene.call("q"), scene.text("q")
    assert (scene.offered_to(call), scene.offered_to(chat)) == ("", "a")
    scene.hang_up(chat)
    scene.choose("a", "away")
    chat = scene.text("q")
    scene.choose("a", "ready")
    assert (scene.offered_to(call), scene.offered_to(chat)) == ("a", "")
    assert scene.state.statuses["away"].accept_transfer


@pytest.mark.feature("S9")
def test_an_off_shift_agent_gets_neither_dispatch_nor_phone_notification() -> None:
    """No offer and nothing rings; whoever is on shift gets it; back on shift, it goes on."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.seat("b", "q")
    scene.done(i.ShiftChanged("a", False))
    scene.done(i.ShiftChanged("b", False))
    plan = m.EntryPlan("e", 1, "q")
    item = scene.done(i.CallEntered("leg", plan)).item
    effects = scene.give(i.LegArrived("leg")).effects
    assert not [one for one in effects if isinstance(one, e.RingSeat)]
    assert scene.offers() == []
    effects = scene.give(i.ShiftChanged("b", True)).effects
    assert [one.seat for one in effects if isinstance(one, e.RingSeat)] == ["b"]
    scene.answer(item)
    other = scene.call("q")
    assert scene.offered_to(other) == ""
    scene.done(i.ShiftChanged("a", True))
    assert scene.offered_to(other) == "a"


# --- wrap-up -----------------------------------------------------------------------------------------------------


def wrapping(rule: m.WrapUpRule, item_seconds: float = 30) -> tuple[Scene, str]:
    """A seat "a" in wrap-up after one call, and the item."""
    scene = Scene(queue(wrap_up=rule))
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    scene.wait(item_seconds)
    scene.hang_up(item)
    assert scene.seen("a") is SeatState.WRAP_UP
    return scene, item


@pytest.mark.feature("V3")
@pytest.mark.parametrize("after", [5, 30, 300])
def test_ready_n_seconds_after_the_service_ended_not_after_the_call_ended(after: int) -> None:
    """The trigger is the end of the service; N seconds later, not a microsecond before, the seat is Ready."""
    scene, item = wrapping(m.WrapUpRule(m.WrapUpEnding.SERVICE_TIMER, after * SECOND))
    scene.wait(after * 3)
    assert scene.seen("a") is SeatState.WRAP_UP, "the end of the call starts no timer"
    scene.done(i.ServiceEnded("a", item))
    ended = scene.now
    scene.world.now = ended + after * SECOND - 2
    scene.give(i.TimerDue(f"wrap:a:{item}", ended + after * SECOND))
    assert scene.seen("a") is SeatState.WRAP_UP
    scene.wait(1)
    assert scene.seen("a") is SeatState.READY
    assert scene.times(f.WrapUpLeft) == [ended + after * SECOND]
    assert scene.facts(f.WrapUpLeft)[0].how == "service_timer"


@pytest.mark.feature("V3")
def test_a_seat_that_left_wrap_up_by_hand_is_not_touched_by_the_service_timer() -> None:
    """ "And the phone state is still 話後工作": a meal chosen meanwhile stays a meal."""
    scene, item = wrapping(m.WrapUpRule(m.WrapUpEnding.SERVICE_TIMER, 10 * SECOND))
    scene.done(i.ServiceEnded("a", item))
    scene.wait(4)
    scene.choose("a", "meal")
    scene.wait(60)
    assert scene.seen("a") is SeatState.NOT_READY
    assert scene.state.seats["a"].voice.status == "meal"


@pytest.mark.feature("V4")
@pytest.mark.parametrize("by_status", [False, True])
def test_wrap_up_stays_until_the_agent_ends_it(by_status: bool) -> None:
    """Otherwise it stays, for hours; then the agent's hand ends it, by the button or by choosing a status."""
    scene, item = wrapping(BY_HAND)
    waiting = scene.call("q")
    scene.wait(6 * 3600)
    assert scene.seen("a") is SeatState.WRAP_UP
    assert scene.offered_to(waiting) == ""
    if by_status:
        scene.choose("a", "ready")
    else:
        scene.done(i.WrapUpEnded("a", item))
    assert scene.offered_to(waiting) == "a"
    assert scene.facts(f.WrapUpLeft)[0].how == "by_hand"


def test_wrap_up_by_timer_counts_from_the_end_of_the_conversation() -> None:
    """The second ending of decided 6."""
    scene, _ = wrapping(m.WrapUpRule(m.WrapUpEnding.TIMER, 10 * SECOND))
    ended = scene.now
    scene.wait(60)
    assert scene.times(f.WrapUpLeft) == [ended + 10 * SECOND]
    assert scene.facts(f.WrapUpLeft)[0].how == "timer"


@pytest.mark.parametrize("during_the_call", [False, True])
def test_wrap_up_ends_when_the_disposition_is_saved(during_the_call: bool) -> None:
    """The fourth ending; saved while still talking it counts too."""
    scene = Scene(queue(wrap_up=m.WrapUpRule(m.WrapUpEnding.DISPOSITION)))
    scene.seat("a", "q")
    item = scene.call("q")
    scene.answer(item)
    if during_the_call:
        scene.done(i.DispositionSaved("a", item))
        scene.hang_up(item)
    else:
        scene.hang_up(item)
        assert scene.seen("a") is SeatState.WRAP_UP
        scene.done(i.DispositionSaved("a", item))
    assert scene.seen("a") is SeatState.READY
    assert scene.facts(f.WrapUpLeft)[0].how == "disposition"


def test_a_forced_disposition_keeps_the_seat_until_it_is_saved() -> None:
    """R3 in the core: closing a chat without a summary asks for the form; no hand, status or sign-out passes it."""
    scene = Scene(queue(wrap_up=m.WrapUpRule(m.WrapUpEnding.BY_HAND, forced=True)))
    scene.seat("a", "q")
    item = scene.text("q")
    scene.answer(item)
    scene.finish(item)
    for given in (i.WrapUpEnded("a", item), i.WrapUpEnded("a"), i.SeatSignedOut("a")):
        reply = scene.refused(given)
        assert reply.code is Code.DISPOSITION_REQUIRED
        assert "form" in reply.say or "disposition" in reply.say
    scene.done(i.DispositionSaved("a", item))
    scene.done(i.WrapUpEnded("a", item))
    assert not scene.state.seats["a"].wrap_ups


def test_signing_out_ends_wrap_up_and_signing_in_again_changes_no_history() -> None:
    """A reload signs in again: a no-op that moves no idle time."""
    scene, _ = wrapping(BY_HAND)
    scene.done(i.SeatSignedOut("a"))
    assert scene.facts(f.WrapUpLeft)[0].how == "signed_out"
    scene.sign_in("a")
    scene.ready("a")
    idle_since = scene.state.seats["a"].idle_since
    scene.wait(60)
    assert scene.done(i.SeatSignedIn("a", "another desk")).note == "late"
    assert scene.state.seats["a"].idle_since == idle_since


@pytest.mark.feature("V20")
def test_one_agent_has_one_call_at_a_time_while_text_goes_side_by_side() -> None:
    """Voice is synchronous: capacity 1, and no limit of a seat lifts it; text is asynchronous."""
    scene = Scene(queue())
    scene.seat("a", "q", limits=(m.MediumLimit("voice", 5),))
    first, second = scene.call("q"), scene.call("q")
    assert (scene.offered_to(first), scene.offered_to(second)) == ("a", "")
    scene.answer(first)
    assert scene.offered_to(second) == ""
    assert scene.refused(i.ItemPicked("a", second)).code is Code.SEAT_FULL
    scene.hang_up(first)
    assert scene.offered_to(second) == "a"

    scene = Scene(queue())
    scene.seat("a", "q")
    chats = [scene.text("q") for _ in range(3)]
    assert [scene.answer(chat) for chat in chats] == ["a"] * 3


def test_direct_internal_and_handset_calls_make_the_seat_busy() -> None:
    """Calls that no queue gave: nothing is offered meanwhile, what rang goes on to the next seat."""
    for kind in m.DirectKind:
        scene = Scene(queue())
        scene.seat("a", "q")
        item = scene.call("q")
        assert scene.offered_to(item) == "a"
        scene.done(i.DirectCallStarted("c1", "a", kind, "leg-c1", found=True))
        assert scene.seen("a") is SeatState.BUSY
        assert scene.offered_to(item) == ""
        scene.done(i.DirectCallAnswered("c1"))
        scene.done(i.DirectCallEnded("c1"))
        assert scene.offered_to(item) == "a"
        assert scene.facts(f.DirectEnded)[0].kind is kind


def test_a_phone_that_goes_away_takes_the_offer_along_and_says_why() -> None:
    """Ready, but unreachable: not offered, and the call that rang there goes on."""
    scene = Scene(queue())
    scene.seat("a", "q")
    item = scene.call("q")
    scene.done(i.PhoneChanged("a", False, "unregistered"))
    assert scene.facts(f.OfferEnded)[0].result is m.OfferResult.UNREACHABLE
    assert scene.seen("a") is SeatState.UNREACHABLE
    assert scene.offered_to(item) == ""
    scene.done(i.PhoneChanged("a", True))
    scene.wait(10)
    assert scene.offered_to(item) == "a"


@pytest.mark.parametrize("giver", [False, True], ids=["his own is another now", "somebody else has it now"])
def test_who_has_another_extension_is_reached_only_once_its_phone_is_seen(giver: bool) -> None:
    scene = Scene(queue())
    scene.seat("a", "q")
    item = scene.call("q")
    had = scene.state.seats["a"].profile
    if giver:
        scene.done(i.SeatProfileSet(m.SeatProfile("b", had.extension, had.queues)))
    else:
        scene.done(i.SeatProfileSet(replace(had, extension="8999")))
    assert scene.facts(f.PhoneReached)[-1] == f.PhoneReached("a", False, "another_extension")
    assert scene.facts(f.OfferEnded)[0].result is m.OfferResult.UNREACHABLE
    assert scene.seen("a") is SeatState.UNREACHABLE
    assert scene.offered_to(item) == ""
    new = replace(scene.state.seats["a"].profile, extension="8999")
    scene.done(i.SeatProfileSet(new))
    scene.wait(10)
    assert scene.offered_to(item) == "", "it is not seen yet"
    scene.done(i.PhoneChanged("a", True))
    assert scene.offered_to(item) == "a"
    scene.done(i.SeatProfileSet(replace(new, skills=(skill("english"),))))
    assert (len(scene.facts(f.PhoneReached)), scene.offered_to(item)) == (3, "a"), "other changes say nothing of it"


def rings_at(scene: Scene, what: str) -> str:
    """Something rings at seat a's phone; gives its leg."""
    if what == "its own call out":
        scene.done(i.TrunkDefined(m.TrunkDef("carrier")))
        call = scene.done(i.OutboundAsked("a", m.Route("a-9", "carrier"))).item
        return scene.state.seats["a"].handlings[call].offer
    scene.choose("a", "meal")
    item = scene.call("q")
    scene.answer(item)
    if what == "a call to supervise":
        return scene.done(i.WatchAsked("a", item, m.WatchMode.LISTEN)).offer
    scene.done(i.StatusDefined(replace(scene.state.statuses["meal"], accept_transfer=True)))
    return scene.done(i.ConsultAsked("b", item, m.Target(m.TargetKind.SEAT, "a"))).offer


@pytest.mark.feature("V2", "V7", "V10")
@pytest.mark.parametrize("what", ["its own call out", "a call to supervise", "a consultation"])
@pytest.mark.parametrize("answered", [False, True])
def test_what_rings_at_an_old_phone_ends_and_what_talks_there_goes_on(what: str, answered: bool) -> None:
    """Nobody sits there any more who could answer. The two who talk already are not cut off by an administrator."""
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.seat("b", "q")
    leg = rings_at(scene, what)
    if answered:
        scene.done(i.OfferAnswered(leg))
    decision = scene.give(i.SeatProfileSet(replace(scene.state.seats["a"].profile, extension="8999")))
    hung_up = {one.leg for one in decision.effects if isinstance(one, e.HangUpLeg)}
    withdrawn = {one.offer for one in decision.effects if isinstance(one, e.WithdrawOffer)}
    assert (leg in hung_up | withdrawn) is not answered
    seat = scene.state.seats["a"]
    assert bool(seat.handlings or seat.watching or seat.offers) is answered
    if what != "its own call out":
        assert [item.seat for item in scene.state.items.values()] == ["b"], "the customer keeps his agent"


@pytest.mark.parametrize("what", ["its own call out", "a call to supervise"])
def test_what_rings_at_a_phone_that_is_merely_gone_ends_by_the_telephones_own_word(what: str) -> None:
    scene = Scene(queue())
    scene.seat("a", "q")
    scene.seat("b", "q")
    leg = rings_at(scene, what)
    scene.done(i.PhoneChanged("a", False, "unregistered"))
    assert leg in {**scene.state.seat_legs, **scene.state.watch_legs}
    scene.done(i.OfferRefused(leg, m.OfferResult.UNREACHABLE))
    assert leg not in {**scene.state.seat_legs, **scene.state.watch_legs}
