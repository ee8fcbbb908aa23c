"""Conversations carried out: who hears whom, who is on hold, what is recorded of it (reference/shapes.md §2).

Everything of one channel runs in its own lane, in the order of the effects; each command is harmless when repeated.
"""

from __future__ import annotations

import structlog

from acd.core.effects import Connect, DropBridge, Hold, HoldMusic, Join, Mute, PauseRecording, RingBack
from acd.core.inputs import MoveMade
from acd.core.reply import Done
from acd.core.shapes import Move
from cti.ari import AriError, AriLost, path
from cti.commands import quietly
from cti.first_ring import Beginning, FirstRings
from cti.lanes import Work
from cti.legs import Join as Together
from cti.legs import Role
from cti.means import Means, Rows
from cti.places import Places
from cti.recorders import Recorders
from cti.ringback import RingBacks

log = structlog.get_logger(__name__)

PAUSED = "RINGSIDE_PAUSED"
"""The channel's variable that is set while its digits are kept from the others: no listing shows it."""


class Conversations:
    """Carries out what concerns two or more channels."""

    def __init__(self, means: Means, places: Places, recorders: Recorders) -> None:
        self._m, self._places, self._recorders = means, places, recorders
        self.tones = RingBacks(means)
        self.first_rings = FirstRings()
        self.rows: Rows = {
            Connect: self._connect,
            Join: self._join,
            Hold: self._hold,
            HoldMusic: self._hold_music,
            DropBridge: self._drop,
            Mute: self._mute,
            RingBack: self._ring_back,
            PauseRecording: self._pause,
        }

    # --- together ----------------------------------------------------------------------------------------------------

    def _connect(self, effect: Connect) -> tuple[str, Work]:
        legs = tuple(leg for leg in (effect.leg, effect.seat_leg) if leg)
        if effect.leg:
            self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        self._m.legs.known(effect.seat_leg, Role.SEAT, effect.item, effect.seat)
        self._m.legs.change(effect.seat_leg, answered=True)
        self._m.legs.join(Together(effect.bridge, effect.item, effect.seat, legs))
        self.first_rings.joined(effect.leg)
        return legs[0], lambda: self._connect_now(effect, legs)

    async def _connect_now(self, effect: Connect, legs: tuple[str, ...]) -> None:
        customer = self._m.legs.get(effect.leg)
        if customer is not None:
            await self._places.hush(customer)
        if await self._places.open(effect.bridge):
            for name in legs:
                await self._bring(name, effect.bridge)
        if customer is not None:
            await self._places.unmark(customer.id)
            await self._places.unhold(customer)

    async def _bring(self, name: str, bridge: str) -> None:
        """Into the bridge, unless he belongs somewhere else by now: the seat's own lane may be ahead of this one."""
        leg = self._m.legs.get(name)
        if leg is None or leg.bridge != bridge or (leg.closed and not await self.mute(name)):
            return
        if await self._places.enter(bridge, name):
            await self._heard_again(name)

    def _join(self, effect: Join) -> tuple[str, Work]:
        self._m.legs.adopt(effect.leg, effect.item)
        self._m.legs.enter(effect.leg, effect.bridge, effect.item, heard=not effect.muted)
        return effect.leg, lambda: self._join_now(effect)

    async def _join_now(self, effect: Join) -> None:
        """A listener's microphone is closed before he comes in; for who may be heard it is opened once he is there.

        Whose microphone cannot be closed does not come in, nor stays: silence is the lesser harm, and he is brought
        in a second or two later (cti.resync).
        """
        leg = self._m.legs.get(effect.leg)
        if leg is None or leg.withdrawn:
            return
        await self._places.hush(leg)
        if (effect.muted or leg.closed) and not await self.mute(leg.id):
            await self._places.expel(effect.bridge, leg.id)
            return
        if not await self._places.enter(effect.bridge, leg.id):
            return
        if not effect.muted:
            await self._heard_again(leg.id)
        await self._places.unmark(leg.id)
        await self._places.unhold(leg)
        await self._places.uncoach(leg)

    def _mute(self, effect: Mute) -> tuple[str, Work]:
        """The wish holds at once and through whatever comes; a repeat is harmless."""
        self._m.legs.change(effect.leg, closed=effect.on)
        return effect.leg, lambda: self.settle(effect.leg)

    async def settle(self, name: str) -> None:
        """The microphone as it is to be: closed by the seat's wish or to listen, open to talk.

        On hold it stays as it is: opened when it comes back (_join_now).
        """
        leg = self._m.legs.get(name)
        if leg is None:
            return
        if leg.closed or (leg.bridge and not leg.talking):
            await self.mute(name)
        elif leg.talking:
            await self._heard_again(name)

    async def _heard_again(self, name: str) -> None:
        leg = self._m.legs.get(name)
        if leg is not None and leg.muted and not leg.closed:
            await self.unmute(name)

    async def mute(self, leg: str) -> bool:
        """Nobody hears this channel any more; False where that is not certain."""
        try:
            await self._m.ari.call("POST", path("channels", leg, "mute"), None, direction="in")
        except AriError as error:
            log.warning("microphone_not_closed", leg=leg, status=error.status, message=error.message)
            return False
        except AriLost:
            return False
        self._m.legs.change(leg, muted=True)
        return True

    async def unmute(self, leg: str) -> None:
        """It is heard again."""
        self._m.legs.change(leg, muted=False)
        await quietly(self._m.ari, "DELETE", path("channels", leg, "mute"), direction="in")

    def _drop(self, effect: DropBridge) -> tuple[str, Work]:
        """In the customer's lane, ahead of the prompt he may hear next: who plays cannot be taken out of a bridge."""
        actual = self._m.legs.actual(effect.bridge)
        inside = self._m.legs.dropped(effect.bridge)
        customers = [leg for leg in inside if leg.role is Role.CUSTOMER]
        key = next((leg.id for leg in (*customers, *inside)), effect.bridge)
        return key, lambda: self._places.drop(actual)

    # --- apart -------------------------------------------------------------------------------------------------------

    def _hold(self, effect: Hold) -> tuple[str, Work]:
        self._m.legs.adopt(effect.leg, effect.item)
        self._m.legs.part(effect.leg)
        return effect.leg, lambda: self._hold_now(effect)

    async def _hold_now(self, effect: Hold) -> None:
        """Who was waiting with music before stays in his bridge, but the rescue process leaves him alone now."""
        await self._places.hold(effect.leg, effect.item, effect.music)
        await self._places.unmark(effect.leg)

    def _hold_music(self, effect: HoldMusic) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        self._m.legs.part(effect.leg)
        beginning = self.first_rings.begins(effect.leg)
        return effect.leg, lambda: self._wait_now(effect, beginning)

    async def _wait_now(self, effect: HoldMusic, beginning: Beginning) -> None:
        """He waits in a queue, for the first time or again: his seat was lost, a transfer failed."""
        await beginning.music()
        self.first_rings.over(effect.leg, beginning)
        leg = self._m.legs.get(effect.leg)
        if leg is None or leg.bridge:  # he is joined with somebody next
            return
        if not leg.waiting:
            await self._places.mark_waiting(leg.id, leg.order or self._m.now())
        await self._places.hold(leg.id, effect.item, effect.music)

    # --- what is heard besides ---------------------------------------------------------------------------------------

    def _ring_back(self, effect: RingBack) -> tuple[str, Work]:
        change = self.tones.start if effect.on else self.tones.stop
        return effect.leg, lambda: change(effect.leg)

    async def music(self, leg: str, *, on: bool) -> None:
        """Play hold music to a channel inside its bridge, or stop it."""
        await quietly(self._m.ari, "POST" if on else "DELETE", path("channels", leg, "moh"))

    async def held_by_phone(self, name: str, *, on: bool) -> None:
        """A phone's own hold button: for the agent who serves the contact it is the desk's button. Where the core does
        not take it so (a third party's phone, a conversation of three, a direct call), the other end hears music; a
        softmix bridge plays none by itself."""
        leg = self._m.legs.get(name)
        if leg is None:
            return
        if leg.role is Role.SEAT and leg.item:
            move = MoveMade(leg.seat, leg.item, Move.HOLD if on else Move.RESUME)
            if isinstance(await self._m.submit(move), Done):
                return
        leg = self._m.legs.get(name)
        peer = self._m.legs.get(leg.peer) if leg is not None and leg.peer else None
        if peer is not None and not peer.hold:
            self._m.lanes.put(peer.id, lambda: self.music(peer.id, on=on))

    # --- pausing the recording ---------------------------------------------------------------------------------------

    def _pause(self, effect: PauseRecording) -> tuple[str, Work]:
        """From this moment no digit of his is told to anybody (cti.translate)."""
        if effect.paused:
            self._m.legs.change(effect.leg, paused=True)
        return effect.leg, lambda: self._pause_now(effect)

    async def _pause_now(self, effect: PauseRecording) -> None:
        """Silence first, and digits kept from the agent's phone; the end in the other order.

        Whether a bridge lets a channel's digits through is settled as it comes in, so it is put in again.
        """
        self._m.legs.change(effect.leg, paused=effect.paused)
        leg = self._m.legs.get(effect.leg)
        if leg is None:
            return
        if effect.paused:
            self._recorders.silence(leg.id)
            await self._places.set_variable(leg.id, PAUSED, "1")
        if leg.bridge and not leg.hold:
            await self._places.enter(leg.bridge, leg.id)
        if not effect.paused:
            if not self._places.plays(leg.id):  # a mark that stays costs the next engine one look too many
                await self._places.set_variable(leg.id, PAUSED, "")
            self._recorders.silence(leg.id)
