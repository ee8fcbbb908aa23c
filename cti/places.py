"""Where channels are in Asterisk: moved from bridge to bridge, and what a channel leaves behind is cleared away.

One conversation is one mixing bridge; whoever waits or is on hold has a holding bridge of his own with an id used once
(one that was ever empty is silent for good, reference/shapes.md §0); who coaches has a bridge of his own with a snoop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import structlog

from cti.ari import AriError, AriLost, path
from cti.commands import carried_out, quietly
from cti.legs import Leg, Role
from cti.means import Means

log = structlog.get_logger(__name__)

SNOOP = "snoop"
"""The first Stasis argument of a snoop; then the coach's channel, then the ear's."""

READY_LIMIT = 2.0
"""Seconds from creating a channel to its StasisStart; 1 ms in the lab."""


class Places:
    """Moves channels. Each channel's moves come from its own lane, one after the other."""

    def __init__(self, means: Means) -> None:
        self._m = means
        self._making = asyncio.Lock()
        self._ready: dict[str, asyncio.Event] = {}

    # --- channels of ours that are on their way --------------------------------------------------------------------

    @asynccontextmanager
    async def expected(self, channel: str) -> AsyncIterator[asyncio.Event]:
        """Until the block is left, the event is set once this channel is in our application."""
        event = self._ready.setdefault(channel, asyncio.Event())
        try:
            yield event
        finally:
            self._ready.pop(channel, None)

    def came(self, channel: str) -> None:
        """A channel we created is in our application."""
        if (event := self._ready.get(channel)) is not None:
            event.set()

    # --- mixing ------------------------------------------------------------------------------------------------------

    async def mix(self, bridge: str, legs: Sequence[str]) -> bool:
        """A new mixing bridge of that id with these channels; False when Asterisk refused one of them.

        They are put in one by one: a list with one dead channel in it is refused as a whole.
        """
        if not await self.open(bridge):
            return False
        return all([await self.enter(bridge, leg) for leg in legs])

    async def open(self, bridge: str) -> bool:
        """A new mixing bridge of that id; False when the connection is lost (told again after it, cti.resync)."""
        try:
            await self._m.ari.call("POST", "bridges", type="mixing", bridgeId=bridge, name=bridge)
        except AriError as error:
            if error.status != 409:
                log.warning("bridge_not_made", bridge=bridge, status=error.status, message=error.message)
        except AriLost:
            return False
        return True

    async def expel(self, bridge: str, leg: str) -> None:
        """Take a channel out of a conversation: it stays with us, silent."""
        uri = path("bridges", self._m.legs.actual(bridge), "removeChannel")
        await quietly(self._m.ari, "POST", uri, channel=leg)

    async def enter(self, bridge: str, leg: str) -> bool:
        """Put a channel into its conversation, from wherever it is; False when Asterisk refused.

        Also who is in it already is taken out and put in again, which renews the way of his sound (cti.sound_watch).
        A bridge that is not there is made.
        """
        try:
            await self._add(bridge, leg)
        except AriError as error:
            if error.status != 404:
                log.info("not_joined", leg=leg, bridge=bridge, status=error.status, message=error.message)
                return False
            await self._made(bridge)
            return await self._again(bridge, leg)
        except AriLost:
            return True
        return True

    async def _add(self, bridge: str, leg: str) -> None:
        known = self._m.legs.get(leg)
        absorb = {"absorbDTMF": "true"} if known is not None and known.paused else {}
        uri = path("bridges", self._m.legs.actual(bridge), "addChannel")
        await self._m.ari.call("POST", uri, None, channel=leg, **absorb)
        self._m.legs.change(leg, entered_at=self._m.now())

    async def _again(self, bridge: str, leg: str) -> bool:
        try:
            await self._add(bridge, leg)
        except AriError as error:
            log.info("not_joined", leg=leg, bridge=bridge, status=error.status, message=error.message)
            return False
        except AriLost:
            return True
        return True

    async def _made(self, bridge: str) -> None:
        """Make a bridge that is not there, once, however many ask.

        Asterisk takes no bridge id twice (409 though the bridge is gone, reference/shapes.md §2), so one that was lost
        is made as "<bridge>~<time>" and read as <bridge> (cti.resync).
        """
        async with self._making:
            if await self._is_there(self._m.legs.actual(bridge)):
                return
            if await self._make(bridge):
                return
            actual = f"{bridge}~{self._m.now()}"
            if await self._make(actual):
                self._m.legs.made_again(bridge, actual)

    async def _is_there(self, bridge: str) -> bool:
        try:
            await self._m.ari.call("GET", path("bridges", bridge))
        except (AriError, AriLost):
            return False
        return True

    async def _make(self, bridge: str) -> bool:
        try:
            await self._m.ari.call("POST", "bridges", type="mixing", bridgeId=bridge, name=bridge)
        except (AriError, AriLost):
            return False
        return True

    async def drop(self, bridge: str) -> None:
        """Take a bridge away; whoever is in it stays with us, silent.

        He is taken out before: whom Asterisk throws out itself while he is on his way to another bridge leaves the old
        bridge's thread and timer and a descriptor of his own behind for good (docs/adr/0019-bridges-emptied-first.md).
        One who hears a prompt cannot be, and is on his way nowhere before its end.
        """
        actual = self._m.legs.actual(bridge)
        for leg in await self._inside(actual):
            if not self.plays(leg):
                await self.expel(actual, leg)
        await self._delete(actual)

    async def _inside(self, actual: str) -> Sequence[str]:
        try:
            bridge = await self._m.ari.call("GET", path("bridges", actual))
        except (AriError, AriLost):
            return ()
        return tuple(bridge.get("channels") or ()) if isinstance(bridge, dict) else ()

    def plays(self, leg: str) -> bool:
        """Whether a prompt may be played to him: a channel that plays can neither be moved nor be given a variable, and
        as Asterisk answers the requests of one WebSocket in order, everybody's would wait for its end."""
        known = self._m.legs.get(leg)
        return known is not None and known.role is Role.CUSTOMER and bool(self._m.legs.playing(known.item))

    async def _delete(self, actual: str) -> None:
        await quietly(self._m.ari, "DELETE", path("bridges", actual))

    # --- holding -----------------------------------------------------------------------------------------------------

    async def hold(self, leg: str, item: str, music: str) -> None:
        """Music in a holding bridge of the channel's own; who has one stays in it."""
        known = self._m.legs.get(leg)
        if known is None or known.hold:
            return
        await self.hush(known)
        bridge = f"hold-{item}-{leg}-{self._m.now()}"
        if not await carried_out(self._m.ari, leg, "POST", "bridges", type="holding", bridgeId=bridge, name=bridge):
            return
        self._m.legs.change(leg, hold=bridge)
        named = {"mohClass": music} if music else {}
        if not await carried_out(self._m.ari, leg, "POST", path("bridges", bridge, "moh"), **named) and music:
            await carried_out(self._m.ari, leg, "POST", path("bridges", bridge, "moh"))
        if await carried_out(self._m.ari, leg, "POST", path("bridges", bridge, "addChannel"), channel=leg):
            await self.uncoach(known)
        else:
            self._m.legs.change(leg, hold="")
            await self._delete(bridge)

    async def unhold(self, leg: Leg) -> None:
        """It is somewhere else now: its empty holding bridge goes."""
        if leg.hold:
            self._m.legs.change(leg.id, hold="")
            await self._delete(leg.hold)

    async def mark_waiting(self, leg: str, order: int) -> None:
        """Tell the rescue process in which order to take this caller; 0: he talks, leave him alone."""
        self._m.legs.change(leg, waiting=bool(order))
        await self.set_variable(leg, "RINGSIDE_WAITING", str(order) if order else "")

    async def unmark(self, leg: str) -> None:
        """He does not wait any more."""
        known = self._m.legs.get(leg)
        if known is not None and known.waiting:
            await self.mark_waiting(leg, 0)

    async def set_variable(self, leg: str, name: str, value: str) -> None:
        """Set a channel's variable."""
        await quietly(self._m.ari, "POST", path("channels", leg, "variable"), variable=name, value=value)

    # --- leaving -----------------------------------------------------------------------------------------------------

    async def uncoach(self, leg: Leg) -> None:
        """It coaches no more: the snoop and their bridge go."""
        if leg.snoop:
            now = self._m.legs.get(leg.id)
            if now is not None and now.snoop == leg.snoop:
                self._m.legs.change(leg.id, snoop="", ear="")
            await quietly(self._m.ari, "DELETE", path("channels", leg.snoop))
            await self.drop(coaching_bridge(leg.snoop))

    async def left(self, leg: Leg | None) -> None:
        """What a channel that is gone leaves behind goes too."""
        if leg is not None:
            await self.unhold(leg)
            await self.uncoach(leg)

    async def hush(self, leg: Leg) -> None:
        """End what plays to an item's customer before he is moved (see `plays`). The core stops its prompts by itself
        (StopPrompt); this is for one that it did not know to play still."""
        for token in self._m.legs.playing(leg.item) if leg.item and leg.role == "customer" else ():
            await quietly(self._m.ari, "DELETE", path("playbacks", token))


def coaching_bridge(snoop: str) -> str:
    """The bridge of a snoop and who listens by it."""
    return f"{snoop}-b"
