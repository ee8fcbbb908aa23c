"""Whose microphone is closed is heard by nobody it is closed to, whatever Asterisk refuses and whoever died."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.core.effects import Coach, Connect, Hold, Join, Mute, WantedLeg
from cti.legs import Leg, Role
from tests.support.fakeari import Side, side

MUTED, OPENED = "POST channels/{}/mute", "DELETE channels/{}/mute"


def supervisor(s: Side, **more: object) -> None:
    """An agent and a supervisor in one conversation, both up."""
    s.ari.bridges["b"] = {"agent", "sup"}
    s.means.legs.put(Leg("agent", Role.SEAT, "i1", "amy", answered=True))
    s.means.legs.put(Leg("sup", Role.WATCHER, "i1", "eve", answered=True))
    s.means.legs.enter("agent", "b", "i1")
    s.means.legs.enter("sup", "b", "i1", heard=not more.get("muted"))
    s.means.legs.change("sup", **more)


@pytest.mark.parametrize("muted", [True, False])
@pytest.mark.asyncio
async def test_a_whisperer_who_cannot_be_moved_is_not_heard_by_the_customer(tmp_path: Path, muted: bool) -> None:
    s = side(tmp_path, lambda asked: 409 if asked.endswith("addChannel sup") else 0)
    supervisor(s, muted=muted)
    s.calls.perform([Coach("i1", "sup", "agent")])
    await s.means.lanes.idle()
    assert OPENED.format("sup") not in s.ari.asked
    assert "sup" not in s.ari.bridges["b"]
    assert list(s.ari.bridges) == ["b"]  # nothing is left of the coaching


@pytest.mark.asyncio
async def test_a_whisperer_is_opened_once_he_is_with_his_ear(tmp_path: Path) -> None:
    s = side(tmp_path)
    supervisor(s, muted=True)
    s.calls.perform([Coach("i1", "sup", "agent")])
    await s.means.lanes.idle()
    moved = s.ari.asked.index("POST bridges/sup-s1-b/addChannel sup")
    assert s.ari.asked.index(OPENED.format("sup")) > moved


@pytest.mark.asyncio
async def test_a_listener_whose_microphone_stays_open_does_not_come_in(tmp_path: Path) -> None:
    s = side(tmp_path, lambda asked: 500 if asked.endswith("/mute") else 0)
    supervisor(s)
    s.calls.perform([Join("i1", "sup", "b", muted=True)])
    await s.means.lanes.idle()
    assert s.ari.bridges["b"] == {"agent"}


def wanted(leg: str, role: str, doing: str, muted: bool = False, ear: str = "") -> WantedLeg:
    bridge = "b" if doing in ("talking", "listening") else ""
    return WantedLeg(leg, role, doing, leg, "i1", leg, bridge=bridge, ear=ear, muted=muted)


@pytest.mark.parametrize(
    ("want", "asked"),
    [
        (wanted("sup", "watcher", "listening"), MUTED.format("sup")),
        (wanted("sup", "watcher", "talking"), OPENED.format("sup")),
        (wanted("amy", "seat", "talking"), OPENED.format("amy")),
        (wanted("amy", "seat", "talking", muted=True), MUTED.format("amy")),
        (wanted("amy", "seat", "held", muted=True), MUTED.format("amy")),
        (wanted("sup", "watcher", "coaching", ear="amy"), ""),  # he may still lie in the conversation
    ],
)
@pytest.mark.asyncio
async def test_the_next_engine_sets_every_microphone(tmp_path: Path, want: WantedLeg, asked: str) -> None:
    s = side(tmp_path)
    s.means.legs.renew([want])
    await s.calls.take_up([want])
    assert [one for one in s.ari.asked if one.endswith("/mute")] == [asked] * bool(asked)


@pytest.mark.asyncio
async def test_who_listened_before_the_engine_started_anew_is_heard_when_he_joins(tmp_path: Path) -> None:
    s = side(tmp_path)
    s.ari.bridges["b"] = {"agent"}
    want = wanted("sup", "watcher", "idle")
    s.means.legs.renew([want])
    await s.calls.take_up([want])
    s.calls.keep_microphones([want])
    await s.means.lanes.idle()
    assert s.ari.asked == [], "there is nothing to be heard in yet"
    s.calls.perform([Join("i1", "sup", "b")])
    await s.means.lanes.idle()
    assert s.ari.asked[-1] == OPENED.format("sup")


@pytest.mark.asyncio
async def test_what_was_refused_is_tried_again_until_it_is_done(tmp_path: Path) -> None:
    broken = True
    s = side(tmp_path, lambda asked: 500 if broken and asked.endswith("/mute") else 0)
    supervisor(s)
    want = wanted("sup", "watcher", "talking", muted=True)
    s.calls.perform([Mute("sup", True)])
    for _ in range(2):
        s.calls.keep_microphones([want])
        await s.means.lanes.idle()
    assert s.ari.asked == [MUTED.format("sup")] * 3
    broken = False
    for _ in range(3):
        s.calls.keep_microphones([want])
        await s.means.lanes.idle()
    assert s.ari.asked == [MUTED.format("sup")] * 4


@pytest.mark.asyncio
async def test_a_seat_that_closed_its_microphone_keeps_it_closed_through_hold_and_another_bridge(
    tmp_path: Path,
) -> None:
    s = side(tmp_path)
    supervisor(s)
    s.calls.perform([Mute("agent", True), Hold("i1", "agent"), Join("i1", "agent", "b"), Join("i1", "sup", "b")])
    s.calls.perform([Connect("i1", "amy", "", "agent", "c")])
    await s.means.lanes.idle()
    assert OPENED.format("agent") not in s.ari.asked
    assert s.ari.bridges["c"] == {"agent"}
    s.calls.perform([Mute("agent", False)])
    await s.means.lanes.idle()
    assert s.ari.asked[-1] == OPENED.format("agent")


@pytest.mark.asyncio
async def test_a_listening_supervisor_is_not_opened_by_the_seats_switch(tmp_path: Path) -> None:
    s = side(tmp_path)
    supervisor(s, muted=True)
    s.calls.perform([Mute("sup", False)])
    await s.means.lanes.idle()
    assert s.ari.asked == [MUTED.format("sup")]


@pytest.mark.asyncio
async def test_a_seat_that_went_elsewhere_is_not_fetched_back_by_a_late_connect(tmp_path: Path) -> None:
    s = side(tmp_path)
    s.means.legs.known("c1", Role.CUSTOMER, "i1")
    s.ari.bridges["o2-b"] = set()  # the seat is there before the Connect has made its bridge
    s.calls.perform([Connect("i1", "amy", "c1", "o1", "o1-b"), Join("i1", "o1", "o2-b")])
    await s.means.lanes.idle()
    assert s.ari.bridges == {"o1-b": {"c1"}, "o2-b": {"o1"}}


@pytest.mark.asyncio
async def test_a_coaching_bridge_that_was_made_again_goes_with_the_coaching(tmp_path: Path) -> None:
    s = side(tmp_path)
    supervisor(s)
    s.calls.perform([Coach("i1", "sup", "agent")])
    await s.means.lanes.idle()
    s.means.legs.made_again("sup-s1-b", "sup-s1-b~2")
    s.ari.bridges["sup-s1-b~2"] = s.ari.bridges.pop("sup-s1-b")
    s.calls.perform([Coach("i1", "sup", "agent")])  # a repeat finds him where he is
    await s.means.lanes.idle()
    assert set(s.ari.bridges) == {"b", "sup-s1-b~2"}
    s.calls.perform([Join("i1", "sup", "b")])
    await s.means.lanes.idle()
    assert set(s.ari.bridges) == {"b"}
