"""What a caller, a visitor or a broken adapter may send: it is taken or refused, and what is decided can be stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.core import codec
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.reply import Code, Done, Refused
from acd.runtime import Runtime
from storage.factlog import SqlFactLog
from storage.migrations import upgrade
from tests.support.scene import Scene, queue
from tests.support.world import read_line, stored_line

TEXTS = [
    "",
    " ",
    "a" * 100_000,
    "a\x00b",
    "\r\nSIP/2.0 200 OK",
    "'; DROP TABLE facts; --",
    '"},{"',
    "客戶\u202e\u200b🎧",
    "s:1:text",
    "../../etc/passwd",
    "${EXTEN}",
]
IDS = (
    "empty",
    "space",
    "long",
    "nul",
    "lines",
    "sql",
    "json",
    "unicode",
    "colons",
    "path",
    "asterisk",
)


@pytest.mark.parametrize("text", TEXTS, ids=IDS)
def test_any_text_is_decided_stored_and_read_back(text: str) -> None:
    """As key, leg, digit, item, offer, seat, call, reason, timer: no exception, the same log and state in bytes."""
    scene = Scene(queue())
    scene.seat("a", "q")
    plan = m.EntryPlan("e", 1, "q", "chat", address=text, contact=text, last_seat=text)
    for given in (
        i.ItemArrived(m.Kind.CHAT, text, plan),
        i.CallEntered(text, m.EntryPlan(text, 1, "q", greeting=text)),
        i.LegArrived(text),
        i.DigitPressed(text, text),
        i.PromptEnded(text, text),
        i.PartyLeft(text),
        i.OfferAnswered(text),
        i.ItemPicked(text, text),
        i.SeatSignedIn(text, text),
        i.PhoneChanged("a", False, text),
        i.DirectCallStarted(text, "a", m.DirectKind.OUTBOUND, text, text, found=True),
        i.DirectCallEnded(text),
        i.TimerDue(text, 1),
        i.RepairMade(text, text),
        i.FallbackServed(text + "x", plan, 1, 0, 2, text),
    ):
        scene.give(given)
    scene.world.check_replay()
    for recorded in scene.world.log:
        assert read_line(stored_line(recorded)) == recorded
        codec.dump(recorded.fact).encode()
    codec.state_bytes(scene.state)


@pytest.mark.parametrize("number", [0, -1, 10**30, -(10**30)])
def test_any_number_is_decided_and_stored(number: int) -> None:
    """Codes, priorities, times from outside: whole numbers of any size."""
    scene = Scene(queue())
    scene.seat("a", "q")
    plan = m.EntryPlan("e", 1, "q", priority=number)
    scene.give(i.CallEntered("leg", plan))
    scene.give(i.LegArrived("leg"))
    scene.give(i.TimerDue("offer:x", number))
    scene.give(i.FallbackServed("other", plan, number, number, number, "a"))
    scene.give(i.PartyLeft("leg", sip=number, q850=number, observed=False, not_before=number))
    scene.world.check_replay()
    assert [fact.outcome for fact in scene.facts(f.Ended)] == [m.Outcome.UNOBSERVED]


@pytest.mark.parametrize("text", [chr(0xD800), chr(0xDCFF), "a\x00b"], ids=["surrogate", "byte", "nul"])
@pytest.mark.asyncio
async def test_text_that_no_database_stores_never_ends_the_engine(text: str, tmp_path: Path) -> None:
    """It is refused, or stored in a form that can be read back; the next input is served either way."""
    url = f"sqlite:///{tmp_path / 'facts.db'}"
    upgrade(url, "log")
    log = SqlFactLog(url)
    runtime = Runtime(log)
    await runtime.start()
    await runtime.submit(i.MediumDefined(m.MediumDef("chat", m.Presence.TEXT, 1, 1)))
    await runtime.submit(i.QueueDefined(queue()))
    plan = m.EntryPlan("e", 1, "q", "chat")
    reply = await runtime.submit(i.ItemArrived(m.Kind.CHAT, text, plan))
    assert isinstance(reply, Done) or reply.code is Code.BAD_INPUT
    assert not isinstance(await runtime.submit(i.ItemArrived(m.Kind.CHAT, "next", plan)), Refused)
    await runtime.stop()
    assert [stored.kind for stored in log.read(0)].count("Queued") in (1, 2)
    log.close()


RUBBISH = [
    ("Nothing", "{}"),
    ("SeatSignedIn", ""),
    ("SeatSignedIn", "[]"),
    ("SeatSignedIn", "{}"),
    ("SeatSignedIn", '{"seat": 5}'),
    ("SeatSignedIn", '{"seat": "a", "more": 1}'),
    ("StatusChosen", '{"seat": "a", "presence": "smell", "status": "x"}'),
    ("MediaFlowed", '{"item": null, "seat": "a"}'),
    ("RingSeen", '{"offer": true}'),
    ("ItemArrived", '{"kind": "chat", "key": "k", "plan": {"entry": "e"}}'),
]


@pytest.mark.parametrize(("kind", "body"), RUBBISH)
def test_rubbish_from_the_bus_or_the_inbox_is_an_error_of_known_kind(kind: str, body: str) -> None:
    """UnknownKind, KeyError, TypeError or ValueError, as load_input promises."""
    with pytest.raises((codec.UnknownKind, KeyError, TypeError, ValueError)):
        codec.load_input(kind, body)
