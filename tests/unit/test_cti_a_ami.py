"""The manager client against a small server that answers out of order, badly, or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from cti.ami import Ami, AmiError, AmiGone, Message, action_bytes, parsed
from cti.config import AsteriskSettings
from cti.provisioning import FallbackMembers

GIVEN = AsteriskSettings(root="", work_dir="/tmp/ringside", ari_password="a" * 20, ami_password="b" * 20)
Answer = Callable[[Message], list[dict[str, str]]]


@contextlib.asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[tuple[Ami, list[Message]]]:
    """A logged-in client of a server whose answers are `answer`'s; what it was asked is in the list."""
    asked: list[Message] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"Asterisk Call Manager/11.0.0\r\n")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = parsed((await reader.readuntil(b"\r\n\r\n"))[:-4])
                asked.append(message)
                login = message.get("Action") == "Login"
                blocks = [{"Response": "Success"}] if login else answer(message)
                for block in blocks:
                    told = {"ActionID": message.get("ActionID"), **block}
                    writer.write(("".join(f"{k}: {v}\r\n" for k, v in told.items()) + "\r\n").encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with Ami(replace(GIVEN, ami_port=port)) as ami:
            yield ami, asked
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("value", ["a\r\nAction: Originate", "a\nb", "a\rb", "a\x00b"])
def test_a_value_cannot_add_a_header(value: str) -> None:
    with pytest.raises(ValueError, match="not one line"):
        action_bytes("Setvar", {"Value": value})
    with pytest.raises(ValueError, match="not one line"):
        action_bytes("Setvar", {f"Value: x\r\n{value}": "1"})


def test_a_block_keeps_every_repeated_line() -> None:
    message = parsed("Response: Success\r\nOutput: one\r\nOutput:   two: 2\r\nnonsense\r\nOutput: 三".encode())
    assert message.all("Output") == ["one", "  two: 2", "三"]
    assert message.get("Output") == "三"
    assert message.get("missing") == ""


@pytest.mark.asyncio
async def test_answers_find_their_actions_though_they_come_out_of_order() -> None:
    held: list[str] = []

    def answer(message: Message) -> list[dict[str, str]]:
        held.append(message.get("ActionID"))
        if len(held) < 3:
            return []
        return [{"ActionID": number, "Response": "Success", "Value": f"for {number}"} for number in reversed(held)]

    async with served(answer) as (ami, _):
        got = await asyncio.gather(*(ami.action("Getvar", Variable="x") for _ in range(3)))
    assert [message.get("Value") for message in got] == [f"for {message.get('ActionID')}" for message in got]


@pytest.mark.asyncio
async def test_errors_lists_and_events_of_others() -> None:
    def answer(message: Message) -> list[dict[str, str]]:
        match message.get("Action"):
            case "Redirect":
                return [{"Response": "Error", "Message": "Channel does not exist"}]
            case "CoreShowChannels":
                row = {"Event": "CoreShowChannel", "Channel": "PJSIP/1-1"}
                other = {"ActionID": "", "Event": "Newchannel"}
                return [{"Response": "Success"}, other, row, {"Event": "CoreShowChannelsComplete"}]
            case _:
                return [{"Response": "Success", "MixMonitorID": "0x1"}]

    async with served(answer) as (ami, asked):
        with pytest.raises(AmiError, match="Channel does not exist"):
            await ami.redirect("PJSIP/1-1", "rescue", "s")
        assert [row.get("Channel") for row in await ami.channels()] == ["PJSIP/1-1"]
        assert await ami.start_recording("PJSIP/1-1", "/x/y.raw") == "0x1"
        await ami.mute_recording("PJSIP/1-1", muted=True)
    assert asked[0].get("Events") == "off"
    assert asked[-2].get("Options") == "Di(RINGSIDE_MONITOR)"
    assert (asked[-1].get("State"), asked[-1].get("Direction")) == ("1", "both")


@pytest.mark.asyncio
async def test_a_lost_connection_is_told_at_once() -> None:
    def answer(message: Message) -> list[dict[str, str]]:
        raise ConnectionError

    async with served(answer) as (ami, _):
        with pytest.raises(AmiGone, match="closed the connection"):
            await ami.action("Ping")
        assert not ami.connected
        with pytest.raises(AmiGone, match="not connected"):
            await ami.action("Ping")


@pytest.mark.asyncio
async def test_nobody_there() -> None:
    with pytest.raises(AmiGone, match="no manager interface"):
        await Ami(replace(GIVEN, ami_port=1)).connect()


@pytest.mark.asyncio
async def test_only_the_differences_of_the_fallback_members_are_sent() -> None:
    def answer(message: Message) -> list[dict[str, str]]:
        if message.get("Action") != "QueueStatus":
            return [{"Response": "Success"}]
        rows = [("PJSIP/1001", "ann"), ("PJSIP/1002", "bob"), ("PJSIP/1003", "old")]
        members = [{"Event": "QueueMember", "Location": place, "Name": name} for place, name in rows]
        return [{"Response": "Success"}, *members, {"Event": "QueueStatusComplete"}]

    async with served(answer) as (ami, asked):
        members = FallbackMembers(ami)
        await members.set({"ann": "1001", "cid": "1003", "dan": "1004"})
        assert await members.listed() == {"ann": "1001", "bob": "1002", "old": "1003"}
    sent = [(m.get("Action"), m.get("Interface"), m.get("MemberName")) for m in asked if "Interface" in m.fields]
    assert sent == [
        ("QueueRemove", "PJSIP/1002", ""),
        ("QueueRemove", "PJSIP/1003", ""),
        ("QueueAdd", "PJSIP/1003", "cid"),
        ("QueueAdd", "PJSIP/1004", "dan"),
    ]
