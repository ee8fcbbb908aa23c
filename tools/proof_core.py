"""The core under a seeded driver: the rules of the Hypothesis machine, a million steps and more, every invariant.

python -m tools.proof_core [--steps 1000000] [--seed 1] runs the proof and ends in its rows.
python -m tools.proof_core --replay FILE prints the digest of the state of a stored log: it is started as another
process with another hash seed (I6).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from acd import why
from acd.core import codec
from acd.core import inputs as i
from acd.core.model import SECOND, Phase, WorkItem
from acd.core.shapes import Shape
from tests.support import rules
from tests.support.choose import Choose, Seeded, pick, seldom
from tests.support.table import (
    ITEM_KINDS,
    ROWS,
    SHAPE_KINDS,
    UNREACHABLE,
    UNREACHABLE_ROWS,
    Cell,
    cells,
    item_row,
    kinds_of,
    missing,
    shape_row,
    text_table,
)
from tests.support.world import Violation, World, replay, stored_line
from tools.figures import Row, report
from tools.say import ROOT, say

STEPS = 1_000_000
EPISODE = 4_000
"""Steps between an empty log and the drain: long enough for deep states, short enough to replay."""
SEEDS = 4
CHECK_EVERY = 20
"""Steps between two looks at everything; offers, items and seats that a step touched are looked at in every step."""
RESTART_EVERY = 997
LEAST = 100
ENOUGH = 150
"""Pairs met this often are no longer steered to; the steps go to what moves calls on."""
OTHER_PROCESSES = 8
WAITS = (0, 1_000, 200_000, SECOND, 6 * SECOND)


@dataclass(slots=True)
class Tally:
    """What the whole proof counted."""

    steps: int = 0
    episodes: int = 0
    facts: int = 0
    cells: Counter[Cell] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    recomputed: int = 0
    equal: int = 0
    replays: int = 0
    elsewhere: int = 0
    same: int = 0
    violations: list[str] = field(default_factory=list)


def weighted(table: Mapping[str, tuple[object, int]]) -> tuple[str, ...]:
    """Each kind as often as its weight says."""
    return tuple(kind for kind, (_, weight) in table.items() for _ in range(weight))


SEAT_WEIGHTS = weighted(rules.ABOUT_SEATS)
ITEM_WEIGHTS = weighted(rules.ABOUT_ITEMS)
ITEM_MAKERS = tuple(rules.ABOUT_ITEMS)
MADE = {
    "FarRang": "RingSeen",
    "FarAnswered": "OfferAnswered",
    "FarRefused": "OfferRefused",
    "FarLeft": "PartyLeft",
    "TalkTimerDue": "TimerDue",
}
"""What the makers that are no kinds of input make."""
SELDOM = frozenset(
    {Shape.SWAPPED, Shape.THREE_WAY, Shape.COACHED, Shape.PRIVATE, Shape.BLIND}
    | {Phase.DIALLING, Phase.SAYING, Phase.VOICEMAIL}
)
"""Few contacts come there, and not for long: while one is there, it is what is steered to."""
FREE_WEIGHTS = weighted(rules.ABOUT_NEITHER)


def next_input(world: World, choose: Choose, counts: Counter[Cell]) -> i.Input | None:
    """Something that may happen now; a third of them is steered to what was met least, and more while somebody is
    where few come."""
    lot = choose.below(100)
    few = [one.id for one in world.state.items.values() if _is_seldom(one)]
    if lot < (80 if few else 35) and (steered := _least_met(world, choose, counts, few)) is not None:
        return steered
    if lot < 60:
        return rules.ABOUT_NEITHER[pick(choose, FREE_WEIGHTS)][0](world, choose)
    if lot < 80:
        return rules.ABOUT_SEATS[pick(choose, SEAT_WEIGHTS)][0](world, choose, rules.subject_seat(choose))
    return rules.ABOUT_ITEMS[pick(choose, ITEM_WEIGHTS)][0](world, choose, rules.subject_item(world, choose))


def _is_seldom(item: WorkItem) -> bool:
    """A contact that waits for its caller's last words to end, and has a key, is one of a thousand."""
    return item.shape in SELDOM or item.phase in SELDOM or (item.phase is Phase.ENTERED and bool(item.key))


def _least_met(world: World, choose: Choose, counts: Counter[Cell], few: Sequence[str]) -> i.Input | None:
    """Of some pairs (subject, kind) that are possible now, the one whose cell was met least, if not yet enough. `few`:
    contacts where few come."""
    best: tuple[int, str, str] | None = None
    for _ in range(16):
        if seldom(choose, 50):
            seat = pick(choose, rules.SEATS)
            kind = pick(choose, tuple(rules.ABOUT_SEATS))
            known = world.state.seats.get(seat)
            row = f"voice {known.voice.seen}" if known else "any"
            other = f"text {known.text.seen}" if known else "any"
            found = (min(counts[row, kind], counts[other, kind]), seat, kind)
        else:
            item = pick(choose, few) if few and seldom(choose, 60) else rules.subject_item(world, choose)
            kind = pick(choose, ITEM_MAKERS)
            found = (_met(world, counts, item, MADE.get(kind, kind)), item, kind)
        best = found if best is None or found < best else best
    if best is None or best[0] >= ENOUGH:
        return None
    _, subject, kind = best
    makers = rules.ABOUT_SEATS if subject in rules.SEATS else rules.ABOUT_ITEMS
    return makers[kind][0](world, choose, subject)


def _met(world: World, counts: Counter[Cell], item: str, kind: str) -> int:
    """How often the rarer of an item's cells was met: its phase's or its shape's."""
    known = world.state.items.get(item)
    cells_ = [(item_row(world.state, item), kind)] if kind in ITEM_KINDS else []
    cells_ += [(shape_row(known), kind)] if known is not None and kind in SHAPE_KINDS else []
    wanted = [counts[cell] for cell in cells_ if cell not in UNREACHABLE]
    return min(wanted, default=ENOUGH)


def episode(seed: int, steps: int, tally: Tally) -> World:
    """One run from an empty log to the drained end. Raises Violation."""
    world, choose = World(), Seeded(seed)
    rules.set_up(world, choose)
    while world.steps < steps:
        world.wait(pick(choose, WAITS))
        given = next_input(world, choose, tally.cells)
        if given is None:
            continue
        for cell in cells(world, given):
            tally.cells[cell] += 1
        tally.kinds[codec.kind_of(given)] += 1
        world.give(given)
        if world.steps % CHECK_EVERY == 0:
            world.check()
        if world.steps % RESTART_EVERY == 0:
            world.check_restart()
    world.check()
    world.drain()
    world.check_replay()
    return world


def finish(world: World, tally: Tally) -> None:
    """Recompute the episode's decisions and count."""
    found = why.recompute(world.log)
    tally.steps += world.steps
    tally.episodes += 1
    tally.facts += len(world.log)
    tally.judged.update(world.watch.judged)
    tally.recomputed += found.decisions
    tally.equal += found.equal
    tally.replays += 1
    if tally.episodes <= OTHER_PROCESSES:
        tally.elsewhere += 1
        tally.same += same_elsewhere(world, tally.episodes)


def same_elsewhere(world: World, hash_seed: int) -> bool:
    """I6: another process with another hash seed replays the stored log to the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts.jsonl"
        path.write_text("\n".join(stored_line(one) for one in world.log) + "\n")
        done = subprocess.run(
            [sys.executable, "-m", "tools.proof_core", "--replay", str(path)],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed)},
            capture_output=True,
            text=True,
            check=False,
        )
    return done.stdout.strip() == digest(codec.state_bytes(world.state))


def digest(raw: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(raw).hexdigest()


def prove(steps: int, seed: int) -> Tally:
    """Episodes over some seeds until `steps` are made; stops at the first violation."""
    tally, began, shown = Tally(), time.monotonic(), time.monotonic()
    while tally.steps < steps and not tally.violations:
        number = seed * 1_000_003 + tally.episodes % SEEDS * 10_007 + tally.episodes
        try:
            world = episode(number, min(EPISODE, max(200, steps - tally.steps)), tally)
            finish(world, tally)
        except Violation as broken:
            tally.violations.append(f"seed {number}: {broken}")
            say(f"VIOLATION, episode seed {number}: {broken}")
        if time.monotonic() - shown > 10:
            shown = time.monotonic()
            rate = tally.steps / (shown - began)
            say(f"  {tally.steps:,} of {steps:,} steps, {tally.facts:,} facts, {rate:,.0f} steps/s")
    return tally


def rows_of(tally: Tally, steps: int) -> list[Row]:
    """The proof's figures with their targets."""
    few = missing(tally.cells, LEAST)
    reachable = sum(len(kinds_of(row)) for row in ROWS if row not in UNREACHABLE_ROWS) - len(UNREACHABLE)
    return [
        Row("core: steps", tally.steps, "steps", f">= {steps:,}", tally.steps >= steps, f"{tally.episodes} episodes"),
        Row("core: violations of I1-I4, I6, I8", len(tally.violations), "", "0", not tally.violations),
        Row("core: facts recorded", tally.facts, "facts"),
        Row("core: reachable state x input pairs", reachable, "pairs"),
        Row("core: pairs met fewer than 100 times", len(few), "pairs", "0", not few, ", ".join(map(" ".join, few[:4]))),
        Row(
            "core: decisions recomputed equal",
            tally.equal,
            "",
            f"{tally.recomputed:,}",
            tally.equal == tally.recomputed,
        ),
        Row(
            "core: replays and snapshot + tail, same bytes",
            tally.replays,
            "",
            f"{tally.episodes}",
            tally.replays == tally.episodes,
        ),
        Row(
            "core: other process and hash seed, same bytes",
            tally.same,
            "",
            str(tally.elsewhere),
            tally.same == tally.elsewhere > 0,
        ),
    ]


def proof(steps: int = STEPS, seed: int = 1) -> list[Row]:
    """Run the proof, print the table, give the rows."""
    say(f"core: {steps:,} steps of the seeded driver from seed {seed}")
    tally = prove(steps, seed)
    say("state x input, how often each pair was met")
    for line in text_table(tally.cells):
        say(line)
    say("offers by rule: " + ", ".join(f"{rule} {count:,}" for rule, count in sorted(tally.judged.items())))
    return rows_of(tally, steps)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path)
    options = parser.parse_args()
    if options.replay:
        say(digest(codec.state_bytes(replay(options.replay.read_text().splitlines()))))
        return 0
    return report("proof_core", proof(options.steps, options.seed))


if __name__ == "__main__":
    sys.exit(main())
