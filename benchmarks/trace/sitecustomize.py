"""Put before everything else on the engine's path by benchmarks.calls: stamps what it does with a call.

Nothing of this is in the product. A stamp is [when in ns, what, whose, how long in ns]; they are written as JSON lines
when the process ends.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = os.environ.get("RINGSIDE_BENCH_TRACE", "")
_stamps: list[tuple[int, str, str, int]] = []


def _ari(_ari: object, method: str, uri: str, *_: object, **query: object) -> tuple[str, str]:
    parts = uri.split("/")
    if uri == "channels/create":
        return "create", f"{query.get('channelId', '')} {query.get('originator', '')}"
    if parts[0] == "channels" and parts[-1] == "dial":
        return "dial", parts[1]
    return f"{method} {parts[0]}", parts[1] if len(parts) > 1 else ""


def _event(_telephony: object, event: Any) -> tuple[str, str]:
    return str(event.get("type")), str((event.get("channel") or {}).get("id", ""))


def _planned(agi: Any, *_: object) -> tuple[str, str]:
    return "plan_call", f"{agi.env.get('agi_uniqueid', '')} {agi.env.get('agi_callerid', '')}"


def _submitted(_runtime: object, given: Any, **_: object) -> tuple[str, str]:
    return f"submit {type(given).__name__}", str(getattr(given, "leg", ""))


def _timed(owner: Any, name: str, told: Callable[..., tuple[str, str]]) -> None:
    real = getattr(owner, name)

    @functools.wraps(real)
    def stamped(*args: Any, **query: Any) -> Any:
        began = time.time_ns()
        try:
            return real(*args, **query)
        finally:
            _stamps.append((began, *told(*args, **query), time.time_ns() - began))

    setattr(owner, name, stamped)


def _awaited(owner: Any, name: str, told: Callable[..., tuple[str, str]]) -> None:
    real = getattr(owner, name)

    @functools.wraps(real)
    async def stamped(*args: Any, **query: Any) -> Any:
        began = time.time_ns()
        try:
            return await real(*args, **query)
        finally:
            _stamps.append((began, *told(*args, **query), time.time_ns() - began))

    setattr(owner, name, stamped)


def _install() -> None:
    from acd.runtime import Runtime
    from cti import agi
    from cti.ari import Ari
    from cti.calls import Calls
    from cti.telephony import AsteriskTelephony

    _timed(agi, "plan_call", _planned)
    _timed(AsteriskTelephony, "_event", _event)
    _awaited(Runtime, "submit", _submitted)
    _awaited(Ari, "call", _ari)
    _awaited(Calls, "_ring_now", lambda _calls, effect: ("ring", str(effect.offer)))
    atexit.register(_write)


def _write() -> None:
    with Path(FILE).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(stamp) + "\n" for stamp in _stamps)


if FILE and sys.orig_argv[-2:] == ["process", "engine"]:
    _install()
