"""`ringside demo --shapes`: every shape of a call, played by robots, and what each party heard."""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from api.bootstrap import open_database, seed
from api.shapes import center
from api.shapes.cells import Cell, Robot, Sound
from api.shapes.center import Cast, RunningSystem
from api.shapes.stage import Line, Stage
from api.supervisor import Center, Supervisor
from api.words import Words
from softphone.process import PhoneGone
from storage.bus import CallFailed, EngineAway, UnixClient
from storage.migrations import migrate
from storage.settings import FILE_NAME, Settings, load_secrets

KEPT = (
    *("api_port", "sip_host", "sip_port", "http_port", "ami_port", "agi_port", "rtp_start", "rtp_end"),
    *("asterisk_root", "default_region"),
)
"""What the center for the shapes takes from the settings of the installation; nothing of its data."""
ELSEWHERE = ("RINGSIDE_DATABASE_URL", "RINGSIDE_FACTS_URL", "RINGSIDE_DATA_DIR", "RINGSIDE_RECORDINGS_STORE")
READY_LIMIT_S = 15.0
LOOK_EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Show:
    """api.supervisor.Job: plays cells on the center that is up. The exit code is 0 when every cell was right."""

    cast: Cast
    chosen: Sequence[Cell]

    async def __call__(self, center_: Center) -> int:
        """Play them all; stops between two cells when the center stops."""
        words, failed = center_.words, 0
        try:
            async with (
                UnixClient(center_.settings.socket_path) as bus,
                center.robots(center_.settings, self.cast) as robots,
            ):
                ground = RunningSystem(center_.settings, bus)
                await center.sign_in(ground, self.cast.names, _until)
                await _until_lines_are_up(center_.settings, self.cast)
                center_.say(words("shapes.robots", count=len(robots)))
                stage = Stage(ground, robots, self.cast.names)
                for place, cell in enumerate(self.chosen, 1):
                    if center_.stopping.is_set():
                        return 0
                    center_.say(words("shapes.cell", place=place, count=len(self.chosen), cell=cell.id))
                    failed += not await self._play(stage, cell, center_)
        except (EngineAway, CallFailed, PhoneGone, AssertionError) as error:
            center_.say(words("demo.failed", why=error))
            return 1
        key = "shapes.bad" if failed else "shapes.good"
        center_.say(words(key, count=len(self.chosen), failed=failed))
        return 1 if failed else 0

    async def _play(self, stage: Stage, cell: Cell, center_: Center) -> bool:
        try:
            await stage.play(cell, lambda line: center_.say(told(line, center_.words)))
        except AssertionError as error:
            center_.say(f"    {center_.words('shapes.failed', why=error)}")
            return False
        finally:
            await stage.clear()
        return True


def told(line: Line, words: Words) -> str:
    """A step and what each party heard after it, in the words' language."""
    step = words(f"shapes.step.{line.step.name}")
    parts = [words("shapes.hears", who=_name(robot, words), whom=_heard(line, robot, words)) for robot in line.heard]
    return f"    {step}: {'; '.join(parts) or words('shapes.nobody')}"


def _heard(line: Line, robot: Robot, words: Words) -> str:
    return " + ".join(_name(one, words) for one in sorted(line.heard[robot])) or words("shapes.nothing")


def _name(one: Robot | Sound, words: Words) -> str:
    return words(f"shapes.robot.{one}")


async def _until(look: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + READY_LIMIT_S
    while not look():
        assert time.monotonic() < end, f"not within {READY_LIMIT_S:g} s: {what}"
        await asyncio.sleep(LOOK_EVERY_S)


async def _until_lines_are_up(settings: Settings, cast: Cast) -> None:
    end = time.monotonic() + READY_LIMIT_S
    while not await center.lines_up(settings, cast):
        assert time.monotonic() < end, f"not within {READY_LIMIT_S:g} s: the carriers answer"
        await asyncio.sleep(LOOK_EVERY_S)


def show(settings: Settings, words: Words, out: TextIO, chosen: Sequence[Cell]) -> int:
    """A center of its own in a folder that goes afterwards, with the ports of `settings`. Blocking; the exit code."""
    for name in ELSEWHERE:  # the processes of this center read them too
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory(prefix="ringside-shapes-") as folder:
        lines = (f"{name} = {json.dumps(_plain(getattr(settings, name)))}" for name in KEPT)
        (Path(folder) / FILE_NAME).write_text("\n".join(lines) + "\n", encoding="utf-8")
        own = Settings(data_dir=Path(folder))
        own.prepare()
        (cast,) = center.casts()
        write(own, cast)
        supervisor = Supervisor(own, words, out, demo=False, keep_asterisk=False)
        return asyncio.run(supervisor.run(None, Show(cast, chosen)))


def _plain(value: object) -> object:
    return value if isinstance(value, int) else str(value)


def write(settings: Settings, cast: Cast) -> None:
    """The basics and the cast's part of a new directory. Blocking."""
    migrate(settings)
    seed(settings, demo=False)
    database = open_database(settings)
    try:
        with database.write() as session:
            center.write_directory(session, (cast,), load_secrets(settings).sealing_key())
    finally:
        database.close()
