"""What a token may do, and what each endpoint asks for. An endpoint that is not in the table is refused to all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum

PREFIX = "/api/v1"


class Permission(StrEnum):
    """One thing a token may do. The names are stored with tokens: never reuse one for something else."""

    SEATS_READ = "seats:read"
    SEATS_CONTROL = "seats:control"
    QUEUES_READ = "queues:read"
    CALLS_READ = "calls:read"
    RECORDS_READ = "records:read"
    RECORDINGS_READ = "recordings:read"
    RECORDINGS_PLAY = "recordings:play"
    RECORDINGS_MANAGE = "recordings:manage"
    EXTENSIONS_READ = "extensions:read"
    EXTENSIONS_MANAGE = "extensions:manage"
    CALLS_HANDLE = "calls:handle"
    CALLS_DIAL = "calls:dial"
    CALLS_SUPERVISE = "calls:supervise"
    BLACKLIST_READ = "blacklist:read"
    BLACKLIST_ADD = "blacklist:add"  # for 24 hours (C8)
    BLACKLIST_MANAGE = "blacklist:manage"  # for good, and taking off
    CONFIGURATION_READ = "configuration:read"
    CONFIGURATION_MANAGE = "configuration:manage"


P = Permission
ENDPOINTS: Mapping[tuple[str, str], Permission] = {
    ("GET", "/seats"): P.SEATS_READ,
    ("GET", "/seats/{seat}"): P.SEATS_READ,
    ("POST", "/seats/{seat}/sign-in"): P.SEATS_CONTROL,
    ("POST", "/seats/{seat}/sign-out"): P.SEATS_CONTROL,
    ("POST", "/seats/{seat}/status"): P.SEATS_CONTROL,
    ("POST", "/seats/{seat}/wrap-up/end"): P.SEATS_CONTROL,
    ("POST", "/seats/{seat}/pickup"): P.SEATS_CONTROL,
    ("GET", "/queues"): P.QUEUES_READ,
    ("GET", "/queues/{queue}"): P.QUEUES_READ,
    ("GET", "/calls"): P.CALLS_READ,
    ("GET", "/calls/{call}"): P.CALLS_READ,
    ("GET", "/sip-codes"): P.CALLS_READ,
    ("GET", "/records"): P.RECORDS_READ,
    ("GET", "/records/{record}"): P.RECORDS_READ,
    ("GET", "/recordings"): P.RECORDINGS_READ,
    ("GET", "/recordings/{recording}"): P.RECORDINGS_READ,
    ("POST", "/recordings/{recording}/link"): P.RECORDINGS_PLAY,
    ("POST", "/recordings/{recording}/hold"): P.RECORDINGS_MANAGE,
    ("POST", "/recordings/{recording}/erase"): P.RECORDINGS_MANAGE,
    ("GET", "/extensions"): P.EXTENSIONS_READ,
    ("POST", "/extensions"): P.EXTENSIONS_MANAGE,
    ("POST", "/extensions/{number}/assign"): P.EXTENSIONS_MANAGE,
    ("POST", "/extensions/{number}/release"): P.EXTENSIONS_MANAGE,
    ("POST", "/extensions/{number}/move"): P.EXTENSIONS_MANAGE,
    ("POST", "/extensions/{number}/password"): P.EXTENSIONS_MANAGE,
    ("POST", "/extensions/{number}/short-code"): P.EXTENSIONS_MANAGE,
    ("DELETE", "/extensions/{number}"): P.EXTENSIONS_MANAGE,
    ("GET", "/lines"): P.EXTENSIONS_READ,
    ("POST", "/seats/{seat}/calls/{item}/move"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/consult"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/transfer"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/hang-up"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/mute"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/keys"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/calls/{item}/record"): P.CALLS_HANDLE,
    ("POST", "/seats/{seat}/dial"): P.CALLS_DIAL,
    ("POST", "/seats/{seat}/force-sign-out"): P.CALLS_SUPERVISE,
    ("POST", "/seats/{seat}/force-status"): P.CALLS_SUPERVISE,
    ("POST", "/calls/{item}/watch"): P.CALLS_SUPERVISE,
    ("POST", "/calls/{item}/unwatch"): P.CALLS_SUPERVISE,
    ("DELETE", "/calls/{item}"): P.CALLS_SUPERVISE,
    ("POST", "/calls/{item}/pause-recording"): P.CALLS_HANDLE,
    ("POST", "/calls/{item}/resume-recording"): P.CALLS_HANDLE,
    ("GET", "/calls/{item}/information"): P.CALLS_READ,
    ("GET", "/blacklist"): P.BLACKLIST_READ,
    ("POST", "/blacklist"): P.BLACKLIST_ADD,
    ("DELETE", "/blacklist/{address}"): P.BLACKLIST_MANAGE,
    ("GET", "/vips"): P.BLACKLIST_READ,
    ("POST", "/vips"): P.CONFIGURATION_MANAGE,
    ("GET", "/configuration"): P.CONFIGURATION_READ,
    ("POST", "/configuration"): P.CONFIGURATION_MANAGE,
    ("GET", "/who-serves"): P.CONFIGURATION_READ,
    ("GET", "/prompts"): P.CONFIGURATION_READ,
    ("GET", "/prompts/library"): P.CONFIGURATION_READ,
    ("POST", "/prompts"): P.CONFIGURATION_MANAGE,
    ("POST", "/prompts/speak"): P.CONFIGURATION_MANAGE,
    ("DELETE", "/prompts/{prompt}"): P.CONFIGURATION_MANAGE,
}
"""(method, path below PREFIX) -> the permission it needs."""


def needed(method: str, path: str) -> Permission | None:
    """The permission an endpoint asks for; None for one nobody declared, which must then be refused."""
    return ENDPOINTS.get((method, path.removeprefix(PREFIX)))


def parse(names: Collection[str]) -> tuple[Permission, ...]:
    """The permissions of those names in the table's order; "all" means every one. Raises ValueError for another."""
    if "all" in names:
        return tuple(Permission)
    wanted = {Permission(name) for name in names}
    return tuple(permission for permission in Permission if permission in wanted)
