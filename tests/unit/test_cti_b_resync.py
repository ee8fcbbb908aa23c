"""Belief against Asterisk: each of the eight differences, what is none, and what a start resumes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from acd.core.effects import (
    AnswerLeg,
    Connect,
    Effect,
    Gather,
    HoldMusic,
    RingSeat,
    StartRecording,
    StopPrompt,
    WantedLeg,
)
from acd.core.inputs import FallbackServed, Input, LegArrived, OfferAnswered
from acd.core.model import EntryPlan
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
CUSTOMER = WantedLeg("c1", "customer", "talking", "i1", "i1", "amy", bridge="o1-b", recording="i1-r")
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
