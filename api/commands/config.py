"""`ringside config check`: are the settings and the directory sound? Prints the settings, never a secret."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from api.bootstrap import asterisk_settings, open_database, read_part, sounds_folder
from api.changing import change
from api.commands.callers import refused
from api.commands.common import CommandFailed, Context, Exit, complain
from api.sounds import missing_sounds
from cti.config import BadSettings
from directory import document
from directory.definitions import problems, read_snapshot
from directory.model import DirectoryError
from storage.migrations import migrate
from storage.settings import load_secrets


def check(context: Context) -> int:
    """Exit 1 where something cannot be used; each fault in its own line."""
    settings = context.settings
    faults: list[str] = []
    migrate(settings)
    database = open_database(settings)
    try:
        with database.read() as session:
            faults += [f"{problem.say} ({problem.code})" for problem in problems(read_snapshot(session))]
            silent = missing_sounds(session, sounds_folder(settings))
        try:
            secrets = load_secrets(settings)
            asterisk_settings(settings, secrets, read_part(database, settings, secrets))
        except BadSettings as error:
            faults.append(str(error))
    finally:
        database.close()
    shown = {
        name: value
        for name, value in sorted(settings.model_dump(mode="json").items())
        if name not in {"database_url", "facts_url"}
    }
    context.table(("head.setting", "head.value"), list(shown.items()), [shown])
    for fault in (*faults, *(f"there is no sound {name}: callers hear nothing there" for name in silent)):
        complain(fault)
    if not context.args.json:
        context.say(context.words("config.faults", count=len(faults)))
    return Exit.FAILED if faults else Exit.OK


LARGEST = 4 * 1024 * 1024


def export(context: Context) -> int:
    """The whole directory as one document, without passwords."""
    database = open_database(context.settings)
    try:
        with database.read() as session:
            told = document.export(session)
    finally:
        database.close()
    context.say(json.dumps(told, ensure_ascii=False, indent=1))
    return Exit.OK


def apply(context: Context) -> int:
    """Make the directory what the document says, or with --dry-run only tell what would change."""
    settings, secrets = context.settings, load_secrets(context.settings)
    given = _read(context)
    database = open_database(settings)
    try:
        found = change(
            database,
            settings,
            secrets,
            lambda session: document.apply(
                session,
                given,
                key=secrets.sealing_key(),
                region=settings.default_region,
                licences=settings.phone_seats,
                emergency=settings.emergency_numbers,
            ),
            keep=not context.args.dry_run,
        )
    except DirectoryError as error:
        raise refused(error) from None
    finally:
        database.close()
    rows = [(one.section, one.id, context.words(f"change.{one.what}"), " ".join(one.fields)) for one in found]
    plain = [{"section": one.section, "id": one.id, "what": one.what, "fields": list(one.fields)} for one in found]
    context.table(("head.section", "head.id", "head.change", "head.fields"), rows, plain)
    if not context.args.json:
        key = "config.would" if context.args.dry_run else "config.done"
        context.say(context.words(key, count=len(found)))
    return Exit.OK


def _read(context: Context) -> object:
    name = context.args.file
    try:
        if name == "-":
            text = sys.stdin.read(LARGEST + 1)
        else:
            with Path(name).open(encoding="utf-8") as file:
                text = file.read(LARGEST + 1)
        if len(text) > LARGEST:
            raise CommandFailed(Exit.USAGE, context.words("error.too_large"))
        return json.loads(text)
    except (OSError, ValueError) as error:
        raise CommandFailed(Exit.USAGE, f"{name}: {error}") from None
