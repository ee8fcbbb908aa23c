"""Commands to the engine over its unix socket, and the engine's answers. Both ends of the small protocol.

submit  {kind, body, by, via}  ->  {done: {item, offer, note}} or {refused: {code, say}}, with {seq}
ping    {}                     ->  {pid, seq}
keys    {seat, item, digits, by, via}  ->  as submit: digits into the conversation, as tones
stats   {}                     ->  figures of the engine, see api.engine
phones  {}                     ->  {phones: {extension: state}}, as Asterisk has them now
lines   {}                     ->  {lines: {line: state, usable, calls, cap}}, likewise
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Awaitable, Callable, Mapping
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
    MuteAsked,
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
from acd.core.model import State
from acd.core.reply import Code, Done, Refused, Reply
from acd.core.shapes import PLACES, Place
from storage.bus import CallFailed, EngineAway

CALL_LIMIT_S = 5.0
KEYS = re.compile("[0-9A-D*#]{1,32}")
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
    MuteAsked,
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


async def asterisk_tells(caller: Caller, what: str) -> Mapping[str, Mapping[str, Any]]:
    """What Asterisk tells the engine of each phone ("phones") or line ("lines"), by its id; empty while one of them is
    away."""
    try:
        found: Mapping[str, Mapping[str, Any]] = (await caller.call(what, {})).get(what, {})
    except (EngineAway, CallFailed):
        return {}
    return found


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


# --- the keypad ------------------------------------------------------------------------------------------------------

Query = Callable[[Callable[[State], str | Refused]], Awaitable[str | Refused]]
"""acd.runtime.Runtime.query."""
Send = Callable[[str, str], Awaitable[object]]
"""Plays (leg, digits) to the party of that leg; False where Asterisk does not answer."""


async def press(caller: Caller, seat: str, item: str, digits: str, *, by: str, via: str) -> Answer:
    """Ask the engine to send digits to the customer. Raises storage.bus.EngineAway, CallFailed."""
    body = {"seat": seat, "item": item, "digits": digits, "by": by, "via": via}
    told = await caller.call("keys", body, CALL_LIMIT_S)
    return Answer(_reply_from(told), int(told["seq"]))


async def pressed(body: Mapping[str, Any], query: Query, send: Send) -> Reply:
    """The engine's side. Digits may be a card's number: they are in no fact, no log and no error. Raises CallFailed."""
    seat, item, digits = (str(body.get(name, "")) for name in ("seat", "item", "digits"))
    if not KEYS.fullmatch(digits):
        raise CallFailed("bad_input", f"keys are {KEYS.pattern}")
    leg = await query(lambda state: customer_heard(state, seat, item))
    if isinstance(leg, Refused):
        return leg
    try:
        done = await send(leg, digits)
    except Exception as error:  # its text may hold the request, and the request the digits
        raise CallFailed("keys_not_sent", f"the keys were not sent: {type(error).__name__}") from None
    if done is False:
        raise CallFailed("keys_not_sent", "the keys were not sent: Asterisk does not answer")
    return Done(item=item)


def customer_heard(state: State, seat: str, item: str) -> str | Refused:
    """The customer's leg, while the conversation is the seat's and both are in its bridge."""
    found = state.items.get(item)
    if found is None:
        return Refused(Code.UNKNOWN_ITEM, f"there is no item {item}")
    places = PLACES[found.shape]
    if found.seat != seat or places.seat is not Place.BRIDGE:
        return Refused(Code.NOT_SERVING, f"seat {seat} is not in a conversation with this customer")
    if places.customer is not Place.BRIDGE:
        return Refused(Code.WRONG_SHAPE, "the customer does not hear the seat now")
    return found.leg


def ping(path: Path, limit_s: float) -> bool:
    """Blocking, for rescue: does the engine answer on its socket within that time? Raises OSError: no."""
    frame = json.dumps({"op": "call", "id": 1, "method": "ping", "body": {}}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(limit_s)
        link.connect(str(path))
        link.sendall(len(frame).to_bytes(4) + frame)
        return bool(link.recv(1))
