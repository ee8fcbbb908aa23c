"""Logs made by hand, times in seconds: a day of two agents, and every shape of a call."""

from __future__ import annotations

from acd.core import facts as f
from acd.core.model import (
    SECOND,
    DirectKind,
    EntryPlan,
    Kind,
    OfferResult,
    OfferRule,
    Outcome,
    Party,
    Presence,
    Route,
    SeatProfile,
    SeatQueue,
    SeatState,
    StatusDef,
    Strategy,
    Target,
    TargetKind,
    WatchMode,
    WrapUpEnding,
    WrapUpRule,
)
from acd.core.shapes import Place, Shape
from dashboards.history import History, read_history

RULE = WrapUpRule(WrapUpEnding.BY_HAND)


class Tale:
    """A log made by hand; times in seconds."""

    def __init__(self) -> None:
        self.log: list[f.Recorded] = []
        self._contacts = 0

    def at(self, when: float, *facts: f.Fact) -> Tale:
        """These facts at this time."""
        for fact in facts:
            seq = len(self.log) + 1
            self.log.append(f.Recorded(seq, round(when * SECOND), seq, "system", "engine", 0, fact))
        return self

    def enter(
        self,
        item: str,
        when: float,
        *,
        address: str = "",
        entry: str = "81",
        medium: str = "voice",
        queue: str = "service",
    ) -> Tale:
        """A contact comes in."""
        self._contacts += 1
        plan = EntryPlan(entry=entry, revision=1, queue=queue, medium=medium, address=address)
        kind = Kind.CALL if medium == "voice" else Kind.CHAT
        return self.at(when, f.Entered(item, self._contacts, kind, medium, f"r-{item}", plan, f"leg-{item}"))

    def queue(self, item: str, when: float, queue: str = "service") -> Tale:
        """It waits."""
        return self.at(when, f.Queued(item, queue, 0, ()))

    def offer(self, item: str, offer: str, seat: str, when: float, rings: float = 0) -> Tale:
        """A seat is offered it and, from `rings` on, rings."""
        rule, strategy = OfferRule.SEAT_FOR_ITEM, Strategy.LONGEST_IDLE
        self.at(when, f.Offered(offer, item, seat, "voice", "service", 0, rule, strategy, (), 1, 1))
        return self.at(rings, f.RingStarted(offer, item, seat)) if rings else self

    def back(self, item: str, offer: str, seat: str, when: float, result: OfferResult, who: Party = Party.SEAT) -> Tale:
        """The offer was not accepted."""
        return self.at(when, f.OfferEnded(offer, item, seat, result, "service", who=who))

    def talk(
        self, item: str, offer: str, seat: str, when: float, until: float, *, wraps: float = 0, medium: str = "voice"
    ) -> Tale:
        """The seat takes it, talks and, `wraps` long, wraps up; the contact is over."""
        self.at(when, f.Accepted(offer, item, seat, medium, "service"))
        self.at(until, f.HandlingEnded(item, seat, medium, "service", Party.CUSTOMER, offer))
        if wraps:
            self.at(until, f.WrapUpStarted(item, seat, medium, "service", RULE, 0))
        self.end(item, until, Outcome.ANSWERED)
        return self.at(until + wraps, f.WrapUpLeft(item, seat, "by_hand")) if wraps else self

    def end(self, item: str, when: float, outcome: Outcome, who: Party = Party.CUSTOMER) -> Tale:
        """The contact is over."""
        return self.at(when, f.Ended(item, outcome, who, "voice", f"leg-{item}"))

    def seat(self, seat: str, *states: tuple[float, SeatState, str]) -> Tale:
        """What is seen of the seat's phone side."""
        for when, state, status in states:
            self.at(when, f.SeatChanged(seat, Presence.VOICE, state, status))
        return self

    def history(self, until: float) -> History:
        """What it tells up to then."""
        return read_history(sorted(self.log, key=lambda one: one.at), round(until * SECOND))


READY, BUSY, WRAPS = SeatState.READY, SeatState.BUSY, SeatState.WRAP_UP
ASSIGNED, PAUSED, GONE = SeatState.ASSIGNED, SeatState.NOT_READY, SeatState.LOGGED_OUT


def profile(seat: str, *queues: str) -> f.SeatProfileChanged:
    return f.SeatProfileChanged(SeatProfile(seat, queues=tuple(SeatQueue(queue) for queue in queues)))


def status(status: str, productive: bool) -> f.StatusChanged:
    flags = (False, False, False, False)
    return f.StatusChanged(StatusDef(status, Presence.VOICE, (), *flags, productive=productive))


def the_day() -> Tale:
    """One thousand seconds of two agents: anna and ben serve `service`, anna serves `sales` too."""
    tale = Tale()
    tale.at(0, profile("anna", "service", "sales"), profile("ben", "service"), profile("cora", "sales"))
    tale.at(0, status("not_ready", False), status("meal", False), status("clerical", True))
    tale.seat(
        "anna",
        (0, PAUSED, "not_ready"), (100, READY, "ready"), (200, ASSIGNED, "ready"), (210, BUSY, "ready"),
        (310, WRAPS, "ready"), (340, READY, "ready"), (400, ASSIGNED, "ready"), (430, BUSY, "ready"),
        (530, WRAPS, "ready"), (560, READY, "ready"), (626, ASSIGNED, "ready"), (630, BUSY, "ready"),
        (634, READY, "ready"), (800, PAUSED, "meal"), (900, PAUSED, "clerical"), (950, GONE, ""),
    )  # fmt: skip
    tale.seat(
        "ben",
        (100, READY, "ready"), (605, ASSIGNED, "ready"), (626, SeatState.NO_ANSWER, "ready"), (700, READY, "ready"),
        (720, ASSIGNED, "ready"), (750, READY, "ready"), (820, ASSIGNED, "ready"), (825, READY, "ready"),
    )  # fmt: skip
    # answered after 15 s
    tale.enter("c1", 190, address="a1").queue("c1", 195)
    tale.offer("c1", "o1", "anna", 200, 203).talk("c1", "o1", "anna", 210, 310, wraps=30)
    # answered after 40 s, late: rang 25 s at the agent
    tale.enter("c2", 385, address="a2").queue("c2", 390)
    tale.offer("c2", "o2", "anna", 400, 405).talk("c2", "o2", "anna", 430, 530, wraps=30)
    # rang out at ben, answered by anna after 30 s, gone after 4 s; the same caller as c1
    tale.enter("c3", 595, address="a1").queue("c3", 600)
    tale.offer("c3", "o3", "ben", 605, 606).back("c3", "o3", "ben", 626, OfferResult.TIMEOUT)
    tale.offer("c3", "o4", "anna", 626, 627).talk("c3", "o4", "anna", 630, 634)
    # gone after 3 s
    tale.enter("c4", 698, address="a4").queue("c4", 700).end("c4", 703, Outcome.ABANDONED_QUEUE)
    # gone while ringing, after 30 s
    tale.enter("c5", 718).queue("c5", 720).offer("c5", "o5", "ben", 720, 722)
    tale.back("c5", "o5", "ben", 750, OfferResult.WITHDRAWN, Party.CUSTOMER).end("c5", 750, Outcome.ABANDONED_RING)
    # moved to sales after 20 s, waits there
    tale.enter("c6", 758).queue("c6", 760).at(780, f.Moved("c6", "service", "sales", 0, ()))
    # left by a key after 10 s
    tale.enter("c7", 788).queue("c7", 790).end("c7", 800, Outcome.EXIT_KEY)
    # above the line cap
    tale.enter("c8", 810).end("c8", 810, Outcome.LINE_CAP, Party.SYSTEM)
    # declined, then a dead phone, waits
    tale.enter("c9", 818).queue("c9", 820).offer("c9", "o6", "ben", 820, 821)
    tale.back("c9", "o6", "ben", 825, OfferResult.REJECTED).offer("c9", "o7", "anna", 825)
    tale.back("c9", "o7", "anna", 826, OfferResult.UNREACHABLE)
    # two chats at once, one where nobody wrote, and one that waits
    tale.enter("t1", 850, medium="chat").queue("t1", 850).at(851, f.MessagePassed("t1", Party.CUSTOMER))
    tale.enter("t2", 860, medium="chat").queue("t2", 860)
    tale.enter("t3", 890, medium="chat").queue("t3", 890).at(891, f.MessagePassed("t3", Party.CUSTOMER))
    tale.talk("t1", "o8", "anna", 855, 900, medium="chat").talk("t2", "o9", "anna", 865, 885, medium="chat")
    for when, side in ((852, Party.SYSTEM), (861, Party.SEAT), (870, Party.CUSTOMER), (875, Party.CUSTOMER)):
        tale.at(when, f.MessagePassed("t1", side))
    tale.at(880, f.MessagePassed("t1", Party.SEAT))
    # two outbound calls, one connected
    outbound = DirectKind.OUTBOUND
    tale.at(960, f.DirectStarted("d1", "anna", outbound, "leg-d1", "a7")).at(962, f.DirectAnswered("d1", "anna"))
    tale.at(970, f.DirectEnded("d1", "anna", outbound, Outcome.ANSWERED, Party.SEAT, False))
    tale.at(975, f.DirectStarted("d2", "ben", outbound, "leg-d2", "a8"))
    return tale


# --- every shape of a call -----------------------------------------------------------------------------------------

CITY, MOBILE = Route("a-1", "city", prefix="9"), Route("a-2", "mobile", prefix="8")


def _shape(item: str, before: Shape, shape: Shape, seat: str = "amy") -> f.ShapeChanged:
    return f.ShapeChanged(item, seat, before, shape, "test")


def _took(item: str, offer: str, seat: str, bridge: str = "b") -> f.Accepted:
    return f.Accepted(offer, item, seat, "voice", "service", bridge)


def _out(item: str, offer: str, seat: str, how: str = "", who: Party = Party.SEAT) -> f.HandlingEnded:
    return f.HandlingEnded(item, seat, "voice", "service", who, offer, how=how)


def _asked(item: str, leg: str, *, blind: bool = False) -> f.Invited:
    return f.Invited(item, "ben", "amy", leg, Target(TargetKind.SEAT, "ben"), "voice", blind, 0)


def _came(item: str, leg: str) -> f.OtherAnswered:
    return f.OtherAnswered(item, "ben", leg, "voice", "service", "b")


def _called(item: str, seat: str, leg: str, route: Route) -> f.OutboundStarted:
    return f.OutboundStarted(item, 90, f"r-{item}", seat, leg, "voice", route, EntryPlan("", 1, ""), True, 0)


def _dialled(item: str, seat: str, route: Route) -> f.CustomerDialled:
    return f.CustomerDialled(item, seat, f"c-{item}", route, "b", 0)


def _callback(tale: Tale, item: str, when: float) -> None:
    plan = EntryPlan("81", 1, "service", address="a-1")
    tale.at(when, f.Entered(item, 80, Kind.CALLBACK, "voice", f"r-{item}", plan)).queue(item, when)


def the_shapes() -> Tale:
    """Amy and ben again: holds, a warm, a blind and a queue transfer, calls out, callbacks, a message, a watch."""
    tale = Tale()
    talk, held, rings, consult = Shape.TALK, Shape.HELD, Shape.RINGING, Shape.CONSULT
    # held, then handed to ben warm; amy wraps up
    tale.enter("s1", 95).queue("s1", 100).at(110, _took("s1", "o1", "amy"))
    tale.at(120, _shape("s1", talk, held)).at(130, _shape("s1", held, talk))
    tale.at(150, _shape("s1", talk, rings), _asked("s1", "x1"))
    tale.at(160, _came("s1", "x1"), _shape("s1", rings, consult))
    tale.at(180, f.TookOver("s1", "ben", "x1", "voice", "service", "complete", Place.BRIDGE))
    tale.at(180, _shape("s1", consult, talk, "ben"), _out("s1", "o1", "amy", "transferred"))
    tale.at(180, f.WrapUpStarted("s1", "amy", "voice", "service", RULE, 0)).at(
        190, f.WrapUpLeft("s1", "amy", "by_hand")
    )
    tale.at(200, _out("s1", "x1", "ben", who=Party.CUSTOMER)).end("s1", 200, Outcome.ANSWERED)
    # given away blind, declined, waits again; ben takes it, and the customer leaves while on hold
    tale.enter("s2", 295).queue("s2", 300).at(310, _took("s2", "o2", "amy"))
    tale.at(
        330, _shape("s2", talk, Shape.BLIND), _out("s2", "o2", "amy", "transferred"), _asked("s2", "x2", blind=True)
    )
    tale.at(340, f.InviteEnded("s2", "ben", "x2", OfferResult.REJECTED), f.Requeued("s2", "service", "", "failed"))
    tale.at(350, _took("s2", "o3", "ben")).at(360, _shape("s2", talk, held, "ben"))
    tale.at(370, _out("s2", "o3", "ben", who=Party.CUSTOMER)).end("s2", 370, Outcome.ANSWERED)
    # to the queue
    tale.enter("s3", 395).queue("s3", 400).at(410, _took("s3", "o4", "amy"))
    tale.at(420, _out("s3", "o4", "amy", "transferred")).queue("s3", 420).at(430, _took("s3", "o5", "ben"))
    tale.at(440, _out("s3", "o5", "ben", who=Party.CUSTOMER)).end("s3", 440, Outcome.ANSWERED)
    # ben is only asked; a supervisor listens from 542 on
    tale.enter("s4", 495).queue("s4", 500).at(510, _took("s4", "o6", "amy"))
    tale.at(520, _shape("s4", talk, rings), _asked("s4", "x4"))
    tale.at(525, _came("s4", "x4"), _shape("s4", rings, consult))
    tale.at(540, _out("s4", "x4", "ben", "cancelled"), _shape("s4", consult, talk))
    tale.at(541, f.WatchStarted("s4", "eva", "w1", WatchMode.LISTEN, "amy", 0)).at(
        542, f.WatchAnswered("s4", "eva", "w1")
    )
    tale.at(550, f.WatchEnded("s4", "eva", "w1", "over"), _out("s4", "o6", "amy", who=Party.CUSTOMER))
    tale.end("s4", 550, Outcome.ANSWERED)
    # one call out connected, one not, one whose agent did not come to his own phone; two above the caps
    tale.at(600, _called("d1", "amy", "l1", CITY)).at(603, f.SeatReached("d1", "amy"), _dialled("d1", "amy", CITY))
    tale.at(610, f.CustomerAnswered("d1", "amy", "c-d1")).at(630, _out("d1", "l1", "amy"))
    tale.end("d1", 630, Outcome.ANSWERED).at(640, _called("d2", "ben", "l2", MOBILE), _dialled("d2", "ben", MOBILE))
    tale.at(650, _out("d2", "l2", "ben")).end("d2", 650, Outcome.BUSY).at(652, _called("d3", "amy", "l3", CITY))
    tale.at(655, _out("d3", "l3", "amy")).end("d3", 655, Outcome.CANCELLED)
    tale.at(660, f.LineOverflowed("city", "amy"), f.LineOverflowed("mobile", ""))
    # a callback instead of waiting: one is bridged, one rings out, one still waits
    tale.enter("s6", 695).queue("s6", 700)
    _callback(tale, "s7", 710)
    tale.at(710, f.CallbackTaken("s6", "s7"), f.SayingStarted("s6", "bye", "p1", 0, Outcome.CALLBACK_TAKEN))
    tale.end("s6", 712, Outcome.CALLBACK_TAKEN, Party.SYSTEM)
    _callback(tale, "s8", 715)
    tale.at(720, _took("s7", "o7", "amy"), _dialled("s7", "amy", CITY)).at(725, f.CustomerRang("s7", "c-s7"))
    tale.at(730, f.CustomerAnswered("s7", "amy", "c-s7")).at(750, _out("s7", "o7", "amy", who=Party.CUSTOMER))
    tale.end("s7", 750, Outcome.ANSWERED).at(760, _took("s8", "o8", "ben"), _dialled("s8", "ben", CITY))
    tale.at(765, f.CustomerRang("s8", "c-s8")).at(770, _out("s8", "o8", "ben")).end(
        "s8", 770, Outcome.RNA, Party.SYSTEM
    )
    _callback(tale, "s9", 780)
    # a message
    tale.enter("s10", 795).queue("s10", 800).at(810, f.VoicemailStarted("s10", "service", "leave", "p2", 0))
    tale.at(812, f.VoicemailListened("s10", "v1", 0)).at(820, f.VoicemailLeft("s10", "v1", "s11"))
    tale.end("s10", 820, Outcome.VOICEMAIL)
    # a chat that comes before the queue closes for 20 s
    tale.enter("t1", 900, medium="chat").queue("t1", 900).at(901, f.MessagePassed("t1", Party.CUSTOMER))
    tale.at(905, f.QueueOpened("service", False)).at(925, f.QueueOpened("service", True))
    tale.at(930, f.Accepted("o9", "t1", "amy", "chat", "service")).at(940, f.MessagePassed("t1", Party.SEAT))
    return tale
