"""`ringside replay`: the state evolved from the log again, as one hash: equal in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from acd.core.codec import state_bytes
from acd.ports import FactLog, Snapshot, StoredFact
from acd.replica import Replica
from api.bootstrap import open_log
from api.commands.common import Context, Exit


def digest(replica: Replica) -> str:
    """SHA-256 of the state's bytes."""
    return hashlib.sha256(state_bytes(replica.state)).hexdigest()


class UpTo:
    """A log that ends at fact `last`: a running engine may write on while we read."""

    def __init__(self, origin: FactLog) -> None:
        self._origin = origin
        self.last = origin.last_seq()

    def last_seq(self) -> int:
        return self.last

    def read(self, after: int, limit: int = 1000) -> list[StoredFact]:
        return [fact for fact in self._origin.read(after, limit) if fact.seq <= self.last]

    def append(self, facts: Sequence[StoredFact]) -> None:
        raise PermissionError(f"a replay writes nothing ({len(facts)} facts)")

    def save_snapshot(self, snapshot: Snapshot) -> None:
        raise PermissionError(f"a replay writes nothing (snapshot {snapshot.seq})")

    def load_snapshot(self, version: str) -> Snapshot | None:
        found = self._origin.load_snapshot(version)
        if found is not None:
            self.last = max(self.last, found.seq)
        return found


def run(context: Context) -> int:
    """The whole log without a snapshot; with --check, the snapshot and its tail too, both up to the same fact."""
    log = open_log(context.settings)
    try:
        ending = UpTo(log)
        replicas = {}
        if context.args.check:
            snapshot = Replica(ending)
            replicas[f"snapshot {snapshot.seq} + log" if snapshot.seq else "log (no snapshot)"] = snapshot
        replicas["log"] = Replica(ending, use_snapshot=False)
        for replica in replicas.values():
            replica.catch_up()
    finally:
        log.close()
    rows = [(name, found.seq, len(state_bytes(found.state)), digest(found)) for name, found in replicas.items()]
    plain = [{"from": name, "seq": seq, "bytes": size, "sha256": mark} for name, seq, size, mark in rows]
    context.table(("head.from", "head.seq", "head.bytes", "head.sha256"), rows, plain)
    if len({mark for *_, mark in rows}) != 1:
        context.say(context.words("replay.differs"))
        return Exit.FAILED
    if context.args.check and not context.args.json:
        context.say(context.words("replay.equal"))
    return Exit.OK
