"""Tokens in the main database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import RowMapping, insert, select, update

from acd.core.model import Micros
from api.auth.permissions import Permission
from api.auth.tokens import Token
from storage import tables
from storage.session import Database


class SqlTokens:
    """api.auth.tokens.TokenStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token) -> None:
        """Keep a new token."""
        row: dict[str, Any] = {
            "id": token.id,
            "name": token.name,
            "digest": token.digest,
            "permissions": " ".join(token.permissions),
            "created_at": token.created_at,
            "revoked_at": token.revoked_at,
        }
        with self._database.write() as session:
            session.execute(insert(tables.tokens).values(**row))

    def get(self, token_id: str) -> Token | None:
        """The token of that id, revoked or not."""
        with self._database.read() as session:
            row = session.execute(select(tables.tokens).where(tables.tokens.c.id == token_id)).mappings().one_or_none()
        return None if row is None else _token(row)

    def all(self) -> Sequence[Token]:
        """Every token, oldest first."""
        with self._database.read() as session:
            rows = session.execute(select(tables.tokens).order_by(tables.tokens.c.created_at)).mappings().all()
        return [_token(row) for row in rows]

    def revoke(self, token_id: str, at: Micros) -> bool:
        """From now on it is not valid. False when there is no such token."""
        mine = update(tables.tokens).where(tables.tokens.c.id == token_id)
        with self._database.write() as session:
            return session.execute(mine.values(revoked_at=at).returning(tables.tokens.c.id)).scalar() is not None


def _token(row: RowMapping) -> Token:
    # A permission that this version does not know gives nothing.
    known = {permission.value: permission for permission in Permission}
    names = str(row["permissions"]).split()
    permissions = tuple(known[name] for name in names if name in known)
    return Token(row["id"], row["name"], row["digest"], permissions, row["created_at"], row["revoked_at"])
