"""`ringside config check`: are the settings and the directory sound? Prints the settings, never a secret."""

from __future__ import annotations

from api.bootstrap import asterisk_settings, open_database, read_part
from api.commands.common import Context, Exit, complain
from cti.config import BadSettings
from directory.definitions import problems, read_snapshot
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
    for fault in faults:
        complain(fault)
    if not context.args.json:
        context.say(context.words("config.faults", count=len(faults)))
    return Exit.FAILED if faults else Exit.OK
