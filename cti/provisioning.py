"""Extensions made, changed and removed while Asterisk runs, by ARI push configuration: three objects each (auth, aor,
endpoint) in astdb, in force at once. astdb is written once a second, so after a kill -9 the last second may be lost:
who provisions puts everything again when Asterisk has been started. And the members of the fall-back queue, by AMI.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from cti.ami import Ami, AmiError, AmiGone, Message
from cti.config import AsteriskSettings, new_password
from cti.dialplan import FALLBACK, FROM_AGENTS
from cti.numbers import printable

Call = Callable[[str, str, Mapping[str, Any] | None], Awaitable[tuple[int, Any]]]
"""(method, path below /ari, JSON body) → (status, JSON answer). Raises OSError when Asterisk is away."""

Contacts = Callable[[], Awaitable[Mapping[str, Sequence[str]]]]
"""() → extension → Asterisk's names of its registrations. Raises AmiError, AmiGone, OSError."""

HTTP_LIMIT_S = 5.0
LONGEST_NAME = 40
LONGEST_AGENT = 80
# Sound gone this long means the browser was killed: without it the channel stays up for ever.
BROWSER_RTP_TIMEOUT_S = 30
_EXTENSION = re.compile(r"[0-9]{2,12}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{12,64}")
# These end a display name or the option it stands in.
_NOT_IN_NAME = re.compile(r'["<>\\;,&|${}\[\]]')


class PhoneKind(StrEnum):
    """What registers as an extension; the directory's own words."""

    SOFTPHONE = "softphone"  # a program with a headset
    DESK = "desk"  # a hardphone, 一般分機
    BROWSER = "browser"


@dataclass(frozen=True, slots=True)
class Expiry:
    """Seconds a registration lasts: the least, what is given when the phone does not ask, the most."""

    least: int
    usual: int
    most: int


# A program may vanish with its notebook; a desk phone stays where it is, and a hundred of them should not chatter.
EXPIRIES = {
    PhoneKind.SOFTPHONE: Expiry(30, 300, 600),
    PhoneKind.DESK: Expiry(60, 1800, 3600),
    PhoneKind.BROWSER: Expiry(30, 300, 600),
}

# What a kind adds to the endpoint.
_KIND_FIELDS: dict[PhoneKind, dict[str, str]] = {
    PhoneKind.SOFTPHONE: {"webrtc": "no", "media_encryption": "no", "media_encryption_optimistic": "no"},
    # SRTP with a phone that speaks it, plain RTP with one that does not.
    PhoneKind.DESK: {"webrtc": "no", "media_encryption": "sdes", "media_encryption_optimistic": "yes"},
    PhoneKind.BROWSER: {
        "allow": "opus,ulaw,alaw,g722",
        "webrtc": "yes",
        "dtls_auto_generate_cert": "yes",
        "rtp_timeout": str(BROWSER_RTP_TIMEOUT_S),
        "rtp_timeout_hold": str(BROWSER_RTP_TIMEOUT_S),
    },
}


class ProvisioningFailed(Exception):
    """Asterisk did not take it; the text says what it answered."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension to be. `password` empty: a random one is made. Raises ValueError for what cannot be one."""

    number: str
    name: str = ""
    password: str = field(default="", repr=False)
    kind: PhoneKind = PhoneKind.SOFTPHONE

    def __post_init__(self) -> None:
        """Only digits: no extension can bear the name of a trunk, a template or another object."""
        if not _EXTENSION.fullmatch(self.number):
            raise ValueError(f"extension {self.number[:20]!r}: 2 to 12 digits are allowed")
        if self.password and not _SECRET.fullmatch(self.password):
            raise ValueError("an extension's password is 12 to 64 letters, digits, - and _")


def http_call(given: AsteriskSettings) -> Call:
    """A `Call` over plain HTTP on loopback, a connection for each request."""
    login = base64.b64encode(f"{given.ari_user}:{given.ari_password}".encode()).decode()

    def ask(method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        link = http.client.HTTPConnection(given.http_host, given.http_port, timeout=HTTP_LIMIT_S)
        try:
            headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
            link.request(method, f"/ari/{path.lstrip('/')}", None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (http.client.HTTPException, ValueError) as error:  # a booting Asterisk answers with a page of HTML
            raise OSError(f"ARI: {error!r}") from None
        finally:
            link.close()

    async def call(method: str, path: str, body: Mapping[str, Any] | None) -> tuple[int, Any]:
        return await asyncio.to_thread(ask, method, path, body)

    return call


def shown_name(name: str) -> str:
    """A person's name as it may stand in a caller id."""
    return printable(_NOT_IN_NAME.sub(" ", name), LONGEST_NAME)


def objects(given: Extension, qualify_s: int) -> dict[str, dict[str, str]]:
    """The three objects of an extension in the order they are made: kind → fields."""
    number = given.number
    endpoint = {
        "context": FROM_AGENTS,
        "disallow": "all",
        "allow": "ulaw,alaw,g722,opus",
        "auth": number,
        "aors": number,
        "callerid": f'"{shown_name(given.name) or number}" <{number}>',
        "direct_media": "no",
        "rtp_symmetric": "yes",
        "force_rport": "yes",
        "rewrite_contact": "yes",
        "send_pai": "yes",
        "dtmf_mode": "rfc4733",
        # A REFER becomes a ChannelTransfer event: every channel is made with PJSIP_TRANSFER_HANDLING()=ari-only, by the
        # dialplan or cti.dialling.PHONE_LEG. As set_var it does not come through astdb (22.10.1; ADR 0013).
        "allow_transfer": "yes",
    }
    endpoint |= _KIND_FIELDS[given.kind]
    expiry = EXPIRIES[given.kind]
    return {
        "auth": {"auth_type": "userpass", "username": number, "password": given.password},
        "aor": {
            "max_contacts": "1",
            "remove_existing": "yes",
            "minimum_expiration": str(expiry.least),
            "default_expiration": str(expiry.usual),
            "maximum_expiration": str(expiry.most),
            "qualify_frequency": str(qualify_s),
            "qualify_timeout": "3.0",
        },
        "endpoint": endpoint,
    }


def _body(values: Mapping[str, str]) -> dict[str, Any]:
    return {"fields": [{"attribute": key, "value": value} for key, value in values.items()]}


def _told(value: str) -> str:
    """As Asterisk shows what was put as this."""
    if re.fullmatch(r"\d+\.\d+", value):
        return f"{float(value):.6f}"
    return {"yes": "true", "no": "false"}.get(value, value)


class Provisioning:
    """Extensions of one Asterisk."""

    def __init__(self, call: Call, *, qualify_s: int = 15, contacts: Contacts | None = None) -> None:
        """`qualify_s`: each registered phone is asked that often whether it lives; 0 = never. `contacts`: ends the
        registrations of a password that holds no more; without it they last until they expire."""
        self._call, self._qualify_s, self._contacts = call, qualify_s, contacts

    async def put(self, given: Extension) -> str:
        """Make the extension or change it to this; gives its password. Repeating is harmless. A phone that registered
        with another password is registered no more; the call it is in goes on.

        Raises ProvisioningFailed, or OSError when Asterisk is away.
        """
        password = given.password or new_password()
        made = Extension(given.number, given.name, password, given.kind)
        had = await self._fields("endpoint", given.number)
        if had is not None:
            await self._end_another_password(given.number, password)
        if had is not None and (had.get("webrtc") == "yes") is not (given.kind is PhoneKind.BROWSER):
            # webrtc=yes sets a dozen other fields, and a later PUT keeps what it does not name.
            await self._ask("DELETE", "endpoint", given.number, None)
        for kind, values in objects(made, self._qualify_s).items():
            if kind == "aor":
                await self._put_aor(given.number, values)
            else:
                await self._ask("PUT", kind, given.number, _body(values))
        return password

    async def _put_aor(self, number: str, wanted: Mapping[str, str]) -> None:
        """Never changed where it lies: Asterisk (22.10.1) copies it by what it shows, and it shows who is registered
        as `contact`, which is a fixed address of the copy. The number would ring that phone for ever."""
        had = await self._fields("aor", number)
        if had is not None and all(had.get(key) == _told(value) for key, value in wanted.items()):
            return
        await self._ask("DELETE", "aor", number, None)
        await self._ask("PUT", "aor", number, _body(wanted))

    async def _fields(self, kind: str, number: str) -> dict[str, str] | None:
        status, told = await self._call("GET", f"asterisk/config/dynamic/res_pjsip/{kind}/{number}", None)
        return {row["attribute"]: row["value"] for row in told} if status == http.client.OK else None

    async def _end_another_password(self, number: str, password: str) -> None:
        """Nobody has registered with another one than this. The old one ends first, so that nobody comes back with it,
        and one that nobody knows holds until the last registration is gone: broken off, the next `put` ends the rest.
        """
        had = await self._fields("auth", number)
        if had is None or had.get("password") != password:
            await self.set_password(number)

    async def set_password(self, number: str, password: str = "") -> str:
        """Give an extension a new password (a random one if empty). Its registrations end."""
        made = Extension(number, password=password or new_password())
        await self._ask("PUT", "auth", number, _body({"password": made.password}))
        await self._drop_contacts(number)
        return made.password

    async def _drop_contacts(self, number: str) -> None:
        """As if its phones had signed off. What Asterisk keeps of a phone is no part of its calls: they go on."""
        if self._contacts is None:
            return
        try:
            found = await self._contacts()
        except (AmiError, AmiGone) as error:
            raise ProvisioningFailed(f"registrations of extension {number}: {error}") from None
        for contact in found.get(number, ()):
            await self._ask("DELETE", "contact", contact, None)
        had = await self._fields("aor", number)
        fixed = had.pop("contact", "") if had is not None else ""
        if had is not None and fixed:  # left by a change of the aor: see `_put_aor`
            await self._ask("DELETE", "aor", number, None)
            await self._ask("PUT", "aor", number, _body(had))

    async def remove(self, number: str) -> None:
        """Remove an extension with its registrations; one that is not there is no error."""
        await self._ask("DELETE", "auth", Extension(number).number, None)
        await self._drop_contacts(number)
        for kind in ("aor", "endpoint"):  # the endpoint last: by it one that was not removed to the end is found again
            await self._ask("DELETE", kind, number, None)

    async def started(self) -> str:
        """When this Asterisk was started, in its own words: another text, another start. Raises ProvisioningFailed."""
        status, told = await self._call("GET", "asterisk/info?only=status", None)
        if status != http.client.OK:
            raise ProvisioningFailed(f"status: Asterisk answered {status}")
        return str(told["status"]["startup_time"])

    async def listed(self) -> list[str]:
        """The extensions Asterisk knows, in order; trunks and other endpoints of the files are left out."""
        status, told = await self._call("GET", "endpoints/PJSIP", None)
        if status != http.client.OK:
            raise ProvisioningFailed(f"list of endpoints: Asterisk answered {status}")
        return sorted(row["resource"] for row in told if _EXTENSION.fullmatch(row["resource"]))

    async def remove_leftovers(self, wanted: Mapping[str, object]) -> list[str]:
        """Remove the extensions that are not in `wanted` (keys are numbers); gives those removed."""
        left = [number for number in await self.listed() if number not in wanted]
        for number in left:
            await self.remove(number)
        return left

    async def _ask(self, method: str, kind: str, number: str, body: Mapping[str, Any] | None) -> None:
        name = quote(number, safe="")  # a contact's holds ; and @
        status, told = await self._call(method, f"asterisk/config/dynamic/res_pjsip/{kind}/{name}", body)
        gone = method == "DELETE" and status == http.client.NOT_FOUND
        if status >= http.client.MULTIPLE_CHOICES and not gone:
            say = told.get("message", "") if isinstance(told, dict) else ""
            raise ProvisioningFailed(f"{kind} of extension {number}: Asterisk answered {status} {say}".rstrip())


@dataclass(frozen=True, slots=True)
class PhoneState:
    """A registered phone as Asterisk sees it. `answers` is None for one that is not asked, or not yet.

    `address` (host:port) is where its packets come from, `agent` what it calls itself: both are its own words, bounded.
    """

    number: str
    address: str
    agent: str
    answers: bool | None
    round_trip_us: int = 0
    expires_at: int = 0  # seconds since 1970


_ANSWERS = {"Reachable": True, "Unreachable": False}


async def registered_phones(ami: Ami) -> dict[str, PhoneState]:
    """The extensions that are registered now, by number. Raises AmiError, AmiGone."""
    states = (_phone_state(row) for row in await _contacts(ami))
    return {state.number: state for state in states if _EXTENSION.fullmatch(state.number)}


def contacts_of(given: AsteriskSettings) -> Contacts:
    """Every registration of this Asterisk, asked by AMI."""

    async def ask() -> Mapping[str, Sequence[str]]:
        found: dict[str, list[str]] = {}
        async with Ami(given) as ami:
            for row in await _contacts(ami):
                name = row.get("ObjectName")
                found.setdefault(name.partition(";@")[0], []).append(name)  # AOR;@digest
        return found

    return ask


async def _contacts(ami: Ami) -> list[Message]:
    try:
        return await ami.listing("PJSIPShowContacts", "ContactListComplete")
    except AmiError as error:
        if "No Contacts" not in str(error):
            raise
        return []


def _phone_state(row: Message) -> PhoneState:
    host, port = row.get("ViaAddr"), row.get("ViaPort")
    trip, expires = row.get("RoundtripUsec"), row.get("ExpirationTime")
    return PhoneState(
        number=row.get("Endpoint"),
        address=printable(f"{host}:{port}" if host else "", LONGEST_NAME),
        agent=printable(row.get("UserAgent"), LONGEST_AGENT),
        answers=_ANSWERS.get(row.get("Status")),
        round_trip_us=int(trip) if trip.isdigit() else 0,
        expires_at=int(expires) if expires.isdigit() else 0,
    )


class FallbackMembers:
    """Who takes calls while no engine is there: kept in Asterisk's own store, so nobody of us is needed."""

    def __init__(self, ami: Ami) -> None:
        """`ami` must be connected when a method is called."""
        self._ami = ami

    async def set(self, seats: Mapping[str, str]) -> None:
        """Make the members exactly these: seat id → extension. Only differences are sent."""
        wanted = {f"PJSIP/{Extension(number).number}": seat for seat, number in seats.items()}
        have = await self._ami.queue_members(FALLBACK)
        for interface, seat in have.items():
            if wanted.get(interface) != seat:
                await self._ami.remove_from_queue(FALLBACK, interface)
        for interface, seat in wanted.items():
            if have.get(interface) != seat:
                await self._ami.add_to_queue(FALLBACK, interface, seat)

    async def listed(self) -> dict[str, str]:
        """Seat id → extension."""
        members = await self._ami.queue_members(FALLBACK)
        return {seat: interface.removeprefix("PJSIP/") for interface, seat in members.items()}
