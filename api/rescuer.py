"""The rescue process: asks the engine whether it lives; without an answer the waiting callers go to the fall-back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import struct
from functools import partial
from pathlib import Path

from api.bootstrap import asterisk_settings
from api.children import failed_starts, say_ready
from api.gateway import ping
from api.signals import until_told_to_stop
from cti.rescue import PING_LIMIT_S, Rescue
from storage.settings import Settings, load_secrets

_CREDENTIALS = struct.Struct("3i")  # unix(7), SO_PEERCRED: process, user, group


def end_engine(path: Path) -> None:
    """Kill -9 the process that listens on the engine's socket; the supervisor starts the next one. Nobody: nothing."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(PING_LIMIT_S)
        link.connect(str(path))  # the kernel takes it, however still the process is
        pid, _, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if pid > 1:  # 0: it lives in another namespace, and kill(0) would be meant for ourselves
            os.kill(pid, signal.SIGKILL)


async def main(settings: Settings) -> None:
    """The process. It needs no database."""
    given = asterisk_settings(settings, load_secrets(settings))
    rescue = Rescue(
        given,
        partial(ping, settings.socket_path, PING_LIMIT_S),
        partial(failed_starts, settings.run_dir),
        partial(end_engine, settings.socket_path),
    )
    watching = asyncio.create_task(rescue.run())
    say_ready()
    await until_told_to_stop()
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching
