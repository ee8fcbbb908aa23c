"""Many signalling-only SIP phones in one process, for load and kill proofs where sound is not the question.

UDP on loopback, digest (RFC 2617, MD5 as Asterisk asks), one dialog a call, SDP with a port nobody reads. What matters
here is who ended a call: a `Call` knows whether it, the far end, or nobody did.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

HOST = "127.0.0.1"
_AUTH = re.compile(r'(\w+)="?([^",]+)"?')


@dataclass
class Message:
    """One SIP message, headers by lower-case name; the first of several wins, which does for what we read."""

    first: str
    headers: dict[str, str]
    vias: list[str]
    text: str

    @property
    def method(self) -> str:
        return self.headers["cseq"].split()[1]

    @property
    def code(self) -> int:
        return int(self.first.split()[1]) if self.first.startswith("SIP/2.0") else 0

    @property
    def call_id(self) -> str:
        return self.headers["call-id"]


def parse(data: bytes) -> Message | None:
    """A message, or None for keep-alives and rubbish."""
    text = data.decode("utf-8", "replace")
    head, _, _ = text.partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    vias: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.lower() in ("via", "v"):
            vias.append(value.strip())
        headers.setdefault(name.lower(), value.strip())
    return Message(first, headers, vias, text) if "call-id" in headers and "cseq" in headers else None


@dataclass
class Call:
    """A call at this end. `ended_by`: "us", "them", or "" while it goes on."""

    ua: SipUa
    user: str
    call_id: str
    incoming: bool
    target: str
    local: str
    remote: str
    contact: str = ""
    cseq: int = 1
    branch: str = ""
    invite: Message | None = None
    code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    ringing: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: str = ""
    answered_at: float = 0.0

    def answer(self) -> None:
        """Take an incoming call."""
        assert self.invite is not None
        if not self.ended.is_set():
            self.ua.reply(self.invite, 200, "OK", self, body=self.ua.sdp())
            self.mark_answered()

    def mark_answered(self) -> None:
        if not self.answered.is_set():
            self.answered_at = asyncio.get_running_loop().time()
            self.answered.set()

    def decline(self, code: int = 486) -> None:
        """Refuse an incoming call."""
        assert self.invite is not None
        self.ua.reply(self.invite, code, "Busy Here", self)
        self.finish("us", code)

    def hang_up(self) -> None:
        """BYE, CANCEL or 603, whatever fits."""
        if self.ended.is_set():
            return
        if self.answered.is_set():
            self.cseq += 1
            self.ua.request("BYE", self.contact or self.target, self)
        elif self.incoming:
            self.decline(603)
            return
        else:
            self.ua.request("CANCEL", self.target, self, branch=self.branch)
        self.finish("us", self.code)

    def finish(self, by: str, code: int) -> None:
        if not self.ended.is_set():
            self.ended_by, self.code = by, code or self.code
            self.ended.set()


class SipUa(asyncio.DatagramProtocol):
    """One UDP socket with any number of users. `on_call` is given every incoming call (user in the request URI)."""

    def __init__(self, server_port: int, on_call: Callable[[Call], None] | None = None) -> None:
        self.server = (HOST, server_port)
        self.on_call = on_call
        self.calls: dict[str, Call] = {}
        self.answers: dict[str, asyncio.Future[Message]] = {}
        self.secrets: dict[str, str] = {}
        self.host, self.port = HOST, 0
        self.unexpected: list[str] = []

    @classmethod
    async def open(
        cls, server_port: int, on_call: Callable[[Call], None] | None = None, host: str = HOST, port: int = 0
    ) -> SipUa:
        """A phone bank on that port, or a free one, of a loopback address."""
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_datagram_endpoint(lambda: cls(server_port, on_call), local_addr=(host, port))
        return protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)
        self.host, self.port = self.transport.get_extra_info("sockname")[:2]

    def close(self) -> None:
        """Hang up what is left and close the socket."""
        for call in list(self.calls.values()):
            call.hang_up()
        self.transport.close()

    # --- out -------------------------------------------------------------------------------------------------

    async def register(self, user: str, password: str, expires: int = 600) -> int:
        """REGISTER with digest; gives the final code."""
        self.secrets[user] = password
        call_id, tag = secrets.token_hex(8), secrets.token_hex(4)
        uri = f"sip:{self.server[0]}:{self.server[1]}"
        extra = f"Expires: {expires}\r\n"
        answer = await self._ask("REGISTER", uri, user, call_id, tag, 1, extra)
        if answer.code == 401:
            auth = self._digest(answer, user, "REGISTER", uri)
            answer = await self._ask("REGISTER", uri, user, call_id, tag, 2, extra + auth)
        return answer.code

    def call(self, to: str, user: str = "caller", name: str = "", extra: str = "") -> Call:
        """INVITE; watch the Call's events. `extra` are further header lines."""
        call_id, tag = secrets.token_hex(8), secrets.token_hex(4)
        target = f"sip:{to}@{self.server[0]}:{self.server[1]}"
        shown = f'"{name}" ' if name else ""
        call = Call(self, user, call_id, False, target, f"{shown}<sip:{user}@{self.host}>;tag={tag}", f"<{target}>")
        self.calls[call_id] = call
        call.branch = f"z9hG4bK{secrets.token_hex(6)}"
        self.request("INVITE", target, call, branch=call.branch, extra=extra, body=self.sdp())
        return call

    def request(self, method: str, uri: str, call: Call, *, branch: str = "", extra: str = "", body: str = "") -> None:
        """Send a request of this dialog."""
        branch = branch or f"z9hG4bK{secrets.token_hex(6)}"
        cseq = f"{call.cseq} {method}"
        self._send(self._message(f"{method} {uri} SIP/2.0", branch, call, cseq, extra, body))

    def reply(self, to: Message, code: int, reason: str, call: Call | None = None, body: str = "") -> None:
        """Answer a request; in a dialog the To header bears our tag."""
        to_header = call.local if call is not None else to.headers["to"]
        lines = [f"SIP/2.0 {code} {reason}", *(f"Via: {via}" for via in to.vias)]
        lines += [f"From: {to.headers['from']}", f"To: {to_header}", f"Call-ID: {to.call_id}"]
        lines += [f"CSeq: {to.headers['cseq']}", f"Contact: <sip:{self._user_of(call)}@{self.host}:{self.port}>"]
        self._send("\r\n".join([*lines, *_content(body)]))

    def _user_of(self, call: Call | None) -> str:
        return call.user if call is not None else "phone"

    def _message(self, first: str, branch: str, call: Call, cseq: str, extra: str, body: str) -> str:
        lines = [
            first,
            f"Via: SIP/2.0/UDP {self.host}:{self.port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: {call.local}",
            f"To: {call.remote}",
            f"Call-ID: {call.call_id}",
            f"CSeq: {cseq}",
            f"Contact: <sip:{call.user}@{self.host}:{self.port}>",
            "Allow: INVITE,ACK,BYE,CANCEL,OPTIONS",
        ]
        return "\r\n".join([*lines, *([extra.rstrip()] if extra else []), *_content(body)])

    async def _ask(self, method: str, uri: str, user: str, call_id: str, tag: str, cseq: int, extra: str) -> Message:
        call = Call(self, user, call_id, False, uri, f"<sip:{user}@{self.host}>;tag={tag}", f"<sip:{user}@{self.host}>")
        text = self._message(
            f"{method} {uri} SIP/2.0", f"z9hG4bK{secrets.token_hex(6)}", call, f"{cseq} {method}", extra, ""
        )
        answer = self.answers[f"{call_id} {cseq}"] = asyncio.get_running_loop().create_future()
        for _ in range(5):  # UDP: ask again after T1, as a phone does
            self._send(text)
            try:
                return await asyncio.wait_for(asyncio.shield(answer), 0.5)
            except TimeoutError:
                continue
        raise TimeoutError(f"no answer to {method}")

    def _digest(self, challenge: Message, user: str, method: str, uri: str) -> str:
        header = "WWW-Authenticate" if "www-authenticate" in challenge.headers else "Proxy-Authenticate"
        asked = dict(_AUTH.findall(challenge.headers[header.lower()]))
        one = _md5(f"{user}:{asked['realm']}:{self.secrets[user]}")
        two = _md5(f"{method}:{uri}")
        cnonce = secrets.token_hex(4)
        response = _md5(f"{one}:{asked['nonce']}:00000001:{cnonce}:auth:{two}")
        name = "Authorization" if header.startswith("WWW") else "Proxy-Authorization"
        opaque = f', opaque="{asked["opaque"]}"' if "opaque" in asked else ""
        return (
            f'{name}: Digest username="{user}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", '
            f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="{cnonce}"{opaque}\r\n'
        )

    def _send(self, text: str) -> None:
        if not self.transport.is_closing():
            self.transport.sendto(text.encode(), self.server)

    def sdp(self) -> str:
        """Audio on a port that takes anything; nobody listens."""
        return (
            f"v=0\r\no=- 1 1 IN IP4 {self.host}\r\ns=-\r\nc=IN IP4 {self.host}\r\nt=0 0\r\n"
            "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
        )

    # --- in --------------------------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, _addr: object) -> None:
        message = parse(data)
        if message is None:
            return
        if message.code:
            self._answered(message)
        else:
            self._requested(message)

    def _answered(self, message: Message) -> None:
        waiting = self.answers.get(f"{message.call_id} {message.headers['cseq'].split()[0]}")
        if waiting is not None and not waiting.done() and message.code >= 200:
            waiting.set_result(message)
        call = self.calls.get(message.call_id)
        if call is None or message.method != "INVITE":
            return
        if message.code in (401, 407) and call.user in self.secrets:
            self._ack(call, message)
            call.cseq += 1
            call.branch = f"z9hG4bK{secrets.token_hex(6)}"
            auth = self._digest(message, call.user, "INVITE", call.target)
            self.request("INVITE", call.target, call, branch=call.branch, extra=auth, body=self.sdp())
        elif message.code >= 200:
            self._final(call, message)
        elif message.code in (180, 183):
            call.ringing.set()

    def _ack(self, call: Call, message: Message) -> None:
        good = 200 <= message.code < 300
        uri = call.contact if good and call.contact else call.target
        cseq = message.headers["cseq"].split()[0]
        branch = "" if good else call.branch
        kept, call.remote = call.remote, message.headers["to"]
        text = self._message(
            f"ACK {uri} SIP/2.0", branch or f"z9hG4bK{secrets.token_hex(6)}", call, f"{cseq} ACK", "", ""
        )
        self._send(text)
        if not good:
            call.remote = kept

    def _final(self, call: Call, message: Message) -> None:
        if message.code < 300:
            contact = re.search(r"<([^>]+)>", message.headers.get("contact", ""))
            call.contact = contact[1] if contact else call.target
            self._ack(call, message)
            call.mark_answered()
            if call.ended.is_set():  # our CANCEL came too late
                call.cseq += 1
                self.request("BYE", call.contact, call)
        else:
            self._ack(call, message)
            call.finish("them", message.code)

    def _requested(self, message: Message) -> None:
        call = self.calls.get(message.call_id)
        match message.method:
            case "INVITE" if call is None:
                self._rings(message)
            case "INVITE":
                assert call is not None
                if call.answered.is_set():  # a re-INVITE: a connected-line update
                    self.reply(message, 200, "OK", call if call.incoming else None, body=self.sdp())
            case "ACK":
                return
            case "CANCEL":
                self.reply(message, 200, "OK")
                if call is not None and call.invite is not None and not call.answered.is_set():
                    self.reply(call.invite, 487, "Request Terminated", call)
                    call.finish("them", 487)
            case "BYE":
                self.reply(message, 200, "OK")
                if call is not None:
                    call.headers = message.headers
                    call.finish("them", 200)
            case _:
                self.reply(message, 200, "OK")

    def _rings(self, message: Message) -> None:
        user = message.first.split()[1].removeprefix("sip:").partition("@")[0]
        tag = secrets.token_hex(4)
        contact = re.search(r"<([^>]+)>", message.headers.get("contact", ""))
        call = Call(
            self,
            user,
            message.call_id,
            incoming=True,
            target=contact[1] if contact else f"sip:{self.server[0]}:{self.server[1]}",
            local=f"{message.headers['to']};tag={tag}",
            remote=message.headers["from"],
            invite=message,
            headers=message.headers,
        )
        self.calls[message.call_id] = call
        self.reply(message, 180, "Ringing", call)
        call.ringing.set()
        if self.on_call is not None:
            self.on_call(call)


def _content(body: str) -> list[str]:
    kind = ["Content-Type: application/sdp"] if body else []
    return [*kind, f"Content-Length: {len(body)}", "", body]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
