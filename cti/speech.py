"""What a queue says to one who waits: his place, how long it may take, a prompt, in Asterisk's own English sounds.

It is played on the caller's channel inside his holding bridge: his music stops for the words and goes on after them
(22.10.1; played into the bridge nothing is heard). A channel that plays cannot be moved and would hold up every request
of the connection, so whoever moves it ends the words first (StopPrompt).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from acd.core.effects import Announce, Effect
from acd.core.inputs import PromptEnded
from acd.core.model import SECOND, Micros
from cti.ari import AriError, AriLost, path
from cti.calls import Means
from cti.commands import carried_out
from cti.lanes import Work
from cti.legs import Role
from cti.prompts import parts_of

MINUTE: Micros = 60 * SECOND
LONGEST_WAIT = 120
"""Minutes; beyond that a number of minutes tells nobody anything."""
HIGHEST_PLACE = 999


def position_words(position: int) -> tuple[str, ...]:
    """His place: 1 = he is next, 0 = not told. "You are currently caller number 3, waiting to speak with ..."."""
    if not 0 < position <= HIGHEST_PLACE:
        return ()
    if position == 1:
        return ("sound:queue-youarenext",)
    return ("sound:queue-thereare", f"number:{position}", "sound:queue-callswaiting")


def wait_words(wait: Micros) -> tuple[str, ...]:
    """The estimated wait in minutes, rounded up; 0 = not told."""
    if wait <= 0 or wait > LONGEST_WAIT * MINUTE:
        return ()
    if wait < MINUTE:
        return ("sound:queue-holdtime", "sound:queue-less-than", "number:1", "sound:queue-minute")
    minutes = -(-wait // MINUTE)
    unit = "queue-minute" if minutes == 1 else "queue-minutes"
    return ("sound:queue-holdtime", f"number:{minutes}", f"sound:{unit}")


def words_of(given: Announce) -> tuple[str, ...]:
    """Everything of an announcement as ARI media, in order; () when there is nothing to be said."""
    return (*position_words(given.position), *wait_words(given.wait), *parts_of(given.prompt))


class Speech:
    """Carries out Announce."""

    def __init__(self, means: Means) -> None:
        self._m = means
        self.rows: Mapping[type[Effect], Callable[[Any], tuple[str, Work] | None]] = {Announce: self._announce}

    def _announce(self, effect: Announce) -> tuple[str, Work]:
        self._m.legs.known(effect.leg, Role.CUSTOMER, effect.item)
        self._m.legs.prompts[effect.token] = effect.item
        return effect.leg, lambda: self._say(effect)

    async def _say(self, effect: Announce) -> None:
        """Play, unless it plays already (a repeat), was stopped before it began, or there is nothing to say."""
        if effect.token not in self._m.legs.prompts:
            return
        media = ",".join(words_of(effect))
        if media and await self._play(effect, media):
            return
        self._m.legs.prompts.pop(effect.token, None)
        await self._m.submit(PromptEnded(effect.item, effect.token, played=False))

    async def _play(self, effect: Announce, media: str) -> bool:
        try:
            await self._m.ari.call("GET", path("playbacks", effect.token))
        except (AriError, AriLost):
            return await carried_out(
                self._m.ari, effect.leg, "POST", path("channels", effect.leg, "play", effect.token), media=media
            )
        return True
