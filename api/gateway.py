"""Commands to the engine over its unix socket, and the engine's answers. Both ends of the small protocol.

submit  {kind, body, by, via}  ->  {done: {item, offer, note}} or {refused: {code, say}}, with {seq}
ping    {}                     ->  {pid, seq}
stats   {}                     ->  figures of the engine, see api.engine
phones  {}                     ->  {phones: {extension: state}}, as Asterisk has them now
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from acd.core.codec import dump, kind_of, load_input
from acd.core.inputs import (
    CallHungUp,
    ConsultAsked,
    DispositionSaved,
    Input,
    ItemArrived,
    ItemClosed,
    ItemPicked,
    MessageNoted,
    MoveMade,
    OutboundAsked,
    PauseAsked,
    ResumeAsked,
    SeatSignedIn,
    SeatSignedOut,
    ServiceEnded,
    ShiftChanged,
    StatusChosen,
    TransferAsked,
    WatchAsked,
    WatchLeft,
    WrapUpEnded,
)
from acd.core.reply import Code, Done, Refused, Reply
from storage.bus import CallFailed

CALL_LIMIT_S = 5.0
COMMANDS: tuple[type[Input], ...] = (
    SeatSignedIn,
    SeatSignedOut,
    StatusChosen,
    WrapUpEnded,
    ServiceEnded,
    DispositionSaved,
    ItemPicked,
    ItemArrived,
    ItemClosed,
    MessageNoted,
    ShiftChanged,
    MoveMade,
    ConsultAsked,
    TransferAsked,
    CallHungUp,
    WatchAsked,
    WatchLeft,
    PauseAsked,
    ResumeAsked,
    OutboundAsked,
)
"""What may be asked over the socket; telephone events and timers have their own way in."""
_KINDS = frozenset(kind.__name__ for kind in COMMANDS)

Json = dict[str, Any]


class Caller(Protocol):
    """The client's end of the bus."""

    async def call(self, method: str, body: Json | None = None, timeout: float = 5.0) -> Json: ...  # noqa: ASYNC109


@dataclass(frozen=True, slots=True)
class Answer:
    """The core's reply and the fact up to which it holds."""

    reply: Reply
    seq: int


async def submit(caller: Caller, given: Input, *, by: str, via: str) -> Answer:
    """Ask the engine to decide; the answer comes after the commit. Raises storage.bus.EngineAway, CallFailed."""
    body = {"kind": kind_of(given), "body": dump(given), "by": by, "via": via}
    told = await caller.call("submit", body, CALL_LIMIT_S)
    return Answer(_reply_from(told), int(told["seq"]))


def _reply_from(told: Mapping[str, Any]) -> Reply:
    if "refused" in told:
        return Refused(Code(told["refused"]["code"]), str(told["refused"]["say"]))
    return Done(**{name: str(value) for name, value in told["done"].items()})


def reply_to(reply: Reply, seq: int) -> Json:
    """The engine's side: a reply as JSON."""
    if isinstance(reply, Refused):
        return {"refused": {"code": reply.code.value, "say": reply.say}, "seq": seq}
    return {"done": {"item": reply.item, "offer": reply.offer, "note": reply.note}, "seq": seq}


def input_from(body: Mapping[str, Any]) -> tuple[Input, str, str]:
    """The engine's side: (input, by, via) of a submit. Raises CallFailed for what is no command."""
    try:
        kind, by, via = str(body["kind"]), str(body["by"]), str(body["via"])
        if kind not in _KINDS:
            raise CallFailed("bad_input", f"{kind[:40]} is not a command; commands are {', '.join(sorted(_KINDS))}")
        return load_input(kind, str(body["body"])), by, via
    except (KeyError, TypeError, ValueError) as error:
        raise CallFailed("bad_input", f"this is not a command: {error}") from None


def ping(path: Path, limit_s: float) -> bool:
    """Blocking, for rescue: does the engine answer on its socket within that time? Raises OSError: no."""
    frame = json.dumps({"op": "call", "id": 1, "method": "ping", "body": {}}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(limit_s)
        link.connect(str(path))
        link.sendall(len(frame).to_bytes(4) + frame)
        return bool(link.recv(1))
