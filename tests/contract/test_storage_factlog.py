"""acd.ports.FactLog on SQLite and PostgreSQL: whole batches, one writer, nothing acknowledged is lost."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from acd.ports import FactLog, Fenced, Snapshot, StoredFact
from storage.factlog import SqlFactLog
from storage.migrations import upgrade
from storage.settings import Settings
from tests.contract.stored import stored

ROOT = Path(__file__).resolve().parent.parent.parent


def test_it_is_a_fact_log(fact_log: SqlFactLog) -> None:
    port: FactLog = fact_log
    assert port.last_seq() == 0
    assert port.read(0) == []
    port.append([])
    assert port.last_seq() == 0


def test_what_was_appended_is_read_back_word_for_word(fact_log: SqlFactLog) -> None:
    odd = ["", "客服 ☎ 🎧", "'; DROP TABLE facts; --", 'a "quoted" %s %(seq)s :seq ? \\ \n\t', "x" * 100_000]
    batch = [StoredFact(n, 2**52 + n, n, text[:60], "cli", 0, "Noted", 1, text) for n, text in enumerate(odd, start=1)]
    fact_log.append(batch)
    assert fact_log.read(0) == batch


def test_reading_goes_on_after_a_fact_and_stops_at_the_limit(fact_log: SqlFactLog) -> None:
    fact_log.append([stored(seq) for seq in range(1, 11)])
    assert [fact.seq for fact in fact_log.read(3, limit=4)] == [4, 5, 6, 7]
    assert fact_log.read(10) == []
    assert fact_log.last_seq() == 10


@pytest.mark.parametrize("first", [1, 2, 3, 5, 9])
def test_a_batch_that_does_not_follow_on_is_refused_whole(fact_log: SqlFactLog, first: int) -> None:
    fact_log.append([stored(1), stored(2), stored(3)])
    with pytest.raises(Fenced):
        fact_log.append([stored(seq) for seq in range(first, first + 3)])
    assert fact_log.read(0) == [stored(1), stored(2), stored(3)]


def test_a_batch_with_a_hole_is_refused_whole(fact_log: SqlFactLog) -> None:
    with pytest.raises(Fenced):
        fact_log.append([stored(1), stored(3)])
    assert fact_log.last_seq() == 0


def test_a_stale_leader_is_fenced_and_leaves_nothing(settings: Settings, fact_log: SqlFactLog) -> None:
    stale = SqlFactLog(settings.log_url)
    stale.append([stored(1)])
    fact_log.append([stored(2), stored(3)])  # another engine took over
    with pytest.raises(Fenced):
        stale.append([stored(2, code="stale"), stored(3, code="stale"), stored(4, code="stale")])
    assert stale.read(0) == [stored(1), stored(2), stored(3)]
    stale.close()


def test_two_that_both_believe_to_lead_never_both_write_a_fact(settings: Settings) -> None:
    """Each appends what it believes to come next; every seq has one owner, every batch is whole."""
    written: dict[str, list[int]] = {"a": [], "b": []}

    def lead(name: str) -> None:
        log = SqlFactLog(settings.log_url)
        for _ in range(60):
            following = log.last_seq() + 1
            batch = [stored(seq, step=following, code=name) for seq in range(following, following + 3)]
            try:
                log.append(batch)
                written[name] += [fact.seq for fact in batch]
            except Fenced:
                continue
        log.close()

    threads = [threading.Thread(target=lead, args=(name,)) for name in written]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log = SqlFactLog(settings.log_url)
    found = log.read(0)
    log.close()
    assert [fact.seq for fact in found] == list(range(1, len(found) + 1))
    assert sorted(written["a"] + written["b"]) == [fact.seq for fact in found]
    owners = {fact.seq: fact.body for fact in found}
    assert all('"a"' in owners[seq] for seq in written["a"])
    assert all('"b"' in owners[seq] for seq in written["b"])


def test_an_inbox_row_is_handled_once_for_ever(settings: Settings, fact_log: SqlFactLog) -> None:
    fact_log.append([stored(1, step=1, inbox=7), stored(2, step=1, inbox=7), stored(3, step=2)])
    with pytest.raises(Fenced):
        fact_log.append([stored(4, step=3), stored(5, step=4, inbox=7)])
    another = SqlFactLog(settings.log_url)
    assert another.last_seq() == 3
    assert [fact.inbox for fact in another.read(0)] == [7, 7, 0]
    another.append([stored(4, step=3, inbox=8)])
    another.close()


def test_an_inbox_row_in_two_steps_of_one_batch_is_refused(fact_log: SqlFactLog) -> None:
    with pytest.raises(Fenced):
        fact_log.append([stored(1, step=1, inbox=7), stored(2, step=2, inbox=7)])
    assert fact_log.last_seq() == 0


def test_snapshots_are_used_by_their_own_version_alone_and_two_are_kept(fact_log: SqlFactLog) -> None:
    assert fact_log.load_snapshot("1") is None
    for seq in (10, 20, 30):
        fact_log.save_snapshot(Snapshot(seq, "1", bytes(range(256)) + b"%d" % seq))
    assert fact_log.load_snapshot("1") == Snapshot(30, "1", bytes(range(256)) + b"30")
    assert fact_log.load_snapshot("2") is None
    fact_log.save_snapshot(Snapshot(30, "1", b"again"))
    assert fact_log.load_snapshot("1") == Snapshot(30, "1", b"again")
    fact_log.save_snapshot(Snapshot(40, "2", b"newer core"))
    assert fact_log.load_snapshot("1") == Snapshot(30, "1", b"again")
    assert fact_log.load_snapshot("2") == Snapshot(40, "2", b"newer core")
    fact_log.save_snapshot(Snapshot(50, "2", b"newest"))
    assert fact_log.load_snapshot("1") is None


WRITER = """
import sys
from storage.factlog import SqlFactLog
from tests.contract.stored import stored
log = SqlFactLog(sys.argv[1])
seq = log.last_seq()
while True:
    size = seq % 23 + 1
    log.append([stored(seq + n, step=seq + 1, code=str(size)) for n in range(1, size + 1)])
    seq += size
    sys.stdout.write(f"{seq}\\n")
    sys.stdout.flush()
"""


def test_kill_9_in_mid_append_tears_no_batch_and_loses_nothing_acknowledged(settings: Settings) -> None:
    chance = random.Random(20261121)
    acknowledged = 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, settings.log_url], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        for _ in range(chance.randrange(1, 40)):  # killed between or inside the following appends
            acknowledged = int(writer.stdout.readline())
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(timeout=chance.uniform(0, 0.003))
        writer.kill()
        rest = writer.stdout.read().splitlines(keepends=True)
        acknowledged = max([acknowledged, *(int(line) for line in rest if line.endswith("\n"))])
        writer.wait()
        writer.stdout.close()
        log = SqlFactLog(settings.log_url)
        facts = log.read(0, limit=1_000_000)
        log.close()
        assert [fact.seq for fact in facts] == list(range(1, len(facts) + 1))
        assert len(facts) >= acknowledged
        sizes: dict[int, int] = {}
        for fact in facts:
            sizes[fact.step] = sizes.get(fact.step, 0) + 1
        assert sizes == {step: (step - 1) % 23 + 1 for step in sizes}
    assert acknowledged > 100


FILLER = """
import resource, sys
from storage.factlog import SqlFactLog
from tests.contract.stored import stored
log = SqlFactLog(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))  # no file may grow beyond: as a full disk
seq = 0
try:
    while seq < 100_000:
        log.append([stored(seq + n, step=seq + 1, code="x" * 200) for n in range(1, 8)])
        seq += 7
except Exception as error:
    print(seq, type(error).__name__)
"""


def test_a_full_disk_refuses_the_batch_whole_and_the_log_goes_on_when_there_is_room(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/full.db"
    upgrade(url, "log")
    filler = subprocess.run(
        [sys.executable, "-c", FILLER, url], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    acknowledged, error = filler.stdout.split()
    assert error in {"OperationalError", "DatabaseError"}
    log = SqlFactLog(url)
    assert 0 < int(acknowledged) == log.last_seq()
    log.append([stored(int(acknowledged) + 1)])
    assert [fact.seq for fact in log.read(0, 100_000)] == list(range(1, int(acknowledged) + 2))
    log.close()
