"""A running Ringside with the robots on stage, for the tests of this folder and for `make proof`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acd.core.facts import Recorded
from api.bootstrap import open_database, seed
from api.shapes import center
from api.shapes.cells import Cell, Robot
from api.shapes.stage import Stage
from softphone.process import PhoneProcess
from storage.bus import UnixClient
from storage.migrations import migrate
from storage.settings import load_secrets
from tests.shapes.judge import CHECKS, Told
from tests.support.floor import floor
from tests.support.system import System

LIMIT_S = 10.0


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
    """One system, its robots, and what to do with them."""

    system: System
    robots: Mapping[Robot, PhoneProcess]
    stage: Stage
    folder: Path

    async def judge(self, cell: Cell) -> Row:
        """Play a cell and look at everything."""
        before, repairs = len(self.system.read()), dict(self.system.state.repairs)
        marks = {robot: phone.mark() for robot, phone in self.robots.items()}
        began = time.monotonic()
        found: dict[str, list[str]] = {}
        try:
            played = await self.stage.play(cell)
        except AssertionError as error:
            found["who hears whom"] = [str(error)]
            await self.stage.clear()
            return Row(cell, time.monotonic() - began, found)
        found["who hears whom"] = []
        await self.stage.clear()
        seconds = time.monotonic() - began
        facts: list[Recorded] = list(self.system.read()[before:])
        told = Told(played, facts, self.robots, marks)
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
async def rig(folder: Path, asterisk_root: str = "") -> AsyncIterator[Rig]:
    """Up, robots registered and signed in."""
    options = {"asterisk_root": asterisk_root} if asterisk_root else {}
    system = System(folder, **options)
    ports = center.free_ports()
    await asyncio.to_thread(_write_directory, system, ports)
    try:
        await asyncio.to_thread(system.start)
        async with UnixClient(system.settings.socket_path) as bus:
            ground = center.RunningSystem(system.settings, bus)
            async with center.robots(system.settings, ports) as robots:
                await center.sign_in(ground, _until)
                yield Rig(system, robots, Stage(ground, robots, center.NAMES), folder)
    finally:
        await asyncio.to_thread(system.stop)


def _write_directory(system: System, ports: center.Ports) -> None:
    system.folder.mkdir(parents=True, exist_ok=True)
    migrate(system.settings)
    seed(system.settings, demo=False)
    database = open_database(system.settings)
    with database.write() as session:
        center.write_directory(session, ports, load_secrets(system.settings).sealing_key())
    database.close()


async def _until(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < end, f"not within {LIMIT_S:g} s: {what}"
        await asyncio.sleep(0.05)
