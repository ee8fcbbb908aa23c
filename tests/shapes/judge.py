"""What must be true of a played cell besides who heard whom: facts, time, wrap-up, one record, the recording.

Each check gives the problems it finds, in words; none asks the code that made the call.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from acd.core import facts as f
from acd.core.facts import Recorded
from acd.core.model import Micros
from api.bootstrap import open_database
from api.shapes.cells import SEATS, Robot, Scene, after
from api.shapes.stage import TONES, Played
from recordings import index, store
from recordings.seal import Keyring
from records.fold import Rules, case_id, fold
from records.model import Case
from softphone import tones
from softphone.process import PhoneProcess
from storage.settings import load_secrets
from tests.support.system import System

STORED_LIMIT_S = 20.0
TIME_SLACK_S = 0.6
"""A phone tells of its answer and end up to 0.3 s after they were decided, on a busy machine twice that."""
LENGTH_SLACK_S = 1.0
SHARE = 0.02
"""A tone that fills less of a recording is a click of a change, not a voice."""


@dataclass(frozen=True, slots=True)
class Told:
    """A played cell and what was written down of it."""

    played: Played
    facts: Sequence[Recorded]
    robots: Mapping[Robot, PhoneProcess]
    seats: Mapping[Robot, str]
    marks: Mapping[Robot, int]

    def of(self, *kinds: type[f.Fact]) -> list[Recorded]:
        """The contact's facts of these kinds."""
        item = self.played.item
        return [one for one in self.facts if isinstance(one.fact, kinds) and getattr(one.fact, "item", "") == item]


Check = Callable[[System, Told], list[str]]


def ended_once(_: System, told: Told) -> list[str]:
    """I1: one end, nothing of the contact after it but wrap-ups."""
    ends = told.of(f.Ended)
    return [] if len(ends) == 1 else [f"{len(ends)} ends"]


def wrap_ups(_: System, told: Told) -> list[str]:
    """Z10, pain P2: everybody who was with the customer has wrap-up, nobody else."""
    scene = Scene()
    for step in told.played.cell.steps:
        scene = after(scene, step)
    expected = sorted(told.seats[robot] for robot in scene.met)
    found = sorted({one.fact.seat for one in told.of(f.WrapUpStarted) if isinstance(one.fact, f.WrapUpStarted)})
    return [] if found == expected else [f"wrap-up for {found}, expected {expected}"]


def case_of(told: Told) -> Case | None:
    """The contact's case, folded from its facts."""
    case = None
    for one in told.facts:
        if case_id(one.fact) == told.played.item:
            case = fold(case, one, Rules())
    return case


def one_record(system: System, told: Told) -> list[str]:
    """Z13, lead 12: one service record with every agent's handling, or a reason why there is none."""
    case = case_of(told)
    if case is None:
        return ["no case"]
    connected = bool(told.of(f.MediaUp, f.CustomerAnswered, f.TookOver))
    if not connected:
        return [] if case.record is None and case.interaction.reason else ["no record and no reason"]
    met = {one.fact.seat for one in told.of(f.WrapUpStarted) if isinstance(one.fact, f.WrapUpStarted)}
    handled = {handling.seat for handling in case.handlings}
    wrong = [] if case.record is not None else ["connected, but no record"]
    return wrong + ([] if met <= handled else [f"handlings of {sorted(handled)}, with the customer were {sorted(met)}"])


def times(_: System, told: Told) -> list[str]:
    """P3: each agent's part is as long as his phone was in the call."""
    problems = []
    for robot in SEATS:
        parts = _parts(told, told.seats[robot])
        calls = _phone_times(told, robot)
        if parts and calls:
            facts, phone = sum(parts), sum(calls)
            if abs(facts - phone) > TIME_SLACK_S * max(len(parts), len(calls)):
                problems.append(f"{robot}: {facts:.2f} s by the facts, {phone:.2f} s by the phone")
    return problems


def _parts(told: Told, seat: str) -> list[float]:
    began: Micros = 0
    parts = []
    for one in told.facts:
        fact = one.fact
        mine = getattr(fact, "item", "") == told.played.item and getattr(fact, "seat", "") == seat
        if mine and isinstance(fact, f.Accepted | f.OtherAnswered | f.SeatReached | f.WatchAnswered):
            began = began or one.at
        elif mine and isinstance(fact, f.HandlingEnded | f.WatchEnded) and began:
            parts.append((one.at - began) / 1e6)
            began = 0
    return parts


def _phone_times(told: Told, robot: Robot) -> list[float]:
    said = told.robots[robot].history[told.marks[robot] :]
    answered = {one.data["call"]: one.at for one in said if one.event == "answered"}
    return [
        one.at - answered[one.data["call"]] for one in said if one.event == "ended" and one.data.get("call") in answered
    ]


# --- the recording -------------------------------------------------------------------------------------------------


def recording(system: System, told: Told) -> list[str]:
    """Both sides, as long as the customer was with us, following him, with nobody in it whom he may not hear."""
    began = told.of(f.RecordingBegan)
    if not began:
        return ["nothing was recorded"] if told.of(f.MediaUp, f.CustomerAnswered) else []
    first, gone = began[0].at, _customer_gone(told)
    fact = began[0].fact
    assert isinstance(fact, f.RecordingBegan)
    sound = _stored(system, fact.recording)
    if sound is None:
        return [f"{fact.recording} was not stored within {STORED_LIMIT_S:g} s"]
    left, right = sound[:, 0] / 32768.0, sound[:, 1] / 32768.0
    seconds, expected = len(left) / tones.RATE, (gone - first) / 1e6
    problems = []
    if abs(seconds - expected) > LENGTH_SLACK_S:
        problems.append(f"{seconds:.2f} s recorded, the customer was there {expected:.2f} s")
    customer, heard, never = _expected(told)
    said = _voices(left)
    got = _voices(right)
    if said != {customer}:
        problems.append(f"his side holds {sorted(said)}, expected {customer}")
    if missing := heard - got:
        problems.append(f"the other side lacks {sorted(missing)}")
    if leaked := got & never:
        problems.append(f"the other side holds {sorted(leaked)}, whom he never heard")
    return problems


def _customer_gone(told: Told) -> Micros:
    left = told.of(f.CustomerLeft, f.CustomerMoved) or told.of(f.Ended)
    return left[0].at if left else 0


def _expected(told: Told) -> tuple[Robot, set[Robot], set[Robot]]:
    """The customer, whom he heard at some time, and whom he never may have heard."""
    scene, heard = Scene(), set()
    customer = Robot.CUSTOMER
    for step, line in zip(told.played.cell.steps, told.played.lines, strict=True):
        scene = after(scene, step)
        customer = scene.customer or customer
        if scene.customer is not None:
            heard |= {sound for sound in line.heard.get(scene.customer, ()) if isinstance(sound, Robot)}
    return customer, heard, set(Robot) - heard - {customer}


def _voices(side: np.ndarray[tuple[int], np.dtype[np.float64]]) -> set[Robot]:
    found = tones.measure_samples(side).tones
    by_tone = {hz: robot for robot, hz in TONES.items()}
    return {by_tone[hz] for hz, tone in found.items() if hz in by_tone and tone.share > SHARE}


def _stored(system: System, name: str) -> np.ndarray[tuple[int, int], np.dtype[np.int16]] | None:
    """The recording as the worker has sealed it."""
    settings = system.settings
    keys = Keyring.read(load_secrets(settings).recording_keys)
    database = open_database(settings)
    try:
        end = time.monotonic() + STORED_LIMIT_S
        while time.monotonic() < end:
            with database.read() as session:
                file = index.stored_file(session, name)
            if file is not None:
                return np.concatenate(list(store.decoded(store.unsealed(settings.store_dir, file, keys))))
            time.sleep(0.1)
    finally:
        database.close()
    return None


CHECKS: Mapping[str, Check] = {
    "ended once": ended_once,
    "wrap-up": wrap_ups,
    "one record": one_record,
    "talk time": times,
    "recording": recording,
}
"""The columns of the matrix besides who hears whom and what is left over."""
