"""Real RTP for calls under load: G.711 µ-law, 20 ms a packet, from one thread for all of them.

Nobody reads what comes back: the kernel throws it away once the socket's buffer is full, which costs the sender of
these packets nothing and Asterisk no more than a phone would.
"""

from __future__ import annotations

import math
import random
import socket
import struct
import threading
import time

HOST = "127.0.0.1"
PACKET_S = 0.02
SAMPLES = 160
_PAYLOAD_TYPE = 0


def tone(hertz: int, samples: int = SAMPLES) -> bytes:
    """So much of a tone at a quarter of full scale in µ-law (G.711)."""
    return bytes(ulaw(int(8192 * math.sin(2 * math.pi * hertz * n / 8000))) for n in range(samples))


def ulaw(sample: int) -> int:
    """One 16-bit sample as G.711 µ-law has it."""
    sign = 0x80 if sample < 0 else 0
    size = min(abs(sample), 32635) + 132
    exponent = size.bit_length() - 8
    return ~(sign | exponent << 4 | (size >> exponent + 3) & 0x0F) & 0xFF


class Stream:
    """One direction's sequence, times and place to go."""

    def __init__(self, link: socket.socket, to: tuple[str, int], chance: random.Random) -> None:
        self.link, self.to = link, to
        self.number, self.time = chance.randrange(2**15), chance.randrange(2**31)
        self.source = chance.randrange(2**32)

    def packet(self, payload: bytes) -> bytes:
        """The next one (RFC 3550)."""
        self.number, self.time = (self.number + 1) & 0xFFFF, (self.time + SAMPLES) & 0xFFFFFFFF
        return struct.pack("!BBHII", 0x80, _PAYLOAD_TYPE, self.number, self.time, self.source) + payload


class Speakers:
    """benchmarks.sip_load.Sound: gives ports and speaks from them. `late` counts seconds that were missed."""

    def __init__(self, seed: int = 1) -> None:
        self._links: dict[int, socket.socket] = {}
        self._streams: dict[int, Stream] = {}
        self._chance = random.Random(seed)
        self._payload = tone(400)  # 8 periods: the packets join without a step
        self._stop = threading.Event()
        self.late = 0
        self.sent = 0
        self._thread = threading.Thread(target=self._speak, name="rtp", daemon=True)
        self._thread.start()

    def open(self) -> int:
        """A new port."""
        link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.bind((HOST, 0))
        link.setblocking(False)
        port = int(link.getsockname()[1])
        self._links[port] = link
        return port

    def speak(self, port: int, to: tuple[str, int]) -> None:
        """Begin, or go on towards another place."""
        self._streams[port] = Stream(self._links[port], to, self._chance)

    def silence(self) -> None:
        """All stop and their ports are given back."""
        self._streams = {}
        time.sleep(2 * PACKET_S)  # the thread may be in the middle of a round
        for link in self._links.values():
            link.close()
        self._links = {}

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()
        self.silence()

    def _speak(self) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            for stream in list(self._streams.values()):
                try:
                    stream.link.sendto(stream.packet(self._payload), stream.to)
                    self.sent += 1
                except OSError:  # the other end has closed: its port refuses
                    continue
            due += PACKET_S
            if due < time.monotonic() - 1:
                self.late += 1
                due = time.monotonic()
