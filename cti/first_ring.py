"""The first ring: who comes while a seat is free is answered, and hears music, after that seat's phone was dialled.

Asterisk carries out the requests of one WebSocket one after the other, and to put a channel that was just answered into
a holding bridge takes it 3 ms, so the agent's INVITE waited for the caller's music. Now the caller gives way to it, and
hears music only where the phone has not answered by itself meanwhile, as headsets set to it do: his music costs four
requests and two channels.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field

ANSWER_AFTER_S = 0.05
"""At most so long the caller's own answer waits for the dialling; 5 ms in the lab."""
MUSIC_AFTER_S = 0.1
"""At most so long he hears nothing before his music."""


@dataclass(slots=True)
class Beginning:
    """Somebody begins to wait. `rung`: a seat was offered in the same step."""

    rung: bool = False
    dialled: asyncio.Event = field(default_factory=asyncio.Event)
    joined: asyncio.Event = field(default_factory=asyncio.Event)

    async def music(self) -> None:
        """Wait until it is time for music, or there is no need of it any more."""
        if self.rung:
            await _at_most(self.joined, MUSIC_AFTER_S)


class FirstRings:
    """Who is about to wait, by his channel."""

    def __init__(self) -> None:
        self._beginnings: dict[str, Beginning] = {}

    def begins(self, leg: str) -> Beginning:
        """Music is to be played to him; `over` when that is done."""
        self._beginnings[leg] = beginning = Beginning()
        return beginning

    def over(self, leg: str, beginning: Beginning) -> None:
        """He hears his music, or needs none."""
        if self._beginnings.get(leg) is beginning:
            del self._beginnings[leg]

    def rings(self, leg: str) -> None:
        """A seat is rung for him."""
        if (beginning := self._beginnings.get(leg)) is not None:
            beginning.rung = True

    def dialled(self, leg: str) -> None:
        """The seat's phone was dialled, or could not be."""
        if (beginning := self._beginnings.get(leg)) is not None:
            beginning.dialled.set()

    def joined(self, leg: str) -> None:
        """He talks to somebody."""
        if (beginning := self._beginnings.get(leg)) is not None:
            beginning.joined.set()

    async def give_way(self, leg: str) -> None:
        """Before he is answered: wait for the dialling, if there is one."""
        beginning = self._beginnings.get(leg)
        if beginning is not None and beginning.rung:
            await _at_most(beginning.dialled, ANSWER_AFTER_S)


async def _at_most(event: asyncio.Event, limit_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
