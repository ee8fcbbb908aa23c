"""The core's effects carried out on Asterisk: one lane a channel, each command harmless when repeated.

What Asterisk refuses comes back as an input (the offer, the prompt) or shows as a difference a second later
(cti.resync), so the core never waits for something that will not happen.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from acd.core.effects import (
    AnswerLeg,
    Connect,
    DropBridge,
    Effect,
    Gather,
    HangUpLeg,
    HoldMusic,
    NotifyChannel,
    Play,
    RingSeat,
    StartRecording,
    StopPrompt,
    WithdrawOffer,
)
from acd.core.inputs import Input, OfferRefused, PromptEnded, RecordingStarted
from acd.core.model import SECOND, Micros, OfferResult
from acd.core.reply import Reply
from cti.ari import Ari, AriError, AriLost, path
from cti.lanes import Lanes, Work
from cti.legs import Join, Leg, Legs, Role

log = structlog.get_logger(__name__)

READY_LIMIT = 2.0
"""Seconds from creating a channel to its StasisStart; 1 ms in the lab."""

DIAL_MARGIN: Micros = 5 * SECOND
"""The core's timer ends an offer; Asterisk's own dial limit only guards against a core that is gone."""

ANSWERED_ELSEWHERE = 26  # Q.850 non-selected user clearing, sent to the phone in the Reason header

_MEDIA = re.compile(r"(sound:|tone:|recording:)?[A-Za-z0-9_./;,=+*!-]{1,200}")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,150}")

Submit = Callable[[Input], Awaitable[Reply | None]]
E = TypeVar("E", bound=Effect)


class ManagerFailed(Exception):
    """The manager interface could not do it; the text says why."""


class Manager(Protocol):
    """What ARI cannot do: recording both sides apart, and sending a channel elsewhere. All raise ManagerFailed."""

    async def record(self, leg: str, file: Path) -> None:
        """Write the channel's two sides into the file, appending."""
        ...

    async def recording(self, leg: str) -> bool:
        """Whether something is being written for this channel."""
        ...

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        """Send a channel (by name) to a place of the dialplan."""
        ...


@dataclass(frozen=True, slots=True)
class Means:
    """What carrying out needs: the connection, the book, AMI, where files go, the way back to the core."""

    ari: Ari
    app: str
    legs: Legs
    lanes: Lanes
    manager: Manager
    recordings: Path
    submit: Submit
    now: Callable[[], Micros]


class Calls:
    """Takes effects from the core."""

    def __init__(self, means: Means) -> None:
        self._m = means
        self._ready: dict[str, asyncio.Event] = {}
        self._rows: Mapping[type[Effect], Callable[[Any], tuple[str, Work] | None]] = {
            AnswerLeg: self._answer,
            Play: self._play,
            Gather: self._play,
            StopPrompt: self._stop_prompt,
            HoldMusic: self._hold_music,
            RingSeat: self._ring,
            WithdrawOffer: self._withdraw,
            Connect: self._connect,
            StartRecording: self._record,
            HangUpLeg: self._hang_up,
            DropBridge: self._drop,
            NotifyChannel: lambda _: None,  # a text adapter's business
        }

    def perform(self, effects: Sequence[Effect]) -> None:
        """Note what is about to happen at once, and queue the commands on their channels' lanes."""
        for effect in effects:
            if (job := self._rows[type(effect)](effect)) is not None:
                self._m.lanes.put(*job)

    # --- the customer's channel ----------------------------------------------------------------------------------

    def _answer(self, effect: AnswerLeg) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        return effect.leg, lambda: self._do(effect.leg, "POST", path("channels", effect.leg, "answer"))

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
        media = media_of(effect.prompt)
        if not media or not await self._do(
            effect.leg, "POST", path("channels", effect.leg, "play", effect.token), media=media
        ):
            await self._m.submit(PromptEnded(effect.item, effect.token, played=False))

    async def _plays(self, token: str) -> bool:
        try:
            await self._m.ari.call("GET", path("playbacks", token))
        except (AriError, AriLost):
            return False
        return True

    def _stop_prompt(self, effect: StopPrompt) -> tuple[str, Work]:
        self._m.legs.prompts.pop(effect.token, None)
        return effect.leg, lambda: self._quietly("DELETE", path("playbacks", effect.token))

    def _hold_music(self, effect: HoldMusic) -> tuple[str, Work]:
        talked = self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item).talking
        self._m.legs.change(effect.leg, talking=False, peer="")
        return effect.leg, lambda: self._hold_now(effect, talked)

    async def _hold_now(self, effect: HoldMusic, talked: bool) -> None:
        """A holding bridge of his own with an id used once: one that was ever empty is silent for good."""
        leg = self._m.legs.get(effect.leg)
        if leg is None or leg.hold:
            return
        if talked:  # his seat was lost: he waits again, where he stood
            await self.mark_waiting(leg.id, leg.order or self._m.now())
        bridge = f"hold-{effect.item}-{self._m.now()}"
        if not await self._do(effect.leg, "POST", "bridges", type="holding", bridgeId=bridge, name=bridge):
            return
        self._m.legs.change(effect.leg, hold=bridge)
        await self._do(effect.leg, "POST", path("bridges", bridge, "moh"))
        await self._do(effect.leg, "POST", path("bridges", bridge, "addChannel"), channel=effect.leg)

    async def mark_waiting(self, leg: str, order: Micros) -> None:
        """Tell the rescue process in which order to take this caller; 0: he talks, leave him alone."""
        await self.set_variable(leg, "RINGSIDE_WAITING", str(order) if order else "")

    async def set_variable(self, leg: str, name: str, value: str) -> None:
        """Set a channel's variable."""
        await self._quietly("POST", path("channels", leg, "variable"), variable=name, value=value)

    async def give_back(self, leg: str) -> None:
        """Let the dialplan go on with a channel we can do nothing for: it has a fall-back."""
        await self._quietly("POST", path("channels", leg, "continue"))

    # --- the seat's channel --------------------------------------------------------------------------------------

    def _ring(self, effect: RingSeat) -> tuple[str, Work]:
        self._m.legs.known(effect.offer, Role.SEAT, effect.item, effect.seat, effect.extension)
        return effect.offer, lambda: self._ring_now(effect)

    async def _ring_now(self, effect: RingSeat) -> None:
        leg = self._m.legs.get(effect.offer)
        if leg is None or leg.withdrawn:
            return
        variables = {
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
        await self._quietly("DELETE", path("channels", offer))

    async def reach(
        self, leg: Leg, endpoint: str, words: str, caller: str, variables: Mapping[str, str], limit: int
    ) -> bool:
        """Create a channel with our id, wait until it is ours, dial it. False when it cannot be; logged once."""
        ready = self._ready.setdefault(leg.id, asyncio.Event())
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
        finally:
            self._ready.pop(leg.id, None)
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
        if (ready := self._ready.get(leg)) is not None:
            ready.set()

    def _withdraw(self, effect: WithdrawOffer) -> tuple[str, Work]:
        self._m.legs.change(effect.offer, withdrawn=True)
        reason = {"reason_code": ANSWERED_ELSEWHERE} if effect.answered_elsewhere else {}
        return effect.offer, lambda: self._quietly("DELETE", path("channels", effect.offer), **reason)

    # --- the conversation ----------------------------------------------------------------------------------------

    def _connect(self, effect: Connect) -> tuple[str, Work]:
        legs = tuple(leg for leg in (effect.leg, effect.seat_leg) if leg)
        if effect.leg:
            self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        self._m.legs.known(effect.seat_leg, Role.SEAT, effect.item, effect.seat)
        self._m.legs.change(effect.seat_leg, answered=True)
        self._m.legs.join(Join(effect.bridge, effect.item, effect.seat, legs))
        return legs[0], lambda: self._connect_now(effect, legs)

    async def _connect_now(self, effect: Connect, legs: tuple[str, ...]) -> None:
        await self.bridge(effect.bridge, legs)
        leg = self._m.legs.get(effect.leg)
        if leg is not None:
            await self.mark_waiting(leg.id, 0)
            if leg.hold:
                self._m.legs.change(leg.id, hold="")
                await self._quietly("DELETE", path("bridges", leg.hold))

    async def bridge(self, bridge: str, legs: Sequence[str]) -> None:
        """A mixing bridge of that id with these channels."""
        try:
            await self._m.ari.call("POST", "bridges", type="mixing", bridgeId=bridge, name=bridge)
        except AriError as error:
            if error.status != 409:
                log.warning("bridge_not_made", bridge=bridge, status=error.status, message=error.message)
        except AriLost:
            return  # told again after the reconnection (cti.resync)
        for leg in legs:  # one by one: a list with one dead channel in it is refused as a whole
            await self._do(leg, "POST", path("bridges", bridge, "addChannel"), channel=leg)

    def _drop(self, effect: DropBridge) -> tuple[str, Work]:
        join = self._m.legs.joins.pop(effect.bridge, None)
        key = join.legs[0] if join is not None else effect.bridge
        actual = join.actual if join is not None and join.actual else effect.bridge
        return key, lambda: self.drop_bridge(actual)

    async def drop_bridge(self, bridge: str) -> None:
        """Take a bridge away; whoever is in it stays with us, silent."""
        await self._quietly("DELETE", path("bridges", bridge))

    async def rejoin(self, bridge: str, leg: str) -> None:
        """Put a channel back into its conversation; a bridge that was lost is made again, under a new id.

        Asterisk takes no bridge id twice (409 though the bridge is gone, reference/shapes.md §2), so the new one is
        called "<bridge>~<time>" and read as <bridge> (cti.resync).
        """
        join = self._m.legs.joins.get(bridge)
        actual = (join.actual if join is not None else "") or bridge
        try:
            await self._m.ari.call("GET", path("bridges", actual))
        except AriError:
            actual = f"{bridge}~{self._m.now()}"
            if join is not None:
                self._m.legs.joins[bridge] = replace(join, actual=actual)
            await self.bridge(actual, (leg,))
            return
        await self._do(leg, "POST", path("bridges", actual, "addChannel"), channel=leg)

    def _record(self, effect: StartRecording) -> tuple[str, Work]:
        return effect.leg, lambda: self.record(effect.item, effect.leg, effect.recording)

    async def record(self, item: str, leg: str, recording: str) -> None:
        """Write and say so; a recorder that runs already goes on (it follows the customer from seat to seat).

        A failure is logged; the reconcile loop sees that nothing is written.
        """
        file = self._m.recordings / f"{recording}.raw"
        if not _FILE.fullmatch(recording):
            log.error("recording_name_refused", item=item)
            return
        try:
            if not await self._m.manager.recording(leg):
                await self._m.manager.record(leg, file)
        except ManagerFailed as error:
            log.warning("recording_not_started", item=item, leg=leg, error=str(error))
            return
        await self._m.submit(RecordingStarted(item, recording))

    def _hang_up(self, effect: HangUpLeg) -> tuple[str, Work]:
        return effect.leg, lambda: self.hang_up(effect.leg, effect.q850)

    async def hang_up(self, leg: str, q850: int = 16) -> None:
        """End a channel and its holding bridge. One that is gone already is fine."""
        known = self._m.legs.get(leg)
        await self._quietly("DELETE", path("channels", leg), reason_code=q850)
        if known is not None and known.hold:
            await self._quietly("DELETE", path("bridges", known.hold))

    # --- asking Asterisk -----------------------------------------------------------------------------------------

    async def _do(self, leg: str, method: str, uri: str, **query: object) -> bool:
        """A command a channel depends on; False when Asterisk refused it.

        That the channel is gone is told by its event, or else by cti.resync, as is all that a lost connection left.
        """
        try:
            await self._m.ari.call(method, uri, None, **query)
        except AriError as error:
            log.info("command_refused", leg=leg, status=error.status, message=error.message, what=f"{method} {uri}")
            return False
        except AriLost:
            return True
        return True

    async def _quietly(self, method: str, uri: str, **query: object) -> None:
        """A command whose failure means that it is done already."""
        try:
            await self._m.ari.call(method, uri, None, **query)
        except AriError as error:
            if error.status not in (404, 409):
                log.info("command_refused", status=error.status, message=error.message, what=f"{method} {uri}")
        except AriLost:
            return

    async def music(self, leg: str, *, on: bool) -> None:
        """Play hold music to a channel inside its bridge, or stop it."""
        await self._quietly("POST" if on else "DELETE", path("channels", leg, "moh"))

    async def refuse_transfer(self, leg: str) -> None:
        """Answer a phone's own REFER with a decline: transfers go through the server."""
        await self._quietly("POST", path("channels", leg, "transfer_progress"), states="channel_declined")


def media_of(prompt: str) -> str:
    """A prompt as ARI media: "a" or "a&b" are sounds, "tone:ring" and the like stay; "" for what cannot be played."""
    parts = [part for part in prompt.split("&") if part]
    if not parts or any(not _MEDIA.fullmatch(part) or ".." in part for part in parts):
        return ""
    return ",".join(part if ":" in part else f"sound:{part}" for part in parts)
