"""What a phone raises."""

from __future__ import annotations


class PhoneError(Exception):
    """The phone could not do it; the text says why, for a person."""


class PhoneBusy(PhoneError):
    """Another re-INVITE of the same call is under way (PJ_EINVALIDOP)."""
