"""A SIP phone: what it can be asked to do, from any thread.

Each method blocks until the phone thread (``softphone.engine``) has done the work, and raises ``PhoneError`` with a
sentence for a person. At most one phone a process; ``close()`` it in any case.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from softphone import binding as pj
from softphone import tones
from softphone.addresses import header_of, target_of, uri_of
from softphone.devices import Device, Role
from softphone.engine import MAX_CALLS, Engine, player_of
from softphone.errors import PhoneBusy, PhoneError
from softphone.events import Calling, Event, Levels, RegisterFailed
from softphone.legs import Leg, parameters
from softphone.ring import Ring
from softphone.settings import RegisterResult, Settings, Stats
from softphone.sound import Sound

T = TypeVar("T")

CALL_GAP_S = 0.05
"""Between two calls: the library frees a call's two sockets late, and 20 calls on end abort it."""
RETRY_S = 2.0
"""How long hold and unhold try again while another re-INVITE is under way (PJ_EINVALIDOP)."""
KEY_S = 0.26
"""One pressed key takes 0.24 s on the wire (160 ms tone, pause), and a little for the last packets."""
HEAR_S = 0.3
"""How far back ``hears`` listens."""
DTMF = re.compile(r"[0-9A-Da-d*#]{1,32}")


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
        self.settings = settings
        self._closed = False
        self._engine = Engine(settings, on_event, play, record)
        self.port = self._engine.port
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
            self._engine.registration, self._engine.wants_registration = answer, True
            self._engine.account.setRegistration(True)

        try:
            self._engine.do(go)
            return answer.result(limit_s)
        except TimeoutError:
            reason = f"no answer in {limit_s:g} s"
        except PhoneError as error:
            reason = str(error)
        self._engine.registration = None
        self._engine.tell(RegisterFailed(time.monotonic(), self.settings.user, 0, reason))
        return RegisterResult(0, reason)

    def unregister(self, limit_s: float = 2.0) -> bool:
        """Leave the server; whether it said so within ``limit_s``."""
        self._need_server()
        gone = threading.Event()

        def go() -> None:
            self._engine.gone, self._engine.wants_registration = gone, False
            self._engine.account.setRegistration(False)

        self._engine.do(go)
        return gone.wait(limit_s)

    def _need_server(self) -> None:
        if not self.settings.server:
            raise PhoneError("this phone has no server to register at")

    def call(self, to: str, headers: Mapping[str, str] | None = None) -> int:
        """Call a number at the server or a full address; the number of the new call."""
        target = target_of(to, self.settings.server, self.settings.secrecy.transport)
        extra = [header_of(name, value) for name, value in (headers or {}).items()]
        time.sleep(max(0.0, self._engine.last_call + CALL_GAP_S - time.monotonic()))

        def go() -> int:
            if len(self._engine.legs) >= MAX_CALLS:
                raise PhoneError(f"{MAX_CALLS} calls are up already, this phone takes no more")
            prm = parameters()
            for name, value in extra:
                prm.txOption.headers.append(_header(name, value))
            call = self._engine.new_leg()
            try:
                call.makeCall(target, prm)
            except pj.Error:
                self._engine.drop(call.number)
                raise
            self._engine.tell(Calling(call.began, call.number, target))
            return call.number

        return self._engine.do(go)

    def answer(self, number: int, code: int = 200) -> None:
        """Answer an incoming call; a code under 200 lets it ring on."""
        self._engine.do(lambda: self._engine.leg(number).answer(parameters(code)))

    def decline(self, number: int, code: int = 486) -> None:
        """Refuse an incoming call with a SIP status from 300 to 699."""
        if not 300 <= code <= 699:
            raise PhoneError(f"a refusal is a SIP status from 300 to 699, not {code}")
        self._engine.do(lambda: self._engine.hang_up(number, code))

    def hang_up(self, number: int) -> None:
        self._engine.do(lambda: self._engine.hang_up(number, 0, must_exist=True))

    def hold(self, number: int) -> None:
        self._renegotiate(number, lambda call: call.setHold(parameters()))

    def resume(self, number: int) -> None:
        def go(call: Leg) -> None:
            prm = parameters()
            prm.opt.flag = pj.PJSUA_CALL_UNHOLD
            call.reinvite(prm)

        self._renegotiate(number, go)

    def mute(self, number: int, on: bool = True) -> None:
        """Stop (or start again) sending our sound into the call; the RTP stream goes on, silent."""

        def go() -> None:
            call = self._engine.leg(number)
            call.muted = on
            self._engine.wire(call)

        self._engine.do(go)

    def dtmf(self, number: int, digits: str) -> None:
        """Press keys, sent as RFC 4733 events."""
        if not DTMF.fullmatch(digits):
            raise PhoneError("digits are 1 to 32 of 0-9 A-D * #")

        def go() -> None:
            call = self._engine.leg(number)
            call.dialDtmf(digits)
            call.keys_until = max(call.keys_until, time.monotonic()) + KEY_S * len(digits)

        self._engine.do(go)

    def play_file(self, number: int, path: Path) -> None:
        """From now on this WAV file goes into the call, over and over."""

        def go() -> None:
            call = self._engine.leg(number)
            call.player = player_of(path)
            self._engine.wire(call)

        self._engine.do(go)

    def transfer(self, number: int, to: str) -> None:
        """Blind transfer (REFER). Events follow; on success our own leg is hung up."""
        target = target_of(to, self.settings.server, self.settings.secrecy.transport)
        self._engine.do(lambda: self._engine.leg(number).xfer(target, parameters()))

    def transfer_attended(self, number: int, other: int) -> None:
        """Join the far ends of two of our calls (REFER with Replaces)."""
        self._engine.do(lambda: self._engine.leg(number).xferReplaces(self._engine.leg(other), parameters()))

    def hears(self, number: int, frequencies: Iterable[int] = tones.KNOWN) -> dict[int, float]:
        """Which of the tones came in during the last 0.3 s, with amplitude. Empty for a call that ended."""
        return tones.pcm_amplitudes(self._heard(number), frequencies)

    def loudness(self, number: int) -> float:
        """RMS (0..1) of what came in during the last 0.3 s: music and speech, whatever their tones; 0 for a call that
        ended."""
        return tones.pcm_loudness(self._heard(number))

    def _heard(self, number: int) -> bytes:
        def go() -> bytes:
            call = self._engine.legs.get(number)
            return call.ear.sound(HEAR_S) if call and call.ear else b""

        return self._engine.do(go)

    def stats(self, number: int) -> Stats:
        def go() -> Stats:
            stat = self._engine.leg(number).getStreamStat(0)
            rx, tx = stat.rtcp.rxStat, stat.rtcp.txStat
            return Stats(int(rx.pkt), int(rx.loss), int(tx.pkt), int(rx.jitterUsec.mean))

        return self._engine.do(go)

    # -- sound ------------------------------------------------------------------------------------------

    def _with_sound(self, job: Callable[[Sound], T]) -> T:
        def go() -> T:
            if self._engine.sound is None:
                raise PhoneError("this phone runs without sound; start it with --sound")
            return job(self._engine.sound)

        return self._engine.do(go)

    def devices(self) -> list[Device]:
        """The sound devices there are now."""
        return self._with_sound(lambda sound: sound.devices())

    def chosen(self) -> dict[Role, Device]:
        """The devices in use."""
        return self._with_sound(lambda sound: sound.chosen())

    def use(self, wanted: Mapping[Role, str]) -> dict[Role, Device]:
        """Take other devices, by number or name; all that are in use now."""
        return self._with_sound(lambda sound: sound.use(wanted))

    def volume(self, role: Role, percent: int) -> dict[Role, int]:
        """Set a volume; all of them."""
        return self._with_sound(lambda sound: sound.volume(role, percent))

    def levels(self) -> Levels:
        """How loud microphone and speaker are."""
        microphone, speaker = self._with_sound(lambda sound: sound.levels())
        return Levels(time.monotonic(), microphone, speaker)

    def ring(self, kind: Ring, files: Mapping[Ring, Path]) -> None:
        """Ring, knock, or fall silent."""
        self._with_sound(lambda sound: sound.ring(kind, files))

    def try_out(self, role: Role, file: Path) -> None:
        """Play a tone at the speaker or the ringer, or the microphone in one's own ear, until ``silence``."""
        self._with_sound(lambda sound: sound.loop() if role == "microphone" else sound.play(file, role))

    def silence(self) -> None:
        """End ``ring`` or ``try_out``."""
        self._with_sound(lambda sound: sound.silence())

    def active(self) -> tuple[int, ...]:
        """The numbers of the calls now up or ringing, oldest first."""
        return tuple(self._engine.legs)

    def close(self, limit_s: float = 3.0) -> None:
        """Hang up, unregister, free everything. Afterwards the phone is of no use. May be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._engine.thread.is_alive():
            self._engine.do(lambda: self._engine.shut(limit_s), limit_s=limit_s + 10)
            self._engine.thread.join(5)

    def _renegotiate(self, number: int, change: Callable[[Leg], None]) -> None:
        """Make a change that needs a re-INVITE, once keys still being sent are out (the far end would hear the
        last one twice); try again for up to two seconds while another such change is under way."""

        def go() -> float:
            call = self._engine.leg(number)
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
                return self._engine.do(job)
            except PhoneBusy:
                if time.monotonic() >= end:
                    raise
                time.sleep(CALL_GAP_S)


def _header(name: str, value: str) -> pj.SipHeader:
    header = pj.SipHeader()
    header.hName, header.hValue = name, value
    return header
