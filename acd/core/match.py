"""Who gets what: one index for every strategy, never a scan over all seats or all waiting items.

Items that ask for the same (queue, medium, needs, line) form a class. Each class keeps a heap of the seats that may be
offered its items now, ranked by the queue's strategy, and a heap of its waiting items by (order, number). Both use
lazy deletion: `live` and `waiting` say which entries hold, stale ones are dropped when they come up. A change of a
seat costs O(classes it serves × log seats), a match O(1) to O(classes it serves), a line that is full or free again
O(classes of callbacks on it), however many wait.

The index is derived from the state and may be rebuilt at any time; acd.why decides the same things by scanning.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from acd.core.model import Kind, Micros, Phase, Seat, SkillLevel, State, Way, WorkItem
from acd.core.seats import SCORES, block_of, has_skills, rank_in

ClassKey = tuple[str, str, tuple[SkillLevel, ...], str]
Score = tuple[int, ...]
SeatEntry = tuple[int | str, ...]
"""A score and, last, the seat's id: flat, since comparing nested tuples costs twice as much."""
ItemEntry = tuple[Micros, int, str]
"""Order, arrival number, item id."""

COMPACT_ABOVE = 64
"""A heap is rebuilt when stale entries outnumber live ones by this much; keeps upkeep amortised O(log n)."""


@dataclass(frozen=True, slots=True)
class Pick:
    """What the index chose, the winning key without its id, and how many there were to choose from."""

    id: str
    score: Score
    candidates: int


@dataclass(slots=True, eq=False)
class _Class:
    queue: str
    medium: str
    needs: tuple[SkillLevel, ...]
    line: str  # the one that callbacks are to be made on, empty for all others
    shut: bool = False  # that line is full
    skilled_online: int = 0
    relaxed: bool = False  # D3 in force
    live: dict[str, SeatEntry] = field(default_factory=dict)
    seats: list[SeatEntry] = field(default_factory=list)
    waiting: dict[str, ItemEntry] = field(default_factory=dict)
    items: list[ItemEntry] = field(default_factory=list)

    def first_seat(self) -> SeatEntry | None:
        while self.seats and self.live.get(str(self.seats[0][-1])) != self.seats[0]:
            heapq.heappop(self.seats)
        return self.seats[0] if self.seats else None

    def first_item(self) -> ItemEntry | None:
        while self.items and self.waiting.get(self.items[0][2]) != self.items[0]:
            heapq.heappop(self.items)
        return self.items[0] if self.items else None

    def put_seat(self, seat_id: str, entry: SeatEntry) -> None:
        if self.live.get(seat_id) == entry:
            return
        self.live[seat_id] = entry
        heapq.heappush(self.seats, entry)
        if len(self.seats) > 2 * len(self.live) + COMPACT_ABOVE:
            self.seats = list(self.live.values())
            heapq.heapify(self.seats)

    def put_item(self, entry: ItemEntry) -> None:
        if self.waiting.get(entry[2]) == entry:
            return
        self.waiting[entry[2]] = entry
        heapq.heappush(self.items, entry)
        if len(self.items) > 2 * len(self.waiting) + COMPACT_ABOVE:
            self.items = list(self.waiting.values())
            heapq.heapify(self.items)


@dataclass(slots=True)
class _Membership:
    """One class a seat's queues lead it to; `skilled` says whether it has the skills without D3."""

    group: _Class
    rank: int
    skilled: bool


class Index:
    """The matcher's view of a state. Call `seat_changed`/`item_changed` after facts touched them.

    `dirty_seats`/`dirty_classes` collect, in order, who may now find something; the decider works them off.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self.classes: dict[ClassKey, _Class] = {}
        self.by_queue: dict[str, list[_Class]] = {}
        self.members: dict[str, dict[str, None]] = {}
        self.by_seat: dict[str, list[_Membership]] = {}
        self.serving: dict[str, list[_Membership]] = {}  # those of by_seat it may serve: skilled, or D3 in force
        self.online: dict[str, None] = {}
        self.place: dict[str, _Class] = {}
        self.reserved: dict[str, dict[str, None]] = {}
        self.held_for: dict[str, str] = {}
        self.by_line: dict[str, list[_Class]] = {}
        # Those whose longest wait is over while the line out was full: by line, and for each the line.
        self.led_out: dict[str, dict[str, None]] = {}
        self.way_out: dict[str, str] = {}
        self.dirty_seats: dict[str, None] = {}
        self.dirty_classes: dict[_Class, None] = {}
        self.rebuild()

    # --- upkeep ----------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Derive everything anew from the state: at start and when a definition changed."""
        for part in (
            self.classes,
            self.by_queue,
            self.members,
            self.by_seat,
            self.serving,
            self.online,
            self.place,
            self.reserved,
            self.held_for,
            self.by_line,
            self.led_out,
            self.way_out,
            self.dirty_classes,
        ):
            part.clear()
        for seat_id, seat in self.state.seats.items():
            self._join(seat_id, seat)
        for item_id in self.state.items:
            self.item_changed(item_id)
        for seat_id in self.state.seats:
            self.seat_changed(seat_id)
            self.dirty_seats[seat_id] = None

    def profile_changed(self, seat_id: str) -> None:
        """The seat's queues or skills changed, or it is new or gone."""
        for queue_members in self.members.values():
            queue_members.pop(seat_id, None)
        was_online = seat_id in self.online
        self.serving.pop(seat_id, None)
        for own in self.by_seat.pop(seat_id, []):
            own.group.live.pop(seat_id, None)
            if own.skilled and was_online:
                self._count_online(own.group, -1)
        self.online.pop(seat_id, None)
        seat = self.state.seats.get(seat_id)
        if seat is not None:
            self._join(seat_id, seat)
            self.seat_changed(seat_id)

    def seat_changed(self, seat_id: str) -> None:
        """Anything about the seat changed: put it where it belongs in every class it serves."""
        seat = self.state.seats.get(seat_id)
        if seat is None:
            return
        self._notice_presence(seat_id, bool(seat.signed_in_at))
        entries: dict[tuple[str, str], SeatEntry | None] = {}
        for own in self.serving[seat_id]:
            self._place_seat(seat_id, seat, own.group, entries)
        if self.reserved.get(seat_id):
            self.dirty_seats[seat_id] = None

    def item_changed(self, item_id: str) -> None:
        """The item began or ceased to wait, moved, or is held for its last agent."""
        item = self.state.items.get(item_id)
        waits = item is not None and item.phase is Phase.WAITING
        held = item.sticky_seat if item is not None and waits else ""
        self._hold(item_id, held)
        self._lead_out(item_id, line_out(self.state, item) if item is not None and waits and item.overdue else "")
        own = self._class_of(item) if item is not None and waits else None
        group = None if held else own  # held, its class is there all the same: by it a line's turn is noticed
        before = self.place.get(item_id)
        if before is not None and before is not group:
            del self.place[item_id], before.waiting[item_id]
        if item is not None and group is not None:
            group.put_item((item.order, item.number, item_id))
            self.place[item_id] = group
            self.dirty_classes[group] = None

    def lines_changed(self) -> None:
        """Calls began or ended: callbacks are offered while their line has room."""
        for line, groups in self.by_line.items():
            shut = line_is_full(self.state, line)
            if shut != groups[0].shut:
                self._turn(groups, shut=shut)
                self.dirty_seats.update(dict.fromkeys(self._last_agents(line)))

    def _on_line(self, group: _Class) -> None:
        """Shut like the line's other classes, also where the line turned in this step: they turn together."""
        others = self.by_line.setdefault(group.line, [])
        group.shut = others[0].shut if others else line_is_full(self.state, group.line)
        others.append(group)

    def _turn(self, groups: list[_Class], *, shut: bool) -> None:
        for group in groups:
            group.shut = shut
            self.dirty_classes[group] = None

    def _last_agents(self, line: str) -> list[str]:
        """The seats that callbacks on this line are held for."""
        held = ((self.state.items[item_id], seat_id) for item_id, seat_id in self.held_for.items())
        return [seat_id for item, seat_id in held if line_of(self.state, item) == line]

    def _lead_out(self, item_id: str, line: str) -> None:
        before = self.way_out.pop(item_id, "")
        if before:
            del self.led_out[before][item_id]
            if not self.led_out[before]:
                del self.led_out[before]
        if line:
            self.way_out[item_id] = line
            self.led_out.setdefault(line, {})[item_id] = None

    def _hold(self, item_id: str, seat_id: str) -> None:
        before = self.held_for.pop(item_id, "")
        if before:
            del self.reserved[before][item_id]
        if seat_id:
            self.held_for[item_id] = seat_id
            self.reserved.setdefault(seat_id, {})[item_id] = None
            self.dirty_seats[seat_id] = None

    def _join(self, seat_id: str, seat: Seat) -> None:
        self.by_seat[seat_id], self.serving[seat_id] = [], []
        for own in seat.profile.queues:
            self.members.setdefault(own.queue, {})[seat_id] = None
            for group in self.by_queue.get(own.queue, []):
                self._enlist(seat_id, seat, group)

    def _enlist(self, seat_id: str, seat: Seat, group: _Class) -> None:
        rank = rank_in(seat, group.queue)
        skilled = has_skills(seat, group.needs)
        own = _Membership(group, rank or 0, skilled)
        self.by_seat[seat_id].append(own)
        if skilled or group.relaxed:
            self.serving[seat_id].append(own)
        if skilled and seat_id in self.online:
            self._count_online(group, 1)

    def _class_of(self, item: WorkItem) -> _Class:
        key = (item.queue, item.medium, item.needs, line_of(self.state, item))
        group = self.classes.get(key)
        if group is None:
            group = self.classes[key] = _Class(*key)
            self.by_queue.setdefault(item.queue, []).append(group)
            if group.line:
                self._on_line(group)
            # Once per kind of request, over the queue's own members only.
            for seat_id in self.members.get(item.queue, {}):
                self._enlist(seat_id, self.state.seats[seat_id], group)
            self._regroup(group)
        return group

    def _notice_presence(self, seat_id: str, online: bool) -> None:
        if online == (seat_id in self.online):
            return
        if online:
            self.online[seat_id] = None
        else:
            del self.online[seat_id]
        for own in self.by_seat[seat_id]:
            if own.skilled:
                self._count_online(own.group, 1 if online else -1)

    def _count_online(self, group: _Class, change: int) -> None:
        group.skilled_online += change
        if self._wants_relaxing(group) != group.relaxed:
            self._regroup(group)

    def _wants_relaxing(self, group: _Class) -> bool:
        queue = self.state.queues.get(group.queue)
        return queue is not None and queue.skill_relaxed and group.skilled_online == 0

    def _regroup(self, group: _Class) -> None:
        """D3 began or ended for this class (or the class is new): every member is placed again, and looks again at what
        is held for it."""
        relaxed = group.relaxed = self._wants_relaxing(group)
        for seat_id in self.members.get(group.queue, {}):
            own = next((own for own in self.by_seat[seat_id] if own.group is group), None)
            if own is None:
                continue
            if relaxed and self.reserved.get(seat_id):
                self.dirty_seats[seat_id] = None
            if not own.skilled:
                others = [other for other in self.serving[seat_id] if other is not own]
                self.serving[seat_id] = [*others, own] if relaxed else others
            if own.skilled or relaxed:
                self._place_seat(seat_id, self.state.seats[seat_id], group, {})
            else:
                group.live.pop(seat_id, None)

    def _place_seat(
        self, seat_id: str, seat: Seat, group: _Class, entries: dict[tuple[str, str], SeatEntry | None]
    ) -> None:
        """`entries` keeps what was worked out for this seat: one entry a strategy and medium, None where it may not."""
        strategy = self.state.queues[group.queue].strategy
        key = (strategy, group.medium)
        if key in entries:
            entry = entries[key]
        else:
            medium = self.state.media[group.medium]
            free = block_of(self.state, seat, medium) is None
            entry = entries[key] = (*SCORES[strategy](seat, medium), seat_id) if free else None
        if entry is None:
            group.live.pop(seat_id, None)
            return
        group.put_seat(seat_id, entry)
        if group.waiting:
            self.dirty_seats[seat_id] = None

    # --- answers ---------------------------------------------------------------------------------------------

    def next_item(self) -> str:
        """Of those that may find a seat since something changed, the one that waits first; empty where nobody does."""
        for group in list(self.dirty_classes):
            if group.shut or not group.waiting or group.first_seat() is None:
                del self.dirty_classes[group]
        heads = [first for group in self.dirty_classes if (first := group.first_item()) is not None]
        return min(heads)[2] if heads else ""

    def best_seat(self, item_id: str) -> Pick | None:
        """The seat the item's queue would pick now, for an item that waits for anybody."""
        group = self.place.get(item_id)
        first = group.first_seat() if group and not group.shut else None
        return Pick(str(first[-1]), _score(first), len(group.live)) if group and first else None

    def best_item(self, seat_id: str) -> Pick | None:
        """The item this seat would get next: lowest (rank, order, number) over all it may serve."""
        best: tuple[int, Micros, int, str] | None = None
        candidates = 0
        for own in self.serving.get(seat_id, []):
            if own.group.shut or not own.group.waiting or seat_id not in own.group.live:
                continue
            candidates += len(own.group.waiting)
            first = own.group.first_item()
            if first is not None and (best is None or (own.rank, *first) < best):
                best = (own.rank, *first)
        for item_id in self.reserved.get(seat_id, {}):
            item = self.state.items[item_id]
            if self.may_serve(seat_id, item):
                candidates += 1
                entry = (rank_in(self.state.seats[seat_id], item.queue) or 0, item.order, item.number, item_id)
                best = entry if best is None or entry < best else best
        return Pick(best[3], best[:3], candidates) if best else None

    def lines_with_room(self) -> list[str]:
        """The lines with room by which somebody is to be led out."""
        return [line for line in self.led_out if line in self.state.trunks and not line_is_full(self.state, line)]

    def in_turn(self, line: str) -> list[WorkItem]:
        """Those who are to be led out by this line, in their order."""
        found = [self.state.items[item_id] for item_id in self.led_out[line]]
        return sorted(found, key=lambda item: (item.order, item.number))

    def next_by_hand(self, seat_id: str) -> str | None:
        """The waiting item a manual pickup without a name takes: skills and status are passed over (D13)."""
        open_ = (own for own in self.by_seat.get(seat_id, []) if not own.group.shut)
        heads = [(own.rank, *first) for own in open_ if (first := own.group.first_item())]
        return min(heads)[3] if heads else None

    def may_serve(self, seat_id: str, item: WorkItem) -> bool:
        """Whether this seat may be offered this item now, its last-agent window apart."""
        seat = self.state.seats[seat_id]
        if line_is_full(self.state, line_of(self.state, item)):
            return False
        if rank_in(seat, item.queue) is None or block_of(self.state, seat, self.state.media[item.medium]) is not None:
            return False
        return has_skills(seat, item.needs) or self._class_of(item).relaxed

    def is_relaxed(self, item: WorkItem) -> bool:
        """Whether D3 is in force for this item: nobody online in its queue has the skills."""
        return self._class_of(item).relaxed

    def score_of(self, seat_id: str, item: WorkItem) -> Score:
        """The seat's score under the item's queue's strategy."""
        seat = self.state.seats[seat_id]
        return SCORES[self.state.queues[item.queue].strategy](seat, self.state.media[item.medium])


def line_of(state: State, item: WorkItem) -> str:
    """The line a callback's customer is to be called on; empty where nobody is to be called."""
    route = item.plan.callback
    called = item.kind is Kind.CALLBACK and not item.leg and state.media[item.medium].needs_phone
    return route.trunk if called and route is not None else ""


def line_out(state: State, item: WorkItem) -> str:
    """The line that his queue leads him out by when his longest wait is over; empty where it leads him out by none."""
    to = state.queues[item.queue].overflow
    if to is None or to.way is not Way.OUTSIDE or to.route is None:
        return ""
    return to.route.trunk if item.leg and to.route.address not in item.tried_outside else ""


def line_is_full(state: State, line: str) -> bool:
    """Whether the line is at its cap. One that is not there is not full: what would use it ends, and does not wait."""
    trunk = state.trunks.get(line)
    return trunk is not None and 0 < trunk.cap <= state.lines.get(line, 0)


def _score(entry: SeatEntry) -> Score:
    return tuple(part for part in entry[:-1] if isinstance(part, int))
