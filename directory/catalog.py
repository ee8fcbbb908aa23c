"""The statuses, media and policy an organisation starts with, as data (features S1-S4, D4, D8, D17).

They are rows like any other once seeded: an administrator may change each of them.
"""

from __future__ import annotations

from acd.core.model import SECOND, MediumDef, Policy, Presence, StatusDef

MINUTE = 60 * SECOND

LANGUAGES = ("zh-TW", "zh-CN", "en")
"""The languages every name is given in."""

VOICE_LIMIT = 1
"""V20: one agent, one call."""

TEXT_LIMIT = 5
TEXT_CEILING = 15
"""D8: the 16th concurrent text conversation is not established."""


def names(zh_tw: str, zh_cn: str, en: str) -> tuple[tuple[str, str], ...]:
    """A name in the three languages, in the order of LANGUAGES."""
    return tuple(zip(LANGUAGES, (zh_tw, zh_cn, en), strict=True))


def _pause(status: str, shown: tuple[tuple[str, str], ...], minutes: int = 0, *, productive: bool = False) -> StatusDef:
    """A voice status in which nothing is given: neither by a queue, nor by a colleague, nor dialled."""
    return StatusDef(
        id=status,
        presence=Presence.VOICE,
        names=shown,
        auto_offer=False,
        accept_transfer=False,
        accept_direct=False,
        outbound_allowed=False,
        limit=minutes * MINUTE,
        productive=productive,
    )


STATUSES: tuple[StatusDef, ...] = (
    StatusDef(
        id="not_ready",
        presence=Presence.VOICE,
        names=names("未就緒", "未就绪", "Not ready"),
        auto_offer=False,
        accept_transfer=True,
        accept_direct=True,
        outbound_allowed=True,
        after_login=True,
    ),
    StatusDef(
        id="ready",
        presence=Presence.VOICE,
        names=names("就緒", "就绪", "Ready"),
        auto_offer=True,
        accept_transfer=True,
        accept_direct=True,
        outbound_allowed=True,
        productive=True,
    ),
    _pause("meal", names("用餐", "用餐", "Meal"), 60),
    _pause("break", names("休息", "休息", "Break"), 15),
    _pause("restroom", names("洗手間", "洗手间", "Restroom"), 10),
    StatusDef(
        id="clerical",
        presence=Presence.VOICE,
        names=names("文書", "文书", "Clerical"),
        auto_offer=False,
        accept_transfer=True,
        accept_direct=True,
        outbound_allowed=True,
        productive=True,
    ),
    _pause("training", names("訓練", "培训", "Training"), productive=True),
    StatusDef(
        id="text_ready",
        presence=Presence.TEXT,
        names=names("在線", "在线", "Online"),
        auto_offer=True,
        accept_transfer=True,
        accept_direct=True,
        outbound_allowed=True,
        productive=True,
    ),
    StatusDef(
        id="text_busy",
        presence=Presence.TEXT,
        names=names("忙碌", "忙碌", "Busy"),
        auto_offer=False,
        accept_transfer=True,
        accept_direct=True,
        outbound_allowed=True,
        productive=True,
    ),
    StatusDef(  # S2: reassignment is an active action, so Away still receives what a colleague hands over
        id="text_away",
        presence=Presence.TEXT,
        names=names("離開", "离开", "Away"),
        auto_offer=False,
        accept_transfer=True,
        accept_direct=False,
        outbound_allowed=True,
        after_login=True,
    ),
)


def _text(medium: str) -> MediumDef:
    return MediumDef(id=medium, presence=Presence.TEXT, limit=TEXT_LIMIT, ceiling=TEXT_CEILING)


MEDIA: tuple[MediumDef, ...] = (
    MediumDef(
        id="voice",
        presence=Presence.VOICE,
        limit=VOICE_LIMIT,
        ceiling=VOICE_LIMIT,
        excludes=("*",),
        wrap_up_blocks=("voice", "callback"),
        needs_phone=True,
    ),
    MediumDef(
        id="callback",
        presence=Presence.VOICE,
        limit=VOICE_LIMIT,
        ceiling=VOICE_LIMIT,
        excludes=("*",),
        wrap_up_blocks=("voice", "callback"),
        needs_phone=True,
    ),
    MediumDef(id="voicemail", presence=Presence.TEXT, limit=1, ceiling=TEXT_CEILING),
    _text("chat"),
    _text("line"),
    _text("mail"),
    _text("task"),
)

POLICY = Policy()


# The class of a channel and its own name, for the service record (R2: channel class, channel).
CHANNEL_CLASSES: dict[str, str] = {
    "voice": "phone",
    "callback": "phone",
    "voicemail": "phone",
    "chat": "web",
    "line": "social",
    "mail": "mail",
    "task": "task",
}
