"""Conversations to rows, one story at a time, by the real core: who was with whom, and what that is counted as."""

from __future__ import annotations

import pytest

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND
from acd.core.shapes import Move
from dashboards.formulas import Scope
from dashboards.history import VisitEnd, read_history
from dashboards.metrics import compute
from records.explain import NoRecord
from records.fold import Rules, fold_into
from records.information import information
from records.model import Case, Role
from tests.support.scene import Scene, key, queue, to

VOICE = m.Presence.VOICE
TALKS = m.StatusDef("talks", VOICE, (("en", "talks"),), False, True, True, True)
"""The dispatcher gives nothing, a colleague may."""
CITY = m.Route("a-out", "city", prefix="9", wrap_up=m.WrapUpRule(m.WrapUpEnding.BY_HAND))
RULE = m.WrapUpRule(m.WrapUpEnding.BY_HAND)


def center(*more: m.QueueDef, **rules: object) -> Scene:
    """Amy takes calls, Bob and Eva take transfers."""
    scene = Scene(queue("q", wrap_up=RULE, **rules), *more)
    scene.give(i.StatusDefined(TALKS))
    scene.give(i.TrunkDefined(m.TrunkDef("city", 2)))
    scene.seat("amy", "q")
    for name in ("bob", "eva"):
        scene.seat(name, *(one.id for one in more), ready=False)
        scene.sign_in(name)
        scene.choose(name, "talks")
    return scene


def talking(scene: Scene, seconds: float = 10) -> str:
    item = scene.call("q")
    scene.answer(item)
    scene.wait(seconds)
    return item


def other(scene: Scene, item: str) -> str:
    third = scene.state.items[item].other
    assert third is not None
    return third.leg


def consulting(scene: Scene, seat: str = "bob") -> str:
    item = talking(scene)
    scene.done(i.ConsultAsked("amy", item, m.Target(m.TargetKind.SEAT, seat)))
    scene.wait(5)
    scene.done(i.OfferAnswered(other(scene, item)))
    scene.wait(7)
    return item


def cases_of(scene: Scene, rules: Rules | None = None) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    for recorded in scene.world.log:
        fold_into(cases, recorded, rules or Rules())
    return cases


def seconds(case: Case) -> list[tuple[str, int, int, int]]:
    """Seat, talk, hold, consult of each part, in whole seconds (an input takes a microsecond of the scene's clock)."""
    return [
        (one.seat, round(one.talk / SECOND), round(one.hold / SECOND), round(one.consult / SECOND))
        for one in case.handlings
    ]


def figure(scene: Scene, metric: str, seat: str = "") -> float:
    history = read_history(scene.world.log, scene.now + 1)
    return compute(metric, history, Scope(0, scene.now + 1, seat=seat)) or 0


# --- the Z numbers that are about figures ----------------------------------------------------------------------------


def test_z10_an_attended_transfer_keeps_the_wrap_up_of_both() -> None:
    """asterisk#607: the transfer reset lastcall, so that the agent who gave the call away had no wrap-up."""
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.COMPLETE))
    scene.wait(20)
    scene.done(i.WrapUpEnded("amy", item))
    scene.hang_up(item)
    scene.wait(30)
    scene.done(i.WrapUpEnded("bob", item))
    case = cases_of(scene)[item]
    wraps = [(one.seat, round((one.wrap_up_ended_at - one.wrap_up_at) / SECOND)) for one in case.handlings]
    assert wraps == [("amy", 20), ("bob", 30)]
    assert (figure(scene, "acw_total", "amy") // SECOND, figure(scene, "acw_total", "bob") // SECOND) == (20, 30)


def test_z11_a_call_is_counted_once_for_each_seat_whatever_came_at_the_same_time() -> None:
    """asterisk#1737: a member's call was counted twice under concurrency. Twice told, late and mixed: once."""
    scene = center()
    item = scene.call("q")
    offer = scene.state.items[item].offer
    scene.done(i.OfferAnswered(offer))
    for late in (i.OfferAnswered(offer), i.RingSeen(offer), i.OfferRefused(offer, m.OfferResult.REJECTED)):
        scene.give(late)
    leg = scene.state.items[item].leg
    scene.hang_up(item)
    scene.give(i.PartyLeft(leg))
    scene.give(i.PartyLeft(offer))
    case = cases_of(scene)[item]
    assert [part.seat for part in case.handlings] == ["amy"]
    assert case.record is not None
    for metric in ("offered", "answered", "handled", "finished", "offers", "offers_accepted", "ended"):
        expected = 0 if metric == "finished" else 1  # her wrap-up goes on
        assert figure(scene, metric) == figure(scene, metric, "amy") == expected, metric


def test_z13_an_attended_transfer_is_logged_and_logs_nobody_out() -> None:
    """freeswitch#2118, asterisk#759, FreePBX#124: not logged, the agent logged out, an hour of talk for two minutes."""
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.COMPLETE))
    scene.wait(120)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    (transfer,) = case.transfers
    assert (transfer.kind, transfer.from_seat, transfer.to_id, transfer.result) == (
        "consult",
        "amy",
        "bob",
        "completed",
    )
    assert round((transfer.answered_at - transfer.asked_at) / SECOND) == 5
    assert seconds(case) == [("amy", 10, 5, 7), ("bob", 120, 0, 7)]
    assert [part.how for part in case.handlings] == ["transferred", ""]
    assert all(scene.state.seats[seat].signed_in_at for seat in ("amy", "bob"))
    assert figure(scene, "transfers_consult", "amy") == figure(scene, "transfers_in", "bob") == 1
    assert figure(scene, "talk_total", "amy") // SECOND == 10
    assert figure(scene, "talk_total", "bob") // SECOND == 120


# --- transfers -----------------------------------------------------------------------------------------------------


@pytest.mark.feature("R2")
def test_whatever_was_transferred_there_is_one_record_of_who_had_him_last() -> None:
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.COMPLETE))
    scene.wait(60)
    scene.hang_up(item)
    cases = cases_of(scene)
    records = [case.record for case in cases.values() if case.record is not None]
    assert len(records) == 1
    record = records[0]
    assert (record.seat, record.item) == ("bob", item)
    assert (record.conversation_end_at - record.service_start_at) // SECOND == 10 + 5 + 7 + 60


def test_a_colleague_who_was_only_asked_has_handled_nothing() -> None:
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.CANCEL))
    scene.wait(3)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    assert seconds(case) == [("amy", 13, 5, 7), ("bob", 0, 0, 7)]
    assert [(part.role, bool(part.met_at), bool(part.wrap_up_at)) for part in case.handlings] == [
        (Role.OWNER, True, True),
        (Role.COLLEAGUE, False, False),
    ]
    assert case.transfers[0].result == "cancelled"
    assert figure(scene, "handled", "bob") == figure(scene, "transfers_out") == 0
    assert figure(scene, "consult_total", "bob") // SECOND == 7


def test_three_way_is_talk_for_both_and_going_back_keeps_him_aside() -> None:
    scene = center()
    item = consulting(scene)
    scene.done(i.MoveMade("amy", item, Move.MERGE))
    scene.wait(20)
    scene.done(i.MoveMade("amy", item, Move.SPLIT))
    scene.wait(4)
    scene.done(i.MoveMade("amy", item, Move.SWAP))
    scene.wait(6)
    scene.hang_up(item)  # the two others talk on: that is nobody's talk with the customer
    scene.wait(300)
    scene.done(i.CallHungUp("amy", item))
    case = cases_of(scene)[item]
    assert seconds(case) == [("amy", 10 + 20 + 6, 5, 7 + 4 + 300), ("bob", 20, 0, 7 + 4 + 300)]
    assert [one.kind for one in case.segments if one.seat == "bob"][:4] == ["consult", "talk", "consult", "aside"]
    assert case.record is not None
    assert case.record.conversation_end_at == case.interaction.left_at
    assert figure(scene, "talk_total", "amy") // SECOND == 36


def test_a_blind_transfer_that_fails_waits_in_a_visit_of_its_own() -> None:
    scene = center()
    item = talking(scene)
    scene.done(i.TransferAsked("amy", item, m.Target(m.TargetKind.SEAT, "bob")))
    scene.wait(3)
    scene.done(i.OfferRefused(other(scene, item), m.OfferResult.REJECTED, 486, 17))
    scene.wait(10)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    (transfer,) = case.transfers
    assert (transfer.kind, transfer.result, transfer.sip, transfer.q850) == ("blind", "rejected", 486, 17)
    history = read_history(scene.world.log, scene.now + 1)
    assert [visit.end for visit in history.visits] == [VisitEnd.ANSWERED, VisitEnd.ABANDONED]
    assert figure(scene, "transfers_blind", "amy") == 1
    assert case.record is not None


def test_a_transfer_to_a_queue_is_a_new_visit_and_not_a_second_record() -> None:
    scene = center(queue("w"))
    item = talking(scene)
    scene.done(i.TransferAsked("amy", item, m.Target(m.TargetKind.QUEUE, "w")))
    scene.wait(4)
    scene.done(i.ItemPicked("bob", item))
    scene.answer(item)
    scene.wait(9)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    (transfer,) = case.transfers
    assert (transfer.kind, transfer.to_id, transfer.result) == ("queue", "w", "completed")
    assert seconds(case) == [("amy", 10, 0, 0), ("bob", 9, 0, 0)]
    history = read_history(scene.world.log, scene.now + 1)
    assert [(one.queue, one.end) for one in history.visits] == [("q", VisitEnd.ANSWERED), ("w", VisitEnd.ANSWERED)]
    assert figure(scene, "transfers_queue", "amy") == figure(scene, "transfers_in", "bob") == 1


# --- supervision (pain P13) ----------------------------------------------------------------------------------------


def test_supervision_is_audited_and_is_no_talk_until_he_takes_over() -> None:
    scene = center()
    item = talking(scene)
    leg = scene.done(i.WatchAsked("eva", item, m.WatchMode.LISTEN)).offer
    scene.done(i.OfferAnswered(leg))
    scene.wait(30)
    assert seconds(cases_of(scene)[item])[0][0] == "amy"
    scene.done(i.WatchAsked("eva", item, m.WatchMode.TAKE_OVER))
    scene.wait(8)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    assert [(one.mode, one.reason, one.by, one.via, one.agent) for one in case.supervisions] == [
        ("listen", "changed", "tester", "test", "amy"),
        ("take_over", "took_over", "tester", "test", "amy"),
    ]
    assert seconds(case) == [("amy", 40, 0, 0), ("eva", 8, 0, 0)]
    assert [(part.role, part.how) for part in case.handlings] == [("owner", "taken_over"), ("supervisor", "")]
    assert figure(scene, "watched", "eva") // SECOND == 30
    assert figure(scene, "talk_total", "eva") // SECOND == 8


# --- outbound (V2) -------------------------------------------------------------------------------------------------


def dialled(scene: Scene, *, answered: bool = True) -> str:
    item = scene.done(i.OutboundAsked("amy", CITY)).item
    seat = scene.state.seats["amy"]
    scene.done(i.OfferAnswered(seat.handlings[item].offer))
    scene.wait(6)
    if answered:
        scene.done(i.OfferAnswered(scene.state.items[item].leg))
        scene.wait(20)
    return item


@pytest.mark.feature("V2")
def test_outbound_record_opens_when_the_customer_is_connected_and_the_switch_is_on() -> None:
    scene = center()
    item = dialled(scene, answered=False)
    assert cases_of(scene)[item].record is None  # it only rings
    scene.done(i.OfferAnswered(scene.state.items[item].leg))
    on, off = cases_of(scene)[item], cases_of(scene, Rules(outbound_record=False))[item]
    assert on.record is not None
    assert (on.record.seat, on.record.direction, on.record.account) == ("amy", "outbound", "9")
    assert on.record.address == "a-out"
    assert on.record.service_start_at == on.interaction.accepted_at > on.interaction.dialled_at
    assert off.record is None
    assert off.interaction.reason == NoRecord.OUTBOUND_SWITCH_OFF


def test_an_outbound_call_that_nobody_answers_has_no_record_no_talk_and_no_wrap_up() -> None:
    scene = center()
    item = dialled(scene, answered=False)
    scene.done(i.OfferRefused(scene.state.items[item].leg, m.OfferResult.REJECTED, 486, 17, m.Outcome.BUSY))
    case = cases_of(scene)[item]
    assert case.interaction.reason == NoRecord.OUTBOUND_NOT_CONNECTED
    assert (case.interaction.outcome, case.interaction.sip, case.interaction.q850) == ("busy", 486, 17)
    assert seconds(case) == [("amy", 0, 0, 0)]
    assert not case.handlings[0].wrap_up_at
    assert (figure(scene, "outbound_dialled"), figure(scene, "outbound_connected")) == (1, 0)


# --- queues that speak ---------------------------------------------------------------------------------------------


def test_a_callback_names_its_caller_and_opens_its_own_record_when_he_is_reached() -> None:
    """R2: the call that asked for it was served by nobody (its reason says so), the callback is a contact that is."""
    scene = center(keys=(key("1", m.Way.CALLBACK),))
    scene.choose("amy", "not_ready")
    plan = m.EntryPlan("81", 1, "q", "voice", address="a-out", callback=CITY)
    call = scene.enter(plan)
    scene.wait(15)
    scene.press(call, "1")
    (task,) = scene.state.items
    scene.ready("amy")
    scene.answer(task)
    before = cases_of(scene)
    assert before[call].interaction.reason == NoRecord.CALLBACK_TAKEN
    assert before[task].interaction.origin == call
    assert before[task].record is None  # his phone is only being called
    assert before[task].interaction.account == "81"
    scene.wait(5)
    scene.done(i.OfferAnswered(scene.state.items[task].leg))
    scene.wait(11)
    scene.hang_up(task)
    case = cases_of(scene)[task]
    assert case.record is not None
    assert seconds(case) == [("amy", 11, 0, 0)]
    funnel = [figure(scene, f"callbacks_{stage}") for stage in ("scheduled", "dialled", "reached", "bridged")]
    assert funnel == [1, 1, 1, 1]
    history = read_history(scene.world.log, scene.now + 1)
    assert [one.end for one in history.visits] == [VisitEnd.FLOWED_OUT, VisitEnd.ANSWERED]


def test_a_callback_that_is_not_reached_says_so() -> None:
    scene = center()
    plan = m.EntryPlan("81", 1, "q", "voice", address="a-out", callback=CITY)
    task = scene.done(i.ItemArrived(m.Kind.CALLBACK, "cb", plan)).item
    scene.answer(task)
    scene.done(i.OfferRefused(scene.state.items[task].leg, m.OfferResult.TIMEOUT, 480, 19, m.Outcome.RNA))
    case = cases_of(scene)[task]
    assert (case.record, case.interaction.reason) == (None, NoRecord.CALLBACK_NOT_REACHED)
    assert [figure(scene, f"callbacks_{stage}") for stage in ("dialled", "bridged")] == [1, 0]


# --- call information (V12) ----------------------------------------------------------------------------------------


@pytest.mark.feature("V12")
def test_information_tells_the_whole_way_of_a_call() -> None:
    scene = center()
    menu = m.Menu("main", "choose", (key("2", m.Way.QUEUE, "q"),), to(m.Way.QUEUE, "q"), 5 * SECOND, 2)
    scene.define(menu)
    plan = m.EntryPlan("81", 1, "q", priority=3, last_seat="eva", trunk="city", start=to(m.Way.MENU, "main"))
    item = scene.enter(plan)
    scene.wait(2)
    scene.press(item, "2")
    scene.done(i.OfferRefused(scene.state.items[item].offer, m.OfferResult.REJECTED, 603, 21))
    scene.wait(6)
    scene.answer(item)
    scene.wait(10)
    scene.done(i.MoveMade("amy", item, Move.HOLD))
    scene.wait(4)
    scene.done(i.MoveMade("amy", item, Move.RESUME))
    scene.done(i.PauseAsked(item, 60 * SECOND))
    live = information(cases_of(scene)[item], scene.state.items[item], now=scene.now)
    assert (live.live, live.shape, live.recording_on, live.recording_paused) == (True, "talk", False, True)
    assert [(one.role, one.doing) for one in live.parties] == [("customer", ""), ("owner", "talk")]
    scene.done(i.ResumeAsked(item))
    leg = scene.state.items[item].leg
    scene.done(i.PartyLeft(leg, sip=200, q850=16))
    told = information(cases_of(scene)[item])
    assert (told.live, told.direction, told.entry, told.trunk) == (False, "inbound", "81", "city")
    assert (told.priority, told.last_agent, told.queue) == (3, "eva", "q")
    assert [(one.menu, one.digit) for one in told.keys] == [("main", "2")]
    assert [(one.queue, round(one.seconds), one.result) for one in told.waits] == [("q", 6, "accepted")]
    assert [(one.seat, one.result, one.sip, one.q850) for one in told.offers] == [
        ("amy", "rejected", 603, 21),
        ("amy", "accepted", 0, 0),
    ]
    assert [round((one.ended_at - one.began_at) / SECOND) for one in told.holds] == [4]
    assert [one.what for one in told.recording_events] == ["paused", "resumed by_hand"]
    assert (told.hung_up_by, told.sip, told.q850, told.outcome) == ("customer", 200, 16, "answered")
    assert told.record
    assert [(one.role, one.seat, one.ended_at > 0) for one in told.parties] == [
        ("customer", "", True),
        ("owner", "amy", True),
    ]
    assert len(scene.facts(f.Ended)) == 1


def test_going_through_another_entry_point_keeps_the_first_account() -> None:
    scene = center(queue("w"))
    item = talking(scene)
    plan = m.EntryPlan("89", 1, "w")
    scene.done(i.TransferAsked("amy", item, m.Target(m.TargetKind.ENTRY, "89"), plan=plan))
    scene.wait(5)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    assert (case.interaction.account, information(case).entries) == ("e", ("89",))
    (transfer,) = case.transfers
    assert (transfer.kind, transfer.to_id, transfer.result) == ("entry", "89", "completed")
    assert case.record is not None
    assert case.record.account == "e"
    assert figure(scene, "transfers_queue") == 1


def test_a_message_names_its_caller_and_his_wait_flows_out() -> None:
    scene = center(keys=(key("9", m.Way.VOICEMAIL),))
    scene.give(i.MediumDefined(m.MediumDef("voicemail", m.Presence.TEXT, 1, 5)))
    scene.choose("amy", "not_ready")
    scene.choose("amy", "away")
    call = scene.call("q")
    scene.wait(8)
    scene.press(call, "9")
    scene.wait(12)
    scene.hang_up(call)
    (task,) = scene.state.items
    cases = cases_of(scene)
    assert (cases[task].interaction.origin, cases[task].interaction.kind) == (call, "voicemail")
    assert cases[task].interaction.recording == cases[call].interaction.recording != ""
    assert cases[call].interaction.reason == NoRecord.VOICEMAIL
    assert [one.kind for one in cases[call].segments] == ["ivr", "queue", "voicemail"]
    assert [figure(scene, metric) for metric in ("voicemails", "abandoned", "flowed_out", "open")] == [1, 0, 1, 1]


def test_a_customer_handed_to_a_number_outside_is_the_agents_warm_transfer() -> None:
    scene = center()
    item = talking(scene)
    target = m.Target(m.TargetKind.OUTSIDE, CITY.address)
    scene.done(i.ConsultAsked("amy", item, target, CITY))
    scene.wait(5)
    scene.done(i.OfferAnswered(other(scene, item)))
    scene.wait(3)
    scene.done(i.MoveMade("amy", item, Move.COMPLETE))
    scene.wait(600)
    scene.hang_up(item)
    case = cases_of(scene)[item]
    assert seconds(case) == [("amy", 10, 5, 3)]  # ten minutes with somebody else are nobody's talk
    (transfer,) = case.transfers
    assert (transfer.kind, transfer.result, transfer.trunk) == ("consult", "completed", "city")
    assert [one.role for one in information(case).parties] == ["customer", "owner", "other"]
    assert figure(scene, "transfers_consult", "amy") == 1
    assert case.record is not None


def test_a_full_line_is_counted_for_its_trunk_and_asks_for_no_record() -> None:
    scene = center()
    scene.give(i.TrunkDefined(m.TrunkDef("city", 1)))
    dialled(scene)
    scene.refused(i.ConsultAsked("amy", next(iter(scene.state.items)), m.Target(m.TargetKind.OUTSIDE, "x"), CITY))
    history = read_history(scene.world.log, scene.now + 1)
    whole = Scope(0, scene.now + 1, trunk="city")
    assert (compute("line_overflow", history, whole), compute("outbound_connected", history, whole)) == (1, 1)
    assert len(cases_of(scene)) == 1


def test_a_gap_of_the_recording_is_told() -> None:
    scene = center()
    item = talking(scene)
    recording = scene.state.items[item].recording
    scene.done(i.RecordingStarted(item, recording))
    assert information(cases_of(scene)[item], scene.state.items[item]).recording_on
    scene.done(i.RecordingStopped(item, "disk full"))
    told = information(cases_of(scene)[item], scene.state.items[item])
    assert [one.what for one in told.recording_events] == ["began", "failed disk full"]
    assert not told.recording_on


def test_a_phones_own_attended_transfer_joins_two_calls_and_each_is_counted_once() -> None:
    """The customer's call has one record; the call to the third party was connected and has its own (V2)."""
    scene = center()
    item = talking(scene)
    seat = scene.state.seats["amy"]
    second = scene.done(i.OutboundAsked("amy", CITY, leg="amy-2")).item
    scene.done(i.OfferAnswered(scene.state.items[second].leg))
    scene.wait(4)
    first, far = seat.handlings[item].offer, scene.state.items[second].leg
    scene.done(i.PhonesJoined(first, second, far))
    scene.wait(30)
    scene.hang_up(item)
    cases = cases_of(scene)
    assert [case.record is not None for case in (cases[item], cases[second])] == [True, True]
    (transfer,) = cases[item].transfers
    assert (transfer.result, transfer.to_kind) == ("completed", "outside")
    assert [part.how for part in cases[second].handlings] == ["joined"]
    assert seconds(cases[second]) == [("amy", 4, 0, 0)]
    assert (figure(scene, "handled"), figure(scene, "outbound_connected"), figure(scene, "transfers_consult")) == (
        1,
        1,
        1,
    )
