"""Who comes while a seat is free: its phone is dialled first, then he is answered; music comes only where needed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from acd.core.effects import AnswerLeg, Connect, Effect, HoldMusic, RingSeat
from cti import first_ring
from tests.support.fakeari import FakeAri, Side, side

ANSWER, MUSIC = AnswerLeg("i1", "c1"), HoldMusic("i1", "c1", "q")
RING = RingSeat("o1", "i1", "amy", "8001", "c1", "q", 99)
CONNECT = Connect("i1", "amy", "c1", "o1", "o1-b")


class Phone(FakeAri):
    """Every phone is there; its channel comes to us at once where `comes`."""

    comes = True

    async def call(self, method: str, uri: str, body: object = None, **query: object) -> object:
        await super().call(method, uri, body, **query)
        if uri == "channels/create" and self.comes and self.calls is not None:
            self.calls.ready(str(query["channelId"]))
        return {"state": "online", "channel_ids": []}


def prepared(tmp_path: Path) -> Side:
    return side(tmp_path, kind=Phone)


async def done(s: Side, *effects: Effect) -> list[str]:
    s.calls.perform(effects)
    await s.means.lanes.idle()
    return s.ari.asked


def place(asked: list[str], what: str) -> int:
    return next(n for n, one in enumerate(asked) if one.startswith(what))


@pytest.mark.asyncio
async def test_the_phone_is_dialled_before_the_caller_is_answered_and_hears_music(tmp_path: Path) -> None:
    s = prepared(tmp_path)
    asked = await done(s, ANSWER, MUSIC, RING)
    order = [place(asked, what) for what in ("POST channels/o1/dial", "POST channels/c1/answer", "POST bridges")]
    assert order == sorted(order)
    assert s.means.legs.by_id["c1"].hold


@pytest.mark.asyncio
async def test_where_the_phone_answers_by_itself_no_music_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_ring, "MUSIC_AFTER_S", 60.0)
    s = prepared(tmp_path)
    s.calls.perform([ANSWER, MUSIC, RING])
    await asyncio.sleep(0.02)
    asked = await asyncio.wait_for(done(s, CONNECT), 5)
    assert s.ari.bridges == {"o1-b": {"c1", "o1"}}
    assert not [one for one in asked if "moh" in one]


@pytest.mark.asyncio
async def test_a_phone_that_does_not_come_keeps_the_caller_waiting_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.calls.READY_LIMIT", 0.5)
    s = prepared(tmp_path)
    cast(Phone, s.ari).comes = False
    asked = await done(s, ANSWER, MUSIC, RING)
    assert place(asked, "POST channels/c1/answer") < place(asked, "DELETE channels/o1")
    assert s.means.legs.by_id["c1"].hold


@pytest.mark.asyncio
async def test_who_is_not_offered_at_once_has_his_music_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_ring, "ANSWER_AFTER_S", 60.0)
    monkeypatch.setattr(first_ring, "MUSIC_AFTER_S", 60.0)
    s = prepared(tmp_path)
    await asyncio.wait_for(done(s, ANSWER, MUSIC), 5)
    assert s.means.legs.by_id["c1"].hold
    await asyncio.wait_for(done(s, RING, CONNECT), 5)
    assert not s.calls.conversations.first_rings._beginnings
