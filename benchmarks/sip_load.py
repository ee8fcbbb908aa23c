"""Callers and agents' phones in one loop: raw SIP over UDP, signalling only unless a `Sound` is given.

Times are those of the packets: the kernel's stamp for what comes in (SO_TIMESTAMPNS, so a late event loop adds nothing)
and the clock just before sending for what goes out, both in nanoseconds of CLOCK_REALTIME. What is not answered is sent
again after half a second as RFC 3261 has it, and counted: a machine that is too full shows there first.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
import re
import secrets
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

HOST = "127.0.0.1"
SO_TIMESTAMPNS = 35  # asm-generic/socket.h; the socket module has no name for it
T1_S = 0.5  # RFC 3261 17.1.1.1
MOST_TRIES = 6
AT_ONCE = 64  # datagrams read before the loop may do something else
_HEADER = re.compile(r"^(Via|From|To|Call-ID|CSeq|Contact|WWW-Authenticate):[ \t]*(.*?)\r?$", re.M | re.I)
_URI = re.compile(r"<([^>]+)>")
_USER = re.compile(r"sips?:([^@>;]+)@")
_PAIR = re.compile(r'(\w+)="?([^",]+)"?')
_MEDIA = re.compile(r"^c=IN IP4 (\S+).*?^m=audio (\d+)", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message: the headers we use, by lower-case name; the first of several but for Via."""

    first: str
    headers: Mapping[str, str]
    vias: tuple[str, ...]
    body: str
    at: int  # ns

    @property
    def method(self) -> str:
        """The request's method, of an answer that of its request."""
        return self.headers["cseq"].split()[1]

    @property
    def code(self) -> int:
        """The answer's code, 0 for a request."""
        return int(self.first[8:11]) if self.first.startswith("SIP/2.0 ") else 0

    @property
    def call_id(self) -> str:
        """The call's own id."""
        return self.headers["call-id"]

    @property
    def sound_at(self) -> tuple[str, int] | None:
        """Where the other side wants its sound."""
        found = _MEDIA.search(self.body)
        return (found[1], int(found[2])) if found else None


def parse(data: bytes, at: int) -> Message | None:
    """A message, or None for keep-alives and rubbish."""
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    headers: dict[str, str] = {}
    vias: list[str] = []
    for name, value in _HEADER.findall(head):
        if name.lower() == "via":
            vias.append(value)
        headers.setdefault(name.lower(), value)
    if "call-id" not in headers or len(headers.get("cseq", "").split()) != 2:
        return None
    return Message(head.split("\r\n", 1)[0], headers, tuple(vias), body, at)


def user_of(header: str) -> str:
    """The user part of a From, To or request line, or empty."""
    found = _USER.search(header)
    return found[1] if found else ""


class Sound(Protocol):
    """What gives a call real sound: a port to hear at, then the place to speak to."""

    def open(self) -> int:
        """A new port."""
        ...

    def speak(self, port: int, to: tuple[str, int]) -> None:
        """Send from that port until it is closed."""
        ...


@dataclass(slots=True)
class Attempt:
    """One caller's try, with its moments in ns; 0 for what did not happen. `gap_ns`: since its agent was free."""

    number: str
    invited: int = 0
    answered: int = 0
    agent: str = ""
    rung: int = 0  # the INVITE at the agent
    left: int = 0  # the agent's BYE
    over: int = 0  # the caller's BYE, or what ended it otherwise
    code: int = 0  # a refusal
    gap: int = 0

    @property
    def served(self) -> bool:
        """It was answered, met an agent, and was ended by him alone."""
        return bool(self.answered and self.rung and self.left and self.over >= self.left and not self.code)


@dataclass(slots=True)
class _Dialog:
    """One side of a call at this end."""

    call_id: str
    local: str
    remote: str
    target: str
    number: str
    agent: str = ""  # empty: the caller's side
    tag: str = ""
    branch: str = ""
    up: bool = False
    port: int = 9


@dataclass(slots=True)
class Run:
    """What one stretch of load gave."""

    attempts: list[Attempt] = field(default_factory=list)
    began: int = 0
    ended: int = 0
    repeats: int = 0

    @property
    def lost(self) -> list[Attempt]:
        """Those that were not served to their end."""
        return [one for one in self.attempts if not one.served]


class SipLoad:
    """All callers and all phones. One `Run` at a time is filled."""

    def __init__(self, server_port: int, sound: Sound | None = None, seed: int = 1) -> None:
        """`sound`: None for signalling only, with a port in the SDP at which nobody listens."""
        self.server = (HOST, server_port)
        self.sound = sound
        self.run = Run()
        self.talk_s: tuple[float, float] | None = (0.1, 0.1)
        self._chance = random.Random(seed)
        self._numbers = itertools.count(seed * 100_000)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((HOST, 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._dialogs: dict[str, _Dialog] = {}
        self._open: dict[str, Attempt] = {}  # by number
        self._free_since: dict[str, int] = {}  # by agent
        self._over_calls: set[str] = set()
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._unsure: dict[str, tuple[float, int, bytes]] = {}
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)
        self._repeating = asyncio.create_task(self._repeat())

    async def close(self) -> None:
        """Leave at once."""
        self._repeating.cancel()
        await asyncio.gather(self._repeating, return_exceptions=True)
        self._loop.remove_reader(self._socket)
        self._socket.close()

    # --- load --------------------------------------------------------------------------------------------------------

    async def closed(self, to: Callable[[], str], window: int, seconds: float, talk_s: tuple[float, float]) -> Run:
        """`window` callers at any time for so long: whoever is done is followed by the next at once."""
        self._begin(talk_s)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            while len(self._open) < window:
                self.call(to())
            await self._wait(end - time.monotonic())
        return await self._finish()

    async def steady(self, to: Callable[[], str], rate: float, seconds: float, talk_s: tuple[float, float]) -> Run:
        """So many new callers a second for so long, whatever becomes of those before."""
        self._begin(talk_s)
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
            self.call(to())
        return await self._finish()

    async def hold(self, to: Callable[[], str], calls: int, limit_s: float = 15.0) -> None:
        """Bring so many calls about that go on until `release`. Raises TimeoutError when they do not."""
        self._begin(None)
        async with asyncio.timeout(limit_s):
            for _ in range(calls):
                self.call(to())
                await asyncio.sleep(0.02)
            while sum(one.answered > 0 and one.rung > 0 for one in self._open.values()) < calls:
                await self._wait(1)

    async def release(self) -> Run:
        """Every agent hangs up."""
        for dialog in list(self._dialogs.values()):
            if dialog.agent:
                self._hang_up(dialog)
        return await self._finish()

    def _begin(self, talk_s: tuple[float, float] | None) -> None:
        self.run, self.talk_s = Run(began=time.time_ns()), talk_s
        self._over_calls.clear()
        self._free_since.clear()

    async def _finish(self, limit_s: float = 20.0) -> Run:
        """No more callers; wait for the ends, then give up the rest."""
        self.run.ended = time.time_ns()
        end = time.monotonic() + limit_s
        while self._open and time.monotonic() < end:
            await self._wait(end - time.monotonic())
        for dialog in list(self._dialogs.values()):
            self._give_up(dialog)
        self._open.clear()
        return self.run

    async def _wait(self, limit_s: float) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(max(0.0, limit_s)):
                await self._changed.wait()
        except TimeoutError:
            return

    # --- what phones and callers do ----------------------------------------------------------------------------------

    async def register(self, user: str, password: str) -> None:
        """REGISTER with digest. Raises ConnectionError for a refusal."""
        uri, call_id, tag = f"sip:{HOST}:{self.server[1]}", secrets.token_hex(8), secrets.token_hex(4)
        extra = "Expires: 3600\r\n"
        answer = None
        for number in (1, 2):
            dialog = _Dialog(
                call_id, f"<sip:{user}@{HOST}>;tag={tag}", f"<sip:{user}@{HOST}>", uri, user, branch=_new()
            )
            key = f"{call_id} REGISTER"
            waiting = self._answers[key] = self._loop.create_future()
            self._ask(dialog, "REGISTER", uri, number, extra=extra, key=key)
            async with asyncio.timeout(10):
                answer = await waiting
            if answer.code != 401:
                break
            extra += _digest(answer.headers["www-authenticate"], user, password, uri)
        if answer is None or answer.code != 200:
            raise ConnectionError(f"registering {user} was answered {answer.code if answer else 0}")

    def call(self, to: str) -> Attempt:
        """One more caller, with a number of his own by which his agent is known."""
        number = f"02{next(self._numbers):08d}"
        uri = f"sip:{to}@{HOST}:{self.server[1]}"
        dialog = _Dialog(secrets.token_hex(8), f"<sip:{number}@{HOST}>;tag={_new()}", f"<{uri}>", uri, number)
        dialog.branch, dialog.port = _new(), self._port()
        attempt = Attempt(number)
        self.run.attempts.append(attempt)
        self._open[number] = attempt
        self._dialogs[dialog.call_id] = dialog
        attempt.invited = self._ask(dialog, "INVITE", uri, 1, body=_sdp(dialog.port), key=f"{dialog.call_id} INVITE")
        return attempt

    def _port(self) -> int:
        return self.sound.open() if self.sound is not None else 9

    def _hang_up(self, dialog: _Dialog) -> None:
        if self._dialogs.pop(dialog.call_id, None) is None:
            return
        self._over_calls.add(dialog.call_id)
        dialog.branch = _new()
        now = self._ask(dialog, "BYE", dialog.target, 2, key=f"{dialog.call_id} BYE")
        if dialog.agent:
            self._free_since[dialog.agent] = now
            if (attempt := self._open.get(dialog.number)) is not None:
                attempt.left = now

    def _give_up(self, dialog: _Dialog) -> None:
        self._unsure.pop(f"{dialog.call_id} INVITE", None)
        if dialog.up or dialog.agent:
            self._hang_up(dialog)
        else:
            self._dialogs.pop(dialog.call_id, None)
            self._ask(dialog, "CANCEL", dialog.target, 1)

    def _over(self, dialog: _Dialog, at: int, code: int = 0) -> None:
        self._dialogs.pop(dialog.call_id, None)
        self._over_calls.add(dialog.call_id)
        if not dialog.agent and (attempt := self._open.pop(dialog.number, None)) is not None:
            attempt.over, attempt.code = at, code
            self._changed.set()

    # --- in ----------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        for _ in range(AT_ONCE):
            try:
                data, extra, _flags, _from = self._socket.recvmsg(65535, 128)
            except BlockingIOError:
                return
            except OSError:  # an ICMP refusal of something sent before
                continue
            message = parse(data, stamp_of(extra))
            if message is not None:
                (self._answered if message.code else self._asked)(message)

    def _answered(self, message: Message) -> None:
        key = f"{message.call_id} {message.method}"
        self._unsure.pop(key, None)
        if message.code >= 200 and (waiting := self._answers.pop(key, None)) is not None:
            waiting.set_result(message)
        dialog = self._dialogs.get(message.call_id)
        if message.method != "INVITE" or message.code < 200:
            return
        if dialog is None:  # given up meanwhile
            return
        dialog.remote = message.headers["to"]
        if message.code >= 300:
            self._ask(dialog, "ACK", dialog.target, 1)
            self._over(dialog, message.at, message.code)
            return
        found = _URI.search(message.headers.get("contact", ""))
        dialog.target = found[1] if found else dialog.target
        dialog.branch = _new()
        self._ask(dialog, "ACK", dialog.target, 1)
        self._speak(dialog, message)
        if not dialog.up and (attempt := self._open.get(dialog.number)) is not None:
            attempt.answered = message.at
            self._changed.set()
        dialog.up = True

    def _speak(self, dialog: _Dialog, message: Message) -> None:
        if self.sound is not None and (to := message.sound_at) is not None:
            self.sound.speak(dialog.port, to)

    def _asked(self, message: Message) -> None:
        dialog = self._dialogs.get(message.call_id)
        match message.method:
            case "INVITE" if dialog is None and message.call_id in self._over_calls:
                return  # a late repeat
            case "INVITE" if dialog is None:
                self._rings(message)
            case "INVITE" if dialog is not None:  # a repeat, or a change of the connected line
                self._reply(message, 200, "OK", dialog, body=_sdp(dialog.port))
            case "ACK":
                self._unsure.pop(f"{message.call_id} 200", None)
                if dialog is not None and dialog.agent and not dialog.up:
                    dialog.up = True
                    if self.talk_s is not None:
                        self._loop.call_later(self._chance.uniform(*self.talk_s), self._hang_up, dialog)
            case "BYE":
                self._reply(message, 200, "OK")
                if dialog is not None:
                    self._over(dialog, message.at)
            case "CANCEL":
                self._reply(message, 200, "OK")
                if dialog is not None:
                    self._dialogs.pop(message.call_id)
            case _:
                self._reply(message, 200, "OK")

    def _rings(self, message: Message) -> None:
        agent, number = user_of(message.first), user_of(message.headers["from"])
        found = _URI.search(message.headers.get("contact", ""))
        local, tag = message.headers["to"], _new()
        dialog = _Dialog(message.call_id, f"{local};tag={tag}", message.headers["from"], "", number, agent, tag)
        dialog.target, dialog.port = found[1] if found else f"sip:{HOST}:{self.server[1]}", self._port()
        self._dialogs[message.call_id] = dialog
        if (attempt := self._open.get(number)) is not None and not attempt.rung:
            attempt.agent, attempt.rung = agent, message.at
            if (free := self._free_since.pop(agent, 0)) != 0:
                attempt.gap = message.at - free
        self._reply(message, 180, "Ringing", dialog)
        self._reply(message, 200, "OK", dialog, body=_sdp(dialog.port), key=f"{message.call_id} 200")
        self._speak(dialog, message)
        self._changed.set()

    # --- out ---------------------------------------------------------------------------------------------------------

    def _ask(
        self, dialog: _Dialog, method: str, uri: str, number: int, *, extra: str = "", body: str = "", key: str = ""
    ) -> int:
        """Send a request; gives the moment. With a key it is sent again until the answer is there."""
        lines = (
            f"{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{dialog.branch};rport\r\n"
            f"Max-Forwards: 70\r\nFrom: {dialog.local}\r\nTo: {dialog.remote}\r\nCall-ID: {dialog.call_id}\r\n"
            f"CSeq: {number} {method}\r\nContact: <sip:{dialog.agent or dialog.number}@{HOST}:{self.port}>\r\n"
        )
        return self._send((lines + extra + _content(body)).encode(), key)

    def _reply(
        self, to: Message, code: int, reason: str, dialog: _Dialog | None = None, *, body: str = "", key: str = ""
    ) -> None:
        there = dialog.local if dialog is not None else to.headers["to"]
        lines = [f"SIP/2.0 {code} {reason}", *(f"Via: {via}" for via in to.vias), f"From: {to.headers['from']}"]
        lines += [f"To: {there}", f"Call-ID: {to.call_id}", f"CSeq: {to.headers['cseq']}"]
        lines += [f"Contact: <sip:{dialog.agent if dialog else 'phone'}@{HOST}:{self.port}>", ""]
        self._send(("\r\n".join(lines) + _content(body)).encode(), key)

    def _send(self, data: bytes, key: str = "") -> int:
        if key:
            self._unsure[key] = (time.monotonic() + T1_S, 1, data)
        at = time.time_ns()
        try:
            self._socket.sendto(data, self.server)
        except BlockingIOError:  # the buffer is full: as lost as on the wire
            self.run.repeats += 1
        return at

    async def _repeat(self) -> None:
        while True:
            await asyncio.sleep(T1_S / 10)
            now = time.monotonic()
            for key, (due, tries, data) in list(self._unsure.items()):
                if due > now:
                    continue
                if tries >= MOST_TRIES:
                    del self._unsure[key]
                    continue
                self._unsure[key] = (now + T1_S * 2**tries, tries + 1, data)
                self.run.repeats += 1
                self._send(data)


def stamp_of(extra: list[tuple[int, int, bytes]]) -> int:
    """The kernel's moment of arrival in ns, or now where it gave none."""
    for level, kind, data in extra:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, rest = struct.unpack("@ll", data[:16])
            return int(seconds * 1_000_000_000 + rest)
    return time.time_ns()


def _new() -> str:
    return secrets.token_hex(5)


def _content(body: str) -> str:
    kind = "Content-Type: application/sdp\r\n" if body else ""
    return f"{kind}Content-Length: {len(body)}\r\n\r\n{body}"


def _sdp(port: int) -> str:
    return (
        f"v=0\r\no=- 1 1 IN IP4 {HOST}\r\ns=-\r\nc=IN IP4 {HOST}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
    )


def _digest(challenge: str, user: str, password: str, uri: str) -> str:
    """RFC 2617, MD5 with qop=auth, as Asterisk asks."""
    asked = dict(_PAIR.findall(challenge))
    secret = _md5(f"{user}:{asked['realm']}:{password}")
    told = _md5(f"{secret}:{asked['nonce']}:00000001:0a4f113b:auth:{_md5(f'REGISTER:{uri}')}")
    opaque = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
    return (
        f'Authorization: Digest username="{user}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", '
        f'response="{told}", algorithm=MD5, qop=auth, nc=00000001, cnonce="0a4f113b"{opaque}\r\n'
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
