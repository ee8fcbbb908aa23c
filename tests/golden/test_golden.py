"""Logs of earlier releases, read by this one: a newer policy or a new field must never rewrite the past."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acd import why
from acd.core import codec
from acd.core.facts import Ended, Entered, FallbackCallServed, Offered
from tests.support.world import read_line, replay

LOGS = sorted(Path(__file__).parent.glob("*.jsonl"))


def test_there_is_a_golden_log() -> None:
    assert LOGS


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_an_old_log_gives_a_whole_state_and_the_same_decisions(path: Path) -> None:
    """Every fact is read and evolved, every contact has its one end, every decision is the one the rules give."""
    lines = path.read_text(encoding="utf-8").splitlines()
    log = [read_line(line) for line in lines]
    state = replay(lines)
    assert codec.state_bytes(codec.load_state(codec.state_bytes(state))) == codec.state_bytes(state)
    entered = [recorded.fact.item for recorded in log if isinstance(recorded.fact, Entered)]
    over = [recorded.fact.item for recorded in log if isinstance(recorded.fact, Ended | FallbackCallServed)]
    assert len(over) == len(set(over))
    assert set(entered) - set(over) == set(state.items)
    report = why.recompute(log)
    assert report.decisions == sum(isinstance(recorded.fact, Offered) for recorded in log) > 0
    assert report.holds, report.differences[:3]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_what_is_written_is_what_the_plain_values_give(path: Path) -> None:
    """The writer builds no plain values first; facts and the state must have the very same bytes."""
    lines = path.read_text(encoding="utf-8").splitlines()
    values = [*(read_line(line).fact for line in lines), replay(lines)]
    for value in values:
        assert codec.dump(value) == json.dumps(codec.plain(value), separators=(",", ":"), ensure_ascii=False)


def test_the_newest_golden_log_has_every_kind_of_fact() -> None:
    """But the two that only a broken input or an inbox row leaves."""
    newest = LOGS[-1].read_text(encoding="utf-8").splitlines()
    kinds = {codec.kind_of(read_line(line).fact) for line in newest}
    assert set(codec.FACT_KINDS) - kinds <= {"InputRejected", "InputNoted"}
