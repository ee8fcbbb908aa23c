"""A watch on one-way sound: a party whose source of sound restarted is heard by nobody until he is put in anew.

A phone or gateway may go on with another RTP source without a word of SIP. Where its packets then bear lower numbers,
a softmix bridge drops them until the numbers have caught up, for minutes (reference/shapes.md §0). Asterisk's
statistics tell the source (remote_ssrc), and their count begins anew with it; that the numbers are lower they do not
tell, so whoever changed his source is put into his bridge again, which costs nobody more than a frame.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from acd.core.model import SECOND, Micros
from cti.ari import AriError, AriLost, path
from cti.legs import Leg
from cti.means import Means
from cti.places import Places, coaching_bridge
from cti.translate import part_of, whole_of

log = structlog.get_logger(__name__)

LOOK_EVERY_S = 1.0
MOST_LOOKS = 250
"""Legs looked at in one round: 0.3 ms each of the connection's time; with more they take turns, so that up to 500 legs
are looked at every 2 s."""

PACKET: Micros = 20_000
YOUNG: Micros = SECOND // 2
"""A source that has sent for so much less than the leg has been in its bridge began in it. Not below what a phone needs
to begin to send after it answered."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A leg's sound as it was seen last: where it was heard, and its source."""

    bridge: str
    source: int


class SoundWatch:
    """Looks at every leg that is to be heard. `repaired` is told of each source that restarted in its bridge."""

    def __init__(self, means: Means, places: Places, repaired: Callable[[str], Awaitable[None]]) -> None:
        self._m, self._places, self._repaired = means, places, repaired
        self._seen: dict[str, Heard] = {}
        self._turn = 0
        self._excused: set[str] = set()

    def excuse(self, leg: str) -> None:
        """Its phone renegotiated (hold): a new source is no fault now."""
        self._excused.add(leg)

    async def run(self, ready: Callable[[], bool]) -> None:
        """Look once a second, while `ready`."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if ready():
                try:
                    await self.look()
                except AriLost as error:
                    log.info("sound_not_watched", error=str(error))
                except Exception:
                    log.exception("sound_watch_failed")

    async def look(self) -> None:
        """One round. Raises AriLost."""
        heard = {leg.id: bridge for leg in self._m.legs.by_id.values() if (bridge := heard_in(leg))}
        self._seen = {leg: seen for leg, seen in self._seen.items() if leg in heard}
        self._excused &= heard.keys()
        began = time.monotonic()
        turns = self._turns(sorted(heard))
        for leg in turns:
            await self._look_at(leg, heard[leg])
        if (took := time.monotonic() - began) > LOOK_EVERY_S:
            log.info("sound_watch_slow", legs=len(turns), seconds=round(took, 2))

    def _turns(self, legs: list[str]) -> list[str]:
        if len(legs) <= MOST_LOOKS:
            return legs
        start = self._turn % len(legs)
        self._turn = start + MOST_LOOKS
        return (legs + legs)[start : start + MOST_LOOKS]

    async def _look_at(self, leg: str, bridge: str) -> None:
        try:
            told = await self._m.ari.call("GET", path("channels", leg, "rtp_statistics"))
        except AriError:
            return  # gone, or a channel without sound of its own
        found = {"statistics": told}
        source = whole_of(part_of(found, "statistics").get("remote_ssrc"))
        known = self._m.legs.get(leg)
        if not source or known is None or heard_in(known) != bridge:
            return
        before = self._seen.get(leg)
        self._seen[leg] = Heard(bridge, source)
        if before is None:
            if self._began_here(known, whole_of(part_of(found, "statistics").get("rxcount"))):
                self._put_in_again(leg, bridge)
        elif before.source != source:
            counted = before.bridge == bridge and leg not in self._excused
            log.warning("source_restarted", leg=leg, counted=counted)
            self._put_in_again(leg, bridge)
            if counted:
                await self._repaired(leg)
        self._excused.discard(leg)

    def _began_here(self, leg: Leg, packets: int) -> bool:
        """Whether this source began only after the leg came in, so that there may have been another one before."""
        return bool(leg.entered_at) and packets * PACKET + YOUNG < self._m.now() - leg.entered_at

    def _put_in_again(self, leg: str, bridge: str) -> None:
        self._m.lanes.put(leg, lambda: self._renew(leg, bridge))

    async def _renew(self, leg: str, bridge: str) -> None:
        known = self._m.legs.get(leg)
        if known is not None and heard_in(known) == bridge:
            await self._places.enter(bridge, leg)


def heard_in(leg: Leg) -> str:
    """The bridge in which this leg is to be heard, "" where nobody hears it (or only his music plays)."""
    if leg.snoop:
        return coaching_bridge(leg.snoop)
    return leg.bridge if leg.talking and leg.up and not leg.hold else ""
