"""Two who change the directory at once, on both databases: the one waits for the other, and neither for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from acd.core.model import QueueDef, SeatProfile
from acd.ports import CallerNumber
from directory import callers, document, prompts, seed, service
from directory.definitions import read_snapshot
from directory.model import DirectoryError
from directory.pool import next_generation
from directory.service import create_extension, list_extensions
from storage.session import Database


def test_two_who_add_at_once_do_not_pass_the_licences(database: Database) -> None:
    with database.write() as session:
        create_extension(session, "8001", licences=2)

    def add_another() -> str:
        try:
            with database.write() as session:
                create_extension(session, "8003", licences=2)
        except DirectoryError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            create_extension(session, "8002", licences=2)
            second = other.submit(add_another)
            with pytest.raises(TimeoutError):
                second.result(timeout=1)
        assert second.result(timeout=30) == "no_licence"
    with database.read() as session:
        assert [one.number for one in list_extensions(session)] == ["8001", "8002"]


def _apply(session: Session) -> object:
    told = document.export(session)
    told["seats"][0].pop("extension")
    return document.apply(session, told, key=bytes(32), region="TW")


def test_a_prompt_that_another_change_begins_to_play_is_not_removed(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        seed.seed_demo(session)
        made = prompts.add(session, tmp_path, prompts.Ready("welcome", "", bytes(1044)), at=1, by="amy")

    def remove() -> str:
        try:
            with database.write() as session:
                prompts.remove(session, tmp_path, made.id)
        except DirectoryError as error:
            return error.code
        return ""

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            service.put_queue(session, QueueDef("slow", "Slow", greeting=made.plays))
            second = other.submit(remove)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        assert second.result(timeout=30) == "prompt_in_use"


def test_two_who_block_at_once_make_one_entry_and_the_longer_one_stays(database: Database) -> None:
    with database.write() as session:
        caller = callers.keep_address(session, CallerNumber("0912345678", "+886912345678")).id

    def block() -> callers.Blacklisted:
        with database.write() as session:
            return callers.block(session, caller, at=1, by="amy", via="api")

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            longer = callers.block(session, caller, at=1, by="boss", via="api", for_good=True)
            second = other.submit(block)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
        assert second.result(timeout=30) == longer
    with database.read() as session:
        assert callers.blacklisted(session, 1) == [longer]


FIRST_OF_ALL: dict[str, Callable[[Session], object]] = {
    "release": lambda session: service.release_extension(session, "8001"),
    "move": lambda session: service.move_extension(session, "8001", "agent-8002"),
    "short code": lambda session: service.set_short_code(session, "8001", "61"),
    "a desk phone is given": lambda session: service.assign_extension(session, "8090", "lin"),
    "the person leaves": lambda session: service.archive_seat(session, "agent-8001"),
    "the seat changes": lambda session: service.set_seat(session, SeatProfile("agent-8001", "8001"), "Other"),
    "the queue changes": lambda session: service.put_queue(session, QueueDef("sales", "Other")),
    "a document": _apply,
}


@pytest.mark.parametrize("how", FIRST_OF_ALL)
def test_two_who_change_the_same_at_once_do_not_wait_for_each_other(database: Database, how: str) -> None:
    with database.write() as session:
        seed.seed_demo(session)
        create_extension(session, "8090", "desk")
        service.create_seat(session, SeatProfile("lin", ""), "Lin")

    def change() -> None:
        with database.write() as session:
            FIRST_OF_ALL[how](session)

    with ThreadPoolExecutor(1) as other:
        with database.write() as session:
            next_generation(session)
            second = other.submit(change)
            with pytest.raises(TimeoutError):
                second.result(timeout=0.5)
            service.renew_password(session, "8001")
            service.renew_password(session, "8090")
            service.set_seat(session, SeatProfile("agent-8001", "8001"))
            sales = next(one for one in read_snapshot(session).queues if one.id == "sales")
            service.put_queue(session, sales)
        second.result(timeout=30)
