"""Telephone numbers at the border: whatever the network says becomes a bounded, printable `CallerNumber`."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers

from acd.ports import CallerNumber

LONGEST_RAW = 64
LONGEST_NAME = 64
# Looked at before filtering, so that ten kilobytes of junk cost nothing.
_LOOKED_AT = 512
_SHAPE = re.compile(r"\+?[0-9][0-9 ().-]{1,30}")
_WITHHELD = frozenset(
    {"", "anonymous", "asserted", "private", "restricted", "unavailable", "unknown", "withheld", "<unknown>", "(null)"}
)


def printable(text: str, longest: int) -> str:
    """At most `longest` characters of the text, without control, format (bidi), surrogate and private characters.

    Runs of blanks become one space.
    """
    kept = (
        " " if ch.isspace() else ch for ch in text[:_LOOKED_AT] if ch.isspace() or unicodedata.category(ch)[0] != "C"
    )
    return " ".join("".join(kept).split())[:longest].rstrip()


def e164(raw: str, region: str) -> str:
    """The number as +886912345678, or "" when it is none.

    A number with + must be possible; one without is read as dialled in `region` (ISO 3166, "TW") and must be valid
    there, so that an internal extension never becomes somebody's number.
    """
    if not _SHAPE.fullmatch(raw):
        return ""
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return ""
    good = phonenumbers.is_possible_number if raw.startswith("+") else phonenumbers.is_valid_number
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if good(number) else ""


def caller_number(raw: str, name: str = "", region: str = "TW") -> CallerNumber:
    """Who calls, as the network says it. A withheld number gives raw "" and e164 "". Never raises."""
    number = printable(raw, LONGEST_RAW)
    if number.lower() in _WITHHELD:
        number = ""
    told = printable(name, LONGEST_NAME)
    return CallerNumber(raw=number, e164=e164(number, region), name="" if told.lower() in _WITHHELD else told)


def is_anonymous(number: CallerNumber) -> bool:
    """True when the caller withheld the number."""
    return not number.raw
