"""How the keeping goes, for the metrics page and `ringside recordings check`: a number comes before a loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from acd.core.model import SECOND, Micros
from recordings import index
from recordings.model import State
from recordings.space import MEGABYTE, room
from storage.session import Database
from storage.settings import Settings


@dataclass(frozen=True, slots=True)
class Figures:
    """`states`: recordings by state. `oldest`: how long ago the contact ended whose sound waits longest to be stored.
    `free`: bytes where raw files are written and where they are kept, the smaller; -1 when nobody can tell."""

    states: Mapping[str, int]
    oldest: Micros
    free: int
    late: bool
    full: bool

    @property
    def alarm(self) -> bool:
        """Somebody should look."""
        return self.late or self.full or bool(self.states[State.WAITING.value])


def figures(database: Database, settings: Settings, now: Micros) -> Figures:
    """As they are now. Blocking, on a storage that hangs for a second."""
    with database.read() as session:
        states, since = index.count_states(session), index.oldest_open(session)
    rooms = [room(folder) for folder in (settings.raw_dir, settings.store_dir)]
    free = min((found.free if found is not None else -1) for found in rooms)
    oldest = max(0, now - since) if since else 0
    late = oldest >= settings.recordings_alarm_s * SECOND
    return Figures(states, oldest, free, late, free < settings.recordings_min_free_mb * MEGABYTE)
