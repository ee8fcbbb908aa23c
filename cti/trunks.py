"""Carriers' lines as Asterisk has them: their part of the configuration, and whether they live.

They stand in a file of their own, WORK/etc/pjsip_trunks.conf (mode 0600, it holds passwords), which Asterisk takes up
while calls go on: `AsteriskProcess(new settings).refresh()`. A `set_var` comes through there, which it does not for
what is pushed by ARI (ADR 0013).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cti.ami import Ami, AmiError, Message
from cti.config import AsteriskSettings, Trunk, section
from cti.dialplan import TRUNK_VARIABLE

REGISTERED = "Registered"
REACHABLE = "Reachable"
NOT_ASKED = "NonQualified"
# A registration that was refused or lost is tried again after so long; a wrong password, too: the admin may have had it
# mended at the carrier. Slower after a 403, for carriers shut out who knocks too often.
RETRY_S = 30
FORBIDDEN_RETRY_S = 120
MAX_RETRIES = 1_000_000
# A carrier that is up answers OPTIONS within a few round trips.
QUALIFY_LIMIT_S = 3.0


def escaped(text: str) -> str:
    """A value as it may stand in one of Asterisk's files, where `;` begins a comment."""
    return text.replace(";", "\\;")


def host_of(address: str) -> str:
    """The host of host, host:port, [v6] or [v6]:port."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def uri_of(trunk: Trunk, user: str = "") -> str:
    """A SIP URI at the carrier."""
    over = "" if trunk.transport == "udp" else f";transport={trunk.transport}"
    return f"sip:{user}@{trunk.address}{over}" if user else f"sip:{trunk.address}{over}"


def answer_limit(qualify_s: int) -> float:
    """Seconds for the answer to one OPTIONS: over before the next is sent. A question from before the carrier was back,
    given up after a later one was answered, would take its line away once more (seen with 3 s at every 2 s)."""
    return min(QUALIFY_LIMIT_S, qualify_s - 0.5) if qualify_s else QUALIFY_LIMIT_S


def trunk_sections(trunk: Trunk) -> Iterator[tuple[str, dict[str, object]]]:
    """Every object of a line: endpoint, aor, identify, auth, registration."""
    endpoint: dict[str, object] = {
        "type": "endpoint",
        "transport": trunk.transport,
        "context": trunk.context,
        "disallow": "all",
        "allow": ",".join(trunk.codecs),
        "aors": trunk.name,
        "direct_media": "no",
        "rtp_symmetric": "yes",
        "force_rport": "yes",
        "rewrite_contact": "yes",
        "dtmf_mode": "rfc4733",
        "send_pai": "yes",
        "trust_id_inbound": "yes",
        "trust_id_outbound": "yes",
        # A carrier that may transfer moves its caller to whatever our dialplan has (reference/shapes.md §4).
        "allow_transfer": "no",
        "allow_subscribe": "no",
        "device_state_busy_at": trunk.max_calls,
        "set_var": f"{TRUNK_VARIABLE}={trunk.name}",
    }
    endpoint |= {key: value for key in ("from_user", "from_domain") if (value := getattr(trunk, key))}
    if trunk.srtp:
        endpoint["media_encryption"] = "sdes"
    if trunk.username:
        endpoint["outbound_auth"] = f"{trunk.name}-auth"
        user = {"username": trunk.username, "password": escaped(trunk.password)}
        yield f"{trunk.name}-auth", {"type": "auth", "auth_type": "userpass", **user}
    yield trunk.name, endpoint
    yield (
        trunk.name,
        {
            "type": "aor",
            "contact": escaped(uri_of(trunk)),
            "qualify_frequency": trunk.qualify_s,
            "qualify_timeout": answer_limit(trunk.qualify_s),
        },
    )
    match = ",".join(dict.fromkeys([host_of(trunk.address), *trunk.match]))
    yield f"{trunk.name}-identify", {"type": "identify", "endpoint": trunk.name, "match": match}
    if trunk.registers:
        yield f"{trunk.name}-registration", _registration(trunk)


def _registration(trunk: Trunk) -> dict[str, object]:
    return {
        "type": "registration",
        "transport": trunk.transport,
        "outbound_auth": f"{trunk.name}-auth",
        "server_uri": escaped(uri_of(trunk)),
        "client_uri": escaped(uri_of(trunk, trunk.username.partition("@")[0])),
        "contact_user": trunk.account.partition("@")[0],
        "expiration": trunk.expiry_s,
        "retry_interval": RETRY_S,
        "forbidden_retry_interval": FORBIDDEN_RETRY_S,
        "fatal_retry_interval": FORBIDDEN_RETRY_S,
        "max_retries": MAX_RETRIES,
        "max_random_initial_delay": 1,  # seconds; 10 unless told
        "auth_rejection_permanent": "no",
        # Several lines at one carrier come from one address: the parameter in our Contact tells them apart.
        "line": "yes",
        "endpoint": trunk.name,
    }


def trunks_conf(given: AsteriskSettings) -> str:
    """WORK/etc/pjsip_trunks.conf."""
    return "\n".join(section(name, options) for trunk in given.trunks for name, options in trunk_sections(trunk))


# --- do they live? ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrunkState:
    """A line as Asterisk sees it now. `registered` is None for one that does not register, `answers` None for one that
    is not asked (or not yet). `round_trip_us` in microseconds, 0 when unknown; `say` is Asterisk's own word."""

    name: str
    registered: bool | None
    answers: bool | None
    round_trip_us: int = 0
    say: str = ""

    @property
    def usable(self) -> bool:
        """Nothing speaks against a call by it."""
        return self.registered is not False and self.answers is not False


async def states(ami: Ami, trunks: Sequence[Trunk]) -> dict[str, TrunkState]:
    """The state of each line by name, in their order; one that Asterisk does not know is not usable.

    Raises AmiError, AmiGone.
    """
    told = await ami.listing("PJSIPShowRegistrationsOutbound", "OutboundRegistrationDetailComplete")
    logins = {row.get("ObjectName"): row for row in told}
    return {
        trunk.name: _state(trunk, logins.get(f"{trunk.name}-registration"), await _contact(ami, trunk.name))
        for trunk in trunks
    }


async def _contact(ami: Ami, name: str) -> Message | None:
    """The carrier's address with what came of asking it; None for a line that Asterisk does not know."""
    try:
        told = await ami.listing("PJSIPShowEndpoint", "EndpointDetailComplete", Endpoint=name)
    except AmiError as error:
        if "retrieve endpoint" not in str(error):
            raise
        return None
    return next((row for row in told if row.get("Event") == "ContactStatusDetail"), None)


def _state(trunk: Trunk, login: Message | None, contact: Message | None) -> TrunkState:
    told = login.get("Status") if login is not None else ""
    registered = told == REGISTERED if trunk.registers else None
    if contact is None:
        return TrunkState(trunk.name, registered, False, say=told or "unknown to Asterisk")
    status = contact.get("Status")
    answers = None if status in {NOT_ASKED, "Unknown", "Created", ""} else status == REACHABLE
    trip = contact.get("RoundtripUsec")
    say = told if registered is False else status
    return TrunkState(trunk.name, registered, answers, int(trip) if trip.isdigit() else 0, say)
