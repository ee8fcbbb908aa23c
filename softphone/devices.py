"""Sound devices as the library lists them, and which one a person means. No sound is touched here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from softphone.errors import PhoneError
from softphone.library import HOW_TO_BUILD

Role = Literal["microphone", "speaker", "ringer"]
ROLES: tuple[Role, ...] = ("microphone", "speaker", "ringer")
PREFERRED = ("default", "pulse", "pipewire")
"""Of the devices nobody chose between: those that a desktop's own sound settings decide about."""
SHOWN = 6

NO_SOUND_BUILD = (
    "this pjsua2 is built without sound. Build the one with sound, once, in Ringside's folder: "
    f"{HOW_TO_BUILD} (some 2 minutes)"
)
NO_DEVICE = (
    "there is no sound device. Plug the headset in and see that `arecord -l` and `aplay -l` list it; your user must "
    "be in the group audio. For a desktop with PulseAudio or PipeWire install the package libasound2-plugins"
)


class NoSound(PhoneError):
    """The phone cannot make or take sound; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device. ``number`` is its place in the library's list; it may change when something is plugged in."""

    number: int
    name: str
    inputs: int
    outputs: int

    def can(self, role: Role) -> bool:
        """Whether it was there for that role when it was looked at."""
        return (self.inputs if role == "microphone" else self.outputs) > 0


def usable(devices: Sequence[Device]) -> list[Device]:
    """Those that can do anything at all: ALSA also names what is not there."""
    return [device for device in devices if device.inputs or device.outputs]


def choose(devices: Sequence[Device], wanted: str, role: Role) -> Device:
    """The device a person means: its number, its name, a part of its name that only one has, or nothing for the
    usual one. Raises NoSound when there is none at all, PhoneError with the choices otherwise."""
    able = [device for device in devices if device.can(role)]
    if not able:
        raise NoSound(NO_DEVICE if not usable(devices) else f"no sound device here can be a {role}")
    if not wanted:
        return min(able, key=_preference)
    if wanted.isdecimal():
        found = [device for device in able if str(device.number) == wanted.lstrip("0").rjust(1, "0")]
    else:
        found = [device for device in able if device.name.casefold() == wanted.casefold()]
        found = found or [device for device in able if wanted.casefold() in device.name.casefold()]
    if len(found) == 1:
        return found[0]
    fault = f"{len(found)} devices have {wanted!r} in their name" if found else f"no {role} is {wanted!r}"
    listed = ", ".join(f"{device.number} {device.name}" for device in (found or able)[:SHOWN])
    raise PhoneError(f"{fault}; choose by number or name: {listed}")


def _preference(device: Device) -> tuple[int, int]:
    rank = PREFERRED.index(device.name) if device.name in PREFERRED else len(PREFERRED)
    return rank, device.number


def as_lines(devices: Sequence[Device]) -> list[str]:
    """The list for a person: number, what it can do, name."""
    lines = [f"{'no.':>4}  {'microphone':10}  {'speaker':7}  name"]
    for device in usable(devices):
        marks = ("yes" if device.can("microphone") else "-", "yes" if device.can("speaker") else "-")
        lines.append(f"{device.number:>4}  {marks[0]:10}  {marks[1]:7}  {device.name}")
    return lines
