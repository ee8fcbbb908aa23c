"""FastAGI over a socket pair: hostile environments, hang-up, nonsense, quoting. No Asterisk."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from asterisk.agi import AGIException

from acd.core.inputs import CallEntered, Input, PartyLeft
from acd.core.model import EntryPlan
from acd.core.reply import Code, Done, Refused, Reply
from cti.agi import (
    LONGEST_LINE,
    MOST_LINES,
    THREADS,
    AgiRefused,
    AgiServer,
    CallerGone,
    Numbering,
    SafeAgi,
    Wire,
    address_seen,
    plan_call,
)
from cti.config import AsteriskSettings, NumberRules, Trunk
from tests.support.asterisk import free_port
from tests.support.entry import FakeEngine, Plans

ENV = "agi_network_script: entry\nagi_uniqueid: 1795254428.7\nagi_extension: 81\nagi_callerid: 0912345678\n"


OPEN: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _close_sockets() -> Iterator[None]:
    yield
    while OPEN:
        OPEN.pop().close()


def agi_over(sent: bytes) -> tuple[SafeAgi, socket.socket]:
    """An AGI whose other end has sent this already."""
    ours, theirs = socket.socketpair()
    OPEN.extend((ours, theirs))
    theirs.sendall(sent)
    return SafeAgi(Wire(ours, 0.5)), theirs


def test_a_value_cannot_end_its_quotes_or_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    agi, theirs = agi_over(ENV.encode() + b"\n200 result=1\n")
    agi.set_variable("X", 'say "hi"\\\nSET VARIABLE Y 2\r\x00')
    assert theirs.recv(4096) == b'SET VARIABLE "X" "say \\"hi\\"\\\\ SET VARIABLE Y 2  "\n'
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_a_command_of_two_lines_is_refused() -> None:
    agi, _ = agi_over(b"\n")
    with pytest.raises(ValueError, match="one line"):
        agi.execute("NOOP\nEXEC System id")


@pytest.mark.parametrize("sent", [b"HANGUP\n", b"200 result=-1 (hangup)\n"])
def test_a_hangup_is_caller_gone(sent: bytes) -> None:
    agi, _ = agi_over(ENV.encode() + b"\n" + sent)
    with pytest.raises(CallerGone):
        agi.set_variable("X", "1")


def test_the_end_of_the_connection_is_caller_gone() -> None:
    agi, theirs = agi_over(ENV.encode() + b"\n")
    theirs.close()
    with pytest.raises(CallerGone):
        agi.set_variable("X", "1")


@pytest.mark.parametrize(
    "sent", [b"nonsense\n", b"\n", b"999 what\n", b"510 Invalid or unknown command\n", b"\xff\xfe\n"]
)
def test_nonsense_is_an_agi_exception(sent: bytes) -> None:
    agi, _ = agi_over(ENV.encode() + b"\n" + sent)
    with pytest.raises(AGIException):
        agi.set_variable("X", "1")


@pytest.mark.parametrize(
    "sent",
    [b"agi_x: " + b"y" * (LONGEST_LINE + 1) + b"\n\n", b"agi_x: 1\n" * (MOST_LINES + 1) + b"\n", b"y" * 20_000],
)
def test_the_environment_is_bounded(sent: bytes) -> None:
    with pytest.raises(AgiRefused):
        agi_over(sent)


def test_silence_ends_at_the_time_limit() -> None:
    began = time.monotonic()
    with pytest.raises(AgiRefused):
        agi_over(b"agi_x: 1\n")
    assert 0.4 < time.monotonic() - began < 2


def test_the_first_of_repeated_names_holds_and_strange_names_are_dropped() -> None:
    agi, _ = agi_over(ENV.encode() + b"agi_uniqueid: other\nAGI_X: 1\n__class__: 2\nagi_a b: 3\nno colon\n\n")
    assert agi.env["agi_uniqueid"] == "1795254428.7"
    assert set(agi.env) == {"agi_network_script", "agi_uniqueid", "agi_extension", "agi_callerid"}


def planned(env: str, engine_reply: Reply | None = None) -> tuple[bytes, list[Input], Plans]:
    """What goes back to Asterisk, what the engine was given, what the plans were asked."""
    agi, theirs = agi_over(f"{env}\n200 result=1\n".encode())
    given: list[Input] = []

    def submit(one: CallEntered | PartyLeft, limit_s: float) -> Reply:
        given.append(one)
        return engine_reply or Done(item="item-1")

    plans = Plans()
    plan_call(agi, plans, submit, Numbering("TW"), lambda: 1.0)
    return theirs.recv(4096), given, plans


def test_one_round_trip_plans_the_call() -> None:
    back, given, plans = planned(ENV + "agi_calleridname: 王小明\n")
    assert back == b'SET VARIABLE "RINGSIDE_ITEM" "item-1"\n'
    assert given == [CallEntered("1795254428.7", EntryPlan(entry="81", revision=1, queue="service"))]
    assert plans.asked[0].caller.e164 == "+886912345678"
    assert plans.asked[0].caller.name == "王小明"


def test_an_unknown_entry_and_a_refusal_are_told_to_the_dialplan() -> None:
    back, given, _ = planned(ENV.replace("81", "99"))
    assert back == b'SET VARIABLE "RINGSIDE_REFUSED" "unknown_entry"\n'
    assert given == []
    back, _, _ = planned(ENV, Refused(Code.QUEUE_RETIRED, "gone"))
    assert back == b'SET VARIABLE "RINGSIDE_REFUSED" "queue_retired"\n'


@pytest.mark.parametrize(
    "env",
    ["", ENV.replace("entry", "../etc"), ENV.replace("1795254428.7", "a b"), ENV.replace("81", "81,1,x")],
)
def test_requests_that_are_not_our_dialplans_are_refused(env: str) -> None:
    with pytest.raises(AgiRefused):
        planned(env)


def test_a_caller_gone_before_our_answer_is_told_to_the_engine() -> None:
    agi, _theirs = agi_over(f"{ENV}\nHANGUP\n".encode())
    given: list[Input] = []

    def submit(one: CallEntered | PartyLeft, limit_s: float) -> Reply:
        given.append(one)
        return Done(item="item-1")

    with pytest.raises(CallerGone):
        plan_call(agi, Plans(), submit, Numbering("TW"), lambda: 1.0)
    assert [type(one) for one in given] == [CallEntered, PartyLeft]


async def ask(port: int, env: str) -> bytes:
    """A connection as Asterisk would make it: everything that came back until it was closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{env}\n200 result=1\n".encode())
    got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return got


@pytest.mark.asyncio
async def test_the_server_serves_many_at_once_and_a_stuck_engine_lets_them_go() -> None:
    port = free_port()
    given = replace(
        AsteriskSettings(root="", work_dir="/tmp/ringside", ari_password="a" * 20, ami_password="b" * 20),
        agi_port=port,
    )
    engine = FakeEngine()
    server = AgiServer(given, engine, Plans(), limit_s=0.5)
    await server.start()
    try:
        envs = [ENV.replace("428.7", f"428.{number}") for number in range(60)]
        assert set(await asyncio.gather(*(ask(port, env) for env in envs))) == {
            b'SET VARIABLE "RINGSIDE_ITEM" "item-1"\n'
        }
        assert len(engine.taken) == server.served == 60
        engine.stuck = True
        began = time.monotonic()
        assert await asyncio.gather(*(ask(port, ENV) for _ in range(4))) == [b""] * 4
        assert time.monotonic() - began < 3
        assert server.failed == 4
        # More than there are threads: who waits for one is let go in the same time, not after the ones before him.
        began = time.monotonic()
        assert await asyncio.gather(*(ask(port, ENV) for _ in range(5 * THREADS))) == [b""] * 5 * THREADS
        assert time.monotonic() - began < 1.5
    finally:
        await server.stop()
    with pytest.raises(OSError):  # noqa: PT011  # the port is closed
        await ask(port, ENV)


@pytest.mark.parametrize(
    ("first", "second", "trunk", "called"),
    [
        ("main", "+886277001001", "main", "+886277001001"),
        ("", "", "", "81"),
        ('x" evil', "1;2", "", "81"),
        ("n" * 41, "9" * 41, "", "81"),
    ],
)
def test_the_line_and_the_number_called_are_told_where_they_can_be_true(
    first: str, second: str, trunk: str, called: str
) -> None:
    lines = (Trunk("main", "192.0.2.1", rules=NumberRules("886", "0", ("77",))),)
    env = {"agi_extension": "81", "agi_callerid": "7781312345678", "agi_arg_1": first, "agi_arg_2": second}
    seen = address_seen(env, Numbering("TW", lines))
    assert (seen.entry, seen.trunk, seen.called) == ("81", trunk, called)
    # The line's own rule reads 77 as abroad; the region alone does not know the number.
    assert seen.caller.e164 == ("+81312345678" if trunk else "")
    assert seen.caller.raw == "7781312345678"
