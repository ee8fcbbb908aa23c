"""`ringside token`: bearer tokens of the API."""

from __future__ import annotations

import time

from api.auth import tokens
from api.auth.permissions import Permission, parse
from api.auth.store import SqlTokens
from api.bootstrap import open_database
from api.commands.common import CommandFailed, Context, Exit, moment
from storage.settings import load_secrets


def _now() -> int:
    return time.time_ns() // 1000


def create(context: Context) -> int:
    """A new token; its text is shown this once."""
    try:
        permissions = parse(context.args.may or ["all"])
    except ValueError as error:
        known = ", ".join(permission.value for permission in Permission)
        raise CommandFailed(Exit.USAGE, context.words("token.may", error=error, known=known)) from None
    database = open_database(context.settings)
    try:
        secrets = load_secrets(context.settings)
        token, text = tokens.create(SqlTokens(database), secrets.token_hash, context.args.name, permissions, _now())
    except ValueError as error:
        raise CommandFailed(Exit.USAGE, str(error)) from None
    finally:
        database.close()
    if context.args.json:
        context.table((), (), [{"id": token.id, "name": token.name, "token": text, "permissions": list(permissions)}])
        return Exit.OK
    context.say(text)
    return Exit.OK


def list_all(context: Context) -> int:
    """Every token, without its secret."""
    database = open_database(context.settings)
    try:
        found = SqlTokens(database).all()
    finally:
        database.close()
    zone = context.settings.timezone
    rows = [
        (
            token.id,
            token.name,
            moment(token.created_at, zone),
            moment(token.revoked_at, zone),
            " ".join(token.permissions),
        )
        for token in found
    ]
    plain = [
        {
            "id": token.id,
            "name": token.name,
            "created_at": token.created_at,
            "revoked_at": token.revoked_at,
            "permissions": list(token.permissions),
        }
        for token in found
    ]
    context.table(("head.token", "head.name", "head.created", "head.revoked", "head.may"), rows, plain)
    return Exit.OK


def revoke(context: Context) -> int:
    """From now on it is not valid."""
    database = open_database(context.settings)
    try:
        known = SqlTokens(database).revoke(context.args.token, _now())
    finally:
        database.close()
    if not known:
        raise CommandFailed(Exit.UNKNOWN, context.words("token.unknown", token=context.args.token))
    context.say(context.words("done"))
    return Exit.OK
