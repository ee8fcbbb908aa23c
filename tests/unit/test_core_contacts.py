"""Entry, greeting, menu, abandon in every phase, lost seats, the fall-back's calls, late inputs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, Outcome, Phase
from acd.core.reply import Code, Done
from tests.support.scene import Scene, key, queue, to

QUEUE = m.Way.QUEUE
MENU = m.Menu("main", "menu", (key("1", QUEUE, "sales"), key("2", QUEUE, "service")), to(QUEUE, "vip"), 5 * SECOND, 2)
PLAN = m.EntryPlan("e", 1, "service", greeting="hello", start=to(m.Way.MENU, "main"))


def centre() -> Scene:
    """Three queues and one seat for all of them."""
    scene = Scene(queue("sales"), queue("service"), queue("vip"))
    scene.define(MENU)
    scene.seat("a", "sales", "service", "vip")
    return scene


def entered(scene: Scene, plan: m.EntryPlan = PLAN) -> str:
    """A caller whose plan is settled."""
    return scene.done(i.CallEntered("leg", plan)).item


def prompt_over(scene: Scene, item: str) -> None:
    """The prompt that plays now comes to its end."""
    scene.done(i.PromptEnded(item, scene.state.items[item].token))


def reach(scene: Scene, phase: Phase) -> str:
    """A caller in that phase."""
    item = entered(scene)
    if phase is Phase.ENTERED:
        return item
    scene.done(i.LegArrived("leg"))
    if phase is Phase.GREETING:
        return item
    prompt_over(scene, item)
    if phase is Phase.MENU:
        return item
    if phase is Phase.WAITING:
        scene.choose("a", "meal")
    scene.done(i.DigitPressed("leg", "1"))
    if phase is Phase.ACTIVE:
        scene.answer(item)
    return item


ABANDONED = {
    Phase.ENTERED: Outcome.ABANDONED_IVR,
    Phase.GREETING: Outcome.ABANDONED_IVR,
    Phase.MENU: Outcome.ABANDONED_IVR,
    Phase.WAITING: Outcome.ABANDONED_QUEUE,
    Phase.OFFERED: Outcome.ABANDONED_RING,
    Phase.ACTIVE: Outcome.ANSWERED,
}


@pytest.mark.parametrize("phase", list(ABANDONED))
def test_the_customer_leaves_in_every_phase(phase: Phase) -> None:
    """One terminal state each, named by who did what and where; nothing rings on."""
    scene = centre()
    item = reach(scene, phase)
    assert scene.state.items[item].phase is phase
    effects = scene.give(i.PartyLeft("leg", True, 0, 16)).effects
    ended = scene.facts(f.Ended)[-1]
    assert (ended.item, ended.outcome, ended.who) == (item, ABANDONED[phase], m.Party.CUSTOMER)
    assert item not in scene.state.items
    if phase is Phase.OFFERED:
        assert scene.facts(f.OfferEnded)[-1].result is m.OfferResult.WITHDRAWN
        assert [type(one) for one in effects if isinstance(one, e.WithdrawOffer)] == [e.WithdrawOffer]
    assert not scene.state.seats["a"].voice.no_answer, "the caller left; the agent did not fail to answer"


def test_greeting_menu_and_queue_are_effects_with_facts() -> None:
    """Answer, greeting, menu, digit, queue: one direction, each step named by a token."""
    scene = centre()
    item = entered(scene)
    effects = scene.give(i.LegArrived("leg")).effects
    assert [type(one) for one in effects] == [e.AnswerLeg, e.Play]
    token = scene.state.items[item].token
    effects = scene.give(i.PromptEnded(item, token)).effects
    assert [type(one) for one in effects] == [e.Gather]
    assert scene.give(i.PromptEnded(item, token)).facts == (), "the end of an older prompt is a no-op"
    effects = scene.give(i.DigitPressed("leg", "1")).effects
    assert [type(one) for one in effects] == [e.StopPrompt, e.HoldMusic, e.RingSeat]
    assert (scene.facts(f.MenuChose)[0].digit, scene.facts(f.MenuChose)[0].queue) == ("1", "sales")


def test_silence_in_the_menu_takes_the_default_after_its_tries() -> None:
    """Two silences of 5 s each, then the default queue, recorded without a digit."""
    scene = centre()
    item = reach(scene, Phase.MENU)
    for attempt in (1, 2):
        assert scene.state.items[item].tries == attempt
        prompt_over(scene, item)
        scene.wait(5.1)
    chose = scene.facts(f.MenuChose)[0]
    assert (chose.digit, chose.queue) == ("", "vip")
    assert scene.offered_to(item) == "a"


@pytest.mark.parametrize("refuse", [Outcome.CLOSED, Outcome.BLACKLISTED, Outcome.LINE_CAP])
def test_a_plan_that_refuses_plays_its_greeting_and_ends(refuse: Outcome) -> None:
    """Closed, blacklisted, line cap: the words first, then the end, by the system."""
    scene = centre()
    item = entered(scene, m.EntryPlan("e", 1, "service", greeting="closed", refuse=refuse))
    scene.done(i.LegArrived("leg"))
    assert scene.state.items[item].phase is Phase.GREETING
    effects = scene.give(i.PromptEnded(item, scene.state.items[item].token)).effects
    assert (scene.facts(f.Ended)[0].outcome, scene.facts(f.Ended)[0].who) == (refuse, m.Party.SYSTEM)
    assert [one.leg for one in effects if isinstance(one, e.HangUpLeg)] == ["leg"]


def test_the_agent_hangs_up_and_the_record_is_kept() -> None:
    """Answered, ended by the seat; bridge dropped, the customer's leg hung up, the record's id as at arrival."""
    scene = centre()
    item = reach(scene, Phase.ACTIVE)
    record = scene.facts(f.Entered)[0].record
    assert scene.state.items[item].record == record
    accepted = scene.facts(f.Accepted)[0]
    effects = scene.give(i.PartyLeft(accepted.offer)).effects
    assert scene.facts(f.Ended)[0].outcome is Outcome.ANSWERED
    assert scene.facts(f.Ended)[0].who is m.Party.SEAT
    assert {type(one) for one in effects} == {e.DropBridge, e.HangUpLeg}


def test_a_lost_seat_gives_the_customer_his_old_place_back() -> None:
    """The agent's phone died in mid-call: the caller waits again, before everybody who came later."""
    scene = centre()
    item = reach(scene, Phase.ACTIVE)
    later = scene.done(i.CallEntered("leg-b", m.EntryPlan("e", 1, "sales"))).item
    scene.done(i.LegArrived("leg-b"))
    order = scene.state.items[item].order
    offer = scene.facts(f.Accepted)[0].offer
    scene.choose("a", "meal")
    scene.done(i.PartyLeft(offer, hung_up=False))
    assert scene.state.items[item].order == order
    scene.choose("a", "ready")
    assert (scene.offered_to(item), scene.offered_to(later)) == ("a", "")
    assert scene.facts(f.Requeued)[0].seat == "a"


def test_a_call_of_the_fall_back_is_booked_once() -> None:
    """Seen at takeover: a whole call without us; twice is once; where its end fell into blind time it says so."""
    scene = centre()
    given = i.FallbackServed("x", PLAN, 1, 2, 3, "a")
    scene.done(given)
    assert scene.give(given).facts == ()
    scene.done(i.FallbackServed("y", PLAN, 1, 0, 3, "", exact=False))
    assert [fact.outcome for fact in scene.facts(f.FallbackCallServed)] == [Outcome.FALLBACK, Outcome.UNOBSERVED]
    assert len({fact.record for fact in scene.facts(f.FallbackCallServed)}) == 2


def test_a_second_arrival_on_an_open_key_is_the_same_item() -> None:
    """A visitor who writes again while his chat is open does not open another."""
    scene = centre()
    plan = m.EntryPlan("e", 1, "service", "chat")
    first = scene.done(i.ItemArrived(m.Kind.CHAT, "acct:visitor", plan)).item
    assert scene.done(i.ItemArrived(m.Kind.CHAT, "acct:visitor", plan)).item == first
    scene.hang_up(first)
    assert scene.done(i.ItemArrived(m.Kind.CHAT, "acct:visitor", plan)).item != first
    assert scene.done(i.CallEntered("leg", PLAN)).item == scene.done(i.CallEntered("leg", PLAN)).item


def test_a_callback_waits_without_a_leg_and_is_offered_like_a_call() -> None:
    """Virtual items: the same queue, the same place, the phone rings, no customer channel yet."""
    scene = centre()
    scene.choose("a", "meal")
    plan = m.EntryPlan("e", 1, "service")
    item = scene.done(i.ItemArrived(m.Kind.CALLBACK, "", plan)).item
    later = scene.call("service")
    effects = scene.give(i.StatusChosen("a", m.Presence.VOICE, "ready")).effects
    assert [(one.item, one.leg) for one in effects if isinstance(one, e.RingSeat)] == [(item, "")]
    assert scene.offered_to(later) == ""


LATE: list[Callable[[str], i.Input]] = [
    lambda item: i.PromptEnded(item, "p"),
    lambda _: i.DigitPressed("leg", "1"),
    lambda _: i.PartyLeft("leg"),
    i.ItemClosed,
    lambda item: i.MessageNoted(item, m.Party.CUSTOMER),
    lambda _: i.RingSeen("nothing"),
    lambda _: i.OfferAnswered("nothing"),
    lambda _: i.OfferRefused("nothing", m.OfferResult.REJECTED),
    lambda item: i.MediaFlowed(item, "a"),
    lambda _: i.DirectCallAnswered("nothing"),
    lambda _: i.DirectCallEnded("nothing"),
    lambda item: i.DispositionSaved("a", item),
    lambda item: i.RecordingStarted(item, "r"),
    lambda item: i.TimerDue(f"menu:{item}", 1),
    lambda _: i.TimerDue("nonsense", 1),
    lambda _: i.PhoneChanged("nobody", True),
]


@pytest.mark.parametrize("make", LATE)
def test_late_and_unknown_ids_are_no_ops(make: Callable[[str], i.Input]) -> None:
    """Nothing is recorded, nothing is refused, nothing is done."""
    scene = centre()
    item = reach(scene, Phase.WAITING)
    scene.hang_up(item)
    decision = scene.give(make(item))
    assert decision.facts == ()
    assert decision.effects == ()
    assert isinstance(decision.reply, Done)


def test_a_menu_digit_that_is_no_option_changes_no_queue() -> None:
    """A wrong key keeps the caller in the menu."""
    scene = centre()
    item = reach(scene, Phase.MENU)
    scene.give(i.DigitPressed("leg", "9"))
    assert scene.state.items[item].phase is Phase.MENU
    assert scene.facts(f.MenuChose) == []


def test_pickup_is_for_members_only_and_unknown_things_are_refused_with_words() -> None:
    """Every refusal has a stable code and says what to do."""
    scene = centre()
    scene.seat("b", "vip")
    scene.choose("a", "meal")
    item = scene.call("service")
    refusals: dict[Code, i.Input] = {
        Code.NOT_MEMBER: i.ItemPicked("b", item),
        Code.UNKNOWN_SEAT: i.ItemPicked("nobody", item),
        Code.NOT_WAITING: i.ItemPicked("a", "nothing"),
        Code.UNKNOWN_STATUS: i.StatusChosen("a", m.Presence.VOICE, "nonsense"),
        Code.NOT_IN_WRAP_UP: i.WrapUpEnded("a"),
        Code.UNKNOWN_QUEUE: i.QueueRetired("nothing"),
        Code.UNKNOWN_MEDIUM: i.ItemArrived(m.Kind.CHAT, "k", m.EntryPlan("e", 1, "service", "smoke")),
        Code.OUTBOUND_NOT_ALLOWED: i.DirectCallStarted("c", "a", m.DirectKind.OUTBOUND, "l"),
    }
    for code, given in refusals.items():
        reply = scene.refused(given)
        assert reply.code is code
        assert len(reply.say) > 10


def test_a_seat_in_use_is_retired_when_its_agent_signs_out() -> None:
    """It gets nothing new, finishes what it holds, and goes at sign-out."""
    scene = centre()
    item = scene.call("service")
    scene.give(i.OfferAnswered(scene.state.items[item].offer))
    scene.give(i.SeatRetired("a"))
    assert "a" in scene.state.seats
    scene.give(i.PartyLeft(scene.state.items[item].leg))
    scene.give(i.WrapUpEnded("a"))
    waiting = scene.call("service")
    assert scene.state.items[waiting].phase is m.Phase.WAITING
    scene.give(i.SeatSignedOut("a"))
    assert "a" not in scene.state.seats
    assert not scene.state.extensions


def test_an_extension_that_moved_belongs_to_the_newer_definition() -> None:
    """A swap made while no engine was there comes as two definitions, in whatever order."""
    scene = centre()
    scene.seat("b", "service")
    one, two = (scene.state.seats[seat].profile for seat in ("a", "b"))
    scene.give(i.SeatProfileSet(dataclasses.replace(one, extension=two.extension)))
    scene.give(i.SeatProfileSet(dataclasses.replace(two, extension=one.extension)))
    assert scene.state.extensions == {two.extension: "a", one.extension: "b"}


def test_timed_relaxation_goes_on_after_a_lost_seat() -> None:
    """The caller who came back to the queue is not left waiting beside a free seat of the next ring."""
    rings = (m.Ring(10 * SECOND, ()),)
    scene = Scene(queue("q", needs=(m.SkillLevel("zh"),), rings=rings))
    scene.seat("a", "q", skills=(m.SkillLevel("zh"),))
    scene.seat("b", "q")
    item = scene.call("q")
    assert scene.answer(item) == "a"
    leg = scene.state.seats["a"].handlings[item].offer
    scene.done(i.PhoneChanged("a", False))
    scene.give(i.PartyLeft(leg, hung_up=False))
    scene.wait(60)
    assert [fact.needs for fact in scene.facts(f.Relaxed)] == [()]
    assert "b" in [fact.seat for fact in scene.facts(f.Offered)]


def test_a_contact_taken_again_before_its_wrap_up_is_over_ends_that_one() -> None:
    """Each wrap-up that starts is left once."""
    rule = m.WrapUpRule(m.WrapUpEnding.TIMER, 30 * SECOND)
    scene = Scene(queue("q", wrap_up=rule))
    scene.give(i.MediumDefined(dataclasses.replace(scene.state.media["voice"], wrap_up_blocks=())))
    scene.seat("a", "q")
    item = scene.call("q")
    for hung_up in (False, True):
        scene.answer(item)
        scene.give(i.PartyLeft(scene.state.seats["a"].handlings[item].offer, hung_up=hung_up))
    scene.wait(60)
    assert len(scene.facts(f.WrapUpStarted)) == len(scene.facts(f.WrapUpLeft)) == 2


def test_what_rings_moves_too_when_its_queue_is_retired() -> None:
    """An offer of the old queue is withdrawn, and its contact waits in the new one."""
    scene = Scene(queue("q"), queue("r"))
    scene.seat("a", "q")
    item = scene.call("q")
    assert scene.state.items[item].phase is Phase.OFFERED
    scene.give(i.QueueRetired("q", "r"))
    assert (scene.state.items[item].queue, scene.state.items[item].phase) == ("r", Phase.WAITING)
