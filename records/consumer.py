"""The consumer that keeps records' rows (storage.cursors.Consumer). The facts of one transaction are folded in memory
and written once (storage.gathering)."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from acd.core import facts as f
from acd.core.facts import Recorded
from records import cases
from records.fold import Rules, case_ids, fold_into, settle
from records.model import Case, ServiceRecord
from storage import tables
from storage.gathering import gather

NAME = "records"


class RecordsConsumer:
    """Builds interactions, segments, legs, handlings, service records and who served an address last."""

    @property
    def name(self) -> str:
        """Names its cursor for ever."""
        return NAME

    def apply(self, session: Session, recorded: Recorded) -> None:
        """Take the fact up; the rows are written before this session's transaction commits."""
        if case_ids(recorded.fact):
            gather(session, recorded, apply_batch)


def apply_batch(session: Session, batch: list[Recorded]) -> None:
    """Fold these facts into their cases and write them. Facts that were applied before change nothing."""
    items = list(dict.fromkeys(item for recorded in batch for item in case_ids(recorded.fact)))
    if not items:
        return
    rules = read_rules(session)
    known = cases.load_to_write(session, items)
    there = frozenset(known)
    seen = {item: case.interaction.last_seq for item, case in known.items()}
    for recorded in batch:
        fold_into(known, recorded, rules)
        case = known.get(case_ids(recorded.fact)[0])
        if case is not None:
            _note_last_seat(session, case, recorded)
    changed = [case for item, case in known.items() if case.interaction.last_seq != seen.get(item, 0)]
    cases.save(session, changed, there)


def read_rules(session: Session) -> Rules:
    """V2's switch as it stands; on where there is no directory yet."""
    chosen = session.execute(select(tables.directory_state.c.outbound_record)).scalar()
    return Rules(outbound_record=True if chosen is None else chosen)


def _note_last_seat(session: Session, case: Case, recorded: Recorded) -> None:
    """D2: who served this address last; an older fact never replaces a newer one. A callback that was accepted has not
    reached its customer yet."""
    fact, address = recorded.fact, case.interaction.address
    served = f.Accepted | f.TookOver | f.CustomerAnswered | f.FallbackCallServed
    seat = fact.seat if isinstance(fact, served) and case.interaction.accepted_at else ""
    if not seat or not address:
        return
    kept = tables.last_seats
    at = session.execute(select(kept.c.at).where(kept.c.address == address)).scalar()
    if at is None:
        session.execute(kept.insert().values(address=address, seat=seat, at=recorded.at))
    elif at <= recorded.at:
        session.execute(update(kept).where(kept.c.address == address).values(seat=seat, at=recorded.at))


def open_outbound_record(session: Session, item: str) -> Case | None:
    """V2 with the switch off: the agent clicks "make a service record" on his connected outbound call. Never commits.

    None where there is no such call, it is not outbound, or nobody was connected.
    """
    case = cases.load_to_write(session, [item]).get(item)
    if case is None or case.interaction.direction != "outbound" or not case.interaction.accepted_at:
        return None
    if case.record is None:
        case.interaction.recorded_outbound = True
        settle(case)
        cases.save(session, [case], frozenset({item}))
    return case


class NotOpened(Exception):
    """No record is made. `code` is stable: unknown_call, not_outbound, not_connected, not_serving, record_exists."""

    def __init__(self, code: str, say: str) -> None:
        super().__init__(say)
        self.code = code


def open_record_by(session: Session, item: str, seat: str) -> ServiceRecord:
    """The same for the seat that asks: it must have been with the customer. Never commits. Raises NotOpened."""
    case = cases.load_to_write(session, [item]).get(item)
    if case is None:
        raise NotOpened("unknown_call", f"There is no call {item}; GET /api/v1/calls lists them.")
    if case.interaction.direction != "outbound":
        raise NotOpened("not_outbound", "Only for calls out is a record made by hand.")
    if not any(part.seat == seat for part in case.handlings):
        raise NotOpened("not_serving", f"seat {seat} is not in this call and was not")
    if not case.interaction.accepted_at:
        raise NotOpened("not_connected", "The customer has not answered this call.")
    if case.record is not None:
        raise NotOpened("record_exists", f"The call has the record {case.record.id} already.")
    opened = open_outbound_record(session, item)
    assert opened is not None
    assert opened.record is not None
    return opened.record


__all__ = [
    "NAME",
    "NotOpened",
    "RecordsConsumer",
    "apply_batch",
    "open_outbound_record",
    "open_record_by",
    "read_rules",
]
