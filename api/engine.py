"""The engine process: the core and its runtime, AGI, ARI, the hub. The only one that decides."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from acd.core.codec import plain
from acd.core.facts import PhoneReached, Recorded, SeatGone, SeatProfileChanged
from acd.core.model import Micros, SeatProfile, State
from acd.core.reply import Done
from acd.ports import Fenced
from acd.runtime import Runtime
from api import gateway
from api.bootstrap import (
    DirectoryPart,
    asterisk_settings,
    leadership_of,
    open_database,
    open_log,
    place_prompts,
    read_part,
)
from api.children import say_ready
from api.hours import HoursKeeper
from api.live import COMMITTED
from api.signals import until_told_to_stop
from api.sounds import StandIns
from cti.agi import AgiServer
from cti.ami import Ami, AmiError, AmiGone
from cti.asterisk import AsteriskFailed, AsteriskProcess, AsteriskStale
from cti.config import AsteriskSettings, BadSettings
from cti.provisioning import (
    Extension,
    FallbackMembers,
    PhoneKind,
    Provisioning,
    ProvisioningFailed,
    contacts_of,
    http_call,
    registered_phones,
)
from cti.telephony import AsteriskTelephony
from cti.trunks import states as line_states
from directory.definitions import DirectoryConfiguration
from directory.dialling import DirectoryDialPlans
from directory.plans import DirectoryPlans
from directory.pool import DOCTOR
from directory.service import list_extensions, seat_names
from recordings.space import enough
from storage.bus import CallFailed, UnixHub
from storage.inbox import SqlInbox
from storage.session import Database
from storage.settings import Secrets, Settings, load_secrets

log = structlog.get_logger(__name__)

PROVISION_EVERY_S = 5.0
"""As the runtime's own look at the directory; Asterisk's restart is noticed as fast."""
MEMBERS_EVERY_S = 1.0
DAY: Micros = 86_400_000_000


@dataclass(slots=True)
class SeatBook:
    """cti.legs.Seats: who sits where, kept from committed facts."""

    profiles: dict[str, SeatProfile] = field(default_factory=dict)
    by_extension: dict[str, str] = field(default_factory=dict)
    phones: dict[str, bool] = field(default_factory=dict)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a seat has another extension than before."""
    holders: dict[str, str] = field(default_factory=dict)
    """Who has each extension, or had it last."""
    unsettled: dict[str, object] = field(default_factory=dict)
    """Extensions whose registrations may be those of who had them before, each with a mark of its latest move."""

    def load(self, state: State) -> None:
        """Begin with this state."""
        for seat in state.seats.values():
            self._put(seat.profile)
            self.phones[seat.profile.id] = seat.reachable

    async def take(self, facts: Sequence[Recorded]) -> None:
        """Go on with these facts."""
        for recorded in facts:
            match recorded.fact:
                case SeatProfileChanged(profile=profile):
                    self._put(profile)
                case SeatGone(seat=seat):
                    self._drop(seat)
                case PhoneReached(seat=seat, reachable=reachable):
                    self.phones[seat] = reachable
                case _:
                    continue

    def _put(self, profile: SeatProfile) -> None:
        if self.extension_of(profile.id) != profile.extension:
            self.moved.set()
        self._drop(profile.id)
        self.profiles[profile.id] = profile
        if profile.extension:
            self.by_extension[profile.extension] = profile.id
            if self.holders.get(profile.extension, profile.id) != profile.id:
                self.unsettled[profile.extension] = object()
            self.holders[profile.extension] = profile.id

    def _drop(self, seat: str) -> None:
        old = self.profiles.pop(seat, None)
        if old is not None and self.by_extension.get(old.extension) == seat:
            del self.by_extension[old.extension]

    def seat_of(self, extension: str) -> str:
        """The seat's id, or empty."""
        return self.by_extension.get(extension, "")

    def extension_of(self, seat: str) -> str:
        """The seat's extension, or empty."""
        profile = self.profiles.get(seat)
        return profile.extension if profile else ""

    def extensions(self) -> Sequence[str]:
        """Every extension that belongs to a seat."""
        return list(self.by_extension)

    def reachable(self, seat: str) -> bool:
        """What the core believes of its phone."""
        return self.phones.get(seat, False)

    def settled(self, extension: str) -> bool:
        """Whether who is registered there is its holder's phone."""
        return extension not in self.unsettled

    def settle(self, moves: Mapping[str, object], provisioned: Container[str]) -> None:
        """These of those moves are known to Asterisk now; one that moved again meanwhile is not."""
        for extension, move in moves.items():
            if extension in provisioned and self.unsettled.get(extension) is move:
                del self.unsettled[extension]


def day_of(settings: Settings, at: Micros) -> int:
    """The organisation's day number: days since 1970-01-01 in its zone, beginning at its own hour."""
    begins = timedelta(hours=settings.day_starts_at.hour, minutes=settings.day_starts_at.minute)
    here = datetime.fromtimestamp(at / 1_000_000, UTC).astimezone(settings.timezone) - begins
    return here.date().toordinal() - datetime(1970, 1, 1).toordinal()


def ready_members(state: State) -> dict[str, str]:
    """Seat -> extension of those who chose to be Ready: whom the fall-back may ring when we are gone."""
    members = {}
    for seat in state.seats.values():
        status = state.statuses.get(seat.voice.status)
        if seat.signed_in_at and seat.profile.extension and status is not None and status.auto_offer:
            members[seat.profile.id] = seat.profile.extension
    return members


def lines_in_use(state: State) -> dict[str, dict[str, int]]:
    """Line -> its calls of this moment, in and out together, and how many it may have at once (0 = no limit)."""
    return {trunk.id: {"calls": state.lines.get(trunk.id, 0), "cap": trunk.cap} for trunk in state.trunks.values()}


class EngineProcess:
    """Everything of the engine, put together. `run` returns when told to stop; raises Fenced when it steps down."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secrets: Secrets = load_secrets(settings)
        self._log = open_log(settings)
        self._database: Database = open_database(settings)
        self._hub = UnixHub(settings.socket_path)
        self._seq = 0
        self._book = SeatBook()
        self._stepping_down = asyncio.Event()
        self.runtime = Runtime(
            self._log,
            leadership=leadership_of(settings),
            inbox=SqlInbox(self._database),
            configuration=DirectoryConfiguration(self._database),
            day_of=lambda at: day_of(settings, at),
        )
        self._part = read_part(self._database, settings, self._secrets)
        self._taken_up: DirectoryPart | None = None
        self._asterisk: AsteriskSettings = asterisk_settings(settings, self._secrets, self._part)
        plans = DirectoryPlans(self._database, region=settings.default_region)
        dial_plans = DirectoryDialPlans(
            self._database, region=settings.default_region, emergency=settings.emergency_numbers
        )
        self._agi = AgiServer(self._asterisk, self.runtime, plans, trunks=lambda: self._part.trunks)
        self._telephony = AsteriskTelephony(
            self._asterisk,
            self.runtime,
            plans,
            self._book,
            dial_plans,
            on_replaced=self._stepping_down.set,
            room=lambda: enough(settings.raw_dir, settings),
        )
        self._hours = HoursKeeper(self._database, self.runtime)
        self._provisioned: dict[str, Extension] = {}
        self._asterisk_started = ""
        self._stand_ins = StandIns()

    async def run(self) -> None:
        """Lead, come into line with Asterisk, then serve."""
        self.runtime.on_commit(self._committed)
        self.runtime.on_commit(self._book.take)
        await self.runtime.start()
        await self.runtime.query(self._book.load)
        self.runtime.attach(self._telephony)
        try:
            await self._agi.start()  # what may fail comes before we say that we live and take callers
            await self._hub.serve(self._handle)  # the leader alone has the socket
            await self._telephony.start(since=self.runtime.took_over_from)  # callers first, then the rest
            await self._make_as_the_directory()
            say_ready()
            await self._serve()
        finally:
            await self._agi.stop()
            await self._telephony.stop()
            await self._hub.close()
            await self.runtime.stop()
            self._database.close()
            self._log.close()

    async def _serve(self) -> None:
        work = {
            asyncio.create_task(self.runtime.run(), name="runtime"),
            asyncio.create_task(self._keep_provisioned(), name="provision"),
            asyncio.create_task(self._keep_members(), name="members"),
            asyncio.create_task(self._hours.run(), name="hours"),
            asyncio.create_task(self._stepping_down.wait(), name="stand down"),
            asyncio.create_task(until_told_to_stop(), name="stop"),
        }
        try:
            done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            if self._stepping_down.is_set():
                raise Fenced("another engine has our Asterisk")
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    # --- the hub -----------------------------------------------------------------------------------------------------

    async def _committed(self, facts: Sequence[Recorded]) -> None:
        self._seq = facts[-1].seq
        await self._hub.publish(COMMITTED, str(self._seq).encode())

    async def _handle(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "ping":
                return {"pid": os.getpid(), "seq": self._seq}
            case "submit":
                given, by, via = gateway.input_from(body)
                reply = await self.runtime.submit(given, by=by, via=via)
                return gateway.reply_to(reply, self._seq)
            case "keys":
                pressed = await gateway.pressed(body, self.runtime.query, self._telephony.send_keys)
                told = {name: str(body.get(name, ""))[:100] for name in ("seat", "item", "by", "via")}
                log.info("keys_pressed", sent=isinstance(pressed, Done), **told)
                return gateway.reply_to(pressed, self._seq)
            case "stats":
                return self._stats()
            case "phones":
                return {"phones": await self._phones()}
            case "lines":
                return {"lines": await self._lines()}
        raise CallFailed(
            "unknown_method", f"the engine knows ping, submit, keys, stats, phones and lines, not {method[:40]}"
        )

    async def _phones(self) -> dict[str, dict[str, Any]]:
        try:
            async with Ami(self._asterisk) as ami:
                found = await registered_phones(ami)
        except (AmiGone, AmiError, OSError) as error:
            raise CallFailed("asterisk_away", "Asterisk does not answer; the phones' state is not known") from error
        return {number: plain(state) for number, state in found.items()}

    async def _lines(self) -> dict[str, dict[str, Any]]:
        try:
            async with Ami(self._asterisk) as ami:
                found = await line_states(ami, self._part.trunks)
        except (AmiGone, AmiError, OSError) as error:
            raise CallFailed("asterisk_away", "Asterisk does not answer; the lines' state is not known") from error
        use = await self.runtime.query(lines_in_use)
        return {name: plain(state) | {"usable": state.usable} | use.get(name, {}) for name, state in found.items()}

    def _stats(self) -> dict[str, Any]:
        counters = self.runtime.counters
        return {
            "pid": os.getpid(),
            "seq": self._seq,
            "inputs": counters.inputs,
            "commits": counters.commits,
            "rejected": counters.rejected,
            "timer_lag_us": counters.timer_lag,
            "asterisk": self._telephony.ready,
            "agi_served": self._agi.served,
            "agi_failed": self._agi.failed,
        }

    # --- Asterisk's own data -----------------------------------------------------------------------------------------

    async def _keep_provisioned(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._book.moved.wait(), PROVISION_EVERY_S)
            await self._make_as_the_directory()

    async def _make_as_the_directory(self) -> None:
        await self._move()
        try:
            await asyncio.to_thread(self._take_up_part)
        except (OSError, SQLAlchemyError, ValueError) as error:
            log.warning("lines_not_taken_up", error=str(error))

    async def _move(self) -> None:
        """First the registrations of who had an extension end, then it is seen whose phones are there."""
        moved, moves = self._book.moved.is_set(), dict(self._book.unsettled)
        self._book.moved.clear()
        self._book.settle(moves, await self._provision())
        if moved or moves:
            await self._telephony.look_at_phones()

    async def _provision(self) -> frozenset[str]:
        """Make Asterisk's extensions those of the directory; what cannot be done now is done at the next look. Gives
        those that are as they should be."""
        try:
            wanted = await asyncio.to_thread(self._wanted_extensions)
            asterisk = self._asterisk
            provisioning = Provisioning(
                http_call(asterisk), qualify_s=asterisk.qualify_s, contacts=contacts_of(asterisk)
            )
            await self._put_extensions(provisioning, wanted)
        except (OSError, ProvisioningFailed, SQLAlchemyError, ValueError) as error:
            log.warning("extensions_not_provisioned", error=str(error))
            return frozenset()
        return frozenset(number for number, given in wanted.items() if self._provisioned.get(number) == given)

    async def _put_extensions(self, provisioning: Provisioning, wanted: Mapping[str, Extension]) -> None:
        started = await provisioning.started()
        if started != self._asterisk_started:
            # It may have died before its own store, written once a second, held what we had put.
            self._provisioned.clear()
            self._asterisk_started = started
        listed = set(await provisioning.listed())
        for number, extension in wanted.items():
            if self._provisioned.get(number) == extension and number in listed:
                continue
            self._provisioned.pop(number, None)
            try:
                await provisioning.put(extension)
            except ProvisioningFailed as error:  # one that is refused keeps no other from its phone
                log.warning("extension_not_provisioned", extension=number, error=str(error))
            else:
                self._provisioned[number] = extension
        try:
            for gone in await provisioning.remove_leftovers(wanted):
                self._provisioned.pop(gone, None)
        except ProvisioningFailed as error:
            log.warning("leftovers_not_removed", error=str(error))

    def _take_up_part(self) -> None:
        """Lines, entry numbers, short codes and music that changed, while calls go on. Blocking."""
        place_prompts(self._database, self._settings, self._stand_ins)
        try:
            part = read_part(self._database, self._settings, self._secrets)
            if part == self._taken_up:
                return
            settings = asterisk_settings(self._settings, self._secrets, part)
            AsteriskProcess(settings).refresh()
        except (BadSettings, AsteriskStale, AsteriskFailed) as error:
            log.warning("lines_not_taken_up", error=str(error))
            return
        self._part = self._taken_up = part
        self._asterisk = settings
        self._telephony.take_up(settings)

    def _wanted_extensions(self) -> dict[str, Extension]:
        with self._database.read() as session:
            pool, people = list_extensions(session), seat_names(session)
        names = {one.extension: people.get(one.id, "") for one in self._book.profiles.values()}
        known = {DOCTOR: (1, PhoneKind.SOFTPHONE)} | {one.number: (one.generation, PhoneKind(one.kind)) for one in pool}
        return {
            number: Extension(number, names.get(number, ""), self._secrets.phone_password(number, generation), kind)
            for number, (generation, kind) in known.items()
        }

    async def _keep_members(self) -> None:
        """Asterisk's plain queue has the seats that chose Ready, for the time when no engine is there."""
        known: tuple[str, dict[str, str]] | None = None
        while True:
            wanted = (self._asterisk_started, await self.runtime.query(ready_members))
            if wanted != known:
                known = wanted if await self._set_members(wanted[1]) else None
            await asyncio.sleep(MEMBERS_EVERY_S)

    async def _set_members(self, wanted: Mapping[str, str]) -> bool:
        with contextlib.suppress(AmiGone, AmiError, OSError):
            async with Ami(self._asterisk) as ami:
                await FallbackMembers(ami).set(wanted)
                return True
        return False


async def main(settings: Settings) -> None:
    """The process."""
    await EngineProcess(settings).run()
