"""What keeps lines, outbound codes and dial classes from being applied. Hostile text must not reach a configuration."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import phonenumbers

from directory.model import DialClass, OutboundCode, Problem, Snapshot, Trunk

TRUNK_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,120}")
ACCOUNT = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")
OUTSIDE_NUMBER = re.compile(r"\+?[0-9]{1,20}")
CODE = re.compile(r"[0-9*#]{1,8}")
PREFIX = re.compile(r"\+[0-9]{1,15}")
SHORT = re.compile(r"[0-9]{2,6}")
CODECS = frozenset({"alaw", "ulaw", "g722", "opus", "gsm"})
ALLOWED: dict[str, frozenset[str]] = {
    "direction": frozenset({"in", "out", "both"}),
    "transport": frozenset({"udp", "tcp", "tls"}),
    "shown": frozenset({"fixed", "agent", "listed"}),
}
FORMS = frozenset({"plus", "international", "national", "as_is"})


def _trunk_problems(given: Snapshot) -> Iterator[Problem]:
    entries = {entry.id for entry in given.entries}
    for trunk in given.trunks:
        for say in _wrong_trunk(trunk):
            yield Problem("bad_trunk", f"trunk {trunk.id[:40]}: {say}")
        for entry in (*(did.entry for did in trunk.dids), *([trunk.entry] if trunk.entry else [])):
            if entry not in entries:
                yield Problem("unknown_entry", f"trunk {trunk.id} opens entry point {entry}, which does not exist")


def _wrong_trunk(trunk: Trunk) -> Iterator[str]:
    if not TRUNK_ID.fullmatch(trunk.id) or trunk.id.isdigit():
        yield "an id is letters, digits, - and _, and not a number"
    if not HOST.fullmatch(trunk.address):
        yield "an address is host or host:port"
    if any(text and not ACCOUNT.fullmatch(text) for text in (trunk.username, trunk.from_user)):
        yield "user names are letters, digits and _ . + @ - only"
    if trunk.from_domain and not HOST.fullmatch(trunk.from_domain):
        yield "the domain of From is a host"
    if trunk.registers and not trunk.username:
        yield "to register it needs a user name"
    for name, allowed in ALLOWED.items():
        if getattr(trunk, name) not in allowed:
            yield f"{name} is one of {', '.join(sorted(allowed))}"
    if trunk.rules.sent not in FORMS:
        yield f"numbers are sent as one of {', '.join(sorted(FORMS))}"
    if not trunk.codecs or not CODECS.issuperset(trunk.codecs):
        yield f"codecs are one or more of {', '.join(sorted(CODECS))}"
    numbers = (trunk.number, *trunk.listed, *(did.number for did in trunk.dids))
    if bad := next((number for number in numbers if number and not OUTSIDE_NUMBER.fullmatch(number)), ""):
        yield f"{bad[:24]!r} is not a number of 1 to 20 digits, with or without +"
    if not 0 <= trunk.cap <= 10_000:
        yield "a cap is 0 (none) to 10000 calls"


def _code_problems(given: Snapshot) -> Iterator[Problem]:
    trunks = {trunk.id: trunk for trunk in given.trunks}
    for code in given.codes:
        who = f"outbound code {code.id[:10]}"
        if not CODE.fullmatch(code.id):
            yield Problem("bad_code", f"{who}: it is 1 to 8 digits, * and #")
        if code.trunk not in trunks:
            yield Problem("unknown_trunk", f"{who} goes by trunk {code.trunk}, which does not exist")
        elif trunks[code.trunk].direction == "in":
            yield Problem("bad_code", f"{who}: trunk {code.trunk} takes no calls out")
        yield from _code_parts(code, given)
    if len([code for code in given.codes if code.default]) > 1:
        yield Problem("bad_code", "only one outbound code can be the one for numbers dialled without a code")


def _code_parts(code: OutboundCode, given: Snapshot) -> Iterator[Problem]:
    if code.shown and not OUTSIDE_NUMBER.fullmatch(code.shown):
        yield Problem("bad_code", f"outbound code {code.id}: {code.shown[:24]!r} is not a number that can be shown")
    if code.queue and given.queue(code.queue) is None:
        yield Problem("unknown_queue", f"outbound code {code.id} is of queue {code.queue}, which does not exist")


def _class_problems(given: Snapshot) -> Iterator[Problem]:
    for one in given.dial_classes:
        yield from (Problem("bad_dial_class", f"dial class {one.id}: {say}") for say in _wrong_class(one))
    known = {one.id for one in given.dial_classes}
    for seat in given.classes:
        if seat.dial_class not in known:
            yield Problem("unknown_dial_class", f"seat {seat.seat} has dial class {seat.dial_class}, which is not one")


def _wrong_class(one: DialClass) -> Iterator[str]:
    for pattern in (*one.allow, *one.deny):
        region = pattern in phonenumbers.SUPPORTED_REGIONS
        if not (region or PREFIX.fullmatch(pattern) or SHORT.fullmatch(pattern)):
            yield f"{pattern[:20]!r} is neither a country such as TW, nor +886..., nor a short number"


LINE_CHECKS: tuple[Callable[[Snapshot], Iterator[Problem]], ...] = (_trunk_problems, _code_problems, _class_problems)
