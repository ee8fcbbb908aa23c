"""acd.ports.Inbox: a command lives and dies with its request's transaction, and its id never comes again."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from acd.core.codec import dump, kind_of, load_input
from acd.core.inputs import SeatSignedOut
from acd.ports import Inbox, InboxRow
from storage.inbox import SqlInbox
from storage.session import Database
from storage.tables import contacts


def put(database: Database, seat: str) -> int:
    given = SeatSignedOut(seat)
    with database.write() as session:
        return SqlInbox.put(session, kind_of(given), dump(given), "p-1", "api")


def test_a_command_waits_until_it_is_done(database: Database) -> None:
    inbox: Inbox = SqlInbox(database)
    assert inbox.pending() == []
    first, second = put(database, "客服一"), put(database, "s2")
    assert first < second
    assert inbox.pending() == [
        InboxRow(first, "SeatSignedOut", '{"seat":"客服一","forced":false}', "p-1", "api"),
        InboxRow(second, "SeatSignedOut", '{"seat":"s2","forced":false}', "p-1", "api"),
    ]
    assert inbox.pending(limit=1)[0].id == first
    row = inbox.pending()[0]
    assert load_input(row.kind, row.body) == SeatSignedOut("客服一")
    inbox.done([first])
    inbox.done([first])
    inbox.done([])
    assert [row.id for row in inbox.pending()] == [second]


def test_ids_of_commands_that_are_done_do_not_come_again(database: Database) -> None:
    inbox = SqlInbox(database)
    seen: list[int] = []
    for _ in range(5):
        seen.append(put(database, "s"))
        inbox.done(seen)
    assert seen == sorted(set(seen))


def test_the_command_goes_with_its_request(database: Database) -> None:
    def request() -> None:
        with database.write() as session:
            session.execute(insert(contacts).values(id="c1", name="n"))
            SqlInbox.put(session, "SeatSignedOut", "{}", "p-1", "api")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        request()
    assert SqlInbox(database).pending() == []
    with database.read() as session:
        assert session.scalars(select(contacts.c.id)).all() == []
