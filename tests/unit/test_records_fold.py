"""Facts to rows, one story at a time: what a contact's rows say and why it has no record."""

from __future__ import annotations

import typing

import pytest

from acd.core import facts as f
from acd.core.model import (
    SECOND,
    DirectKind,
    EntryPlan,
    Kind,
    OfferResult,
    OfferRule,
    Outcome,
    Party,
    Strategy,
    WrapUpEnding,
    WrapUpRule,
)
from records.explain import REASONS, WORDS, NoRecord, explain, explain_unknown
from records.fold import DirectFact, ItemFact, Rules, case_id, fold
from records.model import Case, Stretch

PLAN = EntryPlan(entry="81", revision=1, queue="service", address="a-1", contact="c-1")
RULE = WrapUpRule(WrapUpEnding.BY_HAND)

ENTERED = f.Entered("i1", 1, Kind.CALL, "voice", "s1", PLAN, leg="leg-1")
CHAT = f.Entered("i1", 1, Kind.CHAT, "chat", "s1", PLAN, key="web:1")
ARRIVED = f.Arrived("i1")
GREETING = f.GreetingStarted("i1", "hello", "p1", 0)
MENU = f.MenuStarted("i1", "menu", "p2", 1, 0)
CHOSE = f.MenuChose("i1", "2", "sales")
QUEUED = f.Queued("i1", "sales", 0, ())
RUNG = f.RingStarted("o1", "i1", "anna")
UP = f.MediaUp("i1", "anna")


def offered(offer: str = "o1", seat: str = "anna") -> f.Offered:
    rule, strategy = OfferRule.SEAT_FOR_ITEM, Strategy.LONGEST_IDLE
    return f.Offered(offer, "i1", seat, "voice", "sales", 0, rule, strategy, (), 1, 1)


def gone(result: OfferResult, offer: str = "o1", seat: str = "anna") -> f.OfferEnded:
    return f.OfferEnded(offer, "i1", seat, result, "sales")


def accepted(offer: str = "o1", seat: str = "anna", medium: str = "voice") -> f.Accepted:
    return f.Accepted(offer, "i1", seat, medium, "sales")


def left(who: Party = Party.CUSTOMER, seat: str = "anna", offer: str = "o1") -> f.HandlingEnded:
    return f.HandlingEnded("i1", seat, "voice", "sales", who, offer)


def ended(outcome: Outcome, who: Party = Party.CUSTOMER, not_before: int = 0) -> f.Ended:
    return f.Ended("i1", outcome, who, "voice", "leg-1", "sales", not_before=not_before)


def wrapping(seat: str = "anna") -> f.WrapUpStarted:
    return f.WrapUpStarted("i1", seat, "voice", "sales", RULE, 0)


def served(answered_at: int, *, exact: bool = True) -> f.FallbackCallServed:
    outcome = Outcome.FALLBACK if answered_at else Outcome.ABANDONED_QUEUE
    seat = "anna" if answered_at else ""
    return f.FallbackCallServed("i1", 1, "s1", PLAN, "leg-1", 5, answered_at, 90, seat, outcome, exact)


def told(*facts: f.Fact, rules: Rules | None = None) -> Case:
    """The case after these facts, ten seconds apart: the n-th happens at n × 10 s, the first at 10 s."""
    case = None
    for place, fact in enumerate(facts, 1):
        recorded = f.Recorded(place, place * 10 * SECOND, place, "system", "engine", 0, fact)
        case = fold(case, recorded, rules or Rules())
    assert case is not None
    return case


STORIES: dict[NoRecord, tuple[f.Fact, ...]] = {
    NoRecord.LIVE: (ENTERED, ARRIVED, QUEUED, offered()),
    NoRecord.LEFT_ON_THE_WAY: (ENTERED, ended(Outcome.ABANDONED_IVR)),
    NoRecord.LEFT_IN_MENU: (ENTERED, ARRIVED, GREETING, MENU, ended(Outcome.ABANDONED_IVR)),
    NoRecord.LEFT_IN_QUEUE: (ENTERED, ARRIVED, QUEUED, ended(Outcome.ABANDONED_QUEUE)),
    NoRecord.LEFT_RINGING: (
        ENTERED,
        ARRIVED,
        QUEUED,
        offered(),
        RUNG,
        gone(OfferResult.WITHDRAWN),
        ended(Outcome.ABANDONED_RING),
    ),
    NoRecord.CLOSED: (ENTERED, ARRIVED, GREETING, ended(Outcome.CLOSED, Party.SYSTEM)),
    NoRecord.BLACKLISTED: (ENTERED, ARRIVED, ended(Outcome.BLACKLISTED, Party.SYSTEM)),
    NoRecord.LINE_CAP: (ENTERED, ARRIVED, ended(Outcome.LINE_CAP, Party.SYSTEM)),
    NoRecord.UNOBSERVED: (ENTERED, ARRIVED, QUEUED, ended(Outcome.UNOBSERVED, not_before=25 * SECOND)),
    NoRecord.FALLBACK_UNANSWERED: (served(0),),
    NoRecord.OUTBOUND_NOT_CONNECTED: (
        f.DirectStarted("d1", "anna", DirectKind.OUTBOUND, "leg-9", "a-7"),
        f.DirectEnded("d1", "anna", DirectKind.OUTBOUND, Outcome.BUSY, Party.CUSTOMER, False),
    ),
    NoRecord.NO_ANSWER: (
        f.DirectStarted("d1", "anna", DirectKind.DIRECT, "leg-9", "a-7"),
        f.DirectEnded("d1", "anna", DirectKind.DIRECT, Outcome.ANSWERED, Party.CUSTOMER, False),
    ),
    NoRecord.INTERNAL: (
        f.DirectStarted("d1", "anna", DirectKind.INTERNAL, "leg-9", "ben"),
        f.DirectAnswered("d1", "anna"),
        f.DirectEnded("d1", "anna", DirectKind.INTERNAL, Outcome.ANSWERED, Party.SEAT, False),
    ),
}


@pytest.mark.parametrize("reason", list(STORIES))
def test_each_call_without_a_record_says_why(reason: NoRecord) -> None:
    case = told(*STORIES[reason])
    assert case.record is None
    assert case.interaction.reason == reason
    assert explain(case.interaction, "").reason is reason


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_has_its_reason(outcome: Outcome) -> None:
    case = told(ENTERED, ARRIVED, QUEUED, ended(outcome, Party.SYSTEM))
    assert case.interaction.reason == REASONS[outcome]


def test_reasons_are_said_in_three_languages() -> None:
    assert list(WORDS) == list(NoRecord)
    for words in WORDS.values():
        assert len(set(words)) >= 2
        assert all(words)
        assert words[2].isascii()


def test_every_fact_is_about_a_contact_or_named_as_not() -> None:
    about = frozenset(typing.get_args(ItemFact)) | frozenset(typing.get_args(DirectFact))
    others = {kind.__name__ for kind in typing.get_args(f.Fact) if kind not in about}
    assert others == {
        "BackOffEnded", "ConfigurationTaken", "DayBegan", "EngineTookOver", "InputNoted", "InputRejected",
        "MediumChanged", "PhoneReached", "PolicyChanged", "QueueChanged", "Repaired", "SeatChanged", "SeatGone",
        "SeatProfileChanged", "SeatRetiring", "ShiftSet", "SignedIn", "SignedOut", "StatusChanged", "StatusPended",
        "StatusSet", "LineOverflowed", "MenuChanged", "QueueOpened", "SignOutPended", "TrunkChanged", "TrunkGone",
    }  # fmt: skip
    assert case_id(f.SignedOut("anna")) == ""


# --- the service record (R2) -----------------------------------------------------------------------------------

CONNECTED: tuple[f.Fact, ...] = (
    ENTERED,  # 10 s
    ARRIVED,
    GREETING,
    MENU,
    CHOSE,  # 50
    QUEUED,
    offered(),
    RUNG,
    accepted(),  # 90
    UP,  # 100
    left(),  # 110
    wrapping(),
    ended(Outcome.ANSWERED),  # 130
)


@pytest.mark.feature("R2")
def test_record_has_the_times_and_the_channel_of_the_contact() -> None:
    record = told(*CONNECTED, f.WrapUpTimed("i1", "anna", 0), f.WrapUpLeft("i1", "anna", "by_hand")).record
    assert record is not None
    assert record.contact_at == 60 * SECOND  # asked for a human
    assert record.service_start_at == 100 * SECOND  # the agent really started
    assert record.conversation_end_at == 110 * SECOND  # hang-up
    assert record.service_end_at == 140 * SECOND  # the agent pressed "service finished" after notes
    assert record.service_seconds == 140 - 100
    assert record.direction == "inbound"
    assert (record.channel_class, record.channel, record.account) == ("phone", "voice", "81")
    assert record.id == "s1"


def test_service_ends_with_wrap_up_where_nobody_pressed_finish() -> None:
    record = told(*CONNECTED, f.WrapUpLeft("i1", "anna", "timer")).record
    assert record is not None
    assert record.service_end_at == 140 * SECOND


def test_service_goes_on_while_wrap_up_does() -> None:
    record = told(*CONNECTED).record
    assert record is not None
    assert (record.conversation_end_at, record.service_end_at, record.service_seconds) == (110 * SECOND, 0, None)


def test_service_ends_with_the_conversation_where_there_is_no_wrap_up() -> None:
    record = told(ENTERED, ARRIVED, QUEUED, offered(), accepted(), UP, left(), ended(Outcome.ANSWERED)).record
    assert record is not None
    assert record.conversation_end_at == record.service_end_at == 70 * SECOND


def test_a_connection_whose_sound_nobody_saw_starts_at_accept() -> None:
    record = told(ENTERED, ARRIVED, QUEUED, offered(), accepted(), left(), ended(Outcome.ANSWERED)).record
    assert record is not None
    assert record.service_start_at == 50 * SECOND


def test_offer_after_offer_keeps_one_record_and_the_wait_whole() -> None:
    case = told(
        ENTERED, ARRIVED, QUEUED,
        offered(), RUNG, gone(OfferResult.TIMEOUT),
        offered("o2", "ben"), gone(OfferResult.REJECTED, "o2", "ben"),
        offered("o3", "cora"), accepted("o3", "cora"), f.MediaUp("i1", "cora"),
        left(seat="cora", offer="o3"), ended(Outcome.ANSWERED),
    )  # fmt: skip
    assert case.record is not None
    assert (case.record.id, case.record.seat) == ("s1", "cora")
    waits = [segment for segment in case.segments if segment.kind == Stretch.QUEUE]
    assert [(one.started_at, one.ended_at) for one in waits] == [(30 * SECOND, 100 * SECOND)]
    offers = [(one.seat, one.result) for one in case.segments if one.kind == Stretch.OFFER]
    assert offers == [("anna", "timeout"), ("ben", "rejected"), ("cora", "accepted")]
    assert case.interaction.offers == 3


def test_a_lost_seat_keeps_the_record_and_makes_two_handlings() -> None:
    case = told(
        ENTERED, ARRIVED, QUEUED, offered(), accepted(), UP,
        left(Party.SEAT), f.Requeued("i1", "sales", "anna", "seat_lost"),
        offered("o2", "ben"), accepted("o2", "ben"), f.MediaUp("i1", "ben"),
        left(seat="ben", offer="o2"), ended(Outcome.ANSWERED),
    )  # fmt: skip
    assert case.record is not None
    assert case.record.id == "s1"
    assert [handling.seat for handling in case.handlings] == ["anna", "ben"]
    assert case.record.service_start_at == 60 * SECOND
    assert case.record.conversation_end_at == 120 * SECOND
    assert case.interaction.requeues == 1


def test_caller_lost_between_two_seats_still_has_his_record() -> None:
    case = told(
        ENTERED, ARRIVED, QUEUED, offered(), accepted(), UP,
        left(Party.SEAT), f.Requeued("i1", "sales", "anna", "seat_lost"), ended(Outcome.ABANDONED_QUEUE),
    )  # fmt: skip
    assert case.record is not None
    assert case.interaction.reason == ""


def test_fall_back_that_was_answered_gives_a_record() -> None:
    case = told(served(20))
    assert case.record is not None
    assert (case.record.contact_at, case.record.service_start_at, case.record.service_end_at) == (5, 20, 90)
    assert case.record.seat == "anna"
    assert case.interaction.fallback


def test_fall_back_takes_over_a_call_that_was_waiting() -> None:
    case = told(ENTERED, ARRIVED, QUEUED, served(80 * SECOND))
    assert case.record is not None
    assert case.record.contact_at == 30 * SECOND
    assert case.interaction.phase == "ended"
    assert [one.kind for one in case.segments] == [Stretch.IVR, Stretch.QUEUE, Stretch.TALK]


def test_chat_gets_its_record_and_counts_messages() -> None:
    case = told(
        CHAT,
        QUEUED,
        f.MessagePassed("i1", Party.CUSTOMER),
        offered(),
        accepted(medium="chat"),
        UP,
        f.MessagePassed("i1", Party.SEAT),
        f.MessagePassed("i1", Party.CUSTOMER),
        left(),
        ended(Outcome.ANSWERED),
    )
    assert case.record is not None
    assert (case.record.channel_class, case.record.channel) == ("web", "chat")
    assert (case.interaction.messages_customer, case.interaction.messages_seat) == (2, 1)
    assert case.legs == []


def test_voice_keeps_the_legs_of_both_sides() -> None:
    case = told(*CONNECTED)
    assert [(leg.leg, leg.role, leg.answered_at, leg.ended_at) for leg in case.legs] == [
        ("leg-1", "customer", 20 * SECOND, 130 * SECOND),
        ("o1", "seat", 90 * SECOND, 110 * SECOND),
    ]


def test_segments_follow_one_another() -> None:
    case = told(*CONNECTED, f.WrapUpLeft("i1", "anna", "by_hand"))
    shown = [(one.kind, one.started_at // SECOND, one.ended_at // SECOND) for one in case.segments]
    assert shown == [("ivr", 20, 60), ("queue", 60, 90), ("offer", 70, 90), ("talk", 90, 110), ("wrap_up", 120, 140)]
    offer = case.segments[2]
    assert offer.rung_at == 80 * SECOND


OUTBOUND: tuple[f.Fact, ...] = (
    f.DirectStarted("d1", "anna", DirectKind.OUTBOUND, "leg-9", "a-7"),
    f.DirectAnswered("d1", "anna"),
    f.DirectEnded("d1", "anna", DirectKind.OUTBOUND, Outcome.ANSWERED, Party.SEAT, False),
)


def test_connected_outbound_call_opens_a_record_with_the_switch_on() -> None:
    before = told(*OUTBOUND[:1])
    assert before.record is None
    record = told(*OUTBOUND).record
    assert record is not None
    assert (record.direction, record.seat, record.service_start_at) == ("outbound", "anna", 20 * SECOND)


def test_connected_outbound_call_opens_none_with_the_switch_off() -> None:
    case = told(*OUTBOUND, rules=Rules(outbound_record=False))
    assert case.record is None
    assert case.interaction.reason == NoRecord.OUTBOUND_SWITCH_OFF


def test_what_was_applied_is_passed_over() -> None:
    case = told(*CONNECTED)
    again = fold(case, f.Recorded(6, 1, 6, "system", "engine", 0, QUEUED), Rules())
    assert again == told(*CONNECTED)


def test_a_fact_without_its_beginning_makes_no_case() -> None:
    assert fold(None, f.Recorded(1, 1, 1, "system", "engine", 0, QUEUED), Rules()) is None


# --- consumer lag ------------------------------------------------------------------------------------------------


def test_a_live_call_may_only_seem_so_while_records_are_behind() -> None:
    case = told(*STORIES[NoRecord.LIVE])
    assert explain(case.interaction, "", behind=3).reason is NoRecord.RECORDS_BEHIND
    assert explain(case.interaction, "", behind=0).reason is NoRecord.LIVE
    assert explain_unknown(behind=1) is not None
    assert explain_unknown(behind=0) is None


def test_a_record_needs_no_reason() -> None:
    case = told(*CONNECTED)
    shown = explain(case.interaction, "s1")
    assert (shown.record, shown.reason, shown.words, shown.say()) == ("s1", None, None, "")


@pytest.mark.parametrize(("language", "word"), [("zh-TW", "選單"), ("zh-CN", "菜单"), ("en", "menu"), ("fr", "menu")])
def test_reason_is_said_in_the_language_asked(language: str, word: str) -> None:
    case = told(*STORIES[NoRecord.LEFT_IN_MENU])
    assert word in explain(case.interaction, "").say(language)
