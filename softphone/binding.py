"""The part of pjsua2 that the phone uses, with types.

pjsua2 (SWIG; ``softphone.library`` says which of the two builds) ships no type information.  The declarations below
are read by the type checker only; at run time the names come from the real library, and importing this module raises
``ImportError`` where it is not installed.  Signatures follow the PJSUA2 reference of pjproject 2.15.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    PJSUA_INVALID_ID: int
    PJSUA_CALL_UNHOLD: int
    PJSUA_CALL_MEDIA_NONE: int
    PJSUA_CALL_MEDIA_ACTIVE: int
    PJSUA_CALL_MEDIA_LOCAL_HOLD: int
    PJSUA_CALL_MEDIA_REMOTE_HOLD: int
    PJSUA_DESTROY_NO_NETWORK: int
    PJSUA_SIP_TIMER_INACTIVE: int
    PJMEDIA_TYPE_AUDIO: int
    PJMEDIA_FORMAT_PCM: int
    PJSIP_INV_STATE_EARLY: int
    PJSIP_INV_STATE_CONFIRMED: int
    PJSIP_INV_STATE_DISCONNECTED: int
    PJSIP_TRANSPORT_UDP: int
    PJSIP_TRANSPORT_TCP: int
    PJSIP_TRANSPORT_TLS: int
    PJMEDIA_SRTP_MANDATORY: int
    PJMEDIA_EVENT_AUD_DEV_ERROR: int
    PJSUA_SND_DEV_SPEAKER_ONLY: int
    PJSUA_SND_DEV_NO_IMMEDIATE_OPEN: int

    class Error(Exception):
        """What every refused call raises; ``status`` is a pj_status_t."""

        status: int
        reason: str

        def info(self, multi_line: bool = ...) -> str: ...

    class SipHeader:
        hName: str
        hValue: str

    class CallOpParam:
        statusCode: int
        opt: Any
        txOption: Any

        def __init__(self, use_default: bool = ...) -> None: ...

    class AudioMedia:
        def startTransmit(self, sink: AudioMedia) -> None: ...
        def stopTransmit(self, sink: AudioMedia) -> None: ...
        def adjustRxLevel(self, level: float) -> None: ...
        def adjustTxLevel(self, level: float) -> None: ...
        def getRxLevel(self) -> int: ...
        def getTxLevel(self) -> int: ...

    class AudDevManager:
        def getDevCount(self) -> int: ...
        def getDevInfo(self, number: int) -> Any: ...
        def refreshDevs(self) -> None: ...
        def getCaptureDevMedia(self) -> AudioMedia: ...
        def getPlaybackDevMedia(self) -> AudioMedia: ...
        def setCaptureDev(self, number: int) -> None: ...
        def setPlaybackDev(self, number: int) -> None: ...
        def setSndDevMode(self, mode: int) -> None: ...
        def setNullDev(self) -> None: ...
        def setNoDev(self) -> object: ...

    class AudioMediaPlayer(AudioMedia):
        def createPlayer(self, file_name: str, options: int = ...) -> None: ...

    class AudioMediaRecorder(AudioMedia):
        def createRecorder(self, file_name: str) -> None: ...

    class ByteVector(Sequence[int]):
        """A C++ byte vector; a slice of it is a copy of its own."""

    class MediaFrame:
        buf: Any
        size: int

    class MediaFormatAudio:
        def init(self, form: int, rate: int, channels: int, frame_usec: int, bits: int) -> None: ...

    class AudioMediaPort(AudioMedia):
        def __init__(self) -> None: ...
        def createPort(self, name: str, fmt: MediaFormatAudio) -> None: ...

    class Account:
        def __init__(self) -> None: ...
        def create(self, cfg: AccountConfig, make_default: bool = ...) -> None: ...
        def setRegistration(self, renew: bool) -> None: ...
        def shutdown(self) -> None: ...

    class AccountConfig:
        idUri: str
        regConfig: Any
        sipConfig: Any
        mediaConfig: Any
        callConfig: Any

    class AuthCredInfo:
        def __init__(self, scheme: str, realm: str, user: str, data_type: int, data: str) -> None: ...

    class Call:
        def __init__(self, acc: Account, call_id: int = ...) -> None: ...
        def getInfo(self) -> Any: ...
        def isActive(self) -> bool: ...
        def makeCall(self, uri: str, prm: CallOpParam) -> None: ...
        def answer(self, prm: CallOpParam) -> None: ...
        def hangup(self, prm: CallOpParam) -> None: ...
        def setHold(self, prm: CallOpParam) -> None: ...
        def reinvite(self, prm: CallOpParam) -> None: ...
        def xfer(self, dest: str, prm: CallOpParam) -> None: ...
        def xferReplaces(self, dest: Call, prm: CallOpParam) -> None: ...
        def dialDtmf(self, digits: str) -> None: ...
        def getAudioMedia(self, index: int) -> AudioMedia: ...
        def getStreamStat(self, index: int) -> Any: ...

    class EpConfig:
        logConfig: Any
        uaConfig: Any
        medConfig: Any

    class TransportConfig:
        port: int
        boundAddress: str
        tlsConfig: Any

    class Endpoint:
        def libCreate(self) -> None: ...
        def libInit(self, cfg: EpConfig) -> None: ...
        def libStart(self) -> None: ...
        def libDestroy(self, flags: int = ...) -> None: ...
        def libHandleEvents(self, msec: int) -> int: ...
        def audDevManager(self) -> AudDevManager: ...
        def transportCreate(self, kind: int, cfg: TransportConfig) -> int: ...
        def transportGetInfo(self, no: int) -> Any: ...
        def codecEnum2(self) -> Any: ...
        def codecSetPriority(self, codec: str, priority: int) -> None: ...
        def hangupAllCalls(self) -> None: ...
else:
    from pjsua2 import (  # noqa: F401  (names that phone.py takes from here)
        PJMEDIA_EVENT_AUD_DEV_ERROR,
        PJMEDIA_FORMAT_PCM,
        PJMEDIA_SRTP_MANDATORY,
        PJMEDIA_TYPE_AUDIO,
        PJSIP_INV_STATE_CONFIRMED,
        PJSIP_INV_STATE_DISCONNECTED,
        PJSIP_INV_STATE_EARLY,
        PJSIP_TRANSPORT_TCP,
        PJSIP_TRANSPORT_TLS,
        PJSIP_TRANSPORT_UDP,
        PJSUA_CALL_MEDIA_ACTIVE,
        PJSUA_CALL_MEDIA_LOCAL_HOLD,
        PJSUA_CALL_MEDIA_NONE,
        PJSUA_CALL_MEDIA_REMOTE_HOLD,
        PJSUA_CALL_UNHOLD,
        PJSUA_DESTROY_NO_NETWORK,
        PJSUA_INVALID_ID,
        PJSUA_SIP_TIMER_INACTIVE,
        PJSUA_SND_DEV_NO_IMMEDIATE_OPEN,
        PJSUA_SND_DEV_SPEAKER_ONLY,
        Account,
        AccountConfig,
        AudDevManager,
        AudioMedia,
        AudioMediaPlayer,
        AudioMediaPort,
        AudioMediaRecorder,
        AuthCredInfo,
        ByteVector,
        Call,
        CallOpParam,
        Endpoint,
        EpConfig,
        Error,
        MediaFormatAudio,
        MediaFrame,
        SipHeader,
        TransportConfig,
    )
