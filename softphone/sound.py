"""Microphone, speaker and ringer of a phone. Everything here runs in the phone thread.

The library has one sound device at a time. So there are three states: ``idle`` (no device is open, a clock of the
library's own turns the bridge: the microphone is closed whenever there is no call), ``talk`` (microphone and speaker)
and ``ring`` (the ringer alone). A second call that waits is a beep in the speaker, for which nothing is opened.

A headset that is pulled out in mid-call leaves the call up and silent; it is looked for until it is back, or until
another device is chosen.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from softphone import binding as pj
from softphone.devices import ROLES, Device, NoSound, Role, choose
from softphone.errors import PhoneError
from softphone.levels import decibels, gain
from softphone.ring import Ring
from softphone.settings import MAX_VOLUME, SoundSettings

State = Literal["idle", "talk", "ring"]
HEAL_EVERY_S = 1.0


class Sound:
    """The devices in use, and what is connected with them."""

    def __init__(self, manager: pj.AudDevManager, settings: SoundSettings) -> None:
        """Choose the devices and try each once. Raises PhoneError with what to do."""
        self._manager = manager
        self._wanted = dict(settings.devices)
        self._volumes = dict(settings.volumes)
        self._state: State = "idle"
        self._players: dict[str, pj.AudioMediaPlayer] = {}
        self._playing = ""
        self._looped = False
        self._joined: dict[int, pj.AudioMedia] = {}
        self._heal_at: float | None = None
        self._manager.setNullDev()
        self._chosen = self._choose(self._wanted)
        self._wanted = self._named(self._wanted)
        self.check()

    # -- devices ----------------------------------------------------------------------------------------

    def devices(self) -> list[Device]:
        """What is there now; between calls the list is made anew."""
        if self._state == "idle":
            with quiet():
                self._manager.refreshDevs()
        return listed(self._manager)

    def chosen(self) -> dict[Role, Device]:
        return dict(self._chosen)

    def use(self, wanted: Mapping[Role, str]) -> dict[Role, Device]:
        """Take other devices, at once where a call is up. Nothing changes when one of them cannot be had."""
        before = self._wanted, self._chosen
        asked = {**self._wanted, **wanted}
        self._chosen = self._choose(asked)
        self._wanted = self._named(asked)
        state: State = "talk" if self._joined else self._state
        try:
            self._switch(state, anew=True)
            if state == "idle":
                self.check()
        except PhoneError:
            self._wanted, self._chosen = before
            self._switch(state, anew=True)
            raise
        self._heal_at = None
        return self.chosen()

    def check(self) -> None:
        """Open microphone and speaker, then the ringer, and close them again. Raises PhoneError."""
        try:
            self._switch("talk")
            self._switch("ring")
        finally:
            self._switch("idle")

    def lost(self) -> bool:
        """A device that was open is gone: let go of it. ``heal`` looks for it from now on. Whether that was known:
        microphone and speaker of one headset both fail."""
        known = self._heal_at is not None or self._state == "idle"
        self._switch("idle")
        self._heal_at = self._heal_at or time.monotonic()
        return known

    def heal(self) -> bool:
        """Once a second after ``lost``: look whether the devices are back. True when they have just come back."""
        if self._heal_at is None or time.monotonic() < self._heal_at:
            return False
        self._heal_at = time.monotonic() + HEAL_EVERY_S
        if self._joined:
            try:
                self._switch("talk")
            except PhoneError:
                return False
        self._heal_at = None
        return bool(self._joined)

    def _named(self, wanted: Mapping[Role, str]) -> dict[Role, str]:
        """The chosen devices by name, since numbers change when something is plugged in; the usual one stays so."""
        return {role: self._chosen[role].name if wanted[role] else "" for role in ROLES}

    def _choose(self, wanted: Mapping[Role, str]) -> dict[Role, Device]:
        found = listed(self._manager)
        named = {**wanted, "ringer": wanted["ringer"] or wanted["speaker"]}
        return {role: choose(found, named[role], role) for role in ROLES}

    def _switch(self, state: State, anew: bool = False) -> None:
        """Open the devices of a state. Raises PhoneError when they cannot be opened; then none is open."""
        if state == self._state and not anew:
            return
        self._state = "idle"
        if state == "idle":
            self._manager.setNullDev()
            return
        out: Role = "speaker" if state == "talk" else "ringer"
        try:
            self._open(state, out)
        except pj.Error:
            self._manager.setNullDev()
            with quiet():
                self._manager.refreshDevs()  # what was plugged in or out since has changed the numbers
            self._chosen = self._choose(self._wanted)
            try:
                self._open(state, out)
            except pj.Error as error:
                self._manager.setNullDev()
                raise self._cannot(out, error) from None
        self._state = state
        self._manager.getPlaybackDevMedia().adjustRxLevel(gain(self._volumes[out]))
        self._manager.getCaptureDevMedia().adjustTxLevel(gain(self._volumes["microphone"]))

    def _open(self, state: State, out: Role) -> None:
        """Open the devices themselves. Raises pj.Error."""
        mode = 0 if state == "talk" else pj.PJSUA_SND_DEV_SPEAKER_ONLY
        self._manager.setNoDev()  # otherwise each of the calls below opens something
        self._manager.setSndDevMode(mode | pj.PJSUA_SND_DEV_NO_IMMEDIATE_OPEN)
        self._manager.setCaptureDev(self._chosen["microphone"].number)
        self._manager.setPlaybackDev(self._chosen[out].number)
        with quiet():
            self._manager.setSndDevMode(mode)

    def _cannot(self, out: Role, error: pj.Error) -> NoSound:
        names = {role: self._chosen[role].name for role in (("microphone", out) if out == "speaker" else (out,))}
        which = " and ".join(f"{role} {name}" for role, name in names.items())
        return NoSound(
            f"{which} cannot be opened ({error.reason}). Is it plugged in, and does no other program hold it? "
            "`ringside phone --list-devices` lists what there is"
        )

    # -- calls ------------------------------------------------------------------------------------------

    def join(self, number: int, media: pj.AudioMedia, muted: bool) -> None:
        """Connect a call with microphone and speaker. Raises PhoneError when they cannot be opened."""
        if self._state != "talk":
            self._stop_playing()
        self._end_loop()
        self._joined[number] = media
        self._switch("talk")
        microphone = self._manager.getCaptureDevMedia()
        (microphone.stopTransmit if muted else microphone.startTransmit)(media)
        media.startTransmit(self._manager.getPlaybackDevMedia())

    def leave(self, number: int) -> None:
        """The call has no sound any more (its end, or hold): without another one the devices are closed."""
        self._joined.pop(number, None)
        self._rest()

    def _rest(self) -> None:
        if not self._joined and not self._playing and not self._looped:
            self._switch("idle")

    # -- ring and tests ---------------------------------------------------------------------------------

    def ring(self, kind: Ring, files: Mapping[Ring, Path]) -> None:
        """Play the sound of a kind of ringing until told another. Raises PhoneError."""
        match kind:
            case "none":
                self.silence()
            case "ring":
                self.play(files[kind], "ringer")
            case "knock":
                self.play(files[kind], "speaker")

    def play(self, file: Path, out: Role) -> None:
        """Play a file over and over at the speaker or the ringer; while a call is up, at the speaker in any case."""
        self._stop_playing()
        self._switch("ring" if out == "ringer" and not self._joined else "talk")
        player = self._players.get(str(file))
        if player is None:
            player = self._players[str(file)] = pj.AudioMediaPlayer()
            player.createPlayer(str(file))
        player.startTransmit(self._manager.getPlaybackDevMedia())
        self._playing = str(file)

    def silence(self) -> None:
        """No ring, no test tone, no loop; calls go on."""
        self._stop_playing()
        self._end_loop()
        self._rest()

    def loop(self) -> None:
        """The microphone in one's own ear, to hear whether it works. Raises PhoneError."""
        self._stop_playing()
        self._switch("talk")
        self._manager.getCaptureDevMedia().startTransmit(self._manager.getPlaybackDevMedia())
        self._looped = True

    def _stop_playing(self) -> None:
        playing, self._playing = self._playing, ""
        if playing:
            self._players[playing].stopTransmit(self._manager.getPlaybackDevMedia())

    def _end_loop(self) -> None:
        if self._looped:
            self._looped = False
            self._manager.getCaptureDevMedia().stopTransmit(self._manager.getPlaybackDevMedia())

    # -- levels -----------------------------------------------------------------------------------------

    def levels(self) -> tuple[float, float]:
        """Microphone and speaker in dB (softphone.levels); silence while they are closed."""
        if self._state != "talk":
            return decibels(0), decibels(0)
        microphone = self._manager.getCaptureDevMedia().getTxLevel()
        return decibels(microphone), decibels(self._manager.getPlaybackDevMedia().getRxLevel())

    def volume(self, role: Role, percent: int) -> dict[Role, int]:
        """Set a volume, heard at once. Raises PhoneError."""
        if not 0 <= percent <= MAX_VOLUME:
            raise PhoneError(f"a volume is 0 to {MAX_VOLUME} percent, not {percent}")
        self._volumes[role] = percent
        out: Role = "ringer" if self._state == "ring" else "speaker"
        if role == "microphone":
            self._manager.getCaptureDevMedia().adjustTxLevel(gain(percent))
        elif role == out:
            self._manager.getPlaybackDevMedia().adjustRxLevel(gain(percent))
        return dict(self._volumes)

    def close(self) -> None:
        """Let go of everything, before the library is destroyed."""
        self._stop_playing()
        self._end_loop()
        self._joined.clear()
        self._switch("idle")
        self._players.clear()


def listed(manager: pj.AudDevManager) -> list[Device]:
    """The library's list of devices."""
    found = []
    for number in range(manager.getDevCount()):
        info = manager.getDevInfo(number)
        found.append(Device(number, info.name, int(info.inputCount), int(info.outputCount)))
    return found


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """ALSA's plug-ins (JACK, OSS) complain on standard error about every server that does not run."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
