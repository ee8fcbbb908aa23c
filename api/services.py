"""What the routes need, as one object that bootstrap fills: tests fill it with fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from acd.core.inputs import Input
from acd.core.model import Micros, Seat, State
from acd.core.reply import Done, Refused
from api.auth.tokens import Token, TokenStore
from api.errors import ApiError, refused
from api.gateway import Answer, Caller, asterisk_tells, press, submit
from api.lines import Line, lines_defined, lines_now
from api.live import Live
from api.metrics import Counted
from directory.dialling import DirectoryDialPlans
from directory.plans import DirectoryPlans
from directory.service import seat_names
from recordings.figures import Figures
from storage.bus import CallFailed, EngineAway
from storage.session import Database
from storage.settings import Secrets, Settings

STATUS_OF_FAILURE: Mapping[str, int] = {"bad_input": 422, "keys_not_sent": 503}
Check = Callable[[], Awaitable[str]]
"""Empty when all is well, else what is wrong in a few words."""


class Names:
    """The directory's names of seats, kept for one revision of it."""

    def __init__(self) -> None:
        self._revision = -1
        self._names: Mapping[str, str] = {}

    def at(self, database: Database, revision: int) -> Mapping[str, str]:
        """Seat id -> name. Blocking when the revision is a new one."""
        if revision != self._revision:
            with database.read() as session:
                self._names = seat_names(session)
            self._revision = revision
        return self._names


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a request may use. `checks` are those of /readyz, by name;
    `lags` (blocking) tells how many facts each reader has not taken up yet, `recordings` (blocking) how their keeping
    goes."""

    live: Live
    engine: Caller
    tokens: TokenStore
    database: Database
    secrets: Secrets
    now: Callable[[], Micros]
    counted: Counted = field(default_factory=Counted)
    lags: Callable[[], Mapping[str, int]] = dict
    checks: Mapping[str, Check] = field(default_factory=dict)
    names: Names = field(default_factory=Names)
    settings: Settings = field(default_factory=Settings)
    recordings: Callable[[], Figures | None] = lambda: None

    @property
    def dial(self) -> DirectoryDialPlans:
        """Who may call what."""
        given = self.settings
        return DirectoryDialPlans(self.database, region=given.default_region, emergency=given.emergency_numbers)

    @property
    def plans(self) -> DirectoryPlans:
        """What entry points do with callers."""
        return DirectoryPlans(self.database, now=self.now, region=self.settings.default_region)

    @property
    def state(self) -> State:
        """The committed state."""
        return self.live.state

    def seat(self, seat_id: str) -> Seat:
        """A seat, or the answer 404."""
        found = self.state.seats.get(seat_id)
        if found is None:
            raise ApiError(404, "unknown_seat", say=f"There is no seat {seat_id}; GET /api/v1/seats lists them.")
        return found

    async def seat_names(self) -> Mapping[str, str]:
        """Seat id -> name, read again when the directory changed."""
        return await asyncio.to_thread(self.names.at, self.database, self.state.revision)

    async def phones(self) -> Mapping[str, Mapping[str, Any]]:
        """Extension -> its phone as Asterisk has it now; empty while the engine or Asterisk does not answer."""
        return await asterisk_tells(self.engine, "phones")

    async def lines(self) -> Sequence[Line]:
        """Every line of the directory as it is now."""
        defined = await asyncio.to_thread(lines_defined, self.database)
        return lines_now(defined, await asterisk_tells(self.engine, "lines"))

    async def command(self, given: Input, token: Token) -> Done:
        """Have the engine decide, and wait until our own state shows it. Raises ApiError: refused, or 503."""
        return await self._done(submit(self.engine, given, by=f"token:{token.id}", via="api"))

    async def press(self, seat: str, item: str, digits: str, token: Token) -> Done:
        """Have the engine send keys to the customer. Raises ApiError as command does."""
        return await self._done(press(self.engine, seat, item, digits, by=f"token:{token.id}", via="api"))

    async def _done(self, asked: Awaitable[Answer]) -> Done:
        try:
            answer = await asked
        except EngineAway as error:
            details: dict[str, Any] = {"maybe_done": error.maybe_done}
            raise ApiError(503, "engine_away", say=_AWAY, details=details) from error
        except CallFailed as error:
            raise ApiError(STATUS_OF_FAILURE.get(error.code, 500), error.code, say=error.say) from error
        if isinstance(answer.reply, Refused):
            raise refused(answer.reply)
        if not await self.live.reached(answer.seq):
            raise ApiError(503, "behind", say="It is done, but this process cannot show it yet; ask again in a second.")
        return answer.reply


_AWAY = (
    "The engine does not answer, so nothing can be changed now; reading still works. "
    "It is started again by `ringside up` within seconds."
)
