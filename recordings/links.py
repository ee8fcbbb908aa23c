"""Play links: whoever has one may hear one recording until it expires, in a page or player that sends no token.

The permission is checked when the link is made; the signature covers everything in it, so nothing of it can be changed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from urllib.parse import urlencode

from acd.core.model import SECOND, Micros

LONGEST_S = 3600
SHAPE = re.compile(r"[0-9a-f]{64}")


class BadLink(Exception):
    """`code` is stable: link_wrong (nobody made this) or link_expired."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Link:
    """What a link allows. `who` asked for it: token:ID, or cli. `kind`: flac or wav. `until` is in whole seconds."""

    recording: str
    who: str
    kind: str
    until: int


def make(link_key: str, recording: str, who: str, kind: str, now: Micros, seconds: int) -> tuple[Link, str]:
    """The link, and its query string."""
    until = now // SECOND + min(max(1, seconds), LONGEST_S)
    link = Link(recording, who, kind, until)
    query = {"who": who, "as": kind, "until": until, "sign": _sign(link_key, link)}
    return link, urlencode(query)


def check(link_key: str, link: Link, sign: str, now: Micros) -> None:
    """Raises BadLink unless we made this link and it is still good; a wrong one is called wrong, never expired."""
    right = _sign(link_key, link)
    if not SHAPE.fullmatch(sign) or not hmac.compare_digest(right, sign):
        raise BadLink("link_wrong")
    if now // SECOND >= link.until:
        raise BadLink("link_expired")


def name(sign: str) -> str:
    """What a link is called in notes: from it nobody can make the link."""
    return hashlib.sha256(f"link {sign}".encode()).hexdigest()[:12]


def _sign(link_key: str, link: Link) -> str:
    key = hmac.new(link_key.encode(), b"play links", hashlib.sha256).digest()
    content = json.dumps([1, link.recording, link.who, link.kind, link.until], separators=(",", ":"))
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()
