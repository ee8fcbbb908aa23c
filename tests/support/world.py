"""A core with a virtual clock and every invariant looked at from outside: what the Hypothesis machine and the seeded
driver both run.

A mirror state is evolved fact by fact, so each offer is judged by acd.why in the state just before it (I3), and the
live state can be compared with the replayed one (I6).
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from acd import why
from acd.core import codec
from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Core, Decision
from acd.core.effects_of import wanted
from acd.core.evolve import evolve
from acd.core.model import SECOND, Micros, State
from acd.core.reply import Done, Refused
from acd.core.shapes import PLACES, Place, Shape
from tests.support.switchboard import Switch

START: Micros = 1_700_000_000 * SECOND
CROWD = 9
"""Open items beyond which no more arrive: enough for every queue to be contended, few enough to scan each step."""
REMEMBERED = 12
STORY = 15
"""Inputs shown with a violation; all of them are in `World.given`."""


class Violation(AssertionError):
    """An invariant does not hold; `words` names it, the text adds the last inputs."""

    def __init__(self, words: str, story: str) -> None:
        """`words` is one line."""
        super().__init__(f"{words}\n{story}")
        self.words = words


@dataclass(slots=True)
class Watch:
    """What the facts and effects have said so far, kept apart from the core's own state."""

    open: dict[str, None] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    number: int = 0
    seen: dict[tuple[str, m.Presence], m.SeatState] = field(default_factory=dict)
    rung: set[str] = field(default_factory=set)
    bridges: set[str] = field(default_factory=set)
    offers: set[str] = field(default_factory=set)
    facts: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)


class World:
    """One run of a core. `give` decides an input and checks it; `check` looks at everything; `drain` ends the run."""

    def __init__(self) -> None:
        """An empty log at a fixed time."""
        self.core = Core(State())
        self.mirror = State()
        self.now = START
        self.log: list[f.Recorded] = []
        self.given: list[tuple[Micros, i.Input]] = []
        self.steps = 0
        self.set_up_steps = 0
        self.broken = False
        self.watch = Watch()
        self.gone_items: deque[str] = deque(maxlen=REMEMBERED)
        self.gone_legs: deque[str] = deque(maxlen=REMEMBERED)
        self.offers: dict[str, tuple[str, str]] = {}  # every offer ever -> its item and seat
        self.last_offers: dict[str, deque[str]] = {}  # by seat and by item, the last few
        self.calls: dict[str, str] = {}  # every direct call ever -> its seat
        self.last_calls: dict[str, deque[str]] = {}  # by seat, the last few
        self.switch = Switch()
        self.fired: deque[i.TimerDue] = deque(maxlen=REMEMBERED)
        self._ids = 0

    # --- what makers need ------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The core's live state; nobody but the core changes it."""
        return self.core.state

    @property
    def crowded(self) -> bool:
        """Enough items are open."""
        return len(self.state.items) >= CROWD

    def new_id(self, kind: str) -> str:
        """A name from outside that was never used before."""
        self._ids += 1
        return f"{kind}-{self._ids}"

    def next_due(self) -> tuple[str, Micros] | None:
        """The timer that comes next, ties by key."""
        timers = self.state.timers
        return min(timers.items(), key=lambda one: (one[1], one[0])) if timers else None

    def reach(self, when: Micros) -> None:
        """Let the clock reach a time; it never goes back."""
        self.now = max(self.now, when)

    def wait(self, duration: Micros) -> None:
        """Let time pass without anything happening."""
        self.now += duration

    # --- a step ----------------------------------------------------------------------------------------------

    def give(self, given: i.Input) -> Decision:
        """Decide one input now and check what came out of it."""
        self.steps += 1
        self.now += 1
        self.given.append((self.now, given))
        try:
            decision = self.core.decide(given, i.Stamp(self.now, "tester", "test"))
        except Exception as error:
            raise self.violation(f"decide raised {type(error).__name__}: {error}") from error
        if isinstance(given, i.TimerDue):
            self.fired.append(given)
        self._check_reply(decision)
        for recorded in decision.facts:
            self._take(recorded)
        self._check_effects(given, decision)
        self._carry_out(given, decision)
        self._check_touched(decision)
        return decision

    def violation(self, words: str) -> Violation:
        """The exception for a broken invariant, with the end of the story."""
        self.broken = True
        story = "\n".join(f"  {at - START}: {given}" for at, given in self.given[-STORY:])
        return Violation(words, f"after step {self.steps}, the last inputs:\n{story}")

    def require(self, holds: bool, words: str) -> None:
        """Raise a Violation where an invariant does not hold."""
        if not holds:
            raise self.violation(words)

    def _check_reply(self, decision: Decision) -> None:
        self.require(isinstance(decision.reply, Done | Refused), f"reply {decision.reply!r}")
        if isinstance(decision.reply, Refused):
            facts = [one for one in decision.facts if not isinstance(one.fact, f.LineOverflowed)]
            self.require(not facts and not decision.effects, f"refused, yet changed: {decision}")
            self.require(bool(decision.reply.say), "a refusal without words")

    def _take(self, recorded: f.Recorded) -> None:
        self.require(recorded.seq == len(self.log) + 1, f"seq {recorded.seq} after {len(self.log)} facts")
        self.require(recorded.at == self.now, f"fact at {recorded.at}, now {self.now}")
        fact = recorded.fact
        if isinstance(fact, f.Offered):
            self._check_offer(recorded)
        check = FACT_CHECKS.get(type(fact))
        if check is not None:
            check(self, fact)
        self.watch.facts[type(fact).__name__] += 1
        self.log.append(recorded)
        try:
            evolve(self.mirror, recorded)
        except Exception as error:
            raise self.violation(f"evolve raised {type(error).__name__}: {error} on {fact}") from error

    def _check_offer(self, recorded: f.Recorded) -> None:
        """I3 at the moment of the offer, and the decision itself, by the reference matcher."""
        judged = why.judge(self.mirror, recorded)
        self.watch.judged[judged.offered.rule.value] += 1
        self.require(not judged.problem, f"I3/why: {judged.problem} ({judged.offered})")

    # --- facts seen from outside -----------------------------------------------------------------------------

    def on_entered(self, fact: f.Entered | f.OutboundStarted) -> None:
        """I1: an item begins once, with an arrival number of its own."""
        self.require(fact.item not in self.watch.open and fact.item not in self.watch.ended, f"I1: {fact.item} twice")
        self.watch.open[fact.item] = None
        self._check_number(fact.number)

    def on_served(self, fact: f.FallbackCallServed) -> None:
        """I1: a call the fall-back had is over by this fact, whether it was open or never seen."""
        self.require(fact.item not in self.watch.ended, f"I1: {fact.item} ended twice")
        if fact.item in self.watch.open:
            del self.watch.open[fact.item]
        else:
            self._check_number(fact.number)
        self.watch.ended.add(fact.item)
        self.gone_items.append(fact.item)
        self.gone_legs.append(fact.leg)

    def _check_number(self, number: int) -> None:
        self.require(number > self.watch.number, f"arrival number {number} after {self.watch.number}")
        self.watch.number = number

    def on_ended(self, fact: f.Ended) -> None:
        """I1: an item ends once, having begun, with nobody left in it."""
        self.require(fact.item in self.watch.open, f"I1: {fact.item} ended, but was not open")
        del self.watch.open[fact.item]
        self.watch.ended.add(fact.item)
        item = self.mirror.items[fact.item]
        self.require(not item.offer and not item.seat, f"I1: {fact.item} ended while with a seat")
        self.gone_items.append(fact.item)
        if fact.leg:
            self.gone_legs.append(fact.leg)

    def on_offered(self, fact: f.Offered) -> None:
        """I2: nobody else has it; an offer's id is used once."""
        self.require(fact.offer not in self.watch.offers, f"offer id {fact.offer} used twice")
        self.watch.offers.add(fact.offer)
        self.offers[fact.offer] = fact.item, fact.seat
        for subject in (fact.item, fact.seat):
            self.last_offers.setdefault(subject, deque(maxlen=3)).append(fact.offer)
        item = self.mirror.items[fact.item]
        self.require(not item.offer and not item.seat, f"I2: {fact.item} offered while with a seat")
        self.require(fact.expires_at > self.now, f"offer {fact.offer} expires at once")

    def on_offer_over(self, fact: f.OfferEnded | f.Accepted) -> None:
        """Only an open offer ends, once."""
        self.require(fact.offer in self.mirror.offers, f"offer {fact.offer} ended, but was not open")

    def on_accepted(self, fact: f.Accepted) -> None:
        """A bridge is used once (a holding bridge that was empty stays silent)."""
        self.on_offer_over(fact)
        if fact.bridge:
            self.require(fact.bridge not in self.watch.bridges, f"bridge {fact.bridge} used twice")
            self.watch.bridges.add(fact.bridge)

    def on_seat_changed(self, fact: f.SeatChanged) -> None:
        """A change changes something."""
        key = fact.seat, fact.presence
        self.watch.seen[key] = fact.state

    def on_direct_started(self, fact: f.DirectStarted) -> None:
        """Remember the call for late inputs."""
        self.calls[fact.call] = fact.seat
        self.last_calls.setdefault(fact.seat, deque(maxlen=3)).append(fact.call)

    def on_seat_gone(self, fact: f.SeatGone) -> None:
        """A seat that comes back begins anew."""
        for presence in m.Presence:
            self.watch.seen.pop((fact.seat, presence), None)

    # --- effects ---------------------------------------------------------------------------------------------

    def _check_effects(self, given: i.Input, decision: Decision) -> None:
        """Each telephone offer rings once and is withdrawn when it ends by us; each talk is joined and taken apart."""
        if not decision.facts:
            self.require(not decision.effects, f"effects without facts: {decision.effects}")
            return
        rings = [one for one in decision.effects if isinstance(one, e.RingSeat)]
        withdrawn = {one.offer for one in decision.effects if isinstance(one, e.WithdrawOffer)}
        hung_up = {one.leg for one in decision.effects if isinstance(one, e.HangUpLeg)}
        joined = {one.bridge for one in decision.effects if isinstance(one, e.Connect | e.Join)}
        dropped = {one.bridge for one in decision.effects if isinstance(one, e.DropBridge)}
        for ring in rings:
            self.require(ring.offer not in self.watch.rung, f"offer {ring.offer} rings twice")
            self.watch.rung.add(ring.offer)
        for recorded in decision.facts:
            fact = recorded.fact
            if isinstance(fact, f.Offered) and self.state.media[fact.medium].needs_phone:
                self.require(fact.offer in self.watch.rung, f"offer {fact.offer} does not ring")
            elif isinstance(fact, f.OfferEnded) and fact.offer in self.watch.rung and _by_us(given):
                self.require(fact.offer in withdrawn, f"offer {fact.offer} ended, but still rings")
            elif isinstance(fact, f.Accepted) and fact.bridge:
                self.require(fact.bridge in joined, f"bridge {fact.bridge} is never joined")
            elif isinstance(fact, f.HandlingEnded) and fact.bridge:
                self.require(fact.bridge in dropped, f"bridge {fact.bridge} is never dropped")
                left = isinstance(given, i.PartyLeft) and given.leg == fact.offer
                self.require(left or fact.offer in hung_up, f"the seat's leg {fact.offer} stays")
            elif isinstance(fact, f.Ended) and fact.leg:
                left = isinstance(given, i.PartyLeft) and given.leg == fact.leg
                left = left or (isinstance(given, i.ItemClosed) and given.who is m.Party.CUSTOMER)
                left = left or (isinstance(given, i.OfferRefused) and given.offer == fact.leg)
                self.require(left or fact.leg in hung_up, f"the customer's leg {fact.leg} stays")

    def _carry_out(self, given: i.Input, decision: Decision) -> None:
        """The effects move real legs on a switch made of dicts: in the end each is where the state wants it."""
        if decision.facts:
            self.switch.happened(given)
        for effect in decision.effects:
            self.switch.do(effect)
        if not isinstance(decision.reply, Refused):
            problem = self.switch.differs(wanted(self.state))
            self.require(not problem, problem)

    # --- invariants after a step -----------------------------------------------------------------------------

    def _check_touched(self, decision: Decision) -> None:
        """I2 and the seen states of what this step touched: cheap enough for every step."""
        seats = {name: None for one in decision.facts if (name := getattr(one.fact, "seat", ""))}
        for name in seats:
            if name in self.state.seats:
                self._check_seat(name)
        items = {name: None for one in decision.facts if (name := getattr(one.fact, "item", ""))}
        for name in items:
            if name in self.state.items:
                self._check_item(name)

    def _check_seat(self, name: str) -> None:
        seat = self.state.seats[name]
        for presence in m.Presence:
            seen = seat.presence(presence).seen
            told = self.watch.seen.get((name, presence), m.SeatState.LOGGED_OUT)
            self.require(seen is told, f"{name} {presence} is {seen}, the facts say {told}")
            expected = seen_by_rule(self.state, seat, presence)
            self.require(seen is expected, f"{name} {presence} is {seen}, by its parts {expected}")

    def _check_item(self, name: str) -> None:
        """I2: at most one seat has it, and item and seat agree on which."""
        item = self.state.items[name]
        other = item.other
        colleague = other.seat if other is not None and other.answered_at else ""
        holders = [one for one, seat in self.state.seats.items() if name in seat.handlings and one != colleague]
        offered = [one for one, offer in self.state.offers.items() if offer.item == name]
        self.require(len(holders) + len(offered) <= 1, f"I2: {name} is with {holders} and offered by {offered}")
        self.require(holders == ([item.seat] if item.seat else []), f"I2: {name} says {item.seat!r}, is with {holders}")
        self.require(offered == ([item.offer] if item.offer else []), f"I2: {name} says {item.offer!r}, has {offered}")
        self._check_shape(item)

    def _check_shape(self, item: m.WorkItem) -> None:
        """Who is there is who the shape says; without a conversation the phase says it."""
        where = (bool(item.offer), bool(item.seat))
        if item.shape is Shape.NONE:
            expected = PHASE_HAS.get(item.phase, (False, False))
            self.require(where == expected and item.other is None, f"I2: {item.id} is {item.phase} with {where}")
            return
        self.require(item.phase in (m.Phase.ACTIVE, m.Phase.DIALLING), f"{item.id} is {item.shape} in {item.phase}")
        places = PLACES[item.shape]
        self.require(where == (False, places.seat is not Place.NOWHERE), f"I2: {item.id} is {item.shape} with {where}")
        self.require(
            (item.other is not None) == (places.other is not Place.NOWHERE), f"{item.id} is {item.shape}: {item.other}"
        )
        self.require(bool(item.leg) or item.shape in (Shape.PRIVATE, Shape.DIALLING), f"{item.id} has no customer")
        rings = item.other is not None and not item.other.answered_at
        self.require(rings == (places.other is Place.RINGING), f"{item.id} is {item.shape}, rings: {rings}")

    def check(self) -> None:
        """Everything: I1, I2, I4, timers, seen states, what is wanted of channels."""
        self.require(list(self.state.items) == list(self.watch.open), "I1: open items differ from the facts")
        for name in self.state.items:
            self._check_item(name)
        for name in self.state.seats:
            self._check_seat(name)
        starving = why.starving(self.state)
        self.require(not starving, f"I4: {starving[:3]} wait while that seat is free")
        self._check_lines_out()
        self._check_timers()
        self._check_indexes()
        self._check_wanted()

    def _check_lines_out(self) -> None:
        """Nobody whose longest wait is over waits for a line that has room."""
        used = lines_by_rule(self.state)
        for item in self.state.items.values():
            to = self.state.queues[item.queue].overflow if item.overdue and item.phase is m.Phase.WAITING else None
            if to is None or to.route is None or to.route.address in item.tried_outside:
                continue
            trunk = self.state.trunks.get(to.route.trunk)
            room = trunk is not None and not 0 < trunk.cap <= used.get(trunk.id, 0)
            self.require(not room, f"{item.id} waits for line {to.route.trunk}, which has room")

    def _check_timers(self) -> None:
        """I8 of the state: a timer belongs to something alive, and what is timed has its timer."""
        expected = dict(timers_by_rule(self.state))
        differing = {
            key: (due, expected.get(key)) for key, due in self.state.timers.items() if expected.get(key) != due
        }
        missing = [key for key in expected if key not in self.state.timers]
        self.require(not differing, f"timers without an owner (key: (has, should have)): {differing}")
        self.require(not missing, f"timers that are missing: {missing}")

    def _check_indexes(self) -> None:
        """The maps by leg, key, extension and call name exactly what is alive."""
        state = self.state
        legs = {item.leg: item.id for item in state.items.values() if item.leg}
        keys = {item.key: item.id for item in state.items.values() if item.key}
        seat_legs = {one.offer: name for name, seat in state.seats.items() for one in seat.handlings.values()}
        directs = {call: name for name, seat in state.seats.items() for call in seat.directs}
        offers = {offer: name for name, seat in state.seats.items() for offer in seat.offers}
        extensions = {s.profile.extension: name for name, s in state.seats.items() if s.profile.extension}
        online = [seat for seat in state.seats.values() if seat.signed_in_at]
        self.require(state.legs == legs, f"legs {state.legs}, alive {legs}")
        self.require(state.keys == keys, f"keys {state.keys}, alive {keys}")
        self.require(state.seat_legs == seat_legs, f"seat legs {state.seat_legs}, alive {seat_legs}")
        others = {
            item.other.leg: item.id
            for item in state.items.values()
            if item.other is not None and not (item.other.seat and item.other.answered_at)
        }
        watchers = {leg: item.id for item in state.items.values() for leg in item.watchers}
        watching = {leg: item for seat in state.seats.values() for leg, item in seat.watching.items()}
        self.require(state.other_legs == others, f"third parties {state.other_legs}, alive {others}")
        self.require(state.watch_legs == watchers == watching, f"supervisors {state.watch_legs}, alive {watchers}")
        self.require(state.lines == lines_by_rule(state), f"lines {state.lines}, in use {lines_by_rule(state)}")
        self.require(state.directs == directs, f"direct calls {state.directs}, alive {directs}")
        rung = {leg: name for name, seat in state.seats.items() for leg in seat.offers if leg in others}
        own = {o.id: o.seat for o in state.offers.values()} | rung
        self.require(own == offers, "offers differ between state and seats")
        self.require(state.extensions == extensions, f"extensions {state.extensions}, alive {extensions}")
        self.require(state.online == len(online), f"{state.online} online, {len(online)} signed in")
        total = sum(seat.total for seat in online)
        self.require(state.online_total == total, f"online total {state.online_total}, really {total}")

    def _check_wanted(self) -> None:
        """Each live leg is wanted once, and no other."""
        legs = [one.leg for one in wanted(self.state)]
        phones = {name for name, medium in self.state.media.items() if medium.needs_phone}
        alive = [item.leg for item in self.state.items.values() if item.leg]
        alive += [offer.id for offer in self.state.offers.values() if offer.medium in phones]
        for seat in self.state.seats.values():
            alive += [one.offer for one in seat.handlings.values() if one.medium in phones]
            alive += [one.leg for one in seat.directs.values()]
        alive += [*self.state.other_legs, *self.state.watch_legs]
        self.require(sorted(legs) == sorted(alive), f"wanted {sorted(legs)}, alive {sorted(alive)}")

    # --- replay and the end ----------------------------------------------------------------------------------

    def check_replay(self) -> None:
        """I6: facts through JSON give the same bytes, so does a snapshot half way plus the tail."""
        live = codec.state_bytes(self.state)
        self.require(codec.state_bytes(self.mirror) == live, "I6: the mirror differs from the live state")
        stored = [stored_line(recorded) for recorded in self.log]
        half = len(stored) // 2
        state = State()
        for line in stored[:half]:
            evolve(state, read_line(line))
        resumed = codec.load_state(codec.state_bytes(state))
        for line in stored[half:]:
            recorded = read_line(line)
            evolve(state, recorded)
            evolve(resumed, recorded)
        self.require(codec.state_bytes(state) == live, "I6: replay through JSON differs from the live state")
        self.require(codec.state_bytes(resumed) == live, "I6: snapshot + tail differs from the live state")

    def check_restart(self) -> None:
        """A core that takes over from a snapshot decides as this one would: it becomes the live one."""
        self.core = Core(
            codec.load_state(codec.state_bytes(self.state)), len(self.log), self.log[-1].step if self.log else 0
        )

    def drain(self) -> None:
        """Everybody leaves and every timer comes: I1 says that everything has ended, I8 that nothing is left."""
        for item in sorted(self.state.items.values(), key=lambda item: not item.leg):  # a message becomes an item
            self.give(i.PartyLeft(item.leg) if item.leg else i.ItemClosed(item.id, m.Party.CUSTOMER))
        for item in [item for item in self.state.items.values() if item.kind is m.Kind.VOICEMAIL]:
            self.give(i.ItemClosed(item.id, m.Party.CUSTOMER))
        for item in list(self.state.items.values()):  # two may still talk when the customer has gone
            self.give(i.CallHungUp(item.seat, item.id, whole=True))
        for call in list(self.state.directs):
            self.give(i.DirectCallEnded(call))
        for name, seat in list(self.state.seats.items()):
            for item_id in list(seat.wrap_ups):
                self.give(i.DispositionSaved(name, item_id))
                self.give(i.WrapUpEnded(name, item_id))
            self.give(i.SeatSignedOut(name))
        while (due := self.next_due()) is not None:
            self.reach(due[1])
            before = dict(self.state.timers)
            self.give(i.TimerDue(*due))
            self.require(self.state.timers != before, f"timer {due} fires for ever")
        self.check()
        self.require(not self.watch.open, f"I1: never ended: {list(self.watch.open)}")
        state = self.state
        left: tuple[Mapping[str, object], ...] = (state.items, state.offers, state.legs, state.seat_legs, state.directs)
        left += (state.other_legs, state.watch_legs, state.lines)
        self.require(not any(left), f"left over: {left}")
        for name, seat in self.state.seats.items():
            held = (seat.offers, seat.handlings, seat.wrap_ups, seat.directs, seat.watching)
            self.require(not any(held), f"{name} still holds {held}")


# --- rules, written a second time ------------------------------------------------------------------------------

PHASE_HAS: Mapping[m.Phase, tuple[bool, bool]] = {
    m.Phase.OFFERED: (True, False),
    m.Phase.ACTIVE: (False, True),
    m.Phase.DIALLING: (False, True),
}
"""(has an offer, has a seat) by phase; neither elsewhere. In a conversation its shape says whether a seat is there."""


def seen_by_rule(state: State, seat: m.Seat, presence: m.Presence) -> m.SeatState:
    """S1's and S2's states from the parts of a seat, by why's rules: the first that holds."""
    if not seat.signed_in_at:
        return m.SeatState.LOGGED_OUT
    own = seat.presence(presence)
    media = [row for row in state.media.values() if row.presence is presence]
    names = [row.id for row in media]
    talking = [one.medium for one in seat.handlings.values()] + ["voice" for _ in (*seat.directs, *seat.watching)]
    kept_away = {kept for held in talking for kept in state.media[held].excludes}
    full = any(talking.count(name) >= why.limit_of(state, seat, name) for name in names)
    if full or "*" in kept_away or kept_away & set(names):
        return m.SeatState.BUSY
    if any(state.media[medium].presence is presence for medium in seat.offers.values()):
        return m.SeatState.ASSIGNED
    blocked = {kept for done in seat.wrap_ups.values() for kept in state.media[done.medium].wrap_up_blocks}
    if "*" in blocked or blocked & set(names):
        return m.SeatState.WRAP_UP
    if own.no_answer:
        return m.SeatState.NO_ANSWER
    phone_gone = any(row.needs_phone for row in media) and not seat.reachable
    if phone_gone and not seat.was_reachable:
        return m.SeatState.LOGGING_IN
    status = state.statuses.get(own.status)
    if status is None or not status.auto_offer:
        return m.SeatState.NOT_READY
    return m.SeatState.UNREACHABLE if phone_gone else m.SeatState.READY


def timers_by_rule(state: State) -> Iterable[tuple[str, Micros]]:
    """Every timer whose time can be read from what it times; item timers keep the time they have."""
    for item in state.items.values():
        for kind, phases in ITEM_TIMERS.items():
            key = f"{kind}:{item.id}"
            if item.phase in phases and key in state.timers:
                yield key, state.timers[key]
        if item.sticky_seat:
            yield f"sticky:{item.id}", item.sticky_until
        if item.other is not None and not item.other.answered_at:
            yield f"invite:{item.id}", item.other.due
        if item.paused:
            yield f"pause:{item.id}", state.timers.get(f"pause:{item.id}", 0)
        for watcher in item.watchers.values():
            if not watcher.answered_at:
                yield f"watch:{watcher.leg}", watcher.due
    for offer in state.offers.values():
        yield f"offer:{offer.id}", offer.expires_at
    for name, seat in state.seats.items():
        for done in seat.wrap_ups.values():
            if done.ends_at:
                yield f"wrap:{name}:{done.item}", done.ends_at
        for presence in m.Presence:
            if until := seat.presence(presence).back_off_until:
                yield f"back:{name}:{presence}", until


ITEM_TIMERS: Mapping[str, tuple[m.Phase, ...]] = {
    "guard": (m.Phase.ENTERED,),
    "menu": (m.Phase.GREETING, m.Phase.MENU, m.Phase.SAYING, m.Phase.VOICEMAIL),
    "relax": (m.Phase.WAITING, m.Phase.OFFERED),
    "say": (m.Phase.WAITING, m.Phase.OFFERED),
    "leave": (m.Phase.WAITING, m.Phase.OFFERED),
    "dial": (m.Phase.DIALLING,),
}


def lines_by_rule(state: State) -> dict[str, int]:
    """Calls on each line: customers who came or were called by it, and third parties outside."""
    used: Counter[str] = Counter(item.trunk for item in state.items.values() if item.trunk)
    others = [item.other for item in state.items.values() if item.other is not None]
    used.update(other.route.trunk for other in others if other.route is not None and other.route.trunk)
    return dict(used)


def _by_us(given: i.Input) -> bool:
    """Whether the end of an offer in this step can't have been the seat's own phone going."""
    return not isinstance(given, i.OfferRefused | i.PartyLeft)


FACT_CHECKS: Mapping[type[f.Fact], Callable[..., None]] = {
    f.Entered: World.on_entered,
    f.OutboundStarted: World.on_entered,
    f.FallbackCallServed: World.on_served,
    f.Ended: World.on_ended,
    f.Offered: World.on_offered,
    f.OfferEnded: World.on_offer_over,
    f.Accepted: World.on_accepted,
    f.SeatChanged: World.on_seat_changed,
    f.DirectStarted: World.on_direct_started,
    f.SeatGone: World.on_seat_gone,
}


def stored_line(recorded: f.Recorded) -> str:
    """A fact with its envelope as one line of JSON, as a log stores it."""
    envelope = [recorded.seq, recorded.at, recorded.step, recorded.by, recorded.via, recorded.inbox]
    return json.dumps([*envelope, codec.kind_of(recorded.fact), recorded.fact.V, codec.dump(recorded.fact)])


def read_line(line: str) -> f.Recorded:
    """A fact from `stored_line`."""
    seq, at, step, by, via, inbox, kind, version, body = json.loads(line)
    return f.Recorded(seq, at, step, by, via, inbox, codec.load_fact(kind, version, body))


def replay(lines: Sequence[str]) -> State:
    """The state of a stored log."""
    state = State()
    for line in lines:
        evolve(state, read_line(line))
    return state
