"""What the API takes and gives, as Pydantic models; made from the committed state. Times are UTC, RFC 3339."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from acd.core.model import Micros, Phase, Presence, PresenceState, Seat, SeatState, State, Strategy, WorkItem

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.+-]+$")]
Number = Annotated[str, StringConstraints(pattern=r"^[0-9]{2,10}$")]
Filter = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""What a list is filtered by; PostgreSQL takes no NUL."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(at: Micros) -> datetime | None:
    """A point in time, None for 0 (never)."""
    return _EPOCH + timedelta(microseconds=at) if at else None


def micros(at: datetime | None) -> Micros:
    """0 for no time; a time without a zone is UTC, whatever zone this machine is in."""
    if at is None:
        return 0
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


class Asked(BaseModel):
    """A request's body: a name that is not known is an error, not ignored."""

    model_config = ConfigDict(extra="forbid")


class SignIn(Asked):
    """`device` names what the agent works on; it changes nothing of the seat's history."""

    device: Annotated[str, StringConstraints(max_length=64)] = "api"


class StatusChoice(Asked):
    """A status of the directory; takes effect after what is going on where it cannot at once."""

    presence: Presence = Presence.VOICE
    status: Id


class WrapUpEnd(Asked):
    """`item` empty: every wrap-up of the seat."""

    item: Annotated[str, StringConstraints(max_length=64)] = ""


class Pickup(Asked):
    """`item` empty: the next one in the order this seat would get."""

    item: Annotated[str, StringConstraints(max_length=64)] = ""


class NewExtension(Asked):
    """`kind` is softphone, desk (一般分機) or browser."""

    number: Number
    kind: Literal["softphone", "desk", "browser"] = "softphone"
    short_code: Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9*#]*$")] = ""


class ShortCode(Asked):
    """Empty: none."""

    short_code: Annotated[str, StringConstraints(max_length=8, pattern=r"^[0-9*#]*$")]


class Assignment(Asked):
    seat: Id


class PresenceOut(BaseModel):
    """One status switcher. `pending` holds after what is going on now."""

    status: str
    since: datetime | None
    pending: str
    state: SeatState
    state_since: datetime | None


class Holding(BaseModel):
    """An item a seat holds. `doing` is offered, talking, wrap_up or direct."""

    item: str
    doing: str
    medium: str
    queue: str = ""
    since: datetime | None
    ends_at: datetime | None = None


class SeatOut(BaseModel):
    """A seat as it is now. Only what is committed is shown."""

    id: str
    name: str
    extension: str
    signed_in_at: datetime | None
    device: str
    reachable: bool
    on_shift: bool
    voice: PresenceOut
    text: PresenceOut
    queues: list[str]
    skills: dict[str, int]
    total: int = Field(description="accepted offers of the organisation's day")
    holds: list[Holding]


class Waiting(BaseModel):
    """An item in a queue, in the order it will be served unless skills or seats differ."""

    item: str
    kind: str
    place: int
    queued_at: datetime | None
    priority: int


class QueueOut(BaseModel):
    """A queue as it is now. `ready` counts seats that are Ready and serve it."""

    id: str
    name: str
    strategy: Strategy
    retired: bool
    waiting: int
    offered: int
    active: int
    wrap_up: int
    signed_in: int
    ready: int
    longest_wait_since: datetime | None
    items: list[Waiting]


class PhoneOut(BaseModel):
    """A registered phone as Asterisk has it. `answers` null: not asked yet. `expires_at` in seconds since 1970."""

    registered: bool
    address: str
    agent: str
    answers: bool | None
    round_trip_us: int
    expires_at: int


class ExtensionOut(BaseModel):
    """`phone` null: not registered, or nobody can tell now."""

    number: str
    kind: str
    seat: str
    short_code: str = ""
    phone: PhoneOut | None = None


class NewExtensionOut(ExtensionOut):
    """The password is shown this once."""

    password: str


class MovedExtensionOut(ExtensionOut):
    """`password` is the other one it has now, shown this once; null: it keeps the one it had."""

    password: str | None


class Reply(BaseModel):
    """What a command came to, and the seat after it."""

    item: str
    offer: str
    note: str
    seat: SeatOut


class Fact(BaseModel):
    """One fact of an item's time line. `about` is the fact's content; it holds ids, never names or numbers."""

    seq: int
    at: datetime | None
    by: str
    via: str
    fact: str
    about: dict[str, Any]


def seat_out(seat: Seat, name: str) -> SeatOut:
    """A seat of the state; its name comes from the directory."""
    profile = seat.profile
    return SeatOut(
        id=profile.id,
        name=name,
        extension=profile.extension,
        signed_in_at=moment(seat.signed_in_at),
        device=seat.device,
        reachable=seat.reachable,
        on_shift=seat.on_shift,
        voice=_presence(seat.voice),
        text=_presence(seat.text),
        queues=[joined.queue for joined in profile.queues],
        skills={has.skill: has.level for has in profile.skills},
        total=seat.total,
        holds=[],
    )


def _presence(given: PresenceState) -> PresenceOut:
    return PresenceOut(
        status=given.status,
        since=moment(given.since),
        pending=given.pending,
        state=given.seen,
        state_since=moment(given.seen_since),
    )


def seat_with_holdings(state: State, seat: Seat, name: str) -> SeatOut:
    """A seat with everything it holds, in the order it got it."""
    shown = seat_out(seat, name)
    offers = [state.offers[name] for name in seat.offers if name in state.offers]
    shown.holds = [
        *(Holding(item=o.item, doing="offered", medium=o.medium, since=moment(o.at), ends_at=moment(o.expires_at))
          for o in offers),
        *(Holding(item=h.item, doing="talking", medium=h.medium, queue=h.queue, since=moment(h.since))
          for h in seat.handlings.values()),
        *(Holding(item=w.item, doing="wrap_up", medium=w.medium, queue=w.queue, since=moment(w.since),
                  ends_at=moment(w.ends_at)) for w in seat.wrap_ups.values()),
        *(Holding(item=d.id, doing="direct", medium="voice", since=moment(d.since)) for d in seat.directs.values()),
    ]  # fmt: skip
    return shown


def waiting_in(state: State, queue: str) -> list[WorkItem]:
    """Who waits in a queue, next one first."""
    waiting = (item for item in state.items.values() if item.phase is Phase.WAITING and item.queue == queue)
    return sorted(waiting, key=lambda item: (item.order, item.number))


def queue_out(state: State, queue_id: str) -> QueueOut:
    """A queue of the state. Raises KeyError for one that is not there."""
    queue = state.queues[queue_id]
    items = waiting_in(state, queue_id)
    inside = [item for item in state.items.values() if item.queue == queue_id]
    members = [seat for seat in state.seats.values() if any(joined.queue == queue_id for joined in seat.profile.queues)]
    return QueueOut(
        id=queue.id,
        name=queue.name,
        strategy=queue.strategy,
        retired=queue.retired,
        waiting=len(items),
        offered=sum(item.phase is Phase.OFFERED for item in inside),
        active=sum(item.phase is Phase.ACTIVE for item in inside),
        wrap_up=sum(wrap.queue == queue_id for seat in members for wrap in seat.wrap_ups.values()),
        signed_in=sum(bool(seat.signed_in_at) for seat in members),
        ready=sum(SeatState.READY in (seat.voice.seen, seat.text.seen) for seat in members),
        longest_wait_since=moment(min((item.queued_at for item in items), default=0)),
        items=[
            Waiting(
                item=item.id,
                kind=item.kind.value,
                place=place,
                queued_at=moment(item.queued_at),
                priority=item.plan.priority,
            )
            for place, item in enumerate(items, 1)
        ],
    )
