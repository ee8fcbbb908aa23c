"""What a phone tells: plain data copied out of pjsua2's callbacks, safe in any thread.

``at`` is ``time.monotonic()`` in seconds; on one machine it may be compared between processes.
``call`` is the phone's own call number, 1, 2, 3 ..., never used twice (pjsua2 reuses its own).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

Who = Literal["us", "them"]
MediaStatus = Literal["none", "active", "local-hold", "remote-hold", "error"]


@dataclass(frozen=True, slots=True)
class Registered:
    at: float
    extension: str
    expires: int


@dataclass(frozen=True, slots=True)
class RegisterFailed:
    """``code`` is the SIP status, or 0 when nobody answered within our own limit."""

    at: float
    extension: str
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Unregistered:
    at: float
    extension: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """``remote`` is the From as sent; ``headers`` holds the X- headers of the INVITE."""

    at: float
    call: int
    remote: str
    to: str
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Calling:
    """Our INVITE goes out now."""

    at: float
    call: int
    to: str


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end of a call we placed sent a provisional answer (180, 183)."""

    at: float
    call: int
    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The call is up; ``seconds`` from its first sign (INVITE out or in) until now."""

    at: float
    call: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Media:
    at: float
    call: int
    status: MediaStatus


@dataclass(frozen=True, slots=True)
class Dtmf:
    at: float
    call: int
    digit: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Tones in the last 0.3 s: frequency in Hz -> amplitude, 1.0 = full scale."""

    at: float
    call: int
    tones: dict[int, float]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The recording of that call is complete on disk."""

    at: float
    call: int
    file: str


@dataclass(frozen=True, slots=True)
class Ended:
    """``seconds`` is the time since the answer, 0.0 if it never came; ``by`` is who let go first."""

    at: float
    call: int
    code: int
    reason: str
    seconds: float
    answered: bool
    by: Who


@dataclass(frozen=True, slots=True)
class TransferRequested:
    """The far end asked us to call ``to`` instead; ``new_call`` is that call."""

    at: float
    call: int
    to: str
    new_call: int


@dataclass(frozen=True, slots=True)
class TransferProgress:
    at: float
    call: int
    code: int
    reason: str
    final: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """An INVITE with Replaces took the place of ``call``; it goes on as ``new_call``."""

    at: float
    call: int
    new_call: int


@dataclass(frozen=True, slots=True)
class Rings:
    """What is to be heard of waiting calls now: the ringer, a soft beep beside the call that is up, or nothing."""

    at: float
    sound: str


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud microphone and speaker are, in dB; 0 is a sine of full scale, -60 is silence."""

    at: float
    microphone: float
    speaker: float


@dataclass(frozen=True, slots=True)
class SoundFailed:
    """A device could not be opened or is gone, so a call is without sound; ``say`` tells a person what to do."""

    at: float
    say: str


@dataclass(frozen=True, slots=True)
class SoundBack:
    """The device that was gone is open again."""

    at: float


Event = (
    Registered
    | RegisterFailed
    | Unregistered
    | Incoming
    | Calling
    | Ringing
    | Answered
    | Media
    | Dtmf
    | Heard
    | Recorded
    | Ended
    | TransferRequested
    | TransferProgress
    | Replaced
    | Rings
    | Levels
    | SoundFailed
    | SoundBack
)

NAMES: dict[type, str] = {
    Registered: "registered",
    RegisterFailed: "register-failed",
    Unregistered: "unregistered",
    Incoming: "incoming",
    Calling: "calling",
    Ringing: "ringing",
    Answered: "answered",
    Media: "media",
    Dtmf: "dtmf",
    Heard: "heard",
    Recorded: "recorded",
    Ended: "ended",
    TransferRequested: "transfer-requested",
    TransferProgress: "transfer",
    Replaced: "replaced",
    Rings: "rings",
    Levels: "levels",
    SoundFailed: "sound-failed",
    SoundBack: "sound-back",
}


def as_json(event: Event) -> dict[str, Any]:
    """The event as one flat JSON object, ``event`` first."""
    return {"event": NAMES[type(event)], **dataclasses.asdict(event)}
