"""acd.ports.Leadership: one leader, held by something living."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg import sql

from acd.ports import Leadership
from storage.leadership import FileLeadership, PostgresLeadership
from tests.contract.conftest import BOTH
from tests.support.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(params=BOTH)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """(class, argument) of a leadership, of each kind."""
    if request.param == "sqlite":
        yield "FileLeadership", str(tmp_path / "run" / "engine.lock")
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = server.new_database()
    yield "PostgresLeadership", server.url(name)
    server.drop_database(name)


def made(place: tuple[str, str]) -> Leadership:
    kind, where = place
    return FileLeadership(Path(where)) if kind == "FileLeadership" else PostgresLeadership(where)


def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_only_one_leads_until_it_lets_go(place: tuple[str, str]) -> None:
    one, two = made(place), made(place)
    assert not one.still_held()
    assert one.acquire()
    assert not two.acquire()
    assert one.acquire()  # again: it is
    assert (one.still_held(), two.still_held()) == (True, False)
    two.release()
    assert one.still_held()
    one.release()
    one.release()
    assert not one.still_held()
    assert two.acquire()
    assert not one.acquire()
    two.release()


def test_kill_9_of_the_leader_frees_it(place: tuple[str, str]) -> None:
    kind, where = place
    code = (
        "import sys, pathlib; from storage.leadership import *;"
        f"kind = {kind}; held = kind(pathlib.Path(sys.argv[1]) if kind is FileLeadership else sys.argv[1]);"
        "print(held.acquire(), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, where]
    leader = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert leader.stdout is not None
    assert leader.stdin is not None
    assert leader.stdout.readline() == "True\n"
    follower = made(place)
    assert not follower.acquire()
    leader.kill()
    leader.wait()
    until(follower.acquire)
    assert follower.still_held()
    follower.release()
    leader.stdin.close()
    leader.stdout.close()


def test_a_removed_lock_file_ends_leadership(tmp_path: Path) -> None:
    path = tmp_path / "engine.lock"
    one, two = FileLeadership(path), FileLeadership(path)
    assert one.acquire()
    path.unlink()
    assert not one.still_held()
    assert two.acquire()
    assert not one.still_held()
    one.release()
    assert two.still_held()
    two.release()


@pytest.mark.postgres
def test_a_cut_connection_ends_leadership_and_it_can_be_had_again(postgres: Postgres) -> None:
    name = postgres.new_database()
    leader = PostgresLeadership(postgres.url(name))
    assert leader.acquire()
    cut = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ringside-leader'")
    postgres.execute(cut)
    until(lambda: not leader.still_held())
    assert leader.acquire()
    assert leader.still_held()
    leader.release()
    postgres.drop_database(name)


@pytest.mark.postgres
def test_a_server_that_is_not_there_gives_no_leadership(tmp_path: Path) -> None:
    leader = PostgresLeadership(f"postgresql+psycopg://ringside@/none?host={tmp_path}")
    assert not leader.acquire()
    assert not leader.still_held()
