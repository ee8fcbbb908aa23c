"""Is there room for another recording? Calls come first: below the threshold no new one begins.

Asking a storage that hangs (a mount whose server is away) may never return, so the question is put by a thread of its
own and the answer is waited for a moment only: at most one such thread a folder is ever stuck.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

from storage.settings import Settings

MEGABYTE = 1 << 20
PATIENCE_S = 0.5


@dataclass(frozen=True, slots=True)
class Room:
    """Free and whole bytes of the file system that a folder lies on, as a user without privileges may use them."""

    free: int
    whole: int


def room(folder: Path, patience: float = PATIENCE_S) -> Room | None:
    """The room where `folder` is or would be made; None where that cannot be told within `patience` seconds (the
    storage is away)."""
    with _lock:
        asked = _asked.get(folder)
        if asked is None or not asked.is_alive():
            asked = _asked[folder] = _Question(folder)
            asked.start()
    asked.join(patience)
    return None if asked.is_alive() else asked.found


def enough(folder: Path, settings: Settings) -> bool:
    """Whether a new recording may begin: False below `recordings_min_free_mb`, or where nobody can tell. Takes
    microseconds, at most 0.5 s."""
    found = room(folder)
    return found is not None and found.free >= settings.recordings_min_free_mb * MEGABYTE


class _Question(threading.Thread):
    def __init__(self, folder: Path) -> None:
        super().__init__(name="room", daemon=True)
        self._folder = folder
        self.found: Room | None = None

    def run(self) -> None:
        for place in (self._folder, *self._folder.parents):
            try:
                found = os.statvfs(place)
            except FileNotFoundError:
                continue
            except OSError:
                return
            self.found = Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
            return


_lock = threading.Lock()
_asked: dict[Path, _Question] = {}
