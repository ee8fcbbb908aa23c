"""What a phone is told at its start, and the plain answers it gives."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """How a phone is set up.

    ``server`` is ``host[:port]`` of the registrar and of bare numbers that are called; empty for a phone that
    only talks to full ``sip:`` addresses. ``password`` is needed for ``register`` alone. ``local_port`` 0
    takes a free one; ``rtp_port`` 0 spreads the phones of a machine by process id.
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
    codecs: tuple[str, ...] = ("PCMU/8000", "PCMA/8000")
    listen: bool = True


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
