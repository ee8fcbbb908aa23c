"""Single commands to Asterisk with a rule for what it refuses."""

from __future__ import annotations

import structlog

from cti.ari import Ari, AriError, AriLost

log = structlog.get_logger(__name__)

DONE_ALREADY = (404, 409)


async def carried_out(ari: Ari, leg: str, method: str, uri: str, **query: object) -> bool:
    """A command a channel depends on; False when Asterisk refused it, which is logged.

    That the channel is gone is told by its event, or else by cti.resync, as is all that a lost connection left.
    """
    try:
        await ari.call(method, uri, None, **query)
    except AriError as error:
        log.info("command_refused", leg=leg, status=error.status, message=error.message, what=f"{method} {uri}")
        return False
    except AriLost:
        return True
    return True


async def quietly(ari: Ari, method: str, uri: str, **query: object) -> None:
    """A command whose failure means that it is done already."""
    try:
        await ari.call(method, uri, None, **query)
    except AriError as error:
        if error.status not in DONE_ALREADY:
            log.info("command_refused", status=error.status, message=error.message, what=f"{method} {uri}")
    except AriLost:
        return
