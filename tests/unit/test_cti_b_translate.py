"""ARI events as inputs: every row of the table, and what hostile events may not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acd.core.inputs import (
    DigitPressed,
    DirectCallEnded,
    MediaFlowed,
    OfferAnswered,
    OfferRefused,
    PartyLeft,
    PhoneChanged,
    PromptEnded,
    RingSeen,
)
from acd.core.model import OfferResult, Outcome, Party
from cti.legs import Hung, Join, Leg, Legs, Role
from cti.translate import (
    EVENTS,
    TABLE,
    Answered,
    CallerCame,
    Dialled,
    EarlyMedia,
    Flowed,
    Gone,
    HeldByPhone,
    HungUp,
    LeftApp,
    LegReady,
    Meaning,
    PromptOver,
    Rang,
    Referred,
    Strayed,
    translate,
)


class Seats:
    """cti.legs.Seats for one seat, amy at 8001."""

    all_settled = True

    def seat_of(self, extension: str) -> str:
        return "amy" if extension == "8001" else ""

    def extension_of(self, seat: str) -> str:
        return "8001" if seat == "amy" else ""

    def extensions(self) -> Sequence[str]:
        return ("8001",)

    def reachable(self, seat: str) -> bool:
        return True

    def settled(self, extension: str) -> bool:
        return self.all_settled


def book(*legs: Leg) -> Legs:
    legs_book = Legs(Seats())
    for leg in legs:
        legs_book.put(leg)
    return legs_book


CUSTOMER = Leg("c1", Role.CUSTOMER, "i1")
SEAT = Leg("o1", Role.SEAT, "i1", "amy", "8001")
TALKING = replace(SEAT, answered=True, rung=True, talking=True, peer="c1")
DIRECT = Leg("d1", Role.DIRECT, seat="amy", peer="d1-to")
ALL = book(CUSTOMER, SEAT, DIRECT)
ALL.prompts["p1"] = "i1"
JOINED = book(replace(CUSTOMER, talking=True), TALKING)
JOINED.join(Join("b1", "i1", "amy", ("c1", "o1")))
OTHER = Leg("x1", Role.OTHER, "i1", extension="8009")
OTHERS = book(OTHER, Leg("w1", Role.WATCHER, "i1", "eve", "8003"))
PAUSED = book(replace(CUSTOMER, paused=True))
FLOWED = book(CUSTOMER, replace(TALKING, flowed=True))
FLOWED.join(Join("b1", "i1", "amy", ("c1", "o1")))
RUNG = book(replace(CUSTOMER, line="main"), TALKING)
RUNG.join(Join("b1", "i1", "amy", ("c1", "o1")))
LISTENED = book(CUSTOMER, Leg("w1", Role.SEAT, "i1", "eve", "8003", answered=True))
LISTENED.enter("c1", "b1", "i1")
LISTENED.enter("w1", "b1", "i1", heard=False)
BOTH_IN: list[Meaning] = [Flowed("o1"), MediaFlowed("i1", "amy")]


def event(kind: str, leg: str = "", **more: object) -> dict[str, object]:
    return {"type": kind, **({"channel": {"id": leg}} if leg else {}), **more}


def start(*words: str, name: str = "PJSIP/8001-0000002a", item: str = "") -> dict[str, object]:
    channel = {
        "id": "x1",
        "name": name,
        "caller": {"number": "0912", "name": "Lin"},
        "channelvars": {"RINGSIDE_ITEM": item},
    }
    return {"type": "StasisStart", "args": list(words), "channel": channel}


def ends(leg: str, cause: int = 16, **more: object) -> dict[str, object]:
    return event("ChannelDestroyed", leg, cause=cause, **more)


def dial(leg: str, status: str) -> dict[str, object]:
    return {"type": "Dial", "dialstatus": status, "peer": {"id": leg}}


def entered(*members: str, bridge: str = "b1") -> dict[str, object]:
    return event("ChannelEnteredBridge", members[-1], bridge={"id": bridge, "channels": list(members)})


def phone(kind: str, state: str, extension: str = "8001") -> dict[str, object]:
    return {
        "type": kind,
        "endpoint": {"technology": "PJSIP", "resource": extension, "state": state},
        "contact_info": {"contact_status": "NonQualified"} if kind == "ContactStatusChange" else None,
    }


REFER = {"source_channel": {"id": "o1"}}

ROWS: list[tuple[str, Mapping[str, object], Legs, list[Meaning]]] = [
    ("a caller", start("entry", "81"), ALL, [CallerCame("x1", "81", "0912", "Lin", "")]),
    ("a planned caller", start("entry", "81", item="i7"), ALL, [CallerCame("x1", "81", "0912", "Lin", "i7")]),
    ("a handset", start("dial", "8002"), ALL, [Dialled("x1", "8001", "8002")]),
    ("our own channel", start("offer", "x1"), ALL, [LegReady("x1")]),
    ("our own other end", start("direct", "d1"), ALL, [LegReady("x1")]),
    ("words we do not know", start("sell", "x1"), ALL, [Strayed("x1")]),
    ("no words", start(), ALL, [Strayed("x1")]),
    ("out of the app", event("StasisEnd", "c1"), ALL, [LeftApp("c1")]),
    ("a stranger leaves", event("StasisEnd", "zz"), ALL, []),
    ("it rings", dial("o1", "RINGING"), ALL, [Rang("o1"), RingSeen("o1")]),
    ("it rings again", dial("o1", "RINGING"), book(replace(SEAT, rung=True)), []),
    ("it is answered", dial("o1", "ANSWER"), ALL, [Answered("o1"), OfferAnswered("o1")]),
    ("an answer that came too late", dial("o1", "ANSWER"), book(replace(SEAT, withdrawn=True)), []),
    ("a colleague's phone rings", dial("d1", "RINGING"), ALL, [Rang("d1")]),
    ("a colleague answers", dial("d1", "ANSWER"), ALL, [Answered("d1")]),
    ("its line is heard before the answer", dial("o1", "PROGRESS"), ALL, [EarlyMedia("o1")]),
    ("a supervisor's phone rings", dial("w1", "RINGING"), OTHERS, [Rang("w1"), RingSeen("w1")]),
    ("a supervisor answers", dial("w1", "ANSWER"), OTHERS, [Answered("w1"), OfferAnswered("w1")]),
    ("an extension of nobody rings", dial("x1", "RINGING"), OTHERS, [Rang("x1"), RingSeen("x1")]),
    ("an extension of nobody answers", dial("x1", "ANSWER"), OTHERS, [Answered("x1"), OfferAnswered("x1")]),
    (
        "a supervisor is busy",
        ends("w1", 17, tech_cause=486),
        OTHERS,
        [Gone("w1", 17, 486), OfferRefused("w1", OfferResult.REJECTED, 486, 17)],
    ),
    (
        "a third party hung up",
        ends("x1"),
        book(replace(OTHER, answered=True, hung=Hung.PARTY)),
        [Gone("x1", 16, 0), PartyLeft("x1", True, 0, 16)],
    ),
    (
        "a number outside was busy",
        ends("c1", 17, tech_cause=486),
        book(replace(CUSTOMER, line="main")),
        [Gone("c1", 17, 486), OfferRefused("c1", OfferResult.REJECTED, 486, 17, Outcome.BUSY)],
    ),
    (
        "a number outside hung up",
        ends("c1"),
        book(replace(CUSTOMER, line="main", answered=True, hung=Hung.PARTY)),
        [Gone("c1", 16, 0), PartyLeft("c1", True, 0, 16)],
    ),
    ("a snoop of ours", start("snoop", "w1", "o1"), ALL, [LegReady("x1")]),
    ("he hangs up", event("ChannelHangupRequest", "c1", cause=16), ALL, [HungUp("c1", Hung.PARTY)]),
    ("we hang up", event("ChannelHangupRequest", "c1", soft=True), ALL, [HungUp("c1", Hung.US)]),
    ("only the first counts", event("ChannelHangupRequest", "c1"), book(replace(CUSTOMER, hung=Hung.US)), []),
    ("the caller's line is cut", ends("c1"), ALL, [Gone("c1", 16, 0), PartyLeft("c1", False, 0, 16)]),
    (
        "the caller hung up",
        ends("c1"),
        book(replace(CUSTOMER, hung=Hung.PARTY)),
        [Gone("c1", 16, 0), PartyLeft("c1", True, 0, 16)],
    ),
    (
        "the caller was sent away",
        ends("c1", 17, tech_cause=486),
        book(replace(CUSTOMER, hung=Hung.US)),
        [Gone("c1", 17, 486), PartyLeft("c1", False, 486, 17)],
    ),
    ("the agent's phone is lost", ends("o1"), book(TALKING), [Gone("o1", 16, 0), PartyLeft("o1", False, 0, 16)]),
    (
        "the agent hung up",
        ends("o1"),
        book(replace(TALKING, hung=Hung.PARTY)),
        [Gone("o1", 16, 0), PartyLeft("o1", True, 0, 16)],
    ),
    ("a withdrawn offer's echo", ends("o1", 127), book(replace(SEAT, withdrawn=True)), [Gone("o1", 127, 0)]),
    (
        "a direct call ends",
        ends("d1"),
        book(replace(DIRECT, answered=True, hung=Hung.PARTY)),
        [Gone("d1", 16, 0), DirectCallEnded("d1", Outcome.ANSWERED, Party.SEAT, 0, 16)],
    ),
    (
        "a direct call ended by the other end",
        ends("d1"),
        book(replace(DIRECT, answered=True, hung=Hung.US)),
        [Gone("d1", 16, 0), DirectCallEnded("d1", Outcome.ANSWERED, Party.CUSTOMER, 0, 16)],
    ),
    (
        "a colleague was busy",
        ends("d1", 17),
        book(replace(DIRECT, hung=Hung.US, peer="")),
        [Gone("d1", 17, 0), DirectCallEnded("d1", Outcome.BUSY, Party.SYSTEM, 0, 17)],
    ),
    ("a key", event("ChannelDtmfReceived", "c1", digit="5"), ALL, [DigitPressed("c1", "5")]),
    ("a key while the recording is paused", event("ChannelDtmfReceived", "c1", digit="5"), PAUSED, []),
    ("a seat's key", event("ChannelDtmfReceived", "o1", digit="5"), ALL, []),
    ("no key", event("ChannelDtmfReceived", "c1", digit="55"), ALL, []),
    (
        "a prompt ends",
        {"type": "PlaybackFinished", "playback": {"id": "p1", "state": "done"}},
        ALL,
        [PromptOver("p1"), PromptEnded("i1", "p1", played=True)],
    ),
    (
        "a prompt could not be played",
        {"type": "PlaybackFinished", "playback": {"id": "p1", "state": "failed"}},
        ALL,
        [PromptOver("p1"), PromptEnded("i1", "p1", played=False)],
    ),
    (
        "somebody else's prompt",
        {"type": "PlaybackFinished", "playback": {"id": "p2", "state": "done"}},
        ALL,
        [PromptOver("p2")],
    ),
    ("a phone comes", phone("ContactStatusChange", "online"), ALL, [PhoneChanged("amy", True, "NonQualified")]),
    ("a phone goes", phone("PeerStatusChange", "offline"), ALL, [PhoneChanged("amy", False, "PeerStatusChange")]),
    ("nobody's phone", phone("PeerStatusChange", "offline", "9999"), ALL, []),
    ("one is in", entered("c1"), JOINED, []),
    ("both are in", entered("c1", "o1"), JOINED, [Flowed("o1"), MediaFlowed("i1", "amy")]),
    ("both are in a bridge that was made again", entered("c1", "o1", bridge="b1~9"), JOINED, BOTH_IN),
    ("sound flows on", entered("c1", "o1"), FLOWED, []),
    ("the far end is rung in the bridge", entered("c1", "o1"), RUNG, []),
    ("a listener comes in", entered("c1", "w1"), LISTENED, []),
    ("a bridge we do not know", entered("c1", "o1"), ALL, []),
    ("hold", event("ChannelHold", "o1"), JOINED, [HeldByPhone("o1", True)]),
    ("no more hold", event("ChannelUnhold", "o1"), JOINED, [HeldByPhone("o1", False)]),
    ("hold without a conversation", event("ChannelHold", "c1"), ALL, []),
    ("a phone's own transfer", {"type": "ChannelTransfer", "referred_by": REFER}, ALL, [Referred("o1", "")]),
    ("the echo of our answer", {"type": "ChannelTransfer", "state": "declined", "referred_by": REFER}, ALL, []),
    ("what we did not ask for", event("ChannelVarset", "c1"), ALL, []),
]


@pytest.mark.parametrize(("what", "told", "legs", "meant"), ROWS, ids=[row[0] for row in ROWS])
def test_every_event_means_what_the_table_says(
    what: str, told: Mapping[str, object], legs: Legs, meant: list[Meaning]
) -> None:
    assert list(translate(told, legs)) == meant


def test_a_phone_of_whoever_had_the_extension_before_says_nothing_of_its_holder() -> None:
    seats = Seats()
    seats.all_settled = False
    assert list(translate(phone("ContactStatusChange", "online"), Legs(seats))) == []


def test_every_event_type_we_ask_for_is_tried_above() -> None:
    assert {str(told["type"]) for _, told, _, _ in ROWS} - {"ChannelVarset"} == set(EVENTS)


REFUSALS = [
    (486, 17, False, Hung.NOBODY, OfferResult.REJECTED),
    (600, 17, True, Hung.NOBODY, OfferResult.REJECTED),
    (603, 21, True, Hung.NOBODY, OfferResult.REJECTED),
    (0, 17, False, Hung.NOBODY, OfferResult.REJECTED),
    (404, 1, False, Hung.NOBODY, OfferResult.UNREACHABLE),
    (408, 18, False, Hung.NOBODY, OfferResult.UNREACHABLE),
    (408, 18, True, Hung.NOBODY, OfferResult.TIMEOUT),
    (480, 19, False, Hung.NOBODY, OfferResult.UNREACHABLE),
    (480, 19, True, Hung.NOBODY, OfferResult.TIMEOUT),
    (488, 58, True, Hung.NOBODY, OfferResult.UNREACHABLE),
    (500, 38, True, Hung.NOBODY, OfferResult.UNREACHABLE),
    (503, 34, False, Hung.NOBODY, OfferResult.UNREACHABLE),
    (0, 0, True, Hung.US, OfferResult.TIMEOUT),  # Asterisk's own dial limit
    (0, 0, False, Hung.US, OfferResult.UNREACHABLE),
]


@pytest.mark.parametrize(("sip", "q850", "rung", "hung", "result"), REFUSALS)
def test_an_offer_that_was_not_answered_says_why(
    sip: int, q850: int, rung: bool, hung: Hung, result: OfferResult
) -> None:
    legs = book(replace(SEAT, rung=rung, hung=hung))
    meant = translate(ends("o1", q850, tech_cause=sip), legs)
    assert list(meant) == [Gone("o1", q850, sip), OfferRefused("o1", result, sip, q850)]


def test_what_a_caller_says_of_himself_is_bounded_and_printable() -> None:
    told: Any = start("entry", "81")
    told["channel"]["caller"] = {"number": "0912\r\nX: y\x00", "name": "A" * 10_000}
    (came,) = translate(told, ALL)
    assert isinstance(came, CallerCame)
    assert came.number == "0912X: y"
    assert len(came.name) == 80


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("channel", "peer", "bridge", "playback", "endpoint", "args", "digit", "cause", "tech_cause", "referred_by")


@given(st.sampled_from(sorted(TABLE)), st.dictionaries(st.sampled_from(NAMES), JSON))
def test_no_shape_of_event_breaks_us(kind: str, more: dict[str, object]) -> None:
    for meaning in translate({"type": kind, **more}, ALL):
        assert not isinstance(meaning, OfferAnswered | PartyLeft)  # nothing is believed of a leg that is not named
