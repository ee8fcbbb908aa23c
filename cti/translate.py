"""ARI events as inputs of the core and notes for ourselves: pure, one row of a table for each event type.

What is read here came over the network: ids, names and numbers are bounded and made printable before they go further,
and whatever has not the expected shape gives nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from acd.core.inputs import (
    DigitPressed,
    DirectCallEnded,
    Input,
    MediaFlowed,
    OfferAnswered,
    OfferRefused,
    PartyLeft,
    PhoneChanged,
    PromptEnded,
    RingSeen,
)
from acd.core.model import OfferResult, Outcome, Party
from cti.ari import Event
from cti.causes import line_refusal
from cti.legs import Hung, Leg, Legs, Role

LONGEST_ID = 150
LONGEST_TEXT = 80
DIGITS = frozenset("0123456789*#ABCD")


# --- notes: what the telephone side must do or remember itself ---------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallerCame:
    """A caller's channel is ours. `item` is what the entry's AGI named; empty: nobody planned this call yet."""

    leg: str
    entry: str
    number: str
    name: str
    item: str


@dataclass(frozen=True, slots=True)
class Dialled:
    """An agent's phone dialled `number`."""

    leg: str
    extension: str
    number: str


@dataclass(frozen=True, slots=True)
class LegReady:
    """A channel we created is in our application: it may be dialled."""

    leg: str


@dataclass(frozen=True, slots=True)
class Strayed:
    """A channel came to us without words we know; it is hung up."""

    leg: str


@dataclass(frozen=True, slots=True)
class Rang:
    leg: str


@dataclass(frozen=True, slots=True)
class EarlyMedia:
    """The far end is heard before it answered."""

    leg: str


@dataclass(frozen=True, slots=True)
class Answered:
    leg: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The first hang-up request of a channel."""

    leg: str
    by: Hung


@dataclass(frozen=True, slots=True)
class Gone:
    """The channel exists no more; `q850` and `sip` say what the other end was told or told us."""

    leg: str
    q850: int
    sip: int


@dataclass(frozen=True, slots=True)
class LeftApp:
    """The channel is out of our application: it died, or somebody redirected it."""

    leg: str


@dataclass(frozen=True, slots=True)
class HeldByPhone:
    """A phone's own hold button (cti.conversation)."""

    leg: str
    on: bool


@dataclass(frozen=True, slots=True)
class Flowed:
    """The core is told that sound flows to and from this seat's leg."""

    leg: str


@dataclass(frozen=True, slots=True)
class PromptOver:
    """A playback ended, whoever started it."""

    token: str


@dataclass(frozen=True, slots=True)
class Referred:
    """A phone sent a REFER of its own on `leg`: to the number `to`, or with Replaces: to the far end of its second
    call, whose channel is `second`. Who that is, Asterisk does not tell in a softmix bridge."""

    leg: str
    to: str
    second: str = ""


Note = (
    CallerCame
    | Dialled
    | LegReady
    | Strayed
    | Rang
    | EarlyMedia
    | Answered
    | HungUp
    | Gone
    | LeftApp
    | HeldByPhone
    | Flowed
    | PromptOver
    | Referred
)
Meaning = Input | Note


# --- reading what is not to be trusted ---------------------------------------------------------------------------


def text_of(value: object, limit: int = LONGEST_TEXT) -> str:
    """A value as printable text of bounded length; anything but a string is empty."""
    if not isinstance(value, str):
        return ""
    if len(value) <= limit and value.isprintable():  # nearly always; letter by letter was 8 % of the engine's time
        return value.strip()
    return "".join(sign for sign in value[: 4 * limit] if sign.isprintable())[:limit].strip()


def number_of(value: object) -> int:
    """A small number, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000 else 0


def whole_of(value: object) -> int:
    """A number that is not negative, 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def part_of(event: Event, name: str) -> Mapping[str, Any]:
    """An object inside the event, empty when it is none."""
    value = event.get(name)
    return value if isinstance(value, dict) else {}


def id_of(thing: Mapping[str, Any]) -> str:
    return text_of(thing.get("id"), LONGEST_ID)


def words_of(value: object) -> list[str]:
    """A list of texts, such as Stasis arguments."""
    return [text_of(word, LONGEST_ID) for word in value[:8]] if isinstance(value, list) else []


def extension_of(channel: Mapping[str, Any]) -> str:
    """The endpoint in a channel's name: PJSIP/1001-0000002a -> 1001."""
    technology, _, rest = text_of(channel.get("name"), LONGEST_ID).partition("/")
    return rest.rpartition("-")[0] if technology == "PJSIP" else ""


def variable_of(channel: Mapping[str, Any], name: str) -> str:
    """A channel variable that ari.conf's channelvars adds to each snapshot."""
    return text_of(part_of(channel, "channelvars").get(name), LONGEST_ID)


# --- the table ---------------------------------------------------------------------------------------------------


def translate(event: Event, legs: Legs) -> Sequence[Meaning]:
    """What the event means, given what we know of the legs. Changes nothing; unknown types and legs give ()."""
    row = TABLE.get(text_of(event.get("type")))
    return row(event, legs) if row is not None else ()


def _stasis_start(event: Event, _: Legs) -> Sequence[Meaning]:
    channel = part_of(event, "channel")
    leg = id_of(channel)
    if not leg:
        return ()
    words = words_of(event.get("args"))
    row = _ARRIVALS.get(words[0] if words else "")
    return (row(leg, words[1] if len(words) > 1 else "", channel),) if row is not None else (Strayed(leg),)


def _entered(leg: str, entry: str, channel: Mapping[str, Any]) -> Note:
    caller = part_of(channel, "caller")
    number, name = text_of(caller.get("number")), text_of(caller.get("name"))
    return CallerCame(leg, entry, number, name, variable_of(channel, "RINGSIDE_ITEM"))


def _handset(leg: str, number: str, channel: Mapping[str, Any]) -> Note:
    return Dialled(leg, extension_of(channel), number)


def _created(leg: str, _: str, __: Mapping[str, Any]) -> Note:
    return LegReady(leg)


_ARRIVALS: Mapping[str, Callable[[str, str, Mapping[str, Any]], Note]] = {
    "entry": _entered,
    "dial": _handset,
    "offer": _created,
    "snoop": _created,
    "direct": _created,
}
"""The first Stasis argument: the dialplan says entry and dial, we say offer, direct and snoop ourselves."""


def _stasis_end(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = id_of(part_of(event, "channel"))
    return (LeftApp(leg),) if legs.get(leg) else ()


def _dial(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = legs.get(id_of(part_of(event, "peer")))
    status = text_of(event.get("dialstatus"))
    if leg is None or leg.withdrawn:
        return ()
    told = leg.role is not Role.DIRECT  # the core asked for it
    if status == "RINGING" and not leg.rung:
        return (Rang(leg.id), RingSeen(leg.id)) if told else (Rang(leg.id),)
    if status == "PROGRESS":
        return (EarlyMedia(leg.id),)
    if status == "ANSWER" and not leg.answered:
        return (Answered(leg.id), OfferAnswered(leg.id)) if told else (Answered(leg.id),)
    return ()


def _hangup_request(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = legs.get(id_of(part_of(event, "channel")))
    if leg is None or leg.hung is not Hung.NOBODY:
        return ()
    return (HungUp(leg.id, Hung.US if event.get("soft") else Hung.PARTY),)


def _destroyed(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = legs.get(id_of(part_of(event, "channel")))
    if leg is None:
        return ()
    gone = Gone(leg.id, number_of(event.get("cause")), number_of(event.get("tech_cause")))
    said = _ENDS[leg.role](leg, gone, legs)
    return (gone, said) if said is not None else (gone,)


def _left(leg: Leg, gone: Gone, _: Legs) -> Input:
    """Without a hang-up request of its own the party did not hang up: we did, or its line was cut."""
    return PartyLeft(leg.id, hung_up=leg.hung is Hung.PARTY, sip=gone.sip, q850=gone.q850)


def _seat_left(leg: Leg, gone: Gone, legs: Legs) -> Input | None:
    if leg.answered:
        return _left(leg, gone, legs)
    if leg.withdrawn:
        return None  # the echo of our own withdrawal
    if leg.line:
        by_us = leg.hung is Hung.US
        result, outcome = line_refusal(rang=leg.rung, by_us=by_us, sip=gone.sip, q850=gone.q850)
        return OfferRefused(leg.id, result, gone.sip, gone.q850, outcome)
    return OfferRefused(leg.id, refusal_of(leg, gone), sip=gone.sip, q850=gone.q850)


DECLINED_SIP = frozenset({486, 600, 603, 403})
DECLINED_Q850 = frozenset({17, 21})
SILENT_SIP = frozenset({408, 480, 487})


def refusal_of(leg: Leg, gone: Gone) -> OfferResult:
    """Why an offer's channel ended before anybody answered.

    Busy and decline are the person's. A phone that rang and then gave up by itself (480, 408, or Asterisk's own dial
    limit, which also says 480) was not answered in time; without ringing it was out of reach (shapes.md §5).
    """
    if gone.sip in DECLINED_SIP or (not gone.sip and gone.q850 in DECLINED_Q850):
        return OfferResult.REJECTED
    if leg.rung and (gone.sip in SILENT_SIP or leg.hung is Hung.US):
        return OfferResult.TIMEOUT
    return OfferResult.UNREACHABLE


def _customer_left(leg: Leg, gone: Gone, legs: Legs) -> Input | None:
    """One who called us leaves; one whom we called may not have answered."""
    return _seat_left(leg, gone, legs) if leg.line else _left(leg, gone, legs)


def _direct_left(leg: Leg, gone: Gone, legs: Legs) -> Input:
    """`who` is seen from this seat: itself, the other end ("customer"), or us."""
    by_peer = leg.hung is Hung.US and leg.peer and legs.get(leg.peer) is None
    who = Party.SEAT if leg.hung is not Hung.US else Party.CUSTOMER if by_peer else Party.SYSTEM
    outcome = Outcome.ANSWERED if leg.answered else _UNANSWERED.get(gone.q850, Outcome.CANCELLED)
    return DirectCallEnded(leg.id, outcome, who, gone.sip, gone.q850)


_UNANSWERED: Mapping[int, Outcome] = {
    1: Outcome.WRONG_NUMBER,
    17: Outcome.BUSY,
    18: Outcome.UNREACHABLE,
    19: Outcome.RNA,
    20: Outcome.UNREACHABLE,
    21: Outcome.REJECTED,
    34: Outcome.CONGESTION,
    38: Outcome.UNREACHABLE,
    58: Outcome.MEDIA,
}

_ENDS: Mapping[Role, Callable[[Leg, Gone, Legs], Input | None]] = {
    Role.CUSTOMER: _customer_left,
    Role.OTHER: _seat_left,
    Role.SEAT: _seat_left,
    Role.WATCHER: _seat_left,
    Role.DIRECT: _direct_left,
}


def _dtmf(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = legs.get(id_of(part_of(event, "channel")))
    digit = text_of(event.get("digit"))
    if leg is None or leg.role is not Role.CUSTOMER or leg.paused or digit not in DIGITS:
        return ()
    return (DigitPressed(leg.id, digit),)


def _playback_finished(event: Event, legs: Legs) -> Sequence[Meaning]:
    playback = part_of(event, "playback")
    token = id_of(playback)
    item = legs.prompts.get(token)
    over = PromptOver(token)
    return (over, PromptEnded(item, token, played=playback.get("state") == "done")) if item else (over,)


def _phone(event: Event, legs: Legs) -> Sequence[Meaning]:
    endpoint = part_of(event, "endpoint")
    extension = text_of(endpoint.get("resource"))
    seat = legs.seats.seat_of(extension)
    if not seat or not legs.seats.settled(extension):
        return ()
    reason = text_of(part_of(event, "contact_info").get("contact_status"))
    return (PhoneChanged(seat, endpoint.get("state") == "online", reason or text_of(event.get("type"))),)


def _entered_bridge(event: Event, legs: Legs) -> Sequence[Meaning]:
    """Two parties who are there are in their bridge: sound flows for each seat among them."""
    bridge = part_of(event, "bridge")
    join = legs.joins.get(id_of(bridge).partition("~")[0])
    members = bridge.get("channels")
    if join is None or join.flowed or not join.item or not isinstance(members, list):
        return ()
    there = [leg for name in join.legs if name in members and (leg := legs.get(name)) is not None and leg.up]
    fresh = [leg for leg in there if leg.seat and leg.role is Role.SEAT and not leg.flowed] if len(there) > 1 else []
    return [meaning for leg in fresh for meaning in (Flowed(leg.id), MediaFlowed(join.item, leg.seat))]


def _hold(event: Event, legs: Legs) -> Sequence[Meaning]:
    leg = legs.get(id_of(part_of(event, "channel")))
    return (HeldByPhone(leg.id, event.get("type") == "ChannelHold"),) if leg is not None and leg.talking else ()


def _transfer(event: Event, _: Legs) -> Sequence[Meaning]:
    """An event with a state is the echo of our own answer."""
    to = part_of(event, "refer_to")
    source = id_of(part_of(part_of(event, "referred_by"), "source_channel"))
    if not source or event.get("state"):
        return ()
    number = text_of(part_of(to, "requested_destination").get("destination"))
    return (Referred(source, number, id_of(part_of(to, "destination_channel"))),)


TABLE: Mapping[str, Callable[[Event, Legs], Sequence[Meaning]]] = {
    "StasisStart": _stasis_start,
    "StasisEnd": _stasis_end,
    "Dial": _dial,
    "ChannelHangupRequest": _hangup_request,
    "ChannelDestroyed": _destroyed,
    "ChannelDtmfReceived": _dtmf,
    "PlaybackFinished": _playback_finished,
    "ContactStatusChange": _phone,
    "PeerStatusChange": _phone,
    "ChannelEnteredBridge": _entered_bridge,
    "ChannelHold": _hold,
    "ChannelUnhold": _hold,
    "ChannelTransfer": _transfer,
}
"""Every event we ask Asterisk for; the allow-list is made of its keys."""

EVENTS = tuple(TABLE)
