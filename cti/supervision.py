"""Coaching and whispering: somebody hears a conversation and is heard by one channel of it alone (V9, V10).

A snoop on that channel hears both directions and speaks towards its party only; it lies with the coach in a bridge of
their own. With softmix bridges it goes on through hold, consultation and three-way (reference/shapes.md §3). Its end
comes by itself with the ear's channel, not with the coach's.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from acd.core.effects import Coach
from cti.ari import AriError, AriLost, path
from cti.commands import carried_out, quietly
from cti.conversation import Conversations
from cti.lanes import Work
from cti.legs import Leg
from cti.means import Means, Rows
from cti.places import READY_LIMIT, SNOOP, Places, coaching_bridge

log = structlog.get_logger(__name__)


class Coaching:
    """Carries out Coach. Joining, holding or hanging up the coach ends it (cti.places)."""

    def __init__(self, means: Means, places: Places, conversations: Conversations) -> None:
        self._m, self._places, self._conversations = means, places, conversations
        self.rows: Rows = {Coach: self._coach}

    def _coach(self, effect: Coach) -> tuple[str, Work]:
        before = self._m.legs.adopt(effect.leg, effect.item).bridge
        self._m.legs.part(effect.leg)
        return effect.leg, lambda: self._coach_now(effect, before)

    async def _coach_now(self, effect: Coach, before: str) -> None:
        """Who cannot be brought to the ear is not left in the conversation, where everybody could hear him."""
        leg = self._m.legs.get(effect.leg)
        if leg is None or leg.withdrawn or not effect.ear:
            return
        if leg.snoop and leg.ear == effect.ear and await self._goes_on(leg):
            return
        snoop = f"{leg.id}-s{self._m.now()}"
        met = await self._listen(leg.id, snoop, effect.ear) and await self._meet(leg, snoop, effect.ear)
        if not met and before:
            await self._places.expel(before, leg.id)

    async def open(self, name: str) -> None:
        """Let a coach be heard by his ear: only where he lies with his snoop, never in the conversation."""
        leg = self._m.legs.get(name)
        if leg is not None and leg.muted and not leg.closed and leg.snoop and await self._goes_on(leg):
            await self._conversations.unmute(name)

    async def _goes_on(self, leg: Leg) -> bool:
        """Whether both lie in their bridge."""
        try:
            actual = self._m.legs.actual(coaching_bridge(leg.snoop))
            bridge = await self._m.ari.call("GET", path("bridges", actual))
        except (AriError, AriLost):
            return False
        return isinstance(bridge, dict) and {leg.id, leg.snoop} <= set(bridge.get("channels") or ())

    async def _listen(self, leg: str, snoop: str, ear: str) -> bool:
        """Make the snoop and wait until it is ours: before that nothing can be done with it."""
        uri = path("channels", ear, "snoop", snoop)
        how = {"app": self._m.app, "appArgs": f"{SNOOP},{leg},{ear}", "spy": "both", "whisper": "out"}
        async with self._places.expected(snoop) as ready:
            if not await carried_out(self._m.ari, leg, "POST", uri, **how):
                return False
            try:
                async with asyncio.timeout(READY_LIMIT):
                    await ready.wait()
            except TimeoutError:
                log.warning("snoop_never_came", leg=leg, ear=ear)
                await quietly(self._m.ari, "DELETE", path("channels", snoop))
                return False
        return True

    async def _meet(self, leg: Leg, snoop: str, ear: str) -> bool:
        """Snoop and coach together; only then his microphone is opened, and what he was in before goes."""
        bridge = coaching_bridge(snoop)
        self._m.legs.change(leg.id, snoop=snoop, ear=ear)
        if not await self._places.mix(bridge, (snoop, leg.id)):
            await self._places.uncoach(replace(leg, snoop=snoop))
            return False
        await self.open(leg.id)
        await self._places.left(leg)
        if self._m.legs.get(leg.id) is None:  # he hung up meanwhile
            await self._places.uncoach(replace(leg, snoop=snoop))
        return True
