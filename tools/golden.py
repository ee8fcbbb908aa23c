"""Makes a release's golden log: a short life of every kind of fact, kept in tests/golden and replayed for ever after.

python -m tools.golden 0.1.0 writes tests/golden/0.1.0.jsonl; an existing one is never written again.
"""

from __future__ import annotations

import argparse
import sys

from acd.core import inputs as i
from acd.core import model as m
from tests.support import rules
from tests.support.world import World, stored_line
from tools.proof_core import Tally, episode
from tools.say import ROOT, say

FOLDER = ROOT / "tests/golden"
STEPS = 1_500
SEED = 1
READY = next(status for status in rules.STATUSES if status.auto_offer and status.presence is m.Presence.VOICE).id


def with_lost_seat(world: World) -> World:
    """What the driver seldom meets: a seat's leg is cut, and its caller waits again."""
    plan = m.EntryPlan("golden", 1, "golden")
    for given in (
        i.QueueDefined(m.QueueDef("golden", "golden")),
        i.SeatProfileSet(m.SeatProfile("golden", "999", (m.SeatQueue("golden"),))),
        i.SeatSignedIn("golden"),
        i.PhoneChanged("golden", True),
        i.StatusChosen("golden", m.Presence.VOICE, READY),
        i.CallEntered("golden-leg", plan),
        i.LegArrived("golden-leg"),
    ):
        world.give(given)
    offer = next(iter(world.state.seats["golden"].offers))
    for last in (i.OfferAnswered(offer), i.PartyLeft(offer, hung_up=False), i.PartyLeft("golden-leg")):
        world.give(last)
    return world


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    path = FOLDER / f"{parser.parse_args().version}.jsonl"
    if path.exists():
        say(f"{path.name} is there already: a golden log is never written again")
        return 1
    lines = [stored_line(recorded) for recorded in with_lost_seat(episode(SEED, STEPS, Tally())).log]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    say(f"{path.name}: {len(lines)} facts, {path.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
