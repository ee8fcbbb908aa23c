"""Asterisk's manager interface, actions only: events are off.

Why not pyst2's Manager: it matches answers to actions by order instead of ActionID, keeps only the last `Output` line
of a command, carries headers of one call over to the next (a mutable default argument), and reads byte by byte in a
thread of its own. This client is asyncio, matches by ActionID and keeps every line.

    async with Ami(settings) as ami:
        await ami.redirect("PJSIP/81-00000001", "rescue", "s")
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from cti.config import AsteriskSettings

ACTION_LIMIT_S = 5.0
_LONGEST_LINE = 1 << 20
_UNSAFE = re.compile(r"[\r\n\x00]")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class AmiError(Exception):
    """Asterisk answered an action with an error; the text is Asterisk's."""


class AmiGone(Exception):
    """No connection to the manager interface, or it was lost, or it did not answer in time."""


@dataclass(frozen=True, slots=True)
class Message:
    """One block of the protocol. Of a repeated header `fields` keeps the last, `lines` every one in order."""

    fields: Mapping[str, str]
    lines: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [value for key, value in self.lines if key == name]

    def get(self, name: str) -> str:
        """The header's (last) value, or ""."""
        return self.fields.get(name, "")


def parsed(block: bytes) -> Message:
    """A block without its closing blank line as a message. Never fails: what is not `Name: value` is left out."""
    text = block.decode("utf-8", "replace")
    pairs = (line.partition(":") for line in text.split("\r\n"))
    lines = tuple((name, value.removeprefix(" ")) for name, colon, value in pairs if colon)
    return Message(dict(lines), lines)


def action_bytes(name: str, headers: Mapping[str, str | int]) -> bytes:
    """The action as it goes over the wire. Raises ValueError for a value with a line end or NUL in it."""
    given = {"Action": name, **headers}
    for key, value in given.items():
        if not _NAME.fullmatch(key) or _UNSAFE.search(str(value)):
            raise ValueError(f"AMI {name}: header {key[:40]!r} or its value is not one line")
    return ("".join(f"{key}: {value}\r\n" for key, value in given.items()) + "\r\n").encode()


class Ami:
    """A logged-in connection. One is enough for a process; actions may be in flight together."""

    def __init__(self, given: AsteriskSettings) -> None:
        """Nothing is opened before `connect`."""
        self._given = given
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Queue[Message]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """False before `connect` and once the connection is lost."""
        return self._reader is not None and not self._reader.done()

    async def connect(self) -> Self:
        """Open and log in. Raises AmiGone when nobody is there, AmiError when the password is wrong."""
        await self.close()
        try:
            async with asyncio.timeout(ACTION_LIMIT_S):
                reader, writer = await asyncio.open_connection(
                    self._given.ami_host, self._given.ami_port, limit=_LONGEST_LINE
                )
        except (OSError, TimeoutError) as error:
            raise AmiGone(f"no manager interface at {self._given.ami_host}:{self._given.ami_port}: {error}") from None
        self._writer = writer
        self._reader = asyncio.create_task(self._read(reader), name="ami-reader")
        try:
            await self.action("Login", Username=self._given.ami_user, Secret=self._given.ami_password, Events="off")
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """Close; what still waits gets AmiGone. Repeating is harmless."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        if reader is not None:
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Hand each block to whoever asked; the end of the connection is told to all."""
        try:
            await reader.readuntil(b"\r\n")  # the banner
            while True:
                message = parsed((await reader.readuntil(b"\r\n\r\n"))[:-4])
                answers = self._waiting.get(message.get("ActionID"))
                if answers is not None:
                    answers.put_nowait(message)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            for answers in list(self._waiting.values()):
                answers.put_nowait(Message({}, ()))

    async def _converse(self, name: str, headers: Mapping[str, str | int], end_event: str) -> list[Message]:
        """Send, and collect the answer and (for a list) its events up to `end_event`."""
        number = f"r{next(self._ids)}"
        block = action_bytes(name, {**headers, "ActionID": number})
        if not self.connected or self._writer is None:
            raise AmiGone(f"{name}: not connected to the manager interface")
        answers = self._waiting[number] = asyncio.Queue()
        got: list[Message] = []
        try:
            async with asyncio.timeout(ACTION_LIMIT_S):
                self._writer.write(block)
                await self._writer.drain()
                while not got or (end_event and got[-1].get("Event") != end_event):
                    message = await answers.get()
                    if not message.lines:
                        raise AmiGone(f"{name}: the manager interface closed the connection")
                    got.append(message)
                    if got[0].get("Response") not in {"Success", "Goodbye", "Follows"}:
                        raise AmiError(f"{name}: {got[0].get('Message') or got[0].get('Response')}")
        except (OSError, TimeoutError) as error:
            raise AmiGone(f"{name}: no answer from the manager interface ({error!r})") from None
        finally:
            del self._waiting[number]
        return got

    async def action(self, name: str, **headers: str | int) -> Message:
        """One action, its answer. Raises AmiError, AmiGone, or ValueError for a value with a line end."""
        return (await self._converse(name, headers, ""))[0]

    async def listing(self, name: str, end_event: str, **headers: str | int) -> list[Message]:
        """An action that answers with a list of events; the closing one is left out."""
        return (await self._converse(name, headers, end_event))[1:-1]

    async def command(self, line: str) -> list[str]:
        """A console command, every line of its output."""
        return (await self.action("Command", Command=line)).all("Output")

    # --- what Ringside does with it ------------------------------------------------------------------------------

    async def start_recording(self, channel: str, file: str, options: str = "D") -> str:
        """MixMonitor on a channel (name or unique id): both sides apart, raw. Gives the monitor's id."""
        answer = await self.action("MixMonitor", Channel=channel, File=file, Options=f"{options}i(RINGSIDE_MONITOR)")
        return answer.get("MixMonitorID")

    async def stop_recording(self, channel: str, monitor: str = "") -> None:
        """Stop one monitor of the channel, or all."""
        await self.action("StopMixMonitor", Channel=channel, **({"MixMonitorID": monitor} if monitor else {}))

    async def mute_recording(self, channel: str, *, muted: bool, direction: str = "both") -> None:
        """Write silence (the time line stays right) or sound again. `direction`: read, write, both."""
        await self.action("MixMonitorMute", Channel=channel, Direction=direction, State=int(muted))

    async def redirect(self, channel: str, context: str, exten: str, priority: int = 1) -> None:
        """Send a channel to a place of the dialplan, also out of Stasis."""
        await self.action("Redirect", Channel=channel, Context=context, Exten=exten, Priority=priority)

    async def channels(self) -> list[Message]:
        """Every channel: Channel, Uniqueid, Linkedid, Context, Exten, Application, BridgeId, ChannelStateDesc, ..."""
        return await self.listing("CoreShowChannels", "CoreShowChannelsComplete")

    async def bridges(self) -> list[Message]:
        """Every bridge: BridgeUniqueid, BridgeType, BridgeTechnology, BridgeNumChannels."""
        return await self.listing("BridgeList", "BridgeListComplete")

    async def variable(self, channel: str, name: str) -> str:
        """A channel's variable, "" where it is not set. Raises AmiError when the channel is gone."""
        return (await self.action("Getvar", Channel=channel, Variable=name)).get("Value")

    async def set_variable(self, channel: str, name: str, value: str) -> None:
        """Set a channel's variable."""
        await self.action("Setvar", Channel=channel, Variable=name, Value=value)

    async def add_to_queue(self, queue: str, interface: str, member: str) -> None:
        """Add a member; one that is there already is no error."""
        try:
            await self.action("QueueAdd", Queue=queue, Interface=interface, MemberName=member, StateInterface=interface)
        except AmiError as error:
            if "already there" not in str(error):
                raise

    async def remove_from_queue(self, queue: str, interface: str) -> None:
        """Remove a member; one that is not there is no error."""
        try:
            await self.action("QueueRemove", Queue=queue, Interface=interface)
        except AmiError as error:
            if "not there" not in str(error):
                raise

    async def queue_members(self, queue: str) -> dict[str, str]:
        """Interface → member name."""
        listed = await self.listing("QueueStatus", "QueueStatusComplete", Queue=queue)
        return {row.get("Location"): row.get("Name") for row in listed if row.get("Event") == "QueueMember"}
