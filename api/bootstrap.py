"""The only wiring place: what the settings name, built and put together."""

from __future__ import annotations

from pathlib import Path

from acd.ports import Leadership
from cti.asterisk import AsteriskProcess
from cti.config import AsteriskSettings
from directory import seed as seeds
from directory.definitions import read_snapshot
from recordings.consumer import RecordingsConsumer
from records.consumer import RecordsConsumer
from storage.cursors import Consumer
from storage.factlog import SqlFactLog
from storage.leadership import FileLeadership, PostgresLeadership
from storage.session import Database
from storage.settings import Secrets, Settings, load_secrets

VOICE = "voice"
DOCTOR = "90043"
"""The extension of `ringside doctor`: nobody's, in no directory; its password is derived like any other."""
CONSUMERS: tuple[Consumer, ...] = (RecordsConsumer(), RecordingsConsumer())
"""Who reads the log into tables; a new one is a line here."""


def open_log(settings: Settings) -> SqlFactLog:
    """The fact log."""
    return SqlFactLog(settings.log_url)


def open_database(settings: Settings) -> Database:
    """The tables."""
    return Database(settings.main_url)


def entry_numbers(database: Database) -> tuple[str, ...]:
    """The numbers a caller may dial: the directory's voice entry points."""
    with database.read() as session:
        entries = read_snapshot(session).entries
    return tuple(entry.id for entry in entries if entry.medium == VOICE and entry.id.isdigit())


def asterisk_settings(settings: Settings, secrets: Secrets, entries: tuple[str, ...]) -> AsteriskSettings:
    """Our settings as Asterisk's."""
    # What RINGSIDE_ASTERISK names, tools/setup has put under asterisk_root: it need not be on the path.
    return AsteriskSettings(
        root="" if settings.asterisk_root == Path("/") else str(settings.asterisk_root),
        work_dir=str(settings.data_dir / "asterisk"),
        sip_host=settings.sip_host,
        sip_port=settings.sip_port,
        external_address=settings.media_host,
        http_port=settings.http_port,
        ami_port=settings.ami_port,
        agi_port=settings.agi_port,
        rtp_start=settings.rtp_start,
        rtp_end=settings.rtp_end,
        ari_password=secrets.ari_password,
        ami_password=secrets.ami_password,
        entries=entries,
        emergency_numbers=settings.emergency_numbers,
        emergency_dial=settings.emergency_dial,
        default_region=settings.default_region,
        country=settings.default_region.lower(),
        recordings_dir=str(settings.raw_dir),
    )


def asterisk_of(settings: Settings) -> AsteriskProcess:
    """The Asterisk of this installation, running or not. Blocking."""
    database = open_database(settings)
    try:
        entries = entry_numbers(database)
    finally:
        database.close()
    return AsteriskProcess(asterisk_settings(settings, load_secrets(settings), entries))


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
            (seeds.seed_demo if demo else seeds.seed_basics)(session)
    finally:
        database.close()
