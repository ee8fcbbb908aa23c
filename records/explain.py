"""V13: every contact has its service record, or exactly one reason why there is none, in words an agent understands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from acd.core.model import Kind, Outcome
from records.model import Direction, Interaction


class NoRecord(StrEnum):
    """Why a contact has no service record. Closed: a new outcome must find its place in REASONS."""

    LIVE = "live"
    LEFT_ON_THE_WAY = "left_on_the_way"
    LEFT_IN_MENU = "left_in_menu"
    LEFT_IN_QUEUE = "left_in_queue"
    LEFT_RINGING = "left_ringing"
    QUEUE_TIMED_OUT = "queue_timed_out"
    QUEUE_FULL = "queue_full"
    NO_AGENT = "no_agent"
    NO_ANSWER = "no_answer"
    CLOSED = "closed"
    BLACKLISTED = "blacklisted"
    LINE_CAP = "line_cap"
    DIVERTED = "diverted"
    EXIT_KEY = "exit_key"
    CALLBACK_TAKEN = "callback_taken"
    VOICEMAIL = "voicemail"
    CANCELLED = "cancelled"
    NETWORK = "network"
    UNOBSERVED = "unobserved"
    FALLBACK_UNANSWERED = "fallback_unanswered"
    OUTBOUND_NOT_CONNECTED = "outbound_not_connected"
    OUTBOUND_SWITCH_OFF = "outbound_switch_off"
    CALLBACK_NOT_REACHED = "callback_not_reached"
    INTERNAL = "internal"
    RECORDS_BEHIND = "records_behind"
    FAULT = "fault"


WORDS: Mapping[NoRecord, tuple[str, str, str]] = {
    NoRecord.LIVE: (
        "通話仍在進行,尚未由專員接聽",
        "通话仍在进行,尚未由坐席接听",
        "The contact is still going on and no agent has it yet",
    ),
    NoRecord.LEFT_ON_THE_WAY: (
        "來電者在接通選單前掛斷",
        "来电者在接通菜单前挂断",
        "The caller hung up before the menu began",
    ),
    NoRecord.LEFT_IN_MENU: ("來電者在語音選單中掛斷", "来电者在语音菜单中挂断", "The caller hung up in the menu"),
    NoRecord.LEFT_IN_QUEUE: (
        "客戶在佇列等待時離開",
        "客户在队列等待时离开",
        "The customer left while waiting in the queue",
    ),
    NoRecord.LEFT_RINGING: (
        "客戶在專員響鈴時離開",
        "客户在坐席响铃时离开",
        "The customer left while an agent was being rung",
    ),
    NoRecord.QUEUE_TIMED_OUT: ("等待逾時,系統結束", "等待超时,系统结束", "The longest waiting time was over"),
    NoRecord.QUEUE_FULL: ("佇列已滿", "队列已满", "The queue was full"),
    NoRecord.NO_AGENT: ("沒有專員在線", "没有坐席在线", "No agent was there"),
    NoRecord.NO_ANSWER: ("專員未接聽", "坐席未接听", "No agent answered"),
    NoRecord.CLOSED: (
        "非營業時間或佇列已關閉",
        "非营业时间或队列已关闭",
        "Outside opening hours, or the queue is closed",
    ),
    NoRecord.BLACKLISTED: ("來電者在黑名單中", "来电者在黑名单中", "The caller is on the black list"),
    NoRecord.LINE_CAP: ("超過線路同時通話上限", "超过线路并发上限", "The line was at its cap of concurrent calls"),
    NoRecord.DIVERTED: ("已轉至別處", "已转至别处", "It was diverted elsewhere"),
    NoRecord.EXIT_KEY: ("來電者按鍵離開佇列", "来电者按键离开队列", "The caller left the queue by a key"),
    NoRecord.CALLBACK_TAKEN: ("來電者改為預約回電", "来电者改为预约回电", "The caller asked to be called back instead"),
    NoRecord.VOICEMAIL: ("來電者留下語音留言", "来电者留下语音留言", "The caller left a voice message instead"),
    NoRecord.CANCELLED: ("通話在接通前取消", "通话在接通前取消", "It was cancelled before it was connected"),
    NoRecord.NETWORK: (
        "線路或設備故障,未接通",
        "线路或设备故障,未接通",
        "The line or the device failed; never connected",
    ),
    NoRecord.UNOBSERVED: (
        "結束時系統不在運作,未見接通",
        "结束时系统未运行,未见接通",
        "It ended while the system was down; no connection was seen",
    ),
    NoRecord.FALLBACK_UNANSWERED: (
        "系統停止時由備援接手,無人接聽",
        "系统停止时由备援接手,无人接听",
        "The fall-back had it while the system was down, and nobody answered",
    ),
    NoRecord.OUTBOUND_NOT_CONNECTED: ("外撥未接通", "外呼未接通", "The outbound call was not connected"),
    NoRecord.OUTBOUND_SWITCH_OFF: (
        "外撥自動建立服務紀錄已關閉,專員未手動建立",
        "外呼自动建立服务记录已关闭,坐席未手动建立",
        "Records for outbound calls are switched off, and the agent made none by hand",
    ),
    NoRecord.CALLBACK_NOT_REACHED: (
        "回電未能接通客戶",
        "回电未能接通客户",
        "The customer was called back and not reached",
    ),
    NoRecord.INTERNAL: (
        "內部通話,不建立服務紀錄",
        "内部通话,不建立服务记录",
        "A call between colleagues needs no record",
    ),
    NoRecord.RECORDS_BEHIND: (
        "紀錄處理落後,稍後即會出現",
        "记录处理落后,稍后即会出现",
        "Records are being caught up; look again in a moment",
    ),
    NoRecord.FAULT: (
        "已接通卻沒有紀錄:請回報此錯誤",
        "已接通却没有记录:请上报此错误",
        "It was connected and yet has no record: this is a fault, please report it",
    ),
}
"""zh-TW, zh-CN, en."""

REASONS: Mapping[Outcome, NoRecord] = {
    Outcome.ANSWERED: NoRecord.FAULT,
    Outcome.ABANDONED_IVR: NoRecord.LEFT_IN_MENU,
    Outcome.ABANDONED_QUEUE: NoRecord.LEFT_IN_QUEUE,
    Outcome.ABANDONED_RING: NoRecord.LEFT_RINGING,
    Outcome.RNA: NoRecord.NO_ANSWER,
    Outcome.REJECTED: NoRecord.NO_ANSWER,
    Outcome.BUSY: NoRecord.NETWORK,
    Outcome.UNREACHABLE: NoRecord.NETWORK,
    Outcome.WRONG_NUMBER: NoRecord.NETWORK,
    Outcome.CONGESTION: NoRecord.NETWORK,
    Outcome.MEDIA: NoRecord.NETWORK,
    Outcome.CANCELLED: NoRecord.CANCELLED,
    Outcome.TIMEOUT_QUEUE: NoRecord.QUEUE_TIMED_OUT,
    Outcome.QUEUE_FULL: NoRecord.QUEUE_FULL,
    Outcome.CLOSED: NoRecord.CLOSED,
    Outcome.NO_AGENT: NoRecord.NO_AGENT,
    Outcome.DIVERTED: NoRecord.DIVERTED,
    Outcome.EXIT_KEY: NoRecord.EXIT_KEY,
    Outcome.CALLBACK_TAKEN: NoRecord.CALLBACK_TAKEN,
    Outcome.VOICEMAIL: NoRecord.VOICEMAIL,
    Outcome.BLACKLISTED: NoRecord.BLACKLISTED,
    Outcome.LINE_CAP: NoRecord.LINE_CAP,
    Outcome.FALLBACK: NoRecord.FAULT,
    Outcome.UNOBSERVED: NoRecord.UNOBSERVED,
}
"""The reason by outcome, for a contact that no seat was connected to."""

NOT_REACHED = frozenset({Outcome.ANSWERED, Outcome.WRONG_NUMBER, Outcome.LINE_CAP, Outcome.UNREACHABLE})
"""How a callback ends that a seat took and whose customer could not even be dialled."""


def reason_of(item: Interaction) -> NoRecord:
    """Why this contact has no service record, from its own row alone. Pure."""
    if item.accepted_at:
        return _connected_reason(item)
    if not item.ended_at:
        return NoRecord.LIVE
    if item.direction == Direction.INTERNAL:
        return NoRecord.INTERNAL
    if item.direction == Direction.OUTBOUND:
        return NoRecord.OUTBOUND_NOT_CONNECTED
    if item.fallback:
        return NoRecord.FALLBACK_UNANSWERED
    outcome = Outcome(item.outcome)
    if item.kind == Kind.CALLBACK and (item.dialled_at or outcome in NOT_REACHED):
        return NoRecord.CALLBACK_NOT_REACHED
    if outcome is Outcome.ABANDONED_IVR and not item.arrived_at:
        return NoRecord.LEFT_ON_THE_WAY
    if outcome is Outcome.ANSWERED and item.number == 0:  # a direct call that ended before anybody took it
        return NoRecord.NO_ANSWER
    return REASONS[outcome]


def _connected_reason(item: Interaction) -> NoRecord:
    if item.direction == Direction.INTERNAL:
        return NoRecord.INTERNAL
    if item.direction == Direction.OUTBOUND and not item.recorded_outbound:
        return NoRecord.OUTBOUND_SWITCH_OFF
    return NoRecord.FAULT


@dataclass(frozen=True, slots=True)
class Explanation:
    """Either the record's id, or the one reason why there is none, with its words (zh-TW, zh-CN, en)."""

    record: str = ""
    reason: NoRecord | None = None

    @property
    def words(self) -> tuple[str, str, str] | None:
        """The reason in the three languages."""
        return None if self.reason is None else WORDS[self.reason]

    def say(self, language: str = "en") -> str:
        """The reason in one language; empty where there is a record."""
        words = self.words
        return "" if words is None else words[{"zh-TW": 0, "zh-CN": 1}.get(language, 2)]


def explain(item: Interaction, record: str, behind: int = 0) -> Explanation:
    """Record or reason. `behind` is how many facts of the log the records consumer has not taken up yet: a contact
    that looks live may then be over already."""
    if record:
        return Explanation(record=record)
    reason = NoRecord(item.reason)
    if reason is NoRecord.LIVE and behind:
        reason = NoRecord.RECORDS_BEHIND
    return Explanation(reason=reason)


def explain_unknown(behind: int) -> Explanation | None:
    """For an item that the log knows and records does not: it is behind. None when it is not: no such contact."""
    return Explanation(reason=NoRecord.RECORDS_BEHIND) if behind else None
