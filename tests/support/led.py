"""What the tests of where callers are led share: a centre, its plans, and short questions."""

from __future__ import annotations

from acd.core import effects as e
from acd.core import facts as f
from acd.core import inputs as i
from acd.core import model as m
from acd.core.decide import Decision
from acd.core.model import Outcome, Party
from tests.support.scene import Scene, queue

ROUTE = m.Route("a-1", "carrier")
FAR = m.Route("a-9", "carrier")
PLAN = m.EntryPlan("e", 1, "service", address="a-1", contact="c-1", callback=ROUTE)
MESSAGES = m.MediumDef("voicemail", m.Presence.TEXT, 5, 15)


def at_start(destination: m.Destination) -> m.EntryPlan:
    """The plan of an entry point that begins with this."""
    return m.EntryPlan("e", 1, "service", start=destination, address="a-1", contact="c-1", priority=7, callback=ROUTE)


def centre(*queues: m.QueueDef) -> Scene:
    """Two queues and a seat for both that is not ready, a line, and the medium of messages."""
    scene = Scene(*(queues or (queue("service"), queue("sales"))))
    scene.done(i.MediumDefined(MESSAGES))
    scene.done(i.TrunkDefined(m.TrunkDef("carrier")))
    scene.seat("a", *scene.state.queues)
    scene.choose("a", "meal")
    scene.choose("a", "away")
    return scene


def outcome(scene: Scene, item: str) -> tuple[Outcome, Party]:
    """How the contact ended, and by whom."""
    return next((one.outcome, one.who) for one in scene.facts(f.Ended) if one.item == item)


def kinds(decision: Decision, *wanted: type[e.Effect]) -> list[type[e.Effect]]:
    """The effects of those types, in order."""
    return [type(one) for one in decision.effects if isinstance(one, wanted)]


def said(scene: Scene, item: str) -> None:
    """The words to him are over."""
    scene.prompt_over(item)
