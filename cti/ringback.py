"""Ring-back for a channel that is up or about to be: somebody is being rung for it.

A channel that is in no bridge, or not answered yet, is told to ring. In a softmix bridge such a tone is lost
(22.10.1: 440 Hz alone in Stasis, nothing in the bridge), so there the bridge itself plays it. The playback is named
after the channel, so that an engine that takes over can end what the one before it began.
"""

from __future__ import annotations

from cti.ari import AriError, AriLost, path
from cti.commands import carried_out, quietly
from cti.means import Means

TONE = "tone:ring"


def token_of(leg: str) -> str:
    """The name of the playback that a channel hears."""
    return f"ring-{leg}"


class RingBacks:
    """Who hears ring-back. Called in the lane of the channel that hears it; repeating is harmless."""

    def __init__(self, means: Means) -> None:
        self._m = means

    async def start(self, leg: str) -> None:
        """Let it ring."""
        await quietly(self._m.ari, "POST", path("channels", leg, "ring"))
        known = self._m.legs.get(leg)
        if known is None or known.hold or not known.bridge or await self._plays(token_of(leg)):
            return
        uri = path("bridges", self._m.legs.actual(known.bridge), "play", token_of(leg))
        await carried_out(self._m.ari, leg, "POST", uri, media=TONE)

    async def _plays(self, token: str) -> bool:
        try:
            await self._m.ari.call("GET", path("playbacks", token))
        except (AriError, AriLost):
            return False
        return True

    async def stop(self, leg: str) -> None:
        """Let it ring no more."""
        await quietly(self._m.ari, "DELETE", path("channels", leg, "ring"))
        await quietly(self._m.ari, "DELETE", path("playbacks", token_of(leg)))
