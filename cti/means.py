"""What carrying out needs, shared by everything that takes effects from the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from acd.core.effects import Effect
from acd.core.inputs import Input
from acd.core.model import Micros
from acd.core.reply import Reply
from cti.ari import Ari
from cti.lanes import Lanes, Work
from cti.legs import Legs

Submit = Callable[[Input], Awaitable[Reply | None]]
Row = Callable[[Any], tuple[str, Work] | None]
Rows = Mapping[type[Effect], Row]
"""Effect type to what makes of it: the lane and the work to be done in it, or None for nothing.

A row is called at once, in the order of the effects, and notes in the book what is about to happen; its work comes
later.
"""


class ManagerFailed(Exception):
    """The manager interface could not do it; the text says why."""


class Manager(Protocol):
    """What ARI cannot do: recording both sides apart, and sending a channel elsewhere. All raise ManagerFailed."""

    async def record(self, leg: str, file: Path) -> None:
        """Write the channel's two sides into the file, appending."""
        ...

    async def recorders(self, leg: str) -> Collection[str]:
        """The files that are being written for this channel, without their endings."""
        ...

    async def stop_recording(self, leg: str) -> None:
        """Write no more for this channel."""
        ...

    async def mute_recording(self, leg: str, *, muted: bool) -> None:
        """Let every recorder of this channel write silence, the time line kept, or sound again."""
        ...

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        """Send a channel (by name) to a place of the dialplan."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What carrying out needs: the connection, the book, AMI, where files go, the way back to the core. `room` says
    whether there is space for another recording; it may take half a second, so it is asked in a thread."""

    ari: Ari
    app: str
    legs: Legs
    lanes: Lanes
    manager: Manager
    recordings: Path
    submit: Submit
    now: Callable[[], Micros]
    room: Callable[[], bool] = lambda: True
