"""What is written of calls: started, stopped, silenced and looked after (reference/shapes.md §1).

All of it goes through the manager interface and the disk, which may be slow or away. So it has a lane of its own for
each channel: no call waits for it. What could not be done is tried again every second, silence before all: a pause that
the recorder never heard of would write down what the customer was told is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from acd.core.effects import StartRecording, StopRecording, WantedLeg
from acd.core.inputs import RecordingStarted, RecordingStopped
from cti.ari import AriError, AriLost, path
from cti.commands import quietly
from cti.lanes import Work
from cti.legs import Leg
from cti.means import ManagerFailed, Means, Rows
from cti.prompts import BEEP
from cti.resync import is_recorded

log = structlog.get_logger(__name__)

STORAGE_LIMIT = 2.0
"""Seconds the disk may take to say how much room there is."""
LOOKED_AT = 20
"""Recorders asked about in one comparison: a second's worth; the others' turn comes in the next ones."""
LISTED_WITHIN = 0.5
"""Seconds a comparison waits for the answers; what comes later serves the next one."""
TONE_LIMIT = 2.0
"""Seconds: Asterisk's own has less than half of one."""
VOICEMAIL = "-v"

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,150}")


class Recorders:
    """Carries out StartRecording and StopRecording. `end_music` lets a leg leave its queue's music."""

    def __init__(self, means: Means, end_music: Callable[[str], Awaitable[None]]) -> None:
        self._m, self._end_music = means, end_music
        self._disk = ThreadPoolExecutor(1, "recordings")  # one that hangs takes no other work's thread
        self._asked: dict[str, int] = {}  # leg -> the number of the question
        self._missing: set[str] = set()
        self._questions = 0
        self._asking: asyncio.Task[None] | None = None
        self.rows: Rows = {StartRecording: self._start, StopRecording: self._stop}

    def _later(self, leg: str, work: Work) -> None:
        self._m.lanes.put(_lane(leg), work)

    # --- effects -----------------------------------------------------------------------------------------------------

    def _start(self, effect: StartRecording) -> tuple[str, Work]:
        return effect.leg, lambda: self._start_now(effect)

    async def _start_now(self, effect: StartRecording) -> None:
        """A message is not left over music, and begins after a tone."""
        await self._end_music(effect.leg)
        if effect.recording.endswith(VOICEMAIL):
            tone = f"{effect.recording}-{BEEP}"
            await quietly(self._m.ari, "POST", path("channels", effect.leg, "play", tone), media=f"sound:{BEEP}")
            self._later(effect.leg, lambda: self._played(tone))
        self._later(effect.leg, lambda: self.record(effect.item, effect.leg, effect.recording))

    async def _played(self, tone: str) -> None:
        """Once it is over, or cannot be played."""
        with contextlib.suppress(AriError, AriLost, TimeoutError):
            async with asyncio.timeout(TONE_LIMIT):
                while True:
                    await self._m.ari.call("GET", path("playbacks", tone))
                    await asyncio.sleep(0.02)

    def _stop(self, effect: StopRecording) -> tuple[str, Work]:
        async def follow() -> None:
            self._later(effect.leg, lambda: self._stop_now(effect))

        return effect.leg, follow  # after what the channel's lane still has to begin

    async def _stop_now(self, effect: StopRecording) -> None:
        try:
            await self._m.manager.stop_recording(effect.leg)
        except ManagerFailed as error:
            log.warning("recording_not_stopped", item=effect.item, leg=effect.leg, error=str(error))

    def again(self, want: WantedLeg) -> None:
        """What must be written is not."""
        self._later(want.leg, lambda: self.record(want.item, want.leg, want.recording))

    async def record(self, item: str, leg: str, recording: str) -> None:
        """Write and say so; a recorder that runs already goes on (it follows the customer from seat to seat).

        What cannot be written is told, and the call goes on; the reconcile loop tries again.
        """
        file = self._m.recordings / f"{recording}.raw"
        if not _FILE.fullmatch(recording):
            log.error("recording_name_refused", item=item)
            return
        try:
            if not await self._writes(leg, recording):
                if not await self._has_room():
                    await self._not_recorded(item, leg, "no_space")
                    return
                await self._m.manager.record(leg, file)
                self._m.legs.change(leg, silenced=False)
        except (ManagerFailed, TimeoutError) as error:
            await self._not_recorded(item, leg, "recorder", str(error))
            return
        self._missing.discard(leg)
        known = self._m.legs.get(leg)
        if known is not None and _differs(known):
            await self._silence_now(leg)
        await self._m.submit(RecordingStarted(item, recording))

    async def _writes(self, leg: str, recording: str) -> bool:
        """Whether this is being written. A recorder of the channel that writes another file is ended: nothing of its
        channel belongs there any more, but nobody could tell it so (the engine or the manager interface was away)."""
        running = await self._m.manager.recorders(leg)
        if str(self._m.recordings / recording) in running:
            return True
        if running:
            await self._m.manager.stop_recording(leg)
        return False

    async def _has_room(self) -> bool:
        """Raises TimeoutError where the disk does not say."""
        async with asyncio.timeout(STORAGE_LIMIT):
            return await asyncio.get_running_loop().run_in_executor(self._disk, self._m.room)

    async def _not_recorded(self, item: str, leg: str, reason: str, error: str = "") -> None:
        log.warning("recording_not_started", item=item, leg=leg, reason=reason, error=error)
        await self._m.submit(RecordingStopped(item, reason))

    # --- silence -----------------------------------------------------------------------------------------------------

    def silence(self, leg: str) -> None:
        """Let this channel's recorders write silence, the time line kept, or sound again: as the book says by then."""
        self._later(leg, lambda: self._silence_now(leg))

    async def _silence_now(self, leg: str) -> None:
        known = self._m.legs.get(leg)
        if known is None:
            return
        try:
            await self._m.manager.mute_recording(leg, muted=known.paused)
        except ManagerFailed as error:
            log.error("recording_not_muted", item=known.item, leg=leg, on=known.paused, error=str(error))
        else:
            self._m.legs.change(leg, silenced=known.paused)

    def keep_silence(self, wanted: Sequence[WantedLeg]) -> None:
        """Try again what the recorder has not heard of, or what nobody knows (after a start)."""
        for want in wanted:
            leg = self._m.legs.get(want.leg)
            if leg is not None and is_recorded(want) and _differs(leg) and not self.busy(want.leg):
                self.silence(want.leg)

    # --- looking -----------------------------------------------------------------------------------------------------

    def busy(self, leg: str) -> bool:
        """Whether something is being done about its recorder."""
        return self._m.lanes.busy(_lane(leg))

    async def running(self, wanted: Sequence[WantedLeg]) -> frozenset[str]:
        """Which legs that must be are being recorded; where it is not known (yet), they are taken to be.

        Only some are asked about each time, those found without a recorder first, then who was not asked for longest.
        """
        legs = {want.leg: want.recording for want in wanted if is_recorded(want)}
        self._asked = {leg: self._asked.get(leg, 0) for leg in legs}
        self._missing &= legs.keys()
        if self._asking is None or self._asking.done():
            calm = [leg for leg in legs if not self.busy(leg)]
            due = sorted(calm, key=lambda leg: (leg not in self._missing, self._asked[leg]))[:LOOKED_AT]
            self._asking = asyncio.create_task(self._ask({leg: legs[leg] for leg in due}))
        await asyncio.wait({self._asking}, timeout=LISTED_WITHIN)
        if not self._asking.done():  # an older answer is no second sight: its recorder may have begun since
            return frozenset(legs)
        return frozenset(leg for leg in legs if leg not in self._missing or self.busy(leg))

    async def _ask(self, legs: Mapping[str, str]) -> None:
        """All at once: leg -> what is to be written of it."""
        self._questions += 1
        self._asked.update(dict.fromkeys(legs, self._questions))
        answers = await asyncio.gather(*(self._is_running(leg, recording) for leg, recording in legs.items()))
        self._missing -= {leg for leg, runs in zip(legs, answers, strict=True) if runs is not False}
        self._missing |= {leg for leg, runs in zip(legs, answers, strict=True) if runs is False}
        if None in answers:
            log.warning("recordings_not_listed", legs=answers.count(None))

    async def _is_running(self, leg: str, recording: str) -> bool | None:
        """None: the manager interface does not say."""
        try:
            return str(self._m.recordings / recording) in await self._m.manager.recorders(leg)
        except ManagerFailed:
            return None

    def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
        self._disk.shutdown(wait=False, cancel_futures=True)


def _lane(leg: str) -> str:
    return f"{leg}:rec"


def _differs(leg: Leg) -> bool:
    return leg.silenced is not leg.paused
