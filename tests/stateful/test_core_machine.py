"""The Hypothesis state machine over the whole core: voice, text and virtual items, every input, every invariant.

The rules are those of the seeded driver (tests/support/rules.py, tools/proof_core.py). The last tests break a rule of
the core on purpose: Hypothesis must find that and shrink it, or the machine proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from acd.core import evolve as evolving
from acd.core import facts as f
from acd.core import match, seats
from acd.core.codec import INPUT_KINDS
from acd.core.model import SECOND, MediumDef, Seat, State
from acd.core.seats import Block
from tests.support import rules
from tests.support.choose import Drawn
from tests.support.world import Violation, World

WAITS = (0, 1_000, SECOND, 6 * SECOND, 40 * SECOND)
QUICK = settings(
    max_examples=120,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)
LONG = settings(QUICK, max_examples=400, stateful_step_count=120)
HUNT = settings(
    QUICK,
    max_examples=1500,
    stateful_step_count=50,
    database=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
)


class CoreMachine(RuleBasedStateMachine):
    """Each input kind is a rule; after every step every invariant is looked at."""

    world: World

    @initialize(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        """Queues, seats, statuses, media."""
        self.world = World()
        rules.set_up(self.world, Drawn(data))

    @rule(duration=st.sampled_from(WAITS))
    def wait(self, duration: int) -> None:
        """Time passes; a timer that becomes due meanwhile is late."""
        self.world.wait(duration)

    @rule()
    def restart(self) -> None:
        """Another core takes over from a snapshot."""
        self.world.check_restart()

    @invariant()
    def everything_holds(self) -> None:
        """I1, I2, I4, seen states, timers, maps, wanted legs; I3 and effects are looked at inside each step."""
        if hasattr(self, "world"):
            self.world.check()

    def teardown(self) -> None:
        """Everybody leaves: nothing is left, and the log replays to the same bytes (I6)."""
        if hasattr(self, "world") and not self.world.broken:
            self.world.drain()
            self.world.check_replay()


def _free(kind: str) -> Callable[..., None]:
    maker = rules.ABOUT_NEITHER[kind][0]

    def step(self: CoreMachine, data: st.DataObject) -> None:
        given = maker(self.world, Drawn(data))
        if given is not None:
            self.world.give(given)

    return step


def _about_seat(kind: str) -> Callable[..., None]:
    maker = rules.ABOUT_SEATS[kind][0]

    def step(self: CoreMachine, data: st.DataObject) -> None:
        choose = Drawn(data)
        given = maker(self.world, choose, rules.subject_seat(choose))
        if given is not None:
            self.world.give(given)

    return step


def _about_item(kind: str) -> Callable[..., None]:
    maker = rules.ABOUT_ITEMS[kind][0]

    def step(self: CoreMachine, data: st.DataObject) -> None:
        choose = Drawn(data)
        given = maker(self.world, choose, rules.subject_item(self.world, choose))
        if given is not None:
            self.world.give(given)

    return step


def _add_rules() -> None:
    """Rules for each kind and table; what moves things on has several, so that short runs get somewhere."""
    tables = (
        ("any", rules.ABOUT_NEITHER, _free),
        ("seat", rules.ABOUT_SEATS, _about_seat),
        ("item", rules.ABOUT_ITEMS, _about_item),
    )
    for where, table, make in tables:
        for kind, (_, weight) in table.items():
            for copy in range(max(1, weight // 3)):
                step = make(kind)
                step.__name__ = step.__qualname__ = f"{kind}_{where}_{copy}"
                setattr(CoreMachine, step.__name__, rule(data=st.data())(step))


_add_rules()


def test_every_kind_of_input_has_a_rule() -> None:
    """A new input cannot be forgotten."""
    kinds = {*rules.ABOUT_SEATS, *rules.ABOUT_ITEMS, *rules.ABOUT_NEITHER} - rules.OTHER_MAKERS
    assert kinds == set(INPUT_KINDS)


def test_core_machine() -> None:
    """A short run in every `make test`."""
    run_state_machine_as_test(CoreMachine, settings=QUICK)


@pytest.mark.proof
@pytest.mark.timeout(900)
def test_core_machine_long() -> None:
    """A long run in `make proof`."""
    run_state_machine_as_test(CoreMachine, settings=LONG)


# --- broken on purpose ------------------------------------------------------------------------------------------


def _no_capacity(patch: pytest.MonkeyPatch) -> str:
    """D4: the limits are not asked."""
    kept = tuple((block, holds) for block, holds in seats.BLOCKS if block is not Block.CAPACITY)
    patch.setattr(seats, "BLOCKS", kept)
    return "I3"


def _no_exclusion(patch: pytest.MonkeyPatch) -> str:
    """Voice no longer keeps text away."""
    kept = tuple((block, holds) for block, holds in seats.BLOCKS if block is not Block.EXCLUDED)
    patch.setattr(seats, "BLOCKS", kept)
    return "I3"


def _nobody_told(patch: pytest.MonkeyPatch) -> str:
    """A seat that becomes free looks for nothing."""
    patch.setattr(match.Index, "best_item", lambda *_: None)
    return "I4"


def _ready_without_phone(patch: pytest.MonkeyPatch) -> str:
    """A seat whose phone is gone is offered calls."""

    def block_of(state: State, seat: Seat, medium: MediumDef) -> Block | None:
        found = seats.block_of(state, seat, medium)
        return None if found is Block.UNREACHABLE else found

    patch.setattr(match, "block_of", block_of)
    return "I3"


def _forgotten_timer(patch: pytest.MonkeyPatch) -> str:
    """The ring timer outlives its offer."""
    kept = evolving.evolve

    def evolve(state: State, recorded: f.Recorded) -> None:
        before = dict(state.timers)
        kept(state, recorded)
        if isinstance(recorded.fact, f.Accepted):
            key = f"offer:{recorded.fact.offer}"
            state.timers[key] = before[key]

    patch.setattr("acd.core.decide.evolve", evolve)
    return "timers without an owner"


BROKEN = (_no_capacity, _no_exclusion, _nobody_told, _ready_without_phone, _forgotten_timer)


@pytest.mark.proof
@pytest.mark.timeout(900)
@pytest.mark.parametrize("broken", BROKEN, ids=lambda one: one.__name__.strip("_"))
def test_hypothesis_finds_and_shrinks(
    broken: Callable[[pytest.MonkeyPatch], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken rule is found, and the example it is shrunk to is short."""
    found_as = broken(monkeypatch)
    lengths: list[int] = []
    original = CoreMachine.teardown

    def teardown(self: CoreMachine) -> None:
        if hasattr(self, "world") and self.world.broken:
            lengths.append(len(self.world.given) - self.world.set_up_steps)
        original(self)

    monkeypatch.setattr(CoreMachine, "teardown", teardown)
    with pytest.raises(Violation) as caught:
        run_state_machine_as_test(CoreMachine, settings=HUNT)
    assert found_as in caught.value.words
    assert lengths
    assert lengths[-1] <= 8, f"the last example still has {lengths[-1]} inputs"
    assert lengths[-1] == min(lengths)
