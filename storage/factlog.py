"""The fact log on SQLite or PostgreSQL: acd.ports.FactLog, in a database file of its own (ADR 0004).

The primary key `seq` is the fence (design.md §5.2): a stale leader's append violates it. `fact_inbox` holds each inbox
id once, so a request's command is never decided twice, whoever leads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text, select
from sqlalchemy.exc import IntegrityError

from acd.ports import Fenced, Snapshot, StoredFact
from storage.session import BEGIN, WRITE, make_engine

SNAPSHOTS_KEPT = 2
LOG_NAMES = {"pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s"}

log_metadata = MetaData(naming_convention=LOG_NAMES)

fact_table = Table(
    "facts",
    log_metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("by", Text, nullable=False, quote=True),  # a keyword of SQLite
    Column("via", Text, nullable=False),
    Column("inbox", BigInteger, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("v", Integer, nullable=False),
    Column("body", Text, nullable=False),
)

inbox_table = Table(
    "fact_inbox",
    log_metadata,
    Column("inbox", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
)

snapshot_table = Table(
    "snapshots",
    log_metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    Column("version", String(40), primary_key=True),
    Column("state", LargeBinary, nullable=False),
    Index(None, "version", "seq"),
)

_COLUMNS = tuple(field.name for field in fields(StoredFact))


class SqlFactLog:
    """acd.ports.FactLog. One object may be shared by threads; only the leader's one thread may append."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet. The schema must be there: storage.migrations.migrate."""
        self._engine = make_engine(url, pool_size=2)
        self._appender = self._engine.execution_options(**{BEGIN: WRITE})
        dialect = self._engine.dialect
        # Compiled once: SQLAlchemy's own way to an INSERT costs more than the fsync it leads to.
        self._insert_fact = str(fact_table.insert().compile(dialect=dialect, column_keys=list(_COLUMNS)))
        self._insert_inbox = str(inbox_table.insert().compile(dialect=dialect, column_keys=["inbox", "seq"]))
        self._positional = dialect.positional
        self._last: int | None = None

    def last_seq(self) -> int:
        """The highest seq stored, 0 for an empty log."""
        with self._engine.connect() as connection:
            return connection.scalar(select(fact_table.c.seq).order_by(fact_table.c.seq.desc()).limit(1)) or 0

    def append(self, facts: Sequence[StoredFact]) -> None:
        """Store the batch durably in one transaction; all or nothing.

        Raises Fenced when a seq is already there or would leave a gap, or when an inbox id was handled before;
        whatever the database raises when it cannot write. After any error the caller must step down.
        """
        if not facts:
            return
        last = self.last_seq() if self._last is None else self._last
        self._last = None
        if [fact.seq for fact in facts] != list(range(last + 1, last + 1 + len(facts))):
            raise Fenced(f"the log stands at {last}, the batch begins with {facts[0].seq}: another engine wrote")
        try:
            with self._appender.begin() as connection:
                connection.exec_driver_sql(self._insert_fact, self._rows(_COLUMNS, [_row(fact) for fact in facts]))
                handled = _handled(facts)
                if handled:
                    connection.exec_driver_sql(self._insert_inbox, self._rows(("inbox", "seq"), handled))
        except IntegrityError as error:
            raise Fenced(f"facts from {facts[0].seq} or their inbox rows are already in the log") from error
        self._last = facts[-1].seq

    def read(self, after: int, limit: int = 1000) -> list[StoredFact]:
        """Facts with seq > after in order, at most `limit`."""
        wanted = select(fact_table).where(fact_table.c.seq > after).order_by(fact_table.c.seq).limit(limit)
        with self._engine.connect() as connection:
            return [StoredFact(*row) for row in connection.execute(wanted)]

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep this snapshot and the one before it; older ones go."""
        row = {"seq": snapshot.seq, "version": snapshot.version, "state": snapshot.state}
        mine = (snapshot_table.c.seq == snapshot.seq) & (snapshot_table.c.version == snapshot.version)
        with self._appender.begin() as connection:
            connection.execute(snapshot_table.delete().where(mine))
            connection.execute(snapshot_table.insert(), row)
            newest = connection.scalars(
                select(snapshot_table.c.seq).order_by(snapshot_table.c.seq.desc()).limit(SNAPSHOTS_KEPT)
            ).all()
            connection.execute(snapshot_table.delete().where(snapshot_table.c.seq < min(newest)))

    def load_snapshot(self, version: str) -> Snapshot | None:
        """The newest snapshot made by that very core version, or None."""
        wanted = (
            select(snapshot_table)
            .where(snapshot_table.c.version == version)
            .order_by(snapshot_table.c.seq.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(wanted).first()
        return None if row is None else Snapshot(row.seq, row.version, row.state)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _rows(self, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Any:
        """The rows as the driver wants them: tuples for `?`, dicts for `%(name)s`."""
        return rows if self._positional else [dict(zip(names, row, strict=True)) for row in rows]


def _row(fact: StoredFact) -> tuple[Any, ...]:
    return (fact.seq, fact.at, fact.step, fact.by, fact.via, fact.inbox, fact.kind, fact.v, fact.body)


def _handled(batch: Sequence[StoredFact]) -> list[tuple[int, int]]:
    """(inbox id, seq of the step's first fact) of each step that came from an inbox row."""
    firsts: dict[tuple[int, int], int] = {}
    for fact in batch:
        if fact.inbox:
            firsts.setdefault((fact.inbox, fact.step), fact.seq)
    return [(inbox, seq) for (inbox, _step), seq in firsts.items()]
