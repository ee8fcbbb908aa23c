"""Everything that can be set, and the secrets that are made at the first start.

A setting comes from, first wins: an argument, the environment (RINGSIDE_DATA_DIR, ...), `ringside.toml` in the data
folder, the default. Secrets are no settings: they are generated, live in `secrets.json` (mode 0600) and are never
shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Callable, Mapping
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

Port = Annotated[int, Field(ge=1, le=65535)]
Dialled = Annotated[str, Field(pattern=r"^[0-9*#]{2,8}$")]
Days = Annotated[int, Field(ge=0, le=36_500)]

FILE_NAME = "ringside.toml"
SOCKET_PATH_MAX = 107  # bytes; unix(7): sun_path holds 108 with the closing NUL
PASSWORD_LENGTH = 20
PASSWORD_ALPHABET = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # noqa: S105 - no l, o, I, O, 0, 1: people type these


class Settings(BaseSettings):
    """One organisation's installation. Paths become absolute, so a process may stand in any folder."""

    model_config = SettingsConfigDict(env_prefix="RINGSIDE_", frozen=True, extra="forbid", env_ignore_empty=True)

    data_dir: Path = Path("data")
    # Both may hold a password, so neither is shown.
    database_url: str = Field(default="", repr=False)  # empty: SQLite at data_dir/ringside.db
    facts_url: str = Field(default="", repr=False)  # empty: data_dir/facts.db (ADR 0004), or database_url's PostgreSQL

    api_host: str = "127.0.0.1"  # off this machine only behind TLS: a browser gives no microphone without it
    api_port: Port = 8080
    sip_host: str = "127.0.0.1"  # the address phones register at; never a wildcard by default (SIP scanners)
    sip_port: Port = 5060
    sip_tls_port: Annotated[int, Field(ge=0, le=65535)] = 0  # SIP over TLS, with all three; 0 = none
    sip_tls_cert: str = ""  # the certificate's file, with its chain
    sip_tls_key: str = ""  # its key's file
    media_host: str = ""  # the address told to phones for sound when it differs from sip_host (NAT)
    http_port: Port = 8088  # Asterisk's HTTP and ARI; always on loopback
    ami_port: Port = 5038  # always on loopback
    agi_port: Port = 4573  # always on loopback
    rtp_start: Port = 10000  # two ports a leg: 10,000 ports carry 2,500 calls of two legs
    rtp_end: Port = 20000

    asterisk_root: Path = Path(".asterisk")  # the private Asterisk's folder; `/` means the installed one
    timezone: ZoneInfo = ZoneInfo("Asia/Taipei")  # of the organisation: days, hours and reports are counted in it
    day_starts_at: time = time(0, 0)  # a night shift counts into the day it began in when this is later
    default_region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "TW"  # a number without country code is read so
    emergency_numbers: Annotated[tuple[Dialled, ...], NoDecode] = ("110", "119", "112", "120")
    # Where they go, as Asterisk's Dial() has it: PJSIP/{number}@carrier, or PJSIP/8099 for a guard's desk.
    emergency_dial: Annotated[str, Field(pattern=r"^[A-Za-z0-9_./@:{}-]{0,120}$")] = ""
    phone_seats: Annotated[int, Field(ge=0)] = 0  # licences: the pool has at most so many extensions (V5); 0 = no limit
    languages: Annotated[tuple[str, ...], NoDecode] = ("zh-TW", "zh-CN", "en")  # the first one is the default
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    recordings_store: Path | None = None  # where finished recordings are kept; none: data_dir/recordings/stored
    recordings_codec: Literal["flac", "wav"] = "flac"  # both lossless; flac takes a quarter of wav, more on noisy lines
    recordings_days: Days = 365  # kept so long after the call began (R8); 0 = for ever
    recordings_queue_days: Annotated[dict[str, Days], NoDecode] = {}  # other numbers for some queues: sales=30,vip=0
    recordings_max_mb: Annotated[int, Field(ge=1, le=65_536)] = 4096  # a longer one (37 hours) waits for a person
    recordings_min_free_mb: Annotated[int, Field(ge=1)] = 1024  # below it no new recording begins: calls come first
    recordings_alarm_s: Annotated[int, Field(ge=1)] = 600  # not stored so long after the call: an alarm
    recordings_link_s: Annotated[int, Field(ge=10, le=3600)] = 300  # how long a play link is good for

    @field_validator("emergency_numbers", "languages", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("recordings_queue_days", mode="before")
    @classmethod
    def _split_pairs(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        return {name.strip(): number.strip() for name, _, number in pairs}

    @field_validator("data_dir", "asterisk_root", "recordings_store", mode="after")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("database_url", "facts_url", mode="after")
    @classmethod
    def _one_driver(cls, value: str) -> str:
        for plain, full in (("postgresql://", "postgresql+psycopg://"), ("postgres://", "postgresql+psycopg://")):
            if value.startswith(plain):
                return full + value.removeprefix(plain)
        if value and not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("write sqlite:////path/to/file.db or postgresql://user@host/database")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Settings:
        if self.rtp_end <= self.rtp_start:
            raise ValueError("rtp_end must be greater than rtp_start")
        taken = [self.api_port, self.sip_port, self.http_port, self.ami_port, self.agi_port]
        if len(set(taken)) < len(taken):
            raise ValueError("api_port, sip_port, http_port, ami_port and agi_port must all differ")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the file of the data folder that those two name."""
        given: dict[str, Any] = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        folder = Path(given.get("data_dir") or os.environ.get("RINGSIDE_DATA_DIR") or "data").expanduser()
        file = TomlConfigSettingsSource(settings_cls, folder / FILE_NAME)
        return init_settings, env_settings, file, dotenv_settings, file_secret_settings

    @property
    def main_url(self) -> str:
        """Where the tables live."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ringside.db'}"

    @property
    def log_url(self) -> str:
        """Where the fact log lives: its own SQLite file, or the PostgreSQL server of the tables."""
        if self.facts_url:
            return self.facts_url
        return self.database_url if self.on_postgres else f"sqlite:///{self.data_dir / 'facts.db'}"

    @property
    def on_postgres(self) -> bool:
        """True when the tables live in PostgreSQL."""
        return self.database_url.startswith("postgresql")

    @property
    def run_dir(self) -> Path:
        """Sockets, locks and process ids. A short folder elsewhere when the data folder's path is too long."""
        folder = self.data_dir / "run"
        if len(os.fsencode(folder / "engine.sock")) <= SOCKET_PATH_MAX:
            return folder
        mark = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        return Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()) / f"ringside-{os.getuid()}-{mark}"

    @property
    def socket_path(self) -> Path:
        """The engine's unix socket, at most 107 bytes."""
        return self.run_dir / "engine.sock"

    @property
    def lock_path(self) -> Path:
        """The file lock of the one engine that decides; beside the database it guards."""
        return self.data_dir / "run" / "engine.lock"

    @property
    def raw_dir(self) -> Path:
        """Where Asterisk writes what it records."""
        return self.data_dir / "recordings"

    @property
    def store_dir(self) -> Path:
        """Where finished recordings are kept, encrypted."""
        return self.recordings_store or self.raw_dir / "stored"

    def prepare(self) -> None:
        """Make the folders, for us alone. Raises PermissionError when a folder belongs to somebody else."""
        for folder in (self.data_dir, self.data_dir / "run", self.run_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder in a shared tmp might have been made by another user to catch our socket.
        if self.run_dir.is_symlink() or self.run_dir.stat().st_uid != os.getuid():
            raise PermissionError(f"{self.run_dir} is not ours; remove it or set RINGSIDE_DATA_DIR to a shorter path")
        self.run_dir.chmod(0o700)


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Secrets:
    """Made at the first start and kept. Its text form shows nothing, so it may stand in any log line."""

    ari_password: str
    ami_password: str
    token_pepper: str  # keyed hash of bearer tokens: a stolen table alone lets nobody in
    phone_key: str  # extensions' passwords are derived from it; no table holds one
    link_key: str  # signs play links
    recording_keys: str  # "ID:HEX ID:HEX": master keys of recordings, the last one wraps new ones

    def __repr__(self) -> str:
        return "Secrets(…)"

    def token_hash(self, token: str) -> str:
        """What the tokens table stores of a bearer token."""
        return hmac.new(self.token_pepper.encode(), token.encode(), hashlib.sha256).hexdigest()

    def sealing_key(self) -> bytes:
        """32 bytes under which carriers' passwords lie in the tables."""
        return hmac.new(self.phone_key.encode(), b"carriers' passwords", hashlib.sha256).digest()

    def phone_password(self, number: str, generation: int) -> str:
        """The SIP password of an extension, 20 characters; another `generation` gives another one."""
        digest = hmac.new(self.phone_key.encode(), f"{number}:{generation}".encode(), hashlib.sha512).digest()
        whole = int.from_bytes(digest)  # 512 bits: the bias of taking 20 base-56 digits is below 2^-390
        letters = []
        for _ in range(PASSWORD_LENGTH):
            whole, index = divmod(whole, len(PASSWORD_ALPHABET))
            letters.append(PASSWORD_ALPHABET[index])
        return "".join(letters)


def load_secrets(settings: Settings) -> Secrets:
    """The installation's secrets, made when there are none (processes may race: the first one's stay). Those that an
    older Ringside did not know are added.

    Raises ValueError when the file cannot be read as secrets.
    """
    settings.prepare()
    path = settings.data_dir / "secrets.json"
    makers = {field.name: MAKERS.get(field.name, _password) for field in dataclasses.fields(Secrets)}
    if not path.exists():
        _write_once(path, {name: make() for name, make in makers.items()})
    path.chmod(0o600)
    try:
        found = json.loads(path.read_text())
        if SINCE_0_2.keys() - found.keys():
            found = _complete(path)
        return Secrets(**{name: str(found[name]) for name in makers})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is damaged: restore it, or remove it and every phone and token gets a new secret, and no"
            " recording can be heard any more"
        ) from error


def add_recording_key(settings: Settings) -> Secrets:
    """Another master key of recordings, first among them from now on; the old ones stay until nothing needs them."""
    load_secrets(settings)
    _complete(settings.data_dir / "secrets.json", more_keys=1)
    return load_secrets(settings)


def _complete(path: Path, more_keys: int = 0) -> dict[str, Any]:
    """Add what is missing, under a lock: the processes of one start must not each add their own."""
    with (path.parent / "run" / "secrets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found: dict[str, Any] = json.loads(path.read_text())
        whole = {**{name: make() for name, make in SINCE_0_2.items()}, **found}
        for _ in range(more_keys):
            whole["recording_keys"] += f" {_recording_key()}"
        if whole != found:
            _write_once(path, whole, replace=True)
    return whole


def _recording_key() -> str:
    return f"{secrets.token_hex(4)}:{secrets.token_hex(32)}"


def _password() -> str:
    return "".join(secrets.choice(PASSWORD_ALPHABET) for _ in range(40))


MAKERS: Mapping[str, Callable[[], str]] = {"recording_keys": _recording_key}
SINCE_0_2: Mapping[str, Callable[[], str]] = {"link_key": _password, "recording_keys": _recording_key}


def _write_once(path: Path, content: dict[str, Any], *, replace: bool = False) -> None:
    """Whole or not at all, and never over another process's file unless told to `replace` it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".secrets-")  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            Path(name).replace(path)
            return
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
