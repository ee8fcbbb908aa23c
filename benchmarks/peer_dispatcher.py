"""The peer: the smallest honest dispatcher on ARI. In memory, no log, no records, longest idle first, one process.

    python -m benchmarks.peer_dispatcher HTTP_PORT USER APP PHONE...      (the ARI password on standard input)

A caller is answered and put into one shared holding bridge; the agent idle longest is created, dialled once his channel
has come, and both are joined when he answers; when either leaves, the other is hung up and the agent is free again. It
says "ready" once it takes calls and ends with SIGTERM.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import signal
import sys
from collections import deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvloop
from websockets.asyncio.client import ClientConnection, connect

HOST = "127.0.0.1"
EVENTS = ("StasisStart", "StasisEnd", "ChannelDestroyed", "Dial", "RESTResponse")


class Refused(Exception):
    """Asterisk's answer was 400 or more."""


@dataclass(slots=True, eq=False)
class Call:
    """A caller, and the agent he has."""

    channel: str
    greeted: asyncio.Future[None]
    agent: str = ""
    agent_channel: str = ""
    bridge: str = ""
    here: asyncio.Event = field(default_factory=asyncio.Event)  # the agent's channel is ours
    up: asyncio.Event = field(default_factory=asyncio.Event)  # the agent answered
    over: bool = False


class Peer:
    """All of it."""

    def __init__(self, socket: ClientConnection, app: str, agents: Sequence[str]) -> None:
        self.socket, self.app = socket, app
        self.name = f"{app}-{os.getpid()}"
        self.idle = deque(agents)
        self.waiting: deque[Call] = deque()
        self.callers: dict[str, Call] = {}
        self.agents: dict[str, Call] = {}
        self.pending: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self.numbers = itertools.count(1)
        self.tasks: set[asyncio.Task[None]] = set()

    def go(self, work: Coroutine[Any, Any, None]) -> None:
        """Beside the rest. A refusal means that somebody hung up meanwhile: the events tell of it."""
        task = asyncio.create_task(self.unless_refused(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def unless_refused(self, work: Coroutine[Any, Any, None]) -> None:
        """Say what was refused, go on."""
        try:
            await work
        except Refused as error:
            print(error, file=sys.stderr, flush=True)

    async def ask(self, method: str, uri: str, body: object = None, **query: object) -> None:
        """One request over the socket."""
        request = str(next(self.numbers))
        message: dict[str, object] = {
            "type": "RESTRequest", "request_id": request, "transaction_id": request, "method": method, "uri": uri,
        }  # fmt: skip
        if query:
            message["query_strings"] = [{"name": name, "value": str(value)} for name, value in query.items()]
        if body is not None:
            message |= {"content_type": "application/json", "message_body": json.dumps(body)}
        waiting = self.pending[request] = asyncio.get_running_loop().create_future()
        await self.socket.send(json.dumps(message))
        answer = await waiting
        if answer["status_code"] >= 400:
            raise Refused(f"{answer['status_code']} {method} {uri}: {answer.get('message_body')}")

    async def run(self) -> None:
        """Read until the socket closes."""
        reader = asyncio.create_task(self.read())
        await self.ask("POST", "bridges", type="holding", bridgeId=f"{self.name}-hold")
        await self.ask("POST", f"bridges/{self.name}-hold/moh")
        allowed = {"allowed": [{"type": kind} for kind in EVENTS]}
        await self.ask("PUT", f"applications/{self.app}/eventFilter", allowed)
        print("ready", flush=True)
        await reader

    async def read(self) -> None:
        """Answers to their waiters, events to `event`."""
        async for frame in self.socket:
            told = json.loads(frame)
            if told["type"] == "RESTResponse":
                self.pending.pop(told["request_id"]).set_result(told)
            else:
                self.event(told)

    def event(self, told: dict[str, Any]) -> None:
        """What the five kinds of events mean."""
        match told["type"]:
            case "StasisStart" if told["args"]:
                if (call := self.agents.get(told["channel"]["id"])) is not None:
                    call.here.set()
            case "StasisStart":
                self.arrive(told["channel"]["id"])
            case "Dial" if told["dialstatus"] == "ANSWER":
                if (call := self.agents.get(told["peer"]["id"])) is not None:
                    call.up.set()
            case "ChannelDestroyed" if told["channel"]["id"] in self.agents:
                self.agent_gone(self.agents.pop(told["channel"]["id"]))
            case "StasisEnd" | "ChannelDestroyed" if told["channel"]["id"] in self.callers:
                self.caller_gone(self.callers.pop(told["channel"]["id"]))

    def arrive(self, channel: str) -> None:
        """A caller: first in, first out."""
        call = Call(channel, asyncio.get_running_loop().create_future())
        self.callers[channel] = call
        self.go(self.greet(call))
        self.waiting.append(call)
        self.match()

    async def greet(self, call: Call) -> None:
        """Answer him; music while he waits."""
        try:
            await self.ask("POST", f"channels/{call.channel}/answer")
            if not call.agent:
                await self.ask("POST", f"bridges/{self.name}-hold/addChannel", channel=call.channel)
        finally:
            call.greeted.set_result(None)

    def match(self) -> None:
        """The first caller and the agent idle longest."""
        while self.waiting and self.idle:
            call = self.waiting.popleft()
            call.agent = self.idle.popleft()
            call.agent_channel = f"{self.name}-{next(self.numbers)}"
            self.agents[call.agent_channel] = call
            self.go(self.offer(call))

    async def offer(self, call: Call) -> None:
        """Ring, and join when he answers."""
        to = {"endpoint": f"PJSIP/{call.agent}", "app": self.app, "appArgs": "agent", "channelId": call.agent_channel}
        try:
            await self.ask("POST", "channels/create", {"variables": {}}, originator=call.channel, **to)
            async with asyncio.timeout(3):
                await call.here.wait()  # dialled before it has come, it is refused
            await self.ask("POST", f"channels/{call.agent_channel}/dial", caller=call.channel, timeout=20)
        except (Refused, TimeoutError):
            if self.agents.pop(call.agent_channel, None) is not None:
                self.free(call)
                self.waiting.appendleft(call)
            raise
        call.bridge = f"{call.agent_channel}-b"
        await self.ask("POST", "bridges", type="mixing", bridgeId=call.bridge)
        await call.up.wait()
        await call.greeted
        if not call.over:
            await self.ask("POST", f"bridges/{call.bridge}/addChannel", channel=f"{call.channel},{call.agent_channel}")

    def free(self, call: Call) -> None:
        """The agent may have the next one."""
        self.idle.append(call.agent)
        call.agent = ""
        self.match()

    def agent_gone(self, call: Call) -> None:
        """The agent hung up."""
        call.over = True
        call.up.set()
        self.free(call)
        self.go(self.clear(call))

    async def clear(self, call: Call) -> None:
        """Take the bridge away and hang up the caller."""
        if call.bridge:
            await self.ask("DELETE", f"bridges/{call.bridge}")
        if call.channel in self.callers:
            await self.ask("DELETE", f"channels/{call.channel}")

    def caller_gone(self, call: Call) -> None:
        """The caller hung up."""
        call.over = True
        if call.agent_channel in self.agents:
            self.go(self.ask("DELETE", f"channels/{call.agent_channel}"))
        elif call in self.waiting:
            self.waiting.remove(call)


async def main(port: str, user: str, app: str, agents: Sequence[str]) -> None:
    """Connect and serve."""
    secret = base64.b64encode(f"{user}:{sys.stdin.readline().strip()}".encode()).decode()
    async with connect(
        f"ws://{HOST}:{port}/ari/events?app={app}&subscribeAll=false",
        additional_headers={"Authorization": f"Basic {secret}"},
        compression=None,
        proxy=None,
        max_size=2**24,
        ping_interval=None,
    ) as socket:
        peer, told = Peer(socket, app, agents), asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
        serving, stopping = asyncio.create_task(peer.run()), asyncio.create_task(told.wait())
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        await peer.ask("DELETE", f"bridges/{peer.name}-hold")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4:]))
