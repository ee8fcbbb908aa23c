"""`ringside recordings`: find, hear, keep and erase recordings. Needs no engine."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from acd.core.model import SECOND, Micros
from api.bootstrap import open_database
from api.commands.common import CommandFailed, Context, Exit, moment
from recordings import index, links, playback, retention, search, store, verify
from recordings.check import Checker, Told, problems
from recordings.figures import figures
from recordings.model import State, StoredFile, say
from recordings.rekey import rekey as replace_key
from recordings.seal import Damaged, KeyGone, Keyring
from recordings.search import BadCursor, Detail, View, Wanted
from storage.session import Database
from storage.settings import add_recording_key, load_secrets

VIA = "cli"
PROGRESS_EVERY_S = 1.0


def list_all(context: Context) -> int:
    """A page of recordings, newest first."""
    args = context.args
    wanted = Wanted(
        number=args.number,
        seat=args.seat,
        queue=args.queue,
        since=_time(context, args.since),
        until=_time(context, args.until),
        problem=args.problem,
        state=args.state,
        item=args.call,
    )
    with _database(context) as database:
        try:
            with database.read() as session:
                page = search.find(session, wanted, after=args.after, limit=args.limit)
        except BadCursor as error:
            raise CommandFailed(Exit.USAGE, str(error)) from None
    heads = ("recording", "began", "length", "number", "queue", "seat", "outcome", "state", "problems")
    rows = [_row(context, one) for one in page.views]
    context.table([f"head.{head}" for head in heads], rows, [*map(_plain, page.views)])
    if page.next and not args.json:
        context.say(context.words("recordings.more", after=page.next))
    return Exit.OK


def show(context: Context) -> int:
    """One recording, with what was done to it."""
    with _database(context) as database:
        found = _detail(context, database)
    zone, file = context.settings.timezone, found.file
    plain = _plain(found.view) | {
        "codec": file.codec if file else "",
        "size": file.size if file else 0,
        "sha256": file.sha256 if file else "",
        "checks": file.checks if file else "",
        "legal_hold": found.view.kept.legal_hold,
        "expires_at": found.view.kept.expires_at,
        "pauses": [(one.began_at, one.ended_at, one.by, one.via, one.how) for one in found.view.row.pauses],
        "log": [(note.at, note.what, note.by, note.via, note.detail) for note in found.notes],
    }
    if context.args.json:
        context.table((), (), [plain])
        return Exit.OK
    times = {"started_at", "ended_at", "expires_at"}
    shown = {name: moment(int(str(part)), zone) if name in times else part for name, part in plain.items()}
    rows = [(name, part) for name, part in shown.items() if name not in {"log", "pauses", "problems"}]
    language = context.words.language
    rows += [("problem", say(one, language)) for one in found.view.kept.problems]
    rows += [("pause", f"{moment(one.began_at, zone)} - {moment(one.ended_at, zone)} {one.by} {one.how}")
             for one in found.view.row.pauses]  # fmt: skip
    rows += [(note.what, f"{moment(note.at, zone)} {note.by} {note.detail}") for note in found.notes]
    context.table(("head.what", "head.value"), rows, [])
    return Exit.OK


def play(context: Context) -> int:
    """A link that is good for some minutes."""
    settings, secrets, kind = context.settings, load_secrets(context.settings), _form(context)
    with _database(context) as database:
        file = _stored(context, _detail(context, database))
        kind = kind or file.codec
        link, query = links.make(secrets.link_key, file.recording, _who(), kind, _now(), settings.recordings_link_s)
        with database.write() as session:
            index.note(session, file.recording, "link", _now(), by=link.who, via=VIA, detail=kind)
    url = f"http://{settings.api_host}:{settings.api_port}/play/{file.recording}?{query}"
    until = moment(link.until * SECOND, settings.timezone)
    plain = {"url": url, "expires_at": link.until * SECOND}
    if context.args.json:
        context.table((), (), [plain])
    else:
        context.say(context.words("recordings.link", until=until, url=url))
    return Exit.OK


def export(context: Context) -> int:
    """Write it decrypted into a new file, for us alone."""
    target = Path(context.args.file)
    with _database(context) as database:
        file = _stored(context, _detail(context, database))
        kind = _form(context) or file.codec
        try:
            with target.open("xb") as written, _heard(context, file.recording):
                target.chmod(0o600)
                size = playback.export(context.settings.store_dir, file, _keys(context), kind, written)
        except FileExistsError:
            raise CommandFailed(Exit.REFUSED, context.words("recordings.exists", file=target)) from None
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        with database.write() as session:
            index.note(session, file.recording, "exported", _now(), by=_who(), via=VIA, detail=kind)
    sha256 = file.sha256 if kind == file.codec else "-"
    context.say(context.words("recordings.exported", size=size, sha256=sha256))
    return Exit.OK


def erase(context: Context) -> int:
    """Erase it for good."""
    secrets = load_secrets(context.settings)
    with _database(context) as database, _refusing(context):
        name = context.args.recording
        retention.erase(database, context.settings, secrets.link_key, name, now=_now(), by=_who(), via=VIA)
    context.say(context.words("done"))
    return Exit.OK


def hold(context: Context) -> int:
    """Legal hold on or off."""
    args = context.args
    with _database(context) as database, _refusing(context):
        retention.hold(database, args.recording, not args.release, now=_now(), by=_who(), via=VIA, why=args.why[:200])
    context.say(context.words("done"))
    return Exit.OK


def check(context: Context) -> int:
    """How the keeping goes; exit 1 on an alarm. With a name: its sound is checked again and compared."""
    if context.args.recording:
        return _check_one(context)
    with _database(context) as database:
        found = figures(database, context.settings, _now())
    rows: list[tuple[str, object]] = [*found.states.items()]
    rows += [("oldest_seconds", found.oldest // SECOND), ("free_bytes", found.free)]
    context.table(("head.what", "head.value"), rows, [dict(rows) | {"alarm": found.alarm}])
    if not context.args.json:
        context.say(context.words("recordings.alarm" if found.alarm else "recordings.well"))
    return Exit.FAILED if found.alarm else Exit.OK


def _check_one(context: Context) -> int:
    with _database(context) as database:
        found = _detail(context, database)
    file, row = _stored(context, found), found.view.row
    told = Told(row.kind, row.started_at, row.ended_at, row.pauses, row.breaks, announced=row.last_seq > 0)
    checker = Checker(file.frames, told)
    with _heard(context, file.recording), store.unsealed(context.settings.store_dir, file, _keys(context)) as content:
        for block in store.decoded(content):
            checker.feed(block)
    checks = checker.checks()
    now, then = problems(checks, told), found.view.kept.problems
    same = checks.dump() == file.checks and [*now] == [one for one in then if one.value != "damaged"]
    context.table(("head.what", "head.value"), [("checks", checks.dump()), ("problems", " ".join(now) or "-")],
                  [{"checks": checks.dump(), "problems": list(now), "same": same}])  # fmt: skip
    if not context.args.json:
        context.say(context.words("recordings.same" if same else "recordings.differs"))
    return Exit.OK if same else Exit.FAILED


def verify_all(context: Context) -> int:
    """Every file and the chain; exit 1 where something is wrong."""
    told_at = 0.0

    def progress(done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= PROGRESS_EVERY_S or done == total:
            told_at = time.monotonic()
            print(context.words("recordings.progress", done=done, total=total), file=sys.stderr, flush=True)

    with _database(context) as database:
        found = verify.verify(database, context.settings, load_secrets(context.settings), progress)
    if context.args.json:
        wrong = [{"wrong": one.wrong.value, "recording": one.recording, "say": one.say} for one in found.findings]
        context.table((), (), [{"links": found.links, "files": found.files, "findings": wrong}])
    else:
        for one in found.findings:
            line = {"wrong": one.wrong.value, "recording": one.recording, "say": one.say}
            context.say(context.words("recordings.wrong", **line))
        if not found.findings:
            context.say(context.words("recordings.verified", links=found.links, files=found.files))
    return Exit.FAILED if found.findings else Exit.OK


def rekey(context: Context) -> int:
    """A new master key wraps every file's key from now on; the files stay as they are."""
    secrets = add_recording_key(context.settings)
    keys = Keyring.read(secrets.recording_keys)
    with _database(context) as database:
        count = replace_key(database, keys)
    context.say(context.words("recordings.rekeyed", count=count, key=keys.current))
    return Exit.OK


def _row(context: Context, view: View) -> tuple[str, ...]:
    row, kept = view.row, view.kept
    return (
        row.recording,
        moment(row.started_at, context.settings.timezone),
        f"{kept.length / SECOND:.1f}",
        view.number or "-",
        row.queue or "-",
        " ".join(row.seats) or "-",
        row.outcome or "-",
        kept.state.value,
        " ".join(kept.problems) or "-",
    )


def _plain(view: View) -> dict[str, object]:
    row, kept = view.row, view.kept
    return {
        "recording": row.recording,
        "call": row.item,
        "kind": row.kind.value,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "seconds": kept.length / SECOND,
        "number": view.number,
        "queue": row.queue,
        "seats": list(row.seats),
        "outcome": row.outcome,
        "state": kept.state.value,
        "reason": kept.reason,
        "problems": list(kept.problems),
    }


def _time(context: Context, text: str) -> Micros:
    if not text:
        return 0
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from None
    return round((at if at.tzinfo else at.replace(tzinfo=context.settings.timezone)).timestamp() * SECOND)


def _detail(context: Context, database: Database) -> Detail:
    with database.read() as session:
        found = search.get(session, context.args.recording)
    if found is None:
        raise CommandFailed(Exit.UNKNOWN, context.words("recordings.unknown", recording=context.args.recording))
    return found


def _stored(context: Context, found: Detail) -> StoredFile:
    state = found.view.kept.state
    if found.file is None or state is not State.STORED:
        say_it = context.words("recordings.not_stored", recording=context.args.recording, state=state.value)
        raise CommandFailed(Exit.REFUSED, say_it)
    return found.file


def _form(context: Context) -> str:
    return "wav" if context.args.wav else ""


def _keys(context: Context) -> Keyring:
    return Keyring.read(load_secrets(context.settings).recording_keys)


def _now() -> Micros:
    return time.time_ns() // 1000


def _who() -> str:
    try:
        return f"cli:{getpass.getuser()}"[:80]
    except (KeyError, OSError):  # a user id without a name
        return "cli"


@contextmanager
def _database(context: Context) -> Iterator[Database]:
    database = open_database(context.settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _refusing(context: Context) -> Iterator[None]:
    try:
        yield
    except retention.Refused as error:
        code = Exit.UNKNOWN if error.code == "unknown" else Exit.REFUSED
        raise CommandFailed(code, context.words("recordings.refused", why=error)) from None


@contextmanager
def _heard(context: Context, recording: str) -> Iterator[None]:
    try:
        yield
    except (Damaged, KeyGone, FileNotFoundError) as error:
        raise CommandFailed(Exit.FAILED, context.words("recordings.damaged", recording=recording, why=error)) from None
