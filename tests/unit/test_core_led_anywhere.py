"""Queues and menus that lead callers anywhere, at random: every invariant holds after every step."""

from __future__ import annotations

import random

import pytest

from acd.core import inputs as i
from acd.core import model as m
from acd.core.model import SECOND, Outcome, Phase, Way
from tests.support.led import FAR, ROUTE, centre
from tests.support.scene import Scene, queue, to

WAYS = (
    *(to(Way.QUEUE, name) for name in ("", "service", "sales", "vip", "gone")),
    *(to(Way.MENU, name) for name in ("one", "two", "gone")),
    to(Way.VOICEMAIL, "sales", prompt="leave"),
    to(Way.VOICEMAIL),
    to(Way.CALLBACK, prompt="we call"),
    to(Way.CALLBACK, "vip"),
    to(Way.OUTSIDE, route=FAR),
    to(Way.OUTSIDE, route=m.Route("a-8", "nowhere")),
    to(Way.HANG_UP, prompt="bye"),
    to(Way.HANG_UP, outcome=Outcome.EXIT_KEY),
)


def some_queue(draw: random.Random, name: str) -> m.QueueDef:
    """A queue with any rules about who may wait in it and how long."""

    def perhaps() -> m.Destination | None:
        return draw.choice(WAYS) if draw.random() < 0.6 else None

    return queue(
        name,
        greeting=draw.choice(("", "hi")),
        speech=draw.choice((None, m.Speech(5 * SECOND, 10 * SECOND, prompts=("ad",)))),
        max_wait=draw.choice((0, 20 * SECOND)),
        max_length=draw.choice((0, 2)),
        overflow=perhaps(),
        closed=perhaps(),
        empty=perhaps(),
        keys=tuple(m.MenuOption(digit, draw.choice(WAYS)) for digit in "12"),
        ring_time=draw.choice((5 * SECOND, 20 * SECOND)),
    )


def happens(scene: Scene, draw: random.Random) -> None:
    """One thing of many."""
    items = list(scene.state.items.values())
    callers = [item for item in items if item.leg]
    name = draw.choice(("service", "sales", "vip"))
    match draw.choice("eeepppppppwwwhoqsnaaafr"):
        case "e" if len(items) < 8:
            address = draw.choice(("", "a-1", "a-2", "a-3"))
            route = ROUTE if draw.random() < 0.8 else None
            start = draw.choice((None, *WAYS))
            trunk = draw.choice(("", "carrier"))
            scene.enter(m.EntryPlan("e", 1, name, "voice", "", start, address=address, callback=route, trunk=trunk))
        case "p" if callers:
            scene.press(draw.choice(callers).id, draw.choice("12#"))
        case "w":
            scene.wait(draw.choice((1, 6, 30)))
        case "h" if callers:
            scene.hang_up(draw.choice(callers).id)
        case "o":
            scene.give(i.QueueOpenChanged(name, draw.random() < 0.6))
        case "q":
            scene.give(i.QueueDefined(some_queue(draw, name)))
        case "s":
            scene.give(i.SeatSignedOut("b") if scene.state.seats["b"].signed_in_at else i.SeatSignedIn("b", "desk"))
        case "n" if items:
            scene.prompt_over(draw.choice(items).id)
        case "a":
            scene.give(i.StatusChosen("a", m.Presence.VOICE, draw.choice(("ready", "meal"))))
            for offer in list(scene.state.offers):
                scene.give(
                    draw.choice((i.OfferAnswered(offer), i.OfferRefused(offer, m.OfferResult.REJECTED, 486, 17)))
                )
        case "f":
            for leg in [*scene.state.other_legs, *(item.leg for item in callers if item.phase is Phase.DIALLING)]:
                scene.give(draw.choice((i.OfferAnswered(leg), i.OfferRefused(leg, m.OfferResult.UNREACHABLE, 480, 0))))
        case "r":
            for leg in list(scene.state.seat_legs):
                scene.give(i.PartyLeft(leg, hung_up=draw.random() < 0.7))
        case _:
            scene.wait(0.1)


@pytest.mark.parametrize("seed", range(6))
def test_wherever_callers_are_led_nothing_breaks(seed: int) -> None:
    """Queues and menus that send callers anywhere, keys, hours, lost phones: every invariant after each step, the whole
    replayed to the same bytes, and in the end nothing is left."""
    draw = random.Random(seed)
    scene = centre(*(some_queue(draw, name) for name in ("service", "sales", "vip")))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier", 4)))
    scene.seat("b", "service", "sales")
    for name in ("one", "two"):
        options = tuple(m.MenuOption(digit, draw.choice(WAYS)) for digit in "12")
        scene.define(m.Menu(name, "words", options, draw.choice(WAYS), 5 * SECOND, draw.choice((1, 2))))
    for _ in range(700):
        happens(scene, draw)
    scene.world.drain()
    scene.world.check_replay()
