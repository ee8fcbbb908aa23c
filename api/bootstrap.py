"""The only wiring place: what the settings name, built and put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from acd.ports import Leadership
from api.sounds import StandIns
from cti.asterisk import AsteriskProcess
from cti.config import AsteriskSettings, BadSettings, Did, Direction, Form, NumberRules, Shown, Trunk
from directory import prompts
from directory import seed as seeds
from directory.changes import trunks_with_passwords
from directory.definitions import read_snapshot
from directory.model import Trunk as TrunkConfig
from directory.sealing import CannotOpen
from directory.service import list_extensions
from recordings.consumer import RecordingsConsumer
from records.consumer import RecordsConsumer
from storage.cursors import Consumer
from storage.factlog import SqlFactLog
from storage.leadership import FileLeadership, PostgresLeadership
from storage.session import Database
from storage.settings import Secrets, Settings, load_secrets

VOICE = "voice"
PROMPTS = "prompts"
"""The folder of uploaded sounds below the data folder."""
CONSUMERS: tuple[Consumer, ...] = (RecordsConsumer(), RecordingsConsumer())
"""Who reads the log into tables; a new one is a line here."""


def open_log(settings: Settings) -> SqlFactLog:
    """The fact log."""
    return SqlFactLog(settings.log_url)


def open_database(settings: Settings) -> Database:
    """The tables."""
    return Database(settings.main_url)


@dataclass(frozen=True, slots=True)
class DirectoryPart:
    """What Asterisk's configuration takes from the directory: the numbers a caller may dial, the lines, the short codes
    (V16) and the music."""

    entries: tuple[str, ...] = ()
    trunks: tuple[Trunk, ...] = ()
    short_codes: tuple[tuple[str, str], ...] = ()
    music_classes: tuple[tuple[str, str], ...] = ()


def directory_part(session: Session, settings: Settings, secrets: Secrets) -> DirectoryPart:
    """The directory's part as it is now. Raises BadSettings for a password that cannot be read."""
    entries = read_snapshot(session).entries
    try:
        lines = trunks_with_passwords(session, secrets.sealing_key())
    except CannotOpen as error:
        raise BadSettings(str(error)) from None
    return DirectoryPart(
        entries=tuple(entry.id for entry in entries if entry.medium == VOICE and entry.id.isdigit()),
        trunks=tuple(trunk_of(trunk, password) for trunk, password in lines),
        short_codes=tuple((one.short_code, one.number) for one in list_extensions(session) if one.short_code),
        music_classes=prompts.music_classes(session, settings.data_dir / PROMPTS),
    )


def trunk_of(given: TrunkConfig, password: str) -> Trunk:
    """The directory's line as Asterisk's."""
    rules = given.rules
    return Trunk(
        name=given.id,
        address=given.address,
        username=given.username,
        password=password,
        registers=given.registers,
        direction=Direction(given.direction),
        transport=given.transport,
        codecs=given.codecs,
        number=given.number,
        shown=Shown(given.shown),
        listed=given.listed,
        dids=tuple(Did(did.number, did.entry) for did in given.dids),
        entry=given.entry,
        match=given.match,
        rules=NumberRules(
            rules.country_code,
            rules.national_prefix,
            rules.international_prefixes,
            rules.bare_international,
            Form(rules.sent),
        ),
        from_user=given.from_user,
        from_domain=given.from_domain,
        srtp=given.srtp,
        max_calls=given.cap,
        qualify_s=given.qualify_s,
        expiry_s=given.expiry_s,
    )


def read_part(database: Database, settings: Settings, secrets: Secrets) -> DirectoryPart:
    """As `directory_part`, in a transaction of its own. Blocking."""
    with database.read() as session:
        return directory_part(session, settings, secrets)


def sounds_folder(settings: Settings) -> Path:
    """Where Asterisk's sounds lie; ours below it in prompts.FOLDER."""
    return settings.data_dir / "asterisk/data/sounds"


def place_prompts(database: Database, settings: Settings, stand_ins: StandIns) -> int:
    """Asterisk has every prompt of the directory afterwards, and where espeak-ng is installed a stand-in for each sound
    that is nowhere; how many it lacked. Blocking. Raises OSError."""
    sounds = sounds_folder(settings)
    with database.read() as session:
        put = prompts.place(session, settings.data_dir / PROMPTS, sounds / prompts.FOLDER)
        return put + len(stand_ins.make(session, sounds))


def asterisk_settings(settings: Settings, secrets: Secrets, part: DirectoryPart | None = None) -> AsteriskSettings:
    """Our settings as Asterisk's. Raises BadSettings."""
    part = part or DirectoryPart()
    # What RINGSIDE_ASTERISK names, tools/setup has put under asterisk_root: it need not be on the path.
    return AsteriskSettings(
        root="" if settings.asterisk_root == Path("/") else str(settings.asterisk_root),
        work_dir=str(settings.data_dir / "asterisk"),
        sip_host=settings.sip_host,
        sip_port=settings.sip_port,
        sip_tls_port=settings.sip_tls_port,
        sip_tls_cert=settings.sip_tls_cert,
        sip_tls_key=settings.sip_tls_key,
        external_address=settings.media_host,
        http_port=settings.http_port,
        ami_port=settings.ami_port,
        agi_port=settings.agi_port,
        rtp_start=settings.rtp_start,
        rtp_end=settings.rtp_end,
        ari_password=secrets.ari_password,
        ami_password=secrets.ami_password,
        entries=part.entries,
        trunks=part.trunks,
        short_codes=part.short_codes,
        music_classes=part.music_classes,
        emergency_numbers=settings.emergency_numbers,
        emergency_dial=settings.emergency_dial,
        default_region=settings.default_region,
        country=settings.default_region.lower(),
        recordings_dir=str(settings.raw_dir),
    )


def asterisk_of(settings: Settings) -> AsteriskProcess:
    """The Asterisk of this installation, running or not. Blocking."""
    database, secrets = open_database(settings), load_secrets(settings)
    try:
        part = read_part(database, settings, secrets)
    finally:
        database.close()
    return AsteriskProcess(asterisk_settings(settings, secrets, part))


def leadership_of(settings: Settings) -> Leadership:
    """The lock of the one engine that decides, where its log lies."""
    if settings.log_url.startswith("postgresql"):
        return PostgresLeadership(settings.log_url)
    return FileLeadership(settings.lock_path)


def seed(settings: Settings, demo: bool) -> None:
    """What a new installation starts with; the demo's center too. Again: nothing. Blocking."""
    database = open_database(settings)
    try:
        with database.write() as session:
            (seeds.seed_demo if demo else seeds.seed_basics)(session, settings.default_region)
    finally:
        database.close()
