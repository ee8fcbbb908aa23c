"""Commands written by a request in its own transaction (acd.ports.Inbox, design.md §5.4)."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from acd.ports import InboxRow
from storage.session import Database
from storage.tables import inbox


class SqlInbox:
    """The engine drains it by id; an id never comes again, and the log refuses one that it has."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def put(session: Session, kind: str, body: str, by: str, via: str) -> int:
        """Leave an input (its kind and JSON, acd.core.codec) for the engine in the request's transaction; its id."""
        row = {"kind": kind, "body": body, "by": by, "via": via}
        made: int = session.scalars(insert(inbox).values(**row).returning(inbox.c.id)).one()
        return made

    def pending(self, limit: int = 100) -> list[InboxRow]:
        """Rows not yet done, by id."""
        wanted = select(inbox.c.id, inbox.c.kind, inbox.c.body, inbox.c.by, inbox.c.via)
        with self._database.read() as session:
            return [InboxRow(*row) for row in session.execute(wanted.order_by(inbox.c.id).limit(limit))]

    def done(self, ids: Sequence[int]) -> None:
        """Their facts are committed: the rows go. Repeating is harmless."""
        if ids:
            with self._database.write() as session:
                session.execute(delete(inbox).where(inbox.c.id.in_(ids)))
