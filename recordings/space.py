"""Is there room for another recording? Calls come first: below the threshold no new one begins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from storage.settings import Settings

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Room:
    """Free and whole bytes of the file system that a folder lies on, as a user without privileges may use them."""

    free: int
    whole: int


def room(folder: Path) -> Room | None:
    """The room where `folder` is or would be made; None where that cannot be told (the storage is away)."""
    for place in (folder, *folder.parents):
        try:
            found = os.statvfs(place)
        except FileNotFoundError:
            continue
        except OSError:
            return None
        return Room(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)
    return None


def enough(folder: Path, settings: Settings) -> bool:
    """Whether a new recording may begin: False below `recordings_min_free_mb`, or where nobody can tell.

    Blocking on storage that hangs (NFS): ask from a thread.
    """
    found = room(folder)
    return found is not None and found.free >= settings.recordings_min_free_mb * MEGABYTE
