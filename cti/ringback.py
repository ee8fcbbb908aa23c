"""Ring-back for a channel that is up or about to be: somebody is being rung for it.

A channel that is in no bridge, or not answered yet, is told to ring. In a softmix bridge such a tone is lost
(22.10.1: 440 Hz alone in Stasis, nothing in the bridge), so there the bridge itself plays it.
"""

from __future__ import annotations

from cti.ari import path
from cti.commands import carried_out, quietly
from cti.means import Means

TONE = "tone:ring"


class RingBacks:
    """Who hears ring-back now. Called in the lane of the channel that hears it."""

    def __init__(self, means: Means) -> None:
        self._m = means
        self._playing: set[str] = set()

    async def start(self, leg: str) -> None:
        """Let it ring; again for one that hears it is nothing."""
        if leg in self._playing:
            return
        await quietly(self._m.ari, "POST", path("channels", leg, "ring"))
        known = self._m.legs.get(leg)
        if known is None or known.hold or not known.bridge:
            return
        uri = path("bridges", self._m.legs.actual(known.bridge), "play", _token(leg))
        self._playing.add(leg)
        if not await carried_out(self._m.ari, leg, "POST", uri, media=TONE):
            self._playing.discard(leg)

    async def stop(self, leg: str) -> None:
        """Stop it; harmless for one that hears none, and it may be an earlier engine's."""
        self._playing.discard(leg)
        await quietly(self._m.ari, "DELETE", path("channels", leg, "ring"))
        await quietly(self._m.ari, "DELETE", path("playbacks", _token(leg)))


def _token(leg: str) -> str:
    return f"ring-{leg}"
