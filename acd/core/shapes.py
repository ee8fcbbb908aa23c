"""The shapes of a conversation, as tables: who is where, what a person may do, what becomes of it when somebody leaves.

A conversation has up to three parties: the customer, the seat that serves him (the owner) and another one, who is a
colleague, an extension without a seat, or a number outside. All who may hear each other are in one mixing bridge;
whoever is on hold hears music in a holding bridge of his own (reference/shapes.md §2). The tables are printed into the
docs and the matrix of shapes on a real Asterisk is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How the parties of a conversation are placed. NONE: no seat is with the customer."""

    NONE = "none"
    DIALLING = "dialling"  # outbound: the seat hears the customer's phone ring
    TALK = "talk"
    HELD = "held"
    RINGING = "ringing"  # the other one is being rung for a consultation
    CONSULT = "consult"
    SWAPPED = "swapped"  # the other one waits, the seat is back with the customer
    THREE_WAY = "three_way"
    COACHED = "coached"  # the other one hears both, the seat alone hears him (V9)
    BLIND = "blind"  # the seat has left, the other one is being rung
    HANDED_OVER = "handed_over"  # the customer talks with somebody who has no seat
    PRIVATE = "private"  # the customer has left, the two others still talk


class Place(StrEnum):
    """Where a party is. NOWHERE: it has no channel in this shape."""

    NOWHERE = ""
    BRIDGE = "bridge"
    HOLD = "hold"
    RINGING = "ringing"
    COACH = "coach"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the three parties are in one shape."""

    customer: Place
    seat: Place
    other: Place = Place.NOWHERE


PLACES: Mapping[Shape, Places] = {
    Shape.NONE: Places(Place.NOWHERE, Place.NOWHERE),
    Shape.DIALLING: Places(Place.RINGING, Place.BRIDGE),
    Shape.TALK: Places(Place.BRIDGE, Place.BRIDGE),
    Shape.HELD: Places(Place.HOLD, Place.BRIDGE),
    Shape.RINGING: Places(Place.HOLD, Place.BRIDGE, Place.RINGING),
    Shape.CONSULT: Places(Place.HOLD, Place.BRIDGE, Place.BRIDGE),
    Shape.SWAPPED: Places(Place.BRIDGE, Place.BRIDGE, Place.HOLD),
    Shape.THREE_WAY: Places(Place.BRIDGE, Place.BRIDGE, Place.BRIDGE),
    Shape.COACHED: Places(Place.BRIDGE, Place.BRIDGE, Place.COACH),
    Shape.BLIND: Places(Place.HOLD, Place.NOWHERE, Place.RINGING),
    Shape.HANDED_OVER: Places(Place.BRIDGE, Place.NOWHERE, Place.BRIDGE),
    Shape.PRIVATE: Places(Place.NOWHERE, Place.BRIDGE, Place.BRIDGE),
}
"""Who is where. The customer of NONE waits, hears a prompt or is not there: his phase says which."""


class Move(StrEnum):
    """What the owner may do with a conversation once it has its parties."""

    HOLD = "hold"
    RESUME = "resume"
    SWAP = "swap"
    MERGE = "merge"  # three-way (V8)
    SPLIT = "split"  # back from three to two: the customer waits
    COACH = "coach"  # V9
    COMPLETE = "complete"  # the owner leaves, the other one has the customer (V7)
    CANCEL = "cancel"  # the other one leaves, the owner has the customer (V7)


MOVES: Mapping[tuple[Shape, Move], Shape] = {
    (Shape.TALK, Move.HOLD): Shape.HELD,
    (Shape.HELD, Move.RESUME): Shape.TALK,
    (Shape.RINGING, Move.CANCEL): Shape.TALK,
    (Shape.RINGING, Move.COMPLETE): Shape.BLIND,
    (Shape.CONSULT, Move.SWAP): Shape.SWAPPED,
    (Shape.CONSULT, Move.MERGE): Shape.THREE_WAY,
    (Shape.CONSULT, Move.COACH): Shape.COACHED,
    (Shape.CONSULT, Move.COMPLETE): Shape.TALK,
    (Shape.CONSULT, Move.CANCEL): Shape.TALK,
    (Shape.SWAPPED, Move.SWAP): Shape.CONSULT,
    (Shape.SWAPPED, Move.MERGE): Shape.THREE_WAY,
    (Shape.SWAPPED, Move.COACH): Shape.COACHED,
    (Shape.SWAPPED, Move.COMPLETE): Shape.TALK,
    (Shape.SWAPPED, Move.CANCEL): Shape.TALK,
    (Shape.THREE_WAY, Move.SPLIT): Shape.CONSULT,
    (Shape.THREE_WAY, Move.COACH): Shape.COACHED,
    (Shape.THREE_WAY, Move.COMPLETE): Shape.TALK,
    (Shape.THREE_WAY, Move.CANCEL): Shape.TALK,
    (Shape.COACHED, Move.SPLIT): Shape.CONSULT,
    (Shape.COACHED, Move.MERGE): Shape.THREE_WAY,
    (Shape.COACHED, Move.COMPLETE): Shape.TALK,
    (Shape.COACHED, Move.CANCEL): Shape.TALK,
}
"""What may be done in which shape, and what comes of it; what is not here is refused. After COMPLETE the other one is
the owner, or the shape is HANDED_OVER where he has no seat."""

INVITES: Mapping[Shape, Shape] = {Shape.TALK: Shape.RINGING, Shape.HELD: Shape.RINGING}
"""Where the owner may ring another one, and the shape while he rings (BLIND where the owner leaves at once)."""


class Who(StrEnum):
    """A party of a conversation."""

    CUSTOMER = "customer"
    SEAT = "seat"
    OTHER = "other"


class Aftermath(StrEnum):
    """What becomes of a conversation when somebody leaves it."""

    END = "end"
    TALK = "talk"  # owner and customer have each other again
    PROMOTE = "promote"  # the other one takes the owner's part, or is handed the customer
    BLIND = "blind"  # the other one goes on ringing, for the customer now
    PRIVATE = "private"  # the two others go on
    REQUEUE = "requeue"  # the customer waits at his old place


LEAVES: Mapping[tuple[Shape, Who], Aftermath] = {
    (Shape.DIALLING, Who.CUSTOMER): Aftermath.END,
    (Shape.DIALLING, Who.SEAT): Aftermath.END,
    (Shape.TALK, Who.CUSTOMER): Aftermath.END,
    (Shape.TALK, Who.SEAT): Aftermath.END,
    (Shape.HELD, Who.CUSTOMER): Aftermath.END,
    (Shape.HELD, Who.SEAT): Aftermath.END,
    (Shape.RINGING, Who.CUSTOMER): Aftermath.END,
    (Shape.RINGING, Who.SEAT): Aftermath.BLIND,
    (Shape.RINGING, Who.OTHER): Aftermath.TALK,
    (Shape.CONSULT, Who.CUSTOMER): Aftermath.PRIVATE,
    (Shape.CONSULT, Who.SEAT): Aftermath.PROMOTE,
    (Shape.CONSULT, Who.OTHER): Aftermath.TALK,
    (Shape.SWAPPED, Who.CUSTOMER): Aftermath.PRIVATE,
    (Shape.SWAPPED, Who.SEAT): Aftermath.PROMOTE,
    (Shape.SWAPPED, Who.OTHER): Aftermath.TALK,
    (Shape.THREE_WAY, Who.CUSTOMER): Aftermath.PRIVATE,
    (Shape.THREE_WAY, Who.SEAT): Aftermath.PROMOTE,
    (Shape.THREE_WAY, Who.OTHER): Aftermath.TALK,
    (Shape.COACHED, Who.CUSTOMER): Aftermath.PRIVATE,
    (Shape.COACHED, Who.SEAT): Aftermath.PROMOTE,
    (Shape.COACHED, Who.OTHER): Aftermath.TALK,
    (Shape.BLIND, Who.CUSTOMER): Aftermath.END,
    (Shape.BLIND, Who.OTHER): Aftermath.REQUEUE,
    (Shape.HANDED_OVER, Who.CUSTOMER): Aftermath.END,
    (Shape.HANDED_OVER, Who.OTHER): Aftermath.END,
    (Shape.PRIVATE, Who.SEAT): Aftermath.END,
    (Shape.PRIVATE, Who.OTHER): Aftermath.END,
}
"""What leaving means, complete: every party that has a channel in a shape has its row. A seat whose line was lost in
TALK or HELD, which its agent did not hang up, leaves the customer waiting at his old place instead of ENDing."""
