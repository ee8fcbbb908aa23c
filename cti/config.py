"""What an Asterisk of ours is run with: addresses, folders, users, numbers. Plain values, checked when they are made.

The two passwords never appear in `repr`. Fill empty ones with `with_secrets`, which keeps them beside the work folder,
so that a later process can adopt the Asterisk that runs.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import string
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path

APP = "ringside"
FROM_TRUNK = "from-trunk"
TRANSPORTS = ("udp", "tcp", "tls")
CODECS = ("alaw", "ulaw", "g722", "opus", "gsm")
PASSWORD_LENGTH = 20
_ALPHABET = string.ascii_letters + string.digits
_NUMBER = re.compile(r"[0-9]{1,20}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")
# What a carrier may give: anything printable; Asterisk's files need `;` escaped, which cti.trunks does.
_CARRIER_SECRET = re.compile(r"[\x21-\x7e]{1,80}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_.+@-]{1,80}")
_OUTSIDE_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_SHORT_CODE = re.compile(r"[0-9*#]{1,8}")
_EXTENSION = re.compile(r"[0-9]{2,12}")
_RESERVED = frozenset({"anonymous", "global", "system", "udp", "tcp", "tls", "ws"})
_HOST = re.compile(r"[A-Za-z0-9.:\[\]_-]{1,120}")
_DIAL = re.compile(r"[A-Za-z0-9_./@:{}-]{1,120}")
_FOLDER = re.compile(r"[^\x00-\x1f\x7f;\"\\]+")
# A unix socket's path holds at most 107 bytes (unix(7)); Asterisk's is WORK/run/asterisk.ctl.
_LONGEST_WORK = 107 - len("/run/asterisk.ctl")


class BadSettings(ValueError):
    """A value cannot be used; the text says which, why and what is allowed."""


def new_password() -> str:
    """A random password of 20 letters and digits (119 bits)."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_LENGTH))


class Direction(StrEnum):
    """Which calls a line carries."""

    IN = "in"
    OUT = "out"
    BOTH = "both"


class Shown(StrEnum):
    """Whose number a call out shows."""

    FIXED = "fixed"  # the line's own number
    AGENT = "agent"  # the agent's own number, else the line's
    LISTED = "listed"  # what was asked for when it is in the line's list, else the line's


class Form(StrEnum):
    """How a carrier wants a number written."""

    PLUS = "plus"  # +886212345678
    INTERNATIONAL = "international"  # 886212345678
    NATIONAL = "national"  # 0212345678; a number abroad with the first international prefix
    AS_IS = "as_is"  # as it is kept: +886212345678 however it was dialled, short numbers as they are


@dataclass(frozen=True, slots=True)
class NumberRules:
    """How a carrier writes numbers. `country_code` "" reads them by the installation's region alone.

    `bare_international`: numbers without + and prefix begin with a country code already. `sent` holds for the number
    called and the number shown.
    """

    country_code: str = ""
    national_prefix: str = "0"
    international_prefixes: tuple[str, ...] = ("00",)
    bare_international: bool = False
    sent: Form = Form.AS_IS


@dataclass(frozen=True, slots=True)
class Did:
    """A number the carrier sends calls for, and the entry point it opens."""

    number: str
    entry: str


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's SIP line: calls out go to `address` (host or host:port), calls in come from there and from `match`.

    `registers`: we log in at the carrier with user name and password, and it calls where we are; else it knows our
    address, and with a user name we answer its challenges.
    `number`: the line's own number: shown, and what the carrier calls us by. `shown`, `listed`: whose number is shown.
    `dids`: the carrier's numbers and their entry points; without one the number dialled must be an entry number.
    `entry`: the entry point of calls that name our account instead of a number.
    `max_calls` 0 = no limit: the core keeps it, Asterisk only shows busy above it.
    `from_user`, `from_domain`: what stands in From where the carrier wants the account there; the number shown is told
    in P-Asserted-Identity then.
    `qualify_s`: asked that often whether it lives; 0 for a carrier that does not answer OPTIONS.
    Transfers by the carrier are refused always.
    """

    name: str
    address: str
    username: str = ""
    password: str = field(default="", repr=False)
    registers: bool = False
    direction: Direction = Direction.BOTH
    transport: str = "udp"
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    number: str = ""
    shown: Shown = Shown.FIXED
    listed: tuple[str, ...] = ()
    dids: tuple[Did, ...] = ()
    entry: str = ""
    match: tuple[str, ...] = ()
    rules: NumberRules = NumberRules()
    from_user: str = ""
    from_domain: str = ""
    srtp: bool = False
    max_calls: int = 0
    qualify_s: int = 15
    expiry_s: int = 300

    @property
    def takes_in(self) -> bool:
        """Calls may come by it."""
        return self.direction is not Direction.OUT

    @property
    def takes_out(self) -> bool:
        """Calls may go by it."""
        return self.direction is not Direction.IN

    @property
    def context(self) -> str:
        """Where its calls enter the dialplan."""
        return f"{FROM_TRUNK}-{self.name}"

    @property
    def account(self) -> str:
        """How the carrier names us when it does not name a number."""
        return self.number.lstrip("+") or self.username


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """Everything the generated configuration depends on. Raises BadSettings for a value that cannot be used.

    `root`: the private Asterisk's folder (with run-bin/asterisk), or "" for the installed one.
    `http_host`, `ami_host` and `agi_host` must be loopback; SIP and RTP listen on `sip_host`.
    `emergency_dial`: where emergency numbers go first; `{number}` stands for the number. When it is empty or fails, the
    trunks that take calls out are tried in their order.
    `short_codes`: what may be dialled instead of an extension, also while the app is away.
    `sip_tls_port`, `sip_tls_cert`, `sip_tls_key`: SIP over TLS, with all three.
    `music_classes`: further music to wait by, name and folder.
    `app_away_s`: how long a new caller hears it ring while the app is away, before the fall-back takes him; as long as
    cti.rescue waits before it takes those who wait already.
    `music_dir`: a folder with music to wait by; empty: Asterisk's own.
    `extra_dialplan`: text added to extensions.conf (tests).
    """

    root: str
    work_dir: str
    sip_host: str = "127.0.0.1"
    sip_port: int = 5060
    external_address: str = ""
    http_host: str = "127.0.0.1"
    http_port: int = 8088
    ami_host: str = "127.0.0.1"
    ami_port: int = 5038
    agi_host: str = "127.0.0.1"
    agi_port: int = 4573
    rtp_start: int = 20000
    rtp_end: int = 29999
    ari_user: str = "ringside"
    ari_password: str = field(default="", repr=False)
    ami_user: str = "ringside"
    ami_password: str = field(default="", repr=False)
    app: str = APP
    entries: tuple[str, ...] = ("81", "82", "83")
    emergency_numbers: tuple[str, ...] = ("110", "119", "112", "120")
    emergency_dial: str = ""
    trunks: tuple[Trunk, ...] = ()
    short_codes: tuple[tuple[str, str], ...] = ()
    sip_tls_port: int = 0
    sip_tls_cert: str = ""
    sip_tls_key: str = ""
    allow_anonymous: bool = True
    default_region: str = "TW"
    country: str = "tw"
    languages: tuple[str, ...] = ("en",)
    recordings_dir: str = ""
    music_dir: str = ""
    music_classes: tuple[tuple[str, str], ...] = ()
    qualify_s: int = 15
    app_away_s: float = 5.0
    extra_dialplan: str = ""

    def __post_init__(self) -> None:
        """Refuse what would break out of a configuration line or listen where it must not."""
        wrong = next(_wrong(self), None)
        if wrong is not None:
            raise BadSettings(wrong)

    @property
    def work(self) -> Path:
        """The folder that holds etc, var, run, log, spool and data of this Asterisk."""
        return Path(self.work_dir)

    @property
    def recordings(self) -> Path:
        """Where recordings are written."""
        return Path(self.recordings_dir) if self.recordings_dir else self.work / "recordings"

    @property
    def cel_file(self) -> Path:
        """The channel event log: one CSV line an event (cti.cel)."""
        return self.work / "log/cel-custom/ringside.csv"

    @property
    def agi_url(self) -> str:
        """What the dialplan calls for a new caller."""
        return f"agi://{self.agi_host}:{self.agi_port}/entry"

    def dials_for_emergency(self, number: str) -> tuple[str, ...]:
        """The Dial() destinations of an emergency number, tried one after the other until somebody answers.

        The last round names the carriers' addresses, so that a line that answers no OPTIONS is tried nevertheless.
        """
        lines = [trunk for trunk in self.trunks if trunk.takes_out]
        told = [self.emergency_dial.replace("{number}", number)] if self.emergency_dial else []
        first = [f"PJSIP/{number}@{trunk.name}" for trunk in lines]
        last = [f"PJSIP/{trunk.name}/sip:{number}@{trunk.address}" for trunk in lines if trunk.qualify_s]
        return (*told, *first, *last)

    @property
    def tls(self) -> bool:
        """SIP over TLS is spoken."""
        return bool(self.sip_tls_port and self.sip_tls_cert and self.sip_tls_key)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _wrong(given: AsteriskSettings) -> Iterator[str]:
    """Each thing that is wrong, in words."""
    for name in ("http_host", "ami_host", "agi_host"):
        if not _is_loopback(getattr(given, name)):
            yield f"{name} is {getattr(given, name)!r}: it must be a loopback address such as 127.0.0.1"
    for name in ("root", "work_dir", "recordings_dir", "music_dir"):
        text = getattr(given, name)
        if text and not (_FOLDER.fullmatch(text) and Path(text).is_absolute()):
            yield f"{name} is {text!r}: it must be an absolute path without quotes, semicolons or control characters"
    if not given.work_dir:
        yield "work_dir is empty: name a folder for Asterisk's files"
    if len(os.fsencode(given.work_dir)) > _LONGEST_WORK:
        yield f"work_dir is longer than {_LONGEST_WORK} bytes, too long for Asterisk's control socket: {given.work_dir}"
    for name in ("sip_host", "external_address"):
        if getattr(given, name) and not _HOST.fullmatch(getattr(given, name)):
            yield f"{name} is {getattr(given, name)!r}: it must be an address or a host name"
    for name in ("sip_port", "http_port", "ami_port", "agi_port", "rtp_start", "rtp_end"):
        if not 0 < getattr(given, name) < 65536:
            yield f"{name} is {getattr(given, name)}: a port is 1 to 65535"
    if not 0 <= given.app_away_s <= 60:
        yield f"app_away_s is {given.app_away_s}: 0 to 60 seconds"
    if given.rtp_start >= given.rtp_end:
        yield "rtp_start must be below rtp_end"
    for name in ("ari_user", "ami_user", "app", "country", "default_region"):
        if not _WORD.fullmatch(getattr(given, name)):
            yield f"{name} is {getattr(given, name)!r}: letters, digits, - and _ only"
    for name in ("ari_password", "ami_password"):
        if getattr(given, name) and not _WORD.fullmatch(getattr(given, name)):
            yield f"{name} must be letters, digits, - and _ only, at most 40"
    for name in ("entries", "emergency_numbers"):
        if bad := [number for number in getattr(given, name) if not _NUMBER.fullmatch(number)]:
            yield f"{name} holds {bad[0]!r}: a number is 1 to 20 digits"
    if both := [number for number in given.entries if number in given.emergency_numbers]:
        yield f"{both[0]} is an emergency number and cannot be an entry number"
    if bad := [name for name in given.languages if not _WORD.fullmatch(name)]:
        yield f"languages holds {bad[0]!r}: letters, digits, - and _ only"
    if given.emergency_dial and not _DIAL.fullmatch(given.emergency_dial):
        yield f"emergency_dial is {given.emergency_dial!r}: write it like PJSIP/{{number}}@carrier"
    for code, extension in given.short_codes:
        if not _SHORT_CODE.fullmatch(code) or not _EXTENSION.fullmatch(extension):
            yield f"short code {code!r} to {extension!r}: 1 to 8 digits, * and #, and an extension of 2 to 12 digits"
        elif code in given.emergency_numbers or code in given.entries:
            yield f"short code {code} is an emergency or entry number already"
    for name, folder in given.music_classes:
        if not _WORD.fullmatch(name) or not (_FOLDER.fullmatch(folder) and Path(folder).is_absolute()):
            yield f"music {name!r} in {folder!r}: a name of letters, digits, - and _, and an absolute path"
    yield from _wrong_tls(given)
    names = [trunk.name.lower() for trunk in given.trunks]
    for trunk in given.trunks:
        if names.count(trunk.name.lower()) > 1:
            yield f"trunk {trunk.name}: there are two of that name"
        if trunk.transport == "tls" and not given.tls:
            yield f"trunk {trunk.name}: for TLS give sip_tls_port, sip_tls_cert and sip_tls_key"
        yield from (f"trunk {trunk.name[:40]}: {words}" for words in wrong_with_trunk(trunk))


def _wrong_tls(given: AsteriskSettings) -> Iterator[str]:
    for name in ("sip_tls_cert", "sip_tls_key"):
        text = getattr(given, name)
        if text and not (_FOLDER.fullmatch(text) and Path(text).is_absolute()):
            yield f"{name} is {text!r}: it must be an absolute path without quotes, semicolons or control characters"
    if any((given.sip_tls_port, given.sip_tls_cert, given.sip_tls_key)) and not given.tls:
        yield "SIP over TLS needs all of sip_tls_port, sip_tls_cert and sip_tls_key"
    if not 0 <= given.sip_tls_port < 65536:
        yield f"sip_tls_port is {given.sip_tls_port}: a port is 1 to 65535, 0 for no TLS"


def wrong_with_trunk(trunk: Trunk) -> Iterator[str]:
    """Each thing that is wrong with a trunk by itself, in words. Ask before it is stored: one that is wrong makes the
    whole AsteriskSettings refused."""
    if not _WORD.fullmatch(trunk.name) or trunk.name.isdigit() or trunk.name.lower() in _RESERVED:
        yield f"a name is letters, digits, - and _, not a number and none of {', '.join(sorted(_RESERVED))}"
    if not _HOST.fullmatch(trunk.address):
        yield f"address {trunk.address!r} is not host or host:port"
    if trunk.username and not _ACCOUNT.fullmatch(trunk.username):
        yield "user name: letters, digits and _ . + @ - only"
    if trunk.password and not _CARRIER_SECRET.fullmatch(trunk.password):
        yield "password: at most 80 printable ASCII characters without spaces"
    if trunk.password and not trunk.username:
        yield "a password without a user name"
    if trunk.registers and not (trunk.username and trunk.password):
        yield "to register it needs a user name and a password"
    if trunk.from_user and not _ACCOUNT.fullmatch(trunk.from_user):
        yield "from_user: letters, digits and _ . + @ - only"
    if trunk.from_domain and not _HOST.fullmatch(trunk.from_domain):
        yield f"from_domain {trunk.from_domain!r} is not a host"
    if trunk.transport not in TRANSPORTS:
        yield f"transport {trunk.transport!r} is none of {', '.join(TRANSPORTS)}"
    if not trunk.codecs or any(codec not in CODECS for codec in trunk.codecs):
        yield f"codecs: one or more of {', '.join(CODECS)}"
    if bad := [text for text in trunk.match if not _is_network(text)]:
        yield f"match {bad[0]!r} is not an address or network such as 192.0.2.0/24, at most a /16 (/32 of IPv6)"
    if bad := [number for number in _numbers_of(trunk) if not _OUTSIDE_NUMBER.fullmatch(number)]:
        yield f"{bad[0]!r} is not a number of 1 to 20 digits, with or without +"
    named = (trunk.entry, *(did.entry for did in trunk.dids))
    if bad := [text for text in named if text and not _NUMBER.fullmatch(text)]:
        yield f"entry point {bad[0]!r}: a number is 1 to 20 digits"
    if any(not did.entry for did in trunk.dids):
        yield "each DID needs an entry point"
    rules = trunk.rules
    if any(text and not _NUMBER.fullmatch(text) for text in (rules.country_code, rules.national_prefix)):
        yield "country code and national prefix are digits"
    if not all(_NUMBER.fullmatch(text) for text in rules.international_prefixes):
        yield "international prefixes are digits"
    for name, least, most in (("max_calls", 0, 10_000), ("qualify_s", 0, 3600), ("expiry_s", 30, 86_400)):
        if not least <= getattr(trunk, name) <= most:
            yield f"{name} is {getattr(trunk, name)}: {least} to {most}"


def _numbers_of(trunk: Trunk) -> Iterator[str]:
    yield from (number for number in (trunk.number, *trunk.listed) if number)
    yield from (did.number for did in trunk.dids)


def _is_network(text: str) -> bool:
    """Whoever calls from a carrier's network is taken for it without a password: a wide one would hold our phones."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= (16 if network.version == 4 else 32)


def section(name: str, options: Mapping[str, object] | Iterable[tuple[str, object]] = ()) -> str:
    """One [section] of an Asterisk file with its options."""
    pairs = options.items() if isinstance(options, Mapping) else options
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in pairs)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, all or nothing."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def with_secrets(given: AsteriskSettings) -> AsteriskSettings:
    """The settings with empty passwords filled from WORK/secrets.json, which is made when it is not there (0600)."""
    path = given.work / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    names = [f.name for f in fields(given) if f.name in {"ari_password", "ami_password"}]
    missing = {name: new_password() for name in names if name not in kept}
    if missing:
        given.work.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = kept | missing
        write_private(path, json.dumps(kept, indent=1) + "\n")
    return replace(
        given,
        ari_password=given.ari_password or kept["ari_password"],
        ami_password=given.ami_password or kept["ami_password"],
    )
