"""A small contact centre for unit tests, in words: every input goes through tests.support.world, so each invariant is
checked on the way."""

from __future__ import annotations

from typing import TypeVar

from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Decision
from acd.core.effects import Effect
from acd.core.model import SECOND, Micros
from acd.core.reply import Done, Refused
from tests.support.world import World

T = TypeVar("T")
E = TypeVar("E", bound=Effect)

VOICE, TEXT = m.Presence.VOICE, m.Presence.TEXT
MEDIA = (
    m.MediumDef("voice", VOICE, 1, 1, excludes=("*",), wrap_up_blocks=("*",), needs_phone=True),
    m.MediumDef("chat", TEXT, 15, 15, wrap_up_blocks=("chat",)),
    m.MediumDef("mail", TEXT, 5, 15),
)
"""Voice 1 and excluding, text 15 with 15 as the ceiling (decided 7)."""


def status(
    name: str, presence: m.Presence, *, ready: bool = False, first: bool = False, out: bool = True
) -> m.StatusDef:
    """A status with the flags of S1 and S2."""
    return m.StatusDef(name, presence, (("en", name),), ready, presence is TEXT, True, out, after_login=first)


PAUSES = ("meal", "break", "restroom", "clerical", "training")
STATUSES = (
    status("ready", VOICE, ready=True),
    status("not_ready", VOICE, first=True),
    *(status(name, VOICE, out=False) for name in PAUSES),
    status("text_ready", TEXT, ready=True),
    status("away", TEXT, first=True),
)


class Scene:
    """Seats, queues and contacts by short names; times in seconds."""

    def __init__(self, *queues: m.QueueDef, policy: m.Policy | None = None) -> None:
        """Media and statuses as above, and the queues."""
        self.world = World()
        self.legs = 0
        self.give(i.EngineStarted("t", "1"))
        self.give(i.PolicySet(policy or m.Policy()))
        for medium in MEDIA:
            self.give(i.MediumDefined(medium))
        for one in STATUSES:
            self.give(i.StatusDefined(one))
        for queue in queues:
            self.give(i.QueueDefined(queue))
        self.give(i.DayStarted(1))

    @property
    def state(self) -> m.State:
        """The core's state."""
        return self.world.state

    @property
    def now(self) -> Micros:
        """The time of the last input."""
        return self.world.now

    def give(self, given: i.Input) -> Decision:
        """Give one input and look at every invariant."""
        decision = self.world.give(given)
        self.world.check()
        return decision

    def done(self, given: i.Input) -> Done:
        """Give an input that must be taken."""
        reply = self.give(given).reply
        assert isinstance(reply, Done), reply
        return reply

    def refused(self, given: i.Input) -> Refused:
        """Give an input that must be refused."""
        reply = self.give(given).reply
        assert isinstance(reply, Refused), reply
        return reply

    def define(self, *menus: m.Menu) -> None:
        """Menus."""
        for menu in menus:
            self.done(i.MenuDefined(menu))

    def wait(self, seconds: float) -> None:
        """Let time pass; each timer comes exactly when it is due."""
        end = self.now + int(seconds * SECOND)
        while (due := self.world.next_due()) is not None and due[1] <= end:
            self.world.now = max(self.now, due[1] - 1)
            self.give(i.TimerDue(*due))
        self.world.now = max(self.now, end)

    # --- seats -----------------------------------------------------------------------------------------------

    def seat(
        self,
        name: str,
        *queues: str,
        skills: tuple[m.SkillLevel, ...] = (),
        limits: tuple[m.MediumLimit, ...] = (),
        total_limit: int = 0,
        one_open_case: bool = False,
        ready: bool = True,
    ) -> str:
        """Define a seat; `ready`: signed in, its phone there, ready for voice and text."""
        ranks = tuple(m.SeatQueue(queue) for queue in queues)
        extension = str(100 + len(self.state.seats))
        profile = m.SeatProfile(name, extension, ranks, skills, limits, total_limit, one_open_case)
        self.give(i.SeatProfileSet(profile))
        if ready:
            self.sign_in(name)
            self.ready(name)
        return name

    def sign_in(self, name: str) -> None:
        """Sign in with a phone that is there."""
        self.done(i.SeatSignedIn(name, "desk"))
        self.done(i.PhoneChanged(name, True))

    def ready(self, name: str) -> None:
        """Choose to be ready for both."""
        self.choose(name, "ready")
        self.choose(name, "text_ready")

    def choose(self, name: str, chosen: str) -> Done:
        """Choose a status."""
        return self.done(i.StatusChosen(name, self.state.statuses[chosen].presence, chosen))

    def seen(self, name: str, presence: m.Presence = VOICE) -> m.SeatState:
        """What the seat is seen to do."""
        return self.state.seats[name].presence(presence).seen

    def holds(self, name: str) -> int:
        """What it handles and is offered."""
        seat = self.state.seats[name]
        return len(seat.handlings) + len(seat.offers)

    # --- contacts --------------------------------------------------------------------------------------------

    def call(self, queue: str, priority: int = 0, needs: tuple[m.SkillLevel, ...] = (), last_seat: str = "") -> str:
        """A caller arrives and goes straight into the queue; gives the item."""
        return self.enter(m.EntryPlan("e", 1, queue, "voice", priority=priority, needs=needs, last_seat=last_seat))

    def enter(self, plan: m.EntryPlan) -> str:
        """A caller with any plan, whose channel is ours; gives the item, which may be over by now."""
        self.legs += 1
        leg = f"leg{self.legs}"
        item = self.done(i.CallEntered(leg, plan)).item
        self.done(i.LegArrived(leg))
        return item

    def press(self, item: str, digit: str) -> Decision:
        """The customer presses a key."""
        return self.give(i.DigitPressed(self.state.items[item].leg, digit))

    def prompt_over(self, item: str) -> Decision:
        """What plays to the customer now comes to its end."""
        return self.give(i.PromptEnded(item, self.state.items[item].token))

    def phase(self, item: str) -> m.Phase | None:
        """Where the contact is; None when it is over."""
        known = self.state.items.get(item)
        return known.phase if known else None

    def text(
        self,
        queue: str,
        medium: str = "chat",
        priority: int = 0,
        needs: tuple[m.SkillLevel, ...] = (),
        last_seat: str = "",
    ) -> str:
        """A text contact arrives; gives the item."""
        self.legs += 1
        plan = m.EntryPlan("e", 1, queue, medium, priority=priority, needs=needs, last_seat=last_seat)
        kind = m.Kind.MAIL if medium == "mail" else m.Kind.CHAT
        return self.done(i.ItemArrived(kind, f"key{self.legs}", plan)).item

    def offered_to(self, item: str) -> str:
        """The seat the item is offered to now, empty when it waits."""
        known = self.state.items[item]
        return self.state.offers[known.offer].seat if known.offer else ""

    def answer(self, item: str) -> str:
        """The seat it is offered to takes it; gives the seat."""
        seat = self.offered_to(item)
        assert seat, f"{item} is offered to nobody"
        self.done(i.OfferAnswered(self.state.items[item].offer))
        return seat

    def hang_up(self, item: str) -> None:
        """The customer leaves."""
        known = self.state.items[item]
        self.done(i.PartyLeft(known.leg) if known.leg else i.ItemClosed(item, m.Party.CUSTOMER))

    def finish(self, item: str) -> None:
        """The agent ends the conversation."""
        known = self.state.items[item]
        seat = self.state.seats[known.seat]
        leg = seat.handlings[item].offer
        self.done(i.PartyLeft(leg) if known.leg else i.ItemClosed(item, m.Party.SEAT))

    # --- what was decided ------------------------------------------------------------------------------------

    def facts(self, kind: type[T]) -> list[T]:
        """Every fact of a kind, in order."""
        return [one.fact for one in self.world.log if isinstance(one.fact, kind)]

    def times(self, kind: type[f.Fact]) -> list[Micros]:
        """When each fact of a kind was recorded."""
        return [one.at for one in self.world.log if isinstance(one.fact, kind)]

    def offers(self) -> list[tuple[str, str]]:
        """(item, seat) of every offer, in order."""
        return [(fact.item, fact.seat) for fact in self.facts(f.Offered)]


def queue(name: str = "q", **rules: object) -> m.QueueDef:
    """A queue with some rules changed."""
    return m.QueueDef(name, name, **rules)  # type: ignore[arg-type]


def to(way: m.Way, where: str = "", **more: object) -> m.Destination:
    """Where a caller is led."""
    return m.Destination(way, where, **more)  # type: ignore[arg-type]


def key(digit: str, way: m.Way, where: str = "", **more: object) -> m.MenuOption:
    """A key and where it leads."""
    return m.MenuOption(digit, to(way, where, **more))


def skill(name: str, level: int = 1) -> m.SkillLevel:
    """A skill at a level."""
    return m.SkillLevel(name, level)
