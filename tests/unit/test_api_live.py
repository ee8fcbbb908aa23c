"""Following the log, the small protocol to the engine, and the line that `up` prints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from acd.core import inputs as i
from acd.core.codec import dump
from acd.core.facts import Recorded
from acd.core.model import EntryPlan, Presence
from acd.core.reply import Code, Done, Refused
from acd.ports import StoredFact
from acd.runtime import Runtime
from api import gateway
from api.live import Live
from api.supervisor import Tally, status_line
from api.words import LANGUAGES, words
from storage.bus import CallFailed
from tests.support.api import DEFINITIONS, START
from tests.support.memory import HandClock, MemoryLog


@dataclass
class FlakyLog(MemoryLog):
    """A log that can be away."""

    away: bool = False

    def read(self, after: int, limit: int = 1000) -> list[StoredFact]:
        if self.away:
            raise OSError("the database is away")
        return super().read(after, limit)


@dataclass
class Seen:
    """What a follower was given."""

    facts: list[Recorded] = field(default_factory=list)

    def take(self, facts: Sequence[Recorded]) -> None:
        self.facts.extend(facts)


@asynccontextmanager
async def writing(log: MemoryLog) -> AsyncIterator[Runtime]:
    clock = HandClock(START)
    runtime = Runtime(log, clock=lambda _last: clock, epoch=lambda: "e")
    await runtime.start()
    for definition in DEFINITIONS:
        await runtime.submit(definition)
    yield runtime
    await runtime.stop()


@pytest.mark.asyncio
async def test_a_follower_is_given_what_comes_after_its_first_look_once_and_in_order() -> None:
    log, seen = MemoryLog(), Seen()
    live = Live(log, seen.take)
    assert not live.ready
    async with writing(log) as runtime:
        await live.catch_up()
        begun = live.seq
        assert begun == log.last_seq() > 0
        assert seen.facts == []
        following = asyncio.create_task(live.follow())
        await runtime.submit(i.SeatSignedIn("amy"))
        assert await live.reached(log.last_seq())
        assert live.state.seats["amy"].signed_in_at
        assert [fact.seq for fact in seen.facts] == list(range(begun + 1, log.last_seq() + 1))
        following.cancel()


@pytest.mark.asyncio
async def test_a_follower_survives_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.live.RETRY_S", 0.02)
    log = FlakyLog()
    live = Live(log)
    async with writing(log) as runtime:
        following = asyncio.create_task(live.follow())
        assert await live.reached(log.last_seq())
        log.away = True
        await runtime.submit(i.SeatSignedIn("amy"))
        async with asyncio.timeout(5):
            while not live.failing:
                await asyncio.sleep(0.01)
        assert not live.ready
        assert not await live.reached(log.last_seq(), 0.1)
        assert live.state.seats["amy"].signed_in_at == 0
        log.away = False
        assert await live.reached(log.last_seq())
        assert live.state.seats["amy"].signed_in_at
        following.cancel()


@pytest.mark.parametrize("reply", [Done("i1", "o1", "late"), Done(), Refused(Code.SEAT_BUSY, "The seat is busy.")])
def test_a_reply_travels_unchanged(reply: Done | Refused) -> None:
    class Echo:
        async def call(self, _method: str, _body: object = None, _timeout: float = 5.0) -> gateway.Json:
            return gateway.reply_to(reply, 7)

    answer = asyncio.run(gateway.submit(Echo(), i.SeatSignedIn("amy"), by="x", via="y"))
    assert answer == gateway.Answer(reply, 7)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "TimerDue", "body": dump(i.TimerDue("k", 1)), "by": "x", "via": "y"},
        {"kind": "PartyLeft", "body": dump(i.PartyLeft("leg")), "by": "x", "via": "y"},
        {"kind": "SeatSignedIn", "body": "{", "by": "x", "via": "y"},
        {"kind": "SeatSignedIn", "body": '{"seat": 5}', "by": "x", "via": "y"},
        {"kind": "SeatSignedIn", "body": '{"seat": "amy", "root": true}', "by": "x", "via": "y"},
    ],
)
def test_what_is_no_command_does_not_come_in_by_the_socket(body: dict[str, str]) -> None:
    with pytest.raises(CallFailed) as refused:
        gateway.input_from(body)
    assert refused.value.code == "bad_input"


def test_a_command_comes_in_as_it_was_sent() -> None:
    given = i.StatusChosen("amy", Presence.VOICE, "ready")
    body = {"kind": "StatusChosen", "body": dump(given), "by": "token:1", "via": "api"}
    assert gateway.input_from(body) == (given, "token:1", "api")


@pytest.mark.asyncio
async def test_the_line_a_second_counts_what_is_going_on() -> None:
    log, tally = MemoryLog(), Tally()
    live = Live(log, tally.take)
    async with writing(log) as runtime:
        await live.catch_up()
        await runtime.submit(i.SeatSignedIn("amy"))
        await runtime.submit(i.PhoneChanged("amy", True))
        await runtime.submit(i.StatusChosen("amy", Presence.VOICE, "ready"))
        for leg in ("one", "two"):
            await runtime.submit(i.CallEntered(leg, EntryPlan("82", 1, "sales")))
            await runtime.submit(i.LegArrived(leg))
        (offer,) = await runtime.query(lambda state: list(state.offers))
        await runtime.submit(i.OfferAnswered(offer))
        await live.catch_up()
        line = status_line(live.state, tally, words("en"), ["web"])
        assert line == (
            "waiting 1 · ringing 0 · talking 1 · wrap-up 0 · ready 0/2 · answered 1 · repairs 0 · AWAY: web"
        )
        assert len({status_line(live.state, tally, words(one), []) for one in LANGUAGES}) == len(LANGUAGES)
