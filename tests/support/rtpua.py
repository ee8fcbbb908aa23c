"""A caller whose sound we make packet by packet: a tone as G.711 with the sequence numbers and the source we choose."""

from __future__ import annotations

import asyncio
import math
import re
import secrets
import struct
from typing import cast

from tests.support.sipua import HOST, Call, Message, SipUa

PACKET_S = 0.02
SAMPLES = 160


def _ulaw(value: float) -> int:
    """One sample (-1..1) as G.711 mu-law."""
    whole = max(-32635, min(32635, int(value * 32767)))
    sign, size = (0x80 if whole < 0 else 0), abs(whole) + 132
    exponent = max(0, size.bit_length() - 8)
    return ~(sign | exponent << 4 | (size >> (exponent + 3)) & 15) & 255


def tone(hz: int, amplitude: float = 0.12) -> bytes:
    """One second of a tone; repeats without a click for whole numbers of hertz."""
    return bytes(_ulaw(amplitude * math.sin(2 * math.pi * hz * at / 8000)) for at in range(8000))


class Stream(asyncio.DatagramProtocol):
    """RTP out of one port; what comes in is counted only."""

    def __init__(self, sound: bytes) -> None:
        self.sound, self.received = sound, 0
        self.source, self.sequence, self.place = 1234, 20_000, 0
        self.port, self.to = 0, ("", 0)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, hz: int) -> Stream:
        loop = asyncio.get_running_loop()
        _, stream = await loop.create_datagram_endpoint(lambda: cls(tone(hz)), local_addr=(HOST, 0))
        return stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.port = self.transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self.received += 1

    def start(self, port: int) -> None:
        """Send to that port until closed."""
        self.to = (HOST, port)
        self._task = self._task or asyncio.create_task(self._send())

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self.transport.sendto(self.packet(), self.to)
            due += PACKET_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    def packet(self) -> bytes:
        """The next one."""
        start = self.place * SAMPLES % 8000
        head = struct.pack("!BBHII", 0x80, 0, self.sequence & 0xFFFF, self.place * SAMPLES & 0xFFFFFFFF, self.source)
        self.sequence, self.place = self.sequence + 1, self.place + 1
        return head + self.sound[start : start + SAMPLES]

    def restart(self, shift: int) -> None:
        """From now on another source, its numbers higher or lower by so many."""
        self.source, self.sequence = secrets.randbits(32), self.sequence + shift

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.transport.close()


class RtpUa(SipUa):
    """Calls with sound, one at a time: `stream` runs from the answer on."""

    stream: Stream

    @classmethod
    async def calling(cls, server_port: int, hz: int) -> RtpUa:
        """A caller with that tone."""
        loop = asyncio.get_running_loop()
        _, ua = await loop.create_datagram_endpoint(lambda: cls(server_port), local_addr=(HOST, 0))
        ua.stream = await Stream.open(hz)
        return ua

    def sdp(self) -> str:
        return re.sub(r"m=audio \d+", f"m=audio {self.stream.port}", super().sdp())

    def _final(self, call: Call, message: Message) -> None:
        super()._final(call, message)
        if message.code < 300 and (port := re.search(r"m=audio (\d+)", message.text)) is not None:
            self.stream.start(int(port[1]))
