"""The telephone side without Asterisk: its commands are written down, and some of them are refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from acd.core.inputs import Input
from acd.core.reply import Done, Reply
from cti.ari import Ari, AriError
from cti.calls import Calls
from cti.lanes import Lanes
from cti.legs import Legs
from cti.means import ManagerFailed, Means


class NoSeats:
    """Nobody has an extension."""

    def seat_of(self, extension: str) -> str:
        return ""

    def extension_of(self, seat: str) -> str:
        return ""

    def extensions(self) -> Sequence[str]:
        return ()

    def reachable(self, seat: str) -> bool:
        return True

    def settled(self, extension: str) -> bool:
        return True


@dataclass
class FakeManager:
    """cti.means.Manager: away when told so, slow when told so; keeps what it was asked."""

    away: bool = False
    gate: asyncio.Event | None = None
    running: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    muted: dict[str, bool] = field(default_factory=dict)

    async def _ask(self, what: str, leg: str) -> None:
        self.asked.append((what, leg))
        if self.gate is not None:
            await self.gate.wait()
        if self.away:
            raise ManagerFailed("away")

    async def record(self, leg: str, file: Path) -> None:
        await self._ask("record", leg)
        self.running[leg] = str(file.with_suffix(""))

    async def recorders(self, leg: str) -> Collection[str]:
        await self._ask("recorders", leg)
        return [self.running[leg]] if leg in self.running else []

    async def stop_recording(self, leg: str) -> None:
        await self._ask("stop", leg)
        self.running.pop(leg, None)

    async def mute_recording(self, leg: str, *, muted: bool) -> None:
        await self._ask("mute", leg)
        self.muted[leg] = muted

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        await self._ask("redirect", channel)


@dataclass
class FakeAri:
    """`refuses` gives the status a command ("METHOD uri channel") is refused with, or 0. Bridges remember who was put
    into them."""

    refuses: Callable[[str], int] = lambda _: 0
    calls: Calls | None = None
    asked: list[str] = field(default_factory=list)
    bridges: dict[str, set[str]] = field(default_factory=dict)
    variables: dict[tuple[str, str], str] = field(default_factory=dict)

    async def call(self, method: str, uri: str, body: object = None, **query: object) -> Any:
        await asyncio.sleep(0)
        asked = f"{method} {uri} {query.get('channel', '')}".strip()
        self.asked.append(asked)
        if status := self.refuses(asked):
            raise AriError(status, "refused", uri)
        parts = uri.split("/")
        if parts[0] == "bridges":
            return self._bridge(method, parts, query)
        if parts[2:3] == ["snoop"] and self.calls is not None:
            self.calls.ready(parts[3])
        if parts[2:3] == ["variable"]:
            return self._variable(method, parts[1], query)
        if method == "GET" and parts[0] == "playbacks":
            raise AriError(404, "no such playback", uri)
        return {}

    def _variable(self, method: str, leg: str, query: Mapping[str, object]) -> object:
        key = (leg, str(query["variable"]))
        if method == "POST":
            self.variables[key] = str(query["value"])
            return None
        if key not in self.variables:
            raise AriError(404, "not set", leg)
        return {"value": self.variables[key]}

    def _bridge(self, method: str, parts: Sequence[str], query: Mapping[str, object]) -> object:
        if len(parts) == 1:
            self.bridges[str(query["bridgeId"])] = set()
            return {}
        members = self.bridges.get(parts[1])
        if members is None:
            raise AriError(404, "no such bridge", parts[1])
        channel = str(query.get("channel", ""))
        if parts[2:] == ["addChannel"]:
            for others in self.bridges.values():
                others.discard(channel)
            members.add(channel)
        elif parts[2:] == ["removeChannel"]:
            members.discard(channel)
        elif method == "DELETE":
            del self.bridges[parts[1]]
        return {"channels": sorted(members)}


@dataclass
class Side:
    """Calls on a fake Asterisk. `given` is what the core was told."""

    ari: FakeAri
    manager: FakeManager
    means: Means
    calls: Calls
    given: list[Input]


def side(folder: Path, refuses: Callable[[str], int] = lambda _: 0, kind: type[FakeAri] = FakeAri) -> Side:
    """A telephone side; `refuses` as in FakeAri."""
    ari = kind(refuses)
    manager = FakeManager()
    given: list[Input] = []

    async def submit(one: Input) -> Reply | None:
        given.append(one)
        return Done()

    means = Means(
        ari=cast(Ari, ari),
        app="ringside",
        legs=Legs(NoSeats()),
        lanes=Lanes("commands"),
        manager=manager,
        recordings=folder,
        submit=submit,
        now=lambda: 1,
    )
    calls = Calls(means)
    ari.calls = calls
    return Side(ari, manager, means, calls, given)
