"""Conversations of two and three in the core: every rule of issue 3's item 1, each step with all invariants looked
at."""

from __future__ import annotations

from itertools import product

import pytest

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from acd.core.reply import Code
from acd.core.shapes import INVITES, LEAVES, MOVES, PLACES, Aftermath, Move, Place, Shape, Who
from tests.support.scene import Scene, queue

WRAP = m.WrapUpRule(m.WrapUpEnding.TIMER, 10 * SECOND)
OUT = m.Route("a-out", "city", "0223456789", wrap_up=WRAP)


def center(**rules: object) -> Scene:
    """A queue with wrap-up, three agents of whom amy is ready, and a line for two calls."""
    scene = Scene(queue("q", wrap_up=WRAP, **rules), queue("other", wrap_up=WRAP))
    scene.give(i.TrunkDefined(m.TrunkDef("city", 2)))
    scene.seat("amy", "q")
    for name in ("bob", "cat"):
        scene.seat(name, "other", ready=False)
        take_transfers(scene, name)
    return scene


DESK = m.StatusDef("desk", m.Presence.VOICE, (("en", "desk"),), False, True, True, True)
"""Nothing from the dispatcher, everything from colleagues."""


def take_transfers(scene: Scene, name: str) -> None:
    """Sign in and be there for colleagues."""
    scene.give(i.StatusDefined(DESK))
    scene.sign_in(name)
    scene.choose(name, "desk")


def talking(scene: Scene) -> str:
    """A customer talks with amy."""
    item = scene.call("q")
    assert scene.answer(item) == "amy"
    return item


def to_seat(seat: str) -> m.Target:
    return m.Target(m.TargetKind.SEAT, seat)


def consulting(scene: Scene, seat: str = "bob", *, answered: bool = True) -> str:
    """The customer waits, amy talks with a colleague (or hears him being rung)."""
    item = talking(scene)
    scene.done(i.ConsultAsked("amy", item, to_seat(seat)))
    if answered:
        scene.done(i.OfferAnswered(other(scene, item)))
    return item


def other(scene: Scene, item: str) -> str:
    """The third party's leg."""
    party = scene.state.items[item].other
    assert party is not None
    return party.leg


def own_leg(scene: Scene, item: str, seat: str) -> str:
    return scene.state.seats[seat].handlings[item].offer


def shape(scene: Scene, item: str) -> Shape:
    return scene.state.items[item].shape


# --- the tables ----------------------------------------------------------------------------------------------------


def test_everybody_who_has_a_channel_may_leave() -> None:
    """A row for each party of each shape, and none for a party that is not there."""
    for one, places in PLACES.items():
        there = {
            Who.CUSTOMER: places.customer is not Place.NOWHERE,
            Who.SEAT: places.seat is not Place.NOWHERE,
            Who.OTHER: places.other is not Place.NOWHERE,
        }
        for who, is_there in there.items():
            assert ((one, who) in LEAVES) == is_there, (one, who)


def test_nobody_is_stranded_by_a_third_party() -> None:
    """Whatever the third party does, the customer has his agent again or waits; where he talks to him alone, it
    ends."""
    kept = {Aftermath.TALK, Aftermath.REQUEUE}
    for (one, who), aftermath in LEAVES.items():
        if who is Who.OTHER and PLACES[one].customer is not Place.NOWHERE and one is not Shape.HANDED_OVER:
            assert aftermath in kept, one


@pytest.mark.parametrize(("before", "move"), list(product(Shape, Move)))
def test_what_the_table_does_not_name_is_refused(before: Shape, move: Move) -> None:
    """Each of the 96 pairs of shape and move, reached by real steps."""
    scene = center()
    item = reached(scene, before)
    if not item:
        return
    seat = scene.state.items[item].seat or "amy"
    decision = scene.give(i.MoveMade(seat, item, move))
    if (before, move) in MOVES:
        after = MOVES[before, move]
        assert shape(scene, item) is after
    else:
        assert getattr(decision.reply, "code", None) in (Code.WRONG_SHAPE, Code.NOT_SERVING)
        assert not decision.facts


STEPS: dict[Shape, tuple[Move, ...]] = {
    Shape.CONSULT: (),
    Shape.SWAPPED: (Move.SWAP,),
    Shape.THREE_WAY: (Move.MERGE,),
    Shape.COACHED: (Move.COACH,),
}


def reached(scene: Scene, wanted: Shape) -> str:
    """A conversation in that shape; "" for no conversation."""
    match wanted:
        case Shape.NONE:
            return scene.call("q")
        case Shape.DIALLING:
            return scene.done(i.OutboundAsked("amy", OUT, "handset")).item
        case Shape.TALK:
            return talking(scene)
        case Shape.HELD:
            item = talking(scene)
            scene.done(i.MoveMade("amy", item, Move.HOLD))
            return item
        case Shape.RINGING:
            return consulting(scene, answered=False)
        case Shape.BLIND:
            item = talking(scene)
            scene.done(i.TransferAsked("amy", item, to_seat("bob")))
            return item
        case Shape.HANDED_OVER:
            item = talking(scene)
            scene.done(i.TransferAsked("amy", item, m.Target(m.TargetKind.OUTSIDE, "a-out"), OUT))
            scene.done(i.OfferAnswered(other(scene, item)))
            return item
        case Shape.PRIVATE:
            item = consulting(scene)
            scene.hang_up(item)
            return item
        case Shape.CONSULT | Shape.SWAPPED | Shape.THREE_WAY | Shape.COACHED:
            item = consulting(scene)
            for step in STEPS[wanted]:
                scene.done(i.MoveMade("amy", item, step))
            return item


AFTER: dict[Aftermath, tuple[Shape, ...]] = {
    Aftermath.TALK: (Shape.TALK,),
    Aftermath.PROMOTE: (Shape.TALK,),
    Aftermath.BLIND: (Shape.BLIND,),
    Aftermath.PRIVATE: (Shape.PRIVATE,),
    Aftermath.REQUEUE: (Shape.NONE,),
}


@pytest.mark.feature("V7", "V8", "V9")
@pytest.mark.parametrize(("before", "who"), list(LEAVES), ids=str)
def test_whoever_leaves_the_rest_is_as_the_table_says(before: Shape, who: Who) -> None:
    scene = center()
    item = reached(scene, before)
    state = scene.state.items[item]
    match who:
        case Who.CUSTOMER:
            scene.give(i.PartyLeft(state.leg))
        case Who.SEAT:
            scene.give(i.PartyLeft(own_leg(scene, item, state.seat)))
        case Who.OTHER:
            scene.give(i.PartyLeft(other(scene, item)))
    aftermath = LEAVES[before, who]
    if aftermath is Aftermath.END:
        assert item not in scene.state.items
    else:
        assert shape(scene, item) in AFTER[aftermath]


# --- hold ----------------------------------------------------------------------------------------------------------


def test_hold_gives_the_customer_music_and_resume_his_agent() -> None:
    scene = center(music="jazz")
    item = talking(scene)
    leg, bridge = scene.state.items[item].leg, scene.state.items[item].bridge
    held = scene.give(i.MoveMade("amy", item, Move.HOLD))
    assert held.effects == (e.Hold(item, leg, "jazz"),)
    resumed = scene.give(i.MoveMade("amy", item, Move.RESUME))
    assert resumed.effects == (e.Join(item, leg, bridge),)


# --- consultation --------------------------------------------------------------------------------------------------


@pytest.mark.feature("V7")
def test_complete_hands_the_customer_over_with_one_record_and_wrap_up_for_both() -> None:
    """Z10: an attended transfer clears nobody's wrap-up."""
    scene = center()
    item = consulting(scene)
    record = scene.state.items[item].record
    scene.done(i.MoveMade("amy", item, Move.COMPLETE))
    assert scene.seen("amy") is m.SeatState.WRAP_UP
    assert scene.state.items[item].seat == "bob"
    assert scene.state.items[item].record == record
    scene.hang_up(item)
    assert [fact.seat for fact in scene.facts(f.WrapUpStarted)] == ["amy", "bob"]
    assert len(scene.facts(f.Ended)) == 1


def test_who_was_only_asked_needs_no_wrap_up() -> None:
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.CANCEL))
    assert scene.facts(f.WrapUpStarted) == []
    assert scene.seen("bob") is m.SeatState.NOT_READY
    assert shape(scene, item) is Shape.TALK


@pytest.mark.feature("V8")
def test_who_was_in_a_three_way_has_met_the_customer() -> None:
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.MERGE))
    scene.done(i.CallHungUp("bob", item))
    assert [fact.seat for fact in scene.facts(f.WrapUpStarted)] == ["bob"]


@pytest.mark.parametrize("result", [m.OfferResult.REJECTED, m.OfferResult.UNREACHABLE])
def test_a_colleague_who_does_not_come_gives_the_customer_back(result: m.OfferResult) -> None:
    scene = center()
    item = consulting(scene, answered=False)
    leg = scene.state.items[item].leg
    decision = scene.give(i.OfferRefused(other(scene, item), result, 486, 17))
    assert shape(scene, item) is Shape.TALK
    assert e.Join(item, leg, scene.state.items[item].bridge) in decision.effects


def test_a_colleague_who_rings_out_gives_the_customer_back() -> None:
    scene = center(ring_time=7 * SECOND)
    item = consulting(scene, answered=False)
    scene.wait(7)
    assert shape(scene, item) is Shape.TALK
    assert scene.facts(f.InviteEnded)[0].result is m.OfferResult.TIMEOUT


def test_the_consulting_agent_hears_it_ring_until_the_colleague_answers() -> None:
    scene = center()
    item = consulting(scene, answered=False)
    own = own_leg(scene, item, "amy")
    assert scene.give(i.RingSeen(other(scene, item))).effects == (e.RingBack(own, True),)
    assert e.RingBack(own, False) in scene.give(i.OfferAnswered(other(scene, item))).effects


def test_a_status_that_takes_no_transfers_refuses_and_a_pause_that_does_accepts() -> None:
    """Decided 2: accept_transfer passes over auto_offer."""
    scene = center()
    item = talking(scene)
    scene.choose("bob", "not_ready")
    refused = scene.refused(i.ConsultAsked("amy", item, to_seat("bob")))
    assert refused.code is Code.TRANSFER_NOT_ACCEPTED
    scene.choose("bob", "desk")
    scene.done(i.ConsultAsked("amy", item, to_seat("bob")))


def test_the_customer_who_leaves_a_consultation_does_not_end_it() -> None:
    scene = center()
    item = consulting(scene)
    scene.hang_up(item)
    assert shape(scene, item) is Shape.PRIVATE
    assert scene.facts(f.Ended) == []
    scene.done(i.CallHungUp("amy", item))
    (ended,) = scene.facts(f.Ended)
    assert (ended.outcome, ended.who) == (m.Outcome.ANSWERED, m.Party.CUSTOMER)
    assert scene.holds("amy") == scene.holds("bob") == 0


# --- blind ---------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V7")
def test_a_blind_transfer_nobody_takes_brings_the_customer_to_his_old_place() -> None:
    scene = center()
    item = talking(scene)
    younger = scene.call("q")
    scene.done(i.TransferAsked("amy", item, to_seat("bob")))
    scene.give(i.OfferRefused(other(scene, item), m.OfferResult.REJECTED, 603, 21))
    assert scene.state.items[item].phase is m.Phase.WAITING
    scene.done(i.WrapUpEnded("amy"))
    assert scene.offered_to(item) == "amy"
    assert scene.offered_to(younger) == ""


def test_a_blind_transfer_to_a_queue_keeps_the_place_by_arrival() -> None:
    scene = center()
    waiting = scene.call("other")
    item = talking(scene)
    arrived = scene.state.items[item].order
    scene.done(i.TransferAsked("amy", item, m.Target(m.TargetKind.QUEUE, "other")))
    assert scene.state.items[item].order == arrived > scene.state.items[waiting].order
    scene.choose("bob", "ready")
    assert scene.offered_to(waiting) == "bob"


def test_a_blind_transfer_to_an_entry_point_goes_through_its_greeting() -> None:
    scene = center()
    item = talking(scene)
    plan = m.EntryPlan("82", 1, "other", greeting="hello")
    decision = scene.give(i.TransferAsked("amy", item, m.Target(m.TargetKind.ENTRY, "82"), plan=plan))
    assert any(isinstance(effect, e.Play) for effect in decision.effects)
    scene.done(i.PromptEnded(item, scene.state.items[item].token))
    assert scene.state.items[item].queue == "other"


def test_outside_takes_over_and_the_line_is_free_again_at_the_end() -> None:
    scene = center()
    item = reached(scene, Shape.HANDED_OVER)
    assert scene.state.lines == {"city": 1}
    assert scene.holds("amy") == 0
    scene.give(i.PartyLeft(other(scene, item)))
    assert scene.state.lines == {}
    (ended,) = scene.facts(f.Ended)
    assert (ended.outcome, ended.who) == (m.Outcome.ANSWERED, m.Party.OTHER)


def test_a_lost_seat_leaves_the_customer_at_his_old_place_and_a_hang_up_does_not() -> None:
    scene = center()
    item = talking(scene)
    scene.give(i.PartyLeft(own_leg(scene, item, "amy"), hung_up=False))
    assert scene.state.items[item].phase in (m.Phase.WAITING, m.Phase.OFFERED)


# --- a phone's own transfer ----------------------------------------------------------------------------------------


def test_a_phones_attended_transfer_gives_the_facts_of_one_at_the_desk() -> None:
    desk, phone = center(), center()
    item = consulting(desk)
    desk.done(i.MoveMade("amy", item, Move.COMPLETE))
    item = talking(phone)
    phone.done(i.MoveMade("amy", item, Move.HOLD))
    phone.done(i.DirectCallStarted("set", "amy", m.DirectKind.INTERNAL, "set", "bob"))
    phone.done(i.DirectCallStarted("set-to", "bob", m.DirectKind.INTERNAL, "set-to", "amy", called=True))
    phone.done(i.DirectCallAnswered("set"))
    phone.done(i.DirectCallAnswered("set-to"))
    phone.done(i.PhonesJoined(own_leg(phone, item, "amy"), "set", "set-to"))
    kinds = (f.Invited, f.OtherAnswered, f.TookOver, f.HandlingEnded, f.WrapUpStarted)
    for kind in kinds:
        assert len(desk.facts(kind)) == len(phone.facts(kind)) == 1, kind
    assert phone.state.items[item].seat == "bob"
    assert phone.seen("bob") is m.SeatState.BUSY


def test_a_phone_that_called_outside_joins_that_number() -> None:
    scene = center()
    item = talking(scene)
    scene.done(i.MoveMade("amy", item, Move.HOLD))
    second = scene.done(i.OutboundAsked("amy", OUT, "handset")).item
    far = scene.state.items[second].leg
    scene.done(i.OfferAnswered(far))
    decision = scene.give(i.PhonesJoined(own_leg(scene, item, "amy"), second, far))
    assert shape(scene, item) is Shape.HANDED_OVER
    assert second not in scene.state.items
    assert not any(isinstance(effect, e.HangUpLeg) and effect.leg == far for effect in decision.effects)
    assert scene.state.lines == {"city": 1}


# --- supervision ---------------------------------------------------------------------------------------------------


@pytest.mark.feature("V10")
def test_a_supervisor_listens_whispers_joins_and_takes_over() -> None:
    scene = center()
    item = talking(scene)
    leg, bridge = scene.done(i.WatchAsked("cat", item, m.WatchMode.LISTEN)).offer, scene.state.items[item].bridge
    assert scene.give(i.OfferAnswered(leg)).effects == (e.Join(item, leg, bridge, muted=True),)
    whisper = scene.give(i.WatchAsked("cat", item, m.WatchMode.WHISPER))
    assert whisper.effects == (e.Coach(item, leg, own_leg(scene, item, "amy")),)
    assert scene.give(i.WatchAsked("cat", item, m.WatchMode.JOIN)).effects == (e.Join(item, leg, bridge),)
    scene.done(i.WatchAsked("cat", item, m.WatchMode.TAKE_OVER))
    assert scene.state.items[item].seat == "cat"
    assert scene.seen("amy") is m.SeatState.WRAP_UP
    scene.hang_up(item)
    assert scene.seen("cat") is m.SeatState.WRAP_UP


@pytest.mark.feature("V10")
def test_supervision_follows_the_call_through_a_transfer_and_its_end_never_touches_it() -> None:
    scene = center()
    item = talking(scene)
    leg = scene.done(i.WatchAsked("cat", item, m.WatchMode.WHISPER)).offer
    scene.done(i.OfferAnswered(leg))
    scene.done(i.TransferAsked("amy", item, to_seat("bob")))
    decision = scene.give(i.OfferAnswered(other(scene, item)))
    assert e.Coach(item, leg, own_leg(scene, item, "bob")) in decision.effects
    stopped = scene.give(i.WatchLeft("cat", item))
    assert stopped.effects == (e.HangUpLeg(leg),)
    assert shape(scene, item) is Shape.TALK


def test_a_supervisor_who_does_not_answer_is_given_up() -> None:
    scene = center()
    item = talking(scene)
    scene.done(i.WatchAsked("cat", item, m.WatchMode.LISTEN))
    assert scene.seen("cat") is m.SeatState.BUSY
    scene.wait(20)
    assert scene.facts(f.WatchEnded)[0].reason == "no_answer"
    assert shape(scene, item) is Shape.TALK


@pytest.mark.feature("V10")
def test_a_supervisor_ends_the_whole_call_and_logs_the_agent_out_after_it() -> None:
    scene = center()
    item = talking(scene)
    assert scene.done(i.SeatSignedOut("amy", forced=True)).note == "pending"
    scene.done(i.CallHungUp("amy", item, whole=True))
    assert item not in scene.state.items
    assert scene.seen("amy") is m.SeatState.LOGGED_OUT
    assert scene.facts(f.WrapUpLeft)[0].how == "signed_out"


# --- outbound ------------------------------------------------------------------------------------------------------


@pytest.mark.feature("V15")
def test_one_call_more_than_the_cap_is_refused_and_counted() -> None:
    """Cap 2: the third attempt is refused with the words of V15."""
    scene = center()
    for name in ("amy", "bob"):
        scene.done(i.OutboundAsked(name, OUT, f"set-{name}"))
    refused = scene.refused(i.OutboundAsked("cat", OUT, "set-cat"))
    assert refused.say == "call attempt had over the max concurrent calls"
    assert scene.facts(f.LineOverflowed) == [f.LineOverflowed("city", "cat")]
    emergency = m.Route("a-110", "city", emergency=True)
    scene.done(i.OutboundAsked("cat", emergency, "set-cat"))


@pytest.mark.feature("V2")
def test_an_outbound_call_is_a_conversation_like_any_other() -> None:
    """Click-to-dial: the agent's phone, then the customer's; wrap-up by the route's rule."""
    scene = center()
    item = scene.done(i.OutboundAsked("amy", OUT)).item
    own = own_leg(scene, item, "amy")
    assert scene.seen("amy") is m.SeatState.BUSY
    reached_ = scene.give(i.OfferAnswered(own))
    assert [type(effect) for effect in reached_.effects] == [e.Join, e.DialOutside]
    far = scene.state.items[item].leg
    scene.done(i.RingSeen(far))
    answered = scene.give(i.OfferAnswered(far))
    assert answered.effects == (e.StartRecording(item, far, f"{item}-r"),)
    scene.done(i.MoveMade("amy", item, Move.HOLD))
    scene.hang_up(item)
    assert scene.seen("amy") is m.SeatState.WRAP_UP
    assert scene.facts(f.Ended)[0].who is m.Party.CUSTOMER


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(m.Outcome.BUSY, m.Outcome.BUSY), (m.Outcome.WRONG_NUMBER, m.Outcome.WRONG_NUMBER), (None, m.Outcome.REJECTED)],
)
def test_a_call_that_came_to_nothing_frees_the_seat_at_once(said: m.Outcome | None, outcome: m.Outcome) -> None:
    scene = center()
    item = scene.done(i.OutboundAsked("amy", OUT, "set")).item
    far = scene.state.items[item].leg
    scene.give(i.OfferRefused(far, m.OfferResult.REJECTED, 486, 17, said))
    assert scene.facts(f.Ended)[0].outcome is outcome
    assert scene.seen("amy") is m.SeatState.READY
    assert scene.state.lines == {}


def test_a_blind_transfer_of_an_outbound_call_that_fails_comes_back_to_its_agent() -> None:
    """It never had a queue: it rings at the agent who gave it away."""
    scene = center()
    item = scene.done(i.OutboundAsked("amy", m.Route("a-out", "city"), "set")).item
    scene.done(i.OfferAnswered(scene.state.items[item].leg))
    scene.done(i.TransferAsked("amy", item, to_seat("bob")))
    scene.give(i.OfferRefused(other(scene, item), m.OfferResult.REJECTED, 486, 17))
    party = scene.state.items[item].other
    assert party is not None
    assert party.seat == "amy"
    scene.done(i.OfferAnswered(party.leg))
    assert (scene.state.items[item].seat, shape(scene, item)) == ("amy", Shape.TALK)


# --- recording -----------------------------------------------------------------------------------------------------


def test_a_pause_ends_by_hand_or_by_its_limit() -> None:
    scene = center()
    item = talking(scene)
    leg = scene.state.items[item].leg
    paused = scene.give(i.PauseAsked(item, 60 * SECOND))
    assert paused.effects == (e.PauseRecording(item, leg, f"{item}-r", True),)
    scene.done(i.ResumeAsked(item))
    scene.done(i.PauseAsked(item, 60 * SECOND))
    scene.wait(60)
    assert [fact.how for fact in scene.facts(f.RecordingResumed)] == ["by_hand", "limit"]
    assert scene.refused(i.ResumeAsked(item)).code is Code.NOT_RECORDED


def test_every_shape_that_may_invite_shows_the_ringing_one() -> None:
    assert set(INVITES.values()) == {Shape.RINGING}


def test_a_gap_is_marked_once_and_over_when_sound_is_written_again() -> None:
    scene = center()
    item = talking(scene)
    scene.done(i.RecordingStarted(item, f"{item}-r"))
    for _ in range(3):
        scene.done(i.RecordingStopped(item, "no_space"))
    scene.done(i.RecordingStarted(item, f"{item}-r"))
    assert len(scene.facts(f.RecordingFailed)) == 1
    assert len(scene.facts(f.RecordingBegan)) == 2


# --- what a review found -------------------------------------------------------------------------------------------


def test_an_agent_in_wrap_up_gets_his_own_outbound_customer_back() -> None:
    scene = center()
    item = scene.done(i.OutboundAsked("amy", OUT, "set")).item
    scene.done(i.OfferAnswered(scene.state.items[item].leg))
    scene.done(i.TransferAsked("amy", item, to_seat("bob")))
    assert scene.seen("amy") is m.SeatState.WRAP_UP
    scene.give(i.OfferRefused(other(scene, item), m.OfferResult.REJECTED, 486, 17))
    scene.done(i.OfferAnswered(other(scene, item)))
    assert scene.state.items[item].seat == "amy"
    assert scene.facts(f.WrapUpLeft)[0].how == "taken_again"


def test_a_phone_joins_nobody_but_the_far_end_of_its_second_call() -> None:
    """Neither a stranger's call, nor a second conversation that is itself one of three."""
    scene = center()
    item = talking(scene)
    own = own_leg(scene, item, "amy")
    scene.done(i.DirectCallStarted("set", "amy", m.DirectKind.INTERNAL, "set", "bob"))
    scene.done(i.DirectCallStarted("strange", "cat", m.DirectKind.DIRECT, "strange"))
    for call in ("set", "strange"):
        scene.done(i.DirectCallAnswered(call))
    assert scene.refused(i.PhonesJoined(own, "set", "strange")).code is Code.UNKNOWN_ITEM
    scene.done(i.DirectCallEnded("set"))
    second = scene.done(i.OutboundAsked("amy", OUT, "handset")).item
    far = scene.state.items[second].leg
    scene.done(i.OfferAnswered(far))
    scene.done(i.ConsultAsked("amy", second, to_seat("bob")))
    assert scene.refused(i.PhonesJoined(own, second, far)).code is Code.UNKNOWN_ITEM


def test_a_status_chosen_while_it_rings_holds_when_the_ringing_came_to_nothing() -> None:
    scene = center()
    item = scene.call("q")
    assert scene.choose("amy", "meal").note == "pending"
    scene.hang_up(item)
    assert scene.state.seats["amy"].voice.status == "meal"
    scene.choose("amy", "ready")
    item = talking(scene)
    scene.done(i.ConsultAsked("amy", item, to_seat("bob")))
    scene.choose("bob", "meal")
    scene.done(i.MoveMade("amy", item, Move.CANCEL))
    assert scene.state.seats["bob"].voice.status == "meal"


def test_a_whispering_supervisor_listens_when_no_agent_is_left() -> None:
    scene = center()
    item = talking(scene)
    leg = scene.done(i.WatchAsked("cat", item, m.WatchMode.WHISPER)).offer
    scene.done(i.OfferAnswered(leg))
    scene.done(i.ConsultAsked("amy", item, m.Target(m.TargetKind.OUTSIDE, "a-out"), OUT))
    scene.done(i.OfferAnswered(other(scene, item)))
    decision = scene.give(i.MoveMade("amy", item, Move.COMPLETE))
    assert e.Join(item, leg, scene.state.items[item].bridge, muted=True) in decision.effects


@pytest.mark.feature("V10")
def test_a_supervisor_who_joined_goes_on_when_the_agent_leaves() -> None:
    scene = center()
    item = talking(scene)
    scene.done(i.OfferAnswered(scene.done(i.WatchAsked("cat", item, m.WatchMode.JOIN)).offer))
    scene.give(i.PartyLeft(own_leg(scene, item, "amy")))
    assert (scene.state.items[item].seat, shape(scene, item)) == ("cat", Shape.TALK)


def test_nobody_is_taken_over_without_a_customer() -> None:
    scene = center()
    scene.seat("eve", "other", ready=False)
    take_transfers(scene, "eve")
    item = consulting(scene)
    leg = scene.done(i.WatchAsked("eve", item, m.WatchMode.TAKE_OVER)).offer
    scene.hang_up(item)
    scene.give(i.OfferAnswered(leg))
    assert scene.facts(f.WatchEnded)[0].reason == "over"
    assert shape(scene, item) is Shape.PRIVATE
    assert scene.refused(i.WatchAsked("eve", item, m.WatchMode.LISTEN)).code is Code.NOT_SERVING


def test_a_second_click_makes_no_second_call_and_a_dead_handset_dials_nobody() -> None:
    scene = center()
    item = scene.done(i.OutboundAsked("amy", OUT)).item
    assert scene.done(i.OutboundAsked("amy", OUT)).item == item
    scene.give(i.PartyLeft(own_leg(scene, item, "amy")))
    scene.done(i.OutboundAsked("amy", OUT, "set"))
    scene.give(i.PartyLeft("set"))
    assert scene.done(i.OutboundAsked("amy", OUT, "set")).note == "late"
    assert len(scene.facts(f.OutboundStarted)) == 2


def test_a_seat_that_is_being_logged_out_gets_nothing_by_hand_either() -> None:
    scene = center()
    chat = scene.text("other")
    scene.choose("bob", "text_ready")
    scene.answer(chat)
    scene.done(i.SeatSignedOut("bob", forced=True))
    item = talking(scene)
    assert scene.refused(i.ConsultAsked("amy", item, to_seat("bob"))).code is Code.SEAT_BUSY
    assert scene.refused(i.OutboundAsked("bob", OUT)).code is Code.SEAT_BUSY
    scene.finish(chat)
    assert scene.seen("bob") is m.SeatState.LOGGED_OUT


def test_outside_may_be_asked_in_only_where_the_status_allows_it() -> None:
    scene = center()
    item = talking(scene)
    scene.give(i.StatusDefined(m.StatusDef("ready", m.Presence.VOICE, (("en", "ready"),), True, False, True, False)))
    target = m.Target(m.TargetKind.OUTSIDE, "a-out")
    for given in (i.ConsultAsked("amy", item, target, OUT), i.TransferAsked("amy", item, target, OUT)):
        assert scene.refused(given).code is Code.OUTBOUND_NOT_ALLOWED


@pytest.mark.parametrize("shape_", [Shape.BLIND, Shape.HANDED_OVER])
def test_nobody_is_no_seat(shape_: Shape) -> None:
    scene = center()
    item = reached(scene, shape_)
    assert scene.refused(i.CallHungUp("", item)).code is Code.NOT_SERVING
    assert scene.refused(i.MoveMade("", item, Move.HOLD)).code is Code.NOT_SERVING


def test_an_agents_microphone_is_closed_and_opened() -> None:
    scene = center()
    item = talking(scene)
    own = own_leg(scene, item, "amy")
    assert scene.give(i.MuteAsked("amy", item, True)).effects == (e.Mute(own, True),)
    assert scene.done(i.MuteAsked("amy", item, True)).note == "late"
    assert scene.give(i.MuteAsked("amy", item, False)).effects == (e.Mute(own, False),)
    assert scene.refused(i.MuteAsked("bob", item, True)).code is Code.NOT_SERVING


BACK = m.EntryPlan("e", 1, "q", address="a1", callback=OUT)


@pytest.mark.feature("V17")
def test_a_callback_waits_while_its_line_is_full_or_its_agent_is_lost() -> None:
    """Its one dial is spent on the customer alone."""
    scene = center(decline_back_off=SECOND)
    scene.give(i.TrunkDefined(m.TrunkDef("city", 1)))
    busy = scene.done(i.OutboundAsked("bob", OUT, "set")).item
    task = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", BACK)).item
    order = scene.state.items[task].order
    assert scene.offered_to(task) == "", "no agent is rung for a call that cannot be made"
    assert (scene.state.items[task].phase, scene.facts(f.Accepted)) == (m.Phase.WAITING, [])
    scene.give(i.PartyLeft("set"))
    assert busy not in scene.state.items
    scene.answer(task)
    lost = scene.give(i.PartyLeft(own_leg(scene, task, "amy"), hung_up=False))
    assert any(isinstance(effect, e.HangUpLeg) for effect in lost.effects)
    assert scene.state.items[task].order == order
    assert scene.done(i.ItemArrived(m.Kind.CALLBACK, "again", BACK)).item == task


@pytest.mark.feature("V17")
def test_a_retired_queue_moves_a_caller_whose_callback_waits_behind_him() -> None:
    """The callback ends when its caller is moved, and is not moved itself."""
    scene = Scene(queue("q"), queue("r"))
    caller = scene.enter(BACK)
    task = scene.done(i.ItemArrived(m.Kind.CALLBACK, "web", BACK)).item
    assert scene.state.items[task].phase is m.Phase.WAITING
    scene.done(i.QueueRetired("q", "r"))
    assert scene.state.items[caller].queue == "r"
    assert task not in scene.state.items
