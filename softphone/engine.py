"""The phone thread: the one thread that owns the library and every object of it.

pjsua2 aborts the whole process when it is misused, so:

* one endpoint a process; one thread creates, uses and frees every pjsua2 object; ``threadCnt=0`` and
  ``mainThreadOnly`` make its callbacks run there too;
* a leg is held from its first sign until DISCONNECTED and freed on the loop's next turn, never in its callback;
* no reference cycle survives a call, so the cyclic collector of another thread never frees a leg;
* the end is in order: hang up, wait, unregister, free, destroy the library.

One limit cannot be lifted from here: the library's 64 sockets are freed 0.5 s late, so about 60 incoming calls a
second abort it (40 a second are fine). Put a server before a phone that strangers can reach.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TypeVar

from softphone import binding as pj
from softphone import tones
from softphone.addresses import address_of, server_uri
from softphone.devices import NO_DEVICE, NO_SOUND_BUILD, Device, NoSound, usable
from softphone.errors import PhoneBusy, PhoneError
from softphone.events import (
    Answered,
    Ended,
    Event,
    Media,
    MediaStatus,
    Recorded,
    Registered,
    RegisterFailed,
    Ringing,
    SoundBack,
    SoundFailed,
    Unregistered,
    Who,
)
from softphone.legs import Account, Ear, Endpoint, Leg, guarded, parameters
from softphone.library import own_build_loaded
from softphone.settings import RegisterResult, Settings, SoundSettings, Transport
from softphone.sound import Sound, listed, quiet

T = TypeVar("T")

MAX_CALLS = 4
"""Calls at once in a process: the limit compiled into pjsua2-python 2.15.1."""
SOUND_RATE = 16_000
"""Of the bridge and the devices of a phone with sound, in Hz: what G.722 and a headset's microphone carry."""
ECHO_TAIL_MS = 200
LOST = "the headset is gone: plug it in again, or choose another device; the call is still up"
MACHINE_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
FINISH_S = 1.0
"""How long a recording may take to be complete after its call; seen: 20 to 40 ms."""
PJ_EINVALIDOP = 70013
PJSIP_EFAILEDCREDENTIAL = 171100

_TRANSPORTS: dict[Transport, int] = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


class Engine:
    """The library and the thread that owns it. Other threads may call ``do`` alone, with work for this one."""

    def __init__(
        self, settings: Settings, on_event: Callable[[Event], None], play: Path | None, record: Path | None
    ) -> None:
        self.settings, self._on_event = settings, on_event
        self._play, self._record = play, record
        self.legs: dict[int, Leg] = {}
        self.last_call = 0.0
        self.wants_registration = False
        self.registration: Future[RegisterResult] | None = None
        self.gone: threading.Event | None = None
        self.sound: Sound | None = None
        self._ears: list[Ear] = []
        self._unfinished: dict[int, tuple[str, float]] = {}
        self._numbers = itertools.count(1)
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._running = True
        started: Future[int] = Future()
        self.thread = threading.Thread(target=self._main, args=(started,), name="phone", daemon=True)
        self.thread.start()
        try:
            self.port = started.result(15)
        except PhoneError:
            self.thread.join(5)  # an interpreter that ends while it frees the library's objects is aborted
            raise

    def _main(self, started: Future[int]) -> None:
        # its callback only queues the work: it comes in a thread of the sound driver's
        with_sound = self.settings.sound is not None
        self._endpoint = Endpoint(lambda: self._later(self._lose_sound)) if with_sound else pj.Endpoint()
        self.account = Account(self)
        failed: PhoneError | None = None
        port = 0
        try:
            port = self._start()
        except Exception as error:
            failed = _plain(error)
        if failed is not None:  # here the error and the objects its traceback held are gone
            self._destroy()
            started.set_exception(failed)
            return
        started.set_result(port)
        while self._running:
            self._turn(self.settings.poll_ms)

    def _turn(self, milliseconds: int) -> None:
        self._endpoint.libHandleEvents(milliseconds)
        if self._unfinished:
            self._finish_recordings()
        if self.sound is not None and self.sound.heal():
            self.tell(SoundBack(time.monotonic()))
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            job()

    def _start(self) -> int:
        s = self.settings
        self._endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MAX_CALLS
        config.uaConfig.userAgent = "ringside-phone"
        rate = tones.RATE if s.sound is None else SOUND_RATE
        config.medConfig.clockRate = config.medConfig.sndClockRate = rate
        config.medConfig.ecTailLen = ECHO_TAIL_MS if s.sound is not None and s.sound.echo_cancel else 0
        config.medConfig.noVad = True
        config.medConfig.quality = 2 if s.sound is None else 4
        config.medConfig.sndAutoCloseTime = -1  # softphone.sound opens and closes
        with quiet() if s.sound is not None else contextlib.nullcontext():
            self._endpoint.libInit(config)
        self._endpoint.audDevManager().setNullDev()
        number = self._endpoint.transportCreate(_TRANSPORTS[s.secrecy.transport], self._transport())
        port = int(self._endpoint.transportGetInfo(number).localName.rsplit(":", 1)[1])
        self._endpoint.libStart()
        if s.sound is not None:
            self._open_sound(s.sound)
        known = {codec.codecId for codec in self._endpoint.codecEnum2()}
        for codec in sorted(known):
            self._endpoint.codecSetPriority(codec, 0)
        for rank, name in enumerate(s.codecs):
            for codec in (c for c in known if c.startswith(name)):
                self._endpoint.codecSetPriority(codec, 255 - rank)
        self._format = pj.MediaFormatAudio()
        self._format.init(pj.PJMEDIA_FORMAT_PCM, tones.RATE, 1, 20_000, 16)
        self.account.create(self._identity(port))
        return port

    def _transport(self) -> pj.TransportConfig:
        s = self.settings
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = s.local_port, s.address
        if s.secrecy.transport == "tls":
            transport.tlsConfig.verifyServer = not s.secrecy.any_server
            transport.tlsConfig.CaListFile = s.secrecy.authorities or MACHINE_AUTHORITIES
        return transport

    def _open_sound(self, settings: SoundSettings) -> None:
        manager = self._endpoint.audDevManager()
        if not own_build_loaded():
            raise NoSound(NO_SOUND_BUILD)
        self.sound = Sound(manager, settings)

    def _lose_sound(self) -> None:
        if self.sound is not None and not self.sound.lost():
            self.tell(SoundFailed(time.monotonic(), LOST))

    def _identity(self, port: int) -> pj.AccountConfig:
        s = self.settings
        config = pj.AccountConfig()
        own = f"{s.address or '127.0.0.1'}:{port}"
        config.idUri = address_of(s.user, s.server or own, s.display_name)
        if s.server:
            config.regConfig.registrarUri = server_uri(s.server, s.secrecy.transport)
            config.regConfig.registerOnAdd = False
            config.regConfig.timeoutSec = s.expires_s
            config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 5
        if s.password:
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", s.user, 0, s.password))
        transport = config.mediaConfig.transportConfig
        # 50 tries of two ports each: phones of one machine start 100 ports apart
        transport.port = s.rtp_port or 30_000 + 100 * (os.getpid() % 280)
        transport.boundAddress = s.address
        if s.secrecy.srtp:
            config.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            config.mediaConfig.srtpSecureSignaling = 1  # the keys are in SIP: TLS at least to the server
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        return config

    def shut(self, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        self._endpoint.hangupAllCalls()
        self._until(lambda: not self.legs, end)
        if self.wants_registration:
            self.gone = gone = threading.Event()
            self.wants_registration = False
            try:
                self.account.setRegistration(False)
                self._until(gone.is_set, min(end, time.monotonic() + 1.0))
            except pj.Error:
                pass  # the server is away: there is nothing to leave
        for number in list(self.legs):
            self.drop(number)
        self._until(lambda: not self._unfinished, time.monotonic() + FINISH_S)
        self.account.shutdown()
        if self.sound is not None:
            self.sound.close()
        self._running = False
        self._destroy()

    def _destroy(self) -> None:
        """Free every pjsua2 object that is left, then the library."""
        del self.account
        self.sound = None
        self._ears.clear()
        gc.collect()
        # the calls and the registration are gone already: without this flag it waits a second more for them
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        del self._endpoint
        gc.collect()

    def _until(self, done: Callable[[], bool], end: float) -> None:
        while not done() and time.monotonic() < end:
            self._turn(10)

    def new_leg(self, call_id: int = pj.PJSUA_INVALID_ID) -> Leg:
        number = next(self._numbers)
        self.last_call = time.monotonic()
        self.legs[number] = leg = Leg(self.account, self, number, call_id)
        return leg

    def leg(self, number: int) -> Leg:
        leg = self.legs.get(number)
        if leg is None:
            raise PhoneError(f"there is no call {number} (any more)")
        return leg

    def hang_up(self, number: int, code: int, must_exist: bool = False) -> None:
        leg = self.leg(number) if must_exist or code else self.legs.get(number)
        if leg is not None and leg.isActive():
            leg.let_go = True
            leg.hangup(parameters(code))

    def drop(self, number: int) -> None:
        leg = self.legs.pop(number, None)
        if leg is None:
            return
        self.last_call = time.monotonic()
        if self.sound is not None:
            self.sound.leave(number)
        if leg.ear is not None:
            leg.ear.forget()
            self._ears.append(leg.ear)
        file, leg.media = leg.record_to if leg.recorder else "", None
        leg.ear = leg.player = leg.recorder = None  # freeing the recorder ends its file
        if file:
            self._unfinished[number] = (file, time.monotonic() + FINISH_S)

    def _finish_recordings(self) -> None:
        """Tell of each recording once it is whole: the media clock's thread writes its end, some time later."""
        now = time.monotonic()
        for number, (file, limit) in list(self._unfinished.items()):
            if tones.is_whole_wav(file) or now > limit:
                del self._unfinished[number]
                self.tell(Recorded(now, number, file))

    def wire(self, leg: Leg) -> None:
        """Connect player, recorder and ear with the call's sound as it is now."""
        if leg.media is None:
            return
        if leg.player is not None:
            (leg.player.stopTransmit if leg.muted else leg.player.startTransmit)(leg.media)
        if leg.recorder is not None:
            leg.media.startTransmit(leg.recorder)
        if leg.ear is not None:
            leg.media.startTransmit(leg.ear)
        if self.sound is not None:
            try:
                self.sound.join(leg.number, leg.media, leg.muted)
            except PhoneError as error:
                self.tell(SoundFailed(time.monotonic(), str(error)))

    def _equip(self, leg: Leg) -> None:
        if leg.player is None and self._play is not None:
            leg.player = player_of(self._play)
        if leg.recorder is None and self._record is not None:
            leg.record_to = str(_numbered(self._record, leg.number))
            leg.recorder = pj.AudioMediaRecorder()
            leg.recorder.createRecorder(leg.record_to)
        if leg.ear is None and self.settings.listen:
            # ears are kept and used again: a port is never taken down while the clock thread may be in it
            leg.ear = self._ears.pop() if self._ears else self._new_ear()

    def _new_ear(self) -> Ear:
        ear = Ear()
        ear.createPort("ear", self._format)
        return ear

    def on_media(self, leg: Leg, status: MediaStatus) -> None:
        if status in ("active", "remote-hold"):
            leg.media = leg.getAudioMedia(-1)
            self._equip(leg)
            self.wire(leg)
        else:
            leg.media = None
            if self.sound is not None:
                self.sound.leave(leg.number)
        self.tell(Media(time.monotonic(), leg.number, status))

    def on_state(self, leg: Leg, state: int, code: int, reason: str) -> None:
        now = time.monotonic()
        if state == pj.PJSIP_INV_STATE_EARLY and leg.getInfo().role == 0:
            self.tell(Ringing(now, leg.number, code, reason))
        elif state == pj.PJSIP_INV_STATE_CONFIRMED and leg.answered_at is None:
            leg.answered_at = now
            self.tell(Answered(now, leg.number, round(now - leg.began, 3)))
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            up = leg.answered_at
            by: Who = "us" if leg.let_go else "them"
            talked = round(now - up, 3) if up is not None else 0.0
            self._later(partial(self.drop, leg.number))
            self.tell(Ended(now, leg.number, code, reason, talked, up is not None, by))

    def on_registration(self, code: int, reason: str, expires: int, status: int) -> None:
        now, user = time.monotonic(), self.settings.user
        if not self.wants_registration:
            if self.gone is not None:
                self.gone.set()
            self.tell(Unregistered(now, user))
            return
        if status == PJSIP_EFAILEDCREDENTIAL:
            code, reason = 401, "the server refuses the password"
        result = RegisterResult(code, reason)
        self.tell(Registered(now, user, expires) if result.ok else RegisterFailed(now, user, code, reason))
        waiting, self.registration = self.registration, None
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def let_go_later(self, number: int) -> None:
        """Hang up on the loop's next turn, outside the callback that wants it."""
        self._later(partial(self.hang_up, number, 0))

    def tell(self, event: Event) -> None:
        self._on_event(event)

    def _later(self, job: Callable[[], None]) -> None:
        self._jobs.put(guarded(job))

    def do(self, job: Callable[[], T], limit_s: float = 10.0) -> T:
        """Run ``job`` in the phone thread and give its result."""
        if not self.thread.is_alive():
            raise PhoneError("the phone is closed")
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(job())
            except Exception as error:
                done.set_exception(_plain(error))

        self._jobs.put(run)
        try:
            return done.result(limit_s)
        except TimeoutError:
            raise PhoneError(f"the phone did not answer within {limit_s:g} s") from None


def _plain(error: Exception) -> PhoneError:
    """The error made anew, as one of ours: the old one's traceback holds pjsua2 objects, which must not be
    freed outside the phone thread."""
    if isinstance(error, PhoneError):
        return type(error)(*error.args)
    if not isinstance(error, pj.Error):
        return PhoneError(f"{type(error).__name__}: {error}")
    text = f"{error.reason or 'refused by pjsua2'} (status {error.status})"
    return PhoneBusy(text) if error.status == PJ_EINVALIDOP else PhoneError(text)


def sound_devices() -> list[Device]:
    """The sound devices, asked of a library of its own: no phone may run in this process. Raises PhoneError."""
    if not own_build_loaded():
        raise NoSound(NO_SOUND_BUILD)
    endpoint = pj.Endpoint()
    try:
        endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.uaConfig.threadCnt = 0
        with quiet():
            endpoint.libInit(config)
        found = listed(endpoint.audDevManager())
    except pj.Error as error:
        raise _plain(error) from None
    finally:
        endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
    if not usable(found):
        raise NoSound(NO_DEVICE)
    return found


def player_of(path: Path) -> pj.AudioMediaPlayer:
    player = pj.AudioMediaPlayer()
    player.createPlayer(str(path))
    return player


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
