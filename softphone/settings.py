"""What a phone is told at its start, and the plain answers it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from softphone.devices import ROLES, Role

Transport = Literal["udp", "tcp", "tls"]
PLAIN_CODECS = ("PCMU/8000", "PCMA/8000")
"""What robots speak: tones are measured in it."""
WIDE_CODECS = ("opus/48000", "G722/16000", *PLAIN_CODECS)
"""What a person speaks, best first; the server chooses of them."""
MAX_VOLUME = 200


@dataclass(frozen=True, slots=True)
class SoundSettings:
    """A headset. Devices as `softphone.devices.choose` takes them, empty for the usual one; volumes in percent, 100
    leaves the sound as it is. ``ring`` is a WAV of one's own, 8 kHz mono 16 bit. ``echo_cancel`` is for loudspeakers:
    a headset needs none."""

    devices: Mapping[Role, str] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(ROLES, "")))
    volumes: Mapping[Role, int] = field(default_factory=lambda: MappingProxyType(dict.fromkeys(ROLES, 100)))
    ring: Path | None = None
    echo_cancel: bool = False


@dataclass(frozen=True, slots=True)
class Secrecy:
    """How SIP and sound travel. With ``tls`` the server's certificate is checked against ``authorities`` (a PEM file;
    empty: the machine's own) unless ``any_server``. ``srtp`` refuses calls whose sound is not encrypted; its keys
    travel in SIP, so it needs ``tls``."""

    transport: Transport = "udp"
    srtp: bool = False
    authorities: str = ""
    any_server: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """How a phone is set up.

    ``server`` is ``host[:port]`` of the registrar and of bare numbers that are called; empty for a phone that
    only talks to full ``sip:`` addresses. ``password`` is needed for ``register`` alone. ``local_port`` 0
    takes a free one; ``rtp_port`` 0 spreads the phones of a machine by process id. ``sound`` None is a phone without
    microphone and speaker, for robots.
    """

    user: str
    display_name: str = ""
    server: str = ""
    password: str = ""
    address: str = "127.0.0.1"
    local_port: int = 0
    rtp_port: int = 0
    expires_s: int = 300
    poll_ms: int = 20
    codecs: tuple[str, ...] = PLAIN_CODECS
    listen: bool = True
    sound: SoundSettings | None = None
    secrecy: Secrecy = Secrecy()


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """``code`` is the SIP status of the REGISTER, 0 when nobody answered in time."""

    code: int
    reason: str

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Stats:
    """RTP of one call: packets received, lost, sent; mean jitter in microseconds."""

    received: int
    lost: int
    sent: int
    jitter_us: int
