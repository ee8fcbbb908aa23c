"""Robots that call and answer, and the driver they use."""

from softphone.process import CommandRefused, NotSaid, PhoneGone, PhoneProcess, Said

__all__ = ["CommandRefused", "NotSaid", "PhoneGone", "PhoneProcess", "Said"]
