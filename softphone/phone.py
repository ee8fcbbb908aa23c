"""A SIP phone on pjsua2, made safe.

pjsua2 aborts the whole process when it is misused, so this shell keeps to these rules:

* one phone a process (one Endpoint), and one thread, the *phone thread*, creates, uses and frees every
  pjsua2 object; ``threadCnt=0`` and ``mainThreadOnly`` make its callbacks run there too;
* callbacks copy plain data into an event and hand it on; they never block, raise or free;
* a call object is held from its first sign until DISCONNECTED and freed on the loop's next turn;
* no reference cycle survives a call, so the cyclic collector of another thread never frees one;
* ``close()`` hangs up, waits, frees, and destroys the library, in that order.

One limit cannot be lifted from here: the library's 64 sockets are freed 0.5 s late, so about 60 incoming calls a
second abort it (40 a second are fine). Put a server before a phone that strangers can reach.

The public methods may be used from any thread and block until the phone thread has done the work; they
raise ``PhoneError`` with a sentence for a person.
"""

from __future__ import annotations

import gc
import itertools
import os
import queue
import re
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from softphone import binding as pj
from softphone import tones
from softphone.addresses import address_of, header_of, target_of, uri_of
from softphone.errors import PhoneBusy, PhoneError
from softphone.events import (
    Answered,
    Calling,
    Dtmf,
    Ended,
    Event,
    Incoming,
    Media,
    MediaStatus,
    Recorded,
    Registered,
    RegisterFailed,
    Replaced,
    Ringing,
    TransferProgress,
    TransferRequested,
    Unregistered,
    Who,
)

T = TypeVar("T")

MAX_CALLS = 4
"""Calls at once in a process: the limit compiled into pjsua2-python 2.15.1."""
CALL_GAP_S = 0.05
"""Between two calls: the library frees a call's two sockets late, and 20 calls on end abort it."""
RETRY_S = 2.0
"""How long hold and unhold try again while another re-INVITE is under way (PJ_EINVALIDOP)."""
KEY_S = 0.26
"""One pressed key takes 0.24 s on the wire (160 ms tone, pause), and a little for the last packets."""
HEAR_S = 0.3
"""How far back ``hears`` listens."""
FINISH_S = 1.0
"""How long a recording may take to be complete after its call; seen: 20 to 40 ms."""
PJ_EINVALIDOP = 70013
PJSIP_EFAILEDCREDENTIAL = 171100
DTMF = re.compile(r"[0-9A-Da-d*#]{1,32}")
X_HEADER = re.compile(r"^(X-[!-9;-~]{1,60}):[ \t]*(.{0,512})", re.MULTILINE | re.IGNORECASE)
MAX_X_HEADERS = 32

_MEDIA: dict[int, MediaStatus] = {
    pj.PJSUA_CALL_MEDIA_NONE: "none",
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "local-hold",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "remote-hold",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a phone is set up.

    ``server`` is ``host[:port]`` of the registrar and of bare numbers that are called; empty for a phone that
    only talks to full ``sip:`` addresses. ``password`` is needed for ``register`` alone. ``local_port`` 0
    takes a free one; ``rtp_port`` 0 spreads the phones of a machine by process id.
    """

    user: str
    display_name: str = ""
    server: str = ""
    password: str = ""
    address: str = "127.0.0.1"
    local_port: int = 0
    rtp_port: int = 0
    expires_s: int = 300
    poll_ms: int = 20
    codecs: tuple[str, ...] = ("PCMU/8000", "PCMA/8000")
    listen: bool = True


@dataclass(frozen=True, slots=True)
class RegisterResult:
    """``code`` is the SIP status of the REGISTER, 0 when nobody answered in time."""

    code: int
    reason: str

    @property
    def ok(self) -> bool:
        return 200 <= self.code < 300


@dataclass(frozen=True, slots=True)
class Stats:
    """RTP of one call: packets received, lost, sent; mean jitter in microseconds."""

    received: int
    lost: int
    sent: int
    jitter_us: int


def _parameters(code: int = 0) -> pj.CallOpParam:
    """Audio only: pjproject 2.17 would add a text stream (a thread and two sockets more a call)."""
    prm = pj.CallOpParam(True)
    prm.statusCode = code
    prm.opt.audioCount, prm.opt.videoCount = 1, 0
    if hasattr(prm.opt, "textCount"):
        prm.opt.textCount = 0
    return prm


def _guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """An exception must not run into the C++ code that called us."""

    def inner(*args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            traceback.print_exc(file=sys.stderr)

    return inner


class _Ear(pj.AudioMediaPort):
    """Keeps the last second of what flows into it. Frames come in the media clock's thread, 50 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._raw: deque[tuple[float, pj.ByteVector]] = deque(maxlen=50)
        self._read: deque[tuple[float, bytes]] = deque(maxlen=50)

    @_guarded
    def onFrameReceived(self, frame: pj.MediaFrame) -> None:
        if frame.size:
            # a slice is a copy made in C++ (2 us); bytes() costs 120 us, so it waits until somebody asks
            self._raw.append((time.monotonic(), frame.buf[:]))

    def sound(self, seconds: float) -> bytes:
        """The last ``seconds`` of 16 bit samples. Phone thread only."""
        while self._raw:
            at, data = self._raw.popleft()
            self._read.append((at, bytes(data)))
        since = time.monotonic() - seconds
        return b"".join(data for at, data in self._read if at >= since)

    def forget(self) -> None:
        self._raw.clear()
        self._read.clear()


class _Call(pj.Call):
    def __init__(self, account: _Account, phone: Phone, number: int, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.phone, self.number = phone, number
        self.began = time.monotonic()
        self.answered_at: float | None = None
        self.keys_until = 0.0
        self.muted = self.let_go = False
        self.media: pj.AudioMedia | None = None
        self.player: pj.AudioMediaPlayer | None = None
        self.recorder: pj.AudioMediaRecorder | None = None
        self.ear: _Ear | None = None
        self.record_to = ""

    @_guarded
    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        self.phone._on_state(self, info.state, int(info.lastStatusCode), info.lastReason)

    @_guarded
    def onCallMediaState(self, _: Any) -> None:
        info = self.getInfo()  # held while read: SWIG gives out pointers into it and does not keep it alive
        audio = [m.status for m in info.media if m.type == pj.PJMEDIA_TYPE_AUDIO]
        status = _MEDIA.get(audio[0], "error") if audio else "none"
        self.phone._on_media(self, status)

    @_guarded
    def onDtmfDigit(self, prm: Any) -> None:
        self.phone._tell(Dtmf(time.monotonic(), self.number, prm.digit))

    @_guarded
    def onCallTransferRequest(self, prm: Any) -> None:
        new = self.phone._new_call()
        prm.newCall = new
        self.phone._tell(TransferRequested(time.monotonic(), self.number, prm.dstUri, new.number))

    @_guarded
    def onCallTransferStatus(self, prm: Any) -> None:
        code, final = int(prm.statusCode), bool(prm.finalNotify)
        self.phone._tell(TransferProgress(time.monotonic(), self.number, code, prm.reason, final))
        if final:
            prm.cont = False
            if 200 <= code < 300:
                self.phone._later(partial(self.phone._hang_up, self.number, 0))

    @_guarded
    def onCallReplaceRequest(self, prm: Any) -> None:
        new = self.phone._new_call()
        prm.newCall = new
        prm.statusCode = 200
        self.phone._tell(Replaced(time.monotonic(), self.number, new.number))


class _Account(pj.Account):
    def __init__(self, phone: Phone) -> None:
        super().__init__()
        self.phone = phone

    @_guarded
    def onRegState(self, prm: Any) -> None:
        self.phone._on_registration(int(prm.code), prm.reason, int(prm.expiration), int(prm.status))

    @_guarded
    def onIncomingCall(self, prm: Any) -> None:
        call = self.phone._new_call(prm.callId)
        info = call.getInfo()
        found = X_HEADER.findall(prm.rdata.wholeMsg)[:MAX_X_HEADERS]
        headers = {name: value.strip() for name, value in found}
        self.phone._tell(Incoming(call.began, call.number, info.remoteUri, info.localUri, headers))
        call.answer(_parameters(180))


class Phone:
    """One phone. ``on_event`` is called in the phone thread with each event and must return at once.

    ``play`` is a WAV file (8 kHz mono 16 bit) looped into every call, ``record`` the WAV that the sound of
    the far end goes to: call 1 to that very file, call N to ``name-N.wav``.
    """

    def __init__(
        self,
        settings: Settings,
        on_event: Callable[[Event], None],
        play: Path | None = None,
        record: Path | None = None,
    ) -> None:
        self.settings, self._on_event = settings, on_event
        self.play, self.record = play, record
        self._calls: dict[int, _Call] = {}
        self._ears: list[_Ear] = []
        self._unfinished: dict[int, tuple[str, float]] = {}
        self._numbers = itertools.count(1)
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._running = True
        self._closed = False
        self._last_call = 0.0
        self._wants_registration = False
        self._registration: Future[RegisterResult] | None = None
        self._gone: threading.Event | None = None
        started: Future[int] = Future()
        self._thread = threading.Thread(target=self._main, args=(started,), name="phone", daemon=True)
        self._thread.start()
        self.port = started.result(15)
        """The UDP port that SIP is spoken on."""

    # -- from any thread ------------------------------------------------------------------------------

    @property
    def uri(self) -> str:
        """Where this phone can be called directly."""
        return uri_of(self.settings.user, f"{self.settings.address or '127.0.0.1'}:{self.port}")

    def register(self, limit_s: float = 5.0) -> RegisterResult:
        """Register at the server; the answer, or code 0 after ``limit_s`` seconds without one."""
        self._need_server()
        answer: Future[RegisterResult] = Future()

        def go() -> None:
            self._registration, self._wants_registration = answer, True
            self._account.setRegistration(True)

        try:
            self._do(go)
            return answer.result(limit_s)
        except TimeoutError:
            reason = f"no answer in {limit_s:g} s"
        except PhoneError as error:
            reason = str(error)
        self._registration = None
        self._tell(RegisterFailed(time.monotonic(), self.settings.user, 0, reason))
        return RegisterResult(0, reason)

    def unregister(self, limit_s: float = 2.0) -> bool:
        """Leave the server; whether it said so within ``limit_s``."""
        self._need_server()
        gone = threading.Event()

        def go() -> None:
            self._gone, self._wants_registration = gone, False
            self._account.setRegistration(False)

        self._do(go)
        return gone.wait(limit_s)

    def _need_server(self) -> None:
        if not self.settings.server:
            raise PhoneError("this phone has no server to register at")

    def call(self, to: str, headers: Mapping[str, str] | None = None) -> int:
        """Call a number at the server or a full address; the number of the new call."""
        target = target_of(to, self.settings.server)
        extra = [header_of(name, value) for name, value in (headers or {}).items()]
        time.sleep(max(0.0, self._last_call + CALL_GAP_S - time.monotonic()))

        def go() -> int:
            if len(self._calls) >= MAX_CALLS:
                raise PhoneError(f"{MAX_CALLS} calls are up already, this phone takes no more")
            prm = _parameters()
            for name, value in extra:
                prm.txOption.headers.append(_header(name, value))
            call = self._new_call()
            try:
                call.makeCall(target, prm)
            except pj.Error:
                self._drop(call.number)
                raise
            self._tell(Calling(call.began, call.number, target))
            return call.number

        return self._do(go)

    def answer(self, number: int, code: int = 200) -> None:
        """Answer an incoming call; a code under 200 lets it ring on."""
        self._do(lambda: self._call(number).answer(_parameters(code)))

    def decline(self, number: int, code: int = 486) -> None:
        """Refuse an incoming call with a SIP status from 300 to 699."""
        if not 300 <= code <= 699:
            raise PhoneError(f"a refusal is a SIP status from 300 to 699, not {code}")
        self._do(lambda: self._hang_up(number, code))

    def hang_up(self, number: int) -> None:
        self._do(lambda: self._hang_up(number, 0, must_exist=True))

    def hold(self, number: int) -> None:
        self._renegotiate(number, lambda call: call.setHold(_parameters()))

    def resume(self, number: int) -> None:
        def go(call: _Call) -> None:
            prm = _parameters()
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(prm)

        self._renegotiate(number, go)

    def mute(self, number: int, on: bool = True) -> None:
        """Stop (or start again) sending our sound into the call; the RTP stream goes on, silent."""

        def go() -> None:
            call = self._call(number)
            call.muted = on
            self._wire(call)

        self._do(go)

    def dtmf(self, number: int, digits: str) -> None:
        """Press keys, sent as RFC 4733 events."""
        if not DTMF.fullmatch(digits):
            raise PhoneError("digits are 1 to 32 of 0-9 A-D * #")

        def go() -> None:
            call = self._call(number)
            call.dialDtmf(digits)
            call.keys_until = max(call.keys_until, time.monotonic()) + KEY_S * len(digits)

        self._do(go)

    def play_file(self, number: int, path: Path) -> None:
        """From now on this WAV file goes into the call, over and over."""

        def go() -> None:
            call = self._call(number)
            call.player = _player(path)
            self._wire(call)

        self._do(go)

    def transfer(self, number: int, to: str) -> None:
        """Blind transfer (REFER). Events follow; on success our own leg is hung up."""
        target = target_of(to, self.settings.server)
        self._do(lambda: self._call(number).xfer(target, _parameters()))

    def transfer_attended(self, number: int, other: int) -> None:
        """Join the far ends of two of our calls (REFER with Replaces)."""
        self._do(lambda: self._call(number).xferReplaces(self._call(other), _parameters()))

    def hears(self, number: int, frequencies: Iterable[int] = tones.KNOWN) -> dict[int, float]:
        """Which of the tones came in during the last 0.3 s, with amplitude. Empty for a call that ended."""

        def go() -> bytes:
            call = self._calls.get(number)
            return call.ear.sound(HEAR_S) if call and call.ear else b""

        return tones.pcm_amplitudes(self._do(go), frequencies)

    def stats(self, number: int) -> Stats:
        def go() -> Stats:
            stat = self._call(number).getStreamStat(0)
            rx, tx = stat.rtcp.rxStat, stat.rtcp.txStat
            return Stats(int(rx.pkt), int(rx.loss), int(tx.pkt), int(rx.jitterUsec.mean))

        return self._do(go)

    def active(self) -> tuple[int, ...]:
        """The numbers of the calls now up or ringing, oldest first."""
        return tuple(self._calls)

    def close(self, limit_s: float = 3.0) -> None:
        """Hang up, unregister, free everything. Afterwards the phone is of no use. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._thread.is_alive():
            self._do(lambda: self._shut(limit_s), limit_s=limit_s + 10)
            self._thread.join(5)

    # -- the phone thread -----------------------------------------------------------------------------

    def _main(self, started: Future[int]) -> None:
        self._endpoint = pj.Endpoint()
        self._account = _Account(self)
        try:
            port = self._start()
        except Exception as error:
            plain = _plain(error)
            self._destroy()
            started.set_exception(plain)
            return
        started.set_result(port)
        while self._running:
            self._turn(self.settings.poll_ms)

    def _turn(self, milliseconds: int) -> None:
        self._endpoint.libHandleEvents(milliseconds)
        if self._unfinished:
            self._finish_recordings()
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
        config.medConfig.clockRate = config.medConfig.sndClockRate = tones.RATE
        config.medConfig.ecTailLen = 0
        config.medConfig.noVad = True
        config.medConfig.quality = 2
        self._endpoint.libInit(config)
        self._endpoint.audDevManager().setNullDev()
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = s.local_port, s.address
        number = self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        port = int(self._endpoint.transportGetInfo(number).localName.rsplit(":", 1)[1])
        self._endpoint.libStart()
        known = {codec.codecId for codec in self._endpoint.codecEnum2()}
        for codec in sorted(known):
            self._endpoint.codecSetPriority(codec, 0)
        for rank, name in enumerate(s.codecs):
            for codec in (c for c in known if c.startswith(name)):
                self._endpoint.codecSetPriority(codec, 255 - rank)
        self._format = pj.MediaFormatAudio()
        self._format.init(pj.PJMEDIA_FORMAT_PCM, tones.RATE, 1, 20_000, 16)
        self._account.create(self._account_config(port))
        return port

    def _account_config(self, port: int) -> pj.AccountConfig:
        s = self.settings
        config = pj.AccountConfig()
        own = f"{s.address or '127.0.0.1'}:{port}"
        config.idUri = address_of(s.user, s.server or own, s.display_name)
        if s.server:
            config.regConfig.registrarUri = f"sip:{s.server}"
            config.regConfig.registerOnAdd = False
            config.regConfig.timeoutSec = s.expires_s
            config.regConfig.retryIntervalSec = config.regConfig.firstRetryIntervalSec = 5
        if s.password:
            config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", s.user, 0, s.password))
        transport = config.mediaConfig.transportConfig
        # 50 tries of two ports each: phones of one machine start 100 ports apart
        transport.port = s.rtp_port or 30_000 + 100 * (os.getpid() % 280)
        transport.boundAddress = s.address
        config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_INACTIVE
        return config

    def _shut(self, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        self._endpoint.hangupAllCalls()
        self._until(lambda: not self._calls, end)
        if self._wants_registration:
            self._gone = gone = threading.Event()
            self._wants_registration = False
            try:
                self._account.setRegistration(False)
                self._until(gone.is_set, min(end, time.monotonic() + 1.0))
            except pj.Error:
                pass  # the server is away: there is nothing to leave
        for number in list(self._calls):
            self._drop(number)
        self._until(lambda: not self._unfinished, time.monotonic() + FINISH_S)
        self._account.shutdown()
        self._running = False
        self._destroy()

    def _destroy(self) -> None:
        """Free every pjsua2 object that is left, then the library."""
        del self._account
        self._ears.clear()
        gc.collect()
        # the calls and the registration are gone already: without this flag it waits a second more for them
        self._endpoint.libDestroy(pj.PJSUA_DESTROY_NO_NETWORK)
        del self._endpoint
        gc.collect()

    def _until(self, done: Callable[[], bool], end: float) -> None:
        while not done() and time.monotonic() < end:
            self._turn(10)

    def _new_call(self, call_id: int = pj.PJSUA_INVALID_ID) -> _Call:
        number = next(self._numbers)
        self._last_call = time.monotonic()
        self._calls[number] = call = _Call(self._account, self, number, call_id)
        return call

    def _call(self, number: int) -> _Call:
        call = self._calls.get(number)
        if call is None:
            raise PhoneError(f"there is no call {number} (any more)")
        return call

    def _hang_up(self, number: int, code: int, must_exist: bool = False) -> None:
        call = self._call(number) if must_exist or code else self._calls.get(number)
        if call is not None and call.isActive():
            call.let_go = True
            call.hangup(_parameters(code))

    def _drop(self, number: int) -> None:
        call = self._calls.pop(number, None)
        if call is None:
            return
        self._last_call = time.monotonic()
        if call.ear is not None:
            call.ear.forget()
            self._ears.append(call.ear)
        file, call.media = call.record_to if call.recorder else "", None
        call.ear = call.player = call.recorder = None  # freeing the recorder ends its file
        if file:
            self._unfinished[number] = (file, time.monotonic() + FINISH_S)

    def _finish_recordings(self) -> None:
        """Tell of each recording once it is whole: the media clock's thread writes its end, some time later."""
        now = time.monotonic()
        for number, (file, limit) in list(self._unfinished.items()):
            if tones.is_whole_wav(file) or now > limit:
                del self._unfinished[number]
                self._tell(Recorded(now, number, file))

    def _wire(self, call: _Call) -> None:
        """Connect player, recorder and ear with the call's sound as it is now."""
        if call.media is None:
            return
        if call.player is not None:
            (call.player.stopTransmit if call.muted else call.player.startTransmit)(call.media)
        if call.recorder is not None:
            call.media.startTransmit(call.recorder)
        if call.ear is not None:
            call.media.startTransmit(call.ear)

    def _equip(self, call: _Call) -> None:
        if call.player is None and self.play is not None:
            call.player = _player(self.play)
        if call.recorder is None and self.record is not None:
            call.record_to = str(_numbered(self.record, call.number))
            call.recorder = pj.AudioMediaRecorder()
            call.recorder.createRecorder(call.record_to)
        if call.ear is None and self.settings.listen:
            # ears are kept and used again: a port is never taken down while the clock thread may be in it
            call.ear = self._ears.pop() if self._ears else self._new_ear()

    def _new_ear(self) -> _Ear:
        ear = _Ear()
        ear.createPort("ear", self._format)
        return ear

    def _on_media(self, call: _Call, status: MediaStatus) -> None:
        if status in ("active", "remote-hold"):
            call.media = call.getAudioMedia(-1)
            self._equip(call)
            self._wire(call)
        else:
            call.media = None
        self._tell(Media(time.monotonic(), call.number, status))

    def _on_state(self, call: _Call, state: int, code: int, reason: str) -> None:
        now = time.monotonic()
        if state == pj.PJSIP_INV_STATE_EARLY and call.getInfo().role == 0:
            self._tell(Ringing(now, call.number, code, reason))
        elif state == pj.PJSIP_INV_STATE_CONFIRMED and call.answered_at is None:
            call.answered_at = now
            self._tell(Answered(now, call.number, round(now - call.began, 3)))
        elif state == pj.PJSIP_INV_STATE_DISCONNECTED:
            up = call.answered_at
            by: Who = "us" if call.let_go else "them"
            talked = round(now - up, 3) if up is not None else 0.0
            self._later(partial(self._drop, call.number))
            self._tell(Ended(now, call.number, code, reason, talked, up is not None, by))

    def _on_registration(self, code: int, reason: str, expires: int, status: int) -> None:
        now, user = time.monotonic(), self.settings.user
        if not self._wants_registration:
            if self._gone is not None:
                self._gone.set()
            self._tell(Unregistered(now, user))
            return
        if status == PJSIP_EFAILEDCREDENTIAL:
            code, reason = 401, "the server refuses the password"
        result = RegisterResult(code, reason)
        self._tell(Registered(now, user, expires) if result.ok else RegisterFailed(now, user, code, reason))
        waiting, self._registration = self._registration, None
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    def _tell(self, event: Event) -> None:
        self._on_event(event)

    def _later(self, job: Callable[[], None]) -> None:
        self._jobs.put(_guarded(job))

    def _do(self, job: Callable[[], T], limit_s: float = 10.0) -> T:
        """Run ``job`` in the phone thread and give its result."""
        if not self._thread.is_alive():
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

    def _renegotiate(self, number: int, change: Callable[[_Call], None]) -> None:
        """Make a change that needs a re-INVITE, once keys still being sent are out (the far end would hear the
        last one twice); try again for up to two seconds while another such change is under way."""

        def go() -> float:
            call = self._call(number)
            wait = call.keys_until - time.monotonic()
            if wait <= 0:
                change(call)
            return wait

        while (wait := self._retried(go)) > 0:
            time.sleep(wait)

    def _retried(self, job: Callable[[], T]) -> T:
        end = time.monotonic() + RETRY_S
        while True:
            try:
                return self._do(job)
            except PhoneBusy:
                if time.monotonic() >= end:
                    raise
                time.sleep(CALL_GAP_S)


def _plain(error: Exception) -> PhoneError:
    """The error made anew, as one of ours: the old one's traceback holds pjsua2 objects, which must not be
    freed outside the phone thread."""
    if isinstance(error, PhoneError):
        return type(error)(*error.args)
    if not isinstance(error, pj.Error):
        return PhoneError(f"{type(error).__name__}: {error}")
    text = f"{error.reason or 'refused by pjsua2'} (status {error.status})"
    return PhoneBusy(text) if error.status == PJ_EINVALIDOP else PhoneError(text)


def _player(path: Path) -> pj.AudioMediaPlayer:
    player = pj.AudioMediaPlayer()
    player.createPlayer(str(path))
    return player


def _numbered(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")


def _header(name: str, value: str) -> pj.SipHeader:
    header = pj.SipHeader()
    header.hName, header.hValue = name, value
    return header
