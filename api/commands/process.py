"""The hidden `ringside process NAME`: one of the supervisor's children. Imports as little as it can: the time until a
killed engine decides again is mostly imports."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import uvloop

from api.children import ParentGone, bind_to_parent
from api.logs import configure
from storage.settings import Settings

MODULES: Mapping[str, str] = {
    "engine": "api.engine",
    "web": "api.web",
    "worker": "api.worker",
    "rescue": "api.rescuer",
}


GIVE_WAY = ("web", "worker")
GIVE_WAY_BY = 5
"""Nice: beside a busy voice these get about a third of a processor's time; alone, all of it."""
YOUNG, MIDDLE, OLD = 10_000, 20, 50
"""Python's own 700, 10, 10 let the engine look through everything it knows in the middle of calls."""


def give_way() -> None:
    """Voice first: who reads and shows comes after who decides and who carries sound.

    Each of us is a session of its own, and where the kernel groups processes by session (autogroup) a process's own
    nice counts inside its group only.
    """
    os.nice(GIVE_WAY_BY)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(f"{GIVE_WAY_BY}")


def spare_collections() -> None:
    """What was imported lives as long as we do: no collection looks through it."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


def run(name: str, settings: Settings) -> int:
    """Be that process until told to stop."""
    configure(settings.log_level)
    try:
        bind_to_parent()
    except ParentGone:
        return 1
    main: Callable[[Settings], Coroutine[Any, Any, None]] = import_module(MODULES[name]).main
    if name in GIVE_WAY:
        give_way()
    spare_collections()
    uvloop.run(main(settings))
    return 0
