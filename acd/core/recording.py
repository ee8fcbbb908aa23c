"""Recording: begun, paused for card numbers, resumed by hand or by its limit, failed. The call never waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acd.core import facts as f
from acd.core import inputs as i
from acd.core.model import SECOND, Micros, WorkItem
from acd.core.reply import Code, Done, Reply

if TYPE_CHECKING:
    from acd.core.decide import Core

LATE = Done(note="late")

LONGEST_PAUSE: Micros = 1800 * SECOND
"""Half an hour: a recording that was forgotten in pause goes on by itself."""


def recording_started(core: Core, given: i.RecordingStarted) -> Reply:
    """Sound is being written. Told again for a recorder that goes on: a no-op."""
    item = core.item(given.item)
    if item is None or (item.recorded and item.recording == given.recording):
        return LATE
    core.record(f.RecordingBegan(given.item, given.recording))
    return Done(item=given.item)


def recording_stopped(core: Core, given: i.RecordingStopped) -> Reply:
    """Sound is not being written: the gap is marked once, the call goes on."""
    item = core.item(given.item)
    if item is None or not item.recording or item.gap:
        return LATE
    core.record(f.RecordingFailed(item.id, item.recording, given.reason))
    return Done(item=item.id)


def pause_asked(core: Core, given: i.PauseAsked) -> Reply:
    """Silence is written from now on; again while paused moves the limit."""
    item = core.item(given.item)
    if item is None or not _is_recorded(item):
        return core.refuse(Code.NOT_RECORDED, "this contact is not being recorded")
    if given.limit <= 0:
        return core.refuse(Code.BAD_INPUT, "name a pause above 0 seconds")
    core.record(f.RecordingPaused(item.id, item.recording, core.now + min(given.limit, LONGEST_PAUSE)))
    return Done(item=item.id)


def _is_recorded(item: WorkItem) -> bool:
    return bool(item.recording and item.leg)


def resume_asked(core: Core, given: i.ResumeAsked) -> Reply:
    """Sound is written again."""
    item = core.item(given.item)
    if item is None or not item.paused:
        return core.refuse(Code.NOT_RECORDED, "the recording of this contact is not paused")
    core.record(f.RecordingResumed(item.id, item.recording, "by_hand"))
    return Done(item=item.id)


def pause_due(core: Core, item_id: str) -> None:
    """The pause has lasted as long as it may."""
    item = core.state.items[item_id]
    core.record(f.RecordingResumed(item_id, item.recording, "limit"))
