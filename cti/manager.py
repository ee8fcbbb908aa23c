"""What only the manager interface can do, over one connection that is made again whenever it is needed.

MixMonitor: raw, both sides apart, appended, on the customer's channel (reference/shapes.md §1).
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from cti.ami import Ami, AmiError, AmiGone
from cti.config import AsteriskSettings
from cti.means import ManagerFailed


class AmiManager:
    """Implements cti.means.Manager."""

    def __init__(self, settings: AsteriskSettings) -> None:
        self._ami = Ami(settings)
        self._lock = asyncio.Lock()

    async def _connected(self) -> Ami:
        async with self._lock:
            if not self._ami.connected:
                await self._ami.connect()
        return self._ami

    async def record(self, leg: str, file: Path) -> None:
        """Begin writing."""
        try:
            await (await self._connected()).start_recording(leg, str(file), "Da")
        except (AmiError, AmiGone, OSError, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def recorders(self, leg: str) -> frozenset[str]:
        """Asterisk's own list; the variable MIXMONITOR_FILENAME stays when a recorder was stopped.

        A line is the recorder's address, the file without its ending, and two files that we never ask for (22.10.1).
        """
        try:
            lines = await (await self._connected()).command(f"mixmonitor list {leg}")
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error
        return frozenset(line.split("\t")[1] for line in lines if line.startswith("0x"))

    async def stop_recording(self, leg: str) -> None:
        """Every recorder of the channel stops."""
        try:
            await (await self._connected()).stop_recording(leg)
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def mute_recording(self, leg: str, *, muted: bool) -> None:
        """Silence, or sound again; without a recorder there is nothing to do."""
        try:
            await (await self._connected()).mute_recording(leg, muted=muted)
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        """Send a channel somewhere else in the dialplan."""
        try:
            await (await self._connected()).redirect(channel, context, exten)
        except (AmiError, AmiGone, ValueError) as error:
            raise ManagerFailed(str(error)) from error

    async def close(self) -> None:
        """Log off."""
        await self._ami.close()
