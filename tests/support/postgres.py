"""A private PostgreSQL for tests: own cluster in a temporary folder, unix socket only, gone with the test run.

PostgreSQL refuses to run as root; then it runs as the user `postgres` (or `nobody`).
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

START_WITHIN = 30.0  # seconds
USER = "ringside"


def find_binaries() -> Path:
    """The folder with `postgres` and `initdb`. Fails the test where there is none: Debian's 15 before others."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name != "15")
    on_path = shutil.which("initdb")
    if on_path:
        installed.append(Path(on_path).resolve().parent)
    for folder in installed:
        if all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb")):
            return folder
    pytest.fail("no PostgreSQL server: run `make setup`, or install postgresql-15", pytrace=False)


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. Databases made here go with it."""

    folder: Path
    pid: int
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def url(self, database: str) -> str:
        """As RINGSIDE_DATABASE_URL takes it."""
        return f"postgresql+psycopg://{USER}@/{database}?host={self.folder}"

    def new_database(self, template: str = "template0") -> str:
        """The name of a fresh database, a copy of `template`, which nobody may be connected to."""
        name = f"t{next(self._numbers)}"
        self.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template)))
        return name

    def drop_database(self, name: str) -> None:
        """Also when somebody is still connected."""
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed | sql.SQL) -> None:
        """Run one statement in the database `postgres`, outside a transaction."""
        with psycopg.connect(self.conninfo("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def conninfo(self, database: str) -> str:
        """As psycopg takes it."""
        return f"host={self.folder} user={USER} dbname={database}"


@contextmanager
def running_postgres() -> Generator[Postgres]:
    """A server of its own, started and stopped here; it also ends when this process is killed."""
    binaries = find_binaries()
    folder = Path(tempfile.mkdtemp(prefix="rs-pg-"))  # short: a socket's path has 107 bytes at most
    user = _user()
    try:
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        around = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
        data = str(folder / "data")
        initdb = [str(binaries / "initdb"), "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync"]
        made = subprocess.run(_as(user, initdb), check=False, capture_output=True, text=True, cwd=folder, env=around)
        assert made.returncode == 0, made.stdout + made.stderr
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}", "-c", "max_connections=60"]
        start = _as(user, [str(binaries / "postgres"), "-D", data, *options])
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(start, stdout=log, stderr=log, cwd=folder, env=around)
        try:
            postgres = Postgres(folder, server.pid)
            _wait_until_ready(postgres, server)
            yield postgres
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: open connections are cut
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.send_signal(signal.SIGQUIT)
                server.wait(10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam("postgres" if "postgres" in names else "nobody")


def _as(user: pwd.struct_passwd | None, command: list[str]) -> list[str]:
    """The command as that user; it ends when this process does."""
    change = [] if user is None else [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return ["setpriv", "--pdeathsig", "QUIT", *change, *command]


def _wait_until_ready(postgres: Postgres, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_WITHIN
    while True:
        try:
            psycopg.connect(postgres.conninfo("postgres"), connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL does not start:\n{(postgres.folder / 'log').read_text()}", pytrace=False)
            time.sleep(0.05)
