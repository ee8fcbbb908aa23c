"""`python -m tools.shapes_guide`: docs/guide/shapes.md and docs/guide/seat-states.md.

Written from the tables that the core decides by (acd.core.shapes, acd.core.seats) and that the tests on a real Asterisk
are made from (api.shapes.cells).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from acd.core.model import SeatState
from acd.core.seats import BLOCKS, BY_HAND_EXEMPT, CHANGED_BY_HAND, GETS_OFFERS, Block
from acd.core.shapes import INVITES, LEAVES, MOVES, PLACES, Aftermath, Move, Place, Shape, Who
from api.shapes.cells import (
    EXCLUDED,
    INVITED,
    Cell,
    Robot,
    Scene,
    Sound,
    Step,
    after,
    cells,
    hearing,
    killed_cells,
    one_of_each,
)
from api.words import words
from tools.say import ROOT, say

GUIDE = ROOT / "docs/guide"
WRITTEN = "Written by `python -m tools.shapes_guide`; `make test` fails when it is not current."

SHAPES: Mapping[Shape, str] = {
    Shape.NONE: "no seat is with the customer: he waits, hears a prompt, or is not there yet",
    Shape.DIALLING: "a call out: the agent hears the customer's phone ring",
    Shape.TALK: "customer and agent talk",
    Shape.HELD: "the customer is on hold",
    Shape.RINGING: "the third party is being rung for a consultation",
    Shape.CONSULT: "agent and third party talk, the customer is on hold",
    Shape.SWAPPED: "agent and customer talk, the third party is on hold",
    Shape.THREE_WAY: "all three talk",
    Shape.COACHED: "the third party hears both, the agent alone hears him",
    Shape.BLIND: "the agent has left, the third party is being rung",
    Shape.HANDED_OVER: "the customer talks with somebody who has no seat",
    Shape.PRIVATE: "the customer has left, the two others still talk",
}
PLACE_WORDS: Mapping[Place, str] = {
    Place.NOWHERE: "–",
    Place.BRIDGE: "in the bridge",
    Place.HOLD: "on hold",
    Place.RINGING: "rings",
    Place.COACH: "coaches",
}
AFTERMATH: Mapping[Aftermath, str] = {
    Aftermath.END: "it ends",
    Aftermath.TALK: "agent and customer talk",
    Aftermath.PROMOTE: "the third party has the customer",
    Aftermath.BLIND: "the third party goes on ringing, for the customer",
    Aftermath.PRIVATE: "the two others go on",
    Aftermath.REQUEUE: "the customer waits at his old place",
}
STATES: Mapping[SeatState, str] = {
    SeatState.LOGGED_OUT: "signed out",
    SeatState.LOGGING_IN: "signed in, its phone not seen yet",
    SeatState.NOT_READY: "chose a status that takes no offers: meal, break, …",
    SeatState.READY: "takes offers",
    SeatState.UNREACHABLE: "chose to be ready, but its phone is gone",
    SeatState.ASSIGNED: "an offer is open: it is being rung",
    SeatState.BUSY: "holds as much of a medium as it may, or what keeps the others away",
    SeatState.WRAP_UP: "in wrap-up",
    SeatState.NO_ANSWER: "did not answer an offer, and has not come back",
}
ROBOTS: Mapping[Robot, str] = {
    Robot.CUSTOMER: "customer",
    Robot.AMY: "agent",
    Robot.BOB: "colleague",
    Robot.DESK: "extension",
    Robot.OUT: "customer called",
    Robot.FAR: "number outside",
    Robot.SUP: "supervisor",
}
SYSTEM = "Ringside"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


# --- shapes ----------------------------------------------------------------------------------------------------------


def _name(shape: Shape) -> str:
    return f"`{shape}`"


def places() -> str:
    """Who is where in each shape."""
    rows = [
        (_name(shape), PLACE_WORDS[at.customer], PLACE_WORDS[at.seat], PLACE_WORDS[at.other], SHAPES[shape])
        for shape, at in PLACES.items()
    ]
    return table(("shape", "customer", "agent", "third party", "that is"), rows)


def moves() -> str:
    """What the owner may do in each shape."""
    shapes = [shape for shape in Shape if any(at is shape for at, _ in MOVES) or shape in INVITES]
    rows = [(_name(shape), *(_moved(shape, move) for move in Move), _invited(shape)) for shape in shapes]
    return table(("in", *(move.value for move in Move), "ring another one"), rows)


def _moved(shape: Shape, move: Move) -> str:
    found = MOVES.get((shape, move))
    return _name(found) if found else "–"


def _invited(shape: Shape) -> str:
    return f"{_name(INVITES[shape])}, or `blind`" if shape in INVITES else "–"


def leaves() -> str:
    """What leaving means."""
    shapes = dict.fromkeys(shape for shape, _ in LEAVES)
    rows = [(_name(shape), *(_left(shape, who) for who in Who)) for shape in shapes]
    return table(("in", "the customer hangs up", "the agent hangs up", "the third party hangs up"), rows)


def _left(shape: Shape, who: Who) -> str:
    found = LEAVES.get((shape, who))
    return AFTERMATH[found] if found else "–"


# --- sequences -------------------------------------------------------------------------------------------------------


def drawn() -> tuple[Cell, ...]:
    """The longest cell of each kind, and one for each thing a supervisor does."""
    longest: dict[tuple[str, Step | None], Cell] = {}
    for cell in cells():
        key = (cell.kind, next((step for step in cell.steps if step in SUPERVISED), None))
        if key not in longest or len(cell.steps) > len(longest[key].steps):
            longest[key] = cell
    return tuple(longest.values())


SUPERVISED = (Step.LISTEN, Step.WHISPER, Step.JOIN)
BY_SUPERVISOR = frozenset({*SUPERVISED, Step.TAKE_OVER, Step.UNWATCH})
BY_CUSTOMER = frozenset({Step.CALL, Step.CUSTOMER_LEAVES})
BY_OTHER = frozenset({Step.ANSWER, Step.DECLINE, Step.IGNORE, Step.OTHER_LEAVES})


def diagram(cell: Cell) -> str:
    """A cell as a Mermaid sequence: what is done, and who hears whom then."""
    scenes = tuple(_scenes(cell))
    present = [robot for robot in Robot if any(robot in _in_it(scene) for scene, _, _ in scenes)]
    lines = ["sequenceDiagram", f"    participant R as {SYSTEM}"]
    lines += [f"    participant {robot} as {ROBOTS[robot]}" for robot in present]
    for before, step, now in scenes:
        who = _actor(before, step)
        lines.append(f"    {who} ->> R: {step}" if who else f"    Note over R: {step}")
        rung = _rung(before, step, now)
        lines += [f"    R ->> {rung}: rings"] * bool(rung)
        lines.append(f"    Note over R,{present[-1]}: {heard(now)}")
    return "```mermaid\n" + "\n".join(lines) + "\n```"


def _scenes(cell: Cell) -> Iterator[tuple[Scene, Step, Scene]]:
    """(before, step, after) of each step."""
    scene = Scene()
    for step in cell.steps:
        before, scene = scene, after(scene, step)
        yield before, step, scene


def _in_it(scene: Scene) -> tuple[Robot | None, ...]:
    supervisor = Robot.SUP if scene.watching else None
    return scene.customer, scene.owner, scene.other, scene.rung, supervisor


def _actor(before: Scene, step: Step) -> Robot | None:
    """Who does it; None where nobody of the conversation does."""
    if step in BY_CUSTOMER:
        return before.customer or Robot.CUSTOMER
    if step in BY_OTHER:
        return before.other or before.rung or before.customer
    if step in BY_SUPERVISOR:
        return Robot.SUP
    return None if step is Step.KILL else before.owner or before.other or Robot.AMY


def _rung(before: Scene, step: Step, now: Scene) -> Robot | None:
    if step is Step.DIAL_RING or step is Step.DIAL:
        return now.customer
    if step in INVITED:
        return now.other
    return now.rung if now.rung is not before.rung else None


def heard(scene: Scene) -> str:
    """Who hears whom, as a line of words."""
    found = hearing(scene)
    if not found:
        return "it is over" if scene.customer is None and scene.owner is None else "nobody hears anybody"
    return " · ".join(f"{ROBOTS[robot]} hears {_voices(voices)}" for robot, voices in found.items())


def _voices(voices: Iterable[Robot | Sound]) -> str:
    whom = frozenset(voices)
    named = [ROBOTS[robot] for robot in Robot if robot in whom] + [sound.value for sound in Sound if sound in whom]
    return " and ".join(named) or "nobody"


def sequences() -> str:
    """A diagram of each kind of cell."""
    return "\n\n".join(f"### {cell.id}\n\n{diagram(cell)}" for cell in drawn())


def listed(found: Iterable[Cell]) -> str:
    """Cells with their steps."""
    return table(("kind", "cell", "steps"), ((cell.kind, cell.name, " → ".join(cell.steps)) for cell in found))


def shapes_page() -> str:
    """docs/guide/shapes.md."""
    whole, each, killed = cells(), one_of_each(), killed_cells()
    return f"""# The shapes of a call

{WRITTEN}
The tables are those the core decides by; the sequences are rows of the tests on a real Asterisk.

A conversation has up to three parties: the customer, the agent whose conversation it is, and a third party, who is a
colleague, an extension without a seat, or a number outside. All who talk are in one mixing bridge. Whoever is on hold
leaves it for a holding bridge of his own, with music ([ADR 0014](../adr/0014-one-mixing-bridge.md)).

## Who is where

{places()}

## What an agent may do

Rows are shapes, columns moves, cells the shape that comes of it; – is refused. After *complete* the third party is the
agent of the conversation, or the shape is `handed_over` where he has no seat.

{moves()}

## What leaving means

– where that party has no channel. An agent whose line is lost in `talk` or `held`, without his hanging up, leaves the
customer waiting at his old place. A supervisor who has joined a conversation in `talk` or `held` goes on with the
customer when the agent hangs up.

{leaves()}

## Sequences

One of each kind of cell in the matrix, the longest, with who hears whom after each step. *rings* is what Ringside does;
whoever is only being rung hears nobody.

{sequences()}

## The matrix

{len(whole)} cells. `make proof` plays all of them, `make test` one of each of the {len(each)} kinds. In each of
them tones tell who hears whom after every step.

{listed(whole)}

With the engine killed (kill -9) in the middle, {len(killed)} cells: everybody goes on hearing whom he heard.

{listed(killed)}

## What is left out, and why

{table(("left out", "why"), EXCLUDED.items())}
"""


# --- seat states -----------------------------------------------------------------------------------------------------


def seats_page() -> str:
    """docs/guide/seat-states.md."""
    say_it = words("en")
    states = [(f"`{one}`", STATES[one], _yes(GETS_OFFERS[one]), _yes(CHANGED_BY_HAND[one])) for one in SeatState]
    rules = [block for block, _ in BLOCKS]
    blocks = [(f"`{one}`", _why(say_it(f"refused.{one}")), _yes(one in BY_HAND_EXEMPT)) for one in rules]
    others = [(f"`{one}`", _why(say_it(f"refused.{one}"))) for one in Block if one not in rules]
    return f"""# Seat states

{WRITTEN}
A state is computed from what the seat has and holds, and decides nothing by itself (`acd/core/seats.py`).

## What a seat is seen to do

A seat has two switchers, one for the phone and one for text; each shows one of these. A status that is chosen while
`assigned` or `busy` is kept and holds afterwards.

{table(("state", "that is", "gets offers", "changed by hand"), states)}

Text below its limit is seen as `ready`.

## What keeps a seat from an offer

Asked in this order; the first that holds is the reason. What a person gives or takes by hand (a pickup, a transfer)
passes over some of them.

{table(("rule", "the seat", "passed over by hand"), blocks)}

These are about one seat and one item:

{table(("rule", "the seat"), others)}
"""


def _why(sentence: str) -> str:
    return sentence.removeprefix("refused: ")


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"


def pages() -> Mapping[Path, str]:
    """Every page this tool writes, with its text."""
    return {GUIDE / "shapes.md": shapes_page(), GUIDE / "seat-states.md": seats_page()}


def main() -> int:
    """Write the pages."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
        say(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines")
    return 0


if __name__ == "__main__":
    sys.exit(main())
