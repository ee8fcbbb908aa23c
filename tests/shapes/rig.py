"""A running Ringside with robots on stage, for the tests of this folder and for `make proof`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acd.core.facts import Recorded
from api.bootstrap import open_database, seed
from api.shapes import center
from api.shapes.cells import Cell, Robot
from api.shapes.center import Cast, RunningSystem
from api.shapes.stage import TALK_S, Stage
from softphone.process import PhoneProcess
from storage.bus import CallFailed, EngineAway, UnixClient
from storage.migrations import migrate
from storage.settings import load_secrets
from tests.shapes.judge import CHECKS, Told
from tests.support.floor import floor
from tests.support.system import System

LIMIT_S = 10.0
TAKEOVER_S = 20.0


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the matrix, judged: check -> problems."""

    cell: Cell
    seconds: float
    problems: Mapping[str, list[str]]

    @property
    def good(self) -> bool:
        return not any(self.problems.values())


@dataclass
class Rig:
    """One system with one cast of robots, and what to do with them."""

    system: System
    cast: Cast
    robots: Mapping[Robot, PhoneProcess]
    stage: Stage
    folder: Path

    async def judge(self, cell: Cell) -> Row:
        """Play a cell and look at everything."""
        before, repairs = len(self.system.read()), dict(self.system.state.repairs)
        marks = {robot: phone.mark() for robot, phone in self.robots.items()}
        began = time.monotonic()
        try:
            played = await self.stage.play(cell)
        except AssertionError as error:
            await self.stage.clear()
            return Row(cell, time.monotonic() - began, {"who hears whom": [str(error)]})
        await self.stage.clear()
        seconds = time.monotonic() - began
        facts: list[Recorded] = list(self.system.read()[before:])
        told = Told(played, facts, self.robots, self.cast.names.seats, marks)
        found: dict[str, list[str]] = {"who hears whom": []}
        for name, check in CHECKS.items():
            found[name] = await asyncio.to_thread(check, self.system, told)
        found["nothing left"] = await self.left_over()
        differing = {kind: count for kind, count in self.system.state.repairs.items() if count != repairs.get(kind, 0)}
        found["no repair"] = [f"repairs: {differing}"] if differing else []
        return Row(cell, seconds, found)

    async def left_over(self) -> list[str]:
        """Channels, bridges and items that are still there after a moment."""
        end = time.monotonic() + LIMIT_S
        while True:
            async with floor(self.system, self.folder) as here:
                left = [*await here.ari("channels"), *await here.ari("bridges")]
            if not left and not self.system.state.items:
                return []
            if time.monotonic() > end:
                return [f"left: {[_name(one) for one in left]}, items {list(self.system.state.items)}"]
            await asyncio.sleep(0.05)


def _name(thing: Mapping[str, Any]) -> str:
    return str(thing.get("name") or thing.get("id"))


@asynccontextmanager
async def rigs(
    folder: Path, count: int = 1, asterisk_root: str = "", talk_s: float = TALK_S
) -> AsyncIterator[list[Rig]]:
    """A system that is up and so many casts, registered and signed in."""
    options = {"asterisk_root": asterisk_root} if asterisk_root else {}
    system = System(folder, **options)
    wanted = center.casts(count)
    await asyncio.to_thread(_write_directory, system, wanted)
    try:
        await asyncio.to_thread(system.start)
        async with AsyncExitStack() as stack:
            bus = await stack.enter_async_context(UnixClient(system.settings.socket_path))
            ground = RunningSystem(system.settings, bus)

            async def kill() -> None:
                await _kill_engine(system, bus)

            async def one(cast: Cast) -> Rig:
                robots = await stack.enter_async_context(center.robots(system.settings, cast))
                await center.sign_in(ground, cast.names, _until)
                await _until_lines_are_up(system, cast)
                stage = Stage(ground, robots, cast.names, kill=kill, talk_s=talk_s)
                return Rig(system, cast, robots, stage, folder)

            yield [await one(cast) for cast in wanted]
    finally:
        await asyncio.to_thread(system.stop)


async def _kill_engine(system: System, bus: UnixClient) -> None:
    """kill -9; back when another engine answers and is in line with Asterisk."""
    dead = await asyncio.to_thread(system.kill, "engine")
    end = time.monotonic() + TAKEOVER_S
    while True:
        try:
            told = await bus.call("stats", {}, 1.0)
            if told["pid"] != dead and told["asterisk"]:
                return
        except (EngineAway, CallFailed, OSError, TimeoutError):
            pass
        assert time.monotonic() < end, f"no engine within {TAKEOVER_S:g} s\n{system.tail()}"
        await asyncio.sleep(0.05)


def _write_directory(system: System, wanted: Sequence[Cast]) -> None:
    system.folder.mkdir(parents=True, exist_ok=True)
    migrate(system.settings)
    seed(system.settings, demo=False)
    database = open_database(system.settings)
    with database.write() as session:
        center.write_directory(session, wanted, load_secrets(system.settings).sealing_key())
    database.close()


async def _until_lines_are_up(system: System, cast: Cast) -> None:
    end = time.monotonic() + LIMIT_S
    while not await center.lines_up(system.settings, cast):
        assert time.monotonic() < end, f"the carriers do not answer within {LIMIT_S:g} s"
        await asyncio.sleep(0.2)


async def _until(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s: {what}"
        await asyncio.sleep(0.05)
