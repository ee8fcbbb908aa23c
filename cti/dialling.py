"""Numbers and legs at the border to the network, as pure rules: which entry point a carrier's number opens, who calls,
what is dialled and shown on a line, and the variables a channel of ours is made with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from acd.ports import CallerNumber
from cti.config import Form, NumberRules, Shown, Trunk
from cti.numbers import caller_number, e164

EXTENSION_LEG = "extension-leg"
"""The dialplan's pre-dial routine for a phone of ours."""
TRANSFER_HANDLING = "PJSIP_TRANSFER_HANDLING()"
OURS = "ari-only"
TRANSFERS_OURS = f"Set({TRANSFER_HANDLING}={OURS})"
PHONE_LEG: Mapping[str, str] = {TRANSFER_HANDLING: OURS}
"""The variables every channel to a phone of ours must be created with (POST channels/create): its REFER then comes as a
ChannelTransfer event, and Asterisk moves nothing itself (ADR 0013)."""

_DIALLED = re.compile(r"\+?[0-9*#]{1,24}")
_TELEPHONE = re.compile(r"\+?[0-9]{1,20}")
# As an extension of the dialplan: no pattern (_), no name with a meaning of its own (h, s, i, ...).
_ACCOUNT = re.compile(r"[A-Za-z0-9+][A-Za-z0-9_.+-]{1,39}")


class CannotDial(ValueError):
    """This number cannot go out by this line; the text says why."""


@dataclass(frozen=True, slots=True)
class LineLeg:
    """A channel to the outside to be created: its endpoint, and the variables it is made with.

    Dial it without `caller`, which would put the agent's extension in place of the number shown.
    """

    endpoint: str
    variables: Mapping[str, str]


def trunk_named(trunks: Iterable[Trunk], name: str) -> Trunk | None:
    """The line of that name."""
    return next((trunk for trunk in trunks if trunk.name == name), None)


def international(text: str, rules: NumberRules, region: str) -> str:
    """A number as this carrier writes it, as +886212345678; "" when it is none."""
    if not _TELEPHONE.fullmatch(text):
        return ""
    return e164(_with_plus(text, rules), region)


def _with_plus(text: str, rules: NumberRules) -> str:
    """Longest prefix first: 002 before 00 before 0."""
    if text.startswith("+"):
        return text
    abroad = [prefix for prefix in rules.international_prefixes if prefix and text.startswith(prefix)]
    if abroad:
        return "+" + text.removeprefix(max(abroad, key=len))
    if rules.country_code and rules.national_prefix and text.startswith(rules.national_prefix):
        return f"+{rules.country_code}{text.removeprefix(rules.national_prefix)}"
    return f"+{text}" if rules.bare_international else text


def read_caller(trunk: Trunk | None, raw: str, name: str, region: str) -> CallerNumber:
    """Who calls, by the line's rules. `raw` stays as the network said it. Never raises."""
    told = caller_number(raw, name, region)
    if trunk is None:
        return told
    return CallerNumber(raw=told.raw, e164=international(told.raw, trunk.rules, region), name=told.name)


def written(number: str, trunk: Trunk, region: str) -> str:
    """A number as this carrier wants it. What is no telephone number (110, a short code) stays as it is."""
    rules = trunk.rules
    # What a person dials without prefix is a number of this country, also where the carrier itself says it in full.
    whole = international(number, replace(rules, bare_international=False), region)
    if not whole:
        return number
    match rules.sent:
        case Form.AS_IS:
            return number
        case Form.PLUS:
            return whole
        case Form.INTERNATIONAL:
            return whole.removeprefix("+")
        case Form.NATIONAL:
            return _national(whole, rules)


def _national(whole: str, rules: NumberRules) -> str:
    if rules.country_code and whole.startswith("+" + rules.country_code):
        return rules.national_prefix + whole.removeprefix("+" + rules.country_code)
    return (rules.international_prefixes[0] if rules.international_prefixes else "+") + whole.removeprefix("+")


def shown_number(trunk: Trunk, *, agent: str = "", asked: str = "") -> str:
    """Whose number a call by this line shows: by its rule, else its own number; "" when it has none.

    `agent` is the agent's own direct number, `asked` the one asked for (an outbound code's).
    """
    wanted = {Shown.FIXED: "", Shown.AGENT: agent, Shown.LISTED: asked if asked in trunk.listed else ""}[trunk.shown]
    return wanted if _TELEPHONE.fullmatch(wanted) else trunk.number


def line_leg(trunk: Trunk, number: str, region: str, *, shown: str = "") -> LineLeg:
    """The channel that calls `number` by this line, showing `shown` (see `shown_number`), or withheld when it is empty.

    Raises CannotDial.
    """
    if not trunk.takes_out:
        raise CannotDial(f"line {trunk.name} takes no calls out")
    if not _DIALLED.fullmatch(number):
        raise CannotDial("a number is 1 to 24 digits, * and #, + only in front")
    known = written(shown, trunk, region) if _TELEPHONE.fullmatch(shown) else ""
    return LineLeg(
        f"PJSIP/{written(number, trunk, region)}@{trunk.name}",
        {
            "CONNECTEDLINE(num,i)": known,
            "CONNECTEDLINE(name,i)": "",
            "CONNECTEDLINE(pres)": "allowed" if known else "prohib",
        },
    )


def spellings(number: str, rules: NumberRules) -> tuple[str, ...]:
    """Every way a carrier may write a number of ours: as given, with and without + and country code, national."""
    found = [number]
    plain = number.removeprefix("+")
    if rules.country_code and plain.startswith(rules.country_code):
        found += [f"+{plain}", plain, rules.national_prefix + plain.removeprefix(rules.country_code)]
    elif rules.country_code and rules.national_prefix and number.startswith(rules.national_prefix):
        rest = rules.country_code + number.removeprefix(rules.national_prefix)
        found += [f"+{rest}", rest]
    else:
        found += [plain, f"+{plain}"]
    return tuple(dict.fromkeys(found))


def entries_of(trunk: Trunk, entries: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Number dialled → (entry point, number of ours), for every number the line may bring; known entry points only.

    A line without a table of its own brings the entry numbers themselves, one with a table nothing else.
    """
    if not trunk.takes_in:
        return {}
    if not trunk.dids and not trunk.entry:
        return {number: (number, number) for number in entries}
    found: dict[str, tuple[str, str]] = {}
    for did in trunk.dids:
        for text in spellings(did.number, trunk.rules):
            found.setdefault(text, (did.entry, did.number))
    account = trunk.account.partition("@")[0]
    if trunk.entry and _ACCOUNT.fullmatch(account):
        for text in (account, *(spellings(trunk.number, trunk.rules) if trunk.number else ())):
            found.setdefault(text, (trunk.entry, trunk.number or account))
    return {text: target for text, target in found.items() if target[0] in entries}
