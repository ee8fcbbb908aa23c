"""Belief against Asterisk: each difference, what is none, and what a start resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from acd.core.effects import (
    AnswerLeg,
    Coach,
    Connect,
    Effect,
    Gather,
    Hold,
    HoldMusic,
    Join,
    PauseRecording,
    RingSeat,
    StartRecording,
    StopPrompt,
    WantedLeg,
)
from acd.core.inputs import FallbackServed, Input, LegArrived, OfferAnswered, OfferRefused
from acd.core.model import EntryPlan, OfferResult, Route
from cti.configuration import CEL_FIELDS
from cti.fallback import FallbackReader, served
from cti.lanes import Lanes
from cti.prompts import media_of
from cti.resync import (
    RETRY,
    BridgeSeen,
    ChannelSeen,
    ContactSeen,
    Difference,
    Kind,
    Watch,
    bridges_seen,
    channels_seen,
    compare,
    resume,
)

CALLER = ChannelSeen("c1", "PJSIP/anonymous-1", "anonymous", "Up", ("entry", "81"), item="i1")
AGENT = ChannelSeen("o1", "PJSIP/8001-2", "8001", "Up", ("offer", "o1"), item="i1", offer="o1")
TALK = BridgeSeen("o1-b", "mixing", ("c1", "o1"), "o1-b")
CUSTOMER = WantedLeg("c1", "customer", "talking", "i1", "i1", "amy", bridge="o1-b", recording="i1-r", recorded=True)
SEAT = WantedLeg("o1", "seat", "talking", "o1", "i1", "amy", "8001", bridge="o1-b")
AMY = ContactSeen("amy", "8001", True, True)


def differences(
    wanted: Sequence[WantedLeg] = (CUSTOMER, SEAT),
    channels: Sequence[ChannelSeen] = (CALLER, AGENT),
    bridges: Sequence[BridgeSeen] = (TALK,),
    contacts: Sequence[ContactSeen] = (AMY,),
    recordings: Sequence[str] = ("c1",),
    arriving: Sequence[str] = (),
) -> list[tuple[Kind, str]]:
    found = compare(wanted, channels, bridges, contacts, frozenset(recordings), arriving=frozenset(arriving))
    return [(difference.kind, difference.subject) for difference in found]


def test_a_conversation_as_it_should_be_has_no_difference() -> None:
    assert differences() == []


def test_nothing_at_all_has_no_difference() -> None:
    assert differences((), (), (), (), ()) == []


GHOST = replace(AGENT, id="o9", offer="o9", words=("offer", "o9"))
SECOND = replace(AGENT, id="o1x")
STRANGER = replace(CALLER, id="c2", item="")
HANDSET = ChannelSeen("h1", "PJSIP/8001-9", "8001", "Up", ())
DIALLING = ChannelSeen("h2", "PJSIP/8001-9", "8001", "Ring", ("dial", "8002"))


def test_channel_gone() -> None:
    assert differences(channels=(AGENT,)) == [(Kind.CHANNEL_GONE, "c1")]


def test_ghost_channel() -> None:
    assert differences(channels=(CALLER, AGENT, GHOST)) == [(Kind.GHOST_CHANNEL, "o9")]


def test_a_caller_whose_item_is_over_is_a_ghost() -> None:
    assert differences((), (CALLER,), (), (), ()) == [(Kind.GHOST_CHANNEL, "c1")]


def test_bridge_without_member() -> None:
    assert differences(bridges=(replace(TALK, members=("c1",)),)) == [(Kind.BRIDGE_WITHOUT_MEMBER, "o1")]
    assert differences(bridges=()) == [(Kind.BRIDGE_WITHOUT_MEMBER, "c1"), (Kind.BRIDGE_WITHOUT_MEMBER, "o1")]


def test_a_caller_who_was_never_answered() -> None:
    """He is with an agent, and his own network still rings: the answer was lost on its way."""
    ringing = replace(CALLER, state="Ring")
    assert differences(channels=(ringing, AGENT)) == [(Kind.NOT_ANSWERED, "c1")]
    arriving = replace(CUSTOMER, doing="arriving", bridge="", recording="")
    assert differences((arriving,), (ringing,), (), (), ()) == [(Kind.UNKNOWN_WAITING_CALLER, "c1")]
    called = replace(AGENT, state="Ringing")
    assert differences((CUSTOMER, replace(SEAT, doing="ringing", bridge="")), (CALLER, called)) == []


def test_a_bridge_that_was_made_again_counts_as_the_same() -> None:
    row = {"id": "o1-b~17", "bridge_type": "mixing", "creator": "Stasis", "channels": ["c1", "o1"]}
    assert differences(bridges=bridges_seen([row])) == []


def test_unknown_call_on_agent() -> None:
    assert differences(channels=(CALLER, AGENT, HANDSET)) == [(Kind.UNKNOWN_CALL_ON_AGENT, "h1")]
    assert differences(channels=(CALLER, AGENT, DIALLING)) == [(Kind.UNKNOWN_CALL_ON_AGENT, "h2")]


def test_a_call_we_are_just_setting_up_is_no_difference() -> None:
    assert differences(channels=(CALLER, AGENT, DIALLING), arriving=("h2",)) == []


def test_contact_gone_and_back() -> None:
    assert differences(contacts=(replace(AMY, reachable=False),)) == [(Kind.CONTACT_GONE, "amy")]
    assert differences(contacts=(replace(AMY, believed=False),)) == [(Kind.CONTACT_GONE, "amy")]


def test_two_channels_for_one_offer() -> None:
    assert differences(channels=(CALLER, AGENT, SECOND)) == [(Kind.TWO_CHANNELS_FOR_ONE_OFFER, "o1x")]


def test_unknown_waiting_caller() -> None:
    assert differences(channels=(CALLER, AGENT, STRANGER)) == [(Kind.UNKNOWN_WAITING_CALLER, "c2")]


def test_a_planned_caller_nobody_took_up() -> None:
    want = WantedLeg("c1", "customer", "arriving", "i1", "i1")
    assert differences((want,), (CALLER,), ()) == [(Kind.UNKNOWN_WAITING_CALLER, "c1")]
    assert differences((want,), (replace(CALLER, words=()),), ()) == []  # still in the dialplan


def test_missing_recording() -> None:
    assert differences(recordings=()) == [(Kind.MISSING_RECORDING, "c1")]


BOB = WantedLeg("x1", "seat", "talking", "x1", "i1", "bob", "8002", bridge="o1-b", ear="o1")
THIRD = ChannelSeen("x1", "PJSIP/8002-3", "8002", "Up", ("offer", "x1"), item="i1", offer="x1")
SNOOP = ChannelSeen("x1-s5", "Snoop/o1-4", "", "Up", ("snoop", "x1", "o1"))
COACHING = BridgeSeen("x1-s5-b", "mixing", ("x1-s5", "x1"), "x1-s5-b")
HELD = BridgeSeen("hold-1", "holding", ("c1",), "hold-1")


def test_who_is_on_hold_must_have_music() -> None:
    held = (replace(CUSTOMER, doing="held"), SEAT)
    assert differences(held, bridges=(TALK, HELD)) == []
    assert differences(held) == [(Kind.NOT_ON_HOLD, "c1")]
    assert differences((replace(CUSTOMER, doing="waiting"), SEAT)) == [(Kind.NOT_ON_HOLD, "c1")]
    assert differences(held, arriving=("c1",)) == []
    assert differences(held, bridges=(TALK, HELD), recordings=()) == [(Kind.MISSING_RECORDING, "c1")]


def test_a_listener_must_be_in_the_bridge() -> None:
    listens = replace(BOB, role="watcher", doing="listening")
    there = (CALLER, AGENT, THIRD)
    assert differences((CUSTOMER, SEAT, listens), there) == [(Kind.BRIDGE_WITHOUT_MEMBER, "x1")]
    assert differences((CUSTOMER, SEAT, listens), there, (replace(TALK, members=("c1", "o1", "x1")),)) == []


def test_a_coach_must_have_his_snoop_on_the_right_ear() -> None:
    coaches, there = replace(BOB, doing="coaching"), (CALLER, AGENT, THIRD)
    assert differences((CUSTOMER, SEAT, coaches), (*there, SNOOP), (TALK, COACHING)) == []
    assert differences((CUSTOMER, SEAT, coaches), there) == [(Kind.NOT_COACHING, "x1")]
    apart = (TALK, replace(COACHING, members=("x1-s5",)))
    assert differences((CUSTOMER, SEAT, coaches), (*there, SNOOP), apart) == [(Kind.NOT_COACHING, "x1")]
    other_ear = replace(SNOOP, words=("snoop", "x1", "c1"))
    assert differences((CUSTOMER, SEAT, coaches), (*there, other_ear), (TALK, COACHING)) == [
        (Kind.NOT_COACHING, "x1"),
        (Kind.GHOST_CHANNEL, "x1-s5"),
    ]


def test_a_snoop_without_a_coach_is_a_ghost() -> None:
    assert differences(channels=(CALLER, AGENT, SNOOP)) == [(Kind.GHOST_CHANNEL, "x1-s5")]
    assert differences(channels=(CALLER, AGENT, SNOOP), arriving=("x1",)) == []  # it is being made


def test_a_party_that_waits_for_a_bridge_lacks_nothing() -> None:
    idle = replace(BOB, role="watcher", doing="idle", bridge="")
    assert differences((CUSTOMER, SEAT, idle), (CALLER, AGENT, THIRD)) == []


def test_a_voicemail_must_be_written() -> None:
    voicemail = replace(CUSTOMER, doing="voicemail", bridge="")
    assert differences((voicemail,), (CALLER,), recordings=()) == [(Kind.MISSING_RECORDING, "c1")]


def test_an_emergency_call_of_a_seat_is_no_fault() -> None:
    assert differences(channels=(CALLER, AGENT, replace(HANDSET, context="from-agents", exten="119"))) == []


def test_a_call_of_a_stranger_is_none_of_our_business() -> None:
    assert differences(channels=(CALLER, AGENT, replace(HANDSET, extension="trunk"))) == []


def test_a_difference_is_healed_at_the_second_sight_and_counted_once() -> None:
    watch = Watch()
    found = [Difference(Kind.GHOST_CHANNEL, "o9")]
    assert watch.due(found) == []
    assert watch.due(found) == [(found[0], True)]
    retries = [watch.due(found) for _ in range(RETRY)]
    assert retries == [[]] * (RETRY - 1) + [[(found[0], False)]]
    assert watch.due([]) == []
    assert watch.due(found) == []  # a new one, seen for the first time


def test_a_difference_that_passes_is_no_fault() -> None:
    watch = Watch()
    assert watch.due([Difference(Kind.GHOST_CHANNEL, "o9")]) == []
    assert watch.due([]) == []
    assert watch.due([Difference(Kind.GHOST_CHANNEL, "o9")]) == []


def test_at_a_start_differences_are_healed_at_once() -> None:
    found = [Difference(Kind.CHANNEL_GONE, "c1")]
    assert Watch().due(found, at_once=True) == [(found[0], True)]


def test_at_a_start_a_caller_may_still_announce_himself() -> None:
    watch, found = Watch(), [Difference(Kind.UNKNOWN_WAITING_CALLER, "c2")]
    assert watch.due(found, at_once=True) == []
    assert watch.due(found) == [(found[0], True)]


WAITING = WantedLeg("c1", "customer", "waiting", "i1", "i1", queue="q")
RINGING = WantedLeg("o1", "seat", "ringing", "o1", "i1", "amy", "8001", "q", expires_at=99)
RESUMED: list[tuple[str, list[WantedLeg], list[ChannelSeen], list[BridgeSeen], list[Input], list[Effect]]] = [
    ("a talk goes on", [CUSTOMER, SEAT], [CALLER, AGENT], [TALK], [], []),
    (
        "a recording that nobody has told of is told of",
        [replace(CUSTOMER, recorded=False), SEAT],
        [CALLER, AGENT],
        [TALK],
        [],
        [StartRecording("i1", "c1", "i1-r")],
    ),
    ("music goes on", [WAITING], [CALLER], [BridgeSeen("hold-i1-1", "holding", ("c1",))], [], []),
    ("music starts again", [WAITING], [CALLER], [], [], [HoldMusic("i1", "c1", "q")]),
    (
        "his last prompt stops first",
        [replace(WAITING, token="p7")],
        [CALLER],
        [],
        [],
        [StopPrompt("i1", "c1", "p7"), HoldMusic("i1", "c1", "q")],
    ),
    (
        "an unanswered caller is answered",
        [WAITING],
        [replace(CALLER, state="Ring")],
        [],
        [],
        [AnswerLeg("i1", "c1"), HoldMusic("i1", "c1", "q")],
    ),
    ("an arrival is taken up", [replace(WAITING, doing="arriving")], [CALLER], [], [LegArrived("c1")], []),
    (
        "a prompt is played again",
        [replace(WAITING, doing="prompt", prompt="menu", token="p1")],
        [CALLER],
        [],
        [],
        [Gather("i1", "c1", "menu", "p1")],
    ),
    (
        "an offer is rung",
        [RINGING, WAITING],
        [CALLER],
        [BridgeSeen("h", "holding", ("c1",))],
        [],
        [RingSeat("o1", "i1", "amy", "8001", "c1", "q", 99)],
    ),
    ("an offer rings on", [RINGING], [replace(AGENT, state="Ringing")], [], [], []),
    ("an offer was answered meanwhile", [RINGING], [AGENT], [], [OfferAnswered("o1")], []),
    (
        "accepted but not joined",
        [CUSTOMER, SEAT],
        [CALLER, AGENT],
        [],
        [],
        [Connect("i1", "amy", "c1", "o1", "o1-b"), StartRecording("i1", "c1", "i1-r")],
    ),
    (
        "a third party's phone is rung",
        [CUSTOMER, SEAT, replace(BOB, doing="ringing", bridge="")],
        [CALLER, AGENT],
        [TALK],
        [],
        [RingSeat("x1", "i1", "bob", "8002", "c1", "", 0)],
    ),
    (
        "a supervisor's phone is rung without a caller's number",
        [CUSTOMER, SEAT, replace(BOB, role="watcher", doing="ringing", bridge="")],
        [CALLER, AGENT],
        [TALK],
        [],
        [RingSeat("x1", "i1", "bob", "8002", "", "", 0)],
    ),
    ("a third party answered", [replace(BOB, doing="ringing")], [THIRD], [], [OfferAnswered("x1")], []),
    (
        "a number outside is not dialled twice",
        [replace(BOB, role="other", doing="ringing", route=Route("a1", "main"))],
        [],
        [],
        [OfferRefused("x1", OfferResult.UNREACHABLE)],
        [],
    ),
    (
        "a customer whom we call is not answered by us",
        [replace(CUSTOMER, doing="ringing", route=Route("a1", "main"))],
        [replace(CALLER, state="Ringing")],
        [],
        [],
        [],
    ),
    (
        "joined before held",
        [replace(CUSTOMER, doing="held", music="jazz"), SEAT, BOB],
        [CALLER, AGENT, THIRD],
        [TALK],
        [],
        [Join("i1", "x1", "o1-b"), Hold("i1", "c1", "jazz")],
    ),
    (
        "a coach and a listener",
        [CUSTOMER, SEAT, replace(BOB, doing="coaching"), replace(BOB, leg="w1", role="watcher", doing="listening")],
        [CALLER, AGENT, THIRD, replace(THIRD, id="w1")],
        [TALK],
        [],
        [Coach("i1", "x1", "o1"), Join("i1", "w1", "o1-b", muted=True)],
    ),
    (
        "a third seat comes in by itself",
        [CUSTOMER, SEAT, BOB],
        [CALLER, AGENT, THIRD],
        [],
        [],
        [
            Connect("i1", "amy", "c1", "o1", "o1-b"),
            StartRecording("i1", "c1", "i1-r"),
            Join("i1", "x1", "o1-b"),
        ],
    ),
    (
        "a pause goes on",
        [replace(CUSTOMER, paused=True), SEAT],
        [CALLER, AGENT],
        [TALK],
        [],
        [PauseRecording("i1", "c1", "i1-r", True)],
    ),
    ("a caller who is gone is left to compare", [WAITING], [], [], [], []),
    ("a caller in the fall-back is left there", [WAITING], [replace(CALLER, words=())], [], [], []),
]


@pytest.mark.parametrize(
    ("what", "wanted", "channels", "bridges", "inputs", "effects"), RESUMED, ids=[row[0] for row in RESUMED]
)
def test_a_start_resumes_what_was_decided(
    what: str,
    wanted: list[WantedLeg],
    channels: list[ChannelSeen],
    bridges: list[BridgeSeen],
    inputs: list[Input],
    effects: list[Effect],
) -> None:
    assert resume(wanted, channels, bridges) == (inputs, effects)


def test_listings_are_read_with_care() -> None:
    plan = {"app_name": "Stasis", "app_data": "ringside,entry,81"}
    row = {"id": "c1", "name": "PJSIP/8001-2", "state": "Up", "dialplan": plan, "caller": None}
    (seen,) = channels_seen([row, None, {"id": ""}, "x"], "ringside")
    assert (seen.words, seen.extension, seen.ours) == (("entry", "81"), "8001", True)
    (other,) = channels_seen([row], "another")
    assert not other.ours
    assert channels_seen(None, "ringside") == []
    assert bridges_seen({"id": "b"}) == []
    assert bridges_seen([{"id": "b", "creator": "", "channels": []}]) == []


MEDIA = [
    ("greeting", "sound:greeting"),
    ("ringside/menu", "sound:ringside/menu"),
    ("a&b", "sound:a,sound:b"),
    ("tone:ring;tonezone=tw", "tone:ring;tonezone=tw"),
    ("", ""),
    ("../../etc/passwd", ""),
    ("a b", ""),
    ("http://x/y", ""),
]


@pytest.mark.parametrize(("prompt", "media"), MEDIA)
def test_a_prompt_is_only_what_can_be_played(prompt: str, media: str) -> None:
    assert media_of(prompt) == media


@pytest.mark.asyncio
async def test_a_lane_keeps_its_order_and_others_do_not_wait() -> None:
    lanes, seen, gate = Lanes("test"), list[str](), asyncio.Event()

    async def slow() -> None:
        await gate.wait()
        seen.append("slow")

    async def note(word: str) -> None:
        seen.append(word)
        gate.set()

    async def fail() -> None:
        raise ValueError("this piece fails")

    lanes.put("a", slow)
    lanes.put("a", fail)
    lanes.put("a", lambda: note("after"))
    lanes.put("b", lambda: note("other"))
    assert lanes.busy("a")
    await lanes.idle()
    assert seen == ["other", "slow", "after"]
    assert not lanes.busy("a")


def cel(kind: str, leg: str, at: float, mark: str = "", extra: str = "", linked: str = "", app: str = "") -> str:
    told = f'{{""extra"":""{extra}""}}' if extra else ""
    place = ("entry", "81", app) if app else ("", "", "")
    row = (f"{at:.6f}", kind, mark, leg, linked or leg, "", *place, "", "", told)
    assert len(row) == len(CEL_FIELDS)
    return ",".join(f'"{cell}"' for cell in row) + "\n"


def test_the_fall_backs_calls_are_told_once_as_they_end(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    file.write_text(
        cel("USER_DEFINED", "c1", 1, "RINGSIDE_FALLBACK", "81")
        + cel("USER_DEFINED", "c2", 2, "RINGSIDE_FALLBACK", "82")
        + cel("USER_DEFINED", "a1", 3, "RINGSIDE_SERVED", "amy", linked="c1")
    )
    reader = FallbackReader(file)
    stays = reader.look({"c1", "c2"})
    assert (list(stays.over), [call.leg for call in stays.there]) == ([], ["c1", "c2"])
    with file.open("a") as more:
        more.write(cel("HANGUP", "c1", 9))
    (over,) = reader.look({"c2"}).over
    plan = EntryPlan("81", 1, "q")
    expected = FallbackServed("c1", plan, 1_000_000, 3_000_000, 9_000_000, "amy", exact=True)
    assert served(over, plan, 20_000_000) == expected
    reader.told(over)
    (unseen,) = reader.look(()).over  # c2 is gone and nobody wrote when
    assert served(unseen, plan, 20_000_000) == FallbackServed("c2", plan, 2_000_000, 0, 20_000_000, "", exact=False)
    reader.told(unseen)
    assert reader.look(()).over == []


def test_who_hung_up_while_the_dialplan_waited_for_us_is_told(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    told_of = {
        "gave-up": [("APP_START", 1.0), ("APP_END", 1.001), ("APP_START", 1.5), ("APP_END", 1.501), ("HANGUP", 1.8)],
        "got-in": [("APP_START", 1.0), ("APP_END", 1.001), ("APP_START", 1.5), ("APP_END", 9.0), ("HANGUP", 9.0)],
        "quick": [("APP_START", 1.0), ("APP_END", 1.004), ("HANGUP", 1.004)],
        "waits": [("APP_START", 1.0), ("APP_END", 1.001)],
    }
    lines = [cel(kind, leg, at, app="Stasis" if "APP" in kind else "") for leg in told_of for kind, at in told_of[leg]]
    file.write_text("".join(lines))
    reader = FallbackReader(file)
    (missed,) = reader.look({"waits"}).missed
    expected = FallbackServed("gave-up", EntryPlan("81", 1, "q"), 1_000_000, 0, 1_800_000, "", exact=True)
    assert served(missed, EntryPlan("81", 1, "q"), 20_000_000) == expected
    reader.told(missed)
    assert reader.look({"waits"}).missed == []


def test_who_hung_up_while_nobody_listened_is_told_unless_an_earlier_engine_told_it(tmp_path: Path) -> None:
    file = tmp_path / "cel.csv"
    times = {"old": 100.0, "before": 200.0, "unseen": 210.0, "later": 230.0}
    events = [("APP_START", -3.0), ("APP_END", 0.0), ("HANGUP", 0.0)]
    lines = [
        cel(kind, leg, ended + shift, app="Stasis" if "APP" in kind else "")
        for leg, ended in times.items()
        for kind, shift in events
    ]
    file.write_text("".join(lines))
    reader = FallbackReader(file, since=150_000_000)
    reader.deaf(205_000_000, 220_000_000)
    assert [call.leg for call in reader.look(set()).missed] == ["unseen"]
