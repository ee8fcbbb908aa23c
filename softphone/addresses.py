"""Texts that go into SIP messages: whatever they hold, they cannot end a header or begin another."""

from __future__ import annotations

import re
from urllib.parse import quote

from softphone.errors import PhoneError

TARGET = re.compile(r"[^\s<>\"\x00-\x1f\x7f]{1,256}")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")
HEADER_LENGTH = 512


def uri_of(user: str, host: str) -> str:
    """A SIP address; every character of the user that RFC 3261 does not allow there is percent-encoded."""
    return f"sip:{quote(user, safe='-_.!~*()&=+$,')}@{host}"


def address_of(user: str, host: str, display_name: str = "") -> str:
    """A From address. Both texts may hold anything: the user is percent-encoded, the name is quoted, and
    control characters (which would end the header) become spaces."""
    name = CONTROL.sub(" ", display_name).replace("\\", "\\\\").replace('"', '\\"')
    shown = f'"{name}" ' if name else ""
    return f"{shown}<{uri_of(user, host)}>"


def server_uri(server: str, transport: str = "udp") -> str:
    """The address of a server itself; UDP is what goes without saying."""
    return f"sip:{server}" + ("" if transport == "udp" else f";transport={transport}")


def target_of(to: str, server: str, transport: str = "udp") -> str:
    """The SIP address to call: a full ``sip:`` address as it is, anything else at ``server``."""
    if not TARGET.fullmatch(to):
        raise PhoneError('an address to call has 1 to 256 visible characters and none of < > "')
    if to.lower().startswith(("sip:", "sips:")):
        return to
    if not server:
        raise PhoneError(f"{to}: without --server only a full address such as sip:{to}@host can be called")
    return uri_of(to, server) + ("" if transport == "udp" else f";transport={transport}")


def header_of(name: str, value: str) -> tuple[str, str]:
    """A header that may be added to an INVITE: the name checked, the value on one line and bounded."""
    if not HEADER_NAME.fullmatch(name):
        raise PhoneError("a header's name is 1 to 64 letters, digits or hyphens")
    return name, CONTROL.sub(" ", value)[:HEADER_LENGTH]
