"""Rows of contacts that an older Ringside wrote stay valid: what goes on then, goes on."""

from __future__ import annotations

from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table, insert

from acd.core import facts as f
from acd.core.facts import Recorded
from acd.core.model import (
    SECOND,
    DirectKind,
    EntryPlan,
    Kind,
    OfferRule,
    Outcome,
    Party,
    Strategy,
    WrapUpEnding,
    WrapUpRule,
)
from records import cases as kept
from records.consumer import apply_batch
from records.fold import Rules, fold_into
from records.model import Case
from storage import migrations
from storage.migrations import migrate
from storage.session import BEGIN, WRITE, Database, make_engine
from storage.settings import Settings

OLD = "main_0003"
TABLES = ("interactions", "segments", "legs", "handlings", "service_records")
PLAN = EntryPlan(entry="81", revision=1, queue="service", address="a-1")
RULE = WrapUpRule(WrapUpEnding.BY_HAND)


def served(item: str, seat: str) -> tuple[f.Fact, ...]:
    offer = f"o-{item}"
    rule, strategy = OfferRule.SEAT_FOR_ITEM, Strategy.LONGEST_IDLE
    return (
        f.Entered(item, 1, Kind.CALL, "voice", f"s-{item}", PLAN, leg=f"leg-{item}"),
        f.Arrived(item),
        f.Queued(item, "service", 0, ()),
        f.Offered(offer, item, seat, "voice", "service", 0, rule, strategy, (), 1, 1),
        f.RingStarted(offer, item, seat),
        f.Accepted(offer, item, seat, "voice", "service", f"{offer}-b"),
        f.MediaUp(item, seat),
    )


def over(item: str, seat: str) -> tuple[f.Fact, ...]:
    return (
        f.HandlingEnded(item, seat, "voice", "service", Party.CUSTOMER, f"o-{item}", f"o-{item}-b"),
        f.WrapUpStarted(item, seat, "voice", "service", RULE, 0),
        f.Ended(item, Outcome.ANSWERED, Party.CUSTOMER, "voice", f"leg-{item}", gone=True),
    )


BEFORE: tuple[f.Fact, ...] = (
    *served("done", "anna"),
    *over("done", "anna"),
    f.WrapUpLeft("done", "anna", "by_hand"),
    *served("wraps", "ben"),
    *over("wraps", "ben"),
    *served("talks", "anna"),
    f.DirectStarted("out", "cora", DirectKind.OUTBOUND, "leg-out", "a-7"),
    f.DirectAnswered("out", "cora"),
    *served("waits", "dan")[:3],
)
AFTER: tuple[f.Fact, ...] = (
    f.WrapUpLeft("wraps", "ben", "by_hand"),
    *over("talks", "anna"),
    f.WrapUpLeft("talks", "anna", "by_hand"),
    f.DirectEnded("out", "cora", DirectKind.OUTBOUND, Outcome.ANSWERED, Party.SEAT, False),
    f.Ended("waits", Outcome.ABANDONED_QUEUE, Party.CUSTOMER, "voice", "leg-waits"),
)


def recorded(facts: tuple[f.Fact, ...], after: int = 0) -> list[Recorded]:
    return [Recorded(seq, seq * SECOND, seq, "t", "t", 0, one) for seq, one in enumerate(facts, after + 1)]


def write_old_rows(connection: Connection, cases: list[Case]) -> None:
    """The rows as the older version had them: its columns only."""
    metadata = MetaData()
    known = {name: Table(name, metadata, autoload_with=connection) for name in TABLES}
    for case in cases:
        parts: dict[str, list[Any]] = {
            "interactions": [case.interaction],
            "segments": case.segments,
            "legs": case.legs,
            "handlings": case.handlings,
            "service_records": [case.record] if case.record is not None else [],
        }
        for name, rows in parts.items():
            table = known[name]
            for row in rows:
                values = {column.name: getattr(row, column.name) for column in table.columns}
                connection.execute(insert(table).values(**values))


def test_contacts_of_an_older_version_go_on(empty_settings: Settings) -> None:
    """Exactly as if this version had seen them begin: times of each part, who has the conversation, the record."""
    before, after = recorded(BEFORE), recorded(AFTER, len(BEFORE))
    cases: dict[str, Case] = {}
    for one in before:
        fold_into(cases, one, Rules())
    empty_settings.prepare()
    config: Config = migrations._config("main")
    engine = make_engine(empty_settings.main_url)
    with engine.execution_options(**{BEGIN: WRITE}).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, OLD)
        write_old_rows(connection, list(cases.values()))
    engine.dispose()
    migrate(empty_settings)
    database = Database(empty_settings.main_url)
    with database.read() as session:
        assert kept.load(session, list(cases)) == cases
    with database.write() as session:
        apply_batch(session, after)
    for one in after:
        fold_into(cases, one, Rules())
    with database.read() as session:
        assert kept.load(session, list(cases)) == cases
    database.close()
    assert all(case.interaction.ended_at for case in cases.values())
    (part,) = cases["talks"].handlings
    assert part.talk == part.ended_at - part.accepted_at > 0
