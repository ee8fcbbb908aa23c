"""The hidden `ringside process NAME`: one of the supervisor's children. Imports as little as it can: the time until a
killed engine decides again is mostly imports."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from importlib import import_module
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


def run(name: str, settings: Settings) -> int:
    """Be that process until told to stop."""
    configure(settings.log_level)
    try:
        bind_to_parent()
    except ParentGone:
        return 1
    main: Callable[[Settings], Coroutine[Any, Any, None]] = import_module(MODULES[name]).main
    uvloop.run(main(settings))
    return 0
