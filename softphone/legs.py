"""The objects that pjsua2 calls back. Their callbacks copy plain data and hand it to their host, nothing more."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from softphone import binding as pj
from softphone.events import Dtmf, Event, Incoming, MediaStatus, Replaced, TransferProgress, TransferRequested

X_HEADER = re.compile(r"^(X-[!-9;-~]{1,60}):[ \t]*(.{0,512})", re.MULTILINE | re.IGNORECASE)
MAX_X_HEADERS = 32

_MEDIA: dict[int, MediaStatus] = {
    pj.PJSUA_CALL_MEDIA_NONE: "none",
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "local-hold",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "remote-hold",
}


class Host(Protocol):
    """What the callbacks need of the engine; all of it runs in the phone thread."""

    def tell(self, event: Event) -> None: ...
    def new_leg(self, call_id: int = ...) -> Leg: ...
    def let_go_later(self, number: int) -> None: ...
    def on_state(self, leg: Leg, state: int, code: int, reason: str) -> None: ...
    def on_media(self, leg: Leg, status: MediaStatus) -> None: ...
    def on_registration(self, code: int, reason: str, expires: int, status: int) -> None: ...


def parameters(code: int = 0) -> pj.CallOpParam:
    """Audio only: pjproject 2.17 would add a text stream (a thread and two sockets more a call)."""
    prm = pj.CallOpParam(True)
    prm.statusCode = code
    prm.opt.audioCount, prm.opt.videoCount = 1, 0
    if hasattr(prm.opt, "textCount"):
        prm.opt.textCount = 0
    return prm


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """An exception must not run into the C++ code that called us."""

    def inner(*args: Any) -> None:
        try:
            callback(*args)
        except Exception:
            traceback.print_exc(file=sys.stderr)

    return inner


class Endpoint(pj.Endpoint):
    """The library of a phone with sound: tells when a device that is open fails."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        super().__init__()
        self._on_lost = on_lost

    @guarded
    def onMediaEvent(self, prm: Any) -> None:
        if prm.ev.type == pj.PJMEDIA_EVENT_AUD_DEV_ERROR:
            self._on_lost()


class Ear(pj.AudioMediaPort):
    """Keeps the last second of what flows into it. Frames come in the media clock's thread, 50 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._raw: deque[tuple[float, pj.ByteVector]] = deque(maxlen=50)
        self._read: deque[tuple[float, bytes]] = deque(maxlen=50)

    @guarded
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


class Leg(pj.Call):
    """One call of ours: what it is connected with, and its callbacks."""

    def __init__(self, account: Account, host: Host, number: int, call_id: int = pj.PJSUA_INVALID_ID) -> None:
        super().__init__(account, call_id)
        self.host, self.number = host, number
        self.began = time.monotonic()
        self.answered_at: float | None = None
        self.keys_until = 0.0
        self.muted = self.let_go = False
        self.media: pj.AudioMedia | None = None
        self.player: pj.AudioMediaPlayer | None = None
        self.recorder: pj.AudioMediaRecorder | None = None
        self.ear: Ear | None = None
        self.record_to = ""

    @guarded
    def onCallState(self, _: Any) -> None:
        info = self.getInfo()
        self.host.on_state(self, info.state, int(info.lastStatusCode), info.lastReason)

    @guarded
    def onCallMediaState(self, _: Any) -> None:
        info = self.getInfo()  # held while read: SWIG gives out pointers into it and does not keep it alive
        audio = [m.status for m in info.media if m.type == pj.PJMEDIA_TYPE_AUDIO]
        status = _MEDIA.get(audio[0], "error") if audio else "none"
        self.host.on_media(self, status)

    @guarded
    def onDtmfDigit(self, prm: Any) -> None:
        self.host.tell(Dtmf(time.monotonic(), self.number, prm.digit))

    @guarded
    def onCallTransferRequest(self, prm: Any) -> None:
        new = self.host.new_leg()
        prm.newCall = new
        self.host.tell(TransferRequested(time.monotonic(), self.number, prm.dstUri, new.number))

    @guarded
    def onCallTransferStatus(self, prm: Any) -> None:
        code, final = int(prm.statusCode), bool(prm.finalNotify)
        self.host.tell(TransferProgress(time.monotonic(), self.number, code, prm.reason, final))
        if final:
            prm.cont = False
            if 200 <= code < 300:
                self.host.let_go_later(self.number)

    @guarded
    def onCallReplaceRequest(self, prm: Any) -> None:
        new = self.host.new_leg()
        prm.newCall = new
        prm.statusCode = 200
        self.host.tell(Replaced(time.monotonic(), self.number, new.number))


class Account(pj.Account):
    """Our identity at the server; calls come in through it."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self.host = host

    @guarded
    def onRegState(self, prm: Any) -> None:
        self.host.on_registration(int(prm.code), prm.reason, int(prm.expiration), int(prm.status))

    @guarded
    def onIncomingCall(self, prm: Any) -> None:
        call = self.host.new_leg(prm.callId)
        info = call.getInfo()
        found = X_HEADER.findall(prm.rdata.wholeMsg)[:MAX_X_HEADERS]
        headers = {name: value.strip() for name, value in found}
        self.host.tell(Incoming(call.began, call.number, info.remoteUri, info.localUri, headers))
        call.answer(parameters(180))
