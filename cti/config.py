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
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

APP = "ringside"
PASSWORD_LENGTH = 20
_ALPHABET = string.ascii_letters + string.digits
_NUMBER = re.compile(r"[0-9]{1,20}")
_WORD = re.compile(r"[A-Za-z0-9_-]{1,40}")
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


@dataclass(frozen=True, slots=True)
class Trunk:
    """A carrier's SIP line: calls from `address` (host or host:port) enter by entry numbers, calls out go there."""

    name: str
    address: str
    username: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """Everything the generated configuration depends on. Raises BadSettings for a value that cannot be used.

    `root`: the private Asterisk's folder (with run-bin/asterisk), or "" for the installed one.
    `http_host`, `ami_host` and `agi_host` must be loopback; SIP and RTP listen on `sip_host`.
    `emergency_dial`: where emergency numbers go; `{number}` stands for the number. Empty: the first trunk.
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
    allow_anonymous: bool = True
    default_region: str = "TW"
    country: str = "tw"
    languages: tuple[str, ...] = ("en",)
    recordings_dir: str = ""
    music_dir: str = ""
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

    def dial_for_emergency(self, number: str) -> str:
        """The Dial() destination of an emergency number."""
        line = self.trunks[0].name if self.trunks else "emergency"
        return (self.emergency_dial or f"PJSIP/{{number}}@{line}").replace("{number}", number)


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
    for trunk in given.trunks:
        if not _WORD.fullmatch(trunk.name) or trunk.name.isdigit():
            yield f"trunk {trunk.name!r}: a name is letters, digits, - and _, and not a number"
        if not _HOST.fullmatch(trunk.address):
            yield f"trunk {trunk.name}: address {trunk.address!r} is not host or host:port"
        if any(text and not _WORD.fullmatch(text) for text in (trunk.username, trunk.password)):
            yield f"trunk {trunk.name}: user name and password are letters, digits, - and _ only"


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
