"""Facts as rows, for tests of what stores them."""

from __future__ import annotations

from acd.core.codec import dump, kind_of
from acd.core.facts import InputNoted
from acd.ports import StoredFact


def stored(seq: int, *, step: int = 0, inbox: int = 0, code: str = "") -> StoredFact:
    """A row of the log; its step is its seq unless given."""
    fact = InputNoted("StatusChosen", code)
    at = 1_790_000_000_000_000 + seq
    return StoredFact(seq, at, step or seq, "p-7", "desk", inbox, kind_of(fact), fact.V, dump(fact))
