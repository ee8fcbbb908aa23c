"""The matrix of shapes: which steps make up a cell, what shape each leads to and who hears whom then. Pure.

Cells are made from acd.core.shapes: every party that may leave a shape, every move a shape allows, every kind of target
with everything it can do, calls that came in and calls that went out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from acd.core.shapes import LEAVES, MOVES, PLACES, Aftermath, Move, Place, Shape, Who


class Robot(StrEnum):
    """Who plays. CUSTOMER calls in; OUT and FAR are numbers outside, each on a line of its own."""

    CUSTOMER = "customer"
    AMY = "amy"
    BOB = "bob"
    DESK = "desk"  # an extension that belongs to no seat
    OUT = "out"
    FAR = "far"
    SUP = "sup"


class Step(StrEnum):
    """One thing that is done. The values are what the demo prints and the guide shows."""

    CALL = "the customer calls in, the agent answers"
    DIAL = "the agent calls out, the customer answers"
    DIAL_RING = "the agent calls out, it rings"
    HOLD = "hold"
    RESUME = "resume"
    PHONE_HOLD = "hold by the phone's own button"
    PHONE_RESUME = "resume by the phone's own button"
    CONSULT_SEAT = "consult a colleague"
    CONSULT_DESK = "consult an extension without a seat"
    CONSULT_OUT = "consult a number outside"
    BLIND_SEAT = "transfer to a colleague"
    BLIND_DESK = "transfer to an extension without a seat"
    BLIND_OUT = "transfer to a number outside"
    BLIND_QUEUE = "transfer to a queue"
    BLIND_ENTRY = "transfer to an entry point"
    PHONE_BLIND = "transfer by the phone (REFER)"
    PHONE_ATTENDED = "consult and transfer by the phone (REFER with Replaces)"
    ANSWER = "the one who is rung answers"
    DECLINE = "the one who is rung declines"
    IGNORE = "the one who is rung does not answer"
    AGAIN = "the agent is ready again and answers"
    SWAP = "swap"
    MERGE = "three-way"
    SPLIT = "back to two"
    COACH = "coach"
    COMPLETE = "complete"
    CANCEL = "cancel"
    LISTEN = "a supervisor listens"
    WHISPER = "a supervisor whispers"
    JOIN = "a supervisor joins"
    TAKE_OVER = "a supervisor takes over"
    UNWATCH = "the supervisor stops"
    CUSTOMER_LEAVES = "the customer hangs up"
    SEAT_LEAVES = "the agent hangs up"
    OTHER_LEAVES = "the third party hangs up"
    KILL = "the engine is killed, the next one goes on"


MOVE_STEPS: Mapping[Step, Move] = {
    Step.HOLD: Move.HOLD,
    Step.RESUME: Move.RESUME,
    Step.SWAP: Move.SWAP,
    Step.MERGE: Move.MERGE,
    Step.SPLIT: Move.SPLIT,
    Step.COACH: Move.COACH,
    Step.COMPLETE: Move.COMPLETE,
    Step.CANCEL: Move.CANCEL,
}
STEP_OF: Mapping[Move, Step] = {move: step for step, move in MOVE_STEPS.items()}
LEAVE_STEPS: Mapping[Step, Who] = {
    Step.CUSTOMER_LEAVES: Who.CUSTOMER,
    Step.SEAT_LEAVES: Who.SEAT,
    Step.OTHER_LEAVES: Who.OTHER,
}
LEAVING: Mapping[Who, Step] = {who: step for step, who in LEAVE_STEPS.items()}

INVITED: Mapping[Step, tuple[Robot, Shape]] = {
    Step.CONSULT_SEAT: (Robot.BOB, Shape.RINGING),
    Step.CONSULT_DESK: (Robot.DESK, Shape.RINGING),
    Step.CONSULT_OUT: (Robot.FAR, Shape.RINGING),
    Step.BLIND_SEAT: (Robot.BOB, Shape.BLIND),
    Step.BLIND_DESK: (Robot.DESK, Shape.BLIND),
    Step.BLIND_OUT: (Robot.FAR, Shape.BLIND),
    Step.PHONE_BLIND: (Robot.BOB, Shape.BLIND),
}
"""Who is rung by a step, and the shape while he rings."""

SEATS = frozenset({Robot.AMY, Robot.BOB, Robot.SUP})
"""Who has a seat, and so becomes the owner where the customer is handed to him."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What should be true after some steps. `owner` "" where no seat has the customer, `rung` who is being rung by a
    queue's offer, `watching` what the supervisor does."""

    shape: Shape = Shape.NONE
    customer: Robot | None = None
    owner: Robot | None = None
    other: Robot | None = None
    rung: Robot | None = None
    watching: Step | None = None
    met: tuple[Robot, ...] = ()  # seats that have been with the customer and left or will leave: each needs wrap-up


def after(scene: Scene, step: Step) -> Scene:
    """The scene after a step, by the core's tables."""
    if step in MOVE_STEPS:
        return _moved(scene, MOVE_STEPS[step])
    if step in INVITED:
        robot, shape = INVITED[step]
        owner = None if shape is Shape.BLIND else scene.owner
        return replace(scene, shape=shape, other=robot, owner=owner)
    if step in LEAVE_STEPS:
        return _left(scene, LEAVE_STEPS[step])
    return _OTHER_STEPS[step](scene)


def _moved(scene: Scene, move: Move) -> Scene:
    shape = MOVES[scene.shape, move]
    match move:
        case Move.COMPLETE if shape is Shape.BLIND:
            return replace(scene, shape=shape, owner=None)
        case Move.COMPLETE:
            return _handed(scene)
        case Move.CANCEL:
            return replace(scene, shape=shape, other=None)
        case _:
            return _met(replace(scene, shape=shape))


def _met(scene: Scene) -> Scene:
    """A third party with a seat that is joined with the customer will need wrap-up."""
    places = PLACES[scene.shape]
    together = places.customer is places.other is Place.BRIDGE
    new = scene.other in SEATS and scene.other not in scene.met and together
    return replace(scene, met=(*scene.met, scene.other)) if new and scene.other else scene


def _handed(scene: Scene) -> Scene:
    """The third party has the customer."""
    if scene.other not in SEATS:
        return replace(scene, shape=Shape.HANDED_OVER, owner=None)
    met = scene.met if scene.other in scene.met else (*scene.met, scene.other)
    return replace(scene, shape=Shape.TALK, owner=scene.other, other=None, met=met)


def _left(scene: Scene, who: Who) -> Scene:
    if scene.shape is Shape.NONE:  # he waits in a queue, and gives up
        return Scene(met=scene.met)
    if who is Who.SEAT and scene.watching is Step.JOIN and scene.shape in INVITING:  # he is a party like any other
        return replace(scene, shape=Shape.TALK, owner=Robot.SUP, watching=None, met=(*scene.met, Robot.SUP))
    match LEAVES[scene.shape, who]:
        case Aftermath.END:
            return Scene(met=scene.met)
        case Aftermath.TALK:
            return replace(scene, shape=Shape.TALK, other=None)
        case Aftermath.PROMOTE:
            return _handed(scene)
        case Aftermath.BLIND:
            return replace(scene, shape=Shape.BLIND, owner=None)
        case Aftermath.PRIVATE:
            return replace(scene, shape=Shape.PRIVATE, customer=None)
        case Aftermath.REQUEUE:
            return replace(scene, shape=Shape.NONE, other=None)


def _answered(scene: Scene) -> Scene:
    if scene.rung is not None:
        met = scene.met if scene.rung in scene.met else (*scene.met, scene.rung)
        return replace(scene, shape=Shape.TALK, owner=scene.rung, rung=None, met=met)
    return replace(scene, shape=Shape.CONSULT) if scene.shape is Shape.RINGING else _handed(scene)


def _not_answered(scene: Scene) -> Scene:
    kept = Shape.TALK if scene.shape is Shape.RINGING else Shape.NONE
    return replace(scene, shape=kept, other=None)


_WITH_CUSTOMER = Scene(Shape.TALK, Robot.CUSTOMER, Robot.AMY, met=(Robot.AMY,))
_OTHER_STEPS: Mapping[Step, Callable[[Scene], Scene]] = {
    Step.CALL: lambda _: _WITH_CUSTOMER,
    Step.DIAL: lambda _: replace(_WITH_CUSTOMER, customer=Robot.OUT),
    Step.DIAL_RING: lambda _: Scene(Shape.DIALLING, Robot.OUT, Robot.AMY),
    Step.PHONE_HOLD: lambda scene: replace(scene, shape=Shape.HELD),
    Step.PHONE_RESUME: lambda scene: replace(scene, shape=Shape.TALK),
    Step.BLIND_QUEUE: lambda scene: replace(scene, shape=Shape.NONE, owner=None, rung=Robot.BOB),
    Step.BLIND_ENTRY: lambda scene: replace(scene, shape=Shape.NONE, owner=None, rung=Robot.BOB),
    Step.PHONE_ATTENDED: lambda scene: _handed(replace(scene, other=Robot.BOB)),
    Step.ANSWER: _answered,
    Step.DECLINE: _not_answered,
    Step.IGNORE: _not_answered,
    Step.AGAIN: lambda scene: replace(scene, shape=Shape.TALK, owner=Robot.AMY),
    Step.LISTEN: lambda scene: replace(scene, watching=Step.LISTEN),
    Step.WHISPER: lambda scene: replace(scene, watching=Step.WHISPER),
    Step.JOIN: lambda scene: replace(scene, watching=Step.JOIN),
    Step.UNWATCH: lambda scene: replace(scene, watching=None),
    Step.KILL: lambda scene: scene,
    Step.TAKE_OVER: lambda scene: replace(
        scene, shape=Shape.TALK, owner=Robot.SUP, other=None, watching=None, met=(*scene.met, Robot.SUP)
    ),
}


# --- who hears whom ------------------------------------------------------------------------------------------------


class Sound(StrEnum):
    """What is heard that is nobody's voice."""

    MUSIC = "music"


Heard = frozenset[Robot | Sound]


def hearing(scene: Scene) -> Mapping[Robot, Heard]:
    """What each robot that is in the conversation must hear, and nothing else of what the others say. A robot that is
    only being rung, or is alone, hears nothing of anybody."""
    places = PLACES[scene.shape]
    where = {
        scene.customer: places.customer if scene.shape is not Shape.NONE else Place.HOLD,
        scene.owner: places.seat,
        scene.other: places.other,
    }
    placed = {robot: place for robot, place in where.items() if robot is not None and place not in UNHEARD}
    talking = [robot for robot, place in placed.items() if place is Place.BRIDGE]
    talking += [Robot.SUP] if scene.watching is Step.JOIN else []
    found: dict[Robot, Heard] = {}
    for robot, place in placed.items():
        found[robot] = frozenset({Sound.MUSIC}) if place is Place.HOLD else frozenset(talking) - {robot}
    whisperers = [scene.other] if places.other is Place.COACH else []
    whisperers += [Robot.SUP] if scene.watching is Step.WHISPER else []
    if scene.owner is not None:
        found[scene.owner] |= frozenset(robot for robot in whisperers if robot is not None)
    if scene.watching is not None:
        own = [scene.other] if scene.watching is Step.WHISPER and places.other is Place.COACH else []
        found[Robot.SUP] = frozenset((*talking, *(robot for robot in own if robot))) - {Robot.SUP}
    return found


INVITING = frozenset({Shape.TALK, Shape.HELD})
UNHEARD = frozenset({Place.NOWHERE, Place.RINGING})


# --- the cells -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of the matrix. `kind` is its class; `make test` plays one of each, `make proof` all."""

    kind: str
    name: str
    steps: tuple[Step, ...]

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"


PATHS: Mapping[Shape, tuple[Step, ...]] = {
    Shape.TALK: (),
    Shape.HELD: (Step.HOLD,),
    Shape.RINGING: (Step.CONSULT_SEAT,),
    Shape.CONSULT: (Step.CONSULT_SEAT, Step.ANSWER),
    Shape.SWAPPED: (Step.CONSULT_SEAT, Step.ANSWER, Step.SWAP),
    Shape.THREE_WAY: (Step.CONSULT_SEAT, Step.ANSWER, Step.MERGE),
    Shape.COACHED: (Step.CONSULT_SEAT, Step.ANSWER, Step.COACH),
    Shape.BLIND: (Step.BLIND_SEAT,),
    Shape.HANDED_OVER: (Step.BLIND_OUT, Step.ANSWER),
    Shape.PRIVATE: (Step.CONSULT_SEAT, Step.ANSWER, Step.CUSTOMER_LEAVES),
}
"""How each shape is reached from a talk of two."""

OUTBOUND_SHAPES = (Shape.TALK, Shape.HELD, Shape.RINGING, Shape.CONSULT, Shape.THREE_WAY, Shape.BLIND)

TARGETS: Mapping[str, tuple[Step, Step]] = {
    "colleague": (Step.CONSULT_SEAT, Step.BLIND_SEAT),
    "extension": (Step.CONSULT_DESK, Step.BLIND_DESK),
    "outside": (Step.CONSULT_OUT, Step.BLIND_OUT),
}

EXCLUDED: Mapping[str, str] = {
    "dialling: hold, consult, transfer": "there is no conversation yet; refused (test_core_conference)",
    "handed over: supervision": "no agent is there whom one could watch; refused with not_serving",
    "private: supervision, hold": "the customer has left; nothing of his is heard or kept any more",
    "ringing, consult, three-way: blind transfer": "a conversation of three is not given away whole; refused",
    "entry point or queue: consult": "nobody answers for a queue before it has found somebody; refused with bad_input",
    "a trunk that transfers": "trunks may not (allow_transfer=no): the carrier gets 603 (test_trunks)",
    "internal calls: transfer": "no customer is in them; a phone's REFER there is declined (test_referring)",
}
"""What the matrix leaves out, and why."""


def _ended(scene: Scene) -> bool:
    return scene.shape is Shape.NONE and scene.customer is None


def _closed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, and whoever is left hangs up at last."""
    scene = Scene()
    for step in steps:
        scene = after(scene, step)
    if _ended(scene):
        return steps
    return (*steps, Step.CUSTOMER_LEAVES if scene.customer is not None else Step.SEAT_LEAVES)


def _leaves() -> Iterator[Cell]:
    for shape, who in LEAVES:
        if shape in PATHS:
            yield Cell(f"leave {shape}", f"{who} leaves", _closed((Step.CALL, *PATHS[shape], LEAVING[who])))


def _moves() -> Iterator[Cell]:
    for shape, move in MOVES:
        yield Cell(f"move {move}", f"from {shape}", _closed((Step.CALL, *PATHS[shape], STEP_OF[move])))


def _targets() -> Iterator[Cell]:
    for target, (consult, blind) in TARGETS.items():
        for end in (Step.COMPLETE, Step.MERGE, Step.COACH):
            steps = (Step.CALL, consult, Step.ANSWER, end)
            yield Cell(f"target {target}", f"consult, {end}", _closed(steps))
        for answer in (Step.DECLINE, Step.IGNORE):
            yield Cell(f"target {target}", f"consult, {answer}", _closed((Step.CALL, consult, answer)))
            yield Cell(f"target {target}", f"blind, {answer}", _closed((Step.CALL, blind, answer, Step.AGAIN)))
        yield Cell(f"target {target}", "blind, answers", _closed((Step.CALL, blind, Step.ANSWER)))
    for step in (Step.BLIND_QUEUE, Step.BLIND_ENTRY):
        yield Cell("target queue", step, _closed((Step.CALL, step, Step.ANSWER)))


def _outbound() -> Iterator[Cell]:
    yield Cell("outbound", "customer does not answer", (Step.DIAL_RING, Step.SEAT_LEAVES))
    yield Cell("outbound", "customer declines", (Step.DIAL_RING, Step.CUSTOMER_LEAVES))
    for shape in OUTBOUND_SHAPES:
        for who in (Who.CUSTOMER, Who.SEAT):
            if (shape, who) in LEAVES:
                yield Cell("outbound", f"{shape}, {who} leaves", _closed((Step.DIAL, *PATHS[shape], LEAVING[who])))


def _phones() -> Iterator[Cell]:
    held = (Step.CALL, Step.PHONE_HOLD, Step.PHONE_RESUME)
    yield Cell("phone", "hold and resume", _closed(held))
    yield Cell("phone", "blind transfer", _closed((Step.CALL, Step.PHONE_BLIND, Step.ANSWER)))
    yield Cell("phone", "blind transfer, declined", _closed((Step.CALL, Step.PHONE_BLIND, Step.DECLINE, Step.AGAIN)))
    yield Cell("phone", "attended transfer", _closed((Step.CALL, Step.PHONE_ATTENDED)))


def _supervision() -> Iterator[Cell]:
    for mode in (Step.LISTEN, Step.WHISPER, Step.JOIN):
        steps = (Step.CALL, mode, Step.UNWATCH)
        yield Cell("supervision", f"{mode} and stops", _closed(steps))
        follow = (Step.CALL, mode, Step.CONSULT_SEAT, Step.ANSWER, Step.COMPLETE)
        yield Cell("supervision", f"{mode} through a transfer", _closed(follow))
    yield Cell("supervision", "joins and goes on", _closed((Step.CALL, Step.JOIN, Step.SEAT_LEAVES)))
    yield Cell("supervision", "from listening to taking over", _closed((Step.CALL, Step.LISTEN, Step.TAKE_OVER)))


def cells() -> tuple[Cell, ...]:
    """The whole matrix, each cell once, in a fixed order."""
    parts = (_leaves(), _moves(), _targets(), _outbound(), _phones(), _supervision())
    found = {cell.steps: cell for part in parts for cell in part}
    return tuple(found.values())


def one_of_each() -> tuple[Cell, ...]:
    """The first cell of each kind."""
    return tuple({cell.kind: cell for cell in reversed(cells())}.values())[::-1]


def killed_cells() -> tuple[Cell, ...]:
    """Each shape with the engine killed in it (kill -9): everybody goes on hearing whom he heard."""
    shapes = [(f"{shape}", (Step.CALL, *path)) for shape, path in PATHS.items()]
    shapes += [("dialling", (Step.DIAL_RING,)), ("outbound talk", (Step.DIAL,)), ("waiting again", WAITING_AGAIN)]
    shapes += [(str(mode), (Step.CALL, mode)) for mode in (Step.LISTEN, Step.WHISPER, Step.JOIN)]
    return tuple(Cell("kill -9", name, _closed((*steps, Step.KILL))) for name, steps in shapes)


WAITING_AGAIN = (Step.CALL, Step.BLIND_SEAT, Step.DECLINE)


# --- random walks ----------------------------------------------------------------------------------------------------

MOST_STEPS = 9
STAYING_PERCENT = 80
"""So often nobody leaves where something else may be done: walks get somewhere."""
LISTENED = frozenset({Shape.TALK, Shape.HELD, Shape.CONSULT, Shape.THREE_WAY})


def possible(scene: Scene) -> tuple[Step, ...]:
    """What may be done next, of what leads to one certain scene."""
    if scene.shape is Shape.NONE and scene.customer is None:
        return (Step.CALL, Step.CALL, Step.DIAL, Step.DIAL_RING)
    if scene.shape is Shape.NONE:
        return (Step.ANSWER if scene.rung is not None else Step.AGAIN, Step.CUSTOMER_LEAVES)
    return tuple(step for step in Step if _fits(scene, step))


def _fits(scene: Scene, step: Step) -> bool:
    if step in MOVE_STEPS:
        return (scene.shape, MOVE_STEPS[step]) in MOVES and _keeps_watch(scene, step)
    if step is Step.OTHER_LEAVES and scene.shape is Shape.BLIND:
        return _may_be_turned_down(scene)
    if step in LEAVE_STEPS:
        return (scene.shape, LEAVE_STEPS[step]) in LEAVES and _keeps_watch(scene, step)
    if step in INVITED:
        return _invitable(scene, step)
    rule = _RULES.get(step)
    return rule is not None and rule(scene)


def _may_watch(scene: Scene, step: Step) -> bool:
    """A supervisor who has become the agent himself has nobody to watch."""
    return scene.shape in LISTENED and scene.owner is not Robot.SUP and scene.watching is not step


def _keeps_watch(scene: Scene, step: Step) -> bool:
    """A supervisor needs an agent to watch; a third party without a seat is none. Nobody whispers to a whisperer."""
    if scene.watching is None:
        return True
    if step is Step.COACH:
        return scene.watching is Step.LISTEN
    owner_goes = step in (Step.COMPLETE, Step.SEAT_LEAVES)
    if owner_goes and LEAVES.get((scene.shape, Who.SEAT)) is not Aftermath.END:
        return scene.other in SEATS and scene.shape is not Shape.RINGING
    return True


def _invitable(scene: Scene, step: Step) -> bool:
    """Who is in the conversation, or in wrap-up from it, is not asked again."""
    robot, shape = INVITED[step]
    if scene.shape not in INVITING or robot in (scene.owner, scene.customer) or robot in scene.met:
        return False
    if step is Step.PHONE_BLIND:
        return scene.shape is Shape.TALK and scene.watching is None
    return scene.watching is None or shape is not Shape.BLIND


def _may_be_turned_down(scene: Scene) -> bool:
    """Where a blind transfer fails he waits for amy; where he was with others before, another queue has him."""
    return scene.shape is Shape.RINGING or (
        scene.shape is Shape.BLIND and scene.met == (Robot.AMY,) and scene.customer is Robot.CUSTOMER
    )


def _is_fresh(scene: Scene) -> bool:
    return scene.shape is Shape.TALK and scene.met == (Robot.AMY,) and scene.watching is None


_RULES: Mapping[Step, Callable[[Scene], bool]] = {
    Step.ANSWER: lambda scene: scene.shape in (Shape.RINGING, Shape.BLIND),
    Step.DECLINE: _may_be_turned_down,
    Step.PHONE_ATTENDED: _is_fresh,
    Step.BLIND_QUEUE: _is_fresh,
    Step.BLIND_ENTRY: _is_fresh,
    Step.LISTEN: lambda scene: _may_watch(scene, Step.LISTEN),
    Step.WHISPER: lambda scene: _may_watch(scene, Step.WHISPER),
    Step.JOIN: lambda scene: _may_watch(scene, Step.JOIN),
    Step.UNWATCH: lambda scene: scene.watching is not None,
}


def random_cell(number: int, choose: Callable[[int], int]) -> Cell:
    """A random walk over shapes that ends; `choose(n)` gives a whole number below n."""
    scene, steps = Scene(), list[Step]()
    while not steps or not (_ended(scene) or len(steps) >= MOST_STEPS):
        fitting = possible(scene)
        staying = tuple(step for step in fitting if step not in LEAVE_STEPS) or fitting
        chosen = staying if choose(100) < STAYING_PERCENT else fitting
        steps.append(chosen[choose(len(chosen))])
        scene = after(scene, steps[-1])
    return Cell("random", str(number), _closed(tuple(steps)))
