"""Belief against Asterisk: a pure comparison, and what to do about each difference.

Three things come out of it. `compare` finds the differences that must never last (each healed once, counted as
RepairMade; 0 in a healthy run). `resume` finds, after a start or a reconnection, what was decided but not yet carried
out when we went: that is no fault and not counted. `Watch` lets a difference pass only when it was seen twice in a row,
so that an event on its way is not taken for a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from acd.core.effects import (
    AnswerLeg,
    Coach,
    Connect,
    Effect,
    Gather,
    Hold,
    HoldMusic,
    Join,
    PauseRecording,
    RingSeat,
    StartRecording,
    StopPrompt,
    WantedLeg,
)
from acd.core.inputs import Input, LegArrived, OfferAnswered, OfferRefused
from acd.core.model import OfferResult
from cti.dialplan import FROM_AGENTS
from cti.places import SNOOP, coaching_bridge
from cti.translate import extension_of, id_of, part_of, text_of, variable_of, words_of


class Kind(StrEnum):
    """The differences: nine of calls, two of conversations, and the one that only sound shows."""

    CHANNEL_GONE = "channel_gone"
    GHOST_CHANNEL = "ghost_channel"
    BRIDGE_WITHOUT_MEMBER = "bridge_without_member"
    UNKNOWN_CALL_ON_AGENT = "unknown_call_on_agent"
    CONTACT_GONE = "contact_gone"
    TWO_CHANNELS_FOR_ONE_OFFER = "two_channels_for_one_offer"
    UNKNOWN_WAITING_CALLER = "unknown_waiting_caller"
    NOT_ANSWERED = "not_answered"
    MISSING_RECORDING = "missing_recording"
    NOT_ON_HOLD = "not_on_hold"
    NOT_COACHING = "not_coaching"
    DEAF_LEG = "deaf_leg"  # found by cti.sound_watch, never by `compare`


@dataclass(frozen=True, slots=True)
class ChannelSeen:
    """A channel as Asterisk lists it. `words`: its Stasis arguments after the application, () outside of ours."""

    id: str
    name: str
    extension: str
    state: str
    words: tuple[str, ...]
    item: str = ""
    offer: str = ""
    number: str = ""
    caller_name: str = ""
    context: str = ""
    exten: str = ""

    @property
    def ours(self) -> bool:
        """It is in our application."""
        return bool(self.words)

    @property
    def snoops(self) -> bool:
        """It is the other half of a coach or whisperer (cti.supervision)."""
        return self.words[:1] == (SNOOP,)

    @property
    def coach(self) -> str:
        """The channel that hears by this snoop."""
        return self.words[1] if self.snoops and len(self.words) > 1 else ""

    @property
    def ear(self) -> str:
        """The channel this snoop lies on."""
        return self.words[2] if self.snoops and len(self.words) > 2 else ""

    @property
    def plain(self) -> bool:
        """A number dialled from an agent's phone that our dialplan serves without the application: emergency, echo.

        Channels that are called bear no number of their own (exten "s").
        """
        return not self.words and self.context == FROM_AGENTS and self.exten not in ("", "s")


@dataclass(frozen=True, slots=True)
class BridgeSeen:
    """A bridge. `id` is the conversation's, `actual` Asterisk's, different where it was made again ("id~time")."""

    id: str
    type: str
    members: tuple[str, ...]
    actual: str = ""


@dataclass(frozen=True, slots=True)
class ContactSeen:
    """A seat's phone: what Asterisk says and what the core believes."""

    seat: str
    extension: str
    reachable: bool
    believed: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """One disagreement about `subject` (a leg, or a seat for contacts); `want` or `seen` or `contact` say more."""

    kind: Kind
    subject: str
    want: WantedLeg | None = None
    seen: ChannelSeen | None = None
    contact: ContactSeen | None = None

    @property
    def key(self) -> tuple[str, str]:
        return (self.kind.value, self.subject)


def channels_seen(listing: object, app: str) -> list[ChannelSeen]:
    """GET /channels as entries."""
    rows = listing if isinstance(listing, list) else []
    return [_channel(row, app) for row in rows if isinstance(row, dict) and id_of(row)]


def _channel(row: Mapping[str, Any], app: str) -> ChannelSeen:
    plan = part_of(row, "dialplan")
    words = tuple(text_of(plan.get("app_data"), 300).split(",")) if plan.get("app_name") == "Stasis" else ()
    caller = part_of(row, "caller")
    return ChannelSeen(
        id=id_of(row),
        name=text_of(row.get("name"), 150),
        extension=extension_of(row),
        state=text_of(row.get("state")),
        words=words[1:] or ("",) if words and words[0] == app else (),
        item=variable_of(row, "RINGSIDE_ITEM"),
        offer=variable_of(row, "RINGSIDE_OFFER"),
        number=text_of(caller.get("number")),
        caller_name=text_of(caller.get("name")),
        context=text_of(plan.get("context")),
        exten=text_of(plan.get("exten")),
    )


def bridges_seen(listing: object) -> list[BridgeSeen]:
    """GET /bridges as entries; only those that ARI made (the plain queue's belong to nobody here)."""
    rows = listing if isinstance(listing, list) else []
    return [_bridge(row) for row in rows if isinstance(row, dict) and id_of(row) and row.get("creator") == "Stasis"]


def _bridge(row: Mapping[str, Any]) -> BridgeSeen:
    actual = id_of(row)
    members = tuple(words_of_all(row.get("channels")))
    return BridgeSeen(actual.partition("~")[0], text_of(row.get("bridge_type")), members, actual)


def words_of_all(value: object) -> list[str]:
    """Every text of a list, bounded each."""
    return [word for entry in value for word in words_of([entry])] if isinstance(value, list) else []


def compare(
    wanted: Sequence[WantedLeg],
    channels: Sequence[ChannelSeen],
    bridges: Sequence[BridgeSeen],
    contacts: Iterable[ContactSeen],
    recordings: AbstractSet[str],
    *,
    arriving: AbstractSet[str] = frozenset(),
) -> list[Difference]:
    """Every difference, in a fixed order.

    `recordings` are the legs a file is being written for. `arriving` are legs we are just dealing with (commands under
    way): nothing is said about them. An open offer without a channel is a difference too: whoever has just started
    rings it first (`resume`).
    """
    by_id = {channel.id: channel for channel in channels}
    wants = {want.leg: want for want in wanted if want.leg}
    calm = [want for want in wants.values() if want.leg not in arriving]
    gone = [Difference(Kind.CHANNEL_GONE, want.leg, want) for want in calm if want.leg not in by_id]
    # The entry script planned the call and the channel came to us, but nobody took it up.
    stuck = [
        Difference(Kind.UNKNOWN_WAITING_CALLER, want.leg, want, by_id[want.leg])
        for want in calm
        if want.doing == "arriving" and want.leg in by_id and by_id[want.leg].ours
    ]
    unanswered = [
        Difference(Kind.NOT_ANSWERED, want.leg, want)
        for want in calm
        if want.role == "customer" and want.doing in SERVED and want.leg in by_id and by_id[want.leg].state == RINGS_IN
    ]
    held = in_music(bridges)
    misplaced = [
        Difference(kind, want.leg, want, by_id[want.leg])
        for want in calm
        if want.leg in by_id and by_id[want.leg].ours
        if (kind := _misplaced(want, channels, bridges, held)) is not None
    ]
    silent = [
        Difference(Kind.MISSING_RECORDING, want.leg, want)
        for want in calm
        if is_recorded(want) and want.leg in by_id and want.leg not in recordings
    ]
    agents = {contact.extension: contact.seat for contact in contacts}
    strangers = [
        difference
        for channel in channels
        if channel.id not in wants and channel.id not in arriving and channel.coach not in arriving
        if (difference := _stranger(channel, wants, agents)) is not None
    ]
    phones = [
        Difference(Kind.CONTACT_GONE, contact.seat, contact=contact)
        for contact in contacts
        if contact.reachable != contact.believed
    ]
    return [*gone, *stuck, *unanswered, *misplaced, *silent, *strangers, *phones]


SERVED = frozenset({"prompt", "waiting", "talking", "held", "voicemail"})
"""What is done with a caller who was answered first."""
RINGS_IN = "Ring"
"""The state of a channel whose caller still waits for our answer."""


def is_recorded(want: WantedLeg) -> bool:
    """Whether something must be being written for it: a conversation, on hold too, or a voicemail."""
    return bool(want.recording) and want.doing in ("talking", "held", "voicemail")


def in_music(bridges: Iterable[BridgeSeen]) -> frozenset[str]:
    """Every channel in a holding bridge."""
    return frozenset(member for bridge in bridges if bridge.type == "holding" for member in bridge.members)


def is_in(bridges: Iterable[BridgeSeen], bridge: str, *legs: str) -> bool:
    """Whether these are all in the conversation's bridge, whichever it is by now."""
    members = {member for seen in bridges if seen.id == bridge for member in seen.members}
    return members.issuperset(legs)


def coaches(want: WantedLeg, channels: Iterable[ChannelSeen], bridges: Sequence[BridgeSeen]) -> bool:
    """Whether the leg lies in one bridge with a snoop on its ear."""
    snoops = [channel.id for channel in channels if channel.coach == want.leg and channel.ear == want.ear]
    return any(is_in(bridges, coaching_bridge(snoop), snoop, want.leg) for snoop in snoops)


def _misplaced(
    want: WantedLeg, channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen], held: AbstractSet[str]
) -> Kind | None:
    """What is wrong with where a leg is that is up; None when nothing is."""
    match want.doing:
        case "talking" | "listening" if want.bridge and not is_in(bridges, want.bridge, want.leg):
            return Kind.BRIDGE_WITHOUT_MEMBER
        case "held" | "waiting" if want.leg not in held:
            return Kind.NOT_ON_HOLD
        case "coaching" if want.ear and not coaches(want, channels, bridges):
            return Kind.NOT_COACHING
        case _:
            return None


def _stranger(channel: ChannelSeen, wants: Mapping[str, WantedLeg], agents: Mapping[str, str]) -> Difference | None:
    """What a channel that nothing wants is. A snoop is wanted as long as its coach hears by it."""
    if channel.snoops:
        want = wants.get(channel.coach)
        useful = want is not None and want.doing == "coaching" and want.ear == channel.ear
        return None if useful else Difference(Kind.GHOST_CHANNEL, channel.id, seen=channel)
    role = channel.words[0] if channel.words else ""
    if channel.offer and channel.offer != channel.id and channel.offer in wants:
        return Difference(Kind.TWO_CHANNELS_FOR_ONE_OFFER, channel.id, wants[channel.offer], channel)
    if role == "entry" and not channel.item:
        return Difference(Kind.UNKNOWN_WAITING_CALLER, channel.id, seen=channel)
    if channel.ours and role != "dial":
        return Difference(Kind.GHOST_CHANNEL, channel.id, seen=channel)
    if channel.extension in agents and not channel.plain:
        return Difference(Kind.UNKNOWN_CALL_ON_AGENT, channel.id, seen=channel)
    return Difference(Kind.GHOST_CHANNEL, channel.id, seen=channel) if channel.ours else None


# --- after a start or a reconnection -----------------------------------------------------------------------------


def resume(
    wanted: Sequence[WantedLeg], channels: Sequence[ChannelSeen], bridges: Sequence[BridgeSeen]
) -> tuple[list[Input], list[Effect]]:
    """What was decided but not carried out, or happened but was not told: inputs first, then effects, in order.

    Who is to be joined comes before who is to be put on hold, as in the core. What cannot be told here (a channel that
    is gone) is left to `compare`. A number outside is never dialled twice.
    """
    by_id = {channel.id: channel for channel in channels}
    inputs: list[Input] = []
    effects: list[Effect] = []
    held = in_music(bridges)
    customers = {want.item: want.leg for want in wanted if want.role == "customer"}
    joined: set[str] = set()
    for want in wanted:
        channel = by_id.get(want.leg)
        if want.doing == "ringing":
            given, effect = _resume_ringing(want, channel, customers.get(want.item, ""))
            inputs += given
            effects += effect
        elif want.role == "customer" and channel is not None and channel.ours and want.doing == "arriving":
            inputs.append(LegArrived(want.leg))
        elif want.role == "customer" and channel is not None and channel.ours:
            effects += _resume_customer(want, channel, want.leg in held)
    effects += _resume_talks(wanted, by_id, bridges, joined)
    effects += _resume_recordings(wanted, by_id, effects)
    places = [
        placed(want)
        for want in wanted
        if want.leg in by_id and by_id[want.leg].ours and want.leg not in joined
        if want.doing != "waiting" and _misplaced(want, channels, bridges, held) is not None
    ]
    effects += [move for move in places if not isinstance(move, Hold)]
    effects += [move for move in places if isinstance(move, Hold)]
    return inputs, effects


def _resume_ringing(want: WantedLeg, channel: ChannelSeen | None, customer: str) -> tuple[list[Input], list[Effect]]:
    """An offer, a third party, a supervisor, or a number outside that is being rung."""
    if channel is not None and channel.state == "Up":
        return [OfferAnswered(want.leg)], []
    if channel is not None and channel.state != "Down":
        return [], []
    if want.route is not None:
        return [OfferRefused(want.leg, OfferResult.UNREACHABLE)], []
    shown = "" if want.role == "watcher" else customer
    ring = RingSeat(want.leg, want.item, want.seat, want.extension, shown, want.queue, want.expires_at)
    return [], [ring]


def _resume_customer(want: WantedLeg, channel: ChannelSeen, waits: bool) -> list[Effect]:
    effects: list[Effect] = [AnswerLeg(want.item, want.leg)] if channel.state != "Up" else []
    if want.doing == "prompt" and want.prompt and want.token:
        effects.append(Gather(want.item, want.leg, want.prompt, want.token))
    elif want.doing == "waiting" and not waits:
        # A channel that still plays its last prompt cannot be moved, and would hold up everybody's requests.
        effects += [StopPrompt(want.item, want.leg, want.token)] if want.token else []
        effects.append(HoldMusic(want.item, want.leg, want.queue, want.music))
    if want.paused and is_recorded(want):
        effects.append(PauseRecording(want.item, want.leg, want.recording, paused=True))
    return effects


def _resume_talks(
    wanted: Sequence[WantedLeg],
    by_id: Mapping[str, ChannelSeen],
    bridges: Sequence[BridgeSeen],
    joined: set[str],
) -> list[Effect]:
    """Conversations that were accepted but never joined: their bridge does not exist yet."""
    effects: list[Effect] = []
    there = {bridge.id for bridge in bridges}
    customers = {want.item: want for want in wanted if want.role == "customer" and want.doing == "talking"}
    for want in wanted:
        customer = customers.get(want.item)
        if want.role != "seat" or want.doing != "talking" or customer is None or want.bridge in there:
            continue
        if want.leg in by_id and customer.leg in by_id and want.bridge == customer.bridge:
            if customer.leg in joined:
                continue  # a third seat comes in by itself
            effects.append(Connect(want.item, want.seat, customer.leg, want.leg, want.bridge))
            joined |= {customer.leg, want.leg}
            if customer.recording:
                effects.append(StartRecording(want.item, customer.leg, customer.recording))
    return effects


def _resume_recordings(
    wanted: Sequence[WantedLeg], by_id: Mapping[str, ChannelSeen], under_way: Sequence[Effect]
) -> list[Effect]:
    """Recordings that nobody has told of: the engine before us began them, or died before it could."""
    begun = {effect.leg for effect in under_way if isinstance(effect, StartRecording)}
    return [
        StartRecording(want.item, want.leg, want.recording)
        for want in wanted
        if is_recorded(want) and not want.recorded and want.leg not in begun and want.leg in by_id
    ]


def placed(want: WantedLeg) -> Effect:
    """What brings a leg that is up where it belongs: talking, listening, waiting, on hold or coaching."""
    match want.doing:
        case "waiting":
            return HoldMusic(want.item, want.leg, want.queue, want.music)
        case "held":
            return Hold(want.item, want.leg, want.music)
        case "coaching":
            return Coach(want.item, want.leg, want.ear)
        case _:
            return Join(want.item, want.leg, want.bridge, muted=want.doing == "listening")


# --- when is a difference a fault --------------------------------------------------------------------------------


RETRY = 3
"""Comparisons after which healing is tried again, should the difference still be there; it is counted once."""


SELF_ANNOUNCED = frozenset({Kind.UNKNOWN_WAITING_CALLER})
"""Even at a start these are believed at the second sight only: callers whom the dialplan kept for us come in by
themselves the moment we are connected, and the listing may be faster than their event."""


@dataclass(slots=True)
class Watch:
    """Remembers what was seen last time and what was healed."""

    seen: frozenset[tuple[str, str]] = frozenset()
    healed: dict[tuple[str, str], int] = field(default_factory=dict)

    def due(self, differences: Sequence[Difference], *, at_once: bool = False) -> list[tuple[Difference, bool]]:
        """Those to heal now, each with whether it is to be counted (the first time only)."""
        now = {difference.key: difference for difference in differences}
        self.healed = {key: count + 1 for key, count in self.healed.items() if key in now}
        result = []
        for key, difference in now.items():
            if key in self.healed:
                if self.healed[key] % RETRY == 0:
                    result.append((difference, False))
            elif key in self.seen or (at_once and difference.kind not in SELF_ANNOUNCED):
                self.healed[key] = 0
                result.append((difference, True))
        self.seen = frozenset(now)
        return result
