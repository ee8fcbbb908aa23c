"""A caller's way in on a real Asterisk: FastAGI, the app, and what happens when one of them is away or stuck."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from acd.core.inputs import CallEntered
from cti.agi import AgiServer
from cti.ami import Ami
from cti.asterisk import AsteriskProcess
from softphone.process import PhoneProcess
from tests.support.asterisk import App, soon, until
from tests.support.entry import FakeEngine, Plans

pytestmark = [pytest.mark.asyncio, pytest.mark.softphone]


@pytest.fixture(autouse=True)
def _no_channel_is_left(asterisk: AsteriskProcess) -> Iterator[None]:
    """Each test's calls end with it."""
    yield
    until(lambda: asterisk.channel_count() == 0, "all channels are gone")


@contextlib.asynccontextmanager
async def agi_server(
    box: AsteriskProcess, engine: FakeEngine, plans: Plans, limit_s: float = 3.0
) -> AsyncIterator[AgiServer]:
    server = AgiServer(box.settings, engine, plans, limit_s=limit_s)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextlib.asynccontextmanager
async def caller(
    box: AsteriskProcess, to: str, number: str = "0912345678", name: str = ""
) -> AsyncIterator[PhoneProcess]:
    """An anonymous caller of that number who has dialled."""
    server = f"{box.settings.sip_host}:{box.settings.sip_port}"
    async with await PhoneProcess.start(number, server=server, register=False, display_name=name) as phone:
        await phone.call(to)
        yield phone


async def test_one_round_trip_names_the_item_before_the_app_has_the_channel(asterisk: AsteriskProcess) -> None:
    engine, plans = FakeEngine(), Plans()
    async with agi_server(asterisk, engine, plans), App(asterisk) as app, caller(asterisk, "81", name="王小明"):
        (start,) = await app.starts(1)
        channel = start["channel"]
        assert start["args"] == ["entry", "81"]
        assert channel["channelvars"]["RINGSIDE_ITEM"] == "item-1"
        assert channel["state"] == "Ring"  # the app answers, not the dialplan
        assert [given.leg for given in engine.taken if isinstance(given, CallEntered)] == [channel["id"]]
        (seen,) = plans.asked
        assert (seen.entry, seen.caller.raw, seen.caller.e164) == ("81", "0912345678", "+886912345678")
        assert seen.caller.name == "王小明"
        async with Ami(asterisk.settings) as ami:
            waiting = int(await ami.variable(channel["name"], "RINGSIDE_WAITING"))
        assert abs(waiting / 1e6 - time.time()) < 10
        assert waiting % 1_000_000  # those of one second have an order, too


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("0912/345", 'x" <sip:evil>'),
        ("a,System(id),${SHELL(id)}", "x\\"),
        ("9" * 100, "n" * 100),
        ("☎️", "😀\u202e"),
    ],
)
async def test_a_hostile_caller_id_changes_nothing(asterisk: AsteriskProcess, number: str, name: str) -> None:
    engine, plans = FakeEngine(), Plans()
    async with agi_server(asterisk, engine, plans), App(asterisk) as app, caller(asterisk, "81", number, name):
        (start,) = await app.starts(1)
        assert start["args"] == ["entry", "81"]
        assert start["channel"]["channelvars"]["RINGSIDE_ITEM"] == "item-1"
        (seen,) = plans.asked
        assert seen.entry == "81"
        assert seen.caller.e164 == ""
        assert max(len(seen.caller.raw), len(seen.caller.name)) <= 64


async def test_without_agi_the_app_still_gets_the_call(asterisk: AsteriskProcess) -> None:
    async with App(asterisk) as app, caller(asterisk, "81"):
        (start,) = await app.starts(1)
        assert start["args"] == ["entry", "81"]
        assert start["channel"]["channelvars"]["RINGSIDE_ITEM"] == ""


async def test_a_stuck_engine_lets_the_call_go_on_in_time(asterisk: AsteriskProcess) -> None:
    engine = FakeEngine(stuck=True)
    async with agi_server(asterisk, engine, Plans(), limit_s=0.5) as server, App(asterisk) as app:
        async with caller(asterisk, "81"):
            (start,) = await app.starts(1, limit_s=2.0)
            assert start["channel"]["channelvars"]["RINGSIDE_ITEM"] == ""
        assert server.failed == 1


async def test_an_entry_nobody_knows_is_refused_with_words(asterisk: AsteriskProcess) -> None:
    async with agi_server(asterisk, FakeEngine(), Plans()), App(asterisk) as app, caller(asterisk, "82") as phone:
        await phone.expect("media")  # the words, before any answer
        ended = await phone.expect("ended", within=8.0)
        assert (ended["code"], ended["answered"]) == (404, False)
        assert app.of("StasisStart") == []


async def test_a_caller_who_hangs_up_while_the_engine_thinks_is_over(asterisk: AsteriskProcess) -> None:
    engine = FakeEngine(stuck=True)
    async with agi_server(asterisk, engine, Plans(), limit_s=1.0) as server, caller(asterisk, "81") as phone:
        await soon(lambda: asterisk.channel_count() == 1, "the call is there")
        await phone.hang_up()
        await phone.expect("ended")
        await soon(lambda: asterisk.channel_count() == 0, "the channel is gone")
        await soon(lambda: server.failed == 1, "the server has given up")


async def test_a_stopped_engine_holds_a_caller_in_agi_until_it_is_killed_then_he_is_in_the_fallback(
    asterisk: AsteriskProcess,
) -> None:
    """AMI Redirect alone does not free a channel from AGI: that is why Rescue ends a silent engine."""
    given = asterisk.settings
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STOPPED_ENGINE, given.agi_host, str(given.agi_port), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert engine.stdout is not None
        await engine.stdout.readline()
        async with caller(asterisk, "81") as phone, Ami(given) as ami:
            (row,) = await soon(ami.channels, "the call is there")
            await soon(lambda: application(ami, row.get("Channel")), "the dialplan waits for AGI", wanted="AGI")
            await ami.redirect(row.get("Channel"), "rescue", "s")
            engine.kill()
            await phone.expect("answered", within=5.0)  # by the fall-back
            await soon(lambda: application(ami, row.get("Channel")), "he is in the fall-back", wanted="Queue")
    finally:
        with contextlib.suppress(ProcessLookupError):
            engine.kill()
        await engine.wait()


# Accepts by the kernel's backlog and answers nobody, as an engine under SIGSTOP does.
STOPPED_ENGINE = """
import socket, sys, time
with socket.create_server((sys.argv[1], int(sys.argv[2]))):
    print("up", flush=True)
    time.sleep(60)
"""


async def application(ami: Ami, channel: str) -> str:
    """What the channel runs now."""
    found = [row.get("Application") for row in await ami.channels() if row.get("Channel") == channel]
    return found[0] if found else ""
