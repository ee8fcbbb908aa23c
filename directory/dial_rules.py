"""Who may call what, as pure rules on the directory (V14, toll fraud): read the number, take its outbound code off, ask
the dial class, name the route. Nothing is allowed that no dial class names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from acd.core.model import Route
from acd.ports import DialRefused
from directory.model import DialClass, OutboundCode, Snapshot
from directory.routes import route_of

CALLBACK = "callback"
"""The dial class that callers' own numbers must pass before they are called back."""
FORWARD = "forward"
"""The dial class that numbers outside must pass before menus and queues may lead there."""
LONGEST = 40
COSTLY = frozenset({PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.PERSONAL_NUMBER})
_NOISE = re.compile(r"[ ()./\u2011-]")
_NUMBER = re.compile(r"\+?[0-9*#]+")


@dataclass(frozen=True, slots=True)
class Called:
    """A number as it is to be called: `e164` is "" for a short number; `code` is the outbound code that holds."""

    raw: str
    e164: str
    code: OutboundCode


def read_dialled(
    given: Snapshot, dialled: str, region: str, emergency: tuple[str, ...]
) -> tuple[Called, bool] | DialRefused:
    """The number in what was dialled, and whether it is an emergency number. The longest outbound code that leaves a
    number counts; a number with + in front has none."""
    text = _NOISE.sub("", dialled[: 2 * LONGEST])
    if not _spelled(text) or len(text) > LONGEST:
        return DialRefused("bad_number", "A number is digits, with + only in front of the country code.")
    splits = list(_splits(given, text))
    for code, rest in splits:
        if rest in emergency and line_refusal(given, code) is None:
            return Called(rest, "", code), True
    if text in emergency:
        any_code = next((one for one in given.codes if line_refusal(given, one) is None), None)
        if any_code is None:
            return DialRefused("no_line", "No line takes emergency calls.")
        return Called(text, "", any_code), True
    for code, rest in splits:
        short = rest if _is_short(given, rest) else ""
        whole = "" if short else e164_of(rest, region)
        if short or whole:
            return Called(rest, whole, code), False
    if not given.codes:
        return DialRefused("no_line", "No outbound code is set up, so no number outside can be called.")
    if not splits:
        return DialRefused("unknown_code", "Dial an outbound code first: there is none that holds without one.")
    return DialRefused("bad_number", "This is no telephone number of any country, with or without its outbound code.")


def _spelled(text: str) -> bool:
    """Digits, * and #, and a + at the beginning or right after an outbound code."""
    code, plus, rest = text.partition("+")
    if not plus:
        return bool(_NUMBER.fullmatch(text))
    return (not code or bool(_NUMBER.fullmatch(code))) and rest.isascii() and rest.isdigit()


def _splits(given: Snapshot, text: str) -> Iterator[tuple[OutboundCode, str]]:
    """(code, rest) for each code it may begin with, longest first, then the default with the whole."""
    if not text.startswith("+"):
        for code in sorted(given.codes, key=lambda one: (-len(one.id), one.id)):
            if text.startswith(code.id) and len(text) > len(code.id):
                yield code, text.removeprefix(code.id)
    default = next((code for code in given.codes if code.default), None)
    if default is not None and "+" not in text[1:]:
        yield default, text


def _is_short(given: Snapshot, text: str) -> bool:
    """A short number that some dial class names."""
    return any(text in (*one.allow, *one.deny) and text.isdigit() for one in given.dial_classes)


def e164_of(text: str, region: str) -> str:
    """A valid number as +886212345678, "" for what is none."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.format_number(number, PhoneNumberFormat.E164) if phonenumbers.is_valid_number(number) else ""


def refusal(rule: DialClass | None, called: Called) -> DialRefused | None:
    """Why this class may not call this number, or None."""
    if rule is None:
        return DialRefused(
            "no_dial_class", "This seat may call no number outside; an administrator can give it a dial class."
        )
    target = called.e164 or called.raw
    if not _names(rule.allow, target) or _names(rule.deny, target):
        return DialRefused("destination_not_allowed", f"Dial class {rule.id} does not allow this number.")
    if called.e164 and not rule.premium and phonenumbers.number_type(phonenumbers.parse(called.e164)) in COSTLY:
        return DialRefused("premium_not_allowed", f"This number costs extra; dial class {rule.id} does not allow that.")
    return None


def _names(patterns: tuple[str, ...], target: str) -> bool:
    return any(_matches(pattern, target) for pattern in patterns)


def _matches(pattern: str, target: str) -> bool:
    if pattern.startswith("+"):
        return target.startswith(pattern)
    if pattern.isdigit():
        return target == pattern
    return target.startswith("+") and phonenumbers.region_code_for_number(phonenumbers.parse(target)) == pattern


def line_refusal(given: Snapshot, code: OutboundCode) -> DialRefused | None:
    """Why the code's line takes no call, or None."""
    trunk = next((one for one in given.trunks if one.id == code.trunk), None)
    if trunk is None or trunk.direction == "in":
        return DialRefused("no_line", f"The line of outbound code {code.id} takes no calls out.")
    return None


def callback_route(given: Snapshot, code_id: str, number: str, address: str, region: str) -> Route | DialRefused:
    """The way back to a caller, where the class CALLBACK allows his number."""
    return _fixed_route(given, CALLBACK, code_id, number, address, region)


def forward_route(given: Snapshot, code_id: str, number: str, address: str, region: str) -> Route | DialRefused:
    """The way of a menu or queue to a number outside, where the class FORWARD allows it."""
    return _fixed_route(given, FORWARD, code_id, number, address, region)


def _fixed_route(
    given: Snapshot, class_id: str, code_id: str, number: str, address: str, region: str
) -> Route | DialRefused:
    code = given.code(code_id)
    if code is None:
        return DialRefused("unknown_code", f"There is no outbound code {code_id[:10]}.")
    whole = e164_of(number, region)
    if not whole:
        return DialRefused("bad_number", "This is no telephone number of any country.")
    refused = refusal(given.dial_class(class_id), Called(number, whole, code)) or line_refusal(given, code)
    return refused or route_of(given, code, address)
