"""Makes a release's golden log: a short life of every kind of fact, kept in tests/golden and replayed for ever after.

python -m tools.golden 0.1.0 writes tests/golden/0.1.0.jsonl; an existing one is never written again.
"""

from __future__ import annotations

import argparse
import sys

from acd.core import inputs as i
from acd.core import model as m
from acd.core.reply import Done
from acd.core.shapes import Move
from tests.support.world import World, stored_line
from tools.proof_core import Tally, episode
from tools.say import ROOT, say

FOLDER = ROOT / "tests/golden"
STEPS = 3_000
SEED = 259
STATUS = m.StatusDef("golden", m.Presence.VOICE, (("en", "golden"),), True, True, True, True)
OUT = m.Route("0911000111", "golden-line", "0223456789")
SEATS = ("golden1", "golden2", "golden3")


def give_all(world: World, *given: i.Input) -> None:
    """Decide them one after the other."""
    for one in given:
        world.give(one)


def with_rare(world: World) -> World:
    """What the driver seldom meets, in a queue, with seats and on a line of their own."""
    profiles = [i.SeatProfileSet(m.SeatProfile(name, f"99{name[-1]}", (m.SeatQueue("golden"),))) for name in SEATS]
    give_all(
        world,
        i.QueueDefined(m.QueueDef("golden", "golden", max_wait=m.SECOND)),
        i.TrunkDefined(m.TrunkDef("golden-line")),
        i.StatusDefined(STATUS),
        *profiles,
    )
    for part in (with_lost_seat, with_supervisor, with_joined_phones, with_consultation, with_message, with_long_wait):
        part(world)
    return world


def ready(world: World, seat: str) -> None:
    """The seat takes what waits."""
    give_all(
        world,
        i.SeatSignedIn(seat),
        i.PhoneChanged(seat, True),
        i.StatusChosen(seat, m.Presence.VOICE, "golden"),
    )


def enter(world: World, leg: str, start: m.Destination | None = None) -> str:
    """A caller comes; gives the item."""
    plan = m.EntryPlan("golden", 1, "golden", start=start)
    give_all(world, i.CallEntered(leg, plan), i.LegArrived(leg))
    return world.state.legs[leg]


def talk(world: World, leg: str) -> tuple[str, str]:
    """A caller comes and is answered by the first seat; gives the item and the seat's leg."""
    item = enter(world, leg)
    offer = world.state.items[item].offer
    world.give(i.OfferAnswered(offer))
    return item, offer


def with_lost_seat(world: World) -> None:
    """A seat's leg is cut, and its caller waits again and hangs up."""
    ready(world, SEATS[0])
    _, offer = talk(world, "golden-lost")
    give_all(world, i.PartyLeft(offer, hung_up=False), i.PartyLeft("golden-lost"))


def with_supervisor(world: World) -> None:
    """A supervisor listens, whispers, and takes over."""
    ready(world, SEATS[0])
    item, _ = talk(world, "golden-watched")
    give_all(world, i.SeatSignedIn(SEATS[2]), i.PhoneChanged(SEATS[2], True))
    world.give(i.WatchAsked(SEATS[2], item, m.WatchMode.LISTEN))
    leg = next(iter(world.state.items[item].watchers))
    give_all(
        world,
        i.OfferAnswered(leg),
        i.WatchAsked(SEATS[2], item, m.WatchMode.WHISPER),
        i.WatchAsked(SEATS[2], item, m.WatchMode.TAKE_OVER),
        i.PartyLeft("golden-watched"),
    )


def with_joined_phones(world: World) -> None:
    """A phone joins its customer with a number outside that it called itself."""
    ready(world, SEATS[0])
    item, offer = talk(world, "golden-joined")
    world.give(i.MoveMade(SEATS[0], item, Move.HOLD))
    second = world.give(i.OutboundAsked(SEATS[0], OUT, "golden-set")).reply
    assert isinstance(second, Done)
    far = world.state.items[second.item].leg
    give_all(world, i.OfferAnswered(far), i.PhonesJoined(offer, second.item, far), i.PartyLeft("golden-joined"))


def with_consultation(world: World) -> None:
    """A colleague declines, is asked again and answers; the customer leaves while the two talk."""
    ready(world, SEATS[0])
    item, _ = talk(world, "golden-consult")
    ready(world, SEATS[1])
    asked = i.ConsultAsked(SEATS[0], item, m.Target(m.TargetKind.SEAT, SEATS[1]))
    world.give(asked)
    world.give(i.OfferRefused(invited(world, item), m.OfferResult.REJECTED))
    world.wait(m.SECOND)
    world.give(asked)
    give_all(world, i.OfferAnswered(invited(world, item)), i.PartyLeft("golden-consult"))
    world.give(i.CallHungUp(SEATS[0], item))


def invited(world: World, item: str) -> str:
    """The leg that is asked into the item's conversation."""
    return next(leg for leg, at in world.state.other_legs.items() if at == item)


def with_long_wait(world: World) -> None:
    """The longest wait passes while a seat is rung; the queue closes."""
    ready(world, SEATS[1])
    item = enter(world, "golden-waits")
    due = world.state.timers[f"leave:{item}"]
    world.reach(due)
    give_all(
        world, i.TimerDue(f"leave:{item}", due), i.PartyLeft("golden-waits"), i.QueueOpenChanged("golden", open=False)
    )


def with_message(world: World) -> None:
    """A caller leaves a message."""
    enter(world, "golden-message", m.Destination(m.Way.VOICEMAIL, "golden"))
    world.give(i.PartyLeft("golden-message"))


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    path = FOLDER / f"{parser.parse_args().version}.jsonl"
    if path.exists():
        say(f"{path.name} is there already: a golden log is never written again")
        return 1
    lines = [stored_line(recorded) for recorded in with_rare(episode(SEED, STEPS, Tally())).log]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    say(f"{path.name}: {len(lines)} facts, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
