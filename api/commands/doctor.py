"""`ringside doctor`: is this machine fit, and can a call be heard? Places a call to itself and measures the tone."""

from __future__ import annotations

import asyncio
import platform
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from api.bootstrap import asterisk_of, open_database, open_log, sounds_folder
from api.commands.common import Context, Exit
from api.commands.lines import lines_of
from api.gateway import ping
from api.sounds import missing_sounds
from cti.asterisk import AsteriskFailed, AsteriskProcess
from cti.config import BadSettings
from cti.provisioning import Extension, Provisioning, ProvisioningFailed, http_call
from directory.pool import DOCTOR
from softphone import tones
from softphone.process import CommandRefused, NotSaid, PhoneGone, PhoneProcess
from storage.migrations import migrate
from storage.settings import Settings, load_secrets

LEAST_DISK = 1 << 30
PORTS_A_CALL = 4
ENOUGH_FREE = 0.9
"""Of the ports for sound; our own calls of this moment are among the others."""
ECHO = "*43"
TONE_HZ = 1100
ANSWER_LIMIT_S = 5.0
HEAR_LIMIT_S = 5.0
REGISTERED_LIMIT_S = 5.0
SOUNDS_SHOWN = 10
LEAST_SHARE = 0.3
"""Of the recording; the rest is before the echo and after our hanging up."""


class Mark(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    check: str
    mark: Mark
    say: str


def run(context: Context) -> int:
    """Every check; exit 1 when one found a fault."""
    context.settings.prepare()
    migrate(context.settings)
    findings: list[Finding] = []
    for check in CHECKS:
        if check is _call and context.args.no_call:
            continue
        for finding in check(context):
            findings.append(finding)
            if not context.args.json:
                context.say(f"{context.words(f'mark.{finding.mark}'):8}{finding.check:14}{finding.say}")
    if context.args.json:
        context.table((), (), [{"check": f.check, "mark": f.mark.value, "say": f.say} for f in findings])
    return Exit.FAILED if any(finding.mark is Mark.FAULT for finding in findings) else Exit.OK


def _versions(context: Context) -> Iterator[Finding]:
    yield Finding("python", Mark.OK, platform.python_version())
    try:
        version = ".".join(map(str, asterisk_of(context.settings).version()))
        yield Finding("asterisk", Mark.OK, version)
    except (AsteriskFailed, BadSettings) as error:
        yield Finding("asterisk", Mark.FAULT, str(error))


def _disk(context: Context) -> Iterator[Finding]:
    free = shutil.disk_usage(context.settings.data_dir).free
    say = context.words("doctor.disk", free=f"{free / (1 << 30):.1f}", folder=context.settings.data_dir)
    yield Finding("disk", Mark.OK if free >= LEAST_DISK else Mark.FAULT, say)


def _time_zone(context: Context) -> Iterator[Finding]:
    zone = context.settings.timezone
    yield Finding("time zone", Mark.OK, context.words("doctor.zone", zone=zone, day=context.settings.day_starts_at))


def _database(context: Context) -> Iterator[Finding]:
    database, log = open_database(context.settings), open_log(context.settings)
    try:
        kind = "PostgreSQL" if database.on_postgres else "SQLite"
        yield Finding("database", Mark.OK, context.words("doctor.database", kind=kind, facts=log.last_seq()))
    finally:
        log.close()
        database.close()


def _ports(context: Context) -> Iterator[Finding]:
    settings = context.settings
    engine, asterisk = _engine_answers(settings), _asterisk_runs(settings)
    wanted = (
        ("api", settings.api_host, settings.api_port, socket.SOCK_STREAM, engine),
        ("sip", settings.sip_host, settings.sip_port, socket.SOCK_DGRAM, asterisk),
        ("sip tcp", settings.sip_host, settings.sip_port, socket.SOCK_STREAM, asterisk),
        ("http", "127.0.0.1", settings.http_port, socket.SOCK_STREAM, asterisk),
        ("ami", "127.0.0.1", settings.ami_port, socket.SOCK_STREAM, asterisk),
        ("agi", "127.0.0.1", settings.agi_port, socket.SOCK_STREAM, engine),
    )
    for name, host, port, kind, ours in wanted:
        free = _is_free(host, port, kind)
        key = "doctor.port_free" if free else "doctor.port_ours" if ours else "doctor.port_taken"
        mark = Mark.OK if free or ours else Mark.FAULT
        yield Finding(f"port {name}", mark, context.words(key, host=host, port=port))


def _rtp(context: Context) -> Iterator[Finding]:
    """Two ports a leg, four a call; those that another program has are passed over by Asterisk."""
    settings = context.settings
    span = range(settings.rtp_start, settings.rtp_end + 1)
    free = sum(_is_free(settings.sip_host, port, socket.SOCK_DGRAM) for port in span)
    say = context.words("doctor.rtp", first=span[0], last=span[-1], free=free, calls=free // PORTS_A_CALL)
    mark = Mark.FAULT if free < PORTS_A_CALL else Mark.WARNING if free < len(span) * ENOUGH_FREE else Mark.OK
    yield Finding("ports rtp", mark, say)


def _emergency(context: Context) -> Iterator[Finding]:
    """Where the dialplan sends emergency numbers: `emergency_dial`, else every line that takes calls out."""
    numbers = context.settings.emergency_numbers
    try:
        asterisk = asterisk_of(context.settings).settings
    except (AsteriskFailed, BadSettings):
        return  # `_versions` tells that
    if not all(map(asterisk.dials_for_emergency, numbers)):
        say = context.words("doctor.no_emergency", numbers=", ".join(numbers))
        yield Finding("emergency", Mark.WARNING, say)


def _sounds(context: Context) -> Iterator[Finding]:
    """Those that a definition names and that are nowhere; nothing before the first start has laid Asterisk's own."""
    database = open_database(context.settings)
    try:
        with database.read() as session:
            silent = missing_sounds(session, sounds_folder(context.settings))
    finally:
        database.close()
    if silent:
        names = ", ".join([*silent[:SOUNDS_SHOWN], *(["…"] if silent[SOUNDS_SHOWN:] else [])])
        yield Finding("sounds", Mark.WARNING, context.words("doctor.no_sound", names=names))


def _lines(context: Context) -> Iterator[Finding]:
    """What Asterisk has of each carrier; nothing while no engine runs to ask it."""
    if not _engine_answers(context.settings):
        return
    known = [line for line in lines_of(context) if line.usable is not None]
    bad = [line for line in known if not line.usable]
    for line in bad:
        yield Finding("line", Mark.WARNING, context.words("doctor.line", line=line.id, say=line.say))
    if known and not bad:
        yield Finding("lines", Mark.OK, context.words("doctor.lines", count=len(known)))


def _asterisk_runs(settings: Settings) -> bool:
    try:
        return asterisk_of(settings).running() is not None
    except (AsteriskFailed, BadSettings):
        return False


def _engine_answers(settings: Settings) -> bool:
    try:
        return ping(settings.socket_path, 1.0)
    except OSError:
        return False


def _is_free(host: str, port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:  # connections in TIME_WAIT are no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _call(context: Context) -> Iterator[Finding]:
    """A call to our own echo; what comes back is measured. Asterisk is started for it when it does not run."""
    try:
        with _asterisk(context.settings) as asterisk:
            measured = asyncio.run(_hear_ourselves(context.settings, asterisk))
    except (AsteriskFailed, BadSettings, ProvisioningFailed, PhoneGone, CommandRefused, NotSaid, OSError) as error:
        yield Finding("call", Mark.FAULT, f"{type(error).__name__}: {error}")
        return
    tone = measured.tones.get(TONE_HZ)
    share = tone.share if tone else 0.0
    say = context.words("doctor.call", hertz=TONE_HZ, share=f"{100 * share:.0f}", seconds=f"{measured.seconds:.1f}")
    yield Finding("call", Mark.OK if share >= LEAST_SHARE else Mark.FAULT, say)


@contextmanager
def _asterisk(settings: Settings) -> Iterator[AsteriskProcess]:
    """The one that runs, or one started for us and stopped again."""
    asterisk = asterisk_of(settings)
    if asterisk.running() is not None:
        yield asterisk
        return
    with asterisk:
        yield asterisk


async def _hear_ourselves(settings: Settings, asterisk: AsteriskProcess) -> tones.Measured:
    password = load_secrets(settings).phone_password(DOCTOR, 1)
    provisioning = Provisioning(http_call(asterisk.settings), qualify_s=0)
    await provisioning.put(Extension(DOCTOR, "doctor", password))
    with tempfile.TemporaryDirectory(prefix="ringside-doctor-") as folder:
        file = Path(folder) / "echo.wav"
        async with await PhoneProcess.start(
            DOCTOR,
            server=f"{settings.sip_host}:{settings.sip_port}",
            password=password,
            tone=TONE_HZ,
            record=file,
            listen=True,
            register_timeout=REGISTERED_LIMIT_S,
        ) as phone:
            call = await phone.call(ECHO)
            await phone.expect("answered", within=ANSWER_LIMIT_S, call=call)
            await phone.until_hears(TONE_HZ, call=call, within=HEAR_LIMIT_S)
            await asyncio.sleep(1.0)  # a second of echo to measure
            await phone.hang_up(call)
            done = await phone.expect("recorded", within=ANSWER_LIMIT_S, call=call)
            return await asyncio.to_thread(tones.measure, done["file"])


CHECKS: tuple[Callable[[Context], Iterator[Finding]], ...] = (
    _versions,
    _disk,
    _time_zone,
    _database,
    _ports,
    _rtp,
    _emergency,
    _sounds,
    _lines,
    _call,
)
