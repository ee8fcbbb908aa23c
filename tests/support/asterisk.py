"""A private Asterisk for tests: random loopback ports, its own short work folder, ended with the test."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

from websockets.asyncio.client import connect

from cti.ami import Ami
from cti.asterisk import AsteriskFailed, AsteriskProcess
from cti.config import AsteriskSettings, with_secrets

PORT_TRIES = 3
T = TypeVar("T")


def free_port() -> int:
    """A loopback port that is free now for TCP and UDP."""
    while True:
        with socket.socket() as stream, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            stream.bind(("127.0.0.1", 0))
            port = int(stream.getsockname()[1])
            try:
                packets.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def asterisk_settings(root: Path, work: Path, **changes: Any) -> AsteriskSettings:
    """Settings with fresh ports and passwords; `changes` replace fields."""
    start = random.randrange(10_000, 30_000, 500)
    ports = {name: free_port() for name in ("sip_port", "http_port", "ami_port", "agi_port")}
    chosen: dict[str, Any] = {"rtp_start": start, "rtp_end": start + 499, **ports, **changes}
    return with_secrets(AsteriskSettings(root=str(root), work_dir=str(work), **chosen))


def _booted(root: Path, work: Path, changes: dict[str, Any]) -> AsteriskProcess:
    """A free port may be taken before Asterisk binds it: then another try with others."""
    for left in reversed(range(PORT_TRIES)):
        box = AsteriskProcess(asterisk_settings(root, work, **changes), die_with_parent=True)
        try:
            box.start()
        except AsteriskFailed:
            if not left:
                raise
        else:
            return box
    raise AssertionError("PORT_TRIES is at least 1")


@contextmanager
def running_asterisk(root: Path, **changes: Any) -> Iterator[AsteriskProcess]:
    """A booted Asterisk, ended on leaving, its folder removed. A port taken meanwhile means another try."""
    work = Path(tempfile.mkdtemp(prefix="ringside-ast-"))
    try:
        box = _booted(root, work, changes)
        try:
            yield box
        finally:
            box.kill()  # a clean stop takes 0.8 s and nothing is kept
    finally:
        shutil.rmtree(work, ignore_errors=True)


def until(look: Callable[[], T], what: str, limit_s: float = 5.0) -> T:
    """What `look` gives as soon as it is true; fails after the limit."""
    end = time.monotonic() + limit_s
    while True:
        if found := look():
            return found
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        time.sleep(0.02)


async def originate(box: AsteriskProcess, channel: str, application: str, data: str, **more: str) -> None:
    """Let Asterisk call `channel` and run an application on this end. `more` are headers of the Originate action."""
    async with Ami(box.settings) as ami:
        await ami.action("Originate", Channel=channel, Application=application, Data=data, Async="true", **more)


async def soon(look: Callable[[], Any], what: str, limit_s: float = 5.0, wanted: object = None) -> Any:
    """What `look` gives (awaited if need be) as soon as it is `wanted`, or true; fails after the limit."""
    end = time.monotonic() + limit_s
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found == wanted if wanted is not None else found:
            return found
        assert time.monotonic() < end, f"not within {limit_s:g} s: {what}"
        await asyncio.sleep(0.02)


class App:
    """The Stasis application, connected and doing nothing: keeps the events it got."""

    def __init__(self, box: AsteriskProcess) -> None:
        self._box = box
        self.events: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        given = self._box.settings
        query = urlencode({"app": given.app, "api_key": f"{given.ari_user}:{given.ari_password}"})
        self._socket = await connect(f"ws://{given.http_host}:{given.http_port}/ari/events?{query}", proxy=None)
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        async for frame in self._socket:
            self.events.append(json.loads(frame))

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The events of that type so far."""
        return [event for event in self.events if event["type"] == kind]

    async def starts(self, number: int, limit_s: float = 5.0) -> list[dict[str, Any]]:
        """Wait for that many StasisStart events."""
        await soon(lambda: len(self.of("StasisStart")) >= number, f"{number} StasisStart", limit_s)
        return self.of("StasisStart")
