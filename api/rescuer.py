"""The rescue process: asks the engine whether it lives; without an answer the waiting callers go to the fall-back."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial

from api.bootstrap import asterisk_settings
from api.children import failed_starts, say_ready
from api.gateway import ping
from api.signals import until_told_to_stop
from cti.rescue import PING_LIMIT_S, Rescue
from storage.settings import Settings, load_secrets


async def main(settings: Settings) -> None:
    """The process. It needs no database."""
    given = asterisk_settings(settings, load_secrets(settings), ())
    rescue = Rescue(given, partial(ping, settings.socket_path, PING_LIMIT_S), partial(failed_starts, settings.run_dir))
    watching = asyncio.create_task(rescue.run())
    say_ready()
    await until_told_to_stop()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
