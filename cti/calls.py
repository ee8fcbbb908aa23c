"""The core's effects carried out on Asterisk: one lane a channel, each command harmless when repeated.

What Asterisk refuses comes back as an input (the offer, the prompt) or shows as a difference a second later
(cti.resync), so the core never waits for something that will not happen.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from functools import partial

import structlog

from acd.core.effects import (
    AnswerLeg,
    Effect,
    Gather,
    HangUpLeg,
    NotifyChannel,
    PauseRecording,
    Play,
    RingSeat,
    StopPrompt,
    WantedLeg,
    WithdrawOffer,
)
from acd.core.inputs import OfferRefused, PromptEnded
from acd.core.model import SECOND, Micros, OfferResult
from cti.ari import AriError, AriLost, path
from cti.commands import carried_out, quietly
from cti.conversation import PAUSED, Conversations
from cti.dialling import PHONE_LEG
from cti.lanes import Work
from cti.legs import Leg, Role
from cti.means import Means, Rows
from cti.places import READY_LIMIT, Places
from cti.prompts import media_of
from cti.recorders import Recorders
from cti.resync import is_recorded
from cti.supervision import Coaching

__all__ = ["DIAL_MARGIN", "Calls", "Means"]

log = structlog.get_logger(__name__)

DIAL_MARGIN: Micros = 5 * SECOND
"""The core's timer ends an offer; Asterisk's own dial limit only guards against a core that is gone."""

EXTENSION = re.compile(r"[0-9]{2,12}")

ANSWERED_ELSEWHERE = 26  # Q.850 non-selected user clearing, sent to the phone in the Reason header


class Calls:
    """Takes effects from the core."""

    def __init__(self, means: Means) -> None:
        self._m = means
        self.places = Places(means)
        self.recorders = Recorders(means, self._end_music)
        self.conversations = Conversations(means, self.places, self.recorders)
        self.coaching = Coaching(means, self.places, self.conversations)
        self._rows: Rows = {
            AnswerLeg: self._answer,
            Play: self._play,
            Gather: self._play,
            StopPrompt: self._stop_prompt,
            RingSeat: self._ring,
            WithdrawOffer: self._withdraw,
            HangUpLeg: self._hang_up,
            NotifyChannel: lambda _: None,  # a text adapter's business
            **self.conversations.rows,
            **self.coaching.rows,
            **self.recorders.rows,
        }

    def take_over(self, rows: Rows) -> None:
        """Let others carry out these effects, in the same lanes."""
        self._rows = {**self._rows, **rows}

    def perform(self, effects: Sequence[Effect]) -> None:
        """Note what is about to happen at once, and queue the commands on their channels' lanes."""
        for effect in effects:
            if (job := self._rows[type(effect)](effect)) is not None:
                self._m.lanes.put(*job)

    # --- the customer's channel ----------------------------------------------------------------------------------

    def _answer(self, effect: AnswerLeg) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        return effect.leg, lambda: self._answer_now(effect)

    async def _answer_now(self, effect: AnswerLeg) -> None:
        await self.conversations.first_rings.give_way(effect.leg)
        await carried_out(self._m.ari, effect.leg, "POST", path("channels", effect.leg, "answer"))

    def _play(self, effect: Play | Gather) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        self._m.legs.prompts[effect.token] = effect.item
        return effect.leg, lambda: self._play_now(effect)

    async def _play_now(self, effect: Play | Gather) -> None:
        """Play, unless it plays already: after a takeover the prompt of the engine before us goes on by itself.

        A second one would be worse than a repetition: a channel that plays cannot be moved, and as Asterisk answers
        the requests of one WebSocket in order, everybody's requests would wait for its end.
        """
        if await self._plays(effect.token):
            return
        await self._end_music(effect.leg)
        media, uri = media_of(effect.prompt), path("channels", effect.leg, "play", effect.token)
        if not media or not await carried_out(self._m.ari, effect.leg, "POST", uri, media=media):
            await self._m.submit(PromptEnded(effect.item, effect.token, played=False))

    async def _end_music(self, leg: str) -> None:
        """Who waited with music and is led on (a key pressed, the longest wait over) has left his queue.

        One who is on hold in a conversation keeps his music, whatever is recorded of it.
        """
        known = self._m.legs.get(leg)
        if known is not None and known.waiting:
            await self.places.unhold(known)

    async def _plays(self, token: str) -> bool:
        try:
            await self._m.ari.call("GET", path("playbacks", token))
        except (AriError, AriLost):
            return False
        return True

    def _stop_prompt(self, effect: StopPrompt) -> tuple[str, Work]:
        self._m.legs.prompts.pop(effect.token, None)
        return effect.leg, lambda: quietly(self._m.ari, "DELETE", path("playbacks", effect.token))

    async def take_up(self, wanted: Sequence[WantedLeg]) -> None:
        """After a start, what no listing shows: prompts that ended meanwhile, microphones still closed, ring-back."""
        prompts = [
            want
            for want in wanted
            if want.token and (want.doing in ("waiting", "voicemail") or (want.doing == "prompt" and not want.prompt))
        ]
        rung = {want.item for want in wanted if want.doing == "ringing"}
        tones = self.conversations.tones
        seats = [want for want in wanted if want.role == Role.SEAT and want.doing == "talking"]
        await asyncio.gather(
            *(self.tell_if_over(want.item, want.token) for want in prompts),
            *(self._microphone(want) for want in wanted if want.role != Role.CUSTOMER),
            *(self._digits(want) for want in wanted if is_recorded(want) and want.doing == "talking"),
            *((tones.start if want.item in rung else tones.stop)(want.leg) for want in seats),
        )

    async def _digits(self, want: WantedLeg) -> None:
        """Digits still kept from the agent's phone by a pause that is over: its end was decided, not carried out."""
        if want.paused:
            return
        with contextlib.suppress(AriError, AriLost):
            kept = await self._m.ari.call("GET", path("channels", want.leg, "variable"), None, variable=PAUSED)
            if isinstance(kept, dict) and kept.get("value"):
                self.perform((PauseRecording(want.item, want.leg, want.recording, paused=False),))

    async def _microphone(self, want: WantedLeg) -> None:
        """As it is to be, whatever the engine before us came to: what was decided last may not have been done."""
        match want.doing:
            case "listening":
                await self.conversations.mute(want.leg)
            case "talking" | "held":
                await self.conversations.settle(want.leg)
            case "coaching":
                await self.coaching.open(want.leg)

    def keep_microphones(self, wanted: Sequence[WantedLeg]) -> None:
        """Try again what could not be done: a microphone that is open and must not be, or closed and must not be."""
        for want in wanted:
            leg = self._m.legs.get(want.leg)
            if leg is None or want.role == Role.CUSTOMER or not leg.up:
                continue
            closed = want.doing == "listening" or leg.closed
            if leg.muted != closed and (closed or want.doing in ("talking", "coaching")):
                self._m.lanes.put(want.leg, partial(self._microphone, want))

    async def tell_if_over(self, item: str, token: str) -> None:
        """After a start: a prompt that came to its end meanwhile has told nobody."""
        if not await self._plays(token):
            self._m.legs.prompts.pop(token, None)
            await self._m.submit(PromptEnded(item, token, played=True))

    async def give_back(self, leg: str) -> None:
        """Let the dialplan go on with a channel we can do nothing for: it has a fall-back."""
        await quietly(self._m.ari, "POST", path("channels", leg, "continue"))

    # --- the seat's channel --------------------------------------------------------------------------------------

    def _ring(self, effect: RingSeat) -> tuple[str, Work]:
        role = Role.SEAT if effect.seat else Role.OTHER
        self._m.legs.known(effect.offer, role, effect.item, effect.seat, effect.extension)
        self.conversations.first_rings.rings(effect.leg)
        return effect.offer, lambda: self._ring_now(effect)

    async def _ring_now(self, effect: RingSeat) -> None:
        try:
            await self._dial_or_refuse(effect)
        finally:
            self.conversations.first_rings.dialled(effect.leg)

    async def _dial_or_refuse(self, effect: RingSeat) -> None:
        leg = self._m.legs.get(effect.offer)
        if leg is None or leg.withdrawn:
            return
        if not EXTENSION.fullmatch(effect.extension):  # it becomes a part of the channel's address
            await self._refuse(effect.offer)
            return
        variables = {
            **PHONE_LEG,
            "RINGSIDE_ITEM": effect.item,
            "RINGSIDE_OFFER": effect.offer,
            "RINGSIDE_SEAT": effect.seat,
            "PJSIP_HEADER(add,X-Ringside-Item)": effect.item,
        }
        limit = max(1, (effect.expires_at - self._m.now() + DIAL_MARGIN) // SECOND)
        if not await self.reach(
            leg, f"PJSIP/{effect.extension}", f"offer,{effect.offer}", effect.leg, variables, limit
        ):
            await self._refuse(effect.offer)

    async def _refuse(self, offer: str) -> None:
        """The seat's phone cannot be rung: forget the leg, so that no echo of it is taken for an answer."""
        leg = self._m.legs.gone(offer)
        if leg is not None and not leg.withdrawn:
            await self._m.submit(OfferRefused(offer, OfferResult.UNREACHABLE))
        await quietly(self._m.ari, "DELETE", path("channels", offer))

    async def reach(
        self, leg: Leg, endpoint: str, words: str, caller: str, variables: Mapping[str, str], limit: int
    ) -> bool:
        """Create a channel with our id, wait until it is ours, dial it. False when it cannot be; logged once."""
        async with self.places.expected(leg.id) as ready:
            return await self._reach(leg, endpoint, words, caller, variables, limit, ready)

    async def _reach(
        self,
        leg: Leg,
        endpoint: str,
        words: str,
        caller: str,
        variables: Mapping[str, str],
        limit: int,
        ready: asyncio.Event,
    ) -> bool:
        try:
            if leg.extension and not await self._is_free(leg.extension, leg.id):
                return False
            known = {"originator": caller} if caller else {}
            await self._create(leg.id, {"endpoint": endpoint, "app": self._m.app, "appArgs": words, **known}, variables)
            async with asyncio.timeout(READY_LIMIT):
                await ready.wait()
            shown = {"caller": caller} if caller else {}
            await self._m.ari.call("POST", path("channels", leg.id, "dial"), None, timeout=limit, **shown)
        except AriError as error:
            log.info("phone_not_rung", leg=leg.id, status=error.status, message=error.message)
            return error.status == 409  # it is being dialled already: a repeat
        except TimeoutError:
            log.info("phone_not_rung", leg=leg.id, message="its channel never came to us")
            return False
        except AriLost:
            return True  # nobody knows; after the reconnection cti.resync rings it or says that it is gone
        return True

    async def _is_free(self, extension: str, leg: str) -> bool:
        """Look at the phone first: creating a channel to an unregistered one answers 500 and no event comes.

        And a phone in a call that is not ours (the dialplan's plain queue has rung it while no engine was there) is not
        rung a second time; the reconcile loop will find that call and make the seat busy.
        """
        try:
            endpoint = await self._m.ari.call("GET", path("endpoints", "PJSIP", extension))
        except AriError:
            return False
        if not isinstance(endpoint, dict) or endpoint.get("state") != "online":
            return False
        others = (str(channel) for channel in endpoint.get("channel_ids") or ())
        return not any(self._m.legs.strange(channel) for channel in others if channel != leg)

    async def _create(self, leg: str, query: Mapping[str, str], variables: Mapping[str, str]) -> None:
        """Create, or find it there already (a repeat).

        A 409 alone proves nothing: Asterisk keeps the last error of its thread, so after one 409 an unreachable
        phone answers 409 as well. Only a look at the channel tells.
        """
        try:
            await self._m.ari.call("POST", "channels/create", {"variables": dict(variables)}, channelId=leg, **query)
        except AriError as error:
            if error.status != 409:
                raise
            seen = await self._m.ari.call("GET", path("channels", leg))
            if isinstance(seen, dict) and (seen.get("dialplan") or {}).get("app_name") == "Stasis":
                self.ready(leg)

    def ready(self, leg: str) -> None:
        """The channel we created is in our application."""
        self.places.came(leg)

    def _withdraw(self, effect: WithdrawOffer) -> tuple[str, Work]:
        self._m.legs.change(effect.offer, withdrawn=True)
        return effect.offer, lambda: self._withdraw_now(effect)

    async def _withdraw_now(self, effect: WithdrawOffer) -> None:
        known = self._m.legs.get(effect.offer)
        reason = {"reason_code": ANSWERED_ELSEWHERE} if effect.answered_elsewhere else {}
        await quietly(self._m.ari, "DELETE", path("channels", effect.offer), **reason)
        await self.places.left(known)

    # --- for others that carry out -------------------------------------------------------------------------------

    async def bridge(self, bridge: str, legs: Sequence[str]) -> None:
        """A mixing bridge of that id with these channels."""
        await self.places.mix(bridge, legs)

    async def drop_bridge(self, bridge: str) -> None:
        """Take a bridge away; whoever is in it stays with us, silent."""
        await self.places.drop(bridge)

    # --- the end -----------------------------------------------------------------------------------------------------

    def _hang_up(self, effect: HangUpLeg) -> tuple[str, Work]:
        return effect.leg, lambda: self.hang_up(effect.leg, effect.q850)

    async def hang_up(self, leg: str, q850: int = 16) -> None:
        """End a channel and what was its alone: holding bridge, coaching. One that is gone already is fine."""
        known = self._m.legs.get(leg)
        await quietly(self._m.ari, "DELETE", path("channels", leg), reason_code=q850)
        await self.places.left(known)
